"""orch restore --replace: the VM that is there gives way to its earlier self, is kept aside, and is put back whatever interrupts the
restore at whatever step: never neither, and nothing left behind."""

import contextlib
import datetime
import glob
import http.client
import json
import os
import pty
import signal
import threading
import time
import unittest

import evidence
from harness import Disk, Vm, entry
from outside import UnixConnection, finish, state_of
from preload import step_gate
from test_restore import HOME, OTHER, RestoreCase

STEPS = ["copy", "compare", "stop-original", "rename", "define", "start"]


class Stream(threading.Thread):
    """The events of one restore, as a client of the API sees them; calls `then` when a step begins."""

    def __init__(self, orch, vm, options, step=None, then=None):
        super().__init__(daemon=True)
        self.orch, self.vm, self.options, self.step, self.then = orch, vm, options, step, then
        self.steps, self.result, self.error = [], None, None
        self.start()

    def run(self):
        connection = UnixConnection(self.orch.socket, 300)
        with contextlib.suppress(OSError, ValueError, http.client.HTTPException):
            connection.request("POST", "/v1/restore", json.dumps({"vm": self.vm, "options": self.options}), {"Content-Type": "application/json"})
            for line in connection.getresponse():
                event = json.loads(line)
                if event.get("event") == "step" and event["state"] == "begin":
                    self.steps.append(event["step"])
                    if event["step"] == self.step and self.then:
                        then, self.then = self.then, None
                        then()
                if event.get("event") == "result":
                    self.result, self.error = event["status"], event.get("error")


class ReplaceCase(RestoreCase):
    refuse = "/var/lib/libvirt/refuse"

    def setUp(self):
        self.daemon = self.take_up()
        if not self.daemon.points_of(self.vm.name):
            for disk in self.vm.spec.disks:
                self.vm.exec("sh", "-c", f"echo then > /data/{disk.target}/marker; sync")
            self.backup(self.daemon, self.vm.name)
        self.point = self.daemon.points_of(self.vm.name)[-1]
        for disk in self.vm.spec.disks:
            self.vm.exec("sh", "-c", f"echo now > /data/{disk.target}/marker; sync")

    def markers(self):
        return self.vm.exec("cat", *(f"/data/{d.target}/marker" for d in self.vm.spec.disks))[0].split()

    def asides(self, host=None):
        return [f for f in (host or self.home).files() if ".replaced-" in f]

    def assert_intact(self, marker="now"):
        """It runs on its own disks, with what was last written."""
        self.vm.wait(120)
        self.assertEqual(self.vm.state(), "running")
        self.assertEqual(self.markers(), [marker] * len(self.vm.spec.disks))
        self.assertEqual(self.vm.disk_paths(), {d.target: d.path for d in self.vm.spec.disks})
        self.assertEqual(self.home.virsh("domuuid", self.vm.name).strip(), self.vm.spec.uuid)

    def make_a_start_fail(self):
        """While `refuse` is there, the next start of the VM fails and removes it."""
        qemu = "/usr/bin/qemu-system-x86_64"
        self.home.exec("install", "-m", "755", qemu, f"{qemu}.real")
        self.addCleanup(self.home.exec, "mv", f"{qemu}.real", qemu)
        self.home.exec("install", "-m", "755", "/dev/stdin", qemu,
                       input=f"#!/bin/sh\ncase \"$*\" in *guest={self.vm.name},*) [ ! -e {self.refuse} ] || {{ rm {self.refuse}; exit 1; }};; esac\n"
                             f"exec {qemu}.real \"$@\"\n")

    def forget_asides(self):
        """As if the seven days were over: what was set aside goes with the next recovery."""
        for path in glob.glob(os.path.join(self.lab.share.path, "metadata", "restores", "*.json")):
            with open(path) as f:
                journal = json.load(f)
            self.assertEqual(journal["phase"], "done")
            journal["keep_until"] = "2020-01-01T00:00:00Z"
            with open(path, "w") as f:
                json.dump(journal, f)
        self.daemon("recover", self.vm.name, check=0)
        self.assertEqual(self.asides(), [])
        self.nothing_left()


