"""orch restore --instant: a VM runs from the share within seconds and pulls its disks off it; interrupted at every step, it ends in one
of two states, and neither is lost data."""

import glob
import hashlib
import json
import os
import shutil
import signal
import time
import unittest

from harness import Disk, Lab, Vm, entry
from outside import finish
from test_restore import HOME, RestoreCase


def fingerprint(folder):
    found = {}
    for path in [folder, *sorted(glob.glob(folder + "/*"))]:
        st = os.lstat(path)
        digest = hashlib.sha256(open(path, "rb").read()).hexdigest() if os.path.isfile(path) and not path.endswith("state.json") else ""
        if not path.endswith("state.json"):
            found[os.path.basename(path)] = (st.st_mode, st.st_uid, st.st_gid, digest) + (() if path == folder else (st.st_mtime_ns,))
    return found


class InstantCase(RestoreCase):
    def journals(self):
        return [json.load(open(p)) for p in glob.glob(os.path.join(self.lab.share.path, "metadata", "restores", "*.json"))]

    def leases(self):
        return glob.glob(os.path.join(self.lab.share.path, "*", "*", ".reading-*"))

    def layers(self, host, name, *how):
        """How many files of the share the VM's disks stand on."""
        return host.virsh("dumpxml", name, *how).count(f"'{self.lab.share.path}/")

    def free_of_share(self, host, name):
        return self.layers(host, name) == 0 and self.layers(host, name, "--inactive") == 0

    def is_settled(self, host, name):
        return self.free_of_share(host, name) and not self.journals() and not self.leases()

    def assert_settled(self, orch, host, name):
        orch.wait_for(lambda: self.is_settled(host, name), 240, f"{name} free of the share")
        self.assertNotIn("+0:+0", host.virsh("dumpxml", name, "--inactive"))


class Instant(InstantCase):
    """On a full host, whose QEMU is not root and whose libvirt gives files to it."""
    prefix = "instant"
    vms = [(HOME, lambda: Vm("phoenix", [Disk(size_mib=4608, filled_mib=2048), Disk("vdb", format="raw", size_mib=48)], nic=False))]
    inventory = [entry("phoenix", HOME)]

    @classmethod
    def setUpClass(cls):
        cls.lab = cls.enterClassContext(Lab.create(f"instant-{os.getpid()}", hosts=1, kind="full", share_mib=12288))
        cls.lab.add_vms([(host, make()) for host, make in cls.vms])
        cls.home = cls.lab.host(HOME)

    def seconds_to_answer(self, begun, process=None):
        """Since `begun`, a moment of the monotonic clock."""
        while time.monotonic() - begun < 240 and (process is None or process.poll() is None):
            if self.home.exec("virsh", "-q", "qemu-agent-command", "phoenix", '{"execute":"guest-ping"}', check=False).returncode == 0:
                return time.monotonic() - begun
            time.sleep(0.1)
        self.fail("the guest does not answer" if process is None or process.poll() is None else str(process.communicate()))

    def test_1_two_gib_answer_at_once_and_then_without_the_share(self):
        orch = self.take_up()
        guest = self.lab.vm("phoenix")
        guest.exec("sh", "-c", "echo one > /data/vda/marker; echo two > /data/vdb/marker; sync")
        point = self.backup(orch, "phoenix")
        folder = orch.point_folder(point)
        before = fingerprint(folder)
        self.home.virsh("destroy", "phoenix")
        begun = time.monotonic()
        self.home.virsh("start", "phoenix")
        boot = self.seconds_to_answer(begun)
        self.forget(self.home, "phoenix")
        said = orch("restore", "phoenix", "--instant", "--dry-run", check=0)
        self.assertIn("if the share stops answering", said.out + said.err, "the risk is printed before the restore begins")
        # Slowly, so that its disks are still backed by the point when it answers, however long its start takes here.
        orch.restart(limits={"bandwidth_mib_s": 32})
        process = orch.start("restore", "phoenix", "--instant")
        answered = self.seconds_to_answer(time.monotonic(), process)
        layers = self.layers(self.home, "phoenix")
        print(f"        the guest answers after {answered:.1f} s, {boot:.1f} s without orch; it stands on {layers} files of the share")
        # The ten seconds are the bench's to measure. Here, on a busy machine: it answers while none of its two gigabytes need be there.
        self.assertGreater(layers, 0)
        self.assertLess(answered, 60 + 2 * boot, orch("log", "phoenix").out)
        self.assertEqual(guest.exec("cat", "/data/vda/marker", "/data/vdb/marker"), ("one\ntwo\n", 0))
        guest.exec("sh", "-c", "echo later > /data/vda/later; sync")
        refused = orch("backup", "vm", "phoenix")
        self.assertEqual(refused.status, 1, refused)
        self.assertIn("runs from its restore point", refused.out + refused.err)
        orch.wait_for(lambda: "pull" in self.home.virsh("blockjob", "phoenix", "vda", "--raw", check=False).lower(), 90, "the pull")
        self.home.virsh("blockjob", "phoenix", "vda", "--bandwidth", "0")
        out, err = process.communicate(timeout=600)
        self.assertEqual(process.returncode, 0, out + err)
        self.assertIn("if the share stops answering", out + err)
        self.assert_settled(orch, self.home, "phoenix")
        self.assertEqual(fingerprint(folder), before)
        self.home.umount_share()
        try:
            self.home.virsh("destroy", "phoenix")
            self.home.virsh("start", "phoenix")
            guest.wait(120)
            self.assertEqual(guest.exec("cat", "/data/vda/later", "/data/vdb/marker"), ("later\ntwo\n", 0))
            owner = self.home.shell("stat -c %U " + " ".join(self.disks(self.home, "phoenix").values()))
            self.assertEqual(set(owner.split()), {"libvirt-qemu"})
        finally:
            self.home.mount_share()
        orch("backup", "vm", "phoenix", check=0)


