#!/usr/bin/python3
"""`./dev campaign N [--seed S]`: N random (fault, moment) pairs on real backups, and what became of the promises.

Each trial starts a backup of a guest that writes all the time, brings one fault over it at a random step (seen in the event stream) or at a
random time, heals what the fault broke (never what orch has to put right), and then only waits and asks. The promises are checked from
outside: nothing frozen, every disk on its own file, nothing of orch left on the hypervisor, every listed point whole, the daemon answering,
and a last `orch backup vm` that needs no hand. The counting writer proves that no durable write of the guest was lost.

Ends with a table and with "N passed, N failed, N skipped".
"""

import argparse
import http.client
import json
import os
import random
import signal
import socket
import subprocess
import sys
import threading
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, HERE)
from harness import Disk, Lab, Orch, Vm, entry  # noqa: E402
from lab.run import LabError  # noqa: E402

THAW_DEADLINE = 10
MOMENTS = ["locate", "checks-before", "staging", "arm", "freeze", "snapshot", "thaw", "copy", "commit", "configuration", "read-back", "publish", "retention"]


class UnixConnection(http.client.HTTPConnection):
    def __init__(self, path):
        super().__init__("orch")
        self.socket_path = path

    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.connect(self.socket_path)


class Stream(threading.Thread):
    """The event stream of one backup, as a client of the control API sees it."""

    def __init__(self, orch, vm):
        super().__init__(daemon=True)
        self.orch, self.vm = orch, vm
        self.seen, self.result, self.job, self.over = set(), None, None, threading.Event()

    def run(self):
        try:
            connection = UnixConnection(self.orch.socket)
            connection.request("POST", "/v1/backup", json.dumps({"vms": [self.vm], "wait": True}), {"Content-Type": "application/json"})
            for line in connection.getresponse():
                event = json.loads(line)
                self.job = event.get("job") or self.job
                if event.get("event") == "step" and event["state"] == "begin":
                    self.seen.add(event["step"])
                if event.get("event") == "result":
                    self.result = event["status"]
        except (OSError, ValueError, http.client.HTTPException):
            pass  # the daemon went away: its restart is part of the trial
        self.over.set()

    def wait_for_step(self, step, timeout=30):
        end = time.monotonic() + timeout
        while time.monotonic() < end and step not in self.seen and not self.over.is_set():
            time.sleep(0.002)


class Trial:
    """What faults may use. A fault is a method `fault_*`; it returns what heals it, or None."""

    def __init__(self, lab, orch, rng):
        self.lab, self.orch, self.rng = lab, orch, rng
        self.vm, self.host = lab.vm("target"), lab.host("hypervisor-01")

    def worker_pids(self):
        try:
            with open(f"/proc/{self.orch.daemon.pid}/task/{self.orch.daemon.pid}/children") as f:
                return [int(p) for p in f.read().split()]
        except OSError:
            return []

    def fault_kill_worker(self):
        for pid in self.worker_pids():
            os.kill(pid, signal.SIGKILL)

    def fault_kill_daemon_and_worker(self):
        pids = [self.orch.daemon.pid, *self.worker_pids()]
        for pid in pids:
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                pass
        self.orch.daemon.wait()
        return self.restart_daemon

    def fault_kill_all_and_cut(self):
        self.host.cut()
        self.fault_kill_daemon_and_worker()
        time.sleep(2)

        def heal():
            self.host.heal()
            self.restart_daemon()
        return heal

    def fault_terminate_daemon(self):
        self.orch.stop_daemon()
        return self.restart_daemon

    def restart_daemon(self):
        self.orch.daemon = None
        self.orch.start_daemon()

    def fault_cut_network_10_s(self):
        self.host.cut()
        time.sleep(10)
        self.host.heal()

    def fault_cut_network_until_job_ends(self):
        self.host.cut()
        return self.host.heal

    def fault_kill_sshd_sessions(self):
        for pid in self.host.pids_of("sshd"):
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                pass
        self.host.restart("sshd")

    def fault_kill_libvirtd(self):
        self.host.kill_proc("libvirtd")
        time.sleep(self.rng.uniform(0, 2))
        self.host.restart("libvirtd")

    def fault_stop_libvirtd_8_s(self):
        self.host.stop_proc("libvirtd")
        time.sleep(8)
        self.host.cont_proc("libvirtd")

    def fault_stop_qemu_6_s(self):
        self.host.stop_proc("qemu:target")
        time.sleep(6)
        self.host.cont_proc("qemu:target")

    def fault_kill_qemu(self):
        self.host.kill_proc("qemu:target")
        return self.start_guest

    def fault_guest_powers_off(self):
        self.vm.control("poweroff -f", check=False, timeout=2)
        return self.start_guest

    def start_guest(self):
        if self.vm.state() == "shut off":
            self.host.exec("virsh", "-q", "start", "target", check=False)

    def fault_mute_agent(self):
        self.vm.stop_agent()
        return self.vm.cont_agent

    def fault_kill_agent(self):
        self.vm.kill_agent()
        return self.vm.start_agent

    def fault_share_full(self):
        for _ in range(3):  # a backup writes at the same time: what is left is taken again
            try:
                self.lab.share.fill(0)
            except OSError:
                pass
        return self.lab.share.unfill

    def fault_share_hangs_8_s(self):
        self.lab.share.hang()
        time.sleep(8)
        self.lab.share.unhang()

    def fault_host_disk_full(self):
        self.host.fill(4)
        return self.host.unfill

    def fault_catalog_deleted(self):
        os.unlink(os.path.join(self.lab.share.path, "metadata", "backup-catalog.db"))

    def fault_cancel(self):
        subprocess.run(self.orch.command("cancel", self.stream.job or "none"), capture_output=True, env=self.orch.environment(), check=False)

    def fault_second_orchestrator(self):
        other = Orch(self.lab, self.orch.binary, name="second")
        with open(self.orch.inventory) as f, open(other.inventory, "w") as g:
            g.write(f.read())
        with other:
            other.start_daemon()
            refused = other("backup", "vm", "target", timeout=60)
            if refused.status != 4:
                raise AssertionError(f"a second orchestrator was not refused: {refused}")