class Replace(ReplaceCase):
    prefix = "replace"
    vms = [(HOME, lambda: Vm("twice", [Disk(size_mib=64), Disk("vdb", format="raw", size_mib=48)], nic=True))]
    inventory = [entry("twice", HOME)]

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.vm = cls.lab.vm("twice")

    def test_1_replaced_kept_aside_and_forgotten(self):
        mac = self.definition(self.home, "twice").find("devices/interface/mac").get("address")
        before = self.home.virsh("dumpxml", "twice", "--inactive", "--security-info")
        said = self.daemon("restore", "twice", self.point["point"], "--replace", "--yes", "--start", check=0)
        self.assert_intact("then")
        self.assertEqual(self.definition(self.home, "twice").find("devices/interface/mac").get("address"), mac)
        asides = self.asides()
        self.assertEqual(sorted(os.path.basename(f).split(".replaced-")[0] for f in asides), ["twice-vda.qcow2", "twice-vdb.raw"])
        self.assertIn("kept until", said.out + said.err)
        for path in asides:
            self.assertIn(path, said.out)
        self.assert_kept_for_seven_days(asides, before)
        self.daemon("recover", "twice", check=0)
        self.assertEqual(self.asides(), asides, "not before seven days are over")
        self.daemon("backup", "vm", "twice", check=0)
        self.somebody_goes_back(asides[0])
        self.forget_asides()

    def assert_kept_for_seven_days(self, asides, definition):
        """The disks as they were at their end, and the definition."""
        [path] = glob.glob(os.path.join(self.lab.share.path, "metadata", "restores", "*.json"))
        with open(path) as f:
            journal = json.load(f)
        until = datetime.datetime.fromisoformat(journal["keep_until"].replace("Z", "+00:00")).timestamp()
        self.assertAlmostEqual((until - time.time()) / 86400, 7, delta=0.1)
        with open(path.replace(".json", "-original.xml")) as f:
            self.assertEqual(f.read().strip(), definition.strip())
        for aside, fmt in zip(sorted(asides), ("qcow2", "raw")):
            with evidence.Image(self.home.path(aside), fmt) as image:
                self.assertEqual(image.read("/marker"), "now\n")

    def somebody_goes_back(self, aside):
        """A disk that was set aside is used again: it is not removed, whatever its time."""
        self.home.virsh("attach-disk", "twice", aside, "vdz", "--config")
        [path] = glob.glob(os.path.join(self.lab.share.path, "metadata", "restores", "*.json"))
        with open(path) as f:
            journal = json.load(f)
        with open(path, "w") as f:
            json.dump(dict(journal, keep_until="2020-01-01T00:00:00Z"), f)
        result = self.daemon("recover", "twice", check=0)
        self.assertIn(f"{aside} is used by a VM, says /etc/libvirt/qemu/twice.xml", result.out + result.err)
        self.assertIn(aside, self.asides())
        self.home.virsh("detach-disk", "twice", "vdz", "--config")

    def test_1_the_name_is_typed(self):
        """On a terminal: anything else than the VM's name changes nothing."""
        for typed, status in (("yes", 5), ("twice", 1)):
            with self.subTest(typed), self.nothing_changes():
                point = self.point["point"] if typed != "twice" else "1999"  # so that the right name leads to a question about the point
                master, slave = pty.openpty()
                child = self.daemon.popen("restore", "twice", point, "--replace", stdin=slave, stdout=slave, stderr=slave)
                os.close(slave)
                said = b""
                with contextlib.suppress(OSError):
                    while not said.endswith(b"to go on: "):
                        said += os.read(master, 4096)
                    os.write(master, typed.encode() + b"\n")
                    while True:
                        said += os.read(master, 4096)
                os.close(master)
                self.assertEqual(child.wait(60), status, said)
                self.assertIn(b"not confirmed: nothing was changed" if status == 5 else b"no point '1999'", said)
        self.assert_intact()
        self.nothing_left()

    def test_2_an_unreachable_or_unsettled_original_is_not_replaced(self):
        with self.nothing_changes():
            said = self.daemon("restore", "twice", self.point["point"], "--replace", "--start", "--dry-run", check=0)
            self.assertIn("set aside: ", said.out)
            self.assertEqual(self.vm.state(), "running")
        self.assert_intact()
        self.home.virsh("managedsave", "twice")
        with self.nothing_changes():
            self.refused(self.daemon, "twice", self.point["point"], "--replace", "--yes", saying="managedsave-remove")
        self.vm.start()
        self.assert_intact()
        self.nothing_left()

    def test_3_what_does_not_start_gives_way_again(self):
        """The restored VM cannot start: the one that ran runs again."""
        self.make_a_start_fail()
        self.home.shell(f"touch {self.refuse}")
        result = self.daemon("restore", "twice", self.point["point"], "--replace", "--yes", "--start")
        self.assertEqual(result.status, 1, result)
        self.assertIn("cannot be started", result.out + result.err)
        self.assert_intact()
        self.assertEqual(self.asides(), [])
        self.nothing_left()


