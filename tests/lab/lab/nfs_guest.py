"""The orchestrator's machine: a small QEMU machine with a real NFS client, which the laboratory's machine may lack.

Its root is a read-only ext4 with busybox, the programs it is given (orch, qemu-img, …) and their libraries; /var/lib/orch is a disk that
outlives a power cut, everything else is memory. It reaches the lab over slirp, out of a network namespace of the lab. `exec` runs
a shell script inside, any number at the same time.
"""

import base64
import contextlib
import hashlib
import os
import re
import shutil
import socket
import subprocess
import tempfile
import time

from . import guest_image
from .network import Cable
from .run import LabError, alive, end, identity, out, run, wait_for

HERE = os.path.join(os.path.dirname(os.path.abspath(__file__)), "guest_nfs")
INDEX = 101
PORT = 700
MODULES = ["virtio_pci", "virtio_blk", "virtio_net", "nfs", "nfsv4"]
FOLDERS = ["bin", "sbin", "usr/bin", "dev", "proc", "sys", "run", "tmp", "mnt", "root", "etc", "var/lib/orch"]


def kernel():
    """Folder with `vmlinuz` and an `initrd.img` whose modules are those of an NFS client; made on first use."""
    with guest_image.building():
        package = guest_image.kernel_package()
        digest = hashlib.sha256(os.path.basename(package).encode())
        for path in [os.path.join(HERE, "init"), "/bin/busybox", __file__, guest_image.__file__]:
            digest.update(guest_image.read(path))
        target = os.path.join(guest_image.CACHE, f"nfs-guest-{digest.hexdigest()[:12]}")
        if not os.path.isdir(target):
            guest_image.build(package, target, _fill)
    return target


def _fill(archive, unpacked, version):
    archive.directory("bin")
    archive.file("bin/busybox", guest_image.read("/bin/busybox"), 0o755)
    archive.file("init", guest_image.read(os.path.join(HERE, "init")), 0o755)
    guest_image.add_modules(archive, unpacked, version, MODULES)
    archive.node("dev/console", 0o600, 5, 1)


