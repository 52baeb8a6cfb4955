"""What orch did, as seen from outside of it: by libvirt's own log, by the processes of the machine, over the control API, on the
notify socket. And the little that several test modules need to set up.
"""

import collections
import contextlib
import glob
import http.client
import json
import os
import re
import signal
import socket
import subprocess
import threading
import time
import unittest

from harness import Lab, Orch, UnixConnection, entry  # noqa: F401  (tests import them from here)

BINARY = os.environ.get("ORCH_BINARY", "")


class LabCase(unittest.TestCase):
    """One lab for all tests of a class, which run in the order of their names; `guests()` of the class says what is in it."""

    hosts = 1
    prefix = "case"
    vms = ()  # (host, Vm)
    off = ()  # the same, not started

    @classmethod
    def setUpClass(cls):
        cls.lab = cls.enterClassContext(Lab.create(f"{cls.prefix}-{os.getpid()}", hosts=cls.hosts))
        cls.lab.add_vms([(host, make()) for host, make in cls.vms])
        cls.lab.add_vms([(host, make()) for host, make in cls.off], start=False)

    def orch(self, **settings):
        """A fresh orch with its own configuration; its daemon ends with the test."""
        return self.enterContext(DaemonOrch(self.lab, BINARY, settings=settings))

    def assert_as_before(self, *names):
        """Running on their own disks, thawed, writing, and nothing of orch on any hypervisor."""
        for name in names:
            guest = self.lab.vm(name)
            self.assertEqual(guest.state(), "running", name)
            self.assertEqual({d.target: d.path for d in guest.spec.disks}, guest.disk_paths(), name)
            self.assertNotIn(".orch-", guest.xml("--inactive"), name)
            if guest.spec.agent:
                self.assertFalse(guest.frozen(), name)
            said, code = guest.control("echo works > /data/vda/.probe && sync /data/vda/.probe && cat /data/vda/.probe")
            self.assertEqual((said.strip(), code), ("works", 0), name)
        for host in self.lab.hosts.values():
            if host.running():
                self.assertEqual(host.orch_traces(), [], host.name)

    def assert_no_staging(self):
        self.assertEqual(glob.glob(os.path.join(self.lab.share.path, "*", "*", ".staging-*")), [])


class DaemonOrch(Orch):
    """An Orch whose environment can be added to, and whose jobs can be watched."""

    def __init__(self, *args, **kw):
        self.extra_environment = {}
        super().__init__(*args, **kw)

    def environment(self):
        return dict(super().environment(), **self.extra_environment)

    def restart(self, **settings):
        if self.daemon:
            self.stop_daemon()
        self.change_settings(settings)
        self.start_daemon()

    def wait_for_step(self, vm, step, timeout=180):
        """The job id of the VM, once its running job is in this step."""
        def look():
            return next((j["job"] for j in self.status()["running"] if j["vm"] == vm and j["step"] == step), None)
        return self.wait_for(look, timeout, f"{vm} in step {step}")

    def worker_pids(self):
        with contextlib.suppress(OSError), open(f"/proc/{self.daemon.pid}/task/{self.daemon.pid}/children") as f:
            return [int(p) for p in f.read().split()]
        return []

    def wait_idle(self, timeout=240):
        def idle():
            s = self.status()
            return not s["running"] and not s["queued"] and not s["cycle"]
        self.wait_for(idle, timeout, "an idle daemon")

    def start(self, *args, **kw):
        return self.popen(*args, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, **kw)

    def points_of(self, vm):
        return [p for p in self.json("list", vm) if p["vm"] == vm]


def state_of(pid):
    """One letter, as ps(1) has it; "" when there is no such process."""
    with contextlib.suppress(OSError), open(f"/proc/{pid}/stat") as f:
        return f.read().rpartition(")")[2].split()[0]
    return ""


def finish(process, timeout=300):
    """(status, stdout, stderr) of a Popen."""
    try:
        out, err = process.communicate(timeout=timeout)
    except subprocess.TimeoutExpired:
        process.kill()
        raise
    return process.returncode, out, err


class Witness:
    """libvirtd's own record of what it was made to say to guest agents and to QEMU: from it one sees that a guest was never frozen and
    never got an overlay, also when neither left a trace."""

    LOG = "/var/lib/libvirt/witness.log"

    def __init__(self, *hosts):
        self.hosts = hosts
        for host in hosts:
            host.exec("virt-admin", "daemon-log-outputs", f"1:file:{self.LOG}")
            host.exec("virt-admin", "daemon-log-filters", "1:qemu.qemu_agent 1:qemu.qemu_monitor")

    def seen(self):
        """How many freezes, thaws, snapshots, commits there were, over all hosts."""
        counts = collections.Counter()
        for host in self.hosts:
            with open(host.path(self.LOG), errors="replace") as f:
                text = f.read()
            for name, pattern in (("freeze", r'Send command .*guest-fsfreeze-freeze'), ("snapshot", r'QEMU_MONITOR_SEND_MSG.*blockdev-snapshot'),
                                  ("commit", r'QEMU_MONITOR_SEND_MSG.*block-commit')):
                counts[name] += len(re.findall(pattern, text))
        return dict(counts)


