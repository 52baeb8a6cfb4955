"""The verbs, as an operator and as Bacula use them: what they print, what they end with, what they leave alone. Several clients at
once, and clients that go away in the middle."""

import glob
import json
import os
import re
import signal
import subprocess
import threading
import time
import unittest

import evidence
from harness import Disk, Vm, entry
from outside import LabCase, Lines, Witness, finish, interrupt

H1, H2 = "hypervisor-01", "hypervisor-02"

# Line by line, with what has to be said of it.
BROKEN = [
    ("hypervisors:", None),
    ("  - name: hypervisor-01", None),
    ("    adress: 10.0.0.1", "address"),
    ("vms:", None),
    ('  - name: "x; touch pwned"', "x; touch pwned"),
    ("    hypervisor: hypervisor-01", None),
    ("    method: quiesce", None),
    ('  - name: "../../etc"', "../../etc"),
    ("    hypervisor: hypervisor-01", None),
    ("    method: quiesce", None),
    ('  - name: "two\\nlines"', "name"),
    ("    hypervisor: hypervisor-01", None),
    ("    method: quiesce", None),
    ("  - name: fine", None),
    ("    hypervisor: hypervisor-99", "hypervisor-99"),
    ("    method: quiesc", "quiesce"),
    ("    priority: high", "high"),
    ("    schedule: fortnightly", "fortnightly"),
    ("    retention_weeks: -3", "retention_weeks"),
    ("  - name: fine", "fine"),
    ("    hypervisor: hypervisor-01", None),
    ("    method: snapshot", None),
]
EVIL_NAMES = ["x; touch pwned", "../../etc", "two\nlines", "$(touch pwned)", "-x"]
LONG = "printf 'ü%.0s' $(seq 900); printf '\\377\\001\\n'; printf 'ö%.0s' $(seq 900) >&2"


