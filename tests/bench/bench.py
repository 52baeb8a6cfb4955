#!/usr/bin/python3
"""`./dev bench`: orch against other ways to do the same, side by side in one run on one laboratory, each to durable data.

    (a) orch backup vm                     verified, published, catalogued
    (b) virtnbdbackup -l copy              on the hypervisor, to the same share, unverified
    (c) the bare limit                     snapshot + qemu-img convert + blockcommit + openssl dgst, by hand on the hypervisor

The guest has a disk with 2 GiB of data that does not compress. The three take turns, run by run, so that a noisy machine is noisy for all;
each run ends with `sync -f` of the share inside the measured time. Then a guest with an empty disk (fixed cost), the freeze windows, and
peak memory. Then the way back: restores.py. Prints medians and ratios of medians, and writes them as JSON (bench.json, or --json FILE);
a run that breaks off prints the rows that it got to.
"""

import argparse
import glob
import json
import os
import shutil
import statistics
import subprocess
import sys
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(os.path.dirname(HERE), "integration"))
import restores  # noqa: E402
from harness import Disk, Lab, Orch, Vm, entry  # noqa: E402

GUESTS = ("large", "empty")
AIMS = {"orch / virtnbdbackup": 0.8, "orch / bare limit": 1.10, "fixed cost (s)": 1.0, "freeze window (ms)": 150,
        "daemon peak (MiB)": 32, "worker peak (MiB)": 48, **restores.AIMS}


def timed(work):
    begun = time.monotonic()
    work()
    return time.monotonic() - begun


class Bench:
    def __init__(self, lab, orch, runs, warm_up=True):
        self.lab, self.orch, self.runs = lab, orch, runs
        self.turns = range(0 if warm_up else 1, runs + 1)  # turn 0 warms caches up and does not count
        self.host = lab.host("hypervisor-01")
        self.share = lab.share.path
        self.numbers = {}

    def keep(self, points):
        """Writes the inventory: how many points of a guest are kept. A backup that may keep two removes none, which is not what is measured."""
        rules = {"retention_weeks": None, "keep_last": points, "min_points": 1}
        self.orch.write_inventory([{k: v for k, v in {**entry(name, "hypervisor-01"), **rules}.items() if v is not None} for name in GUESTS])

    def settle(self):
        """Every run starts from a share that holds of each guest its newest point alone, and without dirty pages. The points are removed by
        orch: one whose folder vanishes behind its daemon's back would be reported as damaged."""
        for path in glob.glob(os.path.join(self.share, "bench-*")):
            shutil.rmtree(path)
        self.keep(1)
        self.orch("prune", "--yes", check=0)
        self.keep(2)
        subprocess.run(["sync", "-f", self.share], check=True)
        subprocess.run(["sync"], check=True)

    def by_orch(self, vm):
        self.orch("backup", "vm", vm, check=0, timeout=900)
        subprocess.run(["sync", "-f", self.share], check=True)

    def by_virtnbdbackup(self, vm):
        # Its NBD socket is in the guest's QEMU's reach; everything it writes goes to the share, as orch's copy does.
        self.host.shell(f"virtnbdbackup -U qemu:///system -d {vm} -l copy -o {self.share}/bench-nbd >/tmp/bench-nbd.log 2>&1 && sync -f {self.share}",
                        timeout=900)
        self.host.shell("rm -rf /tmp/bench-nbd.log /tmp/virtnbdbackup*")

    def by_hand(self, vm):
        base = f"/var/lib/libvirt/images/{vm}-vda.qcow2"
        self.host.shell(f"""set -e; mkdir -p {self.share}/bench-bare; out={self.share}/bench-bare/{vm}-vda.qcow2
            virsh domfsfreeze {vm} >/dev/null
            virsh snapshot-create-as {vm} --disk-only --atomic --no-metadata --diskspec vda,file={base}.bench >/dev/null || s=1
            virsh domfsthaw {vm} >/dev/null; [ -z "$s" ]
            qemu-img convert -W -m 16 -f qcow2 -O qcow2 {base} $out; sync $out
            virsh blockcommit {vm} vda --base {base} --top {base}.bench --active --pivot --wait >/dev/null
            rm {base}.bench; openssl dgst -sha256 $out >/dev/null; sync -f {self.share}""", timeout=900)

    def sides(self, vm):
        ways = {"orch": self.by_orch, "virtnbdbackup": self.by_virtnbdbackup, "bare limit": self.by_hand}
        times = {name: self.row(f"{name} (s)") for name in ways}
        ratios = {name: self.row(f"orch / {name}") for name in ways if name != "orch"}
        for turn in self.turns:
            for name, way in ways.items():
                self.settle()
                seconds = timed(lambda: way(vm))
                if turn > 0:
                    times[name].append(seconds)
                    print(f"  run {turn} {name:14} {seconds:7.2f} s", flush=True)
            for name, ratio in ratios.items() if turn > 0 else []:
                ratio.append(times["orch"][-1] / times[name][-1])

    def row(self, name):
        """The values of a row of the table, to be filled as they come: a run that breaks off has those that it got to."""
        return self.numbers.setdefault(name, [])

    def fixed_cost(self, vm):
        times, freezes = self.row("fixed cost (s)"), self.row("freeze window (ms)")
        for turn in self.turns:
            self.settle()
            seconds = timed(lambda: self.by_orch(vm))
            newest = self.orch.json("list", vm)[0]
            if turn > 0:
                times.append(seconds)
                freezes.append(newest["freeze_milliseconds"])

    def memory(self, vm):
        """Peak resident memory: the daemon's from its own status, the worker's sampled during a backup of the large disk."""
        peak = 0
        client = self.orch.popen("backup", "vm", vm, stdout=subprocess.DEVNULL)
        while client.poll() is None:
            for path in glob.glob(f"/proc/{self.orch.daemon.pid}/task/*/children"):
                for pid in open(path).read().split():
                    peak = max(peak, high_water_kib(pid))
            time.sleep(0.01)
        self.numbers["worker peak (MiB)"] = [peak / 1024]
        self.numbers["daemon peak (MiB)"] = [high_water_kib(self.orch.daemon.pid) / 1024]