FAULTS = sorted(name.removeprefix("fault_") for name in dir(Trial) if name.startswith("fault_"))


class Campaign:
    def __init__(self, lab, orch, seed):
        self.lab, self.orch = lab, orch
        self.rng = random.Random(seed)
        self.rows = []

    def choose(self, number):
        """Each fault comes once before any comes twice."""
        if number % len(FAULTS) == 0:
            self.order = self.rng.sample(FAULTS, len(FAULTS))
        moment = self.rng.choice(MOMENTS) if self.rng.random() < 0.7 else round(self.rng.uniform(0, 4), 2)
        return self.order[number % len(FAULTS)], moment

    def run_one(self, number):
        fault, moment = self.choose(number)
        trial = Trial(self.lab, self.orch, self.rng)
        broken = []
        counted = trial.vm.writer("value")
        trial.stream = stream = Stream(self.orch, "target")
        stream.start()
        if isinstance(moment, str):
            stream.wait_for_step(moment)
        else:
            time.sleep(moment)
        struck = time.monotonic()
        heal = self.strike(trial, fault, broken)
        stream.over.wait(150)
        if heal:
            heal()
        if self.orch.daemon is None or self.orch.daemon.poll() is not None:
            trial.restart_daemon()
        self.settle(trial, broken)
        clean = time.monotonic() - struck
        self.check(trial, counted, broken)
        row = (number + 1, fault, str(moment), stream.result or ("over" if stream.over.is_set() else "no answer"), clean, broken)
        self.rows.append(row)
        print(f"{row[0]:4} {fault:28} {row[2]:14} {row[3]:10} {clean:6.1f} s  {'held' if not broken else 'BROKEN: ' + '; '.join(broken)}", flush=True)

    @staticmethod
    def strike(trial, fault, broken):
        try:
            return getattr(trial, "fault_" + fault)()
        except (LabError, OSError) as error:  # the fault found nothing to hit any more
            print(f"     ({fault}: {error})")
        except AssertionError as error:
            broken.append(str(error))
        return None

    def settle(self, trial, broken):
        """Waits for orch to be idle and the guest to be itself again; asks for nothing that an operator would not ask."""
        end = time.monotonic() + 150
        while time.monotonic() < end:
            begun = time.monotonic()
            status = self.orch("status", "--json", timeout=60)
            if time.monotonic() - begun > 3:  # one second promised; the sanitizer build on a busy machine gets three
                broken.append(f"status took {time.monotonic() - begun:.1f} s")
            told = json.loads(status.out) if status.status == 0 else None
            if told and not told["running"] and not told["queued"]:
                break
            time.sleep(0.2)
        else:
            broken.append("orch does not come to rest")
        if trial.vm.state() == "shut off":
            trial.start_guest()
        try:
            trial.vm.wait(40)
        except LabError as error:
            broken.append(f"guest: {error}")
        last = self.orch("backup", "vm", "target", timeout=200)
        if last.status != 0:
            broken.append(f"the next backup needed a hand: exit {last.status}: {last.out[-300:]} {last.err[-300:]}")

    def check(self, trial, counted, broken):
        try:
            if trial.vm.frozen():
                broken.append("frozen")
            for target, path in trial.vm.disk_paths().items():
                if path != f"/var/lib/libvirt/images/target-{target}.{'raw' if target == 'vdb' else 'qcow2'}":
                    broken.append(f"{target} is on {path}")
            before = trial.vm.writer("value")
            if before < counted:
                broken.append(f"durable writes were lost: the counter fell from {counted} to {before}")
            time.sleep(0.5)
            if trial.vm.writer("value") <= before:
                trial.vm.writer("start")
                time.sleep(0.5)
                if trial.vm.writer("value") <= before:
                    broken.append("the guest does not write")
            traces = trial.host.orch_traces()
            if traces:
                broken.append(f"left on the hypervisor: {traces}")
        except LabError as error:
            broken.append(str(error))
        self.check_points(broken)
        if len(trial.worker_pids()) > 0:
            time.sleep(1)
            if trial.worker_pids():
                broken.append("a worker was leaked")

    def check_points(self, broken):
        listed = {p["path"] for p in self.orch.json("list", "target") if p["status"] == "ok"}
        folders = {os.path.relpath(p, self.lab.share.path) for p in self.orch.published()}
        if listed != folders:
            broken.append(f"listed and published differ: {sorted(listed ^ folders)}")
        for path in sorted(folders)[-2:]:
            folder = os.path.join(self.lab.share.path, path)
            checked = subprocess.run(["sha256sum", "--quiet", "-c", "checksums.sha256"], cwd=folder, capture_output=True, text=True, check=False)
            images = [subprocess.run(["qemu-img", "check", "-q", os.path.join(folder, name)], capture_output=True, check=False).returncode
                      for name in os.listdir(folder) if name.endswith(".qcow2")]
            if checked.returncode or any(images):
                broken.append(f"{path} is not whole: {checked.stdout}{checked.stderr}")
        stale = subprocess.run(["find", self.lab.share.path, "-name", ".staging-*"], capture_output=True, text=True, check=True).stdout
        if stale:
            broken.append(f"staging left: {stale.strip()}")


