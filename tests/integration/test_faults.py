"""What others do to a VM while orch works on it, and what breaks twice at once. The worker is stopped where a step begins, so that it meets
the whole fault exactly there; campaign.py tries the rest of the table of faults and steps."""

import contextlib
import fcntl
import json
import os
import shutil
import signal
import sqlite3
import threading
import time
import unittest

from harness import Disk, Lab, Vm, domain_xml, entry
from outside import BINARY, DaemonOrch, LabCase, Stream, ask, finish, state_of
from preload import shifted_clock, step_gate

H1, H2 = "hypervisor-01", "hypervisor-02"
THAW_DEADLINE = 8


class FaultCase(LabCase):
    hosts = 2
    inventory = ()

    @classmethod
    def setUpClass(cls):
        unittest.TestCase.setUpClass.__func__(cls)
        cls.lab = cls.enterClassContext(Lab.create(f"{cls.prefix}-{os.getpid()}", hosts=cls.hosts))
        cls.guests(cls.lab)
        cls.orch = cls.enterClassContext(DaemonOrch(cls.lab, BINARY, settings={
            "limits": {"thaw_deadline_seconds": THAW_DEADLINE, "copy_stall_seconds": 30, "bandwidth_mib_s": 20}}))
        cls.orch.write_inventory(list(cls.inventory))
        cls.orch.repository_init()
        cls.gate = cls.enterClassContext(step_gate(cls.orch))
        cls.orch.start_daemon()

    @classmethod
    def guests(cls, lab):
        lab.add_vms([(host, make()) for host, make in cls.vms])

    def at(self, step, vm="a"):
        """A backup whose worker stands where this step begins; it goes on when the block ends, which waits for the job's end."""
        return Stream(self.orch, vm, step, gate=self.gate)

    def kill_all(self, stream):
        for pid in (self.orch.daemon.pid, *stream.held):
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        self.orch.stop_daemon()

    def log_of(self, job):
        return self.orch("log", job).out

    def back_up(self, vm="a"):
        """The next run needs no hand. Its output."""
        result = self.orch("run", "--all", *(w for v in self.inventory if v["name"] != vm for w in ("--exclude", v["name"])))
        self.assertEqual(result.status, 0, result)
        self.assertRegex(result.out, rf" {vm} ok, ")
        self.assert_as_before(vm)
        self.assert_no_staging()
        return result.out

    def wait_until_it_writes(self, guest, timeout):
        first = guest.writer("value")
        self.orch.wait_for(lambda: guest.writer("value") > first, timeout, "the guest writing again")


