"""The daemon as a service: what it reports to its manager, how it stops, what it reads again, and that two of them never work on one share."""

import os
import re
import shutil
import signal
import socket
import time
import unittest

from harness import Disk, Vm, entry
from outside import BINARY, DaemonOrch, LabCase, NotifySocket, finish

H1 = "hypervisor-01"


class Service(LabCase):
    prefix, hosts = "daemon", 1
    vms = [(H1, lambda: Vm("slow", [Disk("vda", size_mib=128, filled_mib=16)], writer=True)),
           (H1, lambda: Vm("quick", [Disk("vda", size_mib=64)], agent=False))]
    inventory = [entry("slow", H1, priority=1), entry("quick", H1, "snapshot", priority=2)]

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        with DaemonOrch(cls.lab, BINARY, "init") as orch:
            orch.repository_init()

    def ready(self, **settings):
        orch = self.orch(**settings)
        orch.write_inventory(self.inventory)
        return orch

    # -- two of them ---------------------------------------------------------------------------------------------------

    def test_1_two_on_one_share(self):
        first = self.ready()
        second = self.enterContext(DaemonOrch(self.lab, BINARY, "second"))
        second.write_inventory(self.inventory)
        first.start_daemon()
        first("list", check=0)
        pid = first.status()["pid"]
        self.assertEqual(pid, first.daemon.pid)
        holder = rf"host {re.escape(socket.gethostname())}, pid {pid}, since \d{{4}}-\d\d-\d\d"
        second.start_daemon()
        for arguments in (["run", "--all"], ["backup", "vm", "quick"]):
            with self.subTest(" ".join(arguments)):
                result = second(*arguments, check=4)
                self.assertRegex(result.err, rf"in use by another orch: {holder}")
        with self.subTest("a lock of a live one is not broken"):
            result = second("repository", "unlock", check=4)
            self.assertRegex(result.err, rf"held by a live process of this host \({holder}")
            result = second("repository", "unlock", "--force", "--yes", check=4)
            self.assertRegex(result.err, "held by a live process")
        with self.subTest("the first one works all the same"):
            first("backup", "vm", "quick", check=0)
        with self.subTest("a second daemon with the same state folder"):
            result = first("daemon", check=4)
            self.assertIn("another daemon is running", result.err)
        with self.subTest("the first one is killed: the second takes over at once"):
            first.stop_daemon(signal.SIGKILL)
            second("backup", "vm", "quick", check=0)
            self.assertEqual(second.status()["repository"]["state"], "ok")
        with self.subTest("what a dead one left is unlocked"):
            killed = second.status()["pid"]
            second.stop_daemon(signal.SIGKILL)
            self.assertRegex(first("repository", "unlock", check=0).out, rf"is unlocked; process {killed} on \S+ had locked it since 2")
            self.assertRegex(first("repository", "unlock", check=0).out, "is not locked")

    # -- the inventory ---------------------------------------------------------------------------------------------------

    def test_2_inventory(self):
        orch = self.ready()
        orch.start_daemon()
        orch("list", check=0)

        def seen():
            found = orch.status()["inventory"]
            return found["state"], found["vms"]
        with self.subTest("SIGHUP reads it again"):
            orch.write_inventory([*self.inventory, entry("third", H1, schedule="manual")])
            self.assertEqual(seen(), ("ok", 2))
            orch.daemon.send_signal(signal.SIGHUP)
            orch.wait_for(lambda: seen() == ("ok", 3), 20, "the new inventory")
        with self.subTest("a broken one: the last good one is used, and that is said"):
            with open(orch.inventory, "w") as f:
                f.write("vms:\n  - name: slow\n    methot: quiesce\n")
            orch.daemon.send_signal(signal.SIGHUP)
            orch.wait_for(lambda: seen() == ("last-good", 3), 20, "the last good inventory")
            self.assertRegex(orch.daemon_log(), r"the inventory is broken; the last good one is used: .*vm-list\.yaml:3:\d+: .*methot")
            out = orch("status", check=0).out
            self.assertRegex(out, "THE FILE IS BROKEN, the last good one is in use")
            self.assertRegex(out, r"vm-list\.yaml:3:\d+: .*methot.*method")
        with self.subTest("also by a daemon that starts with it"):
            orch.restart()
            self.assertEqual(seen(), ("last-good", 3))
        with self.subTest("a run with it backs up, and ends 2"):
            result = orch("run", "--all", check=2)
            self.assertEqual(re.findall(r"^\S+ (\S+) ok,", result.out, re.M), ["slow", "quick"])
            self.assertRegex(result.err, r"(?s)the inventory is broken, the last good one is used: .*vm-list\.yaml:3:\d+: unknown key \"methot\"")
        with self.subTest("repaired: a run uses the new file without a signal"):
            orch.write_inventory(self.inventory[1:])
            result = orch("run", "--all", check=0)
            self.assertEqual(re.findall(r"(\S+) started on", result.out), ["quick"])
            self.assertEqual(seen(), ("ok", 1))

    # -- stopping -----------------------------------------------------------------------------------------------------------

    def slow_copy(self, orch):
        orch.start_daemon()
        client = orch.start("run", "--all")
        return client, orch.wait_for_step("slow", "copy")

    def test_3_stop_cancels(self):
        orch = self.ready(limits={"bandwidth_mib_s": 1})
        client, job = self.slow_copy(orch)
        begun = time.monotonic()
        self.assertEqual(orch.stop_daemon(), 0, orch.daemon_log())
        self.assertLess(time.monotonic() - begun, 30)
        with self.subTest("when the daemon has ended everything is put back already"):
            self.assert_as_before("slow", "quick")
            self.assert_no_staging()
            self.assertEqual(os.listdir(os.path.join(orch.state, "running")), [])
        with self.subTest("the client gets the error"):
            status, out, err = finish(client)
            self.assertEqual((status, err), (5, ""), out)
            self.assertRegex(out, "slow cancelled: cancelled during the copy of disk vda")
            self.assertRegex(out, "quick cancelled: the daemon is stopping")
            self.assertRegex(out.splitlines()[-1], "^2 cancelled")
        orch.start_daemon()
        self.assertEqual(next(r["status"] for r in orch.json("list", "--failed") if r["job"] == job), "cancelled")

    def test_4_stop_finishes(self):
        orch = self.ready(limits={"bandwidth_mib_s": 2}, daemon={"on_stop": "finish"})
        client, job = self.slow_copy(orch)
        self.assertEqual(orch.stop_daemon(timeout=120), 0, orch.daemon_log())
        status, out, err = finish(client)
        self.assertEqual((status, err), (5, ""), out)
        self.assertRegex(out, r"slow ok, ")
        self.assertRegex(out, "quick cancelled: the daemon is stopping")
        orch.start_daemon()
        self.assertEqual(orch.points_of("slow")[0]["job"], job)
        self.assert_as_before("slow", "quick")

    def test_5_killed_and_started_again(self):
        """The daemon dies in the middle: its worker sees that, puts the VM back; the next daemon looks after it first."""
        orch = self.ready(limits={"bandwidth_mib_s": 1})
        client, job = self.slow_copy(orch)
        orch.stop_daemon(signal.SIGKILL)
        with self.subTest("the client does not know what became of it"):
            status, out, err = finish(client)
            self.assertEqual(status, 3, out)
            self.assertRegex(err, "stopped before it had answered")
        orch.start_daemon()
        orch.wait_idle()
        self.assert_as_before("slow", "quick")
        self.assert_no_staging()
        self.assertNotIn(job, [p["job"] for p in orch.json("list")])
        self.assertIn(f"job {job} of slow was interrupted by the end of the last daemon", orch.daemon_log())
        orch.restart(limits={"bandwidth_mib_s": 0})
        orch("backup", "vm", "slow", check=0)

    def test_6_replaced_by_an_upgrade(self):
        """The file of a running daemon is replaced: its workers still are of its own version."""
        copy = os.path.join(self.lab.dir, "orch-copy")
        shutil.copy(BINARY, copy)
        orch = self.enterContext(DaemonOrch(self.lab, copy, "upgraded"))
        orch.write_inventory(self.inventory)
        orch.start_daemon()
        with open(copy + ".new", "w") as f:
            os.fchmod(f.fileno(), 0o755)
            f.write("#!/bin/sh\nexit 9\n")
        os.rename(copy + ".new", copy)
        orch.binary = BINARY
        orch("backup", "vm", "quick", check=0)

    # -- its manager ----------------------------------------------------------------------------------------------------------

    def test_7_service_manager(self):
        orch = self.ready()
        notify = NotifySocket(os.path.join(orch.dir, "notify"))
        self.addCleanup(notify.close)
        orch.extra_environment = {"NOTIFY_SOCKET": notify.path, "WATCHDOG_USEC": "400000"}
        orch.start_daemon()
        orch.wait_for(lambda: notify.texts().count("WATCHDOG=1") >= 4, 30, "four signs of life")
        orch("backup", "vm", "quick", check=0)
        self.assertEqual(orch.stop_daemon(), 0)
        orch.wait_for(lambda: "STOPPING=1" in notify.texts(), 10, "STOPPING=1")
        texts = notify.texts()
        self.assertEqual([t for t in texts if t in ("READY=1", "STOPPING=1")], ["READY=1", "STOPPING=1"])
        self.assertIn("STATUS=1 running, 0 queued", texts)
        beats = [when for when, text in notify.messages if text == "WATCHDOG=1"]
        self.assertLess(min(b - a for a, b in zip(beats, beats[1:])), 0.4)


if __name__ == "__main__":
    unittest.main()
