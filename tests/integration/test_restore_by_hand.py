"""RESTORE.txt, to the letter: a VM that is gone comes back by its lines alone, on its own hypervisor and on another one, without orch."""

import os
import unittest

import evidence
from harness import Disk, Lab, Orch, Vm, entry

NVRAM = "/var/lib/libvirt/qemu/nvram/phoenix_VARS.fd"


class RestoreByHand(unittest.TestCase):
    """One VM with UEFI, a qcow2 and a raw disk."""

    @classmethod
    def setUpClass(cls):
        cls.lab = cls.enterClassContext(Lab.create(f"hand-{os.getpid()}", hosts=2))
        cls.home, cls.other = cls.lab.hosts.values()
        disks = [Disk(size_mib=64), Disk("vdb", format="raw", size_mib=64)]
        cls.vm = cls.lab.add_vm(cls.home.name, Vm("phoenix", disks, uefi=True, memory_mib=192))
        with Orch(cls.lab, os.environ["ORCH_BINARY"]) as orch:
            orch.write_inventory([entry("phoenix", cls.home.name)])
            orch.repository_init()
            orch.start_daemon()
            for target in ("vda", "vdb"):
                cls.vm.control(f"echo ashes-{target} > /data/{target}/marker && sync")
            cls.nvram = cls.home.shell(f"sha256sum < {NVRAM}")
            orch("backup", "vm", "phoenix", check=0)
            cls.point = orch.json("list")[0]
            cls.folder, cls.metadata = orch.point_folder(cls.point), orch.metadata(cls.point)
        cls.vm.control("for d in /data/*; do echo too late > $d/marker; done; sync")

    def restored(self, host, vm):
        """The VM runs on this host, as it was at the backup."""
        vm.host = host
        vm.wait(120)
        self.assertEqual(vm.state(), "running")
        self.assertTrue(vm.agent_answers())
        self.assertEqual(vm.exec("cat", "/data/vda/marker", "/data/vdb/marker"), ("ashes-vda\nashes-vdb\n", 0))
        self.assertEqual(vm.disk_paths(), {d.target: d.path for d in vm.spec.disks})
        self.assertEqual(host.virsh("domuuid", vm.name).strip(), vm.spec.uuid)
        for disk in vm.spec.disks:
            self.assertIn(f"file format: {disk.format}", host.exec("qemu-img", "info", "-U", disk.path).stdout)

    def test_1_the_point_has_the_firmware_variables(self):
        self.assertEqual(self.metadata["nvram_file"], "phoenix-nvram.fd")
        evidence.check_point(self, self.folder)
        with open(os.path.join(self.folder, "phoenix-nvram.fd"), "rb") as copy, open(self.home.path(NVRAM), "rb") as own:
            self.assertEqual(copy.read(), own.read())

    def test_2_restored_where_it_is_gone_without_a_trace(self):
        self.vm.remove()
        self.home.exec("rm", "--", *(d.path for d in self.vm.spec.disks))
        self.home.exec("rm", "-f", "--", NVRAM)
        self.assertNotIn("phoenix", " ".join(evidence.files(self.home)))
        said = evidence.follow_restore_text(self.home, self.folder).stdout
        self.assertIn("phoenix-vda.qcow2: OK", said)
        self.restored(self.home, self.vm)

    def test_3_restored_over_disks_that_are_in_the_way(self):
        """Its definition is gone, its disks are there and hold something else: they are moved aside, not lost."""
        self.vm.remove()
        disk = self.vm.spec.disks[1]
        self.home.shell(f"echo precious > {disk.path}")
        evidence.follow_restore_text(self.home, self.folder)
        self.assertEqual(self.vm.state(), "running")
        self.assertEqual(self.home.shell(f"cat {disk.path}.before-restore*"), "precious\n")
        self.assertIn("virtual size: 64 MiB", self.home.exec("qemu-img", "info", "-U", "-f", "raw", disk.path).stdout)

    def test_4_restored_on_another_hypervisor(self):
        """One that never saw it. The first one is off by then."""
        self.home.stop()
        evidence.follow_restore_text(self.other, self.folder)
        self.restored(self.other, self.vm)

    def test_5_the_lines_end_at_a_damaged_file(self):
        """The first thing that they do is to verify: nothing is put back from a point that is not whole."""
        broken = os.path.join(self.lab.share.path, "broken")
        self.other.exec("cp", "-R", self.folder, broken)
        self.other.shell(f"dd if=/dev/urandom of={broken}/phoenix-vdb.qcow2 bs=1 count=16 seek=300000 conv=notrunc")
        with open(os.path.join(broken, "RESTORE.txt")) as f:
            text = f.read()
        with open(os.path.join(broken, "RESTORE.txt"), "w") as f:
            f.write(text.replace(self.folder, broken))
        before = self.other.files()
        with self.assertRaisesRegex(evidence.LabError, "phoenix-vdb.qcow2: FAILED|did NOT match"):
            evidence.follow_restore_text(self.other, broken)
        self.assertEqual(self.other.files(), before)


if __name__ == "__main__":
    unittest.main()
