"""The root of full hosts: a Debian 13 with systemd, OpenSSH, libvirt and QEMU, made once with debootstrap and kept in the cache.

It is only ever the lower layer of overlays: no host writes to it. Its name holds a digest of what it is made of, so a change of the
package list makes a new one. The mirror is the one that this machine's apt uses.
"""

import fcntl
import glob
import hashlib
import os
import shutil

from .guest_image import CACHE
from .run import LabError, out, run

SUITE = "trixie"
PACKAGES = ["systemd", "systemd-sysv", "dbus", "libpam-systemd", "openssh-server", "libvirt-daemon-system", "libvirt-daemon-driver-qemu", "libvirt-clients",
            "qemu-system-x86", "qemu-utils", "ovmf", "acl", "iproute2", "procps", "kmod", "e2fsprogs", "ca-certificates"]
MASKED = ["systemd-resolved", "systemd-networkd", "systemd-timesyncd", "getty@tty1", "console-getty", "libvirt-guests",
          "e2scrub_reap", "systemd-udevd", "systemd-journald-audit.socket", "apt-daily.timer", "apt-daily-upgrade.timer",
          "dpkg-db-backup.timer", "e2scrub_all.timer", "fstrim.timer", "virtlxcd", "systemd-pcrphase"]


def ensure():
    """Path of the root; made on first use (a minute or two)."""
    os.makedirs(CACHE, exist_ok=True)
    with open(os.path.join(CACHE, "full.lock"), "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        digest = hashlib.sha256(repr((SUITE, PACKAGES, MASKED)).encode()).hexdigest()[:12]
        root = os.path.join(CACHE, f"full-{digest}")
        if not os.path.isdir(root):
            _build(root)
        return root


def mirror():
    """Where this machine's apt gets Debian itself from."""
    with open("/etc/os-release") as f:
        codename = next((line.strip().partition("=")[2].strip('"') for line in f if line.startswith("VERSION_CODENAME=")), "")
    for line in out(["apt-get", "indextargets", "--format", "$(ORIGIN)|$(RELEASE)|$(REPO_URI)", "Created-By: Packages"]).splitlines():
        origin, release, uri = line.split("|")
        if origin == "Debian" and release in (codename, "stable", "testing", "oldstable"):
            return uri
    raise LabError("apt knows no Debian archive (apt-get indextargets): run apt-get update")


def _build(root):
    made = f"{root}.tmp"
    if os.path.isdir(made):
        shutil.rmtree(made)
    fast = {"LD_PRELOAD": found[0]} if (found := glob.glob("/usr/lib/*/libeatmydata.so")) else {}
    log = os.path.join(CACHE, "full.log")
    done = run(["debootstrap", "--variant=minbase", f"--include={','.join(PACKAGES)}", SUITE, made, mirror()], check=False, timeout=1800,
               env={**os.environ, **fast, "DEBIAN_FRONTEND": "noninteractive"})
    with open(log, "w") as f:
        f.write(done.stdout + done.stderr)
    if done.returncode != 0:
        raise LabError(f"debootstrap {SUITE}: exit {done.returncode}; see {log}: {done.stdout[-500:]}")
    system = os.path.join(made, "etc/systemd/system")
    for unit in MASKED:
        name = unit if unit.endswith((".timer", ".socket")) else f"{unit}.service"
        path = os.path.join(system, name)
        if os.path.lexists(path):
            os.unlink(path)
        os.symlink("/dev/null", path)
    for folder in ["var/cache/apt/archives", "var/lib/apt/lists"]:
        shutil.rmtree(os.path.join(made, folder), ignore_errors=True)
    os.rename(made, root)
