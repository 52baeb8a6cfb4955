"""What a crash leaves behind is put right: overlays in every state, half-done pivots, paused guests, frozen guests, copies that still run,
what others left. What was not put right, and why, is told with the line to type. Everything is done twice: the second time finds nothing."""

import contextlib
import glob
import hashlib
import json
import os
import re
import shutil
import signal
import socket
import sqlite3
import time
import unittest
from unittest import mock

from harness import Disk, Lab, Vm, domain_xml, entry
from lab.images import file_in_image
from outside import BINARY, DaemonOrch, LabCase, Stream, finish
from preload import step_gate

HOST = "hypervisor-01"
JOB, OTHER = "20261120-abcd", "ffffffff"


class RecoverCase(LabCase):
    kind = "light"
    settings = {}
    inventory = ()

    @classmethod
    def setUpClass(cls):
        unittest.TestCase.setUpClass.__func__(cls)
        cls.lab = cls.enterClassContext(Lab.create(f"{cls.prefix}-{os.getpid()}", hosts=1, kind=cls.kind))
        cls.lab.add_vms([(host, make()) for host, make in cls.vms])
        cls.host = cls.lab.host(HOST)
        cls.orch = cls.enterClassContext(DaemonOrch(cls.lab, BINARY, settings=cls.settings))
        cls.orch.write_inventory(list(cls.inventory))
        cls.short = cls.orch.repository_init()[:8]
        cls.orch.start_daemon()

    def setUp(self):
        """Every guest runs on its own disks, whatever a test that failed left."""
        if not self.host.libvirt_answers():
            self.host.restart("libvirtd")
        for guest in self.lab.guests.values():
            if guest.disk_paths() != {d.target: d.path for d in guest.spec.disks} or any(".orch-" in f for f in self.host.files()):
                self.host.exec("virsh", "destroy", guest.name, check=False)
                self.host.exec("virsh", "managedsave-remove", guest.name, check=False)
                self.host.exec("virsh", "-q", "define", "/dev/stdin", input=domain_xml(guest.spec))
                self.host.shell("rm -f /var/lib/libvirt/images/*.orch-*")
            if guest.state() not in ("running", "shut off"):  # paused, where a test filled the file system that its disks grow on
                self.host.exec("virsh", "destroy", guest.name, check=False)
            if guest.state() != "running":
                guest.start()

    # -- states --------------------------------------------------------------------------------------------------------

    def overlay(self, guest, target="vda", job=JOB, short=None):
        return f"{self.base(guest, target)}.orch-{short or self.short}-{job}"

    @staticmethod
    def base(guest, target="vda"):
        return next(d.path for d in guest.spec.disks if d.target == target)

    def put_on_overlay(self, guest, short=None):
        """As a backup leaves it when everything of orch dies during the copy. A file on vda says which side it is read from."""
        guest.exec("sh", "-c", "echo before > /data/vda/after; sync")
        specs = [f"--diskspec={d.target},snapshot=external,file={self.overlay(guest, d.target, short=short)}" for d in guest.spec.disks]
        self.host.virsh("snapshot-create-as", guest.name, "--disk-only", "--atomic", "--no-metadata", *specs)
        guest.exec("sh", "-c", "echo after > /data/vda/after; sync")

    def on_disk(self, guest, name="/after", target="vda"):
        """A file in the guest's own disk, as its next start finds it."""
        flat = "/var/lib/libvirt/images/.flat"
        self.host.exec("qemu-img", "convert", "-O", "raw", self.base(guest, target), flat)
        try:
            self.host.exec("e2fsck", "-fy", flat, check=False)  # replays the journal
            return file_in_image(self.host.path(flat), name, "raw").strip()
        finally:
            self.host.exec("rm", flat)

    def qemu_id(self, guest):
        """As the host itself counts: pid, start time, boot."""
        said = self.host.shell(f"for p in /proc/[0-9]*; do tr '\\0' ' ' < $p/cmdline 2>/dev/null | grep -q '^/usr/bin/qemu.*guest={guest.name},' && "
                               "echo ${p#/proc/}:$(sed 's/.*)//' $p/stat | cut -d' ' -f21); done; cut -c1-8 /proc/sys/kernel/random/boot_id")
        return ":".join(said.split())

    def mark_pivoting(self, overlay, qemu):
        self.host.exec("ln", "-s", qemu, overlay + ".pivoting")

    def commit_behind_libvirts_back(self, guest):
        """READY, the marker, libvirtd killed, and then the pivot is done in QEMU."""
        self.host.virsh("blockcommit", guest.name, "vda", "--active", "--wait", "--base", self.base(guest), "--top", self.overlay(guest))
        self.mark_pivoting(self.overlay(guest), self.qemu_id(guest))
        folder = self.host.shell(f"ls -d /var/lib/libvirt/qemu/domain-*-{guest.name}").strip()
        self.host.kill_for_good("libvirtd")  # started again now, it would see the pivot
        fd = os.open(self.host.path(folder), os.O_RDONLY | os.O_DIRECTORY)
        try:
            with socket.socket(socket.AF_UNIX) as s:
                s.settimeout(20)
                s.connect(f"/proc/self/fd/{fd}/monitor.sock")
                lines = s.makefile("r")
                lines.readline()

                def ask(command, **arguments):
                    s.sendall(json.dumps({"execute": command, "arguments": arguments}).encode() + b"\n")
                    for line in lines:
                        answer = json.loads(line)
                        if "return" in answer or "error" in answer:
                            return answer["return"]
                ask("qmp_capabilities")
                job = ask("query-block-jobs")[0]["device"]
                ask("job-complete", id=job)
                deadline = time.monotonic() + 60
                while any(j["status"] not in ("pending", "concluded") for j in ask("query-jobs")) and time.monotonic() < deadline:
                    time.sleep(0.02)
                for j in ask("query-jobs"):
                    if j["status"] == "pending":
                        ask("job-finalize", id=j["id"])
        finally:
            os.close(fd)

    # -- verdicts ------------------------------------------------------------------------------------------------------

    def recover(self, *words, status=0):
        result = self.orch("recover", *words)
        self.assertEqual(result.status, status, result)
        return result.out + result.err

    def recover_finds_nothing(self, *words):
        said = self.recover(*words)
        self.assertIn("0 leftovers", said)
        self.assertNotIn("warning", said)

    def assert_untouched_by(self, guest, act):
        """What `act` returns; it changed no file of the host and nothing of the domain."""
        def look():
            form = "%i" if guest.state() == "running" else "%i %s %Y"  # a running guest writes
            files = {f: self.host.shell(f"stat -c '{form}' -- '{f}'") for f in self.host.files() if f"/images/{guest.name}-" in f}
            return guest.state(), guest.xml("--inactive"), guest.disk_paths(), files
        before = look()
        said = act()
        self.assertEqual(look(), before)
        return said

    def assert_off_and_back(self, guest):
        self.assertEqual(guest.state(), "shut off")
        self.assertEqual(guest.disk_paths(), {d.target: d.path for d in guest.spec.disks})
        self.assertEqual(self.host.orch_traces(), [])


