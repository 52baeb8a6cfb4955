"""orch restore on real guests: disks identical with the point, VMs that boot and answer, here and elsewhere, beside the original and in its
absence; points that are damaged, and what is refused."""

import contextlib
import glob
import hashlib
import json
import os
import shutil
import subprocess
import time
import unittest
import xml.etree.ElementTree as ElementTree

import evidence
from harness import Disk, Lab, Vm, entry
from lab.guest_vm import Guest
from lab.images import same_content
from outside import LabCase, finish

HOME, OTHER = "hypervisor-01", "hypervisor-02"
IMAGES = "/var/lib/libvirt/images"


BRIDGED = "<network><name>{}</name><forward mode='bridge'/><bridge name='br0'/></network>"


class RestoreCase(LabCase):
    """One orch for all tests of a class; each makes the points that it needs."""

    hosts = 2
    inventory = ()

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.home, cls.other = cls.lab.host(HOME), cls.lab.hosts.get(OTHER)

    def take_up(self, **settings):
        orch = self.orch(**settings)
        orch.write_inventory(list(self.inventory))
        if not os.path.exists(os.path.join(self.lab.share.path, ".orch-repository")):
            orch.repository_init()
        orch.start_daemon()
        return orch

    def backup(self, orch, vm):
        """Its newest point, after a backup of now."""
        orch("backup", "vm", vm, check=0)
        return orch.points_of(vm)[0]

    def backup_and_source(self, orch, vm):
        """The same, and what the VM's disks held at the snapshot, as a witness on its hypervisor kept it: {target: image}."""
        witness = evidence.Witness(self.home)
        try:
            point = self.backup(orch, vm)
        finally:
            self.home.exec("rm", "/usr/local/bin/qemu-img")
        return point, {d.target: os.path.join(witness.folder, f"{vm}-{d.target}.qcow2.before") for d in self.lab.vm(vm).spec.disks}

    def image(self, orch, point, target="vda"):
        return os.path.join(orch.point_folder(point), f"{point['vm']}-{target}.qcow2")

    def definition(self, host, name):
        return ElementTree.fromstring(host.virsh("dumpxml", name, "--inactive", "--security-info"))

    def has(self, host, name):
        return name in host.virsh("list", "--all", "--name").split()

    def disks(self, host, name):
        return {d.find("target").get("dev"): d.find("source").get("file") or d.find("source").get("dev")
                for d in self.definition(host, name).iter("disk") if d.find("source") is not None}

    def assert_same_disks(self, orch, point, host, name, targets, source=None):
        """Of a VM that is off: its disks stand alone and hold what the point holds, and what the original's held at the snapshot."""
        found = self.disks(host, name)
        self.assertEqual(sorted(found), sorted(targets))
        for target, path in found.items():
            self.assertTrue(same_content(self.image(orch, point, target), host.path(path)), (target, path))
            if source:
                self.assertTrue(same_content(source[target], host.path(path)), (target, path))
            info = json.loads(host.exec("qemu-img", "info", "--output=json", path).stdout)
            self.assertNotIn("backing-filename", info)

    def forget(self, host, name):
        """The VM and all files of it."""
        paths = self.disks(host, name).values()
        host.exec("virsh", "-q", "destroy", name, check=False)
        host.virsh("undefine", name, "--nvram", "--checkpoints-metadata")
        host.exec("rm", "-f", "--", *paths)

    def guest(self, host, name, like):
        """A guest of the lab for a restored VM, seen up."""
        guest = Guest(self.lab, host, Vm(**dict(like.spec.as_dict(), name=name)))
        guest.wait(300)
        return guest

    def nothing_left(self):
        for host in self.lab.hosts.values():
            self.assertEqual(host.orch_traces(), [], host.name)
        self.assertEqual(glob.glob(os.path.join(self.lab.share.path, "*", "*", ".reading-*")), [])
        self.assertEqual(glob.glob(os.path.join(self.lab.share.path, "metadata", "restores", "*")), [])

    @contextlib.contextmanager
    def nothing_changes(self):
        """On the hypervisors: which files there are, and which VMs."""
        def look():
            return {h.name: (h.files(), sorted(h.virsh("list", "--all", "--name").split())) for h in self.lab.hosts.values() if h.running()}
        before = look()
        yield
        after = look()
        for name, (files, vms) in before.items():
            ours = [f for f in set(files) ^ set(after[name][0]) if not f.startswith(("/tmp/", "/run/", "/var/log/"))]
            self.assertEqual((ours, after[name][1]), ([], vms), name)

    def refused(self, orch, *args, saying, status=1):
        result = orch("restore", *args)
        self.assertEqual(result.status, status, result)
        for part in [saying] if isinstance(saying, str) else saying:
            self.assertIn(part, result.out + result.err)
        return result


