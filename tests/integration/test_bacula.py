"""What `orch bacula config` makes, in the hands of a real Director with its console and its catalog: jobs on a schedule and by hand that really
back up, failures and reruns, cancels, a Director that goes away. The Director runs beside the laboratory, on loopback."""

import datetime
import glob
import json
import os
import re
import shutil
import signal
import socket
import sqlite3
import subprocess
import time
import unittest
import zoneinfo

import evidence
from harness import Disk, Vm, entry
from outside import BINARY, LabCase, finish

H1 = "hypervisor-01"
CATALOG = "/usr/share/dbconfig-common/data/bacula-director-sqlite3/install/sqlite3"
DIRECTOR, CONSOLE = (shutil.which(name, path="/usr/sbin:/usr/bin:/sbin:/bin") for name in ("bacula-dir", "bconsole"))
ENDED = "TEefAW"
SLOW, ODD, LONG = "slow", "0.Odd-na_me..x", "L" + 118 * "0" + "x"
LONG_JOB = "backup-vm-" + LONG[:108]

DIRECTOR_CONF = """
Director {{
  Name = "lab-dir"
  DirAddress = 127.0.0.1
  DIRport = {port}
  QueryFile = "/etc/bacula/scripts/query.sql"
  WorkingDirectory = "{dir}"
  PidDirectory = "{dir}"
  Maximum Concurrent Jobs = 20
  Password = "console"
  Messages = Daemon
}}
Catalog {{
  Name = MyCatalog
  dbname = "bacula"
  dbuser = ""
  dbpassword = ""
}}
Messages {{
  Name = Daemon
  append = "{dir}/log" = all, !skipped
}}
@{dir}/orch.conf
"""
CONSOLE_CONF = """
Director {{
  Name = "lab-dir"
  DIRport = {port}
  address = 127.0.0.1
  Password = "console"
}}
"""


