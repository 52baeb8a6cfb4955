"""A light host: namespaces over this machine's own system, its libvirt and QEMU; up in about two seconds.

There is no systemd inside, so `systemd-run` fails there, as on any machine without it. Services are plain processes.
"""

import os
import subprocess

from .host import SSHD_CONFIG, Host
from .run import LabError, wait_for

SERVICES = {
    "virtlogd": ["/usr/sbin/virtlogd"],
    "libvirtd": ["/usr/sbin/libvirtd"],
    "sshd": ["/usr/sbin/sshd", "-D", "-e"],
}
LAUNCH = os.path.join(os.path.dirname(os.path.abspath(__file__)), "launch_light.py")


class LightHost(Host):
    kind = "light"

    def _configure(self):
        super()._configure()
        self.write("/etc/ssh/sshd_config", SSHD_CONFIG.format(pam="no"))
        self.write("/etc/shadow", "root:*:19000:0:99999:7:::\nsshd:!:19000::::::\n", 0o640)

    def boot(self):
        launch = subprocess.Popen(
            ["nsenter", f"--net={self.cable.netns_path}", "unshare", "--mount", "--uts", "--ipc", "--pid", "--fork", "--kill-child",
             "--propagation", "private", "/usr/bin/python3", LAUNCH, self.name, self.dir, self.lab.guest_image],
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=open(os.path.join(self.dir, "log/launch"), "ab"), start_new_session=True)
        if launch.stdout.readline() != b"ok\n":
            with open(os.path.join(self.dir, "log/launch"), errors="replace") as f:
                raise LabError(f"{self.name} does not boot: {f.read()[-2000:]}")
        self.lab.keep(launch)

    def start_services(self):
        self._service("virtlogd")
        wait_for(f"{self.name}: virtlogd", lambda: os.path.exists(self.path("/run/libvirt/virtlogd-sock")), 60, 0.02)
        self._service("libvirtd")
        self._service("sshd")

    def _service(self, name):
        self.spawn(name, *SERVICES[name])

    def restart(self, what):
        """SIGTERM and start again; sessions of sshd stay, like with systemd's KillMode=process."""
        if what not in SERVICES:
            raise LabError(f"restart: {', '.join(SERVICES)}, not {what!r}")
        mine = [p for p, line in self.processes().items() if line.split(" ")[:1] == [SERVICES[what][0]] or line.startswith(f"{what}: {SERVICES[what][0]}")]
        for pid in mine:
            os.kill(pid, 15)
        wait_for(f"{self.name}: end of {what}", lambda: not set(mine) & set(self.processes()), 60)
        self._service(what)
        wait_for(f"{self.name}: {what}", self.ssh_answers if what == "sshd" else self.libvirt_answers, 90)