def ask(orch, method, path, body=None):
    """One call of the control API as any HTTP client makes it: (HTTP status, text)."""
    connection = UnixConnection(orch.socket)
    with contextlib.closing(connection):
        connection.request(method, path, body=None if body is None else json.dumps(body), headers={"Content-Type": "application/json"})
        answer = connection.getresponse()
        return answer.status, answer.read().decode()


class Stream(threading.Thread):
    """The event stream of one backup, as a client of the control API sees it. When the step `wanted` begins, `here` is set, and the
    worker has been stopped already: with `gate` (preload.py) right there, with `hold` alone as soon as its beginning was heard of."""

    def __init__(self, orch, vm, wanted=None, hold=False, gate=None):
        super().__init__(daemon=True)
        self.orch, self.vm, self.wanted, self.hold, self.gate = orch, vm, wanted, hold, gate
        self.seen, self.result, self.error, self.job, self.held = [], None, None, None, []
        self.here, self.over = threading.Event(), threading.Event()

    def run(self):
        # A daemon that goes away is part of what is tried.
        with contextlib.suppress(OSError, ValueError, http.client.HTTPException), contextlib.closing(UnixConnection(self.orch.socket, 600)) as connection:
            connection.request("POST", "/v1/backup", json.dumps({"vms": [self.vm], "wait": True}), {"Content-Type": "application/json"})
            for line in connection.getresponse():
                self.take(json.loads(line))
        self.over.set()
        self.here.set()

    def take(self, event):
        self.job = event.get("job") or self.job
        if event.get("event") == "step" and event["state"] == "begin":
            self.seen.append(event["step"])
            if event["step"] == self.wanted and not self.here.is_set():
                if self.gate:
                    self.held = self.orch.wait_for(lambda: [p for p in self.orch.worker_pids() if state_of(p) == "T"], 90, "a worker that stands")
                elif self.hold:
                    self.held = self.orch.worker_pids()
                    self.signal(signal.SIGSTOP)
                self.here.set()
        if event.get("event") == "result":
            self.result, self.error = event["status"], event.get("error")

    def signal(self, number):
        for pid in self.held:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, number)

    def let_go(self):
        self.signal(signal.SIGCONT)

    def __enter__(self):
        if self.gate:
            self.gate.shut(self.wanted)
        self.start()
        self.here.wait(180)
        if self.gate and not self.held:
            self.__exit__()
            raise AssertionError(f"the backup of {self.vm} did not come to {self.wanted}: {self.result} {self.error}")
        return self

    def __exit__(self, *_):
        if self.gate:
            self.gate.open()
        self.let_go()
        self.over.wait(300)


class CommandLines(threading.Thread):
    """Every command line that any process of the machine had, the hypervisors' included, until the block ends."""

    def __init__(self):
        super().__init__(daemon=True)
        self.lines, self.rounds, self.ended = set(), 0, threading.Event()

    def run(self):
        while not self.ended.is_set():
            for pid in filter(str.isdigit, os.listdir("/proc")):
                with contextlib.suppress(OSError), open(f"/proc/{pid}/cmdline", "rb") as f:
                    self.lines.add(f.read().replace(b"\0", b" ").decode(errors="replace"))
            self.rounds += 1
            self.ended.wait(0.01)

    def __enter__(self):
        self.start()
        return self

    def __exit__(self, *_):
        self.ended.set()
        self.join()


class NotifySocket:
    """What a service manager would hear: [(monotonic time, message)]."""

    def __init__(self, path):
        self.path, self.messages = path, []
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.socket.bind(path)
        threading.Thread(target=self._listen, daemon=True).start()

    def _listen(self):
        with contextlib.suppress(OSError):
            while True:
                self.messages.append((time.monotonic(), self.socket.recv(4096).decode()))

    def texts(self):
        return [text for _, text in self.messages]

    def close(self):
        self.socket.close()


class Lines(threading.Thread):
    """The lines of a process's stdout, each with the moment it arrived; raw bytes."""

    def __init__(self, process):
        super().__init__(daemon=True)
        self.process, self.lines = process, []
        self.start()

    def run(self):
        for line in self.process.stdout.buffer:
            self.lines.append((time.monotonic(), line))

    def text(self):
        """All of them, once the process has ended."""
        self.join()
        return b"".join(line for _, line in self.lines).decode()


def interrupt(process, how=signal.SIGINT):
    process.send_signal(how)
    return finish(process, 30)