def run(binary, count, seed):
    """(held, broken) of a campaign on a lab of its own."""
    settings = {"limits": {"thaw_deadline_seconds": THAW_DEADLINE, "copy_stall_seconds": 60, "bandwidth_mib_s": 20},
                "checks": {"hypervisor_free_gib": 2, "hypervisor_low_water_gib": 1}}
    with Lab.create(f"campaign-{os.getpid()}", hosts=2, disk_gib=20) as lab, Orch(lab, binary, settings=settings) as orch:
        lab.add_vm("hypervisor-01", Vm("target", [Disk("vda", filled_mib=40), Disk("vdb", format="raw", size_mib=64, filled_mib=10)], writer=True))
        orch.write_inventory([entry("target", "hypervisor-01", keep_last=3, min_points=1)])
        orch.repository_init()
        orch.start_daemon()
        orch("backup", "vm", "target", check=0)
        campaign = Campaign(lab, orch, seed)
        for number in range(count):
            campaign.run_one(number)
        broken = [r for r in campaign.rows if r[5]]
        print(f"\nseed {seed}: {len(campaign.rows)} trials, promises held in {len(campaign.rows) - len(broken)}, broken in {len(broken)}; "
              f"slowest to a clean state {max(r[4] for r in campaign.rows):.1f} s")
        return len(campaign.rows) - len(broken), len(broken)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--orch", required=True)
    parser.add_argument("--seed", type=int, default=int(time.time()))
    parser.add_argument("count", type=int)
    options = parser.parse_args()
    print(f"{'':4} {'fault':28} {'at':14} {'verdict':10} {'clean':>8}  promises", flush=True)
    held, broken = run(options.orch, options.count, options.seed)
    print(f"{held} passed, {broken} failed, 0 skipped")
    sys.exit(1 if broken else 0)


if __name__ == "__main__":
    main()
