"""orch under test: a configuration folder for one laboratory, the daemon, and the CLI, as an operator would have them.

    with Lab.create("main", hosts=2) as lab, Orch(lab, binary) as orch:
        orch.write_inventory([{"name": "a", "hypervisor": "hypervisor-01", "method": "quiesce", ...}])
        orch.repository_init(); orch.start_daemon()
        result = orch("run", "--all")          # .status, .out, .err
        points = orch.json("list")

The daemon ends with the block, whatever happened; sanitizer reports of any orch process fail the test at its end.
"""

import contextlib
import glob
import http.client
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(os.path.dirname(HERE), "lab"))

from lab.lab import Lab  # noqa: E402,F401  (tests import it from here)
from lab.domain_xml import Disk, Vm, domain_xml  # noqa: E402,F401

called = []  # the first words of each command of orch that a test ran, for short.py's claims


def yaml_text(value, indent=0):
    """Plain YAML of dicts, lists, and scalars; strings are double-quoted as in JSON, which YAML reads alike."""
    pad = "  " * indent
    if isinstance(value, dict):
        return "".join(
            f"{pad}{k}:\n{yaml_text(v, indent + 1)}" if isinstance(v, (dict, list)) and v else f"{pad}{k}: {json.dumps(v, ensure_ascii=False)}\n"
            for k, v in value.items())
    return "".join(f"{pad}- {yaml_text(v, indent + 1).lstrip()}" if isinstance(v, (dict, list)) else f"{pad}- {json.dumps(v, ensure_ascii=False)}\n"
                   for v in value)


class Result:
    def __init__(self, status, out, err, seconds):
        self.status, self.out, self.err, self.seconds = status, out, err, seconds

    def __repr__(self):
        return f"exit {self.status} after {self.seconds:.1f} s\n--- stdout\n{self.out}--- stderr\n{self.err}"


class UnixConnection(http.client.HTTPConnection):
    """HTTP over the control API's socket."""

    def __init__(self, path, timeout=60):
        super().__init__("orch", timeout=timeout)
        self.path = path

    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(self.timeout)
        self.sock.connect(self.path)