class Taken(FaultCase):
    """A guest takes its freeze along: when it is saved, when it is moved. `a` has its disk where both hosts see it."""

    prefix = "taken"
    inventory = [entry("a", H1)]

    @classmethod
    def guests(cls, lab):
        images = lab.add_images()
        lab.add_vm(H1, Vm("a", [Disk("vda", size_mib=64, filled_mib=12, path=f"{images.path}/a-vda.qcow2")], writer=True))

    def setUp(self):
        self.guest = self.lab.vm("a")

    @property
    def other(self):
        return next(h for h in self.lab.hosts.values() if h is not self.guest.host)

    def save(self):
        self.assertTrue(self.guest.frozen())
        self.guest.host.virsh("managedsave", "a")

    def test_1_saved_while_frozen_and_restored_after_a_reboot(self):
        with self.at("snapshot") as stream:
            self.save()
            self.guest.host.reboot()
        self.assertEqual(stream.result, "failed")
        self.assertRegex(self.log_of(stream.job), r"was saved \(managed save\) while it may have been frozen: it is thawed as soon as")
        with self.subTest("the daemon keeps looking for it"):
            self.assertRegex(self.orch.daemon_log(), "a could not be repaired completely; its recovery is tried in 15 s")
            self.guest.start(wait=False)
            self.wait_until_it_writes(self.guest, 120)
            self.orch.wait_idle()
            self.assert_as_before("a")
        self.back_up()

    def test_2_saved_while_frozen_is_thawed_by_the_hypervisor_alone(self):
        with self.at("snapshot") as stream:
            self.save()
            self.kill_all(stream)
            time.sleep(THAW_DEADLINE + 2)  # the timer has fired, and waits for the guest to come back
            self.guest.start(wait=False)
            self.wait_until_it_writes(self.guest, 60)
        self.orch.start_daemon()
        self.orch.wait_idle()
        self.back_up()

    def test_3_saved_while_frozen_with_everything_killed_and_the_host_rebooted(self):
        with self.at("snapshot") as stream:
            self.save()
            self.kill_all(stream)
            self.guest.host.reboot()
            self.guest.start(wait=False)
            self.assertTrue(self.guest.frozen())
        self.orch.start_daemon()
        self.wait_until_it_writes(self.guest, 120)
        self.orch.wait_idle()
        self.back_up()

    def test_4_moved_while_frozen(self):
        with self.at("snapshot") as stream:
            self.guest.migrate(self.other, shared=True)
            self.assertTrue(self.guest.frozen())
            stream.let_go()
            self.wait_until_it_writes(self.guest, THAW_DEADLINE + 5)
        self.assertEqual(stream.result, "failed")
        self.assertRegex(self.log_of(stream.job), "a was moved from hypervisor-0. to hypervisor-0. while it was frozen: it is thawed there")
        self.orch.wait_idle()
        self.back_up()

    def test_5_moved_while_frozen_with_everything_killed(self):
        with self.at("snapshot") as stream:
            self.guest.migrate(self.other, shared=True)
            self.kill_all(stream)
        self.orch.start_daemon()
        self.wait_until_it_writes(self.guest, 120)
        self.orch.wait_idle()
        self.back_up()

    def test_6_a_freeze_of_somebody_elses_after_a_crash_is_not_ours(self):
        """The guest that was frozen died; the one that runs now was frozen by somebody else."""
        host = self.guest.host
        with self.at("snapshot") as stream:
            self.kill_all(stream)
            host.kill_proc("qemu:a")
            self.orch.wait_for(lambda: self.guest.state() == "shut off", 60, "the guest's end")
            self.guest.start()
            host.virsh("domfsfreeze", "a")
        self.orch.start_daemon()
        self.orch.wait_idle()
        self.assertTrue(self.guest.frozen())
        self.assertEqual([t for t in host.orch_traces()], [])
        host.virsh("domfsthaw", "a")
        self.back_up()

    def test_7_moved_in_the_middle_of_the_copy(self):
        with self.at("copy") as stream:
            self.guest.migrate(self.other, shared=True)
        self.orch.wait_idle()
        self.assertEqual(stream.result, "failed")
        self.assertRegex(self.log_of(stream.job), "is no longer defined on hypervisor-0.; its overlays are kept")
        out = self.back_up()
        if self.guest.host.name != H1:
            self.assertRegex(out, rf"a is on {H2}, not on {H1} where the inventory has it")

    def test_8_moved_between_two_cycles(self):
        before = len(self.orch.points_of("a"))
        self.guest.migrate(self.other, shared=True)
        self.back_up()
        newest = self.orch.points_of("a")[0]
        self.assertEqual(len(self.orch.points_of("a")), before + 1)
        self.assertEqual(newest["path"].split("/")[0], H1)
        self.assertEqual(self.orch.metadata(newest)["ran_on"], self.guest.host.name)

    def test_9_backed_up_while_it_is_being_moved(self):
        source, other = self.guest.host, self.other
        source.virsh("migrate-setspeed", "a", "1")
        move = threading.Thread(target=self.guest.migrate, args=(other,), kwargs={"shared": True})
        move.start()
        try:
            self.orch.wait_for(lambda: "a" in other.virsh("list", "--name").split(), 30, "the guest arriving")
            self.assertEqual(self.orch("backup", "vm", "a").status, 1)
            failed = self.orch.json("list", "a", "--failed")[0]
            self.assertRegex(failed["error"], rf"a migration of a is under way on {H1}|a is being moved between {H1} and {H2}")
            self.assertEqual(failed["error_kind"], "busy", "it is tried once more at a cycle's end")
            self.assertTrue(move.is_alive(), "it has been moved before anybody looked")
        finally:
            source.virsh("migrate-setspeed", "a", "1000")
            move.join()
        self.back_up()