class BesideAndElsewhere(RestoreCase):
    prefix = "restore"
    vms = [(HOME, lambda: Vm("phoenix", [Disk(size_mib=160, filled_mib=72), Disk("vdb", format="raw", size_mib=48)], nic=True))]
    inventory = [entry("phoenix", HOME)]

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.vm = cls.lab.vm("phoenix")
        cls.vm.exec("sh", "-c", "echo one > /data/vda/marker; echo two > /data/vdb/marker; sync")
        cls.mac = cls.definition(cls, cls.home, "phoenix").find("devices/interface/mac").get("address")

    def setUp(self):
        self.daemon = self.take_up()
        if not self.daemon.points_of("phoenix"):
            type(self).source = self.backup_and_source(self.daemon, "phoenix")[1]
        self.point = self.daemon.points_of("phoenix")[0]
        if self.vm.host.running() and self.has(self.home, "phoenix") and self.vm.state() == "running":
            self.vm.exec("sh", "-c", "echo late > /data/vda/marker; sync")

    def test_01_refused_beside_the_original_without_another_name(self):
        with self.nothing_changes():
            self.refused(self.daemon, "phoenix", saying=["is on hypervisor-01", "--name NEW", "--replace"])
            self.refused(self.daemon, "phoenix", "--to", OTHER, saying="is on hypervisor-01")
            self.refused(self.daemon, "phoenix", "--name", "phoenix", saying="has a VM named phoenix already")
            self.refused(self.daemon, "nobody", saying="no point of nobody")
            self.refused(self.daemon, "phoenix", "1999", saying="no point '1999'")
            self.refused(self.daemon, "phoenix", "--name", "x", "--disks", "vdz", saying="has no disk vdz; it has: vda, vdb")
            self.refused(self.daemon, "phoenix", "--name", "x", "--images", "no-such-pool", saying="no storage pool named no-such-pool")
            self.refused(self.daemon, "phoenix", "--name", "x", "--images", "/no/such/folder", saying="/no/such/folder does not exist")
            self.refused(self.daemon, "phoenix", "--replace", saying="point named", status=2)
            self.refused(self.daemon, "phoenix", "--replace", "--name", "x", saying="do not go together", status=2)
            self.refused(self.daemon, "phoenix", self.point["point"], "--replace", saying="--yes", status=2)
        self.nothing_left()

    def test_02_a_dry_run_tells_everything_and_changes_nothing(self):
        with self.nothing_changes():
            said = self.daemon("restore", "phoenix", "--name", "second", "--to", OTHER, "--dry-run", check=0).out
        for part in ("/var/lib/libvirt/images/second-vda.qcow2", "check checksums: pass", "check room: pass", "check networks: pass",
                     "network card", "was left out", "nothing was changed"):
            self.assertIn(part, said)
        self.nothing_left()

    def test_03_beside_the_original(self):
        said = self.daemon("restore", "phoenix", "--name", "second", "--start", check=0)
        self.assertIn("its guest agent answers", said.out)
        second = self.guest(self.home, "second", self.vm)
        self.assertEqual(second.exec("cat", "/data/vda/marker", "/data/vdb/marker"), ("one\ntwo\n", 0))
        xml = self.definition(self.home, "second")
        self.assertNotEqual(xml.findtext("uuid"), self.vm.spec.uuid)
        self.assertIsNone(xml.find("devices/interface"))
        second.destroy()
        self.forget(self.home, "second")
        self.assert_as_before("phoenix")
        self.nothing_left()

    def test_04_every_disk_is_what_the_source_was(self):
        for host in self.other, self.home:
            self.daemon("restore", "phoenix", "--name", "third", "--to", host.name, check=0)
            self.assert_same_disks(self.daemon, self.point, host, "third", ["vda", "vdb"], self.source)
            if host is self.other:
                self.forget(host, "third")
        formats = {d.find("target").get("dev"): d.find("driver").get("type") for d in self.definition(self.home, "third").iter("disk")}
        self.assertEqual(formats, {"vda": "qcow2", "vdb": "raw"})
        self.forget(self.home, "third")

    def test_05_other_format_other_folder_fewer_disks_on_another_host(self):
        self.other.shell("mkdir -p /srv/pool; virsh -q pool-define-as away dir --target /srv/pool; virsh -q pool-start away")
        self.daemon("restore", "phoenix", self.point["point"][:8], "--name", "fourth", "--to", OTHER, "--images", "away", "--format", "raw", check=0)
        self.assertEqual(self.disks(self.other, "fourth"), {"vda": "/srv/pool/fourth-vda.raw", "vdb": "/srv/pool/fourth-vdb.raw"})
        self.assert_same_disks(self.daemon, self.point, self.other, "fourth", ["vda", "vdb"])
        self.refused(self.daemon, "phoenix", "--name", "fourth", saying="hypervisor-02 has a VM named fourth already")
        self.forget(self.other, "fourth")
        self.daemon("restore", "phoenix", "--name", "fifth", "--to", OTHER, "--images", "/srv/pool", "--disks", "vdb", "--format", "qcow2", check=0)
        self.assertEqual(self.disks(self.other, "fifth"), {"vdb": "/srv/pool/fifth-vdb.qcow2"})
        self.assert_same_disks(self.daemon, self.point, self.other, "fifth", ["vdb"])
        self.forget(self.other, "fifth")
        self.nothing_left()

    def test_06_networks_kept_mapped_and_missing(self):
        self.home.exec("virsh", "-q", "net-define", "/dev/stdin", input=BRIDGED.format("lab-net"))
        self.home.virsh("net-start", "lab-net")
        self.daemon("restore", "phoenix", "--name", "kept", "--network", "keep", check=0)
        nic = self.definition(self.home, "kept").find("devices/interface")
        self.assertEqual((nic.get("type"), nic.find("source").get("bridge")), ("bridge", "br0"))
        self.assertNotEqual(nic.find("mac").get("address"), self.mac, "the original lives: no address twice")
        for network in ("lab-net", "br0=lab-net"):
            self.daemon("restore", "phoenix", "--name", "mapped", "--network", network, "--start", check=0)
            nic = self.definition(self.home, "mapped").find("devices/interface")
            self.assertEqual((nic.get("type"), nic.find("source").get("network")), ("network", "lab-net"))
            self.forget(self.home, "mapped")
        self.forget(self.home, "kept")
        self.home.exec("virsh", "-q", "net-define", "/dev/stdin", input=BRIDGED.format("idle-net"))
        with self.nothing_changes():
            self.refused(self.daemon, "phoenix", "--name", "idle", "--network", "idle-net", "--start", saying="no active network idle-net (virsh net-start idle-net)")
        said = self.daemon("restore", "phoenix", "--name", "idle", "--network", "idle-net", check=0)
        self.assertIn("network idle-net of hypervisor-01 is not active", said.out + said.err)
        self.forget(self.home, "idle")
        with self.nothing_changes():
            self.refused(self.daemon, "phoenix", "--name", "slip", "--network", "br1=lab-net", saying=["has no network card on br1", "it has cards on: br0"])
        self.other.shell("ip link del br0")
        with self.nothing_changes():
            self.refused(self.daemon, "phoenix", "--name", "x", "--to", OTHER, "--network", "keep", saying="hypervisor-02 has no bridge br0")
            self.refused(self.daemon, "phoenix", "--name", "x", "--to", OTHER, "--network", "nowhere", saying="hypervisor-02 has no network nowhere")
        self.other.shell("ip link add br0 type bridge; ip link set br0 up")
        self.nothing_left()

    def test_07_a_disk_that_is_in_the_way_is_not_written_over(self):
        self.home.shell(f"echo precious > {IMAGES}/taken-vdb.raw")
        with self.nothing_changes():
            self.refused(self.daemon, "phoenix", "--name", "taken", saying=["taken-vdb.raw already", "--images"])
        self.assertEqual(self.home.shell(f"cat {IMAGES}/taken-vdb.raw"), "precious\n")
        self.home.shell(f"rm {IMAGES}/taken-vdb.raw")

    def test_08_no_room(self):
        self.other.fill(leave_mib=1)
        self.addCleanup(self.other.unfill)
        with self.nothing_changes():
            self.refused(self.daemon, "phoenix", "--name", "x", "--to", OTHER, saying=["free in /var/lib/libvirt/images", "are needed"])
        self.nothing_left()

    def test_09_cancelled_while_it_copies(self):
        self.daemon.restart(limits={"bandwidth_mib_s": 4})
        before = self.home.files()
        process = self.daemon.start("restore", "phoenix", "--name", "cancelled")
        job = self.daemon.wait_for_step("phoenix", "copy")

        def progress():
            told = self.daemon.status()["running"][0]["progress"]
            return told if told and told["disk"] == "vda" and 0 < told["done_bytes"] < told["total_bytes"] else None
        self.daemon.wait_for(progress, 60, "progress of the copy")
        self.daemon("cancel", job, check=0)
        status, out, err = finish(process)
        self.assertEqual(status, 5, out + err)
        self.assertFalse(self.has(self.home, "cancelled"))
        self.assertEqual([f for f in set(self.home.files()) - set(before) if "images" in f], [])
        self.nothing_left()

    def test_09_what_cannot_be_written_back_ends_the_copy(self):
        """At once: this one would never end by itself."""
        self.wrap("sync", 'case "$*" in -d*restoring) echo "sync: error syncing: No space left on device" >&2; exit 1;; esac; real "$@"')
        self.wrap("qemu-img", '[ "$1" != convert ] || { for f; do :; done; echo begun > "$f"; while :; do sleep 1; done; }; real "$@"')
        with self.nothing_changes():
            self.refused(self.daemon, "phoenix", "--name", "unwritten", saying=["the copy of disk vda", "No space left on device"])
        self.nothing_left()

    def test_09_a_disk_that_writes_slowly_is_not_stuck(self):
        """What is left of a copy takes longer to be written than a copy may stand still."""
        self.daemon.restart(limits={"bandwidth_mib_s": 0, "copy_stall_seconds": 12})
        self.wrap("sync", 'case "$*" in -d*) ;; *vda*restoring) sleep 18;; esac; real "$@"')
        self.daemon("restore", "phoenix", "--name", "slow", check=0)
        self.forget(self.home, "slow")
        self.nothing_left()

    def wrap(self, program, script):
        """In the place of a program of the hypervisor, for one test; "real" is the program itself."""
        self.home.exec("install", "-m", "755", "/dev/stdin", f"/usr/local/bin/{program}",
                       input=f"#!/bin/sh\nreal() {{ /usr/bin/{program} \"$@\"; }}\n{script}\n")
        self.addCleanup(self.home.exec, "rm", "-f", f"/usr/local/bin/{program}")

    def test_10_retention_leaves_a_point_alone_that_is_being_read(self):
        """A backup beside the restore, whose retention would take the point; the next one takes it."""
        while len(self.daemon.points_of("phoenix")) < 2:
            self.backup(self.daemon, "phoenix")
        old = self.daemon.points_of("phoenix")[-1]
        keeps_one = {"name": "phoenix", "hypervisor": HOME, "method": "quiesce", "schedule": "weekly", "keep_last": 1, "min_points": 1}
        self.daemon.write_inventory([keeps_one])
        self.home.shell("touch /var/lib/libvirt/hold")
        self.home.exec("install", "-m", "755", "/dev/stdin", "/usr/local/bin/qemu-img", input="#!/bin/sh\n"
                       "[ \"$1\" != compare ] || while [ -e /var/lib/libvirt/hold ]; do sleep 0.1; done\nexec /usr/bin/qemu-img \"$@\"\n")
        self.addCleanup(self.home.shell, "rm -f /usr/local/bin/qemu-img /var/lib/libvirt/hold")
        process = self.daemon.start("restore", "phoenix", old["point"], "--name", "slow")
        self.daemon.wait_for_step("phoenix", "compare")
        self.daemon("backup", "vm", "phoenix", check=0)
        self.assertIn(old["point"], [p["point"] for p in self.daemon.points_of("phoenix")])
        self.home.shell("rm /var/lib/libvirt/hold")
        status, out, err = finish(process, 300)
        self.assertEqual(status, 0, out + err)
        self.daemon("backup", "vm", "phoenix", check=0)
        self.assertNotIn(old["point"], [p["point"] for p in self.daemon.points_of("phoenix")])
        self.forget(self.home, "slow")
        self.nothing_left()

    def test_11_exported(self):
        folder = os.path.join(self.lab.dir, "export")
        with self.nothing_changes():
            said = self.daemon("restore", "phoenix", "--export", folder, check=0).out
        self.assertIn(folder, said)
        self.assertEqual(sorted(os.listdir(folder)), ["phoenix-vda.qcow2", "phoenix-vdb.raw", "phoenix.xml"])
        for target, name in (("vda", "phoenix-vda.qcow2"), ("vdb", "phoenix-vdb.raw")):
            self.assertTrue(same_content(self.image(self.daemon, self.point, target), os.path.join(folder, name)))
        xml = ElementTree.parse(os.path.join(folder, "phoenix.xml"))
        self.assertEqual(sorted(s.get("file") for s in xml.iterfind("devices/disk/source")), [f"{folder}/phoenix-vda.qcow2", f"{folder}/phoenix-vdb.raw"])
        self.assertEqual(os.stat(os.path.join(folder, "phoenix.xml")).st_mode & 0o777, 0o600)
        self.refused(self.daemon, "phoenix", "--export", folder, saying="already, and nothing is written over it")
        self.refused(self.daemon, "phoenix", "--export", folder, "--start", saying="do not go together", status=2)
        shutil.rmtree(folder)
        self.nothing_left()

    def test_12_without_a_daemon(self):
        """No daemon, no catalog; and no inventory, where the hypervisor is told by its address; for an export no hypervisor either."""
        self.daemon.stop_daemon()
        shutil.move(os.path.join(self.lab.share.path, "metadata", "backup-catalog.db"), os.path.join(self.lab.dir, "catalog"))
        self.daemon("restore", "phoenix", "--standalone", "--name", "alone", "--to", OTHER, check=0)
        self.assert_same_disks(self.daemon, self.point, self.other, "alone", ["vda", "vdb"])
        self.forget(self.other, "alone")
        os.unlink(self.daemon.inventory)
        address = self.other.address
        self.refused(self.daemon, "phoenix", "--standalone", "--to", address, saying=["cannot be learnt", "--original-gone"])
        self.daemon("restore", "phoenix", "--standalone", "--name", "alone", "--to", address, check=0)
        self.assert_same_disks(self.daemon, self.point, self.other, "alone", ["vda", "vdb"])
        self.forget(self.other, "alone")
        folder = os.path.join(self.lab.dir, "alone")
        self.daemon("restore", "phoenix", "--standalone", "--export", folder, "--format", "raw", check=0)
        self.assertEqual(sorted(os.listdir(folder)), ["phoenix-vda.raw", "phoenix-vdb.raw", "phoenix.xml"])
        shutil.rmtree(folder)
        shutil.move(os.path.join(self.lab.dir, "catalog"), os.path.join(self.lab.share.path, "metadata", "backup-catalog.db"))
        self.nothing_left()

    def test_13_from_a_share_that_is_read_only(self):
        """A snapshot of the share, say: nothing can be written to it, and an export needs not."""
        self.daemon.stop_daemon()
        share, folder = os.path.join(self.lab.dir, "read-only"), os.path.join(self.lab.dir, "exported")
        os.mkdir(share)
        subprocess.run(["mount", "--bind", self.lab.share.path, share], check=True)
        self.addCleanup(subprocess.run, ["umount", share], check=True)
        subprocess.run(["mount", "-o", "remount,bind,ro", share], check=True)
        self.daemon.change_settings({"repository": {"path": share}})
        said = self.daemon("restore", "phoenix", "--standalone", "--export", folder, check=0)
        self.assertIn("not kept from being pruned", said.out + said.err)
        self.assertEqual(sorted(os.listdir(folder)), ["phoenix-vda.qcow2", "phoenix-vdb.raw", "phoenix.xml"])
        shutil.rmtree(folder)
        with self.nothing_changes():
            self.refused(self.daemon, "phoenix", "--standalone", "--name", "x", saying=["Read-only file system", "--export DIR"])
        self.nothing_left()

    def test_14_from_a_share_that_is_full(self):
        folder = os.path.join(self.lab.dir, "exported")
        self.daemon.stop_daemon()
        self.lab.share.fill()
        self.addCleanup(self.lab.share.unfill)
        with open(self.lab.share.filler, "ab", buffering=0) as f, self.assertRaisesRegex(OSError, "No space left"):
            while True:
                f.write(bytes(4096))
        said = self.daemon("restore", "phoenix", "--standalone", "--export", folder, check=0)
        self.assertIn("not kept from being pruned", said.out + said.err)
        self.assertEqual(sorted(os.listdir(folder)), ["phoenix-vda.qcow2", "phoenix-vdb.raw", "phoenix.xml"])
        shutil.rmtree(folder)
        with self.nothing_changes():
            self.refused(self.daemon, "phoenix", "--standalone", "--name", "x", saying=["No space left", "--export DIR", "orch prune"])
        self.nothing_left()

    def test_20_an_original_that_cannot_be_asked_counts_as_alive(self):
        self.home.stop()
        self.addCleanup(self.home_up)
        with self.nothing_changes():
            self.refused(self.daemon, "phoenix", "--to", OTHER, saying=["cannot be learnt", "hypervisor-01", "--original-gone"])
            self.refused(self.daemon, "phoenix", self.point["point"], "--to", OTHER, "--replace", "--yes", saying="cannot be learnt")
        self.daemon("restore", "phoenix", "--to", OTHER, "--name", "beside", "--network", "keep", check=0)
        self.assertNotEqual(self.definition(self.other, "beside").find("devices/interface/mac").get("address"), self.mac)
        self.forget(self.other, "beside")

    def test_21_the_host_is_lost_for_good(self):
        """Its VM comes back elsewhere as it was, addresses included, and its name in the inventory is that of another host by then."""
        self.vm.exec("sh", "-c", "echo one > /data/vda/marker; sync")
        self.backup(self.daemon, "phoenix")
        self.vm.exec("sh", "-c", "echo late > /data/vda/marker; sync")
        self.home.stop()
        self.addCleanup(self.home_up)
        self.daemon.write_inventory([], hypervisors=[{"name": OTHER, "address": self.other.address}])
        self.refused(self.daemon, "phoenix", saying="cannot be learnt")
        self.refused(self.daemon, "phoenix", "--original-gone", saying="name a hypervisor with --to")
        self.daemon("restore", "phoenix", "--to", OTHER, "--original-gone", "--start", check=0)
        guest = self.guest(self.other, "phoenix", self.vm)
        self.assertEqual(guest.exec("cat", "/data/vda/marker", "/data/vdb/marker"), ("one\ntwo\n", 0))
        xml = self.definition(self.other, "phoenix")
        self.assertEqual(xml.findtext("uuid"), self.vm.spec.uuid)
        self.assertEqual(xml.find("devices/interface/mac").get("address"), self.mac)
        self.assertEqual(self.disks(self.other, "phoenix"), {d.target: d.path for d in self.vm.spec.disks})
        self.forget(self.other, "phoenix")

    def home_up(self):
        if not self.home.running():
            self.home.start()
        if self.vm.state() != "running":
            self.vm.start()

    def test_30_gone_from_its_own_host(self):
        """Undefined and deleted: everything comes back where it was, at once startable, autostart included."""
        before = ElementTree.tostring(self.definition(self.home, "phoenix"))
        self.home.virsh("autostart", "phoenix")
        point, source = self.backup_and_source(self.daemon, "phoenix")
        self.assertTrue(self.daemon.metadata(point)["autostart"])
        self.forget(self.home, "phoenix")
        self.a_namesake_is_in_the_way(point)
        self.daemon("restore", "phoenix", point["point"], "--name", "heir", "--network", "keep", check=0)
        self.assertEqual(self.definition(self.home, "heir").find("devices/interface/mac").get("address"), self.mac, "nobody has it any more")
        with self.nothing_changes():
            self.refused(self.daemon, "phoenix", point["point"], "--to", OTHER, saying=["is that of heir on hypervisor-01", "--network none"])
        self.daemon("restore", "phoenix", point["point"], "--name", "second-heir", "--network", "keep", check=0)
        self.assertNotEqual(self.definition(self.home, "second-heir").find("devices/interface/mac").get("address"), self.mac, "heir has it")
        self.forget(self.home, "second-heir")
        self.forget(self.home, "heir")
        self.daemon("restore", "phoenix", point["point"], check=0)
        self.assert_same_disks(self.daemon, point, self.home, "phoenix", ["vda", "vdb"], source)
        self.assertEqual(ElementTree.tostring(self.definition(self.home, "phoenix")), before)
        self.assertIn("Autostart:      enable", self.home.virsh("dominfo", "phoenix"))
        self.home.virsh("domrename", "phoenix", "renamed")
        with self.nothing_changes():
            self.refused(self.daemon, "phoenix", saying=["renamed is on hypervisor-01", self.vm.spec.uuid])
        self.home.virsh("domrename", "renamed", "phoenix")
        self.vm.start()
        self.assert_as_before("phoenix")
        self.nothing_left()
        self.daemon("backup", "vm", "phoenix", check=0)


    def a_namesake_is_in_the_way(self, point):
        """Another machine that got the name since: it is nobody's to replace."""
        self.other.exec("virsh", "-q", "define", "/dev/stdin", input="<domain type='qemu'><name>phoenix</name><memory unit='MiB'>64</memory>"
                        "<os><type arch='x86_64' machine='q35'>hvm</type></os></domain>")
        with self.nothing_changes():
            for how in [], ["--replace", "--yes"]:
                self.refused(self.daemon, "phoenix", point["point"], *how, saying=["another machine than the one in the backup", "--name NEW"])
        self.other.virsh("undefine", "phoenix")


