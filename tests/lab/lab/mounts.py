"""Loop devices, mounts, and mounting into another mount namespace.

`attach` puts a mount of the machine into a host as a mount of its own (the same file system, a separate mount point), the
way an NFS export is mounted by each of its clients: unmounting one leaves the others.
"""

import ctypes
import json
import os
import re

from .run import LabError, out, run

_libc = ctypes.CDLL(None, use_errno=True)
_OPEN_TREE, _MOVE_MOUNT = 428, 429  # the same numbers on every architecture
_AT_FDCWD, _OPEN_TREE_CLONE, _MOVE_MOUNT_F_EMPTY_PATH = -100, 1, 4


def make_image(path, mib, label):
    """A sparse file with an ext4 in it."""
    with open(path, "w") as f:
        f.truncate(mib * 1024 * 1024)
    run(["mkfs.ext4", "-q", "-F", "-m", "0", "-L", label, "-E", "lazy_itable_init=1,lazy_journal_init=1,nodiscard", path])


def loop_attach(path, read_only=False):
    return out(["losetup", "--find", "--show", *(["--read-only"] if read_only else []), path]).strip()


def loops_under(folder):
    """Loop devices whose file is (or was) below folder."""
    devices = json.loads(out(["losetup", "--list", "--json"]) or '{"loopdevices":[]}')["loopdevices"]
    inside = folder.rstrip("/") + "/"
    return [d["name"] for d in devices if (d.get("back-file") or "").startswith(inside)]


def loop_detach(device):
    run(["losetup", "--detach", device], check=False)


def mount_points_under(folder, pid="self"):
    """Mount points at or below folder, deepest last."""
    with open(f"/proc/{pid}/mountinfo") as f:
        points = [re.sub(r"\\(\d{3})", lambda m: chr(int(m.group(1), 8)), line.split()[4]) for line in f]
    return [p for p in points if p == folder or p.startswith(folder.rstrip("/") + "/")]


def unmount_under(folder):
    for point in reversed(mount_points_under(folder)):
        if run(["umount", point], check=False).returncode != 0:
            run(["umount", "--lazy", point], check=False)


def in_namespaces(pid, kinds, work):
    """Run work() in a child that has entered the given namespaces of a process; LabError with its message if it raises."""
    read, write = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            fds = [os.open(f"/proc/{pid}/ns/{kind}", os.O_RDONLY) for kind in kinds]
            for fd in fds:
                if _libc.setns(fd, 0) != 0:
                    raise OSError(ctypes.get_errno(), "setns")
            work()
            os._exit(0)
        except BaseException as e:
            os.write(write, str(e).encode()[:4000])
            os._exit(1)
    os.close(write)
    with os.fdopen(read, "rb") as f:
        said = f.read().decode(errors="replace")
    _, status = os.waitpid(child, 0)
    if status != 0:
        raise LabError(f"in namespaces of process {pid}: {said}")


def attach(source, pid, target):
    """Mount what is mounted (or the file that is) at source at target inside the mount namespace of pid."""
    tree = _syscall("open_tree", _OPEN_TREE, _AT_FDCWD, source.encode(), _OPEN_TREE_CLONE | os.O_CLOEXEC)
    is_dir = os.path.isdir(source)

    def work():
        if is_dir:
            os.makedirs(target, exist_ok=True)
        elif not os.path.exists(target):
            os.makedirs(os.path.dirname(target), exist_ok=True)
            with open(target, "w"):
                pass
        _syscall("move_mount", _MOVE_MOUNT, tree, b"", _AT_FDCWD, target.encode(), _MOVE_MOUNT_F_EMPTY_PATH)

    try:
        in_namespaces(pid, ["mnt"], work)
    finally:
        os.close(tree)


def detach(pid, target, lazy=False):
    run(["nsenter", "-t", str(pid), "-m", "umount", *(["--lazy"] if lazy else []), target])


def _syscall(name, number, *args):
    got = _libc.syscall(ctypes.c_long(number), *[ctypes.c_long(a) if isinstance(a, int) else a for a in args])
    if got < 0:
        code = ctypes.get_errno()
        raise LabError(f"{name}: {os.strerror(code)}")
    return got