class NfsGuest:
    """programs: {path inside: path on the machine}; their libraries come along."""

    def __init__(self, lab, programs, memory_mib=512):
        self.lab, self.programs, self.memory_mib = lab, programs, memory_mib
        self.dir = os.path.join(lab.dir, "orchestrator")
        self.cable = Cable(lab.network, INDEX)
        self.who = self.process = None

    # -- making ----------------------------------------------------------------------------------------------------

    def create(self):
        os.makedirs(self.dir)
        self.kernel = kernel()
        with tempfile.TemporaryDirectory(dir=self.dir) as tree:
            self._fill_system(tree)
            run(["mke2fs", "-q", "-F", "-t", "ext4", "-m", "0", "-O", "^has_journal", "-d", tree, os.path.join(self.dir, "system.img"), "768M"])
        run(["mke2fs", "-q", "-F", "-t", "ext4", os.path.join(self.dir, "own.img"), "64M"])
        self.cable.up()
        self.start()

    def _fill_system(self, tree):
        os.chmod(tree, 0o755)
        for folder in FOLDERS:
            os.makedirs(os.path.join(tree, folder))
        shutil.copy("/bin/busybox", os.path.join(tree, "bin/busybox"))
        for applet in set(out(["/bin/busybox", "--list"]).split()) - {"busybox"}:
            os.symlink("/bin/busybox", os.path.join(tree, "bin", applet))
        for name, inside in [("start", "sbin/init"), ("serve", "sbin/serve")]:
            shutil.copy(os.path.join(HERE, name), os.path.join(tree, inside))
            os.chmod(os.path.join(tree, inside), 0o755)
        for inside, path in self.programs.items():
            for source, target in [(path, inside), *((library, library) for library in guest_image.libraries_of(path))]:
                full = os.path.join(tree, target.lstrip("/"))
                os.makedirs(os.path.dirname(full), exist_ok=True)
                shutil.copy(source, full)
        shutil.copytree("/usr/share/zoneinfo/Europe", os.path.join(tree, "usr/share/zoneinfo/Europe"))
        for name, text in [("passwd", "root::0:0:root:/root:/bin/sh\n"), ("group", "root:x:0:\n"), ("hosts", "127.0.0.1 localhost orchestrator\n")]:
            with open(os.path.join(tree, "etc", name), "w") as f:
                f.write(text)

    # -- power -----------------------------------------------------------------------------------------------------

    def start(self):
        drives = []
        for name, options in [("system.img", ",readonly=on"), ("own.img", "")]:
            drives += ["-drive", f"file={os.path.join(self.dir, name)},format=raw,if=virtio,cache=unsafe{options}"]
        with open(os.path.join(self.dir, "qemu.log"), "ab") as log:
            self.process = subprocess.Popen(
                ["nsenter", f"--net={self.cable.netns_path}", "qemu-system-x86_64", "-accel", "tcg", "-m", str(self.memory_mib), "-nodefaults",
                 "-display", "none", "-no-reboot", "-kernel", os.path.join(self.kernel, "vmlinuz"), "-initrd", os.path.join(self.kernel, "initrd.img"),
                 "-append", "console=ttyS0 quiet no_timer_check panic=1 tsc=unstable", "-serial", f"file:{os.path.join(self.dir, 'console')}", *drives,
                 "-netdev", f"user,id=net,hostfwd=tcp:{self.cable.address}:{PORT}-:{PORT}", "-device", "virtio-net-pci,netdev=net,romfile="],
                stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True)
        self.who = identity(self.process.pid)
        wait_for("the orchestrator's machine", self._answers, 300, 0.2)

    def _answers(self):
        if self.process.poll() is not None:
            raise LabError(f"the orchestrator's machine ended with {self.process.returncode}: {guest_image.read(os.path.join(self.dir, 'qemu.log'))}")
        with contextlib.suppress(OSError, LabError):
            return self.exec("true", check=False, timeout=5)[0] == 0
        return False

    def power_cut(self):
        end(self.who)
        self.process.wait()

    def down(self):
        if alive(self.who):
            self.power_cut()

    # -- inside ----------------------------------------------------------------------------------------------------

    def open(self, script, timeout=60):
        """A connection on which the script runs; what is sent on it is the script's standard input. See `result`."""
        connection = socket.create_connection((self.cable.address, PORT), timeout)
        connection.sendall(base64.b64encode(script.encode()) + b"\n")
        return connection

    def result(self, connection):
        """(exit status, stdout, stderr) of the script, when it has ended."""
        with connection, connection.makefile("rb") as f:
            said = dict(line.decode().strip().partition(" ")[::2] for line in f)
        if "rc" not in said:
            raise LabError("the orchestrator's machine did not answer")
        return int(said["rc"]), *(base64.b64decode(said[k]).decode(errors="replace") for k in ("out", "err"))

    def exec(self, script, check=True, timeout=60):
        begun = time.monotonic()
        try:
            status, stdout, stderr = self.result(self.open(script, timeout))
        except TimeoutError as e:
            raise LabError(f"in the orchestrator's machine: no end after {time.monotonic() - begun:.0f} s: {script}") from e
        if check and status != 0:
            raise LabError(f"in the orchestrator's machine: {script}: exit {status}: {stdout}{stderr}")
        return status, stdout, stderr

    def write(self, path, text, mode=0o644):
        packed = base64.b64encode(text.encode()).decode()
        self.exec(f"mkdir -p $(dirname {path}) && echo {packed} | base64 -d > {path} && chmod {mode:o} {path}")

    def console(self):
        return re.sub(r"\x1b\S*", "", guest_image.read(os.path.join(self.dir, "console")).decode(errors="replace"))