class Meddled(FaultCase):
    """`a` has two disks of its own, `clone` is backed by a golden image, `elsewhere` is on the other host."""

    prefix = "meddled"
    vms = [(H1, lambda: Vm("a", [Disk("vda", size_mib=128, filled_mib=20), Disk("vdb", format="raw", size_mib=96)], writer=True)),
           (H1, lambda: Vm("clone", [Disk("vda", size_mib=64, kind="chain")])),
           (H2, lambda: Vm("elsewhere", [Disk("vda", size_mib=64)]))]
    inventory = [entry("a", H1), entry("clone", H1), entry("elsewhere", H2)]

    def setUp(self):
        self.guest, self.host = self.lab.vm("a"), self.lab.host(H1)

    def define(self, guest):
        guest.host.exec("virsh", "-q", "define", "/dev/stdin", input=domain_xml(guest.spec))

    # -- an agent that lies --------------------------------------------------------------------------------------------

    def test_agent_answers_the_freeze_with_an_error_yet_froze(self):
        self.guest.lying_agent("error")
        self.addCleanup(self.guest.honest_agent)
        begun = time.monotonic()
        result = self.orch("backup", "vm", "a", check=1)
        self.assertLess(time.monotonic() - begun, THAW_DEADLINE, "only the dead-man thawed it")
        self.assertRegex(result.out, "a FAILED: a could not be frozen: .*failed to freeze /data/vda")
        self.assertRegex(result.out, "a thaw: undone")
        self.assert_as_before("a")
        self.assert_no_staging()

    def test_agent_answers_the_freeze_and_did_not_freeze(self):
        self.guest.lying_agent("nothing")
        self.addCleanup(self.guest.honest_agent)
        result = self.orch("backup", "vm", "a", check=1)
        self.assertRegex(result.out, "a FAILED: a answered the freeze but says that it is not frozen")
        self.assert_as_before("a")
        self.assert_no_staging()

    # -- two at once ---------------------------------------------------------------------------------------------------

    def test_frozen_and_paused_by_a_full_file_system_at_once(self):
        """What was under way when the file systems froze fills the overlay's file system: the guest is paused, and cannot be thawed."""
        self.host.exec("fallocate", "-l", "96M", self.guest.spec.disks[1].path)  # there is room to commit into
        with self.at("thaw") as stream:
            self.assertTrue(self.guest.frozen())
            self.host.fill(3)
            self.addCleanup(self.host.unfill)
            # What is there is written again, to the device itself: a frozen file system does not hold that back.
            self.guest.control("dd if=/dev/vdb of=/dev/vdb bs=1M skip=64 seek=64 count=24 conv=fsync 2>/dev/null &")
            self.orch.wait_for(lambda: self.guest.state() == "paused", 30, "the guest's pause")
            for pid in (self.orch.daemon.pid, *stream.held):
                os.kill(pid, signal.SIGKILL)
            self.orch.stop_daemon()
        self.orch.start_daemon()
        self.orch.wait_for(lambda: self.guest.state() == "running", 120, "the guest resumed")
        self.wait_until_it_writes(self.guest, 120)
        self.orch.wait_idle()
        self.assertFalse(self.guest.frozen())
        self.host.unfill()
        self.back_up()

    def test_a_worker_that_hangs_on_the_share_costs_nobody_else_anything(self):
        self.orch.change_settings({"limits": {"copy_stall_seconds": 5}})
        self.orch.restart()
        self.addCleanup(lambda: self.orch.restart(limits={"copy_stall_seconds": 30}))
        self.addCleanup(self.lab.share.unhang)
        took, over = [], threading.Event()

        def watch():
            while not over.wait(0.25):
                begun = time.monotonic()
                with contextlib.suppress(OSError):
                    ask(self.orch, "GET", "/v1/status")
                took.append(time.monotonic() - begun)
        threading.Thread(target=watch, daemon=True).start()
        with self.at("publish") as stream:
            client = self.orch.start("backup", "vm", "elsewhere")
            self.orch.wait_for(lambda: any(j["vm"] == "elsewhere" for j in self.orch.status()["queued"]), 60, "the next VM's job")
            self.lab.share.hang()
            stream.let_go()
            self.orch.wait_for(lambda: all(state_of(p) == "D" for p in stream.held), 60, "a worker in state D")
            with self.subTest("it is killed and set aside, and the next VM, on another host, has its turn"):
                self.orch.wait_for(lambda: "does not end even when killed" in self.orch.daemon_log(), 300, "the worker to be set aside")
                self.orch.wait_for(lambda: any(j["vm"] == "elsewhere" for j in self.orch.status()["running"]), 60, "the next VM's turn")
                self.assertEqual([state_of(p) for p in stream.held], ["D"])
            with self.subTest("its VM is set aside with it"):
                self.assertIn(("a", "stuck"), [(j["vm"], j["state"]) for j in self.orch.status()["running"]])
            self.lab.share.unhang()
            status, out, err = finish(client)
            self.assertEqual(status, 0, out + err)
        with self.subTest("it is reaped and its VM recovered"):
            self.orch.wait_for(lambda: not any(os.path.exists(f"/proc/{p}") for p in stream.held), 120, "the worker's end")
            self.orch.wait_idle()
            self.assertIn("recover of a: ok", self.orch.daemon_log())
        over.set()
        self.assertLess(max(map(min, took, took[1:])), 1.0, "twice in a row")
        self.back_up()

    # -- the VM's definition -------------------------------------------------------------------------------------------

    def test_nothing_is_published_once_another_orch_has_the_share(self):
        lock = os.path.join(self.lab.share.path, ".orch-lock")
        with contextlib.ExitStack() as stack:
            with self.at("configuration") as stream:
                os.rename(lock, lock + ".aside")  # broken by force
                stack.callback(os.rename, lock + ".aside", lock)
                other = stack.enter_context(open(lock, "w+"))
                fcntl.lockf(other, fcntl.LOCK_EX)
                other.write("orch lock\nhost: elsewhere\npid: 1\nsince: 2026-11-20T12:00:00Z\nboot: x\npid-namespace: 1\n")
                other.flush()
                points = self.orch.published()
            self.assertEqual(stream.result, "failed")
            self.assertRegex(stream.error, "in use by another orch: process 1 on elsewhere")
            self.assertEqual(self.orch.published(), points)
            self.assert_as_before("a")
        self.orch.restart()
        self.back_up()

    def test_an_idle_connection_to_libvirt_that_was_forgotten_during_the_copy(self):
        with self.at("copy") as stream:
            helpers = self.host.shell("ps -C virt-ssh-helper -o pid=").split()
            self.assertEqual(len(helpers), 1)
            self.host.exec("kill", *helpers)
        self.assertEqual(stream.result, "ok", stream.error)
        self.assert_as_before("a")

    def test_undefined_under_us(self):
        for step in ("locate", "checks-before", "freeze", "copy", "commit", "configuration", "publish"):
            with self.subTest(step):
                with self.at(step) as stream:
                    self.host.virsh("undefine", "a")
                self.assertIn(stream.result, ("ok", "failed"))
                self.assertEqual(self.guest.disk_paths(), {d.target: d.path for d in self.guest.spec.disks})
                self.define(self.guest)
                self.orch.wait_idle()
                self.assert_as_before("a")
        self.back_up()

    def test_undefined_and_destroyed_under_us(self):
        """Its overlay may have the only copy of its last writes: it is kept, and reported."""
        guest = self.lab.vm("clone")
        with self.at("copy", "clone") as stream:
            overlay = guest.disk_paths()["vda"]
            self.host.virsh("undefine", "clone")
            self.host.virsh("destroy", "clone")
        self.assertEqual(stream.result, "failed")
        self.assertRegex(self.log_of(stream.job), "is no longer defined on hypervisor-01; its overlays are kept")
        self.assertTrue(os.path.exists(self.host.path(overlay)))
        self.assert_no_staging()
        with self.subTest("its owner defines it again: on what it was on before"):
            self.define(guest)
            guest.start()
            result = self.orch("backup", "vm", "clone", check=0)
            self.assertIn(f"{overlay}, an overlay of an interrupted job, is not used by clone", result.out)
            self.assertTrue(os.path.exists(self.host.path(overlay)))
        self.host.exec("rm", overlay)
        self.back_up("clone")

    # -- power ---------------------------------------------------------------------------------------------------------

    def test_host_rebooted_with_guests_saved_in_mid_copy(self):
        boots = {name: self.lab.vm(name).exec("cat", "/proc/sys/kernel/random/boot_id")[0] for name in ("a", "clone")}
        with self.at("copy") as stream:
            for name in boots:
                self.host.virsh("managedsave", name)
            self.host.reboot()
            stream.let_go()
            stream.over.wait(240)
            with self.subTest("nothing is touched while it waits in its image"):
                self.assertEqual(stream.result, "failed")
                self.assertEqual(self.guest.state(), "shut off")
                self.assertIn(".orch-", self.guest.disk_paths()["vda"])
                self.assertRegex(self.log_of(stream.job), "was saved while its disk vda was on an overlay: nothing was touched")
            for name in boots:
                self.lab.vm(name).start()
        with self.subTest("it goes on where it was, and is put back by itself"):
            self.orch.wait_for(lambda: ".orch-" not in str(self.guest.disk_paths()), 180, "the disks' return")
            self.orch.wait_idle()
            self.assert_as_before("a", "clone")
            self.assertEqual(boots, {name: self.lab.vm(name).exec("cat", "/proc/sys/kernel/random/boot_id")[0] for name in boots})
        self.back_up()

    # -- block jobs ----------------------------------------------------------------------------------------------------

    def foreign_copy(self):
        self.host.virsh("blockcopy", "a", "vda", "--dest", "/var/lib/libvirt/images/foreign.qcow2", "--transient-job")

    def end_foreign_copy(self):
        self.host.virsh("blockjob", "a", "vda", "--abort")
        self.host.exec("rm", "/var/lib/libvirt/images/foreign.qcow2")

    def test_a_copy_of_somebody_elses_begins_before_the_snapshot(self):
        with self.at("arm") as stream:
            self.foreign_copy()
        self.assertEqual(stream.result, "failed")
        self.assertFalse(self.guest.frozen())
        self.assertIn("<mirror ", self.guest.xml(), "somebody else's job was ended")
        self.end_foreign_copy()
        self.back_up()

    def test_a_copy_of_somebody_elses_begins_before_the_commit(self):
        with self.at("commit") as stream:
            self.foreign_copy()
        self.assertEqual(stream.result, "failed")
        self.assertRegex(self.log_of(stream.job), "a block job of somebody else is under way on disk vda of a; once it has ended")
        self.assertIn("<mirror ", self.guest.xml(), "somebody else's job was ended")
        self.assertNotIn(".orch-", self.guest.disk_paths()["vdb"])
        self.end_foreign_copy()
        self.orch.wait_for(lambda: ".orch-" not in self.guest.disk_paths()["vda"], 240, "the recovery that was promised")
        self.orch.wait_idle()
        self.back_up()

    def test_a_commit_of_somebody_elses_into_the_template_is_never_finished(self):
        guest = self.lab.vm("clone")
        golden = guest.spec.disks[0].chain[0]
        with self.at("commit", "clone") as stream:
            self.host.virsh("blockcommit", "clone", "vda", "--active", "--wait")  # to the chain's bottom, as is its default
            self.assertIn(golden, guest.xml().split("<mirror ")[1].split("</mirror>")[0])
        self.assertEqual(stream.result, "failed")
        self.assertIn(".orch-", guest.disk_paths()["vda"])
        self.host.virsh("blockjob", "clone", "vda", "--abort")
        self.orch.wait_for(lambda: ".orch-" not in guest.disk_paths()["vda"], 240, "the recovery that was promised")
        self.orch.wait_idle()
        info = json.loads(self.host.exec("qemu-img", "info", "-U", "--output=json", guest.spec.disks[0].path).stdout)
        self.assertEqual(info["full-backing-filename"], guest.spec.disks[0].chain[1])
        # An aborted commit leaves QEMU with a lock on what it wrote to, until its end.
        guest.destroy()
        guest.start()
        self.back_up("clone")

    def test_a_guest_that_writes_faster_than_the_limit_lets_its_overlay_be_committed(self):
        guest = self.lab.vm("elsewhere")
        self.orch.restart(limits={"bandwidth_mib_s": 1, "copy_stall_seconds": 20})
        self.addCleanup(lambda: self.orch.restart(limits={"bandwidth_mib_s": 20, "copy_stall_seconds": 30}))
        guest.control("touch /run/busy; while [ -e /run/busy ]; do dd if=/dev/zero of=/data/vda/busy bs=64k count=128 oflag=direct conv=notrunc "
                      "2>/dev/null; done </dev/null >/dev/null 2>&1 &")
        self.addCleanup(guest.control, "rm -f /run/busy", check=False)
        status, out, err = finish(self.orch.start("backup", "vm", "elsewhere"), 180)
        self.assertEqual(status, 0, out + err)
        self.assertIn("the limit is lifted", out)
        self.assert_as_before("elsewhere")

    def test_our_overlay_committed_by_somebody_else_is_kept(self):
        with self.at("commit") as stream:
            overlay = self.guest.disk_paths()["vda"]
            self.host.virsh("blockcommit", "a", "vda", "--active", "--pivot")
        self.assertEqual(stream.result, "failed")
        self.assertRegex(self.log_of(stream.job), "nobody saw the overlay being committed: it is kept")
        self.assertEqual(self.guest.disk_paths(), {d.target: d.path for d in self.guest.spec.disks})
        result = self.orch("backup", "vm", "a", check=0)
        self.assertRegex(result.out, f"when nothing in it is needed, on {H1}: rm {overlay}")
        self.host.exec("rm", overlay)
        self.back_up()

    # -- the clock and the catalog -------------------------------------------------------------------------------------

    def test_clock_set_back_an_hour_during_a_job(self):
        self.back_up()
        self.orch.stop_daemon()
        try:
            with shifted_clock(self.orch) as clock:
                self.orch.start_daemon()
                before = [p["point"] for p in self.orch.points_of("a")]
                with self.at("copy") as stream:
                    clock.set(-3600)
                self.assertEqual(stream.result, "ok", stream.error)
                during = next(p for p in self.orch.points_of("a") if p["point"] not in before)
                self.assertGreaterEqual(during["duration_seconds"], 0)
                self.assertGreaterEqual(during["finished"], during["started"])
                with self.subTest("a backup that is asked for now is taken, and kept, although it looks older than the last one"):
                    points = [p["point"] for p in self.orch.points_of("a")]
                    self.back_up()
                    after = [p for p in self.orch.points_of("a") if p["point"] not in points]
                    self.assertEqual([p["status"] for p in after], ["ok"])
                    self.assertTrue(os.path.exists(self.orch.point_folder(after[0])))
        finally:
            self.orch.stop_daemon()
            self.orch.start_daemon()
        self.assertEqual({p["status"] for p in self.orch.points_of("a")}, {"ok"})
        self.back_up()

    def test_clock_years_ahead_removes_no_point(self):
        self.orch.write_inventory([dict(entry("a", H1), retention_weeks=1, min_points=1), *self.inventory[1:]])
        self.addCleanup(self.orch.restart)
        self.addCleanup(self.orch.write_inventory, list(self.inventory))
        self.orch.restart()
        for _ in range(2):
            self.back_up()
        before = [p["point"] for p in self.orch.points_of("a")]
        self.orch.stop_daemon()
        with shifted_clock(self.orch) as clock:
            clock.set(3 * 365 * 24 * 3600)
            self.orch.start_daemon()
            out = self.orch("backup", "vm", "a", check=0).out
            self.assertRegex(out, r"retention was left out: this machine's clock says .* and that of the share .*: no point is removed until they agree")
            told = self.orch("prune", "a", "--yes")
            self.assertEqual(told.status, 1, told)
            self.orch.stop_daemon()
        self.orch.start_daemon()
        after = [p["point"] for p in self.orch.points_of("a")]
        self.assertEqual([p for p in before if p not in after], [])
        for point in set(after) - set(before):  # dated in the future: it would be the newest for three years
            shutil.rmtree(os.path.join(self.lab.share.path, H1, "a", point))

    @property
    def catalog(self):
        return os.path.join(self.lab.share.path, "metadata/backup-catalog.db")

    def test_catalog_locked_by_another_process(self):
        self.back_up()
        points = self.orch.json("list")
        self.orch.stop_daemon()
        with contextlib.closing(sqlite3.connect(self.catalog)) as db:
            db.execute("BEGIN EXCLUSIVE")
            begun = time.monotonic()
            self.orch.start_daemon()
            self.assertLess(time.monotonic() - begun, 10)
            result = self.orch("backup", "vm", "a", check=4)
            self.assertIn("locked", result.err)
            self.assertEqual(self.orch.status()["repository"]["state"], "unavailable")
        with self.subTest("let go: the daemon takes it up by itself"):
            self.back_up()
        self.assertEqual(len(self.orch.json("list")), len(points) + 1)

    def test_catalog_truncated_under_the_daemon(self):
        self.back_up()
        for part in (0, 0.5):
            with self.subTest(part):
                os.truncate(self.catalog, int(os.stat(self.catalog).st_size * part))
                with contextlib.suppress(AssertionError):
                    self.orch("backup", "vm", "a")
                self.orch.restart()
                self.orch.wait_for(lambda: self.orch.status()["repository"]["state"] == "ok", 60, "the repository")
                self.back_up()
                listed = {p["path"] for p in self.orch.json("list") if p["status"] == "ok"}
                self.assertEqual(listed, {os.path.relpath(p, self.lab.share.path) for p in self.orch.published()})
                with contextlib.closing(sqlite3.connect(f"file:{self.catalog}?mode=ro&immutable=1", uri=True)) as db:
                    self.assertEqual(db.execute("PRAGMA integrity_check").fetchone()[0], "ok")


if __name__ == "__main__":
    unittest.main()
