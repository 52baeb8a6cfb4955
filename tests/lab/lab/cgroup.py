"""The control groups of a full host: one group of its name in every hierarchy of the machine (made by launch_full.sh)."""

import contextlib
import glob
import os


def groups(name):
    return [g for g in [f"/sys/fs/cgroup/{name}", *glob.glob(f"/sys/fs/cgroup/*/{name}")] if os.path.isdir(g)]


def pids(number):
    """Every process in a control group of a network's hosts."""
    found = set()
    for group in numbered(number):
        for folder, _, _ in os.walk(group):
            with contextlib.suppress(OSError), open(os.path.join(folder, "cgroup.procs")) as f:
                found.update(map(int, f.read().split()))
    return found


def numbered(number):
    name = f"orchlab-{number}-*"
    return glob.glob(f"/sys/fs/cgroup/{name}") + glob.glob(f"/sys/fs/cgroup/*/{name}")


def remove(name):
    """Remove them, once no process is left in them; a group that is still busy stays."""
    for group in groups(name):
        for folder, _, _ in os.walk(group, topdown=False):
            try:
                os.rmdir(folder)
            except OSError:
                pass


def remove_numbered(number):
    """Those of every host of a network number."""
    for name in {os.path.basename(g) for g in numbered(number)}:
        remove(name)