class Bios(RestoreCase):
    """An installed system that BIOS boots from its own disk, when nothing but its point is left of it. UEFI: see Firmware."""

    prefix = "rbios"
    hosts = 1
    vms = [(HOME, lambda: Vm("box", [Disk(size_mib=64), Disk("vdb", format="raw", size_mib=32)], boot_disk=True, memory_mib=160))]
    inventory = [entry("box", HOME)]

    def test_it_boots_from_what_was_restored(self):
        orch, vm = self.take_up(), self.lab.vm("box")
        vm.exec("sh", "-c", "echo one > /data/vdb/marker; sync")
        point, source = self.backup_and_source(orch, "box")
        self.forget(self.home, "box")
        orch("restore", "box", check=0)
        self.assert_same_disks(orch, point, self.home, "box", ["vda", "vdb"], source)
        self.forget(self.home, "box")
        said = orch("restore", "box", "--start", check=0, timeout=600)
        self.assertIn("its guest agent answers", said.out)
        self.assertEqual(vm.exec("sh", "-c", "grep -q from-disk /proc/cmdline && cat /data/vdb/marker"), ("one\n", 0))
        self.nothing_left()


class WithoutAgent(RestoreCase):
    """A machine that has no channel for a guest agent, as appliances: nobody waits for an answer that cannot come."""

    prefix = "rmute"
    hosts = 1
    vms = [(HOME, lambda: Vm("mute", [Disk(size_mib=32)], agent=False))]
    inventory = [dict(entry("mute", HOME), method="snapshot")]

    def test_it_is_started_and_seen_running(self):
        orch = self.take_up()
        self.lab.vm("mute").control("echo one > /data/vda/marker; sync")
        self.backup(orch, "mute")
        for how in "--start", "--instant":
            with self.subTest(how):
                begun = time.monotonic()
                result = orch("restore", "mute", "--name", "second", how, check=0, timeout=600)
                self.assertIn("it runs; it has no channel for a guest agent", result.out)
                self.assertNotIn("has answered", result.out + result.err)
                self.assertLess(time.monotonic() - begun, 240, "five minutes are for an agent that may come")
                second = self.guest(self.home, "second", self.lab.vm("mute"))
                self.assertEqual(second.control("cat /data/vda/marker"), ("one\n", 0))
                self.forget(self.home, "second")
                self.nothing_left()


