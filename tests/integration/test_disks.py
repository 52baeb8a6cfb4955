"""Every kind of disk that a VM may have: block devices, linked clones, names that hurt, media that are left out, disks that cannot be
protected."""

import os
import unittest
import xml.etree.ElementTree as ElementTree

import evidence
from evidence import Image, Witness
from harness import Disk, Lab, Orch, Vm, domain_xml, entry

IMAGES = "/var/lib/libvirt/images"
AWKWARD = IMAGES + "/we ird'q \"d\" & $(touch pwned-1) `touch pwned-2`;touch pwned-3\\n%s<b>.qcow2"
LONG = f"{IMAGES}/{'long-' * 49}{'x' * 4}.qcow2"  # no room for a suffix: its overlay goes to the scratch folder
AWKWARD_NAME = "we ird $(touch pwned-4);'touch pwned-5' \"q\" &amp"
NBD = "/run/lab-nbd.sock"
NETWORK_DISK = f"""<disk type='network' device='disk'><driver name='qemu' type='raw'/>
    <source protocol='nbd'><host transport='unix' socket='{NBD}'/></source><target dev='vdd' bus='virtio'/></disk>"""


def mixed():
    """A disk of its own, in a folder that is a symbolic link, and three that are none of an overlay's business."""
    vm = Vm("mixed", [Disk(size_mib=64, path=f"{IMAGES}/linked/mixed.qcow2"), Disk("vdb", format="raw", size_mib=32, shareable=True),
                      Disk("vdc", size_mib=32, transient=True)])
    vm.xml = domain_xml(vm).replace("<controller type='usb'", NETWORK_DISK + "\n    <controller type='usb'")
    return vm


