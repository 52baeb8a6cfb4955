#!/usr/bin/python3
"""`./dev campaign N [--seed S]`: N random (fault, moment) pairs on real backups, and what became of the promises.

Each trial starts a backup of a guest that writes all the time, brings one fault over it (faults.py), heals what the fault broke (never what
orch has to put right), and then only waits, starts what its owner finds off, and runs `orch run`. The promises (promises.py) are checked from
outside, the whole time long and at the end.

A moment is a step of the backup, seen to begin in the event stream, or a random time. At a step, every other time, the worker is stopped
until the fault is in, so that it meets the whole fault exactly there. Each fault comes once before any comes twice, and goes through all
steps before it meets one again: as many trials as there are faults times moments try the whole table.

Ends with the table by fault, what was covered, and "N passed, N failed, N skipped".
"""

import argparse
import collections
import os
import random
import statistics
import sys
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, HERE)
from faults import FAULTS, Trial  # noqa: E402
from harness import Disk, Lab, Vm, entry  # noqa: E402
from lab.run import LabError  # noqa: E402
from outside import DaemonOrch, Stream  # noqa: E402
from promises import FREEZE_SLACK_SECONDS, SAMPLE_SECONDS, Promises, Watch  # noqa: E402

THAW_DEADLINE = 10
STEPS = ["open-share", "locate", "repair", "disks", "checks-before", "staging", "pre-commands", "arm", "freeze", "snapshot", "thaw", "copy",
         "commit", "configuration", "read-back", "publish", "retention"]
RANDOM_TIMES = 5  # among a fault's moments
LONGEST_SECONDS = 4.5  # a backup here takes about as long


Row = collections.namedtuple("Row", "number fault moment verdict seconds stood status broken")


class Campaign:
    def __init__(self, lab, orch, seed, fault=None, step=None):
        """fault, step: no others."""
        self.lab, self.orch = lab, orch
        self.faults, self.step = [fault] if fault else sorted(FAULTS), step
        self.promises = Promises(lab, orch)
        self.seed, self.rng = seed, random.Random(seed)
        self.moments = {}
        self.rows, self.met = [], collections.Counter()

    def choose(self, number):
        """(fault, step or seconds or "before", whether the worker is held)."""
        if number % len(self.faults) == 0:
            self.order = self.rng.sample(self.faults, len(self.faults))
        fault = self.order[number % len(self.faults)]
        if FAULTS[fault].before:
            return fault, "before", False
        if self.step:
            return fault, self.step, True
        if not self.moments.get(fault):
            moments = FAULTS[fault].steps or STEPS + [None] * RANDOM_TIMES
            self.moments[fault] = self.rng.sample(moments, len(moments))
        moment = self.moments[fault].pop()
        if moment is None:
            return fault, round(self.rng.uniform(0, LONGEST_SECONDS), 2), False
        return fault, moment, self.rng.random() < 0.5

    def run_one(self, number, fault, moment, hold):
        function = FAULTS[fault]
        guest = self.lab.vm(function.vm)
        watch = Watch(guest, self.orch, THAW_DEADLINE + FREEZE_SLACK_SECONDS + 2 * SAMPLE_SECONDS)
        trial = Trial(self.lab, self.orch, random.Random(f"{self.seed} {number}"), function.vm, watch)
        counted = guest.writer("value")
        broken = []
        struck = time.monotonic()
        parts = function(trial)
        if function.prepared:
            self.strike(parts, fault, broken)
        trial.stream = stream = Stream(self.orch, function.vm, moment, hold)
        watch.start()
        try:
            if function.before:
                self.strike(parts, fault, broken)
            stream.start()
            self.wait_for(stream, moment)
            if not function.before:
                struck = time.monotonic()
                self.met[fault, moment] += isinstance(moment, str) and moment in stream.seen
                self.strike(parts, fault, broken)
            stream.let_go()
            self.strike(parts, fault, broken)
            stream.over.wait(200)
            trial.restart_daemon()
            self.settle(trial, broken)
        finally:
            stream.let_go()
            broken += watch.end()
        seconds = time.monotonic() - struck
        broken += self.promises.check(guest, counted)
        self.tell(Row(number + 1, fault, f"{moment}{' (held)' if stream.held else ''}", stream.result or ("over" if stream.over.is_set() else "no answer"),
                      seconds, watch.longest, watch.slowest, broken))

    @staticmethod
    def wait_for(stream, moment):
        if isinstance(moment, float):
            time.sleep(moment)
        elif moment != "before":
            stream.here.wait(60)

    @staticmethod
    def strike(parts, fault, broken):
        """The next part of a fault."""
        try:
            next(parts, None)
        except (LabError, OSError) as error:  # it found nothing to hit
            print(f"     ({fault}: {' '.join(str(error).split())[-200:]})")
        except AssertionError as error:
            broken.append(str(error))

    def settle(self, trial, broken):
        """Waits for orch to be idle and the guests to be themselves again; asks for nothing that an operator would not ask."""
        if not self.wait_idle(150):
            broken.append("orch does not come to rest")
        trial.start_guests()
        if trial.agent_is_lost():
            print(f"     ({trial.vm.name}: libvirt lost its agent, which its owner starts again)")
        try:
            trial.vm.wait(180)
        except LabError as error:
            broken.append(f"guest: {error}")
        others = [name for name in self.lab.guests if name != trial.vm.name]
        last = self.orch("run", "--all", *(word for name in others for word in ("--exclude", name)), timeout=250)
        if last.status != 0 or f" {trial.vm.name} ok, " not in last.out:
            broken.append(f"the next run needed a hand: exit {last.status}: {last.out[-1500:]} {last.err[-300:]}")

    def wait_idle(self, seconds):
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            if (status := self.orch.ask_status()) and not status["running"] and not status["queued"]:
                return True
            time.sleep(0.2)
        return False

    # -- the report --------------------------------------------------------------------------------------------------

    def tell(self, row):
        self.rows.append(row)
        verdict = "held" if not row.broken else "BROKEN: " + "; ".join(row.broken)
        print(f"{row.number:4} {row.fault:27} {row.moment:20} {row.verdict:10} {row.seconds:6.1f} s {row.stood:6.1f} s {row.status * 1000:7.0f} ms  {verdict}",
              flush=True)

    def summary(self):
        print(f"\n{'fault':27} {'trials':>6} {'steps':>5}  {'seconds to a clean state':24}  {'broken':>6}  verdicts")
        for fault in sorted(FAULTS):
            rows = [r for r in self.rows if r.fault == fault]
            if not rows:
                continue
            seconds = [r.seconds for r in rows]
            spread = f"{min(seconds):.1f} / {statistics.median(seconds):.1f} / {max(seconds):.1f}"
            verdicts = collections.Counter(r.verdict for r in rows)
            steps = sum(1 for (f, _), n in self.met.items() if f == fault and n)
            print(f"{fault:27} {len(rows):6} {steps:5}  {spread:24}  {sum(1 for r in rows if r.broken):6}  "
                  + ", ".join(f"{n} {v}" for v, n in verdicts.most_common()))
        by_step = collections.Counter(moment for (_, moment), n in self.met.items() for _ in range(n))
        print("\nhit in the step: " + ", ".join(f"{step} {by_step[step]}" for step in STEPS))
        pairs = sum(len(f.steps or STEPS) for f in FAULTS.values() if not f.before)
        print(f"pairs of fault and step tried: {sum(1 for n in self.met.values() if n)} of {pairs}; "
              f"longest standstill of a guest that nothing excused {max(r.stood for r in self.rows):.1f} s, "
              f"slowest status {max(r.status for r in self.rows) * 1000:.0f} ms")