class Damage(RestoreCase):
    """Points that are not whole are refused before anything is touched, and the next older good one is named; chains are flattened."""

    prefix = "rdamage"
    vms = [(HOME, lambda: Vm("worn", [Disk(size_mib=64)]))]
    inventory = [entry("worn", HOME)]

    def setUp(self):
        self.daemon = self.take_up()
        while len(self.daemon.points_of("worn")) < 2:
            self.backup(self.daemon, "worn")
        self.newest, self.older = self.daemon.points_of("worn")[:2]
        self.folder = self.daemon.point_folder(self.newest)
        self.kept = os.path.join(self.lab.dir, "kept")
        shutil.rmtree(self.kept, ignore_errors=True)
        shutil.copytree(self.folder, self.kept)

    def tearDown(self):
        shutil.rmtree(self.folder)
        shutil.move(self.kept, self.folder)

    def is_refused(self, *saying):
        with self.nothing_changes():
            self.refused(self.daemon, "worn", self.newest["point"], "--name", "x",
                         saying=["Nothing was copied", f"orch restore worn {self.older['point']}", *saying])
        self.nothing_left()

    def flip(self, at=300000):
        with open(self.image(self.daemon, self.newest), "r+b") as f:
            f.seek(at)
            byte = f.read(1)[0]
            f.seek(at)
            f.write(bytes([byte ^ 1]))

    def test_a_flipped_bit(self):
        self.flip()
        self.is_refused("worn-vda.qcow2")

    def rot(self):
        """A bit of a guest's data that the storage has lost: no file's times tell of it."""
        self.flip(os.path.getsize(self.image(self.daemon, self.newest)) - 3000)
        names = ["checksums.sha256", *sorted(line.split("  ", 1)[1] for line in open(os.path.join(self.folder, "checksums.sha256")).read().splitlines())]
        told = ""
        for name in names:
            st = os.stat(os.path.join(self.folder, name))
            told += f"{name} {st.st_ino} {st.st_size} {st.st_mtime_ns // 10**9}.{st.st_mtime_ns % 10**9:09} {st.st_ctime_ns // 10**9}.{st.st_ctime_ns % 10**9:09}\n"
        path = os.path.join(self.folder, "state.json")
        with open(path) as f:
            state = json.load(f)
        state["stat_digest"] = hashlib.sha256(told.encode()).hexdigest()
        with open(path, "w") as f:
            json.dump(state, f)

    def test_a_rot_that_no_time_tells_of(self):
        """Seen while it is copied, and nothing is put in place: not beside, not over the original, not into a folder."""
        self.rot()
        saying = ["the disks are read while they are copied", "worn-vda.qcow2 is damaged", "Nothing was put in place", f"orch restore worn {self.older['point']}"]
        folder = os.path.join(self.lab.dir, "exported")
        with self.nothing_changes():
            self.refused(self.daemon, "worn", self.newest["point"], "--name", "x", saying=saying)
            self.assertEqual(self.lab.vm("worn").state(), "running")
            self.refused(self.daemon, "worn", self.newest["point"], "--replace", "--yes", saying=saying)
            self.assertEqual(self.lab.vm("worn").state(), "running")
            self.refused(self.daemon, "worn", self.newest["point"], "--export", folder, saying=saying)
            self.assertEqual(os.listdir(folder), [])
            self.refused(self.daemon, "worn", self.newest["point"], "--name", "x", "--dry-run", saying="Nothing was copied")
        self.nothing_left()

    def test_a_untouched_until_it_is_touched(self):
        """Read while it is copied as long as nobody has touched it, and before any copy from then on, until it is verified."""
        point, path = self.newest["point"], self.image(self.daemon, self.newest)
        for touch in ("chmod", "640", path), ("touch", "-r", path, path):
            self.daemon("verify", "worn", point, check=0)
            said = self.daemon("restore", "worn", point, "--name", "again", check=0).out
            self.assertIn("the disks are read while they are copied", said)
            self.assertRegex(said, r"(?s)compare: done.*checksums: done.* in 1 point\).*rename: done")
            self.forget(self.home, "again")
            subprocess.run(touch, check=True)
            said = self.daemon("restore", "worn", point, "--name", "again", check=0).out
            self.assertRegex(said, r"(?s)checksums: done.* in 1 point\).*copy: done.*rename: done")
            self.assertNotIn("the disks are read while", said)
            self.forget(self.home, "again")
        self.nothing_left()

    def test_b_a_flipped_bit_in_the_definition(self):
        path = os.path.join(self.folder, "worn.xml")
        with open(path) as f:
            text = f.read()
        with open(path, "w") as f:
            f.write(text.replace("<vcpu", "<Vcpu", 1))
        self.is_refused("worn.xml")

    def test_c_missing_files(self):
        os.unlink(self.image(self.daemon, self.newest))
        self.is_refused("worn-vda.qcow2")
        shutil.copy2(os.path.join(self.kept, "worn-vda.qcow2"), self.folder)
        os.unlink(os.path.join(self.folder, "worn.xml"))
        self.is_refused("worn.xml")
        shutil.copy2(os.path.join(self.kept, "worn.xml"), self.folder)
        os.unlink(os.path.join(self.folder, "checksums.sha256"))
        self.is_refused("checksums.sha256")

    def test_d_a_truncated_disk(self):
        os.truncate(self.image(self.daemon, self.newest), os.path.getsize(self.image(self.daemon, self.newest)) - 65536)
        self.is_refused("worn-vda.qcow2")

    def make_increment(self):
        """The newest point made into an increment on the older one, by hand: what it holds is known without orch."""
        image, parent = self.image(self.daemon, self.newest), f"../{self.older['point']}/worn-vda.qcow2"
        whole = os.path.join(self.lab.dir, "whole.qcow2")
        shutil.copy2(image, whole)
        subprocess.run(["qemu-img", "rebase", "-b", parent, "-F", "qcow2", image], check=True, cwd=self.folder)
        subprocess.run(["qemu-img", "convert", "-O", "qcow2", "-B", parent, "-F", "qcow2", image, "thin.qcow2"], check=True, cwd=self.folder)
        os.replace(os.path.join(self.folder, "thin.qcow2"), image)
        os.chmod(image, 0o600)
        path = os.path.join(self.folder, "backup-metadata.json")
        with open(path) as f:
            metadata = json.load(f)
        with open(image, "rb") as f:
            digest = hashlib.sha256(f.read()).hexdigest()
        metadata.update(level="incremental", parent=self.older["point"])
        metadata["disks"][0].update(backing_file=parent, sha256=digest, stored_bytes=os.path.getsize(image))
        with open(path, "w") as f:
            json.dump(metadata, f)
        names = [line.split("  ", 1)[1] for line in open(os.path.join(self.folder, "checksums.sha256")).read().splitlines()]
        sums = subprocess.run(["sha256sum", *names], check=True, cwd=self.folder, capture_output=True, text=True).stdout
        with open(os.path.join(self.folder, "checksums.sha256"), "w") as f:
            f.write(sums)
        return whole

    def test_e_an_increment_is_restored_flat(self):
        whole = self.make_increment()
        self.daemon("restore", "worn", self.newest["point"], "--name", "flat", check=0)
        path = self.disks(self.home, "flat")["vda"]
        self.assertTrue(same_content(whole, self.home.path(path)))
        self.assert_same_disks(self.daemon, self.newest, self.home, "flat", ["vda"])
        self.forget(self.home, "flat")
        self.nothing_left()

    def test_f_a_parent_that_is_damaged_or_missing(self):
        self.make_increment()
        parent = self.daemon.point_folder(self.older)
        image = os.path.join(parent, "worn-vda.qcow2")
        with open(image, "r+b") as f:
            f.seek(300000)
            byte = f.read(1)[0]
            f.seek(300000)
            f.write(bytes([byte ^ 1]))
        with self.nothing_changes():
            self.refused(self.daemon, "worn", self.newest["point"], "--name", "x",
                         saying=["Nothing was copied", f"it builds on the point {self.older['point']}", "worn-vda.qcow2", "no older good point"])
            os.rename(parent, parent + ".away")
            self.refused(self.daemon, "worn", self.newest["point"], "--name", "x",
                         saying=["Nothing was copied", self.older["point"], "missing", "no older good point"])
        os.rename(parent + ".away", parent)
        with open(image, "r+b") as f:
            f.seek(300000)
            f.write(bytes([byte]))
        self.nothing_left()


