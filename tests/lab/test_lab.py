#!/usr/bin/env python3
"""The laboratory's own test: does it do what the integration tests lean on? Needs root; ends with `N passed, N failed, N skipped`.

    tests/lab/test_lab.py [light] [full] [clean]      default: all
"""

import os
import signal
import subprocess
import sys
import time
import unittest

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))

from lab import mounts, network, registry  # noqa: E402
from lab.domain_xml import IMAGES, Disk, Vm  # noqa: E402
from lab.images import file_in_image  # noqa: E402
from lab.lab import Lab, collect_garbage  # noqa: E402
from lab.run import LabError, alive, namespace, out, run, wait_for  # noqa: E402

PREFIX = f"t{os.getpid() % 100000}"
AWKWARD = f"{IMAGES}/a dir/it's \"$(touch pwned)\" & co.qcow2"


class Common:
    """What holds on every kind of host."""

    kind = None

    @classmethod
    def setUpClass(cls):
        began = time.monotonic()
        cls.lab = Lab.create(f"{PREFIX}-{cls.kind}", hosts=2, kind=cls.kind)
        cls.addClassCleanup(cls.lab.down)
        hosts_up = time.monotonic() - began
        cls.a, cls.b, cls.mute = cls.lab.add_vms([
            ("hypervisor-01", Vm("a", [Disk(), Disk("vdb", format="raw", size_mib=64)], writer=True)),
            ("hypervisor-02", Vm("b")),
            ("hypervisor-02", Vm("mute", agent=False)),
        ])
        print(f"{cls.kind}: 2 hosts in {hosts_up:.1f} s, 3 guests in {time.monotonic() - began - hosts_up:.1f} s more", file=sys.stderr)
        cls.h1, cls.h2 = cls.lab.hosts.values()

    def test_libvirt_over_ssh(self):
        for host, names in (self.h1, {"a"}), (self.h2, {"b", "mute"}):
            said = out(["virsh", "-c", host.uri(), "list", "--name"])
            self.assertLessEqual(names, set(said.split()))

    def test_wrong_host_key_is_refused(self):
        for how in "changed", "unknown":
            uri = self.h1.uri().replace(self.lab.known_hosts, self.lab.wrong_known_hosts("hypervisor-01", how))
            self.assertNotEqual(run(["virsh", "-c", uri, "list"], check=False).returncode, 0, how)

    def test_hosts_have_names_of_their_own(self):
        self.assertEqual([h.ssh("hostname").stdout.strip() for h in (self.h1, self.h2)], ["hypervisor-01", "hypervisor-02"])

    def test_freeze_and_thaw(self):
        self.h1.virsh("domfsfreeze", "a")
        self.assertTrue(self.a.frozen())
        before = self.a.writer("value")
        time.sleep(0.7)
        self.assertLessEqual(self.a.writer("value"), before + 1)
        self.h1.virsh("domfsthaw", "a")
        self.assertFalse(self.a.frozen())
        wait_for("writing after the thaw", lambda: self.a.writer("value") > before + 1, 10)

    def test_snapshot_holds_the_marker_and_is_committed(self):
        self.a.exec("sh", "-c", "echo synced > /data/vda/marker; echo raw > /data/vdb/marker; sync")
        original = self.a.disk_paths()
        self.h1.virsh("domfsfreeze", "a")
        self.h1.virsh("snapshot-create-as", "a", "--disk-only", "--atomic", "--no-metadata",
                      "--diskspec", f"vda,file={IMAGES}/a.vda.over", "--diskspec", f"vdb,file={IMAGES}/a.vdb.over")
        self.h1.virsh("domfsthaw", "a")
        self.assertEqual(file_in_image(self.h1.path(original["vda"]), "/marker"), "synced\n")
        self.assertEqual(file_in_image(self.h1.path(original["vdb"]), "/marker", "raw"), "raw\n")
        for disk in "vda", "vdb":
            self.h1.virsh("blockcommit", "a", disk, "--active", "--pivot", "--wait", "--base", original[disk])
        self.assertEqual(self.a.disk_paths(), original)
        self.h1.exec("rm", f"{IMAGES}/a.vda.over", f"{IMAGES}/a.vdb.over")

    def test_guest_without_agent(self):
        self.assertFalse(self.mute.agent_answers())
        self.assertEqual(self.mute.control("cat /sys/class/virtio-ports/*/name"), ("org.orch.lab.0\n", 0))
        self.mute.shutdown()
        self.mute.start()

    def test_agent_that_does_not_answer(self):
        self.b.stop_agent()
        self.assertFalse(self.b.agent_answers())
        self.b.cont_agent()
        wait_for("agent", self.b.agent_answers, 20)
        self.b.kill_agent()
        self.assertFalse(self.b.agent_answers())
        self.b.start_agent()

    def test_cut_and_heal(self):
        self.h1.cut()
        self.assertFalse(self.h1.ssh_answers())
        self.assertTrue(self.h2.ssh_answers())
        self.h1.heal()
        wait_for("ssh after heal", self.h1.ssh_answers, 10)

    def test_stopped_libvirtd(self):
        self.h2.stop_proc("libvirtd")
        with self.assertRaises(subprocess.TimeoutExpired):
            subprocess.run(["virsh", "-c", self.h2.uri(), "list"], capture_output=True, timeout=3)
        self.h2.cont_proc("libvirtd")
        wait_for("libvirt", self.h2.libvirt_answers, 10)

    def test_restart_keeps_guests(self):
        for what in "libvirtd", "sshd":
            self.h2.restart(what)
        self.assertEqual(self.b.state(), "running")
        self.assertTrue(self.h2.ssh_answers())

    def test_killed_qemu(self):
        extra = self.lab.add_vm("hypervisor-01", Vm("victim", [Disk(size_mib=32)]))
        self.h1.kill_proc("qemu:victim")
        wait_for("shut off", lambda: extra.state() == "shut off", 10)
        extra.remove()

    def test_share_is_one_file_system_mounted_everywhere(self):
        path = self.lab.share.path
        for host in self.h1, self.h2:
            self.assertIn(f" {path} ", host.ssh("cat", "/proc/self/mountinfo").stdout)
            host.ssh(f"echo {host.name} > {path}/{host.name}")
            with open(os.path.join(path, host.name)) as f:
                self.assertEqual(f.read().strip(), host.name)
        self.h1.umount_share()
        self.assertNotIn(f" {path} ", self.h1.ssh("cat", "/proc/self/mountinfo").stdout)
        self.assertIn(f" {path} ", self.h2.ssh("cat", "/proc/self/mountinfo").stdout)
        self.h1.mount_share()
        self.h1.ssh(f"test -e {path}/hypervisor-02")

    def test_share_hangs(self):
        path = self.lab.share.path
        self.lab.share.hang()
        try:
            writer = subprocess.Popen(["touch", os.path.join(path, "late")])
            with self.assertRaises(LabError):
                self.h1.ssh(f"touch {path}/late-too", timeout=2)
            self.assertIsNone(writer.poll())
            os.listdir(path)
        finally:
            self.lab.share.unhang()
        self.assertEqual(writer.wait(10), 0)

    def test_share_full(self):
        self.lab.share.fill()
        code = self.h1.ssh(f"head -c 8M /dev/zero > {self.lab.share.path}/big", check=False).returncode
        self.lab.share.unfill()
        self.assertNotEqual(code, 0)
        os.unlink(os.path.join(self.lab.share.path, "big"))

    def test_host_full(self):
        self.h2.fill()
        free = int(self.h2.ssh(f"stat -f -c '%a*%S' {IMAGES}").stdout.split("*")[0])
        self.h2.unfill()
        self.assertLess(free, 1024)
        self.assertGreater(int(self.h2.ssh(f"stat -f -c '%a' {IMAGES}").stdout), 1024)

    def test_files_and_traces(self):
        self.assertEqual(self.h1.orch_traces(), [])
        self.h1.ssh("touch /var/tmp/orch-x /run/orch-y /opt/orch-z")
        self.assertEqual(self.h1.orch_traces(patience=0), ["/opt/orch-z", "/run/orch-y", "/var/tmp/orch-x"])
        self.h1.ssh("rm /var/tmp/orch-x /run/orch-y /opt/orch-z")
        self.assertFalse(os.path.exists("/opt/orch-z"))

    def test_every_kind_of_disk(self):
        disks = [
            Disk("vda", path=AWKWARD, size_mib=64), Disk("vdb", kind="block", format="raw", size_mib=64), Disk("vdc", kind="chain", size_mib=64),
            Disk("vdd", format="raw", size_mib=32, readonly=True), Disk("vde", format="raw", size_mib=32, shareable=True),
            Disk("sda", bus="scsi", size_mib=32), Disk("sdb", device="cdrom", format="raw", path="", readonly=True),
            Disk("sdc", device="cdrom", format="raw", size_mib=2, readonly=True), Disk("fda", device="floppy", format="raw"),
            Disk("vdf", size_mib=32, filled_mib=8, driver={"cache": "none", "discard": "unmap"}),
        ]
        zoo = self.lab.add_vm("hypervisor-02", Vm("zoo", disks, nic=True))
        self.assertEqual(zoo.disk_paths()["vda"], AWKWARD)
        self.assertTrue(zoo.disk_paths()["vdb"].startswith("/dev/loop"))
        mounted = zoo.exec("cat", "/proc/mounts")[0]
        for disk in "vda", "vdb", "vdc", "vde", "sda", "vdf":
            self.assertIn(f"/dev/{disk} /data/{disk} ext4", mounted)
        self.assertNotIn("/dev/vdd", mounted)
        chain = self.h2.exec("qemu-img", "info", "-U", "--backing-chain", zoo.disk_paths()["vdc"]).stdout
        self.assertEqual(chain.count("image: "), 3)
        zoo.remove()

    def test_transient_disk(self):
        zoo = self.lab.add_vm("hypervisor-02", Vm("transient", [Disk(size_mib=32), Disk("vdb", size_mib=32, transient=True)]), start=False)
        self.assertIn("<transient/>", zoo.xml("--inactive"))
        zoo.remove()

    def test_uefi(self):
        guest = self.lab.add_vm("hypervisor-01", Vm("uefi", [Disk(size_mib=32)], uefi=True, memory_mib=256))
        self.assertIn("<nvram", guest.xml())
        guest.remove()

    def test_migration(self):
        guest = self.lab.add_vm("hypervisor-01", Vm("nomad", [Disk(size_mib=64)], writer=True))
        written = guest.writer("value")
        guest.migrate(self.h2)
        self.assertGreaterEqual(guest.writer("value"), written)
        self.assertNotIn("nomad", self.h1.virsh("list", "--all", "--name"))
        self.assertTrue(guest.agent_answers())
        guest.remove()

    def test_zz_power_cut(self):
        self.b.exec("sh", "-c", "echo kept > /data/vda/kept; sync")
        self.h2.ssh("touch /run/gone /var/tmp/kept")
        self.h2.reboot()
        self.assertEqual(self.h2.ssh("ls /run/gone /var/tmp/kept", check=False).stdout, "/var/tmp/kept\n")
        self.assertEqual(self.b.state(), "shut off")
        self.b.start()
        self.assertEqual(self.b.exec("cat", "/data/vda/kept")[0], "kept\n")


