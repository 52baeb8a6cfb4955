"""The calls of transports/hypervisor.h against real hypervisors of both kinds, one by one, by way of probe-hypervisor: what a backup's
steps stand on. The worst cases (stopped daemons, a QEMU that answers nothing, cut networks) are here because a backup meets them only
by chance."""

import contextlib
import os
import re
import statistics
import subprocess
import threading
import time
import unittest

from harness import Disk, Lab, Vm
from lab.run import wait_for

PROBE = os.environ.get("ORCH_PROBE") or os.path.join(os.path.dirname(os.environ["ORCH_BINARY"]), "tests/integration/probe-hypervisor")
IMAGES = "/var/lib/libvirt/images"


class Call:
    def __init__(self, line, rest):
        self.well, self.verb, milliseconds, self.text = re.match(r"(ok|error) (\S+) (\d+) ?(.*)", line).groups()
        self.well, self.ms, self.rest = self.well == "ok", int(milliseconds), rest

    def __repr__(self):
        return f"{'ok' if self.well else 'error'} {self.verb} {self.ms} {self.text}\n{self.rest}"


def calls_in(text):
    """What the probe printed, without the line of `connect`."""
    found = []
    for line in text.splitlines():
        if re.match(r"(ok|error) [a-z-]+ \d+( |$)", line):
            found.append(Call(line, ""))
        elif found:
            found[-1].rest += line + "\n"
    return found