def kill_qemu(host, guest):
    host.kill_proc(f"qemu:{guest.name}")
    deadline = time.monotonic() + 60
    while guest.state() != "shut off" and time.monotonic() < deadline:
        time.sleep(0.05)


def digest(path):
    with open(path, "rb") as f:
        return hashlib.sha256(f.read()).hexdigest()


class Overlays(RecoverCase):
    prefix = "recover"
    settings = {"limits": {"copy_stall_seconds": 30}}
    vms = [(HOST, lambda: Vm("two", [Disk("vda", size_mib=64), Disk("vdb", format="raw", size_mib=96)])),
           (HOST, lambda: Vm("clone", [Disk("vda", size_mib=64, kind="chain")]))]
    inventory = [entry("two", HOST, priority=1), entry("clone", HOST, "snapshot", priority=2)]

    def test_off_on_its_overlay_is_repaired_without_being_started(self):
        guest = self.lab.vm("two")
        self.put_on_overlay(guest)
        kill_qemu(self.host, guest)
        xml = guest.xml("--inactive")
        said = self.assert_untouched_by(guest, lambda: self.recover("two", "--dry-run"))
        self.assertIn("would be put right: disk vda", said)
        self.assertIn("without starting", said)
        said = self.recover("two")
        self.assertIn(self.overlay(guest), said)
        self.assert_off_and_back(guest)
        self.assertEqual(self.on_disk(guest), "after")
        self.recover_finds_nothing("two")
        again = guest.xml("--inactive")
        # All else about the disks is as before: only their sources moved.
        strip = re.compile(r"<source .*?/>|<backingStore/>|<backingStore .*?</backingStore>|<driver .*?/>", re.S)
        self.assertEqual(re.sub(r"\s+", "", strip.sub("", again)), re.sub(r"\s+", "", strip.sub("", xml)))
        guest.start()
        self.assertEqual(guest.exec("cat", "/data/vda/after")[0].strip(), "after")
        self.assert_as_before("two")

    def test_started_again_on_its_overlay_is_committed_while_it_runs(self):
        guest = self.lab.vm("two")
        self.put_on_overlay(guest)
        kill_qemu(self.host, guest)
        guest.start()
        guest.exec("sh", "-c", "echo later > /data/vda/later; sync")
        self.assertIn("while it runs", self.assert_untouched_by(guest, lambda: self.recover(HOST, "--dry-run")))
        said = self.recover(HOST)
        self.assertIn("clone", said)  # all VMs of the hypervisor
        self.assert_as_before("two", "clone")
        self.assertEqual(guest.exec("cat", "/data/vda/after", "/data/vda/later")[0].split(), ["after", "later"])
        self.recover_finds_nothing("two")

    def test_saved_on_its_overlay_waits_for_its_start(self):
        guest = self.lab.vm("two")
        self.put_on_overlay(guest)
        boot = guest.exec("cat", "/proc/sys/kernel/random/boot_id")[0]
        self.host.virsh("managedsave", "two")
        said = self.assert_untouched_by(guest, lambda: self.recover("two", "--dry-run"))
        self.assertIn("has been started", said)
        said = self.assert_untouched_by(guest, lambda: self.recover("two", status=1))
        self.assertIn("virsh start two", said)
        guest.start()
        self.recover("two")
        self.assert_as_before("two")
        self.assertEqual(guest.exec("cat", "/proc/sys/kernel/random/boot_id")[0], boot)
        self.assertEqual(guest.exec("cat", "/data/vda/after")[0].strip(), "after")

    def test_linked_clone_keeps_its_chain_and_its_golden_image(self):
        guest = self.lab.vm("clone")
        golden, middle = (self.host.path(p) for p in guest.spec.disks[0].chain)
        before = digest(golden), digest(middle)
        for power_off in (True, False):
            self.put_on_overlay(guest)
            if power_off:
                kill_qemu(self.host, guest)
            self.recover("clone")
            self.assertEqual((digest(golden), digest(middle)), before)
            info = json.loads(self.host.exec("qemu-img", "info", "-U", "--output=json", self.base(guest)).stdout)
            self.assertEqual(info["full-backing-filename"], guest.spec.disks[0].chain[1])
            if power_off:
                self.assert_off_and_back(guest)
                guest.start()
        self.assert_as_before("clone")
        self.assertEqual(guest.exec("cat", "/data/vda/after")[0].strip(), "after")

    def test_disk_one_committed_and_disk_two_not(self):
        guest = self.lab.vm("two")
        self.put_on_overlay(guest)
        # As a worker does it that is killed after the pivot of vda, before it could say so.
        self.mark_pivoting(self.overlay(guest), self.qemu_id(guest))
        self.host.virsh("blockcommit", "two", "vda", "--active", "--pivot", "--base", self.base(guest), "--top", self.overlay(guest))
        self.assert_untouched_by(guest, lambda: self.recover("two", "--dry-run"))
        said = self.recover("two")
        self.assertIn(f"{self.overlay(guest)} of an interrupted job had been committed", said)
        self.assert_as_before("two")
        self.recover_finds_nothing("two")

    def test_pivot_done_unseen_is_never_committed_blindly(self):
        guest = self.lab.vm("two")
        self.put_on_overlay(guest)
        xml = guest.xml()
        self.commit_behind_libvirts_back(guest)
        with mock.patch.object(guest, "xml", return_value=xml):  # libvirt cannot be asked
            guest.control("echo newer > /data/vda/after; sync")
        self.host.kill_proc("qemu:two")
        self.host.restart("libvirtd")
        self.assertEqual(guest.disk_paths()["vda"], self.overlay(guest), "libvirt noticed the pivot: the case was not made")
        images = [self.host.path(p) for p in (self.base(guest), self.overlay(guest))]
        before = [digest(p) for p in images]
        said = self.recover("two", status=1)
        self.assertEqual([digest(p) for p in images], before)
        for line in (f"qemu-img compare -f qcow2 -F qcow2 {self.base(guest)} {self.overlay(guest)}", f"rm {self.overlay(guest)}.pivoting",
                     "virsh edit two", "orch recover two"):
            self.assertIn(line, said)
        # vdb is not in doubt and was put right; the second time changes nothing.
        self.assertIn("virsh edit two", self.assert_untouched_by(guest, lambda: self.recover("two", status=1)))
        self.assertEqual(guest.disk_paths()["vdb"], self.base(guest, "vdb"))
        # Somebody starts it all the same: it runs on the older data, and is still not committed.
        guest.start()
        self.assertEqual(guest.exec("cat", "/data/vda/after")[0].strip(), "after")
        said = self.recover("two", status=1)
        self.assertIn("virsh shutdown two", said)
        self.assertEqual(guest.disk_paths()["vda"], self.overlay(guest))
        result = self.orch("backup", "vm", "two")
        self.assertEqual(result.status, 1, result)
        guest.shutdown()
        # The owner's decision, with the lines that were told: the base's data.
        xml = guest.xml("--inactive").replace(self.overlay(guest), self.base(guest))
        xml = re.sub(r"<backingStore type=.*?</backingStore>", "", xml, flags=re.S)
        self.host.exec("virsh", "-q", "define", "/dev/stdin", input=xml)
        self.host.exec("rm", self.overlay(guest), self.overlay(guest) + ".pivoting")
        self.recover_finds_nothing("two")
        guest.start()
        self.assertEqual(guest.exec("cat", "/data/vda/after")[0].strip(), "newer")
        self.assert_as_before("two")

    def test_killed_at_ready_with_the_same_data_is_finished(self):
        guest = self.lab.vm("clone")
        self.put_on_overlay(guest)
        self.host.virsh("blockcommit", "clone", "vda", "--active", "--wait", "--base", self.base(guest), "--top", self.overlay(guest))
        self.mark_pivoting(self.overlay(guest), self.qemu_id(guest))
        kill_qemu(self.host, guest)
        self.recover("clone")
        self.assert_off_and_back(guest)
        guest.start()
        self.assertEqual(guest.exec("cat", "/data/vda/after")[0].strip(), "after")

    def test_ready_and_its_qemu_still_there_is_finished(self):
        guest = self.lab.vm("two")
        self.put_on_overlay(guest)
        self.host.virsh("blockcommit", "two", "vda", "--active", "--wait", "--base", self.base(guest), "--top", self.overlay(guest))
        self.mark_pivoting(self.overlay(guest), self.qemu_id(guest))
        self.host.kill_proc("libvirtd")
        self.host.restart("libvirtd")
        self.recover("two")
        self.assert_as_before("two")
        self.assertEqual(guest.exec("cat", "/data/vda/after")[0].strip(), "after")

    def test_xml_put_back_in_mid_overlay_keeps_the_orphan(self):
        guest = self.lab.vm("clone")
        old = guest.xml("--inactive")
        self.put_on_overlay(guest)
        self.host.exec("virsh", "-q", "define", "/dev/stdin", input=old)
        kill_qemu(self.host, guest)
        overlay = self.overlay(guest)
        guest.start()
        self.assertEqual(guest.exec("cat", "/data/vda/after")[0].strip(), "before")
        kept = digest(self.host.path(overlay))
        said = self.recover("clone")
        self.assertIn(f"{overlay}, an overlay of an interrupted job, is not used by clone", said)
        self.assertIn(f"rm {overlay}", said)
        # A backup goes on: it shows what the VM has now, and says every time that there is more.
        result = self.orch("backup", "vm", "clone", check=0)
        self.assertIn(overlay, result.out)
        point = self.orch.points_of("clone")[0]
        self.assertTrue(any(overlay in w for w in self.orch.metadata(point)["warnings"]))
        self.assertEqual(digest(self.host.path(overlay)), kept)
        guest.destroy()
        self.assertIn("kept", self.recover("clone"))
        self.assertEqual(digest(self.host.path(overlay)), kept)
        self.host.exec("rm", overlay)
        self.recover_finds_nothing("clone")

    def test_saved_while_the_snapshot_waited(self):
        """The host was saving the VM: libvirt takes the snapshot of the machine that is off by then, and the saved one goes on on its bases."""
        guest = self.lab.vm("two")
        guest.exec("sh", "-c", "echo before > /data/vda/after; sync")
        specs = [f"--diskspec={d.target},snapshot=external,file={self.overlay(guest, d.target)}" for d in guest.spec.disks]
        self.host.virsh("managedsave", "two")
        self.host.virsh("snapshot-create-as", "two", "--disk-only", "--atomic", "--no-metadata", *specs)
        self.assertIn("was saved while its disk", self.recover("two", status=1))
        guest.start()
        self.assertEqual(guest.disk_paths()["vda"], self.base(guest))
        self.assertIn(self.overlay(guest), guest.xml("--inactive"))
        guest.exec("sh", "-c", "echo later > /data/vda/after; sync")
        self.recover("two")
        self.assert_as_before("two")
        self.assertEqual(guest.exec("cat", "/data/vda/after")[0].strip(), "later")
        self.recover_finds_nothing("two")

    def test_an_orphan_that_was_never_written_to(self):
        """It goes, while the VM runs; one that has a single cluster of its own, be it zeros, stays."""
        guest = self.lab.vm("two")
        for written in (False, True):
            overlay = self.overlay(guest)
            self.host.exec("qemu-img", "create", "-q", "-f", "qcow2", "-F", "qcow2", "-b", self.base(guest), overlay, "-u", "64M")
            if written:
                alone = {"driver": "qcow2", "backing": None, "file": {"driver": "file", "filename": overlay}}
                self.host.exec("qemu-io", "-c", "write -z 0 64k", "json:" + json.dumps(alone))
            said = self.recover("two")
            self.assertIn("kept" if written else "holds nothing of its own: removed", said)
            self.assertEqual(self.host.shell(f"[ -e {overlay} ] && echo there || echo gone").strip(), "there" if written else "gone")
        self.host.exec("rm", overlay)
        self.recover_finds_nothing("two")

    def test_what_an_owner_changed_for_the_next_start_is_left_so(self):
        guest = self.lab.vm("two")
        old = guest.xml("--inactive")
        path = self.base(guest, "vdb")
        replaced = old.replace(f"'{path}'", f"'{path}.new'")
        self.assertNotEqual(old, replaced)
        for what, change in {"taken away": lambda: self.host.virsh("detach-disk", "two", "vdb", "--config"),
                             "replaced": lambda: self.host.exec("virsh", "-q", "define", "/dev/stdin", input=replaced)}.items():
            with self.subTest(what):
                change()
                try:
                    changed = guest.xml("--inactive")
                    self.orch("backup", "vm", "two", check=0)
                    self.assertEqual(self.orch.points_of("two")[0]["status"], "ok")
                    self.assertEqual(self.host.orch_traces(), [])
                    self.assertEqual(guest.disk_paths(), {d.target: d.path for d in guest.spec.disks})
                    self.assertEqual(guest.xml("--inactive"), changed)
                    self.put_on_overlay(guest)
                    self.recover("two")
                    self.assertEqual(self.host.orch_traces(), [])
                    self.assertEqual(guest.disk_paths(), {d.target: d.path for d in guest.spec.disks})
                    self.assertEqual(guest.xml("--inactive"), changed)
                finally:
                    self.host.exec("virsh", "-q", "define", "/dev/stdin", input=old)

    def test_cancelled_while_a_copy_is_checked(self):
        tools = os.path.join(self.orch.dir, "tools")
        os.makedirs(tools)
        with open(os.path.join(tools, "qemu-img"), "w") as f:
            f.write("#!/bin/sh\n[ \"$1\" != check ] || sleep 600\nexec /usr/bin/qemu-img \"$@\"\n")
        os.chmod(f.name, 0o755)
        self.orch.extra_environment["PATH"] = f"{tools}:{os.environ['PATH']}"
        self.orch.restart()
        try:
            backup = self.orch.start("backup", "vm", "clone")
            self.addCleanup(finish, backup)
            job = self.orch.wait_for_step("clone", "read-back")
            time.sleep(2)
            begun = time.monotonic()
            self.orch("cancel", job, check=0)
            self.assertEqual(backup.wait(60), 5)
            self.assertLess(time.monotonic() - begun, 30)
            self.assert_no_staging()
        finally:
            del self.orch.extra_environment["PATH"]
            self.orch.restart()

    def test_files_beside_a_disk(self):
        guest = self.lab.vm("clone")
        committed, stale = self.overlay(guest, job="20261119-0001"), self.overlay(guest, job="20261119-0002")
        same, foreign = self.overlay(guest, job="20261119-0003"), self.overlay(guest, short=OTHER)
        guest.destroy()
        for path in (committed, same, foreign):
            self.host.exec("qemu-img", "create", "-q", "-f", "qcow2", "-F", "qcow2", "-b", self.base(guest), path)
        self.host.exec("touch", committed + ".committed")
        self.mark_pivoting(stale, "1:2:x")
        said = self.assert_untouched_by(guest, lambda: self.recover("clone", "--dry-run"))
        self.assertIn(f"{committed} of an interrupted job had been committed", said)
        said = self.recover("clone")
        self.assertIn(f"{committed} of an interrupted job had been committed: removed", said)
        self.assertIn(f"{same} of an interrupted job holds nothing", said)
        self.assertIn(f"{foreign} was left, or is being used, by another orch", said)
        self.assertEqual([f for f in self.host.files() if ".orch-" in f], [foreign])
        self.host.exec("rm", foreign)
        self.assert_off_and_back(guest)

    def test_another_orchs_overlay_is_left_alone(self):
        guest = self.lab.vm("clone")
        self.put_on_overlay(guest, short=OTHER)
        overlay = self.overlay(guest, short=OTHER)
        said = self.assert_untouched_by(guest, lambda: self.recover("clone"))
        self.assertIn(f"overlay of another orch ({overlay})", said)
        self.assertEqual(self.orch("backup", "vm", "clone").status, 1)
        self.assertEqual(guest.disk_paths()["vda"], overlay)
        self.host.virsh("blockcommit", "clone", "vda", "--active", "--pivot", "--base", self.base(guest), "--top", overlay)
        self.host.exec("rm", overlay)

    def test_paused_by_a_full_file_system_is_committed_and_resumed(self):
        guest = self.lab.vm("two")
        guest.control("dd if=/dev/zero of=/data/vdb/big bs=1M count=24 conv=fsync 2>/dev/null")
        self.put_on_overlay(guest)
        self.host.fill(3)
        try:
            guest.control("(tr '\\0' x < /dev/zero | dd of=/data/vdb/big bs=1M count=24 iflag=fullblock conv=notrunc,fsync 2>/dev/null; echo $? > /tmp/dd) &")
            self.orch.wait_for(lambda: guest.state() == "paused", 30, "the guest's pause")
            self.assertIn("I/O error", self.host.virsh("domstate", "two", "--reason"))
            said = self.recover("two")
            self.assertIn("resumed", said)
        finally:
            self.host.unfill()
        self.assertEqual(guest.state(), "running")
        self.orch.wait_for(lambda: guest.control("cat /tmp/dd", check=False)[0].strip() == "0", 30, "the guest's dd")
        self.assertEqual(guest.control("tr -d x < /data/vdb/big | wc -c")[0].strip(), "0")
        self.assert_as_before("two")

    def test_paused_by_its_owner_stays_paused(self):
        guest = self.lab.vm("two")
        self.put_on_overlay(guest)
        self.host.virsh("suspend", "two")
        self.recover("two")
        self.assertEqual(guest.state(), "paused")
        self.assertEqual(guest.disk_paths(), {d.target: d.path for d in guest.spec.disks})
        self.host.virsh("resume", "two")
        self.assert_as_before("two")


