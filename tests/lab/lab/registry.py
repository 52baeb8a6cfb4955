"""Which labs exist on this machine: one small file each under /run/orch-lab, written before anything else is made.

An entry holds the prefix, the run directory, the network number (0..54: 10.(200+n).0.0/24, and the suffix of every interface
and namespace name) and the owner: the process for which the lab lives, or nobody. All changes happen under one lock, so
two labs never take the same prefix or number.
"""

import contextlib
import fcntl
import json
import os
import re

from .run import LabError, alive, identity, out, read_json, write_atomic

HOME = "/run/orch-lab"
NUMBERS = range(0, 55)


@contextlib.contextmanager
def locked(name="lock"):
    os.makedirs(HOME, exist_ok=True)
    with open(os.path.join(HOME, name), "w") as f:
        fcntl.flock(f, fcntl.LOCK_EX)
        yield


def collecting():
    """Held while dead labs are removed: one remover at a time."""
    return locked("gc-lock")


def path(prefix):
    return os.path.join(HOME, f"{prefix}.json")


def get(prefix):
    return read_json(path(prefix))


def entries():
    if not os.path.isdir(HOME):
        return []
    found = (read_json(os.path.join(HOME, f)) for f in sorted(os.listdir(HOME)) if f.endswith(".json"))
    return [e for e in found if e]


def claim(prefix, run_dir):
    """Enter a new lab, owned by this process while it is being built; LabError where the prefix is taken or no network is free."""
    if not re.fullmatch(r"[a-z0-9][a-z0-9-]{0,19}", prefix):
        raise LabError(f"prefix {prefix!r}: up to 20 of a-z 0-9 -, beginning with a letter or digit")
    with locked():
        if get(prefix):
            raise LabError(f"there is a lab {prefix!r} already: labctl --prefix {prefix} down")
        taken = {e["number"] for e in entries()}
        addresses = out(["ip", "-o", "-4", "address"]) + out(["ip", "-4", "route"])
        number = next((n for n in NUMBERS if n not in taken and f" 10.{200 + n}." not in f" {addresses}"
                       and f"\n10.{200 + n}." not in addresses), None)
        if number is None:
            raise LabError("no free network between 10.200 and 10.254: labctl gc removes what dead labs left")
        entry = {"prefix": prefix, "run_dir": run_dir, "number": number, "owner": identity(os.getpid())}
        write_atomic(path(prefix), json.dumps(entry))
        return entry


def finished(entry, owner):
    """The lab is whole: from now on it lives for owner (a pid), or until `down` (None)."""
    entry["owner"] = identity(owner) if owner else None
    with locked():
        write_atomic(path(entry["prefix"]), json.dumps(entry))


def release(prefix):
    with locked(), contextlib.suppress(FileNotFoundError):
        os.unlink(path(prefix))


def orphaned(entry):
    """True when the lab's owner is gone, or when it has none and its run directory is."""
    return not alive(entry["owner"]) if entry["owner"] else not os.path.isdir(entry["run_dir"])
