"""orch restore on real guests: disks identical with the point, VMs that boot and answer, here and elsewhere, beside the original and in its
absence; points that are damaged, and what is refused."""

import glob
import json
import os
import shutil
import unittest
import xml.etree.ElementTree as ElementTree

from harness import Disk, Vm, entry
from lab.images import same_content
from lab.run import LabError
from outside import LabCase

HOME, OTHER = "hypervisor-01", "hypervisor-02"
IMAGES = "/var/lib/libvirt/images"


class RestoreCase(LabCase):
    hosts = 2
    inventory = ()

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.home, cls.other = cls.lab.host(HOME), cls.lab.host(OTHER)

    def take_up(self, **settings):
        orch = self.orch(**settings)
        orch.write_inventory(list(self.inventory))
        if not os.path.exists(os.path.join(self.lab.share.path, ".orch-repository")):
            orch.repository_init()
        orch.start_daemon()
        return orch

    def backup(self, orch, vm):
        """The path of its newest point on the share, after a backup of now."""
        orch("backup", "vm", vm, check=0)
        return orch.points_of(vm)[0]

    def image(self, orch, point, target="vda"):
        return os.path.join(orch.point_folder(point), f"{point['vm']}-{target}.qcow2")

    def definition(self, host, name):
        return ElementTree.fromstring(host.virsh("dumpxml", name, "--inactive", "--security-info"))

    def disks(self, host, name):
        return {d.find("target").get("dev"): d.find("source").get("file") or d.find("source").get("dev")
                for d in self.definition(host, name).iter("disk") if d.find("source") is not None}

    def assert_same_disks(self, orch, point, host, name, targets):
        found = self.disks(host, name)
        self.assertEqual(sorted(found), sorted(targets))
        for target, path in found.items():
            self.assertTrue(same_content(self.image(orch, point, target), host.path(path)), (target, path))

    def forget(self, host, name):
        """The VM and all files of it."""
        paths = self.disks(host, name).values()
        host.exec("virsh", "-q", "destroy", name, check=False)
        host.virsh("undefine", name, "--nvram")
        host.exec("rm", "-f", "--", *paths)

    def guest(self, host, name, like):
        """A guest of the lab for a restored VM."""
        from lab.guest_vm import Guest
        spec = Vm(**dict(like.spec.as_dict(), name=name))
        return Guest(self.lab, host, spec)

    def nothing_left(self):
        for host in self.lab.hosts.values():
            self.assertEqual(host.orch_traces(), [], host.name)
        self.assertEqual(glob.glob(os.path.join(self.lab.share.path, "*", "*", ".reading-*")), [])
        self.assertEqual(glob.glob(os.path.join(self.lab.share.path, "metadata", "restores", "*")), [])


class Restore(RestoreCase):
    prefix = "restore"
    vms = [(HOME, lambda: Vm("phoenix", [Disk(size_mib=64), Disk("vdb", format="raw", size_mib=48)], nic=False))]
    inventory = [entry("phoenix", HOME)]

    def test_1_beside_the_original(self):
        orch = self.take_up()
        guest = self.lab.vm("phoenix")
        guest.exec("sh", "-c", "echo one > /data/vda/marker; echo two > /data/vdb/marker; sync")
        point = self.backup(orch, "phoenix")
        guest.exec("sh", "-c", "echo late > /data/vda/marker; sync")
        refused = orch("restore", "phoenix")
        self.assertEqual(refused.status, 1, refused)
        self.assertIn("--name", refused.err + refused.out)
        done = orch("restore", "phoenix", "--name", "second", "--start", check=0)
        print(done.out)
        second = self.guest(self.home, "second", guest)
        self.assertEqual(second.exec("cat", "/data/vda/marker", "/data/vdb/marker"), ("one\ntwo\n", 0))
        self.home.virsh("destroy", "second")
        self.assertNotEqual(self.home.virsh("domuuid", "second").strip(), guest.spec.uuid)
        self.forget(self.home, "second")
        self.assert_as_before("phoenix")
        self.nothing_left()


if __name__ == "__main__":
    unittest.main()