class KilledCase(RecoverCase):
    """The daemon, the worker, or both end by SIGKILL in the middle of a real backup of the VM `a`."""

    settings = {"limits": {"copy_stall_seconds": 30, "thaw_deadline_seconds": 60}}

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.gate = cls.enterClassContext(step_gate(cls.orch))  # for the daemon that each test starts anew

    def setUp(self):
        super().setUp()
        self.guest = self.lab.vm("a")
        self.host.heal()
        self.orch.restart(limits={"bandwidth_mib_s": 0, "thaw_deadline_seconds": 60})

    def worker(self):
        """The pid of the one worker."""
        def find():
            with contextlib.suppress(FileNotFoundError, ProcessLookupError), open(f"/proc/{self.orch.daemon.pid}/task/{self.orch.daemon.pid}/children") as f:
                return [int(p) for p in f.read().split() if b"worker" in open(f"/proc/{p}/cmdline", "rb").read()]
        return self.orch.wait_for(find, 20, "a worker")[0]

    def kill(self, *pids):
        for pid in pids:
            os.kill(pid, signal.SIGKILL)
        if self.orch.daemon and self.orch.daemon.pid in pids:
            self.orch.stop_daemon()

    def cancel_in_the_copy(self, vm):
        """Cancels a backup of the VM in the middle of its slow copy; it has half a minute to undo what it did."""
        self.orch.restart(limits={"bandwidth_mib_s": 1})
        backup = self.orch.start("backup", "vm", vm)
        self.addCleanup(finish, backup)
        job = self.orch.wait_for_step(vm, "copy")
        begun = time.monotonic()
        self.orch("cancel", job, check=0)
        self.assertEqual(backup.wait(60), 5)
        self.assertLess(time.monotonic() - begun, 30)

    def armed(self):
        return glob.glob(self.host.path("/var/lib/orch/*.thaw.id"))

    def at(self, step, vm="a"):
        """A backup whose worker stands where this step begins; it goes on when the block ends, which waits for the job's end."""
        return Stream(self.orch, vm, step, gate=self.gate)

    def armed_since(self):
        """The moment at which the dead-man was armed, on the monotonic clock."""
        [path] = self.armed()
        return time.monotonic() - (time.time() - os.stat(path).st_mtime)

    def all_logs(self):
        """Of every job so far."""
        texts = []
        for folder, _, names in os.walk(os.path.join(self.orch.state, "jobs")):
            for name in names:
                with open(os.path.join(folder, name), errors="replace") as f:
                    texts.append(f.read())
        return "".join(texts)

    def wait_until_it_writes(self, timeout):
        first = self.guest.writer("value")
        self.orch.wait_for(lambda: self.guest.writer("value") > first, timeout, "the guest writing again")

    def kill_during_copy(self):
        self.orch.restart(limits={"bandwidth_mib_s": 1})
        backup = self.orch.start("backup", "vm", "a")
        self.addCleanup(finish, backup)
        self.orch.wait_for_step("a", "copy")
        self.orch.wait_for(lambda: self.copies(), 20, "qemu-img convert")
        self.host.stop_proc("qemu-img")  # or it may have ended before anybody comes back
        self.kill(self.orch.daemon.pid, self.worker())
        self.assertIn(".orch-", self.guest.disk_paths()["vda"])
        self.assertTrue(self.copies())

    def copies(self):
        return [line for line in self.host.processes().values() if "qemu-img convert" in line]