class Firmware(RestoreCase):
    """A machine that UEFI boots from its own disk, with a TPM: its variables and the TPM's state come back, and so does its boot."""

    prefix = "rfirmware"
    off = [(HOME, lambda: Vm("firm", [Disk(size_mib=64), Disk("vdb", size_mib=32)], uefi=True, tpm=True, boot_disk=True, nic=True, memory_mib=256))]
    inventory = [entry("firm", HOME)]

    def tpm_state(self, host, uuid):
        with open(host.path(f"/var/lib/libvirt/swtpm/{uuid}/tpm2/tpm2-00.permall"), "rb") as f:
            return f.read()

    def tells_what_a_restore_needs(self, metadata):
        """When nobody can be asked any more: from the metadata alone."""
        definition = self.definition(self.home, "firm")
        self.assertEqual(metadata["boot_order"], ["hd"])
        self.assertEqual([(d["target"], d["bus"], d["source_format"]) for d in metadata["disks"]], [("vda", "virtio", "qcow2"), ("vdb", "virtio", "qcow2")])
        self.assertEqual(metadata["networks"], ["br0"])
        self.assertEqual(metadata["machine"], definition.find("os/type").get("machine"))
        self.assertEqual(metadata["nvram_path"], definition.findtext("os/nvram").strip())
        for version in "libvirt_version", "qemu_version":
            self.assertRegex(metadata[version], r"^\d+\.\d+\.\d+$")

    def is_exported(self, orch, point):
        """With its firmware's variables and the TPM's state."""
        folder = os.path.join(self.lab.dir, "exported")
        orch("restore", "firm", "--export", folder, check=0)
        self.addCleanup(shutil.rmtree, folder)
        self.assertEqual(sorted(os.listdir(folder)), ["firm-nvram.fd", "firm-tpm", "firm-vda.qcow2", "firm-vdb.qcow2", "firm.xml"])
        for name in "firm-nvram.fd", "firm-tpm/tpm2/tpm2-00.permall":
            with open(os.path.join(orch.point_folder(point), name), "rb") as a, open(os.path.join(folder, name), "rb") as b:
                self.assertEqual(a.read(), b.read())
        xml = ElementTree.parse(os.path.join(folder, "firm.xml"))
        self.assertEqual(xml.findtext("os/nvram").strip(), f"{folder}/firm-nvram.fd")

    def test_tpm_and_uefi_beside_and_elsewhere(self):
        orch = self.take_up()
        vm = self.lab.vm("firm")
        vm.start(wait=False)
        vm.wait(300)
        nvram = self.definition(self.home, "firm").findtext("os/nvram").strip()
        point, source = self.backup_and_source(orch, "firm")
        self.tells_what_a_restore_needs(orch.metadata(point))
        kept = os.path.join(orch.point_folder(point), "firm-nvram.fd")
        with open(os.path.join(orch.point_folder(point), "firm-tpm", "tpm2", "tpm2-00.permall"), "rb") as f:
            sealed = f.read()
        orch("restore", "firm", "--name", "copy", check=0)
        self.assertEqual(self.tpm_state(self.home, self.home.virsh("domuuid", "copy").strip()), sealed)
        self.home.virsh("start", "copy")
        self.guest(self.home, "copy", vm).destroy()
        own = self.definition(self.home, "copy").findtext("os/nvram").strip()
        self.assertNotEqual(own, nvram)
        self.forget(self.home, "copy")
        self.assertNotIn(own, self.home.files())
        vm.remove()
        self.home.exec("rm", "--", *(d.path for d in vm.spec.disks))
        self.other.shell("mv /usr/bin/swtpm /usr/bin/swtpm.away")
        with self.nothing_changes():
            self.refused(orch, "firm", "--to", OTHER, saying="hypervisor-02 lacks swtpm")
        self.other.shell("mv /usr/bin/swtpm.away /usr/bin/swtpm")
        orch("restore", "firm", "--to", OTHER, check=0)
        self.assertEqual(self.definition(self.other, "firm").findtext("os/nvram").strip(), nvram)
        with open(kept, "rb") as a, open(self.other.path(nvram), "rb") as b:
            self.assertEqual(a.read(), b.read())
        self.assertEqual(self.tpm_state(self.other, vm.spec.uuid), sealed)
        self.assert_same_disks(orch, point, self.other, "firm", ["vda", "vdb"], source)
        self.is_exported(orch, point)
        self.other.virsh("start", "firm")
        self.guest(self.other, "firm", vm).destroy()
        # undefined with its variables left behind: they are set aside, not written over
        self.other.virsh("undefine", "firm", "--keep-nvram")
        self.other.exec("rm", "--", *(d.path for d in vm.spec.disks))
        self.other.shell(f"echo old > {nvram}")
        orch("restore", "firm", "--to", OTHER, check=0)
        with open(kept, "rb") as a, open(self.other.path(nvram), "rb") as b:
            self.assertEqual(a.read(), b.read())
        self.assertEqual(self.other.shell(f"cat {nvram}.replaced-*"), "old\n")
        # in the way where nothing is set aside: told before anything is touched
        self.home.shell(f"mkdir -p {os.path.dirname(nvram)}; echo whose > {nvram}; echo whose > {os.path.dirname(nvram)}/other_VARS.fd")
        with self.nothing_changes():
            self.refused(orch, "firm", point["point"], "--replace", "--yes", "--to", HOME, saying=[nvram, "another VM's NVRAM state"])
            self.refused(orch, "firm", "--to", HOME, "--name", "other", saying=["other_VARS.fd", "another VM's NVRAM state"])


