"""Where the time of the end-to-end tests goes: seconds of each test that were spent booting, waiting, in commands of orch, and at other work.

    ORCH_TEST_TIMES=FILE run.py …      appends a line of JSON for each test, and for each class's set-up
    times.py FILE [--tests]            prints a table: a row for each class, or for each test
    times.py FILE --into TEXT          puts both tables into docs/test-times.md, between its marks

Only the main thread's time is divided, so the parts add up to the test's duration:

    boot    laboratories, hosts and guests that are made, started and removed
    wait    polling helpers and plain sleeps: the test does nothing but look at the clock
    orch    commands of orch, the waits inside of them included
    work    all the rest

`cpu` is what every process of the test used, guests and daemons included, on all cores. It is counted by a control group, which children
inherit, and so does not depend on what else the machine does. It is null where no such group can be made.
"""

import argparse
import atexit
import contextlib
import functools
import glob
import json
import os
import re
import subprocess
import sys
import threading
import time

PARTS = ("boot", "wait", "orch", "work")
GROUPS = "/sys/fs/cgroup/cpuacct"


class Cpu:
    """The CPU seconds of this process and of all that it starts."""

    def __init__(self):
        self.group, self.hosts = None, {}
        group = f"{GROUPS}/orch-times-{os.getpid()}"
        with contextlib.suppress(OSError):
            os.mkdir(group)
            self.enter(group)
            self.group = group
            atexit.register(self.leave)

    @staticmethod
    def enter(group):
        with open(f"{group}/cgroup.procs", "w") as f:
            f.write(str(os.getpid()))

    def leave(self):
        with contextlib.suppress(OSError):
            self.enter(GROUPS)
            os.rmdir(self.group)

    def seconds(self):
        """Full hosts have groups of their own beside it, which vanish with them: what they had used last stays counted."""
        if not self.group:
            return None
        for path in glob.glob(f"{GROUPS}/orchlab-*/cpuacct.usage"):
            with contextlib.suppress(OSError):
                if self.is_ours(os.path.dirname(path)):
                    self.hosts[path] = self._usage(path)
        return self._usage(f"{self.group}/cpuacct.usage") + sum(self.hosts.values())

    @staticmethod
    def is_ours(group):
        """Another run beside this one has hosts, too: a host's first process was started by the process that made it."""
        return os.path.basename(group).split("-")[1] in Cpu.numbers

    numbers = set()  # of the laboratories that this process made

    @staticmethod
    def _usage(path):
        with open(path) as f:
            return int(f.read()) / 1e9


class Times:
    def __init__(self, file):
        self.file, self.cpu = file, Cpu()
        self.main = threading.main_thread()
        self.stack = ["work"]
        self.forget()

    def forget(self):
        self.spent = dict.fromkeys(PARTS, 0.0)
        self.since = time.monotonic()
        self.cpu_before = self.cpu.seconds()

    def _book(self):
        now = time.monotonic()
        self.spent[self.stack[-1]] += now - self.since
        self.since = now

    @contextlib.contextmanager
    def part(self, name):
        """The block's time is of this part; what is called inside of a boot or of a command stays that boot's or that command's."""
        if threading.current_thread() is not self.main or len(self.stack) > 1:
            yield
            return
        self._book()
        self.stack.append(name)
        try:
            yield
        finally:
            self._book()
            self.stack.pop()

    def close(self, name):
        """Writes down what was spent since the last call, under the name of a test or of a class's set-up."""
        self._book()
        cpu = self.cpu.seconds()
        line = {"name": name, **{k: round(v, 2) for k, v in self.spent.items()},
                "cpu": None if cpu is None else round(cpu - self.cpu_before, 2)}
        with open(self.file, "a") as f:
            f.write(json.dumps(line) + "\n")
        self.forget()

    def wrap(self, owner, name, part):
        """Replaces a function of a module or of a class by one whose time is booked."""
        function = owner.__dict__[name]
        plain = function.__func__ if isinstance(function, (classmethod, staticmethod)) else function

        @functools.wraps(plain)
        def booked(*args, **kw):
            with self.part(part):
                return plain(*args, **kw)
        setattr(owner, name, type(function)(booked) if plain is not function else booked)


