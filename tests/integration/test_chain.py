"""Increments: a full leaves a checkpoint, the next backup takes what was written since, and any point restores with one `qemu-img convert`
to what its guest held at that moment. Whatever breaks, the chain goes on or starts anew, and never lies."""

import glob
import hashlib
import os
import subprocess

import test_recover
from harness import Disk, Vm, entry
from lab.images import file_in_image
from outside import finish

HOST = test_recover.HOST


def guest(name, disks):
    return HOST, lambda: Vm(name, disks=disks)


class Chain(test_recover.KilledCase):
    prefix = "chain"
    vms = (guest("inc", [Disk("vda", size_mib=64, filled_mib=20), Disk("vdb", size_mib=32, format="raw")]),
           guest("diff", [Disk("vda", size_mib=64, filled_mib=8)]))
    inventory = (entry("inc", HOST, level="incremental", full_every_weeks=4), entry("diff", HOST, level="differential"))
    settings = {"limits": {"copy_stall_seconds": 30, "thaw_deadline_seconds": 60}}

    def setUp(self):
        test_recover.RecoverCase.setUp(self)
        self.orch.restart(limits={"bandwidth_mib_s": 0})

    # -- what the guest does, what a point holds -----------------------------------------------------------------------

    def write(self, vm, text, target="vda"):
        self.lab.vm(vm).exec("sh", "-c", f"echo {text} > /data/{target}/after; sync")

    def backup(self, vm, *options, level=None, warns=None):
        result = self.orch("backup", "vm", vm, *options, check=0)
        point = self.orch.json("list", vm)[0]
        if level:
            self.assertEqual(point["level"], level, result)
        if warns is None:
            self.assertEqual([w for w in point["warnings"] if "full" in w or "whole" in w and "vdb" not in w], [], point)
        else:
            self.assertIn(warns, " ".join(point["warnings"]))
        return point

    def holds(self, point, target="vda"):
        """What the guest's file said at the moment of the point, restored as RESTORE.txt describes."""
        flat = os.path.join(self.lab.dir, "flat")
        image = os.path.join(self.orch.point_folder(point), f"{point['vm']}-{target}.qcow2")
        self.run_here("qemu-img", "convert", "-O", "raw", image, flat)
        self.run_here("e2fsck", "-fy", flat, check=False)
        try:
            return file_in_image(flat, "/after", "raw").strip()
        finally:
            os.unlink(flat)

    @staticmethod
    def run_here(*argv, check=True):
        done = subprocess.run(argv, capture_output=True, text=True, timeout=120)
        assert not check or done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def checkpoints(self, vm):
        return self.host.virsh("checkpoint-list", "--name", vm).split()

    def tag(self, point):
        return f"orch-{self.short}-{point['job']}"

    def assert_clean(self, vm):
        guest = self.lab.vm(vm)
        self.assertEqual(guest.state(), "running")
        self.assertEqual(guest.disk_paths(), {d.target: d.path for d in guest.spec.disks})
        self.assertEqual(glob.glob(self.host.path("/var/lib/libvirt/images/*.increment")), [])
        self.assertEqual([t for t in self.host.orch_traces(patience=0) if "/checkpoint/" not in t], [])
        self.assert_no_staging()

    # -- tests ---------------------------------------------------------------------------------------------------------

    def test_1_incremental(self):
        self.write("inc", "one")
        full = self.backup("inc", level="full")
        self.assertEqual(self.checkpoints("inc"), [self.tag(full)])
        self.write("inc", "two")
        second = self.backup("inc", level="incremental")
        self.assertEqual(second["parent"], full["point"])
        self.assertEqual(self.checkpoints("inc"), [self.tag(second)])
        self.write("inc", "three")
        self.lab.vm("inc").exec("sh", "-c", "rm -f /data/vda/gone; dd if=/dev/zero of=/data/vda/zeros bs=1M count=4; sync")
        third = self.backup("inc", level="incremental")
        self.assertEqual([self.holds(p) for p in (full, second, third)], ["one", "two", "three"])
        self.assertLess(third["stored_bytes"], full["stored_bytes"])
        disks = {d["target"]: d for d in self.orch.metadata(third)["disks"]}
        self.assertEqual(disks["vda"]["backing_file"], f"../{second['point']}/inc-vda.qcow2")
        self.assertIsNone(disks["vdb"]["backing_file"])
        self.assertIn("vdb", " ".join(third["warnings"]))
        self.assertEqual(third["consistency"], "filesystem")
        for point in (full, second, third):
            self.run_here("sh", "-c", f"cd '{self.orch.point_folder(point)}' && sha256sum --quiet -c checksums.sha256")
        self.assert_clean("inc")

    def test_2_what_is_restored_is_the_disk_of_that_moment(self):
        """Whole images are compared, not a file: the guest's is off and holds still."""
        guest = self.lab.vm("inc")
        guest.exec("sh", "-c", "dd if=/dev/urandom of=/data/vda/noise bs=1M count=3; sync; echo quiet > /data/vda/after; sync")
        point = self.backup("inc", level="incremental")
        guest.shutdown()
        try:
            image = os.path.join(self.orch.point_folder(point), "inc-vda.qcow2")
            flat = os.path.join(self.lab.dir, "point.raw")
            self.run_here("qemu-img", "convert", "-O", "raw", image, flat)
            self.host.exec("qemu-img", "convert", "-O", "raw", self.base(guest), "/var/lib/libvirt/images/.now")
            noise = [hashlib.sha256(self.dump(path, "/noise")).hexdigest()
                     for path in (flat, self.host.path("/var/lib/libvirt/images/.now"))]
            self.assertEqual(noise[0], noise[1])
        finally:
            self.host.exec("rm", "-f", "/var/lib/libvirt/images/.now")
            guest.start()

    @staticmethod
    def dump(image, name):
        return subprocess.run(["debugfs", "-R", f"cat {name}", image], capture_output=True, check=True, timeout=60).stdout

    def test_3_differential(self):
        self.write("diff", "a")
        full = self.backup("diff", level="full")
        self.write("diff", "b")
        first = self.backup("diff", level="differential")
        self.write("diff", "c")
        second = self.backup("diff", level="differential")
        self.assertEqual((first["parent"], second["parent"]), (full["point"], full["point"]))
        self.assertEqual(self.checkpoints("diff"), [self.tag(full)])
        self.assertEqual([self.holds(p) for p in (full, first, second)], ["a", "b", "c"])
        self.assert_clean("diff")

    def test_4_a_restart_of_the_guest_keeps_the_chain(self):
        guest = self.lab.vm("inc")
        before = self.orch.json("list", "inc")[0]
        guest.shutdown()
        guest.start()
        self.write("inc", "restarted")
        point = self.backup("inc", level="incremental")
        self.assertEqual(point["parent"], before["point"])
        self.assertEqual(self.holds(point), "restarted")

    def test_5_killed_qemu_starts_a_new_chain_or_goes_on_rightly(self):
        self.write("inc", "before the crash")
        self.lab.vm("inc").destroy()
        self.lab.vm("inc").start()
        self.write("inc", "after the crash")
        result = self.orch("backup", "vm", "inc", check=0)
        point = self.orch.json("list", "inc")[0]
        self.assertEqual(self.holds(point), "after the crash")
        if point["level"] == "full":
            self.assertIn("full is taken instead", result.out + " ".join(point["warnings"]))
        self.write("inc", "later")
        self.assertEqual(self.holds(self.backup("inc", level="incremental")), "later")
        self.assert_clean("inc")

    def test_6_checkpoint_gone_parent_damaged_disk_resized(self):
        for name in self.checkpoints("inc"):
            self.host.virsh("checkpoint-delete", "inc", name)
        self.backup("inc", level="full", warns="no longer has a checkpoint")
        damaged = self.backup("inc", level="incremental")
        os.truncate(os.path.join(self.orch.point_folder(damaged), "inc-vda.qcow2"), 1000)
        self.write("inc", "sound")
        point = self.backup("inc", level="full", warns="no longer has a checkpoint of a good point")
        self.assertEqual(self.holds(point), "sound")
        self.host.virsh("blockresize", "inc", "vda", "96M")
        self.write("inc", "larger")
        resized = self.orch("backup", "vm", "inc", check=0)
        point = self.orch.json("list", "inc")[0]
        self.assertEqual(point["level"], "full", resized)
        self.assertEqual(self.holds(point), "larger")
        self.assert_clean("inc")

    def test_7_killed_in_the_middle_of_an_increment(self):
        self.write("inc", "kill me")
        self.backup("inc")
        for kill_daemon in (False, True):
            points = len(self.orch.json("list", "inc"))
            self.lab.vm("inc").exec("sh", "-c", "dd if=/dev/urandom of=/data/vda/noise bs=1M count=12; sync")
            self.orch.restart(limits={"bandwidth_mib_s": 1})
            backup = self.orch.start("backup", "vm", "inc")
            self.addCleanup(finish, backup)
            self.orch.wait_for_step("inc", "copy")
            self.orch.wait_for(lambda: glob.glob(self.host.path("/var/lib/libvirt/images/*.increment")), 30, "a scratch file")
            self.kill(self.worker(), *([self.orch.daemon.pid] if kill_daemon else []))
            finish(backup)
            self.orch.restart(limits={"bandwidth_mib_s": 0})
            self.orch.wait_idle()
            self.orch.wait_for(lambda: not glob.glob(self.host.path("/var/lib/libvirt/images/*.increment")), 60, "no scratch file")
            self.assert_clean("inc")
            self.assertEqual(len(self.orch.json("list", "inc")), points)
            self.assertEqual(self.checkpoints("inc"), [self.tag(self.orch.json("list", "inc")[0])])
        self.write("inc", "alive")
        point = self.backup("inc", level="incremental")
        self.assertEqual(self.holds(point), "alive")

    def test_8_cancelled_in_the_middle_of_an_increment(self):
        self.lab.vm("inc").exec("sh", "-c", "dd if=/dev/urandom of=/data/vda/noise bs=1M count=12; sync")
        self.cancel_in_the_copy("inc")
        self.assert_clean("inc")
        self.assertEqual(self.checkpoints("inc"), [self.tag(self.orch.json("list", "inc")[0])])

    def test_8b_a_point_of_a_chain_is_verified_restored_and_proven(self):
        self.write("inc", "chained")
        self.orch("backup", "vm", "inc", check=0)
        self.write("inc", "chained")
        point = self.backup("inc", level="incremental")
        self.orch("verify", "inc", point["point"], check=0)
        self.assertTrue(self.orch.json("list", "inc")[0]["verified"])
        self.orch("test-restore", "inc", check=0)
        self.assertTrue(self.orch.json("list", "inc")[0]["proven"])
        self.orch("restore", "inc", point["point"], "--name", "inc-again", "--start", check=0)
        try:
            disk = self.host.virsh("domblklist", "inc-again").split()
            image = next(word for word in disk if word.startswith("/") and "vda" in word)
            self.assertNotIn("backing", self.host.exec("qemu-img", "info", "-U", image).stdout)
            self.host.virsh("destroy", "inc-again")
            flat = os.path.join(self.lab.dir, "again")
            self.run_here("qemu-img", "convert", "-O", "raw", self.host.path(image), flat)
            self.run_here("e2fsck", "-fy", flat, check=False)
            self.assertEqual(file_in_image(flat, "/after", "raw").strip(), "chained")
        finally:
            self.host.exec("virsh", "destroy", "inc-again", check=False)
            self.host.exec("virsh", "undefine", "inc-again", "--nvram", check=False)
            self.host.shell("rm -f /var/lib/libvirt/images/inc-again*")
        self.assert_clean("inc")

    def test_9_level_full_ends_the_chain_and_its_checkpoints(self):
        self.backup("inc", "--level", "full", level="full")
        self.assertEqual(self.checkpoints("inc"), [])
        self.assert_clean("inc")
