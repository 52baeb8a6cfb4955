"""The main job on a hypervisor with systemd, libvirt 11 and QEMU 10: what the light hosts cannot show, above all systemd's units and
timers."""

import os
import unittest

import evidence
from evidence import Image, Witness
from harness import Disk, Lab, Orch, Vm, entry

HOST = "hypervisor-01"
LOOK = "systemctl list-units --plain --no-legend 'orch-*' > /tmp/told; cat /proc/self/cgroup >> /tmp/told"
TARGETS = {"vda": "qcow2", "vdb": "raw"}


class FullHost(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.lab = cls.enterClassContext(Lab.create(f"full-{os.getpid()}", hosts=1, kind="full"))
        cls.host = cls.lab.host(HOST)
        cls.vm = cls.lab.add_vm(HOST, Vm("db", [Disk(t, format=f, size_mib=64) for t, f in TARGETS.items()], writer=True))
        cls.witness = Witness(cls.host)
        cls.orch = cls.enterClassContext(Orch(cls.lab, os.environ["ORCH_BINARY"]))
        cls.orch.write_inventory([entry("db", HOST, pre_backup_commands=[LOOK])])
        cls.orch.repository_init()
        cls.orch.start_daemon()
        for target in TARGETS:
            cls.vm.control(f"echo synced-{target} > /data/{target}/marker && sync")
        cls.paths, cls.xml, cls.files = cls.vm.disk_paths(), cls.vm.xml("--inactive"), evidence.files(cls.host)
        cls.counted = cls.vm.writer("value")
        cls.back_up()

    @classmethod
    def back_up(cls):
        cls.witness.hold("db-vda.qcow2")
        with cls.orch.popen("backup", "vm", "db", stdout=-1, stderr=-1) as job:
            try:
                cls.witness.wait("db-vda.qcow2")
                cls.meanwhile = {"units": cls.units(), "frozen": cls.vm.frozen(), "paths": cls.vm.disk_paths(),
                                 "status": cls.host.shell("systemctl status --no-pager --lines=0 'orch-*-copy.service'")}
                cls.vm.control("for d in /data/*; do echo later > $d/later; done; sync")
            finally:
                cls.witness.release("db-vda.qcow2")
            cls.out, cls.err = job.communicate(timeout=240)
            cls.status = job.returncode
        cls.units_after, cls.traces = cls.units(), cls.host.orch_traces()
        cls.told = cls.host.shell("cat /tmp/told; rm /tmp/told")
        cls.files_after = evidence.files(cls.host)
        cls.journal = cls.host.exec("journalctl", "--no-pager", "-o", "cat", "-u", "orch-*").stdout
        cls.listed = cls.orch.json("list")

    @classmethod
    def units(cls):
        said = cls.host.exec("systemctl", "list-units", "--all", "--plain", "--no-legend", "orch-*").stdout
        return [line.split()[0] for line in said.splitlines() if line.strip()]

    def folder(self):
        return self.orch.point_folder(self.listed[0])

    def test_the_job_succeeds_with_frozen_file_systems(self):
        self.assertEqual(self.status, 0, self.out + self.err)
        metadata = self.orch.metadata(self.listed[0])
        self.assertEqual((len(self.listed), metadata["consistency"], metadata["warnings"]), (1, "filesystem", []))
        self.assertTrue(0 < metadata["freeze_milliseconds"] < 10000, metadata["freeze_milliseconds"])
        self.assertRegex(metadata["libvirt_version"], "^11\\.")
        self.assertRegex(metadata["qemu_version"], "^10\\.")
        self.assertEqual([c["name"] for c in metadata["checks"] if c["verdict"] != "pass"], [])

    def test_copies_hold_exactly_what_was_under_the_overlays(self):
        evidence.check_point(self, self.folder())
        for target, fmt in TARGETS.items():
            self.assertEqual(self.witness.compare(self.folder(), f"db-{target}.qcow2", self.paths[target], fmt), "")
            with Image(os.path.join(self.folder(), f"db-{target}.qcow2")) as image:
                self.assertTrue(image.was_clean)
                self.assertEqual(image.read("/marker"), f"synced-{target}\n")
                self.assertIsNone(image.read("/later"))

    def test_the_guest_is_back_on_its_own_disks_thawed_and_writing(self):
        self.assertEqual(self.vm.disk_paths(), self.paths)
        self.assertEqual(self.vm.xml("--inactive"), self.xml)
        self.assertFalse(self.vm.frozen())
        said = self.vm.control("echo 3 > /proc/sys/vm/drop_caches; cat /data/vda/later /data/vdb/later")
        self.assertEqual(said, ("later\nlater\n", 0))
        counted = self.vm.writer("value")
        self.assertGreaterEqual(counted, self.counted)
        evidence.wait_for("counting on", lambda: self.vm.writer("value") > counted, 30)

    def test_the_guest_ran_on_overlays_while_it_was_copied(self):
        self.assertFalse(self.meanwhile["frozen"])
        for target, path in self.paths.items():
            self.assertRegex(self.meanwhile["paths"][target], "^" + path + r"\.orch-")

    def test_the_copy_is_a_unit_and_the_dead_man_is_gone_by_then(self):
        job = self.orch.metadata(self.listed[0])["job"]
        unit = f"orch-{self.orch.uuid.replace('-', '')[:8]}-{job}-copy.service"
        self.assertEqual(self.meanwhile["units"], [unit])
        self.assertIn("Active: active (running)", self.meanwhile["status"])
        self.assertIn("qemu-img", self.meanwhile["status"])

    def test_a_command_is_a_unit(self):
        self.assertRegex(self.told, r"^orch-\S+-pre-command\.service")
        self.assertRegex(self.told, r"0::/\S*/orch-\S+-pre-command\.service")

    def test_the_dead_man_was_a_timer_and_did_not_fire(self):
        """systemd's own journal of it: the timer was started and stopped, its service never ran."""
        self.assertRegex(self.journal, r"(?m)^Started orch-\S+-thaw\.timer")
        self.assertRegex(self.journal, r"(?m)^Stopped orch-\S+-thaw\.timer")
        self.assertNotRegex(self.journal, r"(?m)^(Started|Starting) orch-\S+-thaw\.service")

    def test_nothing_is_left(self):
        self.assertEqual(self.units_after, [])
        self.assertEqual(self.traces, [])
        self.assertEqual(set(self.files_after) ^ set(self.files), set())
        self.assertEqual(self.host.exec("systemctl", "list-timers", "--all", "--no-legend", "orch-*").stdout, "")

    def test_z_commands_that_hang_are_ended_with_all_that_they_started(self):
        self.orch.write_inventory([entry("db", HOST, pre_backup_commands=[
            {"on": "hypervisor", "command": ["sh", "-c", "trap '' TERM; setsid sleep 4321 & sleep 4321"], "timeout_seconds": 2}])])
        result = self.orch("backup", "vm", "db", check=1)
        self.assertRegex(result.out + result.err, "pre-backup command .*did not end within 2")
        self.assertEqual([line for line in self.host.processes().values() if "4321" in line], [])
        self.assertEqual(self.units(), [])
        self.assertEqual(self.vm.disk_paths(), self.paths)

    def test_zz_restored_by_hand(self):
        """Images that root made from the point: libvirt hands them to QEMU's own user."""
        self.vm.remove()
        self.host.exec("rm", "--", *self.paths.values())
        evidence.follow_restore_text(self.host, self.folder())
        self.vm.wait(120)
        self.assertEqual(self.vm.disk_paths(), self.paths)
        self.assertEqual(self.vm.exec("cat", "/data/vda/marker", "/data/vdb/marker"), ("synced-vda\nsynced-vdb\n", 0))


if __name__ == "__main__":
    unittest.main()