class OnSystemd(RestoreCase):
    """A hypervisor with systemd, whose QEMU is not root: copies are units, and what root made becomes QEMU's."""

    prefix = "rsystemd"
    hosts = 1

    @classmethod
    def setUpClass(cls):
        unittest.TestCase.setUpClass.__func__(cls)
        cls.lab = cls.enterClassContext(Lab.create(f"{cls.prefix}-{os.getpid()}", hosts=1, kind="full"))
        cls.home = cls.lab.host(HOME)
        cls.vm = cls.lab.add_vm(HOME, Vm("unit", [Disk(size_mib=64), Disk("vdb", format="raw", size_mib=32)], uefi=True, memory_mib=192))

    inventory = [entry("unit", HOME)]

    def test_restored_and_replaced(self):
        orch = self.take_up()
        self.vm.exec("sh", "-c", "echo one > /data/vda/marker; sync")
        point = self.backup(orch, "unit")
        self.vm.exec("sh", "-c", "echo late > /data/vda/marker; sync")
        orch("restore", "unit", "--name", "second", "--start", check=0)
        self.assertEqual(self.guest(self.home, "second", self.vm).exec("cat", "/data/vda/marker"), ("one\n", 0))
        self.forget(self.home, "second")
        self.nothing_left()
        orch("restore", "unit", point["point"], "--replace", "--yes", "--start", check=0)
        self.vm.wait(120)
        self.assertEqual(self.vm.exec("cat", "/data/vda/marker"), ("one\n", 0))
        self.assertEqual(len([f for f in self.home.files() if ".replaced-" in f]), 3)
        orch("backup", "vm", "unit", check=0)
        [path] = glob.glob(os.path.join(self.lab.share.path, "metadata", "restores", "*.json"))
        with open(path) as f:
            journal = json.load(f)
        with open(path, "w") as f:
            json.dump(dict(journal, keep_until="2020-01-01T00:00:00Z"), f)
        orch("recover", "unit", check=0)
        self.assertEqual([f for f in self.home.files() if ".replaced-" in f], [])
        self.nothing_left()


if __name__ == "__main__":
    unittest.main()
