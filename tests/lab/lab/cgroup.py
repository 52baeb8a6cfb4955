"""The control groups of a full host: one group of its name in every hierarchy of the machine (made by launch_full.sh)."""

import glob
import os


def groups(name):
    return [g for g in [f"/sys/fs/cgroup/{name}", *glob.glob(f"/sys/fs/cgroup/*/{name}")] if os.path.isdir(g)]


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
    for name in {os.path.basename(g) for g in glob.glob(f"/sys/fs/cgroup/orchlab-{number}-*") + glob.glob(f"/sys/fs/cgroup/*/orchlab-{number}-*")}:
        remove(name)