class Orch:
    def __init__(self, lab, binary, name="orch", settings=None, ports=None):
        self.lab, self.binary = lab, os.path.abspath(binary)
        self.dir = os.path.join(lab.dir, name)
        self.state = os.path.join(self.dir, "state")
        self.config = os.path.join(self.dir, "orch.yaml")
        self.inventory = os.path.join(self.dir, "vm-list.yaml")
        self.socket = os.path.join(self.dir, "orch.sock")
        self.daemon = None
        self.sanitizer_options = ""
        self.reports = os.path.join(self.dir, "sanitizer")
        shutil.rmtree(self.dir, ignore_errors=True)
        os.makedirs(self.state)
        self.settings = self.default_settings()
        self.change_settings(settings or {})

    def default_settings(self):
        return {
            "repository": {"path": self.lab.share.path, "fstype": "any"},
            "inventory": "vm-list.yaml",
            "socket": self.socket,
            "cycle": {"start": "Sat 12:00", "timezone": "Europe/Berlin"},
            "ssh": {"key": self.lab.keys.path("client"), "known_hosts": self.lab.known_hosts},
            "checks": {"hypervisor_free_gib": 5, "hypervisor_low_water_gib": 1},
            "daemon": {"state": self.state},
        }

    def change_settings(self, changes):
        """Merges a nested dict into the settings and writes orch.yaml."""
        def merge(into, more):
            for k, v in more.items():
                if isinstance(v, dict) and isinstance(into.get(k), dict):
                    merge(into[k], v)
                else:
                    into[k] = v
        merge(self.settings, changes)
        with open(self.config, "w") as f:
            f.write(yaml_text(self.settings))

    def write_inventory(self, vms, hypervisors=None, defaults=None):
        hosts = hypervisors or [{"name": h.name, "address": h.address, "scratch": "/var/lib/libvirt/images"} for h in self.lab.hosts.values()]
        document = {"hypervisors": hosts, "vms": vms}
        if defaults:
            document["defaults"] = defaults
        with open(self.inventory, "w") as f:
            f.write(yaml_text(document))

    def environment(self):
        """Sanitizer reports go to files: a report must fail the test, not vanish with a worker's stderr."""
        options = f"log_path={self.reports}:exitcode=99{self.sanitizer_options}"
        return dict(os.environ, ASAN_OPTIONS=options + ":detect_leaks=1", UBSAN_OPTIONS=options + ":print_stacktrace=1",
                    LSAN_OPTIONS="print_suppressions=0")

    def command(self, *args):
        called.append([a.decode(errors="replace") if isinstance(a, bytes) else a for a in args[:2]])
        return [self.binary, "--config", self.config, *args]

    def __call__(self, *args, timeout=300, check=None, input=None):
        begun = time.monotonic()
        p = subprocess.run(self.command(*args), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, timeout=timeout,
                           env=self.environment(), stdin=subprocess.DEVNULL if input is None else None, input=input)
        result = Result(p.returncode, p.stdout, p.stderr, time.monotonic() - begun)
        if check is not None and result.status != check:
            raise AssertionError(f"orch {' '.join(args)}: expected exit {check}, got {result}\n--- daemon\n{self.daemon_log()[-4000:]}")
        return result

    def json(self, *args, check=0, timeout=300):
        return json.loads(self(*args, "--json", check=check, timeout=timeout).out)

    def popen(self, *args, **kw):
        return subprocess.Popen(self.command(*args), text=True, env=self.environment(), **kw)

    def repository_init(self):
        self("repository", "init", check=0)
        with open(os.path.join(self.lab.share.path, ".orch-repository")) as f:
            self.uuid = next(line.split()[1] for line in f if line.startswith("uuid:"))
        return self.uuid

    # -- the daemon ------------------------------------------------------------------------------------------------

    def start_daemon(self, wait=True):
        self.log_file = open(os.path.join(self.dir, "daemon.log"), "a")
        self.daemon = subprocess.Popen(self.command("daemon"), stdout=self.log_file, stderr=self.log_file,
                                       stdin=subprocess.DEVNULL, env=self.environment())
        deadline = time.monotonic() + 120
        while wait and self.ask_status() is None:
            if self.daemon.poll() is not None or time.monotonic() > deadline:
                raise AssertionError(f"the daemon did not come up\n{self.daemon_log()}")
            time.sleep(0.05)

    def ask_status(self):
        """The daemon's answer about its state, or None where there is none."""
        with contextlib.suppress(OSError, http.client.HTTPException), contextlib.closing(UnixConnection(self.socket)) as connection:
            connection.request("GET", "/v1/status")
            answer = connection.getresponse()
            if answer.status == 200:
                return json.loads(answer.read())
        return None

    def status(self):
        """What `orch status --json` prints, asked for as that does. Most waits look at it, and a process of orch for each look, with its
        sanitizers, keeps a core busy."""
        said = self.ask_status()
        if said is None:
            raise AssertionError(f"the daemon does not answer\n--- daemon\n{self.daemon_log()[-4000:]}")
        return said

    def daemon_log(self):
        try:
            with open(os.path.join(self.dir, "daemon.log"), errors="replace") as f:
                return f.read()
        except OSError:
            return ""

    def stop_daemon(self, how=signal.SIGTERM, timeout=90):
        if not self.daemon:
            return None
        if self.daemon.poll() is None:
            self.daemon.send_signal(how)
        status = self.daemon.wait(timeout)
        self.daemon = None
        self.log_file.close()
        return status

    def wait_for(self, condition, timeout=30, what="the condition"):
        """Between two looks it rests for as long as a look takes, up to half a second, so that a look that starts programs does not take the
        processor from what is waited for."""
        deadline = time.monotonic() + timeout
        while (asked := time.monotonic()) < deadline:
            value = condition()
            if value:
                return value
            time.sleep(max(0.05, min(time.monotonic() - asked, 0.5)))
        raise AssertionError(f"{what} did not come true within {timeout} s\n--- daemon\n{self.daemon_log()[-4000:]}")

    def __enter__(self):
        return self

    def __exit__(self, kind, value, traceback):
        try:
            self.stop_daemon()
        except subprocess.TimeoutExpired:
            self.daemon.kill()
            self.daemon.wait()
            if kind is None:
                raise AssertionError("the daemon did not stop on SIGTERM")
        reports = self.sanitizer_reports()
        if reports and kind is None:
            raise AssertionError("sanitizer reports:\n" + reports)
        if reports:
            print("sanitizer reports:\n" + reports, file=sys.stderr)

    def sanitizer_reports(self):
        return "".join(open(path, errors="replace").read()[:6000] for path in sorted(glob.glob(self.reports + ".*")))

    # -- looking at results ------------------------------------------------------------------------------------------

    def point_folder(self, entry):
        return os.path.join(self.lab.share.path, entry["path"])

    def metadata(self, entry):
        with open(os.path.join(self.point_folder(entry), "backup-metadata.json")) as f:
            return json.load(f)

    def published(self):
        """All published folders, as the share itself shows them."""
        return sorted(p for p in glob.glob(os.path.join(self.lab.share.path, "*", "*", "20??-??-??-??????")) if os.path.isdir(p))


def entry(name, host, method="quiesce", priority=1, **more):
    """One VM of an inventory."""
    return dict({"name": name, "hypervisor": host, "method": method, "priority": priority, "schedule": "weekly", "retention_weeks": 8}, **more)
