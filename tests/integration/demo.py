#!/usr/bin/python3
"""`./dev demo`: two hypervisors with three running guests, one `orch run`, and what it left behind. Cleans up after itself."""

import argparse
import os
import subprocess
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, HERE)
from harness import Lab, Orch, entry  # noqa: E402

INVENTORY = [
    entry("prod-db-01", "hypervisor-01", priority=1),
    entry("asav-firewall-01", "hypervisor-02", method="snapshot", priority=2),
    entry("web-01", "hypervisor-02", priority=6, retention_weeks=6),
]


def say(text):
    print(f"\n\033[1m== {text}\033[0m" if sys.stdout.isatty() else f"\n== {text}", flush=True)


def show(orch, *args):
    print(f"$ orch {' '.join(args)}", flush=True)
    return subprocess.run(orch.command(*args), check=False).returncode


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--orch", required=True)
    options = parser.parse_args()
    say("the laboratory: two hypervisors (sshd, libvirtd) with three running guests, and a share")
    with Lab.create(f"demo-{os.getpid()}", hosts=2, demo=True) as lab, Orch(lab, options.orch) as orch:
        for guest in lab.guests.values():
            print(f"  {guest.name:18} on {guest.host.name} ({guest.host.address}): {guest.state()}, disks {', '.join(d.target for d in guest.spec.disks)}")
        orch.write_inventory(INVENTORY)
        say("one-time set-up")
        show(orch, "config", "check")
        show(orch, "repository", "init")
        orch.start_daemon()
        show(orch, "schedule")
        say("the main job, as Bacula calls it")
        status = show(orch, "run", "--all")
        say("what there is now")
        show(orch, "list")
        show(orch, "status")
        points = orch.json("list")
        folder = orch.point_folder(next(p for p in points if p["vm"] == "prod-db-01"))
        say(f"one restore point: {os.path.relpath(folder, lab.share.path)}")
        subprocess.run(["ls", "-l", folder], check=True)
        subprocess.run(["sha256sum", "-c", "checksums.sha256"], cwd=folder, check=True)
        say("the guests afterwards: on their own disks, thawed, writing")
        for guest in lab.guests.values():
            frozen = guest.frozen() if guest.spec.agent else "no agent"
            print(f"  {guest.name:18} {guest.state():8} frozen: {frozen}  {guest.disk_paths()}")
        say("cleaning up")
    return status


if __name__ == "__main__":
    sys.exit(main())