class Disks(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.lab = cls.enterClassContext(Lab.create(f"disks-{os.getpid()}", hosts=1))
        cls.host = cls.lab.host("hypervisor-01")
        cls.host.shell(f"mkdir /var/lib/libvirt/elsewhere; ln -s ../elsewhere {IMAGES}/linked; truncate -s 32M /var/lib/libvirt/nbd.raw")
        cls.host.spawn("nbd", "qemu-nbd", "--persistent", "--format=raw", f"--socket={NBD}", "/var/lib/libvirt/nbd.raw")
        evidence.wait_for("the NBD server", lambda: os.path.exists(cls.host.path(NBD)), 60)
        cls.lab.add_vms([("hypervisor-01", vm) for vm in [
            Vm("clone", [Disk("vda", kind="chain", size_mib=64), Disk("vdb", format="raw", size_mib=32, readonly=True),
                         Disk("sdb", device="cdrom", format="raw", size_mib=2, readonly=True),
                         Disk("sdc", device="cdrom", format="raw", path="", readonly=True),
                         Disk("fda", device="floppy", format="raw")]),
            Vm("block", [Disk("sda", bus="scsi", size_mib=64, path=LONG, driver={"cache": "none", "discard": "unmap"}),
                         Disk("vda", kind="block", format="raw", size_mib=48)]),
            Vm(AWKWARD_NAME, [Disk("vda", size_mib=64, path=AWKWARD)]),
            mixed()]])
        cls.witness = Witness(cls.host)
        cls.vms = {"weird" if name == AWKWARD_NAME else name: vm for name, vm in cls.lab.guests.items()}
        cls.orch = cls.enterClassContext(Orch(cls.lab, os.environ["ORCH_BINARY"]))
        cls.inventory = [entry("clone", "hypervisor-01"), entry("block", "hypervisor-01"),
                         entry("weird", "hypervisor-01", domain=AWKWARD_NAME),
                         entry("mixed", "hypervisor-01", exclude_disks=["vdb", "vdc", "vdd"], compression="zstd")]
        cls.orch.write_inventory(cls.inventory)
        cls.orch.repository_init()
        cls.orch.start_daemon()
        for name, targets in {"clone": ["vda"], "block": ["sda", "vda"], "weird": ["vda"], "mixed": ["vda"]}.items():
            for target in targets:
                cls.vms[name].control(f"echo {name}-{target} > /data/{target}/marker && sync")
        cls.golden = cls.host.shell(f"cd {IMAGES}; sha256sum clone-vda.golden.qcow2 clone-vda.middle.qcow2")
        cls.paths = {name: vm.disk_paths() for name, vm in cls.vms.items()}
        cls.files = evidence.files(cls.host)
        cls.xmls = {name: vm.xml("--inactive") for name, vm in cls.vms.items()}
        cls.orch("run", "--all", check=0)
        cls.files_after, cls.traces = evidence.files(cls.host), cls.host.orch_traces()
        cls.listed = {p["vm"]: p for p in cls.orch.json("list")}

    def folder(self, name):
        return self.orch.point_folder(self.listed[name])

    def metadata(self, name):
        return self.orch.metadata(self.listed[name])

    def excluded(self, name):
        return {e["target"]: e["reason"] for e in self.metadata(name)["excluded"]}

    def chain(self, name, target):
        """Images under a running disk, top first, as libvirt has them."""
        disk = next(d for d in ElementTree.fromstring(self.vms[name].xml()).iter("disk") if d.find("target").get("dev") == target)
        found = []
        while disk is not None and disk.find("source") is not None:
            found.append(disk.find("source").get("file"))
            disk = disk.find("backingStore")
        return found

    # -- all of them -------------------------------------------------------------------------------------------------

    def test_all_were_backed_up(self):
        self.assertEqual({n: (p["status"], p["consistency"]) for n, p in self.listed.items()},
                         {n: ("ok", "filesystem") for n in ("clone", "block", "weird", "mixed")})
        for name in self.listed:
            evidence.check_point(self, self.folder(name))

    def test_copies_hold_exactly_what_was_under_the_overlays(self):
        formats = {"clone-vda": "qcow2", "block-sda": "qcow2", "block-vda": "raw", "weird-vda": "qcow2", "mixed-vda": "qcow2"}
        self.assertEqual({f"{n}-{d['target']}" for n in self.listed for d in self.metadata(n)["disks"]}, set(formats))
        for name in self.listed:
            for disk in self.metadata(name)["disks"]:
                file = f"{name}-{disk['target']}.qcow2"
                source = self.paths[name][disk["target"]]
                self.assertEqual(self.witness.compare(self.folder(name), file, source, formats[file[:-6]]), "")
                with Image(os.path.join(self.folder(name), file)) as image:
                    self.assertEqual(image.read("/marker"), f"{name}-{disk['target']}\n")
                    self.assertTrue(image.was_clean)

    def test_everything_stands_as_before(self):
        self.assertEqual(self.files_after, self.files)
        self.assertEqual(self.traces, [])
        for name, vm in self.vms.items():
            self.assertEqual(vm.disk_paths(), self.paths[name])
            self.assertEqual(vm.xml("--inactive"), self.xmls[name])
            self.assertFalse(vm.frozen())
            for target in ("sda", "vda") if name == "block" else ("vda",):
                self.assertEqual(vm.control(f"echo again > /data/{target}/again && sync && cat /data/{target}/again"), ("again\n", 0))

    # -- block device --------------------------------------------------------------------------------------------------

    def test_a_block_device_is_copied_and_committed_back(self):
        disk = next(d for d in self.metadata("block")["disks"] if d["target"] == "vda")
        self.assertEqual((disk["source_type"], disk["source_path"], disk["virtual_bytes"]), ("block", self.paths["block"]["vda"], 48 << 20))
        self.assertTrue(disk["source_path"].startswith("/dev/"))

    def test_an_overlay_that_has_no_room_in_its_name_goes_to_the_scratch_folder(self):
        self.assertEqual(len(os.path.basename(LONG)), 255)
        self.assertEqual(self.metadata("block")["disks"][0]["source_path"], LONG)

    def test_compression_is_as_asked_for(self):
        self.assertIn("compression type: zstd", evidence.image_info(os.path.join(self.folder("mixed"), "mixed-vda.qcow2")))
        self.assertEqual((self.metadata("mixed")["compression"], self.metadata("clone")["compression"]), ("zstd", "none"))

    # -- linked clone --------------------------------------------------------------------------------------------------

    def test_a_linked_clone_is_flattened_and_stands_on_its_golden_image(self):
        copy = os.path.join(self.folder("clone"), "clone-vda.qcow2")
        self.assertNotIn("backing file", evidence.image_info(copy))
        for seed, at in ((1, 32), (2, 34)):  # the golden image's own data, and the middle one's above it
            evidence.run(["qemu-io", "-r", "-c", f"read -P {seed} {at}M 2M", copy])
            self.assertNotIn("verification failed", evidence.out(["qemu-io", "-r", "-c", f"read -P {seed} {at}M 2M", copy]))
        self.assertIn("verification failed", evidence.run(["qemu-io", "-r", "-c", "read -P 3 32M 2M", copy], check=False).stdout)
        self.assertEqual(self.host.shell(f"cd {IMAGES}; sha256sum clone-vda.golden.qcow2 clone-vda.middle.qcow2"), self.golden)
        chain = [f"{IMAGES}/clone-vda.qcow2", f"{IMAGES}/clone-vda.middle.qcow2", f"{IMAGES}/clone-vda.golden.qcow2"]
        self.assertEqual(self.chain("clone", "vda"), chain)
        said = self.host.exec("qemu-img", "info", "-U", "--backing-chain", chain[0]).stdout
        self.assertEqual([line.split()[1] for line in said.splitlines() if line.startswith("image: ")], chain)

    # -- left out ------------------------------------------------------------------------------------------------------

    def test_media_and_read_only_disks_are_left_out_with_a_note(self):
        excluded = self.excluded("clone")
        self.assertEqual(sorted(excluded), ["fda", "sdb", "sdc", "vdb"])
        self.assertRegex(excluded["vdb"], "read-only")
        self.assertRegex(excluded["sdb"], "CD-ROM")
        self.assertRegex(excluded["sdc"], "CD-ROM")
        self.assertRegex(excluded["fda"], "floppy")
        self.assertEqual([d["target"] for d in self.metadata("clone")["disks"]], ["vda"])

    # -- names that hurt -----------------------------------------------------------------------------------------------

    def test_a_hurtful_path_is_copied_and_nothing_is_executed(self):
        self.assertEqual(self.metadata("weird")["disks"][0]["source_path"], AWKWARD)
        self.assertEqual(self.metadata("weird")["domain"], AWKWARD_NAME)
        self.assertEqual(self.pwned(), [])

    def pwned(self):
        tops = (self.lab.share.path, self.orch.dir, os.getcwd())
        here = [os.path.join(d, n) for top in tops for d, _, names in os.walk(top) for n in names]
        return [f for f in self.host.files() + here if "pwned" in os.path.basename(f) and "we ird" not in os.path.basename(f)]

    def test_z_restored_by_hand(self):
        """Last, because it replaces the VMs. RESTORE.txt quotes what it names, and fills a block device that is there."""
        weird, block = self.vms["weird"], self.vms["block"]
        weird.control("echo too late > /data/vda/marker; sync")
        for vm in (weird, block):
            vm.remove()
        self.host.exec("rm", "--", AWKWARD, LONG)
        self.host.exec("dd", "if=/dev/zero", f"of={self.paths['block']['vda']}", "bs=1M", "count=48", "conv=fsync")
        for name in ("weird", "block"):
            evidence.follow_restore_text(self.host, self.folder(name))
        for vm in (weird, block):
            vm.wait(120)
        self.assertEqual(weird.disk_paths(), {"vda": AWKWARD})
        self.assertEqual(weird.exec("cat", "/data/vda/marker"), ("weird-vda\n", 0))
        self.assertEqual(self.pwned(), [])
        self.assertEqual(block.disk_paths(), self.paths["block"])
        self.assertEqual(block.exec("cat", "/data/sda/marker", "/data/vda/marker"), ("block-sda\nblock-vda\n", 0))

    # -- cannot be protected -------------------------------------------------------------------------------------------

    def test_disks_that_cannot_be_protected_are_refused_before_anything_is_touched(self):
        vm, files, published = self.vms["mixed"], evidence.files(self.host), self.orch.published()
        copies, listed = len(self.witness.lines()), self.orch.json("list")
        self.addCleanup(self.orch.write_inventory, self.inventory)
        self.orch.write_inventory([entry("mixed", "hypervisor-01")])
        result = self.orch("backup", "vm", "mixed", check=1)
        for said in ("vdb is shared", "vdc is transient", "vdd is a network disk", "exclude_disks"):
            self.assertIn(said, result.out + result.err)
        self.assertNotIn("vda is", result.out + result.err)
        self.assertEqual(vm.disk_paths(), self.paths["mixed"])
        self.assertEqual(evidence.files(self.host), files)
        self.assertEqual(self.orch.published(), published)
        self.assertEqual(len(self.witness.lines()), copies)
        self.assertEqual([n for n in os.listdir(os.path.dirname(self.folder("mixed"))) if n.startswith(".")], [])
        self.assertEqual(self.orch.json("list"), listed)

    def test_they_may_be_left_out_by_name(self):
        self.assertEqual(self.excluded("mixed"), {t: "named in exclude_disks" for t in ("vdb", "vdc", "vdd")})
        self.assertEqual([d["target"] for d in self.metadata("mixed")["disks"]], ["vda"])

    def test_configuration_alone(self):
        self.addCleanup(self.orch.write_inventory, self.inventory)
        vm = entry("mixed", "hypervisor-01", config_only=True)
        self.orch.write_inventory([vm])
        copies = len(self.witness.lines())
        self.orch("backup", "vm", "mixed", check=0)
        point = self.orch.json("list", "mixed")[0]
        folder = self.orch.point_folder(point)
        evidence.check_point(self, folder)
        self.assertEqual([n for n in os.listdir(folder) if n.endswith(".qcow2")], [])
        self.assertIn("mixed.xml", os.listdir(folder))
        self.assertEqual(len(self.witness.lines()), copies)
        self.assertEqual(sorted(e["target"] for e in self.orch.metadata(point)["excluded"]), ["vda", "vdb", "vdc", "vdd"])
        refused = self.orch("restore", "mixed", "--name", "diskless", check=1)
        self.assertRegex(refused.out + refused.err, f"holds the configuration alone .*--export.*hypervisor-01/mixed/{point['point']}")
        self.assertNotIn("diskless", self.host.virsh("list", "--all", "--name"))
        self.orch("restore", "mixed", "--export", os.path.join(self.lab.dir, "export"), check=0)
        self.assertEqual(os.listdir(os.path.join(self.lab.dir, "export")), ["mixed.xml"])


if __name__ == "__main__":
    unittest.main()