class Interrupted(InstantCase):
    prefix = "inst-kills"
    hosts = 1
    vms = [(HOME, lambda: Vm("phoenix", [Disk(size_mib=160)], nic=False))]
    inventory = [entry("phoenix", HOME)]

    def begin(self):
        orch = self.take_up(limits={"bandwidth_mib_s": 0})
        guest = self.lab.vm("phoenix")
        if not orch.points_of("phoenix"):
            guest.exec("sh", "-c", "dd if=/dev/urandom of=/data/vda/big bs=1M count=40 2>/dev/null; echo one > /data/vda/marker; sync", timeout=300)
            self.backup(orch, "phoenix")
        orch.restart(limits={"bandwidth_mib_s": 1})
        if "phoenix" in self.home.virsh("list", "--all", "--name").split():
            self.forget(self.home, "phoenix")
        return orch, guest

    def pulling(self, orch):
        process = orch.start("restore", "phoenix", "--instant")
        orch.wait_for(lambda: [j["phase"] for j in self.journals()] == ["pulling"] and
                      "pull" in self.home.virsh("blockjob", "phoenix", "vda", "--raw", check=False).lower(), 240, "the pull")
        return process

    def faster(self):
        """The rest of the pull as fast as it goes."""
        self.home.exec("virsh", "-q", "blockjob", "phoenix", "vda", "--bandwidth", "0", check=False)

    def end(self, orch, guest):
        self.assert_settled(orch, self.home, "phoenix")
        guest.wait(240)
        self.assertEqual(guest.exec("cat", "/data/vda/marker"), ("one\n", 0))
        self.assertEqual(guest.disk_paths()["vda"], self.disks(self.home, "phoenix")["vda"])
        self.assertEqual(orch.published(), [orch.point_folder(orch.points_of("phoenix")[0])])

    def test_orch_is_killed_while_it_is_pulled(self):
        orch, guest = self.begin()
        process = self.pulling(orch)
        worker = orch.status()["running"][0]["job"]
        orch.stop_daemon(signal.SIGKILL)
        process.communicate(timeout=60)
        self.assertTrue(worker)
        orch.change_settings({"limits": {"bandwidth_mib_s": 0}})
        self.assertTrue(self.leases())
        self.faster()
        orch.start_daemon()
        self.end(orch, guest)

    def test_libvirtd_is_killed_while_it_is_pulled(self):
        orch, guest = self.begin()
        process = self.pulling(orch)
        self.home.kill_proc("libvirtd")
        self.home.restart("libvirtd")
        self.faster()
        out, err = process.communicate(timeout=300)
        self.assertEqual(process.returncode, 0, out + err)
        self.end(orch, guest)

    def test_the_guest_dies_is_started_again_and_the_pull_goes_on(self):
        orch, guest = self.begin()
        process = self.pulling(orch)
        self.home.virsh("destroy", "phoenix")
        time.sleep(2)
        self.assertGreater(self.layers(self.home, "phoenix", "--inactive"), 0)
        self.home.virsh("start", "phoenix")
        guest.wait(120)
        orch.wait_for(lambda: "pull" in self.home.virsh("blockjob", "phoenix", "vda", "--raw", check=False).lower() or
                      self.free_of_share(self.home, "phoenix"), 60, "the pull again")
        self.faster()
        out, err = process.communicate(timeout=300)
        self.assertEqual(process.returncode, 0, out + err)
        self.end(orch, guest)

    def test_cancelled_it_runs_on_and_is_pulled_all_the_same(self):
        orch, guest = self.begin()
        process = self.pulling(orch)
        job = orch.status()["running"][0]["job"]

        def progress():
            told = orch.status()["running"][0]["progress"]
            return told and told["disk"] == "vda" and told["done_bytes"] < told["total_bytes"]
        orch.wait_for(progress, 60, "progress of the pull")
        orch("cancel", job, check=0)
        out, err = process.communicate(timeout=120)
        self.assertEqual(process.returncode, 5, out + err)
        self.assertEqual(guest.state(), "running")
        self.faster()
        self.end(orch, guest)  # by the daemon's own doing

    def test_killed_at_each_step_before_it_is_there_wholly_or_not_at_all(self):
        for phase in ("copying", "moving", "defining", "starting"):
            with self.subTest(phase):
                orch, guest = self.begin()
                process = orch.start("restore", "phoenix", "--instant")
                orch.wait_for(lambda: any(j["phase"] == phase for j in self.journals()) or process.poll() is not None, 240, phase)
                orch.stop_daemon(signal.SIGKILL)
                process.communicate(timeout=60)
                orch.change_settings({"limits": {"bandwidth_mib_s": 0}})
                orch.start_daemon()

                def decided():
                    if "phoenix" in self.home.virsh("list", "--all", "--name").split():
                        self.faster()
                        return self.is_settled(self.home, "phoenix")
                    return not self.journals() and not self.leases()
                orch.wait_for(decided, 240, f"an end after {phase}")
                if "phoenix" in self.home.virsh("list", "--all", "--name").split():
                    self.end(orch, guest)
                else:
                    self.nothing_left()
                    self.assertEqual(self.home.shell("ls -A /var/lib/libvirt/images").strip(), "")
                orch.stop_daemon()