def guests(lab):
    """`target` has disks of its own, `roamer` one that all hosts see."""
    images = lab.add_images()
    lab.add_vms([("hypervisor-01", Vm("target", [Disk("vda", filled_mib=40), Disk("vdb", format="raw", size_mib=64, filled_mib=10)], writer=True)),
                 ("hypervisor-01", Vm("roamer", [Disk("vda", size_mib=64, filled_mib=12, path=f"{images.path}/roamer-vda.qcow2")], writer=True))])
    lab.vm("target").control("tr '\\0' y < /dev/zero | dd of=/data/vdb/big bs=1M count=12 iflag=fullblock conv=fsync 2>/dev/null")


def run(binary, count, seed, skip=0, **only):
    """How many trials held all promises, and how many did not, on a lab of their own."""
    settings = {"limits": {"thaw_deadline_seconds": THAW_DEADLINE, "copy_stall_seconds": 60, "bandwidth_mib_s": 20},
                "checks": {"hypervisor_free_gib": 2, "hypervisor_low_water_gib": 1}}
    with Lab.create(f"campaign-{os.getpid()}", hosts=2, disk_gib=20) as lab, DaemonOrch(lab, binary, settings=settings) as orch:
        guests(lab)
        vms = [entry(name, "hypervisor-01", keep_last=3, min_points=1) for name in ("target", "roamer")]
        for vm in vms:
            del vm["retention_weeks"]
        orch.write_inventory(vms)
        orch.repository_init()
        orch.start_daemon()
        orch("run", "--all", check=0)
        campaign = Campaign(lab, orch, seed, **only)
        for number in range(skip + count):
            chosen = campaign.choose(number)
            if number >= skip:
                campaign.run_one(number, *chosen)
        campaign.summary()
        broken = sum(1 for r in campaign.rows if r.broken)
        print(f"\nseed {seed}: {count} trials, promises broken in {broken}")
        return count - broken, broken


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--orch", required=True)
    parser.add_argument("--seed", type=int, default=int(time.time()))
    parser.add_argument("--fault", choices=sorted(FAULTS), help="this one alone")
    parser.add_argument("--step", choices=STEPS, help="at this step alone, with the worker held there")
    parser.add_argument("--skip", type=int, default=0, help="begin behind so many of the seed's trials")
    parser.add_argument("count", type=int)
    options = parser.parse_args()
    print(f"{'':4} {'fault':27} {'at':20} {'verdict':10} {'clean':>8} {'stood':>8} {'status':>10}  promises", flush=True)
    held, broken = run(options.orch, options.count, options.seed, options.skip, fault=options.fault, step=options.step)
    print(f"{held} passed, {broken} failed, 0 skipped")
    sys.exit(1 if broken else 0)


if __name__ == "__main__":
    main()