def install(file):
    """To be called before the tests are imported, as they take some of the functions by name."""
    times = Times(file)
    import harness
    from lab import guest_vm, host, host_full, host_light, lab, network, nfs_guest, nfs_server, run
    sleep = time.sleep

    def booked_sleep(seconds):
        with times.part("wait"):
            sleep(seconds)
    time.sleep = booked_sleep
    for module in (run, guest_vm, host, host_full, host_light):
        times.wrap(module, "wait_for", "wait")
    for owner, names in ((lab.Lab, ("create", "down", "add_vms")), (host.Host, ("start", "stop", "reboot")),
                         (guest_vm.Guest, ("start", "wait", "create")), (nfs_server.NfsServer, ("create",)),
                         (nfs_guest.NfsGuest, ("create", "start"))):
        for name in names:
            times.wrap(owner, name, "boot")
    times.wrap(harness.Orch, "__call__", "orch")
    times.wrap(harness.Orch, "start_daemon", "orch")
    times.wrap(harness.Orch, "stop_daemon", "orch")
    times.wrap(harness.Orch, "wait_for", "wait")
    times.wrap(threading.Event, "wait", "wait")
    times.wrap(subprocess, "run", "work")  # before the next two, which it calls: tools are at work
    times.wrap(subprocess.Popen, "communicate", "orch")
    times.wrap(subprocess.Popen, "wait", "orch")
    made = network.Network.__init__

    def noted(self, number):
        Cpu.numbers.add(str(number))
        made(self, number)
    network.Network.__init__ = noted
    return times


# -- the table -------------------------------------------------------------------------------------------------------


def rows(lines, by_test):
    """{name: [seconds of each part…, cpu seconds, tests]}, in the order of their first line."""
    found = {}
    for line in lines:
        name = line["name"] if by_test else ".".join(line["name"].removesuffix(" (set-up)").split(".")[:2])
        row = found.setdefault(name, [0.0] * (len(PARTS) + 2))
        for i, part in enumerate((*PARTS, "cpu")):
            row[i] += line[part] or 0.0
        row[-1] += not line["name"].endswith("(set-up)")
    return found


def table(lines, by_test=False):
    head = ["test" if by_test else "class", *([] if by_test else ["tests"]), "seconds", *PARTS, "cpu"]
    yield "| " + " | ".join(head) + " |"
    yield "|---" + "|---:" * (len(head) - 1) + "|"
    found = rows(lines, by_test)
    total = [sum(column) for column in zip(*found.values())]
    for name, row in [*sorted(found.items(), key=lambda item: -sum(item[1][:len(PARTS)])), ("all", total)]:
        numbers = [sum(row[:len(PARTS)]), *row[:-1]]
        cells = [name, *([] if by_test else [str(int(row[-1]))]), *(f"{n:.1f}" if by_test else f"{n:.0f}" for n in numbers)]
        yield "| " + " | ".join(cells) + " |"


def replace_tables(path, lines):
    """Each lies behind a line `<!-- table: classes -->` or `<!-- table: tests -->`, up to `<!-- end -->`."""
    with open(path) as f:
        text = f.read()
    for name, by_test in (("classes", False), ("tests", True)):
        made = "\n".join(table(lines, by_test))
        text, n = re.subn(rf"(<!-- table: {name} -->\n).*?(?=<!-- end -->)", lambda mark: f"{mark[1]}\n{made}\n\n", text, flags=re.S)
        if n != 1:
            sys.exit(f"{path} has {n} places for the table of {name}")
    with open(path, "w") as f:
        f.write(text)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("file")
    parser.add_argument("--tests", action="store_true", help="a row for each test")
    parser.add_argument("--into", metavar="TEXT", help="a Markdown file whose tables are to be replaced")
    options = parser.parse_args()
    with open(options.file) as f:
        lines = [json.loads(line) for line in f]
    if options.into:
        replace_tables(options.into, lines)
    else:
        print("\n".join(table(lines, options.tests)))


if __name__ == "__main__":
    sys.exit(main())