class Director:
    """A Director of its own: folder, port and catalog. Its jobs call the orch under test."""

    def __init__(self, orch, *options, record_alerts=True):
        self.orch, self.options, self.process = orch, list(options), None
        self.dir = os.path.join(orch.dir, "bacula")
        self.include = os.path.join(self.dir, "orch.conf")
        self.console_conf = os.path.join(self.dir, "bconsole.conf")
        os.makedirs(self.dir)
        with socket.socket() as s:
            s.bind(("127.0.0.1", 0))
            self.port = s.getsockname()[1]
        for name, text in (("bacula-dir.conf", DIRECTOR_CONF), ("bconsole.conf", CONSOLE_CONF)):
            with open(os.path.join(self.dir, name), "w") as f:
                f.write(text.format(port=self.port, dir=self.dir))
        with open(CATALOG) as f, sqlite3.connect(os.path.join(self.dir, "bacula.db")) as db:
            db.executescript(f.read())
        self.alerts = os.path.join(self.dir, "alerts")
        recorder = os.path.join(self.dir, "record")
        with open(recorder, "w") as f:
            f.write(f'#!/bin/sh\nfor word; do printf "%s\\n" "$word"; done >>{self.alerts}\necho ---- >>{self.alerts}\n')
        os.chmod(recorder, 0o755)
        self.options += ["--command", f"{BINARY} --config {orch.config}", *(["--alert-command", recorder] if record_alerts else [])]

    def generate(self, *options):
        self.text = self.orch("bacula", "config", *self.options, *options, check=0).out
        with open(self.include, "w") as f:
            f.write(self.text)

    def test(self):
        """What `bacula-dir -t` says; ("", 0) when it has nothing to say."""
        p = subprocess.run([DIRECTOR, "-t", "-c", os.path.join(self.dir, "bacula-dir.conf")], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                           timeout=180)
        return p.stdout, p.returncode

    def start(self):
        environment = dict(self.orch.environment(), TZ=self.orch.settings["cycle"]["timezone"])
        self.output = open(os.path.join(self.dir, "director.out"), "a")
        self.process = subprocess.Popen(["setpriv", "--pdeathsig", "KILL", DIRECTOR, "-f", "-P", "-c", os.path.join(self.dir, "bacula-dir.conf")], stdin=subprocess.DEVNULL,
                                        stdout=self.output, stderr=self.output, env=environment)
        self.orch.wait_for(self.answers, 90, "the Director's console")

    def answers(self):
        with socket.socket() as s:
            return s.connect_ex(("127.0.0.1", self.port)) == 0

    def stop(self, how=signal.SIGKILL):
        if self.process:
            self.process.send_signal(how)
            self.process.wait(60)
            self.output.close()
            self.process = None

    def console(self, *commands):
        p = subprocess.run([CONSOLE, "-c", self.console_conf], input="\n".join((*commands, "quit", "")), stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                           text=True, timeout=180)
        if p.returncode != 0:
            raise AssertionError(p.stdout)
        return p.stdout

    def run(self, job):
        """Starts a job by hand; its id."""
        said = self.console(f'run job="{job}" yes')
        match = re.search(r"Job queued\. JobId=(\d+)", said)
        if not match:
            raise AssertionError(said)
        return int(match[1])

    def rows(self, query, *values):
        with sqlite3.connect(f"file:{self.dir}/bacula.db?mode=ro", uri=True, timeout=30) as db:
            return db.execute(query, values).fetchall()

    def status(self, jobid):
        return self.rows("SELECT JobStatus FROM Job WHERE JobId=?", jobid)[0][0]

    def wait(self, *jobids, timeout=400):
        """Their JobStatus in the catalog once the Director is through with them."""
        def ended():
            return all(self.status(j) in ENDED for j in jobids) and "No Jobs running" in self.console("status dir running")
        self.orch.wait_for(ended, timeout, f"an end of Bacula's jobs {jobids}")
        return "".join(self.status(j) for j in jobids)

    def log(self, jobid):
        """What the job's scripts printed, line by line, out of the catalog (which puts a backslash behind each)."""
        texts = [t for (t,) in self.rows("SELECT LogText FROM Log WHERE JobId=? ORDER BY LogId", jobid)]
        return [m[1] for m in (re.match(r".*?JobId \d+: (?:Before|After)Job: (.*)", t) for t in texts) if m]

    def whole_log(self, jobid):
        return "".join(t for (t,) in self.rows("SELECT LogText FROM Log WHERE JobId=? ORDER BY LogId", jobid))

    def recorded_alerts(self):
        if not os.path.exists(self.alerts):
            return []
        with open(self.alerts) as f:
            return [words.splitlines() for words in f.read().split("----\n")[:-1]]

    def client_pid(self, jobid):
        """The orch that this job of Bacula runs."""
        for path in glob.glob("/proc/[0-9]*/cmdline"):
            try:
                with open(path, "rb") as f:
                    words = f.read().decode(errors="replace").split("\0")
            except OSError:
                continue
            if self.orch.config in words and "--bacula-job" in words and words[words.index("--bacula-job") + 1] == str(jobid):
                return int(path.split("/")[2])
        return None

    def __enter__(self):
        return self

    def __exit__(self, *exception):
        self.stop()