class Light(Common, unittest.TestCase):
    kind = "light"

    def test_no_systemd(self):
        self.assertNotEqual(self.h1.ssh("systemd-run true", check=False).returncode, 0)


class Full(Common, unittest.TestCase):
    kind = "full"

    def test_systemd_run(self):
        said = self.h1.ssh("systemd-run -q --unit=orch-test --collect --wait --pipe -p RuntimeMaxSec=5 -- sh -c 'echo hello; exit 3'", check=False)
        self.assertEqual((said.stdout, said.returncode), ("hello\n", 3))

    def test_systemd_stops_a_unit_from_elsewhere(self):
        began = time.monotonic()
        with subprocess.Popen(["nsenter", "-t", str(self.h2.pid), "-a", "systemd-run", "-q", "--unit=orch-long", "--collect", "--wait", "sleep", "60"]) as long:
            wait_for("unit", lambda: self.h2.ssh("systemctl is-active orch-long", check=False).stdout.strip() == "active", 10)
            self.h2.ssh("systemctl stop orch-long")
            long.wait(10)
        self.assertLess(time.monotonic() - began, 20)

    def test_versions(self):
        self.assertIn("libvirt 11", self.h1.virsh("version"))


class Clean(unittest.TestCase):
    """Whatever happens, `down` leaves nothing."""

    def left(self, entry):
        """What is still there of a lab."""
        folder, number = entry["run_dir"], entry["number"]
        links = [line.split(":")[1].strip() for line in out(["ip", "-o", "link"]).splitlines()]
        groups = out(["find", "/sys/fs/cgroup", "-name", f"orchlab-{number}-*"]).split()
        return (mounts.mount_points_under(folder) + mounts.loops_under(folder) + network.namespaces(number) + groups
                + [n for n in links if n == f"ol{number}" or n.startswith(f"ol{number}h")]
                + [p for p in (folder, registry.path(entry["prefix"])) if os.path.exists(p)])

    def test_two_labs_at_once_and_nothing_after(self):
        first = Lab.create(f"{PREFIX}-one", hosts=1)
        self.addCleanup(first.down)
        second = Lab.create(f"{PREFIX}-two", hosts=2, kind="mixed", demo=True)
        self.addCleanup(second.down)
        inits = [h.init for lab in (first, second) for h in lab.hosts.values()]
        homes = {namespace(who["pid"], "pid") for who in inits}
        self.assertEqual(len({h.address for lab in (first, second) for h in lab.hosts.values()}), 3)
        with self.assertRaises(LabError):
            Lab.create(f"{PREFIX}-one")
        first.down()
        self.assertEqual(self.left(first.entry), [])
        self.assertTrue(all(h.ssh_answers() and h.libvirt_answers() for h in second.hosts.values()))
        second.down()
        second.down()
        self.assertEqual(self.left(second.entry), [])
        self.assertFalse(any(alive(who) for who in inits))
        self.assertFalse([p for p in os.listdir("/proc") if p.isdigit() and namespace(p, "pid") in homes])

    def test_down_with_a_hung_full_share_and_a_stopped_host(self):
        lab = Lab.create(f"{PREFIX}-three", hosts=2, kind="mixed")
        self.addCleanup(lab.down)
        busy = subprocess.Popen(["sleep", "60"], cwd=lab.share.path)
        self.addCleanup(lambda: (busy.kill(), busy.wait()))
        lab.host("hypervisor-01").stop_proc("libvirtd")
        lab.host("hypervisor-02").fill()
        lab.host("hypervisor-02").cut()
        lab.share.hang()
        stuck = subprocess.Popen(["touch", os.path.join(lab.share.path, "x")])
        self.addCleanup(stuck.wait)
        lab.host("hypervisor-01").spawn("stuck", "touch", os.path.join(lab.share.path, "y"))
        lab.down()
        busy.kill()
        busy.wait()
        wait_for("nothing left", lambda: not self.left(lab.entry), 5)

    def test_gc_after_the_creator_was_killed(self):
        prefix = f"{PREFIX}-four"
        code = f"import sys; sys.path.insert(0, {os.path.dirname(os.path.abspath(__file__))!r})\nfrom lab.lab import Lab\nLab.create({prefix!r}, hosts=2)"
        for delay in 0.4, 1.2, 30:
            child = subprocess.Popen([sys.executable, "-B", "-c", code])
            if delay < 10:
                time.sleep(delay)
                child.send_signal(signal.SIGKILL)
            child.wait()
            entry = registry.get(prefix)
            self.assertEqual(prefix in collect_garbage(), bool(entry))
            if entry:
                wait_for("nothing left", lambda: not self.left(entry), 5)


def main():
    wanted = sys.argv[1:] or ["light", "full", "clean"]
    suite = unittest.TestSuite()
    for name in wanted:
        suite.addTests(unittest.defaultTestLoader.loadTestsFromTestCase({"light": Light, "full": Full, "clean": Clean}[name]))
    result = unittest.TextTestRunner(verbosity=2).run(suite)
    bad = len(result.failures) + len(result.errors)
    print(f"{max(0, result.testsRun - bad - len(result.skipped))} passed, {bad} failed, {len(result.skipped)} skipped", flush=True)
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
