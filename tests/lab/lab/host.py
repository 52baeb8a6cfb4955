"""A hypervisor of the lab: its disk, its processes, its network cable. What light and full hosts have in common.

- Its disk is an image file of its own, mounted on the machine at DIR/disk: `upper` (what the host wrote over its root),
  `libvirt` (/var/lib/libvirt, images included). It outlives a power cut (`stop`, `start`), /run and /tmp do not.
- Its processes live in one pid namespace, whose first process is recorded in DIR/init.json; with that one all end.
- A subclass says how it boots, how its services are started, and what its processes are called.
"""

import contextlib
import os
import signal
import socket
import subprocess
import time
import uuid

from . import mounts
from .run import LabError, alive, end, namespace, pids, read_json, run, wait_for

ENV = {"PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "LANG": "C.UTF-8", "HOME": "/root",
       "LIBVIRT_DEFAULT_URI": "qemu:///system"}

QEMU_CONF = """\
security_driver = "none"
user = "root"
group = "root"
cgroup_controllers = []
namespaces = []
remember_owner = 0
swtpm_user = "root"
swtpm_group = "root"
"""

SSHD_CONFIG = """\
Port 22
AddressFamily inet
HostKey /etc/ssh/ssh_host_ed25519_key
AuthorizedKeysFile /root/.ssh/authorized_keys
PermitRootLogin prohibit-password
PasswordAuthentication no
KbdInteractiveAuthentication no
UsePAM {pam}
StrictModes no
PrintMotd no
MaxStartups 100
MaxSessions 100
PidFile none
"""


