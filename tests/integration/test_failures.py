"""Each failure is reported with its own cause, in its own sentence and in time, and affects no other VM: a cycle in which most VMs
fail, shares that are not the right one, connections that die, disks that fill up."""

import glob
import json
import os
import re
import subprocess
import threading
import time
import unittest

from harness import Disk, Vm, entry
from lab.run import wait_for
from outside import BINARY, DaemonOrch, LabCase, Witness, finish

HOME, CUT, CHANGED, UNKNOWN, FULL = (f"hypervisor-0{i}" for i in range(1, 6))


class Failures(LabCase):
    prefix, hosts = "fail", 5
    vms = [(HOME, lambda: Vm("good-first", [Disk("vda", size_mib=128, filled_mib=20), Disk("vdb", format="raw", size_mib=64)], writer=True)),
           (HOME, lambda: Vm("good-last", [Disk("vda", size_mib=64)], agent=False)),
           (FULL, lambda: Vm("no-room", [Disk("vda", size_mib=64)], writer=True))]
    off = [(HOME, lambda: Vm("off", [Disk("vda", size_mib=64)])), (CHANGED, lambda: Vm("changed-key", [Disk("vda", size_mib=64)]))]

    inventory = [entry("good-first", HOME, priority=1), entry("off", HOME, priority=2), entry("cut-off", CUT, priority=3),
                 entry("changed-key", CHANGED, priority=4), entry("unknown-key", UNKNOWN, priority=5), entry("no-room", FULL, priority=6),
                 entry("ghost", HOME, priority=7), entry("good-last", HOME, "snapshot", priority=8)]
    order = [v["name"] for v in inventory]
    failing = [name for name in order if not name.startswith("good")]

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        with DaemonOrch(cls.lab, BINARY, "init") as orch:
            cls.uuid = orch.repository_init()
        cls.witness = Witness(cls.lab.host(HOME), cls.lab.host(FULL))

    def setUp(self):
        self.seen_before = self.witness.seen()

    def assert_untouched(self):
        """No guest was frozen and no overlay made since the test began; and the writing ones write."""
        self.assertEqual(self.witness.seen(), self.seen_before)
        for guest in map(self.lab.vm, ("good-first", "no-room")):
            written = guest.writer("value")
            wait_for(f"{guest.name} writing", lambda: guest.writer("value") > written, 30)
        self.assert_as_before("good-first")
        self.assert_no_staging()

    def cut_with_a_word(self, host):
        """Senders learn "no route to host", and at once: the kernel asks for the neighbour only once."""
        for name, value in (("mcast_solicit", 1), ("retrans_time_ms", 100)):
            with open(f"/proc/sys/net/ipv4/neigh/{self.lab.network.bridge}/{name}", "w") as f:
                f.write(str(value))
        self.lab.host(host).cut(silent=False)
        self.addCleanup(self.lab.host(host).heal)

    def fingerprint(self, host):
        said = subprocess.run(["ssh-keygen", "-l", "-f", self.lab.keys.path(f"host-{host}") + ".pub"], check=True, capture_output=True, text=True)
        return said.stdout.split()[1]

    def wrong_known_hosts(self):
        """Right but for two hosts: one's key is another one, one's is not there."""
        path = self.lab.wrong_known_hosts(CHANGED, "changed")
        address = self.lab.host(UNKNOWN).address
        with open(path) as f:
            lines = [line for line in f if not line.startswith((address + " ", f"[{address}]"))]
        with open(path, "w") as f:
            f.writelines(lines)
        self.assertEqual(len(lines), 4)
        return path

    # -- one cycle ---------------------------------------------------------------------------------------------------

    def test_1_one_cycle(self):
        known_hosts = self.wrong_known_hosts()
        orch = self.orch(ssh={"known_hosts": known_hosts})
        orch.write_inventory(self.inventory)
        self.cut_with_a_word(CUT)
        self.lab.host(FULL).fill(leave_mib=2048)
        self.addCleanup(self.lab.host(FULL).unfill)
        orch.start_daemon()
        before = self.lab.vm("no-room").writer("value")

        result = orch("run", "--all", check=1)

        with self.subTest("the order, and the second try of what may have passed"):
            started = re.findall(r"^\S+ (\S+) started on", result.out, re.M)
            self.assertEqual(started, self.order + ["cut-off"])
        with self.subTest("the last line is the verdict"):
            self.assertRegex(result.out.splitlines()[-1], r"^6 of 8 failed: .*; 2 VMs backed up")
        rows = orch.json("list", "--failed")
        failed = {vm: [r for r in rows if r["vm"] == vm and r["status"] == "failed"] for vm in self.failing}
        with self.subTest("nothing of the failed ones is a restore point"):
            self.assertEqual(sorted(p["vm"] for p in orch.json("list")), ["good-first", "good-last"])
            self.assertEqual([os.path.basename(os.path.dirname(p)) for p in orch.published()], ["good-first", "good-last"])
            self.assertTrue(all(r["point"] is None and r["path"] is None for vm in failed for r in failed[vm]), failed)
            self.assert_no_staging()
        with self.subTest("how often each was tried"):
            self.assertEqual({vm: len(r) for vm, r in failed.items()}, {vm: 2 if vm == "cut-off" else 1 for vm in self.failing})
        self.check_sentences(result.out, {vm: r[0]["error"] for vm, r in failed.items()}, known_hosts)
        for vm, tries in failed.items():
            for row in tries:
                with self.subTest("in time, and kept", vm=vm):
                    self.assertLess(row["duration_seconds"], 45)
                    self.check_kept(row)
        with self.subTest("the summary"):
            self.check_summary()
        with self.subTest("no guest of a failed VM was touched"):
            self.assertEqual(self.witness.seen(), {"freeze": 1, "snapshot": 2, "commit": 3})
            self.assertEqual(self.lab.vm("off").state(), "shut off")
            self.assertGreater(self.lab.vm("no-room").writer("value"), before)
        self.assert_as_before("good-first", "good-last", "no-room")

    def check_sentences(self, out, errors, known_hosts):
        expected = {
            "off": r"^off is shut off on hypervisor-01: start it, or say when_off: backup \(or skip\)",
            "cut-off": rf"{re.escape(self.lab.host(CUT).address)}.*(No route to host|did not answer|timed out)",
            "changed-key": rf"host key has CHANGED.*{re.escape(self.fingerprint(CHANGED))}.*{re.escape(known_hosts)}",
            "unknown-key": rf"host key is not known: {re.escape(known_hosts)} has no entry for.*{re.escape(self.fingerprint(UNKNOWN))}",
            "no-room": r"^hypervisor-05 has .* free in /var/lib/libvirt/images, and more than 5.0 GiB are needed",
            "ghost": r"^hypervisor-01 has no VM \(libvirt domain\) named ghost",
        }
        for vm, pattern in expected.items():
            with self.subTest("its own clear sentence", vm=vm):
                self.assertRegex(errors[vm], pattern)
                line = next(line for line in out.splitlines() if f" {vm} FAILED: " in line)
                self.assertIn(errors[vm][:200], line)

    def check_kept(self, row):
        folder = os.path.join(self.lab.share.path, "metadata/failed", row["job"])
        self.assertEqual(sorted(os.listdir(folder)), ["backup-metadata.json", "backup.log"])
        self.assertEqual([oct(os.stat(p).st_mode & 0o777) for p in (folder, *sorted(glob.glob(folder + "/*")))], ["0o700", "0o600", "0o600"])
        with open(os.path.join(folder, "backup-metadata.json")) as f:
            self.assertIn('"failed"', f.read())
        with open(os.path.join(folder, "backup.log")) as f:
            self.assertIn("FAILED", f.read())

    def check_summary(self):
        with open(os.path.join(self.lab.share.path, "metadata/last-run-summary.json")) as f:
            vms = json.load(f)["vms"]
        self.assertEqual({v["vm"]: v["status"] for v in vms}, {name: "ok" if name.startswith("good") else "failed" for name in self.order})

    # -- shares that are not the right one -----------------------------------------------------------------------------

    def one_vm(self, **settings):
        orch = self.orch(**settings)
        orch.write_inventory([entry("good-first", HOME)])
        return orch

    def test_2_not_an_nfs_mount(self):
        orch = self.one_vm(repository={"fstype": "nfs"})
        orch.start_daemon()
        for arguments in (["run", "--all"], ["backup", "vm", "good-first"], ["repository", "check"]):
            with self.subTest(" ".join(arguments)):
                result = orch(*arguments, check=4)
                self.assertIn(f"{self.lab.share.path} is a mount of type ext4", result.err)
                self.assertIn("not an NFSv4 mount as repository.fstype: nfs requires", result.err)
        self.assertEqual(orch.status()["repository"]["state"], "unavailable")
        self.assert_untouched()

    def test_3_the_share_is_not_mounted_here(self):
        self.lab.share.umount()
        self.addCleanup(lambda: self.lab.share.mounted_on_machine() or self.lab.share.mount())
        orch = self.one_vm()
        with self.subTest("repository init on an empty folder"):
            result = orch("repository", "init", check=4)
            self.assertIn(f"{self.lab.share.path} is not a mount point", result.err)
            self.assertEqual(os.listdir(self.lab.share.path), [])
        orch.start_daemon()
        with self.subTest("run"):
            result = orch("run", "--all", check=4)
            self.assertIn(f"{self.lab.share.path} is not a mount point", result.err)
            self.assertEqual(os.listdir(self.lab.share.path), [])
        self.assert_untouched()
        with self.subTest("mounted again: the daemon takes it up by itself"):
            self.lab.share.mount()
            orch("run", "--all", check=0)
        with self.subTest("init on what is a repository already"):
            result = orch("repository", "init", check=4)
            self.assertRegex(result.err, rf"is an orch repository already \(UUID {self.uuid}\); nothing was changed")

    def test_4_the_share_goes_away_under_a_running_daemon(self):
        orch = self.one_vm()
        orch.start_daemon()
        orch("list", check=0)
        self.lab.share.umount(lazy=True)
        self.addCleanup(lambda: self.lab.share.mounted_on_machine() or self.lab.share.mount())
        result = orch("backup", "vm", "good-first", check=1)
        self.assertRegex(result.out, rf"good-first FAILED: .*{re.escape(self.lab.share.path)} is not a mount point")
        self.assertEqual(os.listdir(self.lab.share.path), [])
        self.assert_untouched()

    def test_5_the_share_is_not_mounted_there(self):
        orch = self.one_vm()
        orch.start_daemon()
        self.lab.host(HOME).umount_share()
        self.addCleanup(self.lab.host(HOME).mount_share)
        result = orch("backup", "vm", "good-first", check=1)
        self.assertRegex(result.out, rf"good-first FAILED: {re.escape(self.lab.share.path)} is not a mount point on {HOME}: the share is not mounted there")
        self.assertEqual(self.lab.host(HOME).shell(f"ls -A {self.lab.share.path}"), "")
        self.assert_untouched()

    def test_6_another_share_there(self):
        host, path = self.lab.host(HOME), self.lab.share.path
        other = "11111111-2222-4333-8444-555555555555"
        host.shell(f"mount -t tmpfs other {path} && printf 'orch repository\\nformat: 1\\nuuid: {other}\\n' > {path}/.orch-repository")
        self.addCleanup(host.exec, "umount", path)
        orch = self.one_vm()
        orch.start_daemon()
        result = orch("backup", "vm", "good-first", check=1)
        self.assertRegex(result.out, rf"good-first FAILED: {re.escape(path)} on {HOME} is another share than orch's own.*{other}.*{self.uuid}")
        self.assertEqual(host.shell(f"ls -A {path}").split(), [".orch-repository"])
        self.assert_untouched()

    # -- what happens after the snapshot ---------------------------------------------------------------------------------

    def slow_copy(self, mib_s=2):
        """A backup of good-first that is in its copy, slowly: (orch, its client, points before)."""
        orch = self.orch(limits={"bandwidth_mib_s": mib_s})
        orch.write_inventory(self.inventory)
        orch.start_daemon()
        points = len(orch.points_of("good-first"))
        client = orch.start("backup", "vm", "good-first")
        orch.wait_for_step("good-first", "copy")
        time.sleep(1)
        return orch, client, points

    def check_honest(self, orch, client, points):
        """The job's end and what there is agree, and the VM is back as it was. Returns (status, stdout)."""
        status, out, err = finish(client)
        self.assertIn(status, (0, 1), out + err)
        self.assertEqual(len(orch.points_of("good-first")) - points, 1 if status == 0 else 0, out)
        if status == 0:
            folder = orch.point_folder(orch.points_of("good-first")[0])
            subprocess.run(["sha256sum", "--quiet", "-c", "checksums.sha256"], cwd=folder, check=True)
        self.assert_as_before("good-first")
        self.assert_no_staging()
        return status, out

    def test_7_the_network_is_cut_after_the_snapshot(self):
        orch, client, points = self.slow_copy()
        for name in (HOME, CUT):
            self.lab.host(name).cut()
            self.addCleanup(self.lab.host(name).heal)
        begun = time.monotonic()
        check = orch.start("check", "cut-off")
        ended = []
        threading.Thread(target=lambda: (check.wait(), ended.append(time.monotonic())), daemon=True).start()
        time.sleep(8)
        self.lab.host(HOME).heal()
        self.check_honest(orch, client, points)
        with self.subTest("meanwhile, one that is cut off without a word and for good: only a deadline ends that"):
            status, out, err = finish(check)
            self.assertEqual(status, 1, out + err)
            self.assertLess(ended[0] - begun, 60)
            self.assertRegex(out, rf"cut-off FAILED: {CUT}: {re.escape(self.lab.host(CUT).address)}: cannot connect.*timed out")

    def test_8_the_ssh_server_dies_after_the_snapshot(self):
        orch, client, points = self.slow_copy()
        host = self.lab.host(HOME)
        host.kill_proc("sshd")
        time.sleep(3)
        host.restart("sshd")
        status, out = self.check_honest(orch, client, points)
        if status == 1:
            self.assertRegex(out, rf"good-first FAILED: the copy of disk vd[ab] was broken off: {HOME}: the SSH connection broke")
            self.assertRegex(out, r"good-first commit: undone")

    def test_9_low_water_mark(self):
        orch, client, points = self.slow_copy(mib_s=1)
        host = self.lab.host(HOME)
        before = self.lab.vm("good-first").writer("value")
        host.fill(leave_mib=600)
        self.addCleanup(host.unfill)
        status, out = self.check_honest(orch, client, points)
        self.assertEqual(status, 1, out)
        self.assertRegex(out, rf"good-first FAILED: the copy of disk vd[ab] is given up: {HOME} has only .* left .*\(low-water mark: 1 GiB\)")
        self.assertGreater(self.lab.vm("good-first").writer("value"), before)


if __name__ == "__main__":
    unittest.main()
