"""The half of `./dev bench` that brings things back: `orch restore` against bare `qemu-img convert` and `virtnbdrestore`, seconds to the
guest's first answer (instant against full), and a test-restore from end to end. Each restore ends with durable data.

`orch restore` also reads the point back (checksums: here while it is copied, as nobody has touched it since its backup), and compares the
copy with it after; the others do neither. What of it is the copy alone is a row of its own, and so is a restore of a point that somebody
has touched: that one reads all of it before the copy.

Nobody restores what was read a second ago: before each the machine's page cache is dropped. The same with everything in memory, where the
other ways read nothing and the checksums cost the most, are the rows "in memory".
"""

import json
import os
import re
import subprocess
import time

AIMS = {"restore / qemu-img convert": 1.15, "first answer, instant (s)": 10}
IMAGES = "/var/lib/libvirt/images"
TOUCHED = "restore, touched"
RATIOS = [*((way, other) for way in ("restore", TOUCHED) for other in ("qemu-img convert", "virtnbdrestore")),
          ("its copy", "qemu-img convert")]


def drop_caches():
    with open("/proc/sys/vm/drop_caches", "w") as f:
        f.write("3")


def longest(steps):
    """The steps to report, of a restore that reported them."""
    worth = [f"{name} {seconds:.2f}" for name, seconds in (steps or {}).items() if seconds >= 0.05]
    return f"  ({', '.join(worth)})" if worth else ""


class Restores:
    """On a lab where `vm` was just backed up by orch."""

    def __init__(self, bench, vm):
        self.bench, self.host, self.orch, self.vm = bench, bench.host, bench.orch, vm
        point = self.orch.json("list", vm)[0]
        self.image = os.path.join(bench.share, point["path"], f"{vm}-vda.qcow2")
        self.nbd = os.path.join(bench.share, "bench-nbd")

    def run(self, runs):
        self.host.shell(f"rm -rf {self.nbd}; virtnbdbackup -U qemu:///system -d {self.vm} -l copy -o {self.nbd} >/dev/null 2>&1; "
                        "rm -rf /tmp/virtnbdbackup*", timeout=900)
        self.sides()
        self.first_answers(runs)
        self.test_restores(runs)
        self.host.shell(f"rm -rf {self.nbd}")

    # -- restores ----------------------------------------------------------------------------------------------------

    def by_orch(self):
        """What its steps took: {name: seconds}."""
        out = self.orch("restore", self.vm, "--name", "back", "--json", check=0, timeout=900).out
        took = {}
        for event in map(json.loads, filter(None, out.splitlines())):
            if event.get("event") == "step":
                took[event["step"]] = took.get(event["step"], 0.0) + event.get("duration_ms", 0) / 1000
        return took

    def touch(self, touched):
        """Whether somebody has touched the point since it was verified."""
        subprocess.run(["touch", self.image], check=True)
        if not touched:
            self.orch("verify", self.vm, check=0, timeout=900)

    def by_hand(self):
        self.host.shell(f"qemu-img convert -W -m 16 -f qcow2 -O qcow2 {self.image} {IMAGES}/back-vda.qcow2 && sync {IMAGES}/back-vda.qcow2",
                        timeout=900)

    def by_virtnbdrestore(self):
        self.host.shell(f"mkdir {IMAGES}/back && virtnbdrestore -a restore -i {self.nbd} -o {IMAGES}/back >/dev/null 2>&1 && "
                        f"sync -f {IMAGES}", timeout=900)

    def forget(self):
        self.host.shell("virsh -q destroy back 2>/dev/null; virsh -q undefine back --nvram 2>/dev/null; "
                        f"rm -rf {IMAGES}/back {IMAGES}/back-*; sync -f {IMAGES}")
        subprocess.run(["sync"], check=True)

    def sides(self):
        ways = {"restore": self.by_orch, "qemu-img convert": self.by_hand, "virtnbdrestore": self.by_virtnbdrestore,
                TOUCHED: self.by_orch}
        for where in ("", ", in memory"):
            rows = self.rows(ways, where)
            for turn in self.bench.turns:
                for name, way in ways.items():
                    self.forget()
                    self.touch(name == TOUCHED)
                    if not where:
                        drop_caches()
                    begun = time.monotonic()
                    took = way()
                    seconds = time.monotonic() - begun
                    if turn > 0:
                        rows[name].append(seconds)
                        print(f"  run {turn} {name + where:28} {seconds:7.2f} s{longest(took)}", flush=True)
                        if name == "restore":
                            rows["its copy"].append(took["copy"])
                for name, other in RATIOS if turn > 0 else []:
                    rows[name, other].append(rows[name][-1] / rows[other][-1])
            self.forget()

    def rows(self, ways, where):
        """{way: its seconds, (way, other): the ratio of both}, in the bench's table but for the seconds of the copy alone."""
        found = {name: self.bench.row(f"{name}{where} (s)") for name in ways}
        found.update({(name, other): self.bench.row(f"{name} / {other}{where}") for name, other in RATIOS})
        return {**found, "its copy": []}

    # -- first answer ------------------------------------------------------------------------------------------------

    def seconds_to_answer(self, *how):
        """From the command to the guest's first answer; the command is then let end."""
        begun = time.monotonic()
        command = self.orch.popen("restore", self.vm, "--name", "back", *how, stdout=subprocess.DEVNULL)
        ping = ("virsh", "-q", "qemu-agent-command", "back", '{"execute":"guest-ping"}')
        while self.host.exec(*ping, check=False).returncode != 0:
            if command.poll() not in (None, 0) or time.monotonic() - begun > 600:
                raise AssertionError(f"the guest of restore {how} does not answer")
            time.sleep(0.05)
        seconds = time.monotonic() - begun
        if command.wait(900) != 0:
            raise AssertionError(f"restore {how} ended with {command.returncode}")
        return seconds

    def first_answers(self, runs):
        ways = {"full": ("--start",), "instant": ("--instant",)}
        times = {name: self.bench.row(f"first answer, {name} (s)") for name in ways}
        ratio = self.bench.row("first answer, instant / full")
        for turn in range(runs):
            for name, how in ways.items():
                self.forget()
                times[name].append(self.seconds_to_answer(*how))
                print(f"  run {turn + 1} first answer, {name:8} {times[name][-1]:6.2f} s", flush=True)
            ratio.append(times["instant"][-1] / times["full"][-1])
        self.forget()

    # -- test-restore ------------------------------------------------------------------------------------------------

    def test_restores(self, runs):
        if not re.search(r"^  test-restore ", self.orch("--help", check=0).out, re.MULTILINE):
            print("  this orch has no test-restore: not measured", flush=True)
            return
        times = self.bench.row("test-restore (s)")
        for turn in range(runs):
            begun = time.monotonic()
            self.orch("test-restore", self.vm, check=0, timeout=900)
            times.append(time.monotonic() - begun)
            print(f"  run {turn + 1} test-restore {times[-1]:7.2f} s", flush=True)