class OnOneHost(ReplaceCase):
    """With one VM."""

    hosts = 1

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        [cls.vm] = cls.lab.guests.values()


class MeanwhileChanged(OnOneHost):
    """What becomes of the original while it is copied for hours: it is looked at again before it is shut off."""

    prefix = "rmeanwhile"
    vms = [(HOME, lambda: Vm("busy", [Disk(size_mib=32), Disk("vdb", format="raw", size_mib=32)]))]
    inventory = [entry("busy", HOME)]
    hold = "/var/lib/libvirt/hold"

    def wrap(self, program, script):
        """In the place of a program of the hypervisor, for one test; "real" is the program itself."""
        self.home.exec("install", "-m", "755", "/dev/stdin", f"/usr/local/bin/{program}",
                       input=f"#!/bin/sh\nreal() {{ /usr/bin/{program} \"$@\"; }}\n{script}\n")
        self.addCleanup(self.home.exec, "rm", "-f", f"/usr/local/bin/{program}")

    def replaced_while(self, meanwhile, *more):
        """The end of a restore during whose comparison `meanwhile` was done."""
        self.wrap("qemu-img", f'[ "$1" != compare ] || while [ -e {self.hold} ]; do sleep 0.1; done; real "$@"')
        self.home.shell(f"touch {self.hold}")
        process = self.daemon.start("restore", "busy", self.point["point"], "--replace", "--yes", *more)
        self.daemon.wait_for_step("busy", "compare")
        meanwhile()
        self.home.shell(f"rm {self.hold}")
        return finish(process, 300)

    def assert_left_alone(self, result, *saying):
        status, out, err = result
        self.assertEqual(status, 1, out + err)
        for text in saying:
            self.assertIn(text, out + err)
        self.assertEqual(self.asides(), [])
        self.nothing_left()

    def test_1_its_memory_was_saved(self):
        result = self.replaced_while(lambda: self.home.virsh("managedsave", "busy"))
        self.assert_left_alone(result, "was left as it is", "managedsave-remove")
        self.assertEqual(self.vm.state(), "shut off")
        self.vm.start()
        self.assert_intact()

    def test_2_it_stands_on_other_files(self):
        """A snapshot that libvirt knows nothing of any more, as other tools make them."""
        overlays = [f"--diskspec={t},file=/var/lib/libvirt/images/foreign-{t}.qcow2" for t in ("vda", "vdb")]
        result = self.replaced_while(lambda: self.home.virsh("snapshot-create-as", "busy", "--disk-only", "--no-metadata", *overlays))
        self.assert_left_alone(result, "others than when this restore began")
        for target in ("vda", "vdb"):
            self.home.virsh("blockcommit", "busy", target, "--active", "--pivot", "--wait")
            self.home.exec("rm", f"/var/lib/libvirt/images/foreign-{target}.qcow2")
        self.assert_intact()

    def test_3_it_was_started_and_is_started_again(self):
        """Off when the restore began, and running since: that is what it is put back to. Its newer definition, too."""
        self.make_a_start_fail()
        self.vm.destroy()

        def change_and_start():
            self.home.virsh("desc", "busy", "--config", "--new-desc", "changed meanwhile")
            self.vm.start()
            self.home.shell(f"touch {self.refuse}")
        result = self.replaced_while(change_and_start, "--start")
        self.assert_left_alone(result, "cannot be started", "definition of busy was changed")
        self.assert_intact()
        self.assertIn("changed meanwhile", self.home.virsh("dumpxml", "busy", "--inactive"))

    def test_4_somebody_starts_it_while_it_is_taken_apart(self):
        """On what lies where its disks were. Nothing goes on, and nothing is taken from under it."""
        self.wrap("mv", 'real "$@"; s=$?; case "$*" in *vdb*restoring*) virsh -q start busy >/dev/null;; esac; exit $s')
        result = self.daemon("restore", "busy", self.point["point"], "--replace", "--yes")
        self.assertEqual(result.status, 1, result)
        self.assertIn("somebody started it again", result.out + result.err)
        self.assertIn("shut it off, then run: orch recover busy", result.out + result.err)
        self.assertEqual(self.vm.state(), "running")
        self.vm.destroy()
        self.home.exec("rm", "/usr/local/bin/mv")
        self.daemon.wait_idle()
        self.daemon("recover", "busy", check=0)
        self.assert_intact()
        self.assertEqual(self.asides(), [])
        self.nothing_left()


