"""A full host: a Debian 13 booted by systemd-nspawn, with systemd, sshd and libvirt as units; up in about four seconds.

Its root is an overlay over the cached Debian; nspawn runs in a mount namespace of its own, so that the overlay exists only there and
ends with it. nspawn itself (the supervisor) stays on the machine, recorded in DIR/supervisor.json; the host's first process is its child.
"""

import contextlib
import json
import os
import subprocess

from . import cgroup, full_root, mounts
from .host import SSHD_CONFIG, Host
from .run import LabError, end, identity, read_json, wait_for, write_atomic

UNITS = {"libvirtd": "libvirtd", "virtlogd": "virtlogd", "sshd": "ssh"}
LAUNCH = os.path.join(os.path.dirname(os.path.abspath(__file__)), "launch_full.sh")
HELD = "/run/systemd/system/{}.service.d/held.conf"  # here while systemd is not to start it again
NO_TIMEOUT = "[Service]\nEnvironment=LIBVIRTD_ARGS=\n"  # Debian's libvirtd ends after two idle minutes and is started again by its socket


class FullHost(Host):
    kind = "full"

    def create(self):
        self.root = full_root.ensure()
        super().create()

    def _configure(self):
        super()._configure()
        self.write("/etc/ssh/sshd_config", SSHD_CONFIG.format(pam="yes") + "Subsystem sftp /usr/lib/openssh/sftp-server\n")
        self.write("/etc/libvirt/qemu.conf", 'security_driver = "none"\ncgroup_controllers = []\nnamespaces = []\nremember_owner = 0\n')
        self.write("/etc/systemd/system/libvirtd.service.d/lab.conf", NO_TIMEOUT)
        self.write("/etc/default/libvirtd", 'LIBVIRTD_ARGS=""\n')

    def boot(self):
        with open(os.path.join(self.dir, "log/launch"), "ab") as log:
            launch = subprocess.Popen(
                ["unshare", "--mount", "--propagation", "private", "sh", LAUNCH, self.name, self.dir, full_root.ensure(), self.cable.netns_path],
                stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True)
        write_atomic(os.path.join(self.dir, "supervisor.json"), json.dumps(identity(launch.pid)))
        self.lab.keep(launch)
        first = wait_for(f"{self.name}: first process", lambda: self._first_process(launch), 60, 0.02)
        write_atomic(os.path.join(self.dir, "init.json"), json.dumps(identity(first)))
        wait_for(f"{self.name}: systemd", self._systemd_up, 180, 0.05)
        mounts.attach(self.lab.guest_image, self.pid, "/var/lib/libvirt/boot")
        for device in mounts.loops_under(os.path.join(self.dir, "disk", "libvirt")):
            self.expose_block_device(device)

    def _first_process(self, launch):
        """nspawn's child that is pid 1 of a pid namespace of its own."""
        if launch.poll() is not None:
            with open(os.path.join(self.dir, "log/launch"), errors="replace") as f:
                raise LabError(f"{self.name} does not boot: {f.read()[-2000:]}")
        with contextlib.suppress(OSError), open(f"/proc/{launch.pid}/task/{launch.pid}/children") as f:
            for pid in map(int, f.read().split()):
                with open(f"/proc/{pid}/status") as status:
                    numbers = next(line for line in status if line.startswith("NSpid:")).split()[1:]
                if len(numbers) == 2 and numbers[1] == "1":
                    return pid
        return None

    def _systemd_up(self):
        return self.exec("systemctl", "is-system-running", check=False).stdout.strip() in ("running", "degraded")

    def start_services(self):
        """They are units: systemd has started them."""

    def after_stop(self):
        who = read_json(os.path.join(self.dir, "supervisor.json"))
        if who:
            with contextlib.suppress(LabError):
                wait_for(f"{self.name}: end of nspawn", lambda: not os.path.isdir(f"/proc/{who['pid']}") or identity(who["pid"]) != who, 5)
            end(who)
        cgroup.remove(self.cable.netns)
        with contextlib.suppress(OSError):
            os.rmdir(f"/run/systemd/nspawn/propagate/{self.cable.netns}")

    def expose_block_device(self, device):
        info = os.stat(device)
        major, minor = os.major(info.st_rdev), os.minor(info.st_rdev)
        self.exec("sh", "-c", f"test -b {device} || mknod {device} b {major} {minor}")

    def kill_for_good(self, what):
        """Neither by its unit's Restart= nor by its socket."""
        held = HELD.format(UNITS[what])
        self.exec("install", "-D", "/dev/stdin", held, input="[Service]\nRestart=no\n")
        self.exec("systemctl", "daemon-reload")
        killed = self.kill_proc(what)
        self.shell(f"systemctl stop '{UNITS[what]}*.socket'")
        return killed

    def restart(self, what):
        if what not in UNITS:
            raise LabError(f"restart: {', '.join(UNITS)}, not {what!r}")
        if os.path.exists(self.path(HELD.format(UNITS[what]))):
            self.exec("rm", HELD.format(UNITS[what]))
            self.exec("systemctl", "daemon-reload")
        self.exec("systemctl", "restart", UNITS[what])
        wait_for(f"{self.name}: {what}", self.ssh_answers if what == "sshd" else self.libvirt_answers, 90)