@unittest.skipUnless(DIRECTOR and CONSOLE and os.path.exists(CATALOG), "no Director: install bacula-director, bacula-director-sqlite3, bacula-console")
class Bacula(LabCase):
    prefix = "bacula"
    vms = [(H1, lambda: Vm(SLOW, [Disk("vda", size_mib=64, filled_mib=20)], writer=True)),
           (H1, lambda: Vm("beta", [Disk("vda", size_mib=64)])),
           (H1, lambda: Vm("gamma", [Disk("vda", size_mib=64)])),
           (H1, lambda: Vm("delta", [Disk("vda", size_mib=64)], agent=False))]
    inventory = [entry(LONG, H1, priority=3, domain="gamma"), entry(ODD, H1, priority=2, domain="beta"), entry(SLOW, H1, priority=1)]

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.witness = evidence.Witness(cls.lab.host(H1))

    def setUp(self):
        self.addCleanup(self.release)

    def ready(self, *options, vms=None, record_alerts=True, **settings):
        """orch and a Director over what it generates, both running."""
        orch = self.orch(**settings)
        orch.write_inventory(vms or self.inventory)
        if not os.path.exists(os.path.join(self.lab.share.path, ".orch-repository")):
            orch.repository_init()
        orch.start_daemon()
        director = self.enterContext(Director(orch, *options, record_alerts=record_alerts))
        director.generate()
        self.assertEqual(director.test(), ("", 0))
        director.start()
        return orch, director

    def points(self, orch):
        """How many points each VM has on the share, looked at without orch."""
        names = [os.path.basename(os.path.dirname(p)) for p in orch.published()]
        return {name: names.count(name) for name in set(names)}

    def assert_good_log(self, director, jobid, verdict):
        lines = director.log(jobid)
        self.assertRegex(lines[-1], verdict)
        self.assertLessEqual(max(len(line.encode()) for line in lines), 480)
        self.assertNotRegex("\n".join(lines), r"[\x00-\x09\x0b-\x1f\x7f]")
        return lines

    # -- the text ----------------------------------------------------------------------------------------------------------

    def test_1_a_director_takes_both_forms(self):
        orch = self.orch()
        orch.write_inventory([*self.inventory, entry("A", H1, schedule="daily"), entry("a", H1, schedule="biweekly"), entry("9", H1, schedule="monthly"),
                              entry("by_hand", H1, schedule="manual"), *(entry(f"vm-{i:03}", H1) for i in range(300))])
        director = self.enterContext(Director(orch, "--console", "/etc/bac ula/it's.conf"))
        for form, jobs in (("--cycle", 1), ("--split", 307)):
            with self.subTest(form):
                director.generate(form)
                self.assertEqual(director.test(), ("", 0))
                self.assertEqual(len(re.findall("(?m)^Job {", director.text)), jobs)
                check = ["bacula", "config", *director.options, form, "--check", director.include]
                self.assertEqual(orch(*check, check=0).out, f"{director.include} is up to date\n")
                with open(director.include, "a") as f:
                    f.write("\n")
                self.assertRegex(orch(*check, check=1).out, "^comments or the order of resources differ, first on line")
        with self.subTest("a VM more, one less"):
            director.generate("--split")
            orch.write_inventory([*self.inventory, entry("new", H1)])
            result = orch("bacula", "config", *director.options, "--split", "--check", director.include, check=1)
            self.assertIn('Job "backup-vm-new" is missing\n', result.out)
            self.assertIn('Job "backup-vm-A" is no longer generated\n', result.out)
            self.assertEqual(orch("bacula", "config", *director.options, "--split", "--check", director.include + "x", check=1).out.splitlines()[0],
                             "there is no such file")
            director.generate("--split")
            self.assertEqual(director.test(), ("", 0))
        with self.subTest("a broken inventory is neither the same nor different"):
            with open(orch.inventory, "a") as f:
                f.write("  - nmae: x\n")
            self.assertIn("nmae", orch("bacula", "config", "--check", director.include, check=2).err)

    # -- by the clock ------------------------------------------------------------------------------------------------------

    def test_2_the_schedule_backs_up_each_vm_in_orchs_order(self):
        zone = zoneinfo.ZoneInfo("Europe/Berlin")
        begin = datetime.datetime.now(zone) + datetime.timedelta(seconds=110)
        if begin.hour == 0 and begin.minute < 2:
            time.sleep(180)  # what is planned for midnight is on another day
            begin = datetime.datetime.now(zone) + datetime.timedelta(seconds=110)
        start = f"{('Mon', 'Tue', 'Wed', 'Thu', 'Fri', 'Sat', 'Sun')[begin.weekday()]} {begin:%H:%M}"
        vms = [dict(vm, schedule=schedule) for vm, schedule in zip(self.inventory, ("daily", "biweekly", "weekly"))] + [entry("by-hand", H1, "snapshot", schedule="manual", domain="delta")]
        orch, director = self.ready("--split", vms=vms, cycle={"start": start, "timezone": "Europe/Berlin"})
        self.assertEqual(self.points(orch), {})
        self.assertEqual(len(re.findall(rf"(?m)^Admin .* {begin:%H:%M} ", director.console("status dir"))), 3)
        # Who comes first begins first: all jobs of the minute come while another one runs, and wait together.
        self.witness.hold("by-hand-vda.qcow2")
        self.addCleanup(self.witness.release, "by-hand-vda.qcow2")
        before = orch.start("backup", "vm", "by-hand")
        orch.wait_for(lambda: len(orch.status()["queued"]) == 3, 300, "three jobs at the scheduled minute")
        self.witness.release("by-hand-vda.qcow2")
        self.assertEqual(finish(before)[0], 0)
        self.assertEqual(director.wait(1, 2, 3), "TTT", "\n".join(director.whole_log(j) for j in (1, 2, 3)))
        self.assertEqual(self.points(orch), {SLOW: 1, ODD: 1, LONG: 1, "by-hand": 1}, "Admin OK without a restore point")
        jobs = dict(director.rows("SELECT Name, JobId FROM Job"))
        self.assertEqual(len([name for name in jobs if name.startswith(LONG_JOB) and len(name) == 127]), 1)
        self.assertEqual(jobs.keys() & {"backup-vm-" + SLOW, "backup-vm-" + ODD}, {"backup-vm-" + SLOW, "backup-vm-" + ODD})
        for jobid in jobs.values():
            self.assert_good_log(director, jobid, "^1 VM backed up, .* in ")
        began = sorted((p["started"], p["vm"]) for p in orch.json("list"))
        self.assertEqual([vm for _, vm in began], ["by-hand", SLOW, ODD, LONG])
        self.assertEqual(director.recorded_alerts(), [])
        self.assert_as_before(SLOW, "beta", "gamma")

    # -- one job for the cycle ---------------------------------------------------------------------------------------------

    def test_3_the_cycle(self):
        orch, director = self.ready("--cycle")
        self.due(orch)
        with self.subTest("backs up what is due"):
            jobid = director.run("orch-run")
            self.assertEqual(director.wait(jobid), "T", director.whole_log(jobid))
            self.assertEqual(self.points(orch), {SLOW: 1, ODD: 1, LONG: 1}, "Admin OK without a restore point")
            lines = self.assert_good_log(director, jobid, "^3 VMs backed up, .* in ")
            for vm in (SLOW, ODD, LONG):
                for step in ("snapshot", "copy", "commit", "publish"):
                    self.assertEqual(len([x for x in lines if re.match(rf"\d\d:\d\d:\d\d {re.escape(vm)} {step}: done, ", x)]), 1, (vm, step))
            self.assertIn("3 VMs backed up", director.console(f"list joblog jobid={jobid}"))
            self.assertIn("| T ", director.console(f"list jobid={jobid}"))
        with self.subTest("and nothing when nothing is"):
            jobid = director.run("orch-run")
            self.assertEqual(director.wait(jobid), "T")
            self.assert_good_log(director, jobid, "^nothing to do$")
            self.assertEqual(self.points(orch), {SLOW: 1, ODD: 1, LONG: 1})
        with self.subTest("the trap: a script that is silently skipped"):
            with open(director.include, "w") as f:
                f.write(director.text.replace("    RunsOnClient = No     #", "    RunsOnClient = Yes     #"))
            director.console("reload")
            jobid = director.run("orch-run")
            self.assertEqual(director.wait(jobid), "T")
            self.assertEqual(director.log(jobid), [], "Bacula runs it now: the comment in the configuration is no longer true")

    # -- failures ----------------------------------------------------------------------------------------------------------

    def test_4_a_failure_is_one_job_and_is_run_again_alone(self):
        gamma = self.lab.vm("gamma")
        extra = [entry("off", H1, priority=4, domain="gamma"), entry("hand", H1, priority=5, domain="beta", schedule="manual")]
        orch, director = self.ready("--split", vms=extra)
        before = self.points(orch)
        gamma.destroy()
        with self.subTest("E, with the reason in its log"):
            bad, good = director.run("backup-vm-off"), director.run("backup-vm-hand")
            self.assertEqual(director.wait(bad, good), "ET", director.whole_log(bad) + director.whole_log(good))
            self.assertRegex("\n".join(director.log(bad)), r"off FAILED: .*(not running|shut off|is off)")
            self.assertRegex(director.log(bad)[-1], "^1 of 1 failed: off in ")
            self.assertIn("*** Admin Error ***", director.whole_log(bad))
            self.assertEqual(self.points(orch), {**before, "hand": 1})
            self.assertEqual(director.recorded_alerts(),
                             [["notify", "failure", "--job", "backup-vm-off", "--bacula-job", str(bad), "--text",
                               f"Bacula job {bad} (backup-vm-off) ended: Error. For its log: list joblog jobid={bad}"]])
        with self.subTest("a manual one is backed up each time"):
            again = director.run("backup-vm-hand")
            self.assertEqual(director.wait(again), "T")
            self.assertEqual(self.points(orch), {**before, "hand": 2})
        gamma.start()
        with self.subTest("run again alone"):
            again = director.run("backup-vm-off")
            self.assertEqual(director.wait(again), "T", director.whole_log(again))
            self.assertEqual(self.points(orch), {**before, "hand": 2, "off": 1})
        with self.subTest("not due is reported"):
            again = director.run("backup-vm-off")
            self.assertEqual(director.wait(again), "T")
            self.assertIn("off: not due", "\n".join(director.log(again)))
            self.assertEqual(director.log(again)[-1], "1 skipped")
            self.assertEqual(self.points(orch), {**before, "hand": 2, "off": 1})
        with self.subTest("no daemon"):
            orch.stop_daemon()
            dead = director.run("backup-vm-hand")
            self.assertEqual(director.wait(dead), "E")
            self.assertIn(f"cannot reach the orch daemon at {orch.socket}", "\n".join(director.log(dead)))
            self.assertEqual(director.recorded_alerts()[-1][3], "backup-vm-hand")
        self.assert_as_before("beta", "gamma")

    def test_4b_a_failure_is_told_once_with_or_without_the_daemon(self):
        heard = os.path.join(self.lab.dir, "heard")
        hook = os.path.join(self.lab.dir, "hook")
        with open(hook, "w") as f:
            f.write(f"#!/bin/sh\ncat >>{heard}\necho >>{heard}\n")
        os.chmod(hook, 0o755)
        channel = {"name": "recorder", "kind": "command", "command": [hook], "severities": ["failure"]}
        orch, director = self.ready("--split", vms=[entry("ghost", H1), entry("beta", H1)], record_alerts=False, notify=[channel])

        def messages():
            if not os.path.exists(heard):
                return []
            with open(heard) as f:
                return [json.loads(line) for line in f.read().splitlines() if line.strip()]
        with self.subTest("the daemon reports a failed VM, the script after the job sends nothing more"):
            jobid = director.run("backup-vm-ghost")
            self.assertEqual(director.wait(jobid), "E")
            orch.wait_for(messages, 120, "a message")
            self.assertIn("the daemon has reported this failure already; nothing more is sent", director.log(jobid))
            time.sleep(2)
            self.assertEqual(len(messages()), 1, messages())
            self.assertIn("ghost", json.dumps(messages()[0]))
        with self.subTest("nothing else can report it"):
            orch.stop_daemon()
            jobid = director.run("backup-vm-beta")
            self.assertEqual(director.wait(jobid), "E")
            self.assertEqual(len(messages()), 2, director.whole_log(jobid))
            self.assertIn("backup-vm-beta", json.dumps(messages()[1]))
            self.assertIn(f"Bacula job {jobid} (backup-vm-beta) ended: Error", json.dumps(messages()[1]))

    # -- cancels -----------------------------------------------------------------------------------------------------------

    def start_slow(self, orch, director, job):
        """A job of Bacula whose orch job copies, until release(); both ids."""
        self.witness.hold(f"{SLOW}-vda.qcow2")
        jobid = director.run(job)
        return jobid, orch.wait_for_step(SLOW, "copy")

    def release(self):
        self.witness.release(f"{SLOW}-vda.qcow2")

    def due(self, orch):
        """Makes all due again: no points, as after a share was lost."""
        orch.stop_daemon()
        for path in orch.published():
            shutil.rmtree(path)
        orch("catalog", "rebuild", check=0)
        orch.start_daemon()

    def test_5_a_cancel_in_bconsole_ends_what_the_job_began(self):
        console = os.path.join(self.lab.dir, "orch", "bacula", "bconsole.conf")
        orch, director = self.ready("--cycle", "--console", console)
        self.assertEqual(director.console_conf, console)
        self.due(orch)
        with self.subTest("a cycle"):
            jobid, _ = self.start_slow(orch, director, "orch-run")
            self.assertEqual(orch.status()["cycle"]["bacula_job"], str(jobid))
            director.console(f"cancel jobid={jobid} yes")
            self.assertEqual(director.wait(jobid), "A", director.whole_log(jobid))
            lines = director.log(jobid)
            self.assertIn(f"Bacula's job {jobid} is cancelled: the jobs that it started roll back and end", lines)
            self.assertRegex(lines[-1], "^3 cancelled in ")
            orch.wait_idle()
            self.assertEqual(self.points(orch), {})
            self.assert_as_before(SLOW, "beta", "gamma")
            self.assert_no_staging()
        director.options.remove("--cycle")
        director.generate("--split")
        director.console("reload")
        with self.subTest("one VM's job, and no other"):
            jobid, _ = self.start_slow(orch, director, "backup-vm-" + SLOW)
            other = director.run("backup-vm-" + ODD)
            orch.wait_for(lambda: [j["vm"] for j in orch.status()["queued"]] == [ODD], 120, "the other one in orch's queue")
            director.console(f"cancel jobid={jobid} yes")
            self.assertEqual(director.wait(jobid, other), "AT", director.whole_log(jobid) + director.whole_log(other))
            self.assertEqual(self.points(orch), {ODD: 1})
        self.assert_as_before(SLOW, "beta", "gamma")
        self.assert_no_staging()

    def test_6_cancels_without_a_console_and_clients_that_are_killed(self):
        orch, director = self.ready("--cycle")
        self.due(orch)
        with self.subTest("orch cancel --bacula-job"):
            jobid, _ = self.start_slow(orch, director, "orch-run")
            self.assertEqual(orch("cancel", "--bacula-job", str(jobid + 1)).status, 2)
            self.assertRegex(orch("cancel", "--bacula-job", str(jobid), check=0).out, f"^3 jobs of Bacula's job {jobid} cancelling")
            self.assertEqual(director.wait(jobid), "E")
            self.assertRegex("\n".join(director.log(jobid)), "(?m)^3 cancelled")
            orch.wait_idle()
        with self.subTest("a killed client hurts nothing"):
            jobid, job = self.start_slow(orch, director, "orch-run")
            os.kill(director.client_pid(jobid), signal.SIGKILL)
            self.assertEqual(director.wait(jobid), "E")
            self.assertEqual([j["job"] for j in orch.status()["running"]], [job])
            self.assertEqual(len(orch.status()["queued"]), 2)
            self.assertFalse(any("cancelling" in line for line in director.log(jobid)))
        with self.subTest("a killed client of a cancelled job: the script behind the job ends the rest"):
            attached = director.run("orch-run")
            orch.wait_for(lambda: orch.status()["cycle"]["bacula_job"] == str(attached), 120, "an attached job")
            director.console(f"cancel jobid={attached} yes")
            os.kill(director.client_pid(attached), signal.SIGKILL)
            self.assertEqual(director.wait(attached), "A", director.whole_log(attached))
            self.assertTrue(any(line.startswith(f"3 jobs of Bacula's job {attached} cancelling") for line in director.log(attached)),
                            director.whole_log(attached))
            orch.wait_idle()
            self.assertEqual(self.points(orch), {})
        self.assert_as_before(SLOW, "beta", "gamma")
        self.assert_no_staging()

    # -- a Director that goes away ---------------------------------------------------------------------------------------------

    def test_7_a_director_is_restarted_under_a_running_cycle(self):
        orch, director = self.ready("--cycle")
        self.due(orch)
        jobid, job = self.start_slow(orch, director, "orch-run")
        client = director.client_pid(jobid)
        director.stop(signal.SIGKILL)
        self.assertEqual([j["job"] for j in orch.status()["running"]], [job])
        director.start()
        with self.subTest("the next run follows the same cycle to its end"):
            attached = director.run("orch-run")
            orch.wait_for(lambda: any("attached to the cycle that started at" in line for line in director.log(attached)) or
                          director.status(attached) in ENDED, 120, "an attached run")
            self.release()
            self.assertEqual(director.wait(attached), "T", director.whole_log(attached))
            self.assertIn("attached to the cycle that started at", director.log(attached)[0])
            self.assertRegex(director.log(attached)[-1], "^3 VMs backed up, ")
            self.assertEqual(self.points(orch), {SLOW: 1, ODD: 1, LONG: 1})
        with self.subTest("nothing is left of the old job"):
            orch.wait_for(lambda: not os.path.exists(f"/proc/{client}"), 120, "an end of the client without a Director")
            self.assertIn(director.status(jobid), ENDED)
        director.options.remove("--cycle")
        director.generate("--split")
        director.console("reload")
        self.due(orch)
        with self.subTest("a VM's job that is run again behind its lost one does not back it up twice"):
            lost, job = self.start_slow(orch, director, "backup-vm-" + SLOW)
            director.stop(signal.SIGKILL)
            director.start()
            again = director.run("backup-vm-" + SLOW)
            orch.wait_for(lambda: len(orch.status()["queued"]) == 1, 120, "the second one in orch's queue")
            self.assertEqual([j["job"] for j in orch.status()["running"]], [job])
            self.release()
            self.assertEqual(director.wait(again), "T", director.whole_log(again))
            self.assertIn("it was backed up meanwhile", "\n".join(director.log(again)))
            self.assertEqual(self.points(orch), {SLOW: 1})
            self.assertIn(director.status(lost), ENDED)
        self.assert_as_before(SLOW, "beta", "gamma")
