"""Methods that change a VM's power state: a pause around the snapshot, a shutdown around the copy. Whatever is killed meanwhile, the VM gets
the state back that its owner gave it; a pause or a shutdown of the owner's is left alone."""

import glob
import time

import test_recover
from harness import Vm, Disk, entry

HOST = test_recover.HOST


def guest(name, **more):
    return HOST, lambda: Vm(name, disks=[Disk("vda", size_mib=64, filled_mib=12), Disk("vdb", format="raw", size_mib=32)], **more)


class PowerCase(test_recover.KilledCase):
    prefix = "power"
    vms = (guest("still"), guest("sleepy"))
    inventory = (entry("still", HOST, "suspend"), entry("sleepy", HOST, "shutdown"))
    settings = {"limits": {"copy_stall_seconds": 30, "thaw_deadline_seconds": 10}}

    def setUp(self):
        test_recover.RecoverCase.setUp(self)
        self.host.heal()
        self.lab.vm("sleepy").wait()  # one that is still coming up does not see a power button
        self.orch.restart(limits={"bandwidth_mib_s": 0, "thaw_deadline_seconds": 10})

    def intents(self):
        return glob.glob(self.host.path("/var/lib/libvirt/images/*.power"))

    def assert_clean(self, guest):
        self.assertEqual(guest.state(), "running")
        self.assertEqual(guest.disk_paths(), {d.target: d.path for d in guest.spec.disks})
        self.assertEqual(self.intents(), [])
        self.assertEqual(self.host.orch_traces(), [])


class Power(PowerCase):
    def test_1_a_pause_around_the_snapshot(self):
        vm = self.lab.vm("still")
        result = self.orch("backup", "vm", "still", check=0)
        self.assertRegex(result.out, r"paused for \d+ ms")
        point = self.orch.json("list", "still")[0]
        self.assertEqual((point["method"], point["consistency"], point["status"]), ("suspend", "crash", "ok"))
        self.assert_clean(vm)
        self.assertTrue(vm.agent_answers())

    def test_2_a_shutdown_around_the_copy(self):
        vm = self.lab.vm("sleepy")
        before = vm.exec("cat", "/proc/sys/kernel/random/boot_id")
        result = self.orch("backup", "vm", "sleepy", check=0)
        self.assertIn("shutdown: done", result.out)
        self.assertIn("power-on: done", result.out)
        point = self.orch.json("list", "sleepy")[0]
        self.assertEqual((point["method"], point["consistency"], point["status"]), ("shutdown", "offline", "ok"))
        self.assert_clean(vm)
        vm.wait()
        self.assertNotEqual(before, vm.exec("cat", "/proc/sys/kernel/random/boot_id"))
        checks = {c["name"]: c["verdict"] for c in self.orch.metadata(point)["checks"] if c["phase"] == "after"}
        self.assertEqual(checks["vm-running"], "pass")

    def test_3_worker_killed_while_it_is_paused(self):
        vm = self.lab.vm("still")
        with self.at("snapshot", "still") as stream:
            self.assertEqual(vm.state(), "paused")
            self.kill(*stream.held)
            self.orch.wait_for(lambda: vm.state() == "running", 30, "the VM running again")
        self.orch.wait_for(lambda: not self.intents() and not self.host.orch_traces(), 60, "nothing left")
        self.orch.wait_idle()
        self.assert_clean(vm)

    def test_4_all_killed_and_the_network_cut_while_it_is_paused(self):
        vm = self.lab.vm("still")
        with self.at("snapshot", "still") as stream:
            since = time.monotonic()
            self.host.cut()
            self.assertEqual(vm.state(), "paused")
            self.kill(self.orch.daemon.pid, *stream.held)
            self.orch.wait_for(lambda: vm.state() == "running", 20, "the dead-man resuming the VM")
            self.assertLess(time.monotonic() - since, 10 + 5)
            self.host.heal()
        self.orch.start_daemon()
        self.orch.wait_for(lambda: not self.intents() and not self.host.orch_traces(), 60, "nothing left")
        self.orch.wait_idle()
        self.assertIn("had resumed", self.all_logs())
        self.assert_clean(vm)

    def test_5_all_killed_while_it_is_off(self):
        vm = self.lab.vm("sleepy")
        with self.at("copy", "sleepy") as stream:
            self.kill(self.orch.daemon.pid, *stream.held)
        self.assertEqual(vm.state(), "shut off")
        self.orch.start_daemon()
        self.orch.wait_for(lambda: vm.state() == "running", 60, "the VM started again")
        self.orch.wait_for(lambda: not self.intents() and not self.host.orch_traces(), 60, "nothing left")
        self.orch.wait_idle()
        self.assert_clean(vm)
        self.assertIn("had shut it down: started", self.all_logs())

    def test_6_cancelled_while_it_is_off(self):
        vm = self.lab.vm("sleepy")
        self.cancel_in_the_copy("sleepy")
        self.assert_clean(vm)

    def test_7_the_owners_pause_and_shutdown_are_left_alone(self):
        vm = self.lab.vm("still")
        self.host.virsh("suspend", "still")
        self.recover("still")
        self.assertEqual(vm.state(), "paused")
        self.assertEqual(self.orch("backup", "vm", "still").status, 1)
        self.assertEqual(vm.state(), "paused")
        self.host.virsh("resume", "still")
        off = self.lab.vm("sleepy")
        off.shutdown()
        self.recover("sleepy")
        self.assertEqual(off.state(), "shut off")
        off.start()

    def test_8_another_orchs_note_is_left_alone(self):
        vm = self.lab.vm("sleepy")
        note = "/var/lib/libvirt/images/orch-ffffffff-20261120-abcd.power"
        uuid = self.host.virsh("domuuid", "sleepy").strip()
        vm.shutdown()
        self.host.shell(f"echo 'shutdown {uuid} 1:2:3' > {note}")
        try:
            self.recover("sleepy")
            self.assertEqual(vm.state(), "shut off")
            self.assertEqual(len(self.intents()), 1)
        finally:
            self.host.exec("rm", note)
            vm.start()
