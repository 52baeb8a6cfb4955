"""First process of a light host: builds its root, enters it, then only reaps.

Runs as pid 1 of new mount, uts, ipc and pid namespaces, inside the host's network namespace. The root is an overlay:
below it the machine's own root file system (so its libvirt and QEMU are there), above it the host's disk. What the host
shares with the machine is /dev; /proc, /sys, /run, /tmp are new. It says "ok" on standard output when the host may be used.

argv: NAME DIR GUEST-IMAGE-DIR
"""

import ctypes
import json
import os
import signal
import subprocess
import sys

MNT_DETACH = 2
libc = ctypes.CDLL(None, use_errno=True)


def mount(*args):
    subprocess.run(["mount", *args], check=True)


def build(root, disk, image):
    mount("-t", "overlay", "overlay", "-o", f"lowerdir=/,upperdir={disk}/upper,workdir={disk}/work", root)
    mount("-t", "proc", "proc", f"{root}/proc")
    mount("-t", "sysfs", "sysfs", f"{root}/sys")
    mount("-t", "devtmpfs", "devtmpfs", f"{root}/dev")
    mount("-t", "devpts", "-o", "newinstance,ptmxmode=0666,mode=0620,gid=5", "devpts", f"{root}/dev/pts")
    for folder, mode in [("dev/shm", "1777"), ("run", "0755"), ("tmp", "1777")]:
        mount("-t", "tmpfs", "-o", f"mode={mode}", "tmpfs", f"{root}/{folder}")
    for folder in ["run/lock", "run/sshd", "run/libvirt"]:
        os.makedirs(f"{root}/{folder}", mode=0o755)
    mount("--bind", f"{disk}/libvirt", f"{root}/var/lib/libvirt")
    os.makedirs(f"{root}/var/lib/libvirt/boot", exist_ok=True)
    mount("--bind", image, f"{root}/var/lib/libvirt/boot")
    mount("-o", "remount,bind,ro", f"{root}/var/lib/libvirt/boot")


def enter(root):
    os.chdir(root)
    if libc.pivot_root(b".", b".") != 0:
        raise OSError(ctypes.get_errno(), "pivot_root")
    if libc.umount2(b".", MNT_DETACH) != 0:
        raise OSError(ctypes.get_errno(), "umount of the old root")
    os.chdir("/")


def main():
    name, folder, image = sys.argv[1:]
    pid = int(os.readlink("/proc/self"))  # /proc is still the machine's: this is the pid as the machine counts
    with open("/proc/self/stat") as f:
        start = int(f.read().rpartition(")")[2].split()[19])
    with open(f"{folder}/init.json.tmp", "w") as f:
        json.dump({"pid": pid, "start": start}, f)
    os.rename(f"{folder}/init.json.tmp", f"{folder}/init.json")
    build(f"{folder}/root", f"{folder}/disk", image)
    libc.sethostname(name.encode(), len(name))
    enter(f"{folder}/root")
    signal.signal(signal.SIGTERM, lambda *_: os._exit(0))
    print("ok", flush=True)
    null = os.open("/dev/null", os.O_RDWR)
    for fd in (0, 1):
        os.dup2(null, fd)
    signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGCHLD])
    while True:
        try:
            os.wait()
        except ChildProcessError:
            signal.sigtimedwait([signal.SIGCHLD], 1)


main()