class ReplaceChain(OnOneHost):
    """A VM with checkpoints: they end with its disks, and a new chain begins."""

    prefix = "rchain"
    vms = [(HOME, lambda: Vm("chained", [Disk(size_mib=48)]))]
    inventory = [entry("chained", HOME, level="incremental")]

    def checkpoints(self):
        return self.home.virsh("checkpoint-list", "chained", "--name").split()

    def test_the_chain_ends(self):
        increment = self.backup(self.daemon, "chained")
        self.assertEqual(increment["level"], "incremental")
        self.vm.exec("sh", "-c", "echo later > /data/vda/marker; sync")
        self.assertNotEqual(self.checkpoints(), [])
        self.daemon("restore", "chained", increment["point"], "--replace", "--yes", "--start", check=0)
        self.assertEqual(self.checkpoints(), [])
        self.vm.wait(120)
        self.assertEqual(self.markers(), ["now"])
        again = self.backup(self.daemon, "chained")
        self.assertEqual((again["level"], again["parent"]), ("full", None))
        self.assertEqual(self.backup(self.daemon, "chained")["parent"], again["point"])
        self.daemon("verify", "chained", check=0)
        for name in self.checkpoints():  # of the new chain
            self.home.virsh("checkpoint-delete", "chained", name)
        self.forget_asides()


