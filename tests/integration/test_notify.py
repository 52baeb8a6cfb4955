"""What is sent to people: failures at once and many of one cause as one, the week once, whatever the other side does. Slack is a server on
loopback that records, delays, refuses, breaks off; everything else is real."""

import datetime
import json
import os
import time
import unittest

from harness import Disk, Vm, entry
from outside import CommandLines, LabCase, ask, finish
from preload import shifted_clock
from webhook_server import Authority, WebhookServer, slack_problems, slack_text, title

H1, H2 = "hypervisor-01", "hypervisor-02"
FAILURES, SUMMARIES = "T0FAIL/hook5ecretT0ken", "T0SUM/summ4ryT0ken"
ADDRESS = ("hook5ecretT0ken", "summ4ryT0ken", "T0FAIL", "/services/")
NASTY = "we<!channel>ird \"q\" 'p' `id` 🦄 <@U1> &amp; @here"


def berlin(when):
    os.environ["TZ"] = "Europe/Berlin"
    time.tzset()
    return datetime.datetime.fromtimestamp(when)


def week_time(when):
    return berlin(when).strftime("%a %H:%M")


class Notify(LabCase):
    prefix, hosts = "notify", 1
    vms = [(H1, lambda: Vm("good", [Disk("vda", size_mib=64, filled_mib=16)])), (H1, lambda: Vm("other", [Disk("vda", size_mib=64)], agent=False))]

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.authority = Authority(os.path.join(cls.lab.dir, "tls"))
        with cls.make_orch("init") as orch:
            orch.repository_init()

    @classmethod
    def make_orch(cls, name):
        from outside import BINARY, DaemonOrch
        return DaemonOrch(cls.lab, BINARY, name)

    def setUp(self):
        self.server = self.enterContext(WebhookServer(self.authority))

    def make(self, vms=(), secrets=None, **settings):
        orch = self.orch(**{"slack": {"ca_file": self.authority.file}, **settings})
        orch.write_inventory([entry("good", H1, priority=1), *vms])
        known = {"SLACK_FAILURE_WEBHOOK": self.server.url(FAILURES), "SLACK_SUCCESS_WEBHOOK": self.server.url(SUMMARIES)}
        self.write_secrets(orch, {**known, **(secrets or {})})
        return orch

    @staticmethod
    def write_secrets(orch, values):
        with open(os.path.join(orch.dir, "secrets.conf"), "w") as f:
            os.fchmod(f.fileno(), 0o600)
            f.writelines(f'{name}="{value}"\n' for name, value in values.items())

    def messages(self, channel=FAILURES):
        return [message for path, message in self.server.accepted() if path == f"/services/{channel}"]

    def titles(self, channel=FAILURES):
        return [title(m).split(" ", 1)[1] for m in self.messages(channel)]

    def wait_for_titles(self, orch, count, channel=FAILURES, timeout=60):
        orch.wait_for(lambda: len(self.messages(channel)) >= count, timeout, f"{count} messages (there are {self.titles(channel)})")
        time.sleep(1)
        return self.titles(channel)

    def assert_nothing_waits(self, orch):
        orch.wait_for(lambda: all(c["waiting"] == 0 for c in orch.status()["notify"]), 60, "an empty queue")

    # -- failures ----------------------------------------------------------------------------------------------------

    def test_a_failure_is_told_at_once_with_all_that_a_person_needs(self):
        orch = self.make([entry("fails", H1, priority=2, pre_backup_commands=["echo it is broken >&2; exit 3"]), entry("other", H1, "snapshot", priority=3)])
        orch.lab.add_vms([(H1, Vm("fails", [Disk("vda", size_mib=64)], agent=False))])
        orch.start_daemon()
        begun = time.time()
        run = orch.start("run", "--all")
        self.wait_for_titles(orch, 1, timeout=90)
        status, _, _ = finish(run)
        self.assertEqual(status, 1)
        self.assertEqual(self.titles(), ["Backup of fails failed"])
        message = self.messages()[0]
        self.assertEqual(slack_problems(message), [])
        text = slack_text(message)
        job = orch.status()["failed"][0]["job"]
        for needed in ("fails", H1, "pre-commands", "it is broken", job, "orch backup vm fails", "What to do", "FAILED"):
            self.assertIn(needed, text)
        self.assertTrue(any(str(berlin(when).date()) in text for when in (begun, time.time())), text)
        self.assert_nothing_waits(orch)

    def test_noise_becomes_one_valid_harmless_message(self):
        script = "cat >&2 <<'EOF'\n" + NASTY + "\n" + "".join(chr(c) for c in range(0x20, 0x7F)) * 44 + "\nEOF\nhead -c 4096 /dev/urandom >&2; exit 3"
        orch = self.make([entry("ghost", H1, "snapshot", priority=2, domain=NASTY), entry("other", H1, "snapshot", priority=3, pre_backup_commands=[script])])
        orch.start_daemon()
        for vm in ("ghost", "other"):
            self.assertEqual(orch("backup", "vm", vm).status, 1)
        self.assertEqual(self.wait_for_titles(orch, 2), ["Backup of ghost failed", "Backup of other failed"])
        for message in self.messages():
            self.assertEqual(slack_problems(message), [])
            self.assertIn("we&lt;!channel&gt;ird", slack_text(message))
            self.assertIn("🦄", slack_text(message))
        self.assertEqual(len(self.server.requests), 2)

    def test_one_cause_is_one_alert(self):
        names = [f"away-{i:02}" for i in range(12)]
        orch = self.make([entry(name, "away", priority=5) for name in names])
        orch.write_inventory([entry("good", H1, priority=9), *(entry(name, "away", "snapshot", priority=5, tags=["x"]) for name in names)],
                             hypervisors=[{"name": H1, "address": self.lab.host(H1).address}, {"name": "away", "address": "127.0.0.1", "port": 9}])
        orch.start_daemon()
        self.assertEqual(orch("run", "--all").status, 1)
        self.assert_nothing_waits(orch)
        told = self.messages()
        self.assertEqual(len(told), 1, self.titles())
        self.assertIn("away cannot be reached", title(told[0]))
        self.assertEqual(slack_problems(told[0]), [])
        for name in names:
            self.assertIn(name, slack_text(told[0]))
        failed = [row for row in orch.json("list", "--failed") if row["vm"] in names]
        self.assertEqual(len(failed), 24, "each failed twice: the cycle tried again")

    def test_a_share_that_goes_is_told_once_and_when_it_is_back(self):
        names = [f"vm-{i:02}" for i in range(15)]
        orch = self.make([entry(name, H1, priority=5) for name in names])
        orch.start_daemon()
        marker = os.path.join(self.lab.share.path, ".orch-repository")
        os.rename(marker, marker + ".gone")
        self.addCleanup(lambda: os.path.exists(marker + ".gone") and os.rename(marker + ".gone", marker))
        self.assertEqual(orch("run", "--all").status, 1)
        self.assert_nothing_waits(orch)
        self.assertEqual(len(self.messages()), 1, self.titles())
        self.assertIn("The share is not available", title(self.messages()[0]))
        orch.restart()
        orch.wait_for(lambda: orch.status()["repository"]["state"] == "unavailable", 60)
        time.sleep(12)
        self.assertEqual(len(self.messages()), 1, "a restart does not send it again")
        os.rename(marker + ".gone", marker)
        self.assertEqual(self.wait_for_titles(orch, 2, timeout=90)[1], "The share is available again")
        self.assertIn("vm-14", slack_text(self.messages()[1]))

    def test_a_mistyped_name_is_not_taken_for_a_share_that_is_gone(self):
        orch = self.make()
        orch.start_daemon()
        self.assertEqual(orch("recover", "goood").status, 1)
        self.assertEqual(self.wait_for_titles(orch, 1), ["Recovery of goood failed"])
        self.assertIn("the inventory has no VM named goood", slack_text(self.messages()[0]))

    def test_a_second_try_that_goes_well_is_told(self):
        host = self.lab.host(H1)
        orch = self.make()
        # The other VM takes until the hindrance is gone: then the first one's turn comes again.
        wait = {"on": "hypervisor", "command": ["sh", "-c", "while [ -e /tmp/hindered ]; do sleep 0.1; done"], "timeout_seconds": 300}
        host.exec("touch", "/tmp/hindered")
        orch.write_inventory([entry("other", H1, "snapshot", priority=0), entry("good", H1, priority=1, pre_backup_commands=[wait])])
        orch.start_daemon()
        host.virsh("blockcopy", "other", "vda", "/var/lib/libvirt/images/copy.qcow2", "--transient-job", "--format", "qcow2")
        try:
            run = orch.start("run", "--all")
            self.wait_for_titles(orch, 1)
        finally:
            host.virsh("blockjob", "other", "vda", "--abort")
            host.exec("rm", "-f", "/var/lib/libvirt/images/copy.qcow2", "/tmp/hindered")
        self.assertEqual(finish(run)[0], 0)
        self.assertEqual(self.wait_for_titles(orch, 2), ["Backup of other failed", "The second try of other succeeded"])
        self.assertIn("orch tries it once more at the end of this cycle.", slack_text(self.messages()[0]))
        self.assert_as_before("other")

    def test_a_hypervisor_that_is_back_is_told(self):
        host = self.lab.host(H1)
        orch = self.make()
        orch.start_daemon()
        host.cut(silent=False)
        try:
            self.assertEqual(orch("backup", "vm", "good").status, 1)
            self.assertEqual(self.wait_for_titles(orch, 1), ["hypervisor-01 cannot be reached: the backup of good failed"])
        finally:
            host.heal()
        self.assertEqual(orch("backup", "vm", "good").status, 0)
        self.assertEqual(self.wait_for_titles(orch, 2)[1], "hypervisor-01 can be reached again")

    def test_a_mute_agent_is_told_at_once(self):
        orch = self.make()
        orch.start_daemon()
        guest = self.lab.vm("good")
        guest.stop_agent()
        try:
            self.assertEqual(orch("backup", "vm", "good").status, 0)
        finally:
            guest.cont_agent()
        self.assertEqual(self.wait_for_titles(orch, 1), ["A warning about good"])
        self.assertIn("the guest agent does not answer of good", slack_text(self.messages()[0]))

    def test_a_job_that_dies_with_the_daemon_is_told_by_the_next(self):
        orch = self.make(limits={"bandwidth_mib_s": 1})
        orch.start_daemon()
        client = orch.start("backup", "vm", "good")
        orch.wait_for_step("good", "copy")
        orch.stop_daemon(how=9)
        finish(client)
        orch.start_daemon()
        self.assertEqual(self.wait_for_titles(orch, 1, timeout=90)[0], "Backup of good failed")
        self.assertIn("the daemon ended unexpectedly while the job was running", slack_text(self.messages()[0]))
        orch.wait_idle()
        self.assert_as_before("good")

    # -- a channel that is down ------------------------------------------------------------------------------------------

    def test_with_slack_down_for_a_whole_cycle(self):
        bad = [entry(f"bad-{i}", H1, "snapshot", priority=10 + i, domain=f"no-such-{i}") for i in range(3)]
        orch = self.make(bad)
        self.server.down()
        orch.start_daemon()
        points = len(orch.points_of("good"))
        begun = time.monotonic()
        self.assertEqual(orch("run", "--all").status, 1)
        self.assertLess(time.monotonic() - begun, 240)
        self.assertEqual(len(orch.points_of("good")), points + 1)
        self.assert_as_before("good")
        orch.wait_for(lambda: any("not delivered" in w for w in orch.status()["warnings"]), 30, "a warning of messages that wait")
        self.assertIn("3 messages", orch("status", check=0).out)
        orch.restart()
        self.assertEqual(orch("backup", "vm", "bad-0").status, 1)
        orch.stop_daemon()
        self.assertEqual(self.server.requests, [])
        self.server.up()
        orch.start_daemon()
        told = self.wait_for_titles(orch, 4, timeout=90)
        self.assertEqual(told, [f"Backup of bad-{i} failed" for i in (0, 1, 2, 0)])
        self.assert_nothing_waits(orch)
        self.assertEqual(len(self.server.requests), 4)
        ids = [r["headers"]["idempotency-key"] for r in self.server.requests]
        self.assertEqual(len(set(ids)), 4)
        self.assertEqual([w for w in orch.status()["warnings"] if "channel" in w], [])

    def test_answers_of_all_kinds(self):
        orch = self.make([entry("ghost", H1, "snapshot", domain="no-such-1"), entry("ghost-2", H1, "snapshot", domain="no-such-2")])
        self.server.answers = ["429 Retry-After: 6", "500", "close", "half", "delay 3"]
        orch.start_daemon()
        self.assertEqual(orch("backup", "vm", "ghost").status, 1)
        self.assertEqual(orch("backup", "vm", "ghost-2").status, 1)
        self.assertEqual(self.wait_for_titles(orch, 2, timeout=150), ["Backup of ghost failed", "Backup of ghost-2 failed"])
        requests = self.server.requests
        self.assertEqual([r["how"] for r in requests], ["429 Retry-After: 6", "500", "close", "half", "delay 3", "200"])
        self.assertGreaterEqual(requests[1]["when"] - requests[0]["when"], 5.5)
        self.assertEqual(len({r["headers"]["idempotency-key"] for r in requests[:5]}), 1)

    def test_a_message_that_is_refused_is_given_up_and_the_next_goes_on(self):
        orch = self.make([entry("ghost", H1, "snapshot", domain="no-such-1"), entry("ghost-2", H1, "snapshot", domain="no-such-2")])
        self.server.answers = ["404"]
        orch.start_daemon()
        self.assertEqual(orch("backup", "vm", "ghost").status, 1)
        orch.wait_for(lambda: orch.status()["notify"][0]["given_up"] == 1, 30, "a message that was given up")
        self.assertEqual(orch("backup", "vm", "ghost-2").status, 1)
        self.assertEqual(self.wait_for_titles(orch, 1), ["Backup of ghost-2 failed"])
        said = orch("status", check=0).out
        self.assertIn("channel slack-failure: 1 message was dropped", said)
        self.assertIn("the server answered 404", said)
        self.assertNotIn("hook5ecret", said, "the server's answer had the path in it")

    def test_a_wrong_certificate_is_refused(self):
        stranger = self.enterContext(WebhookServer(Authority(os.path.join(self.lab.dir, "tls"), "stranger")))
        elsewhere = self.enterContext(WebhookServer(self.authority, names="DNS:elsewhere.example"))
        plain = self.server.url("x").replace("https://", "http://")
        orch = self.make(secrets={"A": stranger.url("aaaaaaaa"), "B": elsewhere.url("bbbbbbbb"), "C": plain},
                         notify=[{"name": n, "kind": "webhook", "url_env": n.upper(), "ca_file": self.authority.file} for n in "abc"])
        orch.start_daemon()
        result = orch("notify", "test")
        self.assertEqual(result.status, 1, result)
        lines = {line.split(" ")[0]: line for line in result.out.splitlines()}
        self.assertIn("slack-failure (slack): delivered", lines["slack-failure"])
        self.assertIn("certificate is not trusted", lines["a"])
        self.assertIn("certificate is not trusted", lines["b"])
        self.assertIn("does not begin with https://", lines["c"])
        self.assertEqual((stranger.requests, elsewhere.requests), ([], []))
        self.assertGreater(stranger.connections, 0)

    # -- channels ------------------------------------------------------------------------------------------------------------

    def test_channels_by_severity_and_tag(self):
        got = os.path.join(self.lab.dir, "got-by-command")
        orch = self.make([entry("db", H1, "snapshot", domain="no-such-a", tags=["db"]), entry("web", H1, "snapshot", domain="no-such-b")],
                         secrets={"PAGER": self.server.url("pager")},
                         notify=[{"name": "pager", "kind": "webhook", "url_env": "PAGER", "severities": ["failure"], "tags": ["db"],
                                  "ca_file": self.authority.file},
                                 {"name": "file", "kind": "command", "command": ["sh", "-c", 'cat >>"$0"', got], "severities": ["failure"]}])
        orch.start_daemon()
        for vm in ("db", "web"):
            self.assertEqual(orch("backup", "vm", vm).status, 1)
        self.wait_for_titles(orch, 2)
        self.assert_nothing_waits(orch)
        pager = self.messages("pager")
        self.assertEqual([m["title"] for m in pager], ["Backup of db failed"])
        self.assertEqual(pager[0]["facts"]["vm"], "db")
        self.assertEqual(pager[0]["tags"], ["db"])
        self.assertEqual(pager[0]["severity"], "failure")
        with open(got) as f:
            self.assertEqual([json.loads(line)["title"] for line in f], ["Backup of db failed", "Backup of web failed"])

    def test_the_verbs(self):
        orch = self.make()
        direct = orch("notify", "failure", "--job", "orch-run", "--text", "no <!here> daemon", check=0)
        self.assertIn("slack-failure (slack): delivered", direct.out)
        self.assertEqual(self.titles(), ["The job orch-run failed"])
        self.assertEqual(slack_problems(self.messages()[0]), [])
        self.assertEqual(orch("notify", "test").status, 3)
        self.assertEqual(orch("notify", "failure", "--job", "x").status, 2)
        orch.start_daemon()
        self.assertEqual(orch("notify", "test", "slack-sumary").status, 2)
        tested = orch("notify", "test", "slack-summary", check=0)
        self.assertEqual(len(tested.out.splitlines()), 1)
        self.assertEqual(self.titles(SUMMARIES), ["A test of orch's messages"])
        self.assertEqual([c["ok"] for c in orch.json("notify", "test")["channels"]], [True, True])
        self.assertIn("the daemon has queued", orch("notify", "failure", "--job", "refused", "--text", "exit 4", check=0).out)
        self.assertIn("The job refused failed", self.wait_for_titles(orch, 3))

    def test_a_scheduler_is_not_told_twice_of_what_the_daemon_told(self):
        orch = self.make([entry("ghost", H1, "snapshot", domain="no-such")])
        orch.start_daemon()
        self.assertEqual(orch("backup", "vm", "ghost").status, 1)
        said = orch("notify", "failure", "--job", "backup-vm-ghost", "--text", "E", check=0)
        self.assertIn("has reported this failure already", said.out)
        self.assertEqual(self.wait_for_titles(orch, 1), ["Backup of ghost failed"])

    def test_without_any_channel_backups_go_on(self):
        orch = self.orch()
        orch.write_inventory([entry("good", H1), entry("ghost", H1, "snapshot", domain="no-such")])
        orch.start_daemon()
        self.assertEqual(orch("run", "--all").status, 1)
        self.assertEqual(orch.status()["notify"], [])
        self.assertEqual(orch("notify", "test").status, 2)
        self.assertEqual(orch("notify", "failure", "--job", "a", "--text", "b", "--direct").status, 2)

    # -- the week, the clock, the inventory ----------------------------------------------------------------------------------

    def test_the_week_is_told_once_also_when_its_moment_was_missed(self):
        summary = week_time(time.time() + 3600)
        orch = self.make([entry("ghost", H1, "snapshot", domain="no-such")], slack={"ca_file": self.authority.file, "summary": summary})
        orch.start_daemon()
        self.assertEqual(orch("run", "--all").status, 1)
        self.assertEqual(orch("backup", "vm", "good").status, 0)
        self.assertEqual(self.messages(SUMMARIES), [])
        orch.stop_daemon()
        clock = self.enterContext(shifted_clock(orch))
        clock.set(3600)
        orch.start_daemon()
        self.assertEqual(self.wait_for_titles(orch, 1, SUMMARIES), ["Backups of the week: 1 of 2 VMs succeeded, some failed"])
        message = self.messages(SUMMARIES)[0]
        self.assertEqual(slack_problems(message), [])
        text = slack_text(message)
        for needed in ("*VMs*\n2", "*Succeeded*\n1", "*Failed*\n1", "*Jobs*\n3, 1 of them failed", "*Slowest*\ngood", "*Share*\n", "*Days left", "*Next cycle*",
                       "ghost (hypervisor-01)", "*Overdue*", "*Never proven*\n2"):
            self.assertIn(needed, text)
        orch.restart()
        time.sleep(30)
        self.assertEqual(len(self.messages(SUMMARIES)), 1)

    def test_after_the_cycle(self):
        orch = self.make(slack={"ca_file": self.authority.file, "summary": "after-cycle"})
        orch.start_daemon()
        self.assertEqual(orch("run", "--all").status, 0)
        self.assertEqual(self.wait_for_titles(orch, 1, SUMMARIES), ["Backups of the week: 1 of 1 VMs succeeded"])
        self.assertEqual(orch("run", "--all").status, 0)
        time.sleep(2)
        self.assertEqual(len(self.messages(SUMMARIES)), 1, "one a week")
        self.assertEqual(self.messages(), [])

    def test_a_dead_clock_is_told(self):
        start = time.time() - 30 * 60 + 90  # told half a minute from now at the earliest
        orch = self.make([entry("never", H1, "snapshot", domain="no-such-clock")], cycle={"start": week_time(start)})
        orch.start_daemon()
        time.sleep(1)
        self.assertEqual(self.messages(), [])
        self.assertEqual(self.wait_for_titles(orch, 1, timeout=240), ["No backup has begun since the cycle's start"])
        self.assertIn("orch run", slack_text(self.messages()[0]))
        orch.restart()
        time.sleep(25)
        self.assertEqual(len(self.messages()), 1)
        self.assertEqual(orch("run").status, 1)
        self.assertEqual(self.wait_for_titles(orch, 3)[1:], ["Backups have begun", "Backup of never failed"])

    def test_a_broken_inventory_is_told_at_the_start(self):
        orch = self.make()
        orch.start_daemon()
        with open(orch.inventory, "a") as f:
            f.write("nonsense: 1\n")
        orch.restart()
        self.assertEqual(self.wait_for_titles(orch, 1), ["The inventory is broken: the last good one is used"])
        self.assertIn("nonsense", slack_text(self.messages()[0]))
        orch.restart()
        time.sleep(8)
        self.assertEqual(len(self.messages()), 1)
        orch.write_inventory([entry("good", H1)])
        self.assertEqual(orch("run", "--all").status, 0)
        self.assertEqual(self.wait_for_titles(orch, 2)[1], "The inventory is good again")

    # -- the address -----------------------------------------------------------------------------------------------------------

    def test_the_address_is_nowhere(self):
        orch = self.make([entry("ghost", H1, "snapshot", domain="no-such")])
        self.server.answers = ["404", "500", "close"]
        said = []
        with CommandLines() as sampled:
            orch.start_daemon()
            for args in (["run", "--all"], ["notify", "test"], ["notify", "failure", "--job", "a", "--text", "b", "--direct"], ["status"], ["status", "--json"],
                         ["log", "ghost", "-v"], ["config", "check"]):
                result = orch(*args)
                said += [result.out, result.err]
            said += [ask(orch, "GET", "/v1/status")[1], ask(orch, "POST", "/v1/notify/test", {})[1], ask(orch, "GET", "/metrics")[1]]
            self.server.down()
            said += [orch("notify", "test").out]
        self.assertTrue(any("orch" in line for line in sampled.lines))
        files = [os.path.join(folder, n) for folder, _, names in os.walk(orch.dir) for n in names if n not in ("secrets.conf", "orch.sock")]
        self.assertTrue(any("/notify/" in f for f in files))
        for path in files:
            with open(path, errors="replace") as f:
                said.append(f.read())
        for needle in ADDRESS:
            self.assertEqual([s[max(0, s.index(needle) - 80):][:200] for s in said if needle in s], [], needle)
            self.assertEqual([line for line in sampled.lines if needle in line], [])


if __name__ == "__main__":
    unittest.main()
