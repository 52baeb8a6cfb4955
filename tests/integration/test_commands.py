"""Pre- and post-backup commands in each of their places: on the orchestrator, in the guest, on the hypervisor; what their environment has, what
their end means, and that none outlives its time."""

import contextlib
import os
import re
import subprocess
import time
import unittest

from harness import Disk, Lab, Orch, Vm, entry

HOST = "hypervisor-01"
LOUD = "i=0; while [ $i -lt 5000 ]; do echo line $i of what is too much for any log; i=$((i+1)); done"


def shell(on, script, *words, **more):
    return dict({"on": on, "command": ["sh", "-c", script, "sh", *words]}, **more)


class Commands(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.lab = cls.enterClassContext(Lab.create(f"commands-{os.getpid()}", hosts=1))
        cls.host = cls.lab.host(HOST)
        cls.vm, cls.silent = cls.lab.add_vms([(HOST, Vm("db", [Disk(size_mib=32)])), (HOST, Vm("silent", [Disk(size_mib=32)], agent=False))])
        os.environ["ORCH_TEST_PASSWORD"] = "swordfish-of-the-worker"
        cls.orch = cls.enterClassContext(Orch(cls.lab, os.environ["ORCH_BINARY"]))
        cls.orch.write_inventory([entry("db", HOST)])
        cls.orch.repository_init()
        cls.orch.start_daemon()
        cls.here = os.path.join(cls.lab.dir, "told")
        os.makedirs(cls.here)

    def setUp(self):
        for name in os.listdir(self.here):
            os.unlink(os.path.join(self.here, name))

    def backup(self, name="db", status=0, **more):
        self.orch.write_inventory([entry(name, HOST, **more)])
        before = self.orch.published()
        result = self.orch("backup", "vm", name, check=status)
        self.new = [p for p in self.orch.published() if p not in before]
        return result

    def read(self, name):
        with open(os.path.join(self.here, name)) as f:
            return f.read()

    def log(self):
        with open(os.path.join(self.new[0], "backup.log")) as f:
            return f.read()

    def processes(self, word):
        """Of this machine, the daemon's worker included."""
        found = subprocess.run(["ps", "-eo", "args"], stdout=subprocess.PIPE, text=True).stdout.splitlines()
        return [line for line in found if re.search(word, line)]

    def test_each_place_runs_its_commands_and_is_told_the_same(self):
        tell = "env | grep ^ORCH_ | sort"
        places = [shell("orchestrator", f"{tell} > \"$1\"; cat /etc/hostname; env > \"$1.all\"", os.path.join(self.here, "pre")),
                  shell("guest", f"{tell} > /tmp/pre; echo from the guest; cat /tmp/pre"),
                  shell("hypervisor", f"{tell} > /tmp/told-pre; echo from the hypervisor")]
        after = [shell("orchestrator", f"{tell} > \"$1\"; echo it is over", os.path.join(self.here, "post")), shell("guest", f"{tell} > /tmp/post")]
        self.backup(pre_backup_commands=places, post_backup_commands=after)
        mine = self.read("pre")
        guest, status = self.vm.exec("cat", "/tmp/pre")
        self.assertEqual(0, status)
        self.assertEqual(mine, guest)
        self.assertEqual(mine, self.host.shell("cat /tmp/told-pre; rm /tmp/told-pre"))
        point = os.path.basename(self.new[0])
        for line in ("ORCH_VM=db", f"ORCH_HYPERVISOR={HOST}", f"ORCH_POINT={point}", "ORCH_LEVEL=full", "ORCH_PHASE=pre", "ORCH_VERDICT="):
            self.assertIn(line, mine.splitlines())
        self.assertNotIn("swordfish", self.read("pre.all"))
        self.assertIn("ORCH_VERDICT=ok", self.read("post"))
        self.assertIn("ORCH_VERDICT=ok", self.vm.exec("cat", "/tmp/post")[0])
        log = self.log()
        self.assertIn("from the guest", log)
        self.assertIn("from the hypervisor", log)
        self.assertNotIn("it is over", log, "the point was published by then")
        self.assertRegex(self.orch("log", "db", check=0).out, "post-backup command .*: it is over")

    def test_a_failed_backup_still_runs_its_post_commands_and_tells_why(self):
        """Also where not even the hypervisor is there: what runs on the orchestrator needs none."""
        post = [shell("orchestrator", "echo \"$ORCH_VERDICT: $ORCH_ERROR\" > \"$1\"", os.path.join(self.here, "why"))]
        self.backup(status=1, pre_backup_commands=[shell("guest", "echo the cellar is wet >&2; exit 7")], post_backup_commands=post)
        self.assertRegex(self.read("why"), r"^failed: pre-backup command .*status 7 on the guest: the cellar is wet")
        self.host.cut()
        try:
            self.backup(status=1, post_backup_commands=[*post, "true"])
        finally:
            self.host.heal()
        self.assertRegex(self.read("why"), r"^failed: .*" + HOST)

    @contextlib.contextmanager
    def client(self):
        """A backup under way; ended, whatever the test came to."""
        process = self.orch.popen("backup", "vm", "db", stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        try:
            yield process
        finally:
            for job in self.orch.status()["running"]:
                self.orch("cancel", job["job"])
            process.communicate(timeout=90)

    def test_a_cancel_ends_the_pre_command_and_not_the_post_command(self):
        for on in ("orchestrator", "guest", "hypervisor"):
            with self.subTest(on=on):
                self.orch.write_inventory([entry("db", HOST, pre_backup_commands=[shell(on, "sleep 4711 & sleep 4712", timeout_seconds=600)],
                                                 post_backup_commands=[shell("orchestrator", "sleep 1; echo $ORCH_VERDICT > \"$1\"",
                                                                             os.path.join(self.here, "verdict"))])])
                seen = {"orchestrator": lambda: self.processes("^sleep 471[12]"), "guest": lambda: "sleep 4712" in self.vm.exec("ps")[0],
                        "hypervisor": lambda: [p for p in self.host.processes().values() if "sleep 4712" in p]}[on]
                with self.client() as client:
                    self.orch.wait_for(seen, 60, "the command")
                    begun = time.monotonic()
                    self.orch("cancel", self.orch.status()["running"][0]["job"], check=0)
                    self.assertEqual(5, client.wait(60))
                    self.assertLess(time.monotonic() - begun, 40)
                self.assertEqual("cancelled\n", self.read("verdict"))
                self.orch.wait_for(lambda: not seen(), 20, "the end of the command")
                os.unlink(os.path.join(self.here, "verdict"))

    def test_a_killed_job_has_its_post_commands_run_by_its_recovery(self):
        self.orch.write_inventory([entry("db", HOST, pre_backup_commands=[shell("orchestrator", "exec sleep 4731", timeout_seconds=600)],
                                         post_backup_commands=[shell("orchestrator", "echo $ORCH_JOB $ORCH_VERDICT >> \"$1\"",
                                                                     os.path.join(self.here, "verdict"))])])
        with self.client() as client:
            self.orch.wait_for(lambda: self.processes("^sleep 4731"), 60, "the command")
            running = self.orch.status()["running"][0]
            subprocess.run(["pkill", "-KILL", "-P", str(self.orch.daemon.pid)], check=True)
            self.assertEqual(1, client.wait(60))
            self.orch.wait_for(lambda: os.path.exists(os.path.join(self.here, "verdict")), 60, "the recovery")
        self.assertEqual(f"{running['job']} interrupted\n", self.read("verdict"))
        self.assertEqual([], self.processes("^sleep 4731"))

    def test_none_outlives_its_time(self):
        for on in ("orchestrator", "guest"):
            with self.subTest(on=on):
                result = self.backup(status=1, pre_backup_commands=[shell(on, "trap '' TERM; sleep 4721 & sleep 4722; true", timeout_seconds=2)])
                self.assertRegex(result.out + result.err, r"did not end (in its|within) 2(\.0)? s and was killed")
                self.assertLess(result.seconds, 60)
        self.assertEqual([], self.processes(r"^sleep 472[12]"))
        self.assertNotIn("sleep 472", self.vm.exec("ps")[0])

    def test_what_a_failure_means_is_as_set(self):
        failing = [shell(on, "exit 9", on_error=how) for on in ("orchestrator", "guest") for how in ("warn", "ignore")]
        self.backup(pre_backup_commands=failing, post_backup_commands=failing)
        warnings = self.orch.json("list", "db")[0]["warnings"]
        self.assertEqual(4, len([w for w in warnings if "status 9" in w]), warnings)
        self.assertIn("status 9 on the guest (ignored)", self.log())

    def test_a_post_command_that_fails_the_job_leaves_the_point(self):
        result = self.backup(status=1, post_backup_commands=[shell("orchestrator", "exit 8", on_error="fail")])
        self.assertRegex(result.out + result.err, "the restore point was made, but.*status 8 on the orchestrator")
        self.assertEqual(1, len(self.new))
        newest = self.orch.json("list", "db")[0]
        self.assertEqual(("ok", os.path.basename(self.new[0])), (newest["status"], newest["point"]))
        self.assertEqual([], [e for e in self.orch.json("list", "db", "--failed") if e["status"] == "failed" and e["job"] == newest.get("job")])

    def test_output_is_kept_line_by_line_and_capped(self):
        self.backup(pre_backup_commands=[shell("orchestrator", LOUD), shell("guest", LOUD), shell("hypervisor", LOUD)])
        log = self.log()
        self.assertEqual(3, log.count("line 7 of what"))
        self.assertLess(len(log), 200_000)
        self.assertEqual(3, len(re.findall(r"… and \d+ more lines", log)))
        self.assertLessEqual(max(len(line.encode()) for line in log.splitlines()), 480)

    def test_a_guest_without_an_agent_runs_nothing_and_says_so(self):
        result = self.backup("silent", status=1, method="snapshot", pre_backup_commands=[{"on": "guest", "command": ["sync"]}])
        self.assertRegex(result.out + result.err, "pre-backup command 'sync'.*agent")


if __name__ == "__main__":
    unittest.main()