class InPlace(InstantCase):
    """Instead of the machine that is there: that one is set aside at once, and its earlier self runs from the share in its place."""
    prefix = "inst-place"
    hosts = 1
    vms = [(HOME, lambda: Vm("phoenix", [Disk(size_mib=96), Disk("vdb", format="raw", size_mib=32)], nic=True))]
    inventory = [entry("phoenix", HOME)]

    def asides(self):
        return [f for f in self.home.files() if ".replaced-" in f]

    def test_replaced_pulled_and_kept_aside(self):
        orch, guest = self.take_up(), self.lab.vm("phoenix")
        guest.exec("sh", "-c", "echo then > /data/vda/marker; echo then > /data/vdb/marker; sync")
        point = self.backup(orch, "phoenix")
        guest.exec("sh", "-c", "echo now > /data/vda/marker; echo now > /data/vdb/marker; sync")
        mac = self.definition(self.home, "phoenix").find("devices/interface/mac").get("address")
        out = orch("restore", "phoenix", point["point"], "--replace", "--yes", "--instant", check=0).out
        self.assertIn("nothing of it is on the share any more", out)
        orch.wait_for(lambda: self.free_of_share(self.home, "phoenix") and not self.leases(), 240, "phoenix free of the share")
        guest.wait(240)
        self.assertEqual(guest.exec("cat", "/data/vda/marker", "/data/vdb/marker"), ("then\nthen\n", 0))
        self.assertEqual(self.definition(self.home, "phoenix").find("devices/interface/mac").get("address"), mac)
        self.assertEqual(len(self.asides()), 2)
        [journal] = self.journals()
        self.assertEqual(journal["phase"], "done")
        orch("backup", "vm", "phoenix", check=0)
        self.assertEqual(len(self.asides()), 2, "not before seven days are over")