class Host:
    kind = None

    def __init__(self, lab, name, index, disk_gib=100):
        self.lab, self.name, self.index, self.disk_gib = lab, name, index, disk_gib
        self.dir = os.path.join(lab.dir, "hosts", name)
        self.disk = os.path.join(self.dir, "disk")
        self.cable = lab.network.cable(index)
        self.address, self.port = self.cable.address, 22

    # -- life ------------------------------------------------------------------------------------------------------

    def create(self):
        """Make the disk and the cable; the host is off."""
        os.makedirs(os.path.join(self.dir, "root"))
        os.makedirs(os.path.join(self.dir, "log"))
        os.makedirs(self.disk)
        image = os.path.join(self.dir, "disk.img")
        mounts.make_image(image, self.disk_gib * 1024, f"disk-{self.index}")
        run(["mount", "-o", "noatime", mounts.loop_attach(image), self.disk])
        for folder in ["upper", "work", "libvirt/images"]:
            os.makedirs(os.path.join(self.disk, folder))
        self._configure()
        self.cable.up()

    def _configure(self):
        # inode modes above an overlay hide those below: the root's own must be given
        os.chmod(os.path.join(self.disk, "upper"), 0o755)
        for folder in ["root", "etc/libvirt", "var/cache/libvirt", "var/log/libvirt", "var/tmp"]:
            self._own_folder(folder)
        os.chmod(os.path.join(self.disk, "upper/root"), 0o700)
        os.chmod(os.path.join(self.disk, "upper/var/tmp"), 0o1777)
        identifier = str(uuid.uuid4())
        self.write("/etc/hostname", f"{self.name}\n")
        self.write("/etc/machine-id", identifier.replace("-", "") + "\n")
        names = "".join(f"{h.address}\t{h.name}\n" for h in self.lab.hosts.values())
        self.write("/etc/hosts", f"127.0.0.1\tlocalhost\n{names}")
        self.write("/etc/libvirt/qemu.conf", QEMU_CONF)
        self.write("/etc/libvirt/libvirtd.conf", f'auth_unix_rw = "none"\nauth_unix_ro = "none"\nunix_sock_group = "root"\n'
                   f'host_uuid = "{identifier}"\nmax_clients = 500\n')
        self.write("/etc/ssh/ssh_host_ed25519_key", self.lab.keys.private("host-" + self.name), 0o600)
        self.write("/etc/ssh/ssh_host_ed25519_key.pub", self.lab.keys.public("host-" + self.name))
        self.write("/root/.ssh/authorized_keys", self.lab.keys.public("client"), 0o600)

    def _own_folder(self, path):
        """An empty folder of the host's own, whatever is below it in the overlay."""
        full = os.path.join(self.disk, "upper", path)
        os.makedirs(full)
        os.setxattr(full, "trusted.overlay.opaque", b"y")

    def write(self, path, text, mode=0o644):
        """Put a file into the host while it is off."""
        full = os.path.join(self.disk, "upper", path.lstrip("/"))
        os.makedirs(os.path.dirname(full), exist_ok=True)
        with open(full, "w") as f:
            os.fchmod(f.fileno(), mode)
            f.write(text)

    def start(self):
        """Power on: boot, mount the share, start the services, wait until both doors answer. VMs stay off."""
        if self.running():
            return
        with contextlib.suppress(FileNotFoundError):
            os.unlink(os.path.join(self.dir, "init.json"))
        self.boot()
        for share in self.lab.shares():
            if share.mounted_on_machine():
                self.mount_share(share)
        self.start_services()
        wait_for(f"{self.name}: libvirt and sshd", lambda: self.libvirt_answers() and self.ssh_answers(), 180)

    def stop(self):
        """Power cut: every process ends at once, /run and /tmp are gone."""
        if self.running():
            end(self.init)
        self.after_stop()

    def after_stop(self):
        """What has to be waited for or removed once the first process is dead."""

    def reboot(self):
        self.stop()
        self.start()

    @property
    def init(self):
        return read_json(os.path.join(self.dir, "init.json"))

    def running(self):
        return alive(self.init)

    @property
    def pid(self):
        who = self.init
        if not alive(who):
            raise LabError(f"{self.name} is off")
        return who["pid"]

    # -- inside ----------------------------------------------------------------------------------------------------

    def exec(self, *argv, check=True, timeout=120, input=None):
        """Run argv inside the host (not over its network)."""
        return run(["nsenter", "-t", self.pid, "-m", "-u", "-i", "-n", "-p", "--wdns=/", "--", *argv],
                   check=check, timeout=timeout, input=input, env=ENV)

    def shell(self, script, **kw):
        return self.exec("sh", "-c", script, **kw).stdout

    def virsh(self, *argv, **kw):
        return self.exec("virsh", "-q", *argv, **kw).stdout

    def path(self, inside):
        """A file of the running host, as the machine can open it."""
        return f"/proc/{self.pid}/root{inside}"

    def spawn(self, log, *argv):
        """Start a process inside that belongs to the host from then on; its output goes to DIR/log."""
        with open(os.path.join(self.dir, "log", log), "ab") as f:
            subprocess.run(["nsenter", "-t", str(self.pid), "-m", "-u", "-i", "-n", "-p", "--wdns=/", "--", "setsid", "--fork", *argv],
                           stdin=subprocess.DEVNULL, stdout=f, stderr=f, env=ENV, check=True)

    def ssh(self, *argv, check=True, timeout=60, input=None):
        """Run a command line over the network, as orch does."""
        return run(["ssh", "-F", "none", "-i", self.lab.keys.path("client"), "-p", self.port, "-o", "BatchMode=yes",
                    "-o", f"UserKnownHostsFile={self.lab.known_hosts}", "-o", "GlobalKnownHostsFile=/dev/null",
                    "-o", "StrictHostKeyChecking=yes", "-o", "ConnectTimeout=10", f"root@{self.address}", *argv],
                   check=check, timeout=timeout, input=input)

    def uri(self):
        return (f"qemu+libssh://root@{self.address}:{self.port}/system?known_hosts={self.lab.known_hosts}"
                f"&sshauth=privkey&keyfile={self.lab.keys.path('client')}&proxy=native")

    def libvirt_answers(self):
        return os.path.exists(self.path("/run/libvirt/libvirt-sock")) and self.exec("virsh", "-q", "version", check=False, timeout=30).returncode == 0

    def ssh_answers(self):
        try:
            with socket.create_connection((self.address, self.port), 1) as s:
                s.settimeout(10)
                return s.recv(4) == b"SSH-"
        except OSError:
            return False

    # -- processes -------------------------------------------------------------------------------------------------

    def processes(self):
        """{pid: command line} of everything inside, pids as the machine counts."""
        home, found = namespace(self.pid, "pid"), {}
        for pid in pids():
            if namespace(pid, "pid") == home:
                with contextlib.suppress(OSError), open(f"/proc/{pid}/cmdline", "rb") as f:
                    found[pid] = f.read().replace(b"\0", b" ").decode(errors="replace").strip()
        return found

    def pids_of(self, what):
        """Processes by role: `libvirtd`, `virtlogd`, `sshd` (its sessions too), `qemu:VM`."""
        if what.startswith("qemu:"):
            vm = what.removeprefix("qemu:")
            return [p for p, line in self.processes().items()
                    if line.startswith("/usr/bin/qemu-system") and f"guest={vm}," in line]
        found = []
        for pid in self.processes():
            with contextlib.suppress(OSError), open(f"/proc/{pid}/comm") as f:
                if f.read().strip() in (what, f"{what}-session"):
                    found.append(pid)
        return found

    def signal(self, what, sig):
        """Send a signal to processes by role; returns their pids."""
        got = self.pids_of(what)
        if not got:
            raise LabError(f"{self.name}: no process {what}")
        for pid in got:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, sig)
        return got

    def stop_proc(self, what):
        return self.signal(what, signal.SIGSTOP)

    def cont_proc(self, what):
        return self.signal(what, signal.SIGCONT)

    def kill_proc(self, what):
        got = self.signal(what, signal.SIGKILL)
        wait_for(f"{self.name}: end of {what}", lambda: not any(p in self.pids_of(what) for p in got), 30)
        return got

    def kill_for_good(self, what):
        """SIGKILL, and no supervisor starts it again before restart()."""
        return self.kill_proc(what)

    def restart(self, what):
        raise NotImplementedError

    # -- network, share, room --------------------------------------------------------------------------------------

    def cut(self, silent=True):
        self.cable.cut(silent)

    def heal(self):
        self.cable.heal()

    def mount_share(self, share=None):
        path = (share or self.lab.share).path
        mounts.attach(path, self.pid, path)

    def expose_block_device(self, device):
        """Make a block device of the machine appear under the same name inside."""

    def umount_share(self, lazy=False):
        mounts.detach(self.pid, self.lab.share.path, lazy)

    def fill(self, leave_mib=1):
        """Use up the room on the host's disk, but for leave_mib."""
        fill(os.path.join(self.disk, "lab-fill"), self.disk, leave_mib)

    def unfill(self):
        with contextlib.suppress(FileNotFoundError):
            os.unlink(os.path.join(self.disk, "lab-fill"))

    def files(self):
        """Every file that the host holds beyond its system's: what it wrote over its root, its libvirt folder, /run and /tmp."""
        places = {os.path.join(self.disk, "upper"): "", os.path.join(self.disk, "libvirt"): "/var/lib/libvirt"}
        if self.running():
            places.update({self.path(p): p for p in ("/run", "/tmp", "/dev/shm")})
        found = set()
        for place, inside in places.items():
            for folder, folders, names in os.walk(place):
                here = inside + folder[len(place):]
                if here == self.lab.dir:
                    folders.clear()  # the share is mounted below
                    continue
                found.update(os.path.join(here, n) for n in names)
        return sorted(found)

    def orch_traces(self, patience=3):
        """What orch left here: files, processes and systemd units with `orch` in their names, the lab's own aside. A process that was
        told to end may need a moment for it: so many seconds."""
        end = time.monotonic() + patience
        while (left := self._orch_traces()) and time.monotonic() < end:
            time.sleep(0.2)
        return left

    def _orch_traces(self):
        ours = ("orch-lab", "orchlab", "org.orch.lab")
        files = [f for f in self.files() if "orch" in f.lower() and not any(o in f for o in ours)]
        processes = [f"process {p}: {line}" for p, line in self.processes().items()
                     if "orch" in line.lower() and not any(o in line for o in ours)]
        units = self.exec("systemctl", "list-units", "--all", "--plain", "--no-legend", "orch*", check=False).stdout.splitlines()
        return files + processes + [f"unit {u.split()[0]}" for u in units if u.strip()]

    def describe(self):
        who = self.init
        return {"name": self.name, "kind": self.kind, "index": self.index, "address": self.address, "port": self.port,
                "dir": self.dir, "disk": self.disk, "disk_gib": self.disk_gib, "netns": self.cable.netns,
                "pid": who["pid"] if alive(who) else None, "uri": self.uri()}



def fill(path, folder, leave_mib):
    room = os.statvfs(folder)
    size = room.f_bavail * room.f_frsize - leave_mib * 1024 * 1024
    if size > 0:
        with open(path, "a") as f:
            os.posix_fallocate(f.fileno(), os.fstat(f.fileno()).st_size, size)