class Verbs(LabCase):
    prefix, hosts = "cli", 2
    vms = [(H1, lambda: Vm("slow", [Disk("vda", size_mib=128, filled_mib=15)], writer=True)),
           (H2, lambda: Vm("alpha", [Disk("vda", size_mib=64)])),
           (H1, lambda: Vm("beta", [Disk("vda", size_mib=64), Disk("vdb", size_mib=64, format="raw")]))]
    inventory = [entry("slow", H1, priority=1), entry("alpha", H2, priority=2, tags=["web"], pre_backup_commands=[LONG]),
                 entry("beta", H1, "snapshot", priority=3), entry("by-hand", H1, priority=4, schedule="manual")]

    def ready(self, **settings):
        orch = self.orch(**settings)
        orch.write_inventory(self.inventory)
        if not os.path.exists(os.path.join(self.lab.share.path, ".orch-repository")):
            orch.repository_init()
        orch.start_daemon()
        return orch

    def hold_the_copy(self):
        """Of slow's disk, until the witness releases it: as long as a test needs for what it does meanwhile."""
        witness = evidence.Witness(self.lab.host(H1))
        self.addCleanup(self.lab.host(H1).exec, "rm", "-f", "/usr/local/bin/qemu-img")
        witness.hold("slow-vda.qcow2")
        self.addCleanup(witness.release, "slow-vda.qcow2")
        return witness

    def assert_nothing_pwned(self):
        found = glob.glob("pwned*") + [f for h in self.lab.hosts.values() for f in h.files() if "pwned" in f]
        self.assertEqual(found, [])
        self.assertEqual(glob.glob(os.path.join(self.lab.dir, "**", "pwned*"), recursive=True), [])

    # -- without a daemon ------------------------------------------------------------------------------------------------

    def test_1_no_daemon(self):
        orch = self.orch()
        orch.write_inventory(self.inventory)
        for arguments in (["run"], ["backup", "vm", "alpha"], ["status"], ["list"], ["log", "alpha"], ["check"], ["schedule"], ["cancel", "x"],
                          ["hypervisor", "list"], ["hypervisor", "check"]):
            with self.subTest(" ".join(arguments)):
                result = orch(*arguments, check=3)
                self.assertIn(f"cannot reach the orch daemon at {orch.socket}", result.err)
                self.assertEqual(result.out, "")
        fastest, startup = (min(orch(word, check=status).seconds for _ in range(3)) for word, status in (("run", 3), ("--version", 0)))
        self.assertLess(fastest - startup, 1)
        self.assertEqual(orch("version", check=0).out, orch("--version", check=0).out)

    def test_2_broken_inventory(self):
        orch = self.orch()
        with open(orch.inventory, "w") as f:
            f.writelines(line + "\n" for line, _ in BROKEN)
        expected = [(number, word) for number, (_, word) in enumerate(BROKEN, 1) if word]
        result = orch("config", "check", check=2)
        self.check_mistakes(result.err, expected)
        found = json.loads(orch("config", "check", "--json", check=2).out)
        self.assertEqual((found["valid"], found["vms"]), (False, None))
        self.assertEqual({p["line"] for p in found["problems"] if not p["warning"]} - {0}, {number for number, _ in expected})
        if not os.path.exists(os.path.join(self.lab.share.path, ".orch-repository")):
            orch.repository_init()
        orch.start_daemon()
        for arguments in (["run", "--all"], ["run", "--dry-run"], ["backup", "vm", "fine"], ["check"]):
            with self.subTest(" ".join(arguments)):
                self.check_mistakes(orch(*arguments, check=2).err, expected)
        self.assertEqual(orch.published(), [])
        self.assert_nothing_pwned()

    def check_mistakes(self, text, expected):
        for number, word in expected:
            lines = [line for line in text.splitlines() if re.search(rf"vm-list\.yaml:{number}:\d+: ", line)]
            self.assertTrue(any(word in line for line in lines), f"line {number} ({word}): {lines or text}")

    # -- what changes nothing ----------------------------------------------------------------------------------------------

    def test_3_looking(self):
        witness = Witness(*self.lab.hosts.values())
        orch = self.ready()
        before = self.everything()
        with self.subTest("schedule"):
            rows = orch.json("schedule")
            self.assertEqual([(r["vm"], r["due"]) for r in rows], [("slow", True), ("alpha", True), ("beta", True), ("by-hand", False)])
            self.assertTrue(all(r["reason"] for r in rows))
            self.assertRegex(orch("schedule", check=0).out, r"(?m)^alpha +hypervisor-02 +2 +weekly .* no good point yet")
        with self.subTest("dry run"):
            result = orch("run", "--dry-run", check=0)
            self.assertEqual(re.findall(r"^(slow|alpha|beta|by-hand) ", result.out, re.M), ["slow", "alpha", "beta"])
            self.assertIn("3 VMs would be backed up", result.out.splitlines()[-1])
            plan = orch.json("run", "--dry-run", "--all", "--exclude", "s*", "--hypervisor", H1)["plan"]
            self.assertEqual([p["vm"] for p in plan], ["beta"])
            self.assertEqual([p["vm"] for p in orch.json("run", "--dry-run", "--tag", "web")["plan"]], ["alpha"])
        with self.subTest("hypervisors"):
            self.assertEqual([(h["name"], h["vms"]) for h in orch.json("hypervisor", "list")], [(H1, 3), (H2, 1)])
            result = orch("hypervisor", "check", check=0)
            for check in ("share-mounted", "share-marker", "share-writable", "share-space", "host-tools", "hypervisor-space"):
                self.assertEqual(len(re.findall(rf"check {check}: pass, \S", result.out)), 2, result.out)
            self.assertEqual([h["last"]["ok"] for h in orch.json("hypervisor", "list")], [True, True])
        with self.subTest("check"):
            result = orch("check", "alpha", "beta", check=0)
            for check in ("vm-running", "no-other-job", "no-block-copy", "no-snapshots", "host-tools", "share-mounted", "share-marker",
                          "share-writable", "share-space", "hypervisor-space", "disks-protectable", "share-mounted-here"):
                for vm in ("alpha", "beta"):
                    self.assertRegex(result.out, rf"(?m)^\S+ {vm} check {check}: pass, \S")
            self.assertRegex(result.out, r"alpha check guest-agent: pass, answers")
            self.assertRegex(orch("check", "by-hand", check=1).out, r"by-hand FAILED: hypervisor-01 has no VM")
        with self.subTest("nothing changed"):
            self.assertEqual(self.everything(), before)
            self.assertEqual(witness.seen(), {"freeze": 0, "snapshot": 0, "commit": 0})
            self.assertEqual(orch.json("list", "--failed"), [])
            self.assert_as_before("slow", "alpha", "beta")

    def everything(self):
        """Files of the hypervisors and of the share, what lives by itself aside."""
        own = re.compile(r"/var/(log|cache)/|/run/|\.log$|/\.probe|\.db(-journal)?$|\.orch-lock$")
        share = [os.path.join(folder, name) for folder, _, names in os.walk(self.lab.share.path) for name in names]
        return sorted(f for f in share + [f"{h.name}:{f}" for h in self.lab.hosts.values() for f in h.files()] if not own.search(f))

    # -- the main job --------------------------------------------------------------------------------------------------------

    def test_4_run(self):
        orch = self.ready()
        watched, ended = [], threading.Event()

        def watch():
            while not ended.wait(0.05):
                watched.append([(j["vm"], j["action"]) for j in orch.status()["running"]])
        watcher = threading.Thread(target=watch)
        watcher.start()
        try:
            raw = subprocess.run(orch.command("run", "--all"), stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=orch.environment(), timeout=120)
        finally:
            ended.set()
            watcher.join()
        self.assertEqual((raw.returncode, raw.stderr), (0, b""), raw.stdout)
        with self.subTest("lines that Bacula can take"):
            lines = raw.stdout.splitlines()
            self.assertLessEqual(max(map(len, lines)), 480)
            self.assertGreater(max(map(len, lines)), 400, "the long line of the test is missing")
            self.assertNotRegex(raw.stdout.decode("utf-8"), r"[\x00-\x09\x0b-\x1f\x7f]")
            self.assertRegex(lines[-1].decode(), r"^3 VMs backed up, .* in ")
        out = raw.stdout.decode()
        with self.subTest("in order, one after the other"):
            marks = re.findall(r"^\S+ (\S+) (started on|ok,)", out, re.M)
            self.assertEqual(marks, [(vm, mark) for vm in ("slow", "alpha", "beta") for mark in ("started on", "ok,")])
            self.assertEqual(max(map(len, watched)), 1)
            self.assertEqual({vm for jobs in watched for vm, _ in jobs}, {"slow", "alpha", "beta"})
        with self.subTest("a line a step, with VM and time"):
            for vm in ("slow", "alpha", "beta"):
                for step in ("locate", "checks-before", "snapshot", "copy", "commit", "read-back", "publish"):
                    self.assertRegex(out, rf"(?m)^\d\d:\d\d:\d\d {vm} {step}: done, ")
        with self.subTest("nothing is due now"):
            self.assertRegex(orch("run", check=0).out.splitlines()[-1], r"^nothing to do")
            self.assertEqual(orch("run", "--dry-run", check=0).out, "nothing is due; `orch schedule` shows when each VM is\n")
        self.assert_as_before("slow", "alpha", "beta")

    def test_5_choosing(self):
        orch = self.ready()
        points = len(orch.json("list"))
        with self.subTest("a name that is nearly right"):
            result = orch("backup", "vm", "alhpa", check=2)
            self.assertIn("no VM 'alhpa' in the inventory", result.err)
            self.assertIn("nearest: 'alpha'", result.err)
            self.assertIn("matches 'nobody-*'", orch("backup", "vm", "nobody-*", check=2).err)
            self.assertEqual(orch("backup", "vm", "alpha", "nobody", check=2).out, "")
        with self.subTest("names that are none"):
            for name in EVIL_NAMES:
                for verb in (["backup", "vm", "--", name], ["check", "--", name], ["list", "--", name], ["log", "--", name], ["cancel", "--", name]):
                    result = orch(*verb)
                    self.assertNotIn(result.status, (0, 3, 130), f"{verb}: {result}")
                    self.assertEqual(len(result.err.splitlines()), 1, result)
            self.assert_nothing_pwned()
        self.assertEqual(len(orch.json("list")), points)
        with self.subTest("a glob"):
            result = orch("backup", "vm", "[ab]*a", check=0)
            self.assertEqual(re.findall(r"(\S+) started on", result.out), ["alpha", "beta"])
            self.assertRegex(result.out.splitlines()[-1], "^2 VMs backed up")
        with self.subTest("if due"):
            result = orch("backup", "vm", "alpha", "--if-due", check=0)
            self.assertRegex(result.out, r"alpha: not due")
            self.assertNotIn("started", result.out)
        with self.subTest("no wait"):
            answer = orch.json("backup", "vm", "beta", "--no-wait", "--method", "quiesce")
            job = answer["jobs"][0]["job"]
            orch.wait_idle()
            self.assertEqual([(p["job"], p["method"]) for p in orch.points_of("beta")][:1], [(job, "quiesce")])
        with self.subTest("log"):
            by_job, by_vm = orch("log", job, check=0).out, orch("log", "beta", check=0).out
            self.assertEqual(by_job, by_vm)
            self.assertRegex(by_job, r"(?m)^\d\d:\d\d:\d\d beta commit: done, ")
            self.assertRegex(by_job.splitlines()[-1], rf"job {job} of beta: ok")
        self.assertEqual(len(orch.json("list")), points + 3)

    # -- several clients -------------------------------------------------------------------------------------------------------

    def test_6_beside_a_running_cycle(self):
        orch, witness = self.ready(), self.hold_the_copy()
        first = orch.start("run", "--all")
        first_lines = Lines(first)
        job = orch.wait_for_step("slow", "copy")
        attached, killed, closed = (orch.start("run", "--attach") for _ in range(3))
        attached_lines = Lines(attached)
        log = orch.start("log", job, "-f")
        with self.subTest("a second run is refused"):
            result = orch("run", "--all", check=4)
            self.assertRegex(result.err, r"a cycle is running since .*0 of 3 VMs done.*--attach")
        with self.subTest("lines come as things happen"):
            orch.wait_for(lambda: any(b" slow snapshot: done" in line for _, line in first_lines.lines), 60, "the snapshot's line")
            self.assertFalse(any(b" slow copy: done" in line for _, line in first_lines.lines))
        adhoc = orch.start("backup", "vm", "beta")
        with self.subTest("ahead of those that wait"):
            queued = orch.wait_for(lambda: (q := orch.status()["queued"]) and len(q) == 3 and q, 60, "three that wait")
            self.assertEqual([(j["vm"], j["trigger"]) for j in queued], [("beta", "adhoc"), ("alpha", "cycle"), ("beta", "cycle")])
        with self.subTest("clients that go away"):
            killed.kill()
            finish(killed)
            closed.stdout.readline()
            closed.stdout.close()
            first.send_signal(signal.SIGINT)
            self.assertEqual(first.wait(60), 130)
            said = first.stderr.read()
            self.assertRegex(said, rf"interrupted, but the daemon continues with job {job}.*`orch cancel {job}`")
        self.assertEqual([j["job"] for j in orch.status()["running"]], [job])
        orch.wait_for(lambda: attached_lines.lines, 60, "one that has attached")
        witness.release("slow-vda.qcow2")
        status, out, err = attached.wait(300), attached_lines.text(), attached.stderr.read()
        with self.subTest("who attached sees it to its end"):
            self.assertEqual((status, err), (0, ""), out)
            self.assertRegex(out.splitlines()[0], "attached to the cycle that began at .*: 0 of 3 VMs are done")
            self.assertEqual(re.findall(r"(\S+) started on", out), ["slow", "alpha"])
            self.assertRegex(out, r"beta skipped: it was backed up meanwhile")
            self.assertRegex(out.splitlines()[-1], r"^1 skipped; 2 VMs backed up")
        status, out, err = finish(adhoc)
        with self.subTest("the ad hoc one"):
            self.assertEqual((status, err), (0, ""), out)
            self.assertRegex(out.splitlines()[-1], r"^1 VM backed up")
        status, out, err = finish(log)
        with self.subTest("the log that was followed"):
            self.assertEqual((status, err), (0, ""))
            self.assertRegex(out, r"slow commit: done")
            self.assertRegex(out.splitlines()[-1], rf"job {job} of slow: ok")
        self.assertEqual(closed.wait(60), 130)
        self.assertEqual(re.findall(r"backup of (\S+) started", orch.daemon_log()), ["slow", "beta", "alpha"])
        self.assertEqual(orch.points_of("slow")[0]["job"], job)
        self.assert_as_before("slow", "alpha", "beta")

    def test_7_cancel(self):
        orch = self.ready()
        self.hold_the_copy()
        points = orch.json("list")
        client = orch.start("backup", "vm", "slow")
        job = orch.wait_for_step("slow", "copy")
        with self.subTest("one that waits"):
            waits = orch.json("backup", "vm", "alpha", "--no-wait")["jobs"][0]["job"]
            orch("cancel", waits, check=0)
            self.assertEqual(orch.status()["queued"], [])
            self.assertRegex(orch("log", waits, check=0).out, r"alpha cancelled: cancelled on request")
        begun = time.monotonic()
        self.assertRegex(orch("cancel", job, check=0).out, rf"job {job} is cancelling")
        status, out, err = finish(client, 60)
        seconds = time.monotonic() - begun
        with self.subTest("its end"):
            self.assertEqual(status, 5, out + err)
            self.assertLess(seconds, 30)
            self.assertRegex(out, r"slow cancelled: cancelled during the copy of disk vda")
            for step in ("copy", "commit", "staging"):
                self.assertRegex(out, rf"slow {step}: undone")
            self.assertRegex(out.splitlines()[-1], r"^1 cancelled")
        with self.subTest("everything is put back"):
            self.assert_as_before("slow")
            self.assert_no_staging()
            self.assertFalse([line for h in self.lab.hosts.values() for line in h.processes().values() if "qemu-img" in line])
            self.assertEqual(orch.json("list"), points)
            row = next(r for r in orch.json("list", "--failed") if r["job"] == job)
            self.assertEqual((row["status"], row["point"]), ("cancelled", None))
            self.assertTrue(os.path.exists(os.path.join(self.lab.share.path, "metadata/failed", job, "backup.log")))
        with self.subTest("one that has ended, one that never was"):
            self.assertIn(f"job {job} has ended already", orch("cancel", job, check=4).err)
            self.assertIn("no job '20001231-0000' is known", orch("cancel", "20001231-0000", check=2).err)


if __name__ == "__main__":
    unittest.main()