class Moved(InstantCase):
    """Migrated to another hypervisor while its disks are backed by the point: the point is kept as long as they are."""
    prefix = "inst-moved"
    hosts = 2
    vms = [(HOME, lambda: Vm("phoenix", [Disk(size_mib=160)], nic=False))]
    inventory = [entry("phoenix", HOME)]
    begin, pulling = Interrupted.begin, Interrupted.pulling

    def take(self, path):
        """The disk, as a person carries it to the other host."""
        self.other.shell(f"mkdir -p {os.path.dirname(path)}")
        shutil.copyfile(self.home.path(path), self.other.path(path))

    def test_its_point_stays_and_it_is_pulled_there(self):
        orch, guest = self.begin()
        process = self.pulling(orch)
        self.home.virsh("destroy", "phoenix")
        definition = self.home.virsh("dumpxml", "phoenix", "--inactive", "--security-info")
        [path] = self.disks(self.home, "phoenix").values()
        self.take(path)
        self.home.virsh("undefine", "phoenix")
        self.other.stop()
        _, out, err = finish(process)
        self.assertNotEqual(process.returncode, 0, out + err)
        orch.wait_idle()
        refused = orch("recover", "phoenix", check=1)
        self.assertIn("may be elsewhere", refused.out + refused.err)
        self.assertEqual(len(self.leases()), 1)
        self.other.start()
        self.other.exec("virsh", "-q", "define", "/dev/stdin", input=definition)
        self.other.virsh("start", "phoenix")
        orch.change_settings({"limits": {"bandwidth_mib_s": 0}})
        orch.restart()
        self.assert_settled(orch, self.other, "phoenix")
        guest.host = self.other
        guest.wait(240)
        self.assertEqual(guest.exec("cat", "/data/vda/marker"), ("one\n", 0))


class OfAnIncrement(InstantCase):
    """A point with a parent: both are in use until all disks are pulled."""
    prefix = "inst-chain"
    hosts = 1
    vms = [(HOME, lambda: Vm("phoenix", [Disk(size_mib=96)], nic=False))]
    inventory = [entry("phoenix", HOME, level="incremental")]

    def layers(self, host, name, *how):
        """Without what is in its drive, which stays."""
        return super().layers(host, name, *how) - host.virsh("dumpxml", name, *how).count(f"'{self.lab.share.path}/tools.iso'")

    def test_it_runs_on_both_and_then_on_none(self):
        orch, guest = self.take_up(), self.lab.vm("phoenix")
        iso = os.path.join(self.lab.share.path, "tools.iso")
        with open(iso, "wb") as f:
            f.truncate(1 << 20)
        self.home.virsh("attach-disk", "phoenix", iso, "sda", "--targetbus", "sata", "--type", "cdrom", "--mode", "readonly", "--config")
        guest.exec("sh", "-c", "echo full > /data/vda/one; echo full > /data/vda/both; sync")
        self.backup(orch, "phoenix")
        guest.exec("sh", "-c", "echo increment > /data/vda/two; echo increment > /data/vda/both; sync")
        point = self.backup(orch, "phoenix")
        self.assertEqual(point["level"], "incremental")
        folders = [orch.point_folder(p) for p in orch.points_of("phoenix")]
        before = [fingerprint(f) for f in folders]
        self.home.virsh("change-media", "phoenix", "sda", "--eject", "--config")
        self.forget(self.home, "phoenix")
        out = orch("restore", "phoenix", "--instant", check=0).out
        self.assertIn("nothing of it is on the share any more", out)
        self.assert_settled(orch, self.home, "phoenix")
        self.assertEqual(self.disks(self.home, "phoenix")["sda"], iso)
        guest.wait(240)
        self.assertEqual(guest.exec("cat", "/data/vda/one", "/data/vda/two", "/data/vda/both"), ("full\nincrement\nincrement\n", 0))
        self.assertEqual([fingerprint(f) for f in folders], before)


if __name__ == "__main__":
    unittest.main()