class ReplacePart(ReplaceCase):
    prefix = "rpart"
    vms = [(HOME, lambda: Vm("apart", [Disk(size_mib=32), Disk("vdb", size_mib=32)]))]
    inventory = [entry("apart", HOME)]

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.vm = cls.lab.vm("apart")

    def test_4_some_disks_only(self):
        """The others stay as they are, attached."""
        self.daemon("restore", "apart", self.point["point"], "--replace", "--yes", "--disks", "vda", "--start", check=0)
        self.vm.wait(120)
        self.assertEqual(self.markers(), ["then", "now"])
        self.assertEqual(len(self.asides()), 1)
        self.forget_asides()

    def test_5_moved_to_another_host(self):
        """The original is shut off and set aside where it is; the new one runs on the other host."""
        self.daemon("restore", "apart", self.point["point"], "--replace", "--yes", "--to", OTHER, "--start", check=0)
        self.assertFalse(self.has(self.home, "apart"))
        self.assertEqual(len(self.asides()), 2)
        guest = self.guest(self.other, "apart", self.vm)
        self.assertEqual(guest.exec("cat", "/data/vda/marker", "/data/vdb/marker")[0].split(), ["then", "then"])
        self.retire_home()
        self.forget_asides()

    def retire_home(self):
        """The time of what was set aside is over, and its host is gone: backups of the VM go on all the same."""
        self.home.stop()
        [path] = glob.glob(os.path.join(self.lab.share.path, "metadata", "restores", "*.json"))
        with open(path) as f:
            journal = json.load(f)
        with open(path, "w") as f:
            json.dump(dict(journal, keep_until="2020-01-01T00:00:00Z"), f)
        result = self.daemon("backup", "vm", "apart", check=0)
        self.assertIn("is kept no longer and cannot be removed", result.out + result.err)
        self.assertIn(f"metadata/restores/{os.path.basename(path)}", result.out + result.err)
        self.home.start()