def high_water_kib(pid):
    try:
        with open(f"/proc/{pid}/status") as f:
            return next((int(line.split()[1]) for line in f if line.startswith("VmHWM:")), 0)
    except OSError:
        return 0


def report(numbers, path):
    print(f"\n{'':28} {'median':>9} {'min':>9} {'max':>9}   aim")
    for name, values in numbers.items():
        if not values:
            print(f"{name:40} {'-':>9}")
            continue
        aim = AIMS.get(name)
        median = statistics.median(values)
        verdict = "" if aim is None else f"≤ {aim:g}  {'met' if median <= aim else 'MISSED'}"
        print(f"{name:40} {median:9.2f} {min(values):9.2f} {max(values):9.2f}   {verdict}")
    result = {name: {"median": statistics.median(values), "values": values, "aim": AIMS.get(name)}
              for name, values in numbers.items() if values}
    with open(path, "w") as f:
        json.dump(result, f, indent=2)
        f.write("\n")
    if path != os.devnull:
        print(f"\nwritten to {path}")


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--orch", required=True)
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--filled-mib", type=int, default=2048)
    parser.add_argument("--json", default="bench.json")
    parser.add_argument("--restores-only", action="store_true", help="leave the backups' half out")
    parser.add_argument("--smoke", action="store_true", help="one run on tiny disks: whether the bench goes through, whatever the numbers")
    options = parser.parse_args()
    if options.smoke:
        options.runs, options.filled_mib, options.json = 1, 24, os.devnull
    print(f"laboratory: one hypervisor, a guest with {options.filled_mib} MiB of data, one with an empty disk", flush=True)
    with Lab.create(f"bench-{os.getpid()}", hosts=1, share_mib=4 * options.filled_mib + 2048) as lab, \
            Orch(lab, options.orch, settings={"checks": {"repository_free_factor": 1}}) as orch:
        size = options.filled_mib * 5 // 4
        lab.add_vms([("hypervisor-01", Vm("large", [Disk("vda", size_mib=size, filled_mib=options.filled_mib)])),
                     ("hypervisor-01", Vm("empty", [Disk("vda")]))])
        bench = Bench(lab, orch, options.runs, warm_up=not options.smoke)
        bench.keep(2)
        orch.repository_init()
        orch.start_daemon()
        try:
            if options.restores_only:
                bench.by_orch("large")
            else:
                bench.sides("large")
                bench.fixed_cost("empty")
                bench.memory("large")
            restores.Restores(bench, "large").run(options.runs)
        finally:
            report(bench.numbers, options.json)
    missing = [name for name, values in bench.numbers.items() if not values]
    if options.smoke:
        print(f"{len(bench.numbers) - len(missing)} passed, {len(missing)} failed, 0 skipped")
    sys.exit(1 if missing else 0)


if __name__ == "__main__":
    main()