def writing_vm():
    return Vm("a", [Disk("vda", size_mib=64, filled_mib=12), Disk("vdb", format="raw", size_mib=64)], writer=True)


class Killed(KilledCase):
    prefix = "killed"
    vms = [(HOST, writing_vm)]
    inventory = [entry("a", HOST)]

    def test_everything_killed_inside_the_freeze_and_the_network_cut(self):
        self.orch.restart(limits={"thaw_deadline_seconds": 12})
        with self.at("snapshot") as stream:
            since = self.armed_since()
            self.kill(self.orch.daemon.pid, *stream.held)
            self.host.cut()
            self.assertTrue(self.guest.frozen())
            self.wait_until_it_writes(since + 12 + 5 - time.monotonic())
            self.assertFalse(self.guest.frozen())
            self.host.heal()
        self.orch.start_daemon()
        self.orch.wait_idle()
        self.assertIn("had fired and thawed a", self.all_logs())
        self.assert_as_before("a")
        self.assert_no_staging()
        self.recover_finds_nothing("a")

    def test_worker_killed_inside_the_freeze_is_thawed_at_once(self):
        with self.at("snapshot") as stream:
            self.assertTrue(self.guest.frozen())
            self.kill(*stream.held)
            self.wait_until_it_writes(40)  # of 60 until the dead-man fires
        self.orch.wait_idle()
        self.assertEqual(self.armed(), [])
        self.assert_as_before("a")
        self.recover_finds_nothing("a")

    def test_frozen_by_somebody_else_stays_frozen(self):
        self.host.virsh("domfsfreeze", "a")
        try:
            self.recover_finds_nothing("a")
            self.assertTrue(self.guest.frozen())
            self.assertEqual(self.orch("backup", "vm", "a").status, 1)
            self.assertTrue(self.guest.frozen())
        finally:
            self.host.virsh("domfsthaw", "a")

    def test_a_freeze_that_happens_late_is_thawed(self):
        self.orch.restart(limits={"thaw_deadline_seconds": 5})
        with self.at("freeze") as stream:
            self.assertTrue(self.armed())
            self.guest.stop_agent()
        self.assertEqual(stream.result, "failed")
        self.assertTrue(self.armed(), f"disarmed although nobody saw the guest thawed\n{stream.error}")
        self.guest.cont_agent()
        self.orch.wait_for(lambda: not self.armed(), 60, "the end of the dead-man")
        self.wait_until_it_writes(30)
        self.assertFalse(self.guest.frozen())
        self.recover("a")
        self.assertIn("had fired", self.all_logs())  # told by this recovery, or by the one that the daemon tried itself
        self.assert_as_before("a")

    def test_daemon_and_worker_killed_during_the_copy(self):
        self.kill_during_copy()
        self.orch.start_daemon()
        self.orch.wait_idle()
        self.assertEqual(self.copies(), [])
        self.assert_as_before("a")
        self.assert_no_staging()
        self.orch.restart(limits={"bandwidth_mib_s": 0})
        self.orch("run", "--all", check=0)
        self.assertEqual(self.orch.points_of("a")[0]["warnings"], [])

    def test_killed_during_the_copy_and_put_right_without_a_daemon(self):
        refused = self.orch("recover", "a", "--standalone")
        self.assertEqual(refused.status, 4, refused)
        self.assertIn("Stop the daemon there first", refused.err)
        self.orch.restart(limits={"bandwidth_mib_s": 1})
        backup = self.orch.start("backup", "vm", "a")
        self.orch.wait_for_step("a", "copy")
        worker = self.worker()
        self.kill(self.orch.daemon.pid, worker)
        finish(backup)
        self.orch.stop_daemon()
        try:
            self.assertNotEqual(self.host.orch_traces(patience=0), [])
            said = self.orch("recover", HOST, "--standalone", "--dry-run", check=0).out
            self.assertIn("would be put right: disk vda is on the overlay", said)
            self.assertNotEqual(self.host.orch_traces(patience=0), [])
            said = self.orch("recover", "--standalone", check=0).out
            self.assertIn("disk vda is on the overlay", said)
            self.assert_as_before("a")
            self.assert_no_staging()
            self.assertIn("0 leftovers", self.orch("recover", "a", "--standalone", check=0).out)
        finally:
            self.orch.restart(limits={"bandwidth_mib_s": 0})

    def test_the_next_run_repairs_where_nothing_told_the_daemon(self):
        self.kill_during_copy()
        shutil.rmtree(os.path.join(self.orch.state, "running"))
        self.orch.change_settings({"limits": {"bandwidth_mib_s": 0}})
        self.orch.start_daemon()
        result = self.orch("backup", "vm", "a", check=0)
        self.assertIn("is on the overlay", result.out)
        self.assertIn("-copy of an interrupted job still ran", result.out)
        self.assertEqual(self.copies(), [])
        self.assert_as_before("a")
        self.assert_no_staging()

    def test_worker_killed_between_the_commits_of_two_disks(self):
        self.orch.restart(limits={"bandwidth_mib_s": 1})
        self.orch.start("backup", "vm", "a")
        self.orch.wait_for_step("a", "copy")
        self.guest.control("dd if=/dev/urandom of=/data/vdb/many bs=1M count=8 conv=fsync 2>/dev/null")
        sums = self.guest.control("sha256sum /data/vdb/many")[0]

        def only_vdb():
            paths = self.guest.disk_paths()
            return ".orch-" not in paths["vda"] and ".orch-" in paths["vdb"]
        worker = self.worker()
        self.orch.wait_for(only_vdb, 180, "the commit of vda")
        self.kill(worker)
        self.orch.wait_idle()
        self.assert_as_before("a")
        self.assert_no_staging()
        self.assertEqual(self.guest.control("echo 3 > /proc/sys/vm/drop_caches; sha256sum /data/vdb/many")[0], sums)

    def test_folders_without_rows_are_adopted_and_rows_without_folders_dropped(self):
        for _ in range(2):
            self.orch("backup", "vm", "a", check=0)
        newest, older = self.orch.points_of("a")[:2]
        self.orch.stop_daemon()
        with contextlib.closing(sqlite3.connect(os.path.join(self.lab.share.path, "metadata/backup-catalog.db"))) as db, db:
            table = next(name for name, in db.execute("SELECT name FROM sqlite_master WHERE type = 'table' AND sql LIKE '%freeze%'"))
            self.assertEqual(db.execute(f"DELETE FROM {table} WHERE point = ?", (newest["point"],)).rowcount, 1)
        shutil.rmtree(self.orch.point_folder(older))
        self.orch.start_daemon()
        listed = [p["point"] for p in self.orch.points_of("a")]
        self.assertIn(newest["point"], listed)
        self.assertNotIn(older["point"], listed)


class OnAFullHost(KilledCase):
    """The most telling of these where systemd runs, with the libvirt and QEMU of another year and QEMU not as root."""

    prefix, kind = "recfull", "full"
    vms = [(HOST, writing_vm), (HOST, lambda: Vm("two", [Disk("vda", size_mib=64), Disk("vdb", format="raw", size_mib=96)]))]
    inventory = [entry("a", HOST), entry("two", HOST)]

    test_off = Overlays.test_off_on_its_overlay_is_repaired_without_being_started
    test_pivot = Overlays.test_pivot_done_unseen_is_never_committed_blindly
    test_freeze = Killed.test_everything_killed_inside_the_freeze_and_the_network_cut
    test_copy = Killed.test_the_next_run_repairs_where_nothing_told_the_daemon
    test_full = Overlays.test_paused_by_a_full_file_system_is_committed_and_resumed