class Transports:
    """Every test below runs for each kind of host."""

    kind = None

    @classmethod
    def setUpClass(cls):
        cls.lab = Lab.create(f"trans-{cls.kind}-{os.getpid()}", hosts=1, kind=cls.kind)
        cls.host = cls.lab.host("hypervisor-01")
        cls.vm = cls.lab.add_vm("hypervisor-01", Vm("clone", [Disk(size_mib=64, kind="chain")]))
        cls.bare = cls.lab.add_vm("hypervisor-01", Vm("bare", [Disk(size_mib=64)], agent=False))
        cls.files = cls.host.files()

    @classmethod
    def tearDownClass(cls):
        cls.lab.down()

    def tearDown(self):
        self.assertEqual([], [f for f in self.host.files() if f not in self.files and "orch" in f], "left on the hypervisor")

    def start_probe(self, *words, **options):
        options = {"name": "hv", "address": self.host.address, "key": self.lab.keys.path("client"), "known_hosts": self.lab.known_hosts,
                   **options}
        return subprocess.Popen([PROBE, *(f"{k}={v}" for k, v in options.items()), *words], stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                                text=True)

    def end_probe(self, process):
        out, err = process.communicate(timeout=180)
        self.assertEqual("", err, "libvirt or a sanitizer printed something")
        return calls_in(out)[1:] if out.startswith("ok connect") else calls_in(out)

    @contextlib.contextmanager
    def held(self):
        """A file for the probe's `while`: until the block ends."""
        path = os.path.join(self.lab.dir, "hold")
        open(path, "w").close()
        try:
            yield path
        finally:
            os.unlink(path)

    @staticmethod
    def first_call_of(process):
        """The line of its first call, when that has come; it is read off."""
        return next(line for line in process.stdout if not line.startswith("ok connect"))

    def probe(self, *words, **options):
        """The calls, separated by '+', as words of one string or as separate words."""
        return self.end_probe(self.start_probe(*(words[0].split() if len(words) == 1 else words), **options))

    def fine(self, *words, **options):
        calls = self.probe(*words, **options)
        for call in calls:
            self.assertTrue(call.well, call)
        return calls

    def assert_error(self, call, kind, words=""):
        self.assertFalse(call.well, call)
        self.assertTrue(call.text.startswith(kind + " "), call)
        self.assertIn(words, call.text)

    # reading

    def test_reads_what_there_is(self):
        versions, listed, found, nobody, size, snapshots, job = self.fine(
            "versions + list + find clone + find nobody + size clone vda + snapshots clone + job clone vda")
        self.assertRegex(versions.text, r"libvirt=\d{7,8} qemu=\d{7,8}")
        self.assertTrue(listed.text.startswith("2 "))
        self.assertRegex(found.text, r"name=clone state=running io_error=0 persistent=1 managed_save=0 job=-")
        self.assertEqual("none", nobody.text)
        self.assertIn(f"capacity={64 << 20}", size.text)
        self.assertEqual("0 ", snapshots.text)
        self.assertTrue(job.text.startswith("none "))

    def test_answers_do_not_wait_for_a_keepalive(self):
        calls = self.fine(" + ".join(["xml clone live + agent clone + xml clone inactive"] * 10))
        self.assertLess(statistics.median(call.ms for call in calls), 1500, calls)

    # snapshot and commit

    def test_a_commit_goes_into_the_base_that_was_named(self):
        overlay, base = f"{IMAGES}/overlay of 'clone'", f"{IMAGES}/clone-vda.qcow2"
        snapshot = ("<domainsnapshot><name>s</name><memory snapshot='no'/><disks><disk name='vda' snapshot='external'>"
                    f"<driver type='qcow2'/><source file=\"{overlay}\"/></disk></disks></domainsnapshot>")
        before = self.vm.xml()
        frozen, first, _, second, thawed, third, live = self.fine(
            "freeze", "clone", "+", "status", "clone", "+", "snapshot", "clone", snapshot, "+", "status", "clone", "+", "thaw", "clone", "+",
            "status", "clone", "+", "xml", "clone", "live")
        self.assertEqual(["filesystems=1", "frozen", "frozen", "filesystems=1", "thawed"],
                         [frozen.text, first.text, second.text, thawed.text, third.text])
        self.assertIn("overlay of", live.rest)
        self.vm.exec("sh", "-c", "head -c 5000000 /dev/urandom > /data/vda/new; sync")
        calls = self.probe("commit", "clone", "vda", base, overlay, "0", "+", "commit", "clone", "vda", base, overlay, "0", "+",
                           "ready", "clone", "vda", "+", "job", "clone", "vda", "+", "pivot", "clone", "vda", "+", "job", "clone", "vda")
        self.assertEqual([True, False, True, True, True, True], [c.well for c in calls], calls)
        self.assert_error(calls[1], "busy", "disk vda")
        self.assertIn("commit ready=1", calls[3].text)
        self.assertTrue(calls[5].text.startswith("none "))
        self.assertEqual([p for p in re.findall(r"<source file='([^']*)'", before)],
                         [p for p in re.findall(r"<source file='([^']*)'", self.vm.xml())])
        self.host.exec("rm", overlay)

    # the agent

    def test_agents_that_answer_are_absent_or_mute(self):
        answers, absent = self.fine("agent clone + agent bare")
        self.assertEqual(("answers", "absent"), (answers.text, absent.text))
        self.vm.stop_agent()
        try:
            mute, = self.fine("agent clone", agent_ms=1500)
            self.assertEqual("mute", mute.text)
            self.assertLess(mute.ms, 20000)
        finally:
            self.vm.cont_agent()
        self.vm.kill_agent()
        try:
            gone, = self.fine("agent clone")
            self.assertEqual("absent", gone.text)
        finally:
            self.vm.start_agent()

    def test_commands_run_in_the_guest(self):
        calls = self.probe("guest-exec", "clone", "120000", "-", "ORCH_VM=it's one", "sh", "-c", 'echo "$ORCH_VM|$PATH"; echo no >&2; exit 3', "+",
                           "guest-exec", "clone", "120000", "-", "-", "head", "-c", "900000", "/dev/zero", "+",
                           "guest-exec", "clone", "120000", "-", "-", "sh", "-c", "yes x | head -c 900000", "+",
                           "guest-exec", "clone", "120000", "-", "-", "sh", "-c", "kill -9 $$", "+",
                           "guest-exec", "clone", "120000", "-", "-", "no-such-program", "+",
                           "guest-exec", "bare", "120000", "-", "-", "true")
        status, zeros, much, killed, missing, bare = calls
        self.assertTrue(status.text.startswith("status=3 "), status)
        self.assertRegex(status.rest, r"^it's one\|/usr/local/sbin.*\nno\n")
        self.assertTrue(zeros.text.startswith("status=0 "), zeros)
        self.assertTrue(much.text.startswith("status=0 output=900000 "), much)
        self.assertTrue(killed.text.startswith("status=137 "), killed)
        self.assert_error(missing, "internal", "no-such-program")
        self.assertFalse(bare.well, bare)

    def test_commands_in_the_guest_do_not_outlive_their_time(self):
        late, cancelled = self.probe("guest-exec", "clone", "1500", "-", "-", "sh", "-c", "sleep 61 & sleep 62; true", "+",
                                     "guest-exec", "clone", "60000", "1000", "-", "sleep", "63")
        self.assert_error(late, "timeout", "was killed")
        self.assert_error(cancelled, "cancelled", "was killed")
        self.assertLess(late.ms, 30000)
        self.assertLess(cancelled.ms, 30000)
        self.assertNotRegex(self.vm.exec("ps")[0], r"sleep 6\d")

    def test_a_freeze_without_an_answer_is_a_timeout(self):
        self.fine("agent clone")
        self.vm.stop_agent()
        try:
            calls = self.probe("freeze clone + thaw clone + versions", agent_ms=1500)
        finally:
            self.vm.cont_agent()
        self.assert_error(calls[0], "timeout", "freezing the filesystems of VM")
        self.assert_error(calls[1], "timeout")
        self.assertTrue(calls[2].well, "the connection is still good")
        time.sleep(2)  # it may have been frozen late: that is what the caller has to be ready for
        self.probe("thaw clone")
        self.assertFalse(self.vm.frozen())

    # commands

    def test_commands_and_units(self):
        odd = ["a b", "$HOME", "$", "a$$b", "${HOME}x", "%n", "%%", "x\\ny", 'q"q', "l\nb", "", ";", "it's", "`id`"]
        for unit in ["-", "orch-test-1"]:
            call, = self.fine("exec", "20000", unit, "-", "printf", "%s|", *odd)
            self.assertEqual("|".join(odd) + "|", call.rest.rstrip("\n"))
            self.assertIn("errors=0", call.text)
            for script, status in [("exit 9", 9), ("kill -TERM $$", 143), ("kill -KILL $$", 137), ("kill -PIPE $$", 141)]:
                call, = self.fine("exec", "20000", unit, "-", "sh", "-c", script)
                self.assertIn(f"status={status} ", call.text)

    def test_a_late_unit_ends_on_the_hypervisor_too(self):
        late, left, cancelled, left_again = self.probe(
            "exec 3000 orch-test-2 - sleep 4321 + exec 9000 - - pgrep -f [s]leep.4321 + "
            "exec 60000 orch-test-3 2000 sleep 4321 + exec 9000 - - pgrep -f [s]leep.4321")
        self.assert_error(late, "timeout", "'sleep' did not end within 3.0s")
        self.assertNotIn("could not be stopped", late.text)
        self.assert_error(cancelled, "cancelled")
        for call in [left, left_again]:
            self.assertIn("status=1 output=0", call.text)

    def test_a_unit_is_stopped_from_another_connection_and_does_not_look_well(self):
        running = self.start_probe(*"exec 60000 orch-test-4 - sleep 4322".split())
        deadline = time.monotonic() + 30
        while "status=0" not in self.fine("exec 9000 - - pgrep -f [s]leep.4322")[0].text and time.monotonic() < deadline:
            time.sleep(0.2)
        twice, stopped, again = self.probe("exec 9000 orch-test-4 - echo ran + stop-unit orch-test-4 + stop-unit orch-test-4")
        self.assert_error(twice, "busy", "orch-test-4 was not started")
        self.assertTrue(stopped.well and again.well, (stopped, again))
        call, = self.end_probe(running)
        self.assertTrue(call.well, call)
        self.assertIn("status=143", call.text)

    def test_an_answer_that_libvirt_cannot_carry_does_not_cost_the_connection(self):
        long, after = self.probe("guest-exec clone 30000 - - dd if=/dev/zero bs=3500000 count=1 + versions")
        self.assert_error(long, "internal", "sending a command to the guest agent")
        self.assertTrue(after.well, after)

    # what hangs

    def test_a_stopped_qemu_costs_one_call_its_deadline_and_nothing_else(self):
        self.host.stop_proc("qemu:clone")
        try:
            calls = self.probe(f"size {self.vm.spec.uuid} vda + versions + exec 9000 - - true + reconnect + sleep 2000 + find clone + list",
                               call_ms=3000)
        finally:
            self.host.cont_proc("qemu:clone")
        self.assert_error(calls[0], "timeout", "reading the size of disk vda of VM " + self.vm.spec.uuid)
        self.assertLess(calls[0].ms, 12000)
        self.assert_error(calls[1], "unreachable")
        for call in calls[2:]:
            self.assertTrue(call.well, call)
        self.assertIn("job=a command that QEMU does not answer", calls[5].text)
        self.fine("find clone + agent clone")

    def test_a_stopped_libvirtd_is_a_timeout(self):
        self.host.stop_proc("libvirtd")
        threading.Timer(12, self.host.cont_proc, ["libvirtd"]).start()
        connect, = self.probe("versions", connect_ms=3000)
        self.assert_error(connect, "timeout", "connecting to libvirt")
        self.assertLess(connect.ms, 11000)
        time.sleep(12)
        self.fine("versions")

    def test_a_libvirtd_that_dies_is_unreachable_and_comes_back(self):
        with self.held() as hold:
            running = self.start_probe(*f"versions + while {hold} + versions + exec 9000 - - true + reconnect + versions".split())
            first, = calls_in(self.first_call_of(running))
            self.host.kill_proc("libvirtd")
            self.host.restart("libvirtd")
        _, broken, command, reconnect, last = self.end_probe(running)
        self.assertTrue(first.well and command.well and reconnect.well and last.well, (first, command, reconnect, last))
        self.assert_error(broken, "unreachable")

    def test_a_cut_network_ends_calls_and_commands(self):
        with self.held() as hold:
            call = self.start_probe(*f"versions + while {hold} + versions + reconnect".split(), connect_ms=4000)
            command = self.start_probe(*"exec 60000 - - sleep 55".split())
            self.first_call_of(call)
            wait_for("the command", lambda: any("sleep 55" in line for line in self.host.processes().values()), 60)
            self.host.cut()
        try:
            _, broken, reconnect = self.end_probe(call)
            late, = self.end_probe(command)
        finally:
            self.host.heal()
        for failed in [broken, late]:
            self.assert_error(failed, "unreachable")
            self.assertLess(failed.ms, 35000)
        self.assert_error(reconnect, "unreachable")
        self.assertLess(reconnect.ms, 15000)
        self.fine("versions")

    # power and definitions

    def test_power_and_definitions(self):
        xml = ("<domain type='qemu'><name>throwaway</name><memory unit='MiB'>64</memory><os><type arch='x86_64'>hvm</type></os>"
               "<devices/></domain>")
        calls = self.fine("define", xml, "+", "find", "throwaway", "+", "start", "throwaway", "paused", "+", "find", "throwaway", "+", "resume",
                          "throwaway", "+", "find", "throwaway", "+", "suspend", "throwaway", "+", "find", "throwaway", "+", "destroy",
                          "throwaway", "+", "destroy", "throwaway", "+", "find", "throwaway", "+", "undefine", "throwaway", "+", "find", "throwaway")
        states = [re.search(r"state=(.*) io_error|(none)", c.text).group(1) for c in calls if c.verb == "find"]
        self.assertEqual(["shut off", "paused", "running", "paused", "shut off", None], states)

    # who is believed

    def test_wrong_keys_are_refused_with_what_to_do(self):
        unknown, = self.probe("versions", known_hosts=self.lab.wrong_known_hosts("hypervisor-01", "unknown"))
        changed, = self.probe("versions", known_hosts=self.lab.wrong_known_hosts("hypervisor-01", "changed"))
        self.assert_error(unknown, "auth", "ssh-keyscan")
        self.assert_error(changed, "auth", "CHANGED")
        for call in [unknown, changed]:
            self.assertIn("SHA256:", call.text)


class Light(Transports, unittest.TestCase):
    kind = "light"


class Full(Transports, unittest.TestCase):
    kind = "full"


if __name__ == "__main__":
    unittest.main()