class Interrupted(ReplaceCase):
    """Each fault at each step. Whatever was interrupted, a recovery or a restart of the daemon brings the VM back, as it was or as it was
    restored, and nothing else is left."""

    prefix = "rfault"
    hosts = 1
    vms = [(HOME, lambda: Vm("target", [Disk(size_mib=64), Disk("vdb", format="raw", size_mib=32)], uefi=False))]
    inventory = [entry("target", HOME)]

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.vm = cls.lab.vm("target")

    def take_up(self, **settings):
        orch = super().take_up(**settings)
        self.gate = self.enterContext(step_gate(orch))
        orch.restart()
        return orch

    def kill(self, pids, number=signal.SIGKILL):
        for pid in pids:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, number)

    # -- faults: each returns what heals the world around orch, never what orch has to put right ---------------------------

    def sigkill_worker(self):
        self.kill(self.daemon.worker_pids())

    def sigkill_daemon_and_worker(self):
        self.kill([self.daemon.daemon.pid, *self.daemon.worker_pids()])

        def heal():
            self.daemon.daemon.wait()
            self.daemon.daemon = None
            self.daemon.start_daemon()
        return heal

    def later(self, action):
        """As a service manager, or a machine that boots: in a while, while orch tries. Healing waits for it."""
        timer = threading.Timer(8, action)
        timer.start()
        return timer.join

    def sigkill_libvirtd(self):
        self.home.kill_proc("libvirtd")
        return self.later(lambda: self.home.restart("libvirtd"))

    def reset_host(self):
        """Power off and on: its processes end where they are, its disk stays."""
        self.home.stop()
        return self.later(self.home.start)

    def fill_disk(self):
        """Also what is reserved for root."""
        end = 0
        with open(os.path.join(self.home.disk, "lab-fill"), "a") as f:
            for chunk in (1 << 30, 64 << 20, 4 << 20, 1 << 20):
                with contextlib.suppress(OSError):
                    while True:
                        os.posix_fallocate(f.fileno(), end, chunk)
                        end += chunk
        return self.home.unfill

    def interrupt(self, step, fault, within=False):
        """The worker stands right where the step begins while the fault strikes, and goes on if it still can; or it is within the step."""
        healed = []
        options = {"point": self.point["point"], "replace": True, "start": True}
        if within:
            stream = Stream(self.daemon, "target", options, step, lambda: healed.append(fault()))
        else:
            self.gate.shut(step)
            stream = Stream(self.daemon, "target", options)
            held = self.daemon.wait_for(lambda: [p for p in self.daemon.worker_pids() if state_of(p) == "T"], 120, f"the step {step}")
            healed.append(fault())
            self.kill(held, signal.SIGCONT)
        stream.join(600)
        self.assertFalse(stream.is_alive(), "the restore does not end")
        self.assertTrue(healed, f"the step {step} was never seen: {stream.steps}")
        if healed[0]:
            healed[0]()
        return stream

    def settle(self):
        """The daemon recovers by itself; a recovery by hand has nothing more to do, or does the rest."""
        self.daemon.wait_idle(180)
        for _ in range(3):
            result = self.daemon("recover", "target", timeout=200)
            if result.status == 0:
                break
        self.assertEqual(result.status, 0, result)
        if self.vm.state() != "running":
            self.vm.start()

    def campaign(self, fault, steps=STEPS):
        for step in steps:
            with self.subTest(step=step):
                stream = self.interrupt(step, getattr(self, fault))
                self.settle()
                journals = glob.glob(os.path.join(self.lab.share.path, "metadata", "restores", "*.json"))
                replaced = bool(journals)
                print(f"        {fault} at {step}: {stream.result}, {'restored' if replaced else 'as it was'}", flush=True)
                self.assert_intact("then" if replaced else "now")
                self.assertEqual(stream.result == "ok" and not replaced, False)
                if replaced:
                    self.forget_asides()
                self.assertEqual(self.asides(), [])
                self.nothing_left()
                for disk in self.vm.spec.disks:
                    self.vm.exec("sh", "-c", f"echo now > /data/{disk.target}/marker; sync")

    def test_1_worker_killed(self):
        self.campaign("sigkill_worker")

    def test_2_daemon_and_worker_killed(self):
        self.campaign("sigkill_daemon_and_worker")

    def test_3_libvirtd_killed(self):
        self.campaign("sigkill_libvirtd")

    def test_4_host_reset(self):
        self.campaign("reset_host")

    def test_5_the_disk_fills_up_while_it_copies(self):
        self.home.exec("install", "-m", "755", "/dev/stdin", "/usr/local/bin/qemu-img", input="#!/bin/sh\n"
                       "[ \"$1\" != convert ] || while [ -e /var/lib/libvirt/hold ]; do sleep 0.1; done\nexec /usr/bin/qemu-img \"$@\"\n")
        self.addCleanup(self.home.shell, "rm -f /usr/local/bin/qemu-img /var/lib/libvirt/hold")
        self.home.shell("touch /var/lib/libvirt/hold")

        def fault():
            unfill = self.fill_disk()
            self.home.shell("rm /var/lib/libvirt/hold")
            return unfill
        stream = self.interrupt("copy", fault, within=True)
        self.assertEqual(stream.result, "failed")
        self.assertIn("No space left", stream.error)
        self.settle()
        self.assert_intact()
        self.nothing_left()

    def test_5_the_disk_is_full_later(self):
        self.campaign("fill_disk", STEPS[1:])

    def test_6_killed_between_two_renames(self):
        """One disk is set aside and the other not yet, or one is in its place: a rename does not return before the worker is dead."""
        hold, done = "/var/lib/libvirt/hold", "/var/lib/libvirt/renamed"
        self.home.exec("install", "-m", "755", "/dev/stdin", "/usr/local/bin/mv", input="#!/bin/sh\n/usr/bin/mv \"$@\"; s=$?\n"
                       f"case \"$*\" in *replaced-*|*restoring*) [ ! -e {hold} ] || echo x >> {done};; esac\n"
                       f"while [ -e {hold} ] && [ $(wc -l < {done}) -ge $(cat {hold}) ]; do sleep 0.1; done\nexit $s\n")
        self.addCleanup(self.home.shell, f"rm -f /usr/local/bin/mv {hold} {done}")
        for number in (1, 2, 3, 4):
            with self.subTest(number):
                self.home.shell(f"echo {number} > {hold}; : > {done}")

                def fault(wanted=number):
                    self.daemon.wait_for(lambda: self.home.shell(f"wc -l < {done}").strip() == str(wanted), 90, f"rename {wanted}")
                    self.kill(self.daemon.worker_pids())
                    self.home.shell(f"rm {hold}")
                self.interrupt("rename", fault, within=True)
                self.settle()
                self.assert_intact()
                self.assertEqual(self.asides(), [])
                self.nothing_left()


if __name__ == "__main__":
    unittest.main()
