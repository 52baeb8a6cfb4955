"""Test-restores: real guests that boot from their own disks, BIOS and UEFI, with an agent and without; one whose boot disk was wiped. The
point is left alone, the originals and the network too, and nothing stays."""

import json
import os
import re
import signal
import subprocess
import time
import unittest
import xml.etree.ElementTree as ElementTree

import evidence
from harness import Disk, Lab, Orch, Vm, entry

PREFIX = "orch-test-"
SETTINGS = {"test_restore": {"boot_seconds": 240}}
CHECK = {"on": "guest", "command": ["sh", "-c", "test \"$ORCH_VM\" = db && grep -q from-disk /proc/cmdline && test ! -e /sys/class/net/eth0"]}


def test_domains(host):
    return [n for n in host.virsh("list", "--all", "--name").split() if n.startswith(PREFIX)]


class Base(unittest.TestCase):
    kind, hosts = "light", 1

    @classmethod
    def setUpClass(cls):
        cls.lab = cls.enterClassContext(Lab.create(f"prove-{cls.__name__.lower()}-{os.getpid()}", hosts=cls.hosts, kind=cls.kind))
        cls.host = next(iter(cls.lab.hosts.values()))
        cls.orch = cls.enterClassContext(Orch(cls.lab, os.environ["ORCH_BINARY"], settings=SETTINGS))
        cls.vms = {}

    @classmethod
    def add(cls, **guests):
        """{name: what is special about it}; they boot side by side."""
        made = [Vm(name, [Disk(size_mib=64), Disk("vdb", format="raw", size_mib=32)], boot_disk=True, memory_mib=256 if more.get("uefi") else 160, **more)
                for name, more in guests.items()]
        cls.vms.update(zip(guests, cls.lab.add_vms([(cls.host.name, vm) for vm in made])))

    @classmethod
    def back_up(cls, *entries):
        cls.inventory = {e["name"]: e for e in entries}
        cls.write_inventory()
        cls.orch.repository_init()
        cls.orch.start_daemon()
        cls.orch("run", "--all", check=0, timeout=600)
        cls.files = cls.everything()

    @classmethod
    def everything(cls):
        """What the host holds, but for what its own guests log."""
        return [f for f in evidence.files(cls.host)] + [f for f in cls.host.files() if PREFIX in f]

    @classmethod
    def write_inventory(cls, **changes):
        cls.orch.write_inventory([dict(e, **changes.get(name, {})) for name, e in cls.inventory.items()])

    def newest(self, vm):
        return next(p for p in self.orch.json("list", vm) if p["point"])

    def state(self, vm):
        with open(os.path.join(self.orch.point_folder(self.newest(vm)), "state.json")) as f:
            return json.load(f)

    def contents_of_originals(self):
        """{path: SHA-256} of the disks that the running originals stand on, with all that the guests have yet to write."""
        for vm in self.vms.values():
            vm.control("sync")
        paths = [path for vm in self.vms.values() for path in vm.disk_paths().values()]
        return {line[66:]: line[:64] for line in self.host.exec("sha256sum", "--", *paths).stdout.splitlines()}

    def quiet_contents(self):
        """The same, once the guests have nothing more to write (ext4 goes on making itself for a while) for as long as it lasts."""
        seen, since = None, time.monotonic()

        def quiet():
            nonlocal seen, since
            now = self.contents_of_originals()
            if now != seen:
                seen, since = now, time.monotonic()
            return time.monotonic() - since > 15
        self.orch.wait_for(quiet, 240, "guests that write nothing")
        return seen

    def nothing_left(self):
        self.assertEqual(test_domains(self.host), [])
        self.assertEqual(self.host.orch_traces(), [])
        self.assertEqual(self.everything(), self.files)
        self.assertNotIn(PREFIX, self.host.shell("cat /proc/self/mountinfo; virsh net-list --all --name"))
        leases = subprocess.run(["find", self.lab.share.path, "-name", ".reading-*"], capture_output=True, text=True).stdout
        self.assertEqual(leases, "")

    def evidence_of(self, vm, check):
        return [line.partition(": ")[2] for line in self.state(vm)["proof_evidence"] if line.startswith(check + ": ")]

    def run_and_look(self, *args, timeout=1200):
        """The command, and the XML of each test domain that was there meanwhile: {name: XML}."""
        seen = {}
        with self.orch.popen(*args, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as job:
            end = time.monotonic() + timeout
            while job.poll() is None and time.monotonic() < end:
                for name in test_domains(self.host):
                    if name not in seen:
                        said = self.host.exec("virsh", "-q", "dumpxml", name, check=False).stdout
                        seen.update({name: said} if said else {})
                time.sleep(0.2)
            out, err = job.communicate(timeout=60)
        return job.returncode, out + err, seen


class Proofs(Base):
    """Three machines: BIOS with an agent, UEFI with an agent, BIOS without one."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.add(db={"nic": True, "video": True, "writer": False}, web={"uefi": True}, asav={"agent": False, "video": True})
        cls.back_up(entry("db", cls.host.name, test_commands=[CHECK], boot_pattern="lab guest .* is up"),
                    entry("web", cls.host.name, priority=2), entry("asav", cls.host.name, method="snapshot", priority=3))

    def test_1_all_of_them_come_up_and_nothing_else_notices(self):
        points = {p["vm"]: evidence.fingerprint(self.orch.point_folder(p)) for p in self.orch.json("list")}
        paths = {name: vm.disk_paths() for name, vm in self.vms.items()}
        contents = self.quiet_contents()
        ids = self.host.shell("for n in db web asav; do virsh domid $n; virsh domstate $n; done")
        status, said, seen = self.run_and_look("test-restore", "--all")
        self.assertEqual(status, 0, said)
        self.assertEqual({p["vm"]: evidence.fingerprint(self.orch.point_folder(p)) for p in self.orch.json("list")}, points)
        for point in self.orch.json("list"):
            evidence.check_point(self, self.orch.point_folder(point))
            self.assertTrue(point["proven"], point)
            self.assertEqual((point["proof"], point["status"]), ("booted", "ok"))
            self.assertGreater(point["boot_milliseconds"], 1000)
        self.assertEqual(len(seen), 3, seen.keys())
        originals = {vm.spec.uuid for vm in self.vms.values()}
        for text in seen.values():
            root = ElementTree.fromstring(text)
            self.assertIsNone(root.find("devices/interface"))
            self.assertNotIn(root.find("uuid").text, originals)
            below = [os.path.basename(source.get("file")) for source in root.iterfind("devices/disk/backingStore/source")]
            self.assertRegex(" ".join(below), r"^(\w+)-vda.qcow2 \1-vdb.qcow2$", "each disk stands on the point's image")
            for source in root.iter("source"):
                path = source.get("file") or ""
                self.assertFalse(any(path in own.values() for own in paths.values()), path)
        self.assertEqual({name: vm.disk_paths() for name, vm in self.vms.items()}, paths)
        self.assertEqual(self.contents_of_originals(), contents, "an idle guest writes nothing, and nobody else may")
        self.assertEqual(self.host.shell("for n in db web asav; do virsh domid $n; virsh domstate $n; done"), ids)
        self.nothing_left()

    def test_2_what_was_seen_is_written_down(self):
        self.assertRegex(self.evidence_of("db", "agent")[0], r"answered [0-9.]+ s after the start")
        self.assertRegex(self.evidence_of("db", "boot-pattern")[0], r"on the console [0-9.]+ s")
        self.assertRegex(self.evidence_of("db", "test-command")[0], "passed")
        kinds = [line.partition(": ")[0] for line in self.state("db")["proof_evidence"]]
        self.assertEqual(kinds[:4], ["agent", "test-command", "boot-pattern", "activity"], "the strongest first")
        self.assertRegex(self.evidence_of("db", "point-left-alone")[0], "as before .*read-only mount")
        self.assertRegex(self.evidence_of("asav", "agent")[0], "no channel")
        self.assertRegex(self.evidence_of("asav", "activity")[0], "read from its disks; disks quiet, processors steady")
        folder = self.orch.point_folder(self.newest("asav"))
        picture = self.evidence_of("asav", "screenshot")[0]
        with open(os.path.join(folder, picture), "rb") as f:
            self.assertIn(f.read(4)[:2], (b"\x89P", b"P6"))
        with open(os.path.join(folder, "proof", "console.log"), errors="replace") as f:
            self.assertIn("lab guest from-disk is up", f.read())
        self.assertRegex(self.evidence_of("web", "screenshot")[0], "none")
        listed = self.orch("list", check=0).out
        self.assertRegex(listed.splitlines()[0], r" PROVEN +NOTES$")
        self.assertRegex(listed, r"(?m)^asav .* [0-9]{4}-[0-9]{2}-[0-9]{2} [0-9]{2}:[0-9]{2}  -$")

    def test_3_tests_that_fail_and_a_pattern_that_never_comes(self):
        bad = {"on": "guest", "command": ["sh", "-c", "echo no such row >&2; exit 3"]}
        self.write_inventory(db={"test_commands": [CHECK, bad]})
        result = self.orch("test-restore", "db", check=1)
        self.assertIn("comes up, but does not pass its tests", result.out + result.err)
        self.assertIn("no such row", result.out + result.err)
        self.assertEqual(self.state("db")["proof"], "tests-failed")
        self.assertIsNone(self.newest("db")["proven"])
        self.orch.change_settings({"test_restore": {"boot_seconds": 75}})
        self.orch.stop_daemon()
        self.orch.start_daemon()
        self.write_inventory(db={"boot_pattern": "Welcome to another world"})
        result = self.orch("test-restore", "db", check=1)
        self.assertIn("NOT BOOTABLE", result.out + result.err)
        self.assertIn("s waiting for its boot_pattern", result.out + result.err)
        self.orch.change_settings(SETTINGS)
        self.orch.stop_daemon()
        self.orch.start_daemon()
        self.write_inventory()
        self.nothing_left()

    def test_4_random_takes_the_one_that_waited_longest(self):
        """db lost its proof in the test before."""
        result = self.orch("test-restore", "--random", check=0)
        self.assertIn("db was chosen at random among the VMs without a proof of boot", result.out + result.err)
        result = self.orch("test-restore", "--random", check=0)
        self.assertRegex(result.out + result.err, "(asav|web) has the oldest proof of boot, of 20")

    def test_5_copied_first_in_a_network_of_its_own_and_kept(self):
        self.write_inventory(db={"test_commands": []})
        status, said, _ = self.run_and_look("test-restore", "db", "--full", "--keep", "--network", "isolated")
        self.assertEqual(status, 0, said)
        self.assertIn("orch test-restore --remove db", said)
        [name] = test_domains(self.host)
        root = ElementTree.fromstring(self.host.virsh("dumpxml", name))
        [nic] = root.findall("devices/interface")
        self.assertEqual(nic.find("source").get("network"), name)
        original = ElementTree.fromstring(self.vms["db"].xml()).find("devices/interface/mac").get("address")
        self.assertNotEqual(nic.find("mac").get("address"), original)
        network = ElementTree.fromstring(self.host.virsh("net-dumpxml", name))
        self.assertEqual([network.find(tag) for tag in ("forward", "ip", "dns")], [None] * 3)
        folder = f"/var/lib/libvirt/images/{name}"
        self.assertNotIn("backing file", self.host.exec("qemu-img", "info", "-U", f"{folder}/vda.qcow2").stdout)
        self.orch("recover", "db", check=0)
        self.assertEqual(test_domains(self.host), [name])
        self.orch("test-restore", "--remove", "db", check=0)
        self.write_inventory()
        self.nothing_left()

    def test_6_into_a_network_that_is_there(self):
        self.write_inventory(db={"test_commands": []})
        result = self.orch("test-restore", "db", "--network", "nowhere", check=1)
        self.assertIn("has no active libvirt network 'nowhere'", result.out + result.err)
        self.host.exec("virsh", "net-create", "/dev/stdin", input="<network><name>quarantine</name></network>")
        try:
            status, said, seen = self.run_and_look("test-restore", "db", "--network", "quarantine")
        finally:
            self.host.virsh("net-destroy", "quarantine")
        self.assertEqual(status, 0, said)
        [text] = seen.values()
        self.assertEqual(ElementTree.fromstring(text).find("devices/interface/source").get("network"), "quarantine")
        self.write_inventory()

    def test_6_at_the_end_of_a_cycle(self):
        """By the policy of the inventory and within a budget; then the points that were known to be whole longest ago are read back."""
        self.orch.change_settings({"test_restore": {"budget_minutes": 10}, "verify": {"budget_minutes": 10}})
        self.orch.stop_daemon()
        self.orch.start_daemon()
        self.write_inventory(db={"test_restore": "after-each"}, asav={"test_restore": "quarterly"}, web={"test_restore": "never"})
        before = {vm: self.newest(vm)["point"] for vm in self.vms}
        known = {p["path"] for p in self.orch.json("list")}
        self.orch("run", "--all", check=0, timeout=600)
        self.assertTrue(all(self.newest(vm)["point"] > before[vm] for vm in self.vms))

        def followed():
            points = self.orch.json("list")
            return self.newest("db")["proven"] and all(p["verified"] for p in points if p["path"] in known)
        self.orch.wait_for(followed, 400, "what follows the cycle")
        self.assertEqual(self.state("db")["proof"], "booted")
        self.assertEqual([self.newest(vm)["proven"] for vm in ("web", "asav")], [None, None], "never, and proven in this quarter")
        self.orch.wait_for(lambda: not self.orch.status()["running"], 120, "an idle daemon")
        self.orch.change_settings({"test_restore": {"budget_minutes": 0}, "verify": {"budget_minutes": 0}})
        self.orch.stop_daemon()
        self.orch.start_daemon()
        self.write_inventory()
        self.nothing_left()

    def test_7_cancelled(self):
        with self.orch.popen("test-restore", "db", stdout=subprocess.PIPE, stderr=subprocess.PIPE) as job:
            self.orch.wait_for(lambda: test_domains(self.host), 180, "a test domain")
            [running] = [j for j in self.orch.status()["running"] if j["action"] == "test-restore"]
            self.orch("cancel", running["job"], check=0)
            out, _ = job.communicate(timeout=120)
        self.assertEqual(job.returncode, 5, out)
        self.nothing_left()

    def test_8_killed_with_the_daemon_while_the_guest_boots(self):
        with self.orch.popen("test-restore", "db", stdout=subprocess.PIPE, stderr=subprocess.PIPE) as job:
            self.orch.wait_for(lambda: test_domains(self.host), 180, "a test domain")
            workers = subprocess.run(["pgrep", "-P", str(self.orch.daemon.pid)], capture_output=True, text=True).stdout.split()
            self.orch.daemon.kill()
            for pid in workers:
                os.kill(int(pid), signal.SIGKILL)
            job.communicate(timeout=60)
        self.assertEqual(job.returncode, 3)
        self.orch.stop_daemon()
        self.assertEqual(len(test_domains(self.host)), 1)
        self.orch.start_daemon()
        self.orch.wait_for(lambda: not test_domains(self.host), 180, "the recovery")
        self.orch.wait_for(lambda: not self.orch.status()["running"], 180, "the end of the recovery")
        self.nothing_left()

    def test_9_the_hypervisor_is_reset_meanwhile(self):
        with self.orch.popen("test-restore", "db", stdout=subprocess.PIPE, stderr=subprocess.PIPE) as job:
            self.orch.wait_for(lambda: test_domains(self.host), 180, "a test domain")
            self.host.reboot()
            out, _ = job.communicate(timeout=300)
        self.assertEqual(job.returncode, 1, out)
        self.assertNotIn("NOT BOOTABLE", out)
        self.assertEqual(self.state("db")["proof"], "booted", "a host that is gone says nothing about a point")
        self.assertEqual(test_domains(self.host), [])
        self.assertEqual(self.host.orch_traces(), [])


class Wiped(Base):
    """Their boot disks were wiped while they ran, and nobody saw it: the backup is good, and boots nothing."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.add(bios={"video": True}, uefi={"uefi": True})
        for vm in cls.vms.values():
            vm.control("dd if=/dev/zero of=/dev/vda bs=1M count=64 conv=notrunc; sync", timeout=300)
        cls.back_up(entry("bios", cls.host.name), entry("uefi", cls.host.name, priority=2))

    def test_they_are_reported_as_not_bootable(self):
        status, said, _ = self.run_and_look("test-restore", "--all")
        self.assertEqual(status, 1, said)
        self.assertEqual(len(re.findall("is NOT BOOTABLE", said)), 2, said)
        for vm in ("bios", "uefi"):
            self.assertEqual(self.state(vm)["proof"], "not-bootable")
            self.assertIsNone(self.newest(vm)["proven"])
            self.assertEqual(self.newest(vm)["status"], "ok", "it is what was backed up")
        self.assertRegex(self.state("bios")["proof_reason"], "firmware found nothing to boot|No bootable")
        self.assertRegex(self.state("uefi")["proof_reason"], "No bootable|firmware found nothing to boot")
        self.nothing_left()


class Chain(Base):
    """An increment boots from its point and from all that this builds on, each left alone."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.add(db={})
        both = {"on": "guest", "command": ["sh", "-c", "grep -qx one /data/vdb/first && grep -qx two /data/vdb/second"]}
        cls.back_up(entry("db", cls.host.name, level="incremental", test_commands=[both]))

    def test_it_stands_on_all_of_them(self):
        vm = self.vms["db"]
        for name, text in ("first", "one"), ("second", "two"):
            vm.exec("sh", "-c", f"echo {text} > /data/vdb/{name}; sync")
            self.orch("backup", "vm", "db", check=0)
        self.assertEqual(self.newest("db")["level"], "incremental", self.newest("db")["warnings"])
        points = {p["point"]: evidence.fingerprint(self.orch.point_folder(p)) for p in self.orch.json("list")}
        files = self.everything()
        status, said, seen = self.run_and_look("test-restore", "db")
        self.assertEqual(status, 0, said)
        [text] = seen.values()
        self.assertIsNotNone(ElementTree.fromstring(text).find("devices/disk" + 3 * "/backingStore" + "/source"), "a layer for each point")
        self.assertRegex(self.evidence_of("db", "test-command")[0], "passed")
        self.assertRegex(self.evidence_of("db", "point-left-alone")[0], r"\(3 points")
        self.assertEqual({p["point"]: evidence.fingerprint(self.orch.point_folder(p)) for p in self.orch.json("list")}, points)
        self.assertEqual(test_domains(self.host), [])
        self.assertEqual(self.everything(), files)


class FullHost(Base):
    """libvirt 11 with its own ways: QEMU runs as another user, and files are chowned for it. (No network can be made there: a container's
    /proc/sys is read-only.)"""

    kind = "full"

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.add(db={}, web={"uefi": True, "agent": False})
        cls.back_up(entry("db", cls.host.name), entry("web", cls.host.name, method="snapshot", priority=2))

    def test_the_point_is_read_and_nobody_owns_it(self):
        points = {p["vm"]: evidence.fingerprint(self.orch.point_folder(p)) for p in self.orch.json("list")}
        status, said, seen = self.run_and_look("test-restore", "--all")
        self.assertEqual(status, 0, said)
        self.assertEqual(len(seen), 2)
        self.assertEqual({p["vm"]: evidence.fingerprint(self.orch.point_folder(p)) for p in self.orch.json("list")}, points)
        self.nothing_left()
        status, said, _ = self.run_and_look("test-restore", "db", "--full")
        self.assertEqual(status, 0, said)
        self.nothing_left()


if __name__ == "__main__":
    unittest.main()
