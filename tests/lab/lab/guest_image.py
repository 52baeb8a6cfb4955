"""The guest: Debian's cloud kernel and an initramfs made of busybox, the guest agent and a few modules.

The image is a pure function of its inputs (kernel package, the machine's busybox, agent and mkfs, the scripts in `guest/`):
it is kept in the cache under a name that holds their digest, and built once. Two builders at a time are kept apart by a lock.
Nothing is installed: the kernel package is downloaded and unpacked.
"""

import contextlib
import fcntl
import gzip
import hashlib
import lzma
import os
import re
import shutil
import stat
import tempfile

from .run import LabError, out, run

HERE = os.path.join(os.path.dirname(os.path.abspath(__file__)), "guest")
CACHE = os.environ.get("ORCH_LAB_CACHE", "/var/cache/orch-lab")
MODULES = ["virtio_pci", "virtio_blk", "virtio_console", "virtio_scsi", "virtio_net", "sd_mod", "button", "evdev", "isofs"]
BINARIES = {"/usr/sbin/qemu-ga": "bin/qemu-ga", "/usr/sbin/mke2fs": "bin/mkfs.ext4"}
PROGRAMS = ["lab-wait-port"]  # each of one C file
SCRIPTS = ["lab-control", "lab-agent", "lab-mount", "lab-writer", "shutdown"]


def ensure():
    """Directory that holds `vmlinuz` and `initrd.img`; made on first use."""
    with building():
        package = kernel_package()
        target = os.path.join(CACHE, f"guest-{_digest(package)}")
        if not os.path.isdir(target):
            build(package, target, _fill)
    return target


@contextlib.contextmanager
def building():
    """One builder in the cache at a time."""
    os.makedirs(CACHE, exist_ok=True)
    with open(os.path.join(CACHE, "guest.lock"), "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def kernel_package():
    """To be called while building(). The kernel's .deb in the cache, downloaded where there is none yet."""
    have = sorted(f for f in os.listdir(CACHE) if re.fullmatch(r"linux-image-.*cloud.*\.deb", f))
    if have:
        return os.path.join(CACHE, have[-1])
    if not out(["apt-cache", "show", "linux-image-cloud-amd64"], check=False):
        run(["apt-get", "-q", "update"], timeout=300)
    depends = out(["apt-cache", "depends", "linux-image-cloud-amd64"])
    found = re.search(r"Depends: (linux-image-\S+)", depends)
    if not found:
        raise LabError("apt-cache depends linux-image-cloud-amd64 names no kernel: are there package lists (apt-get update)?")
    run(["apt-get", "-q", "download", found.group(1)], cwd=CACHE, timeout=600)
    return kernel_package()


def _digest(package):
    h = hashlib.sha256(os.path.basename(package).encode())
    sources = [os.path.join(HERE, "init"), *(os.path.join(HERE, s) for s in SCRIPTS), *(os.path.join(HERE, f"{p}.c") for p in PROGRAMS), *BINARIES, "/bin/busybox", __file__]
    for path in sources:
        try:
            with open(path, "rb") as f:
                h.update(hashlib.sha256(f.read()).digest())
        except FileNotFoundError as e:
            raise LabError(f"{path} is missing: install the packages named in packages.txt") from e
    return h.hexdigest()[:12]


def build(package, target, fill):
    """The folder `target`: `vmlinuz`, and the `initrd.img` that fill(archive, unpacked kernel package, kernel's version) fills."""
    with tempfile.TemporaryDirectory(dir=CACHE) as work:
        unpacked = os.path.join(work, "kernel")
        run(["dpkg", "-x", package, unpacked])
        made = os.path.join(work, "made")
        os.mkdir(made)
        kernel = next(f for f in os.listdir(os.path.join(unpacked, "boot")) if f.startswith("vmlinuz-"))
        shutil.copy(os.path.join(unpacked, "boot", kernel), os.path.join(made, "vmlinuz"))
        with open(os.path.join(made, "initrd.img"), "wb") as f:
            archive = Cpio(f)
            fill(archive, unpacked, kernel.removeprefix("vmlinuz-"))
            archive.close()
        os.chmod(made, 0o755)
        os.rename(made, target)


def _fill(archive, unpacked, version):
    for d in ["bin", "sbin", "lib", "lib64", "usr", "usr/bin", "usr/sbin", "etc", "etc/acpi", "etc/acpi/PWRF", "modules", "root"]:
        archive.directory(d)
    archive.file("bin/busybox", read("/bin/busybox"), 0o755)
    archive.link("bin/sh", "busybox")
    archive.file("init", read(os.path.join(HERE, "init")), 0o755)
    for script in SCRIPTS:
        archive.file(f"{'sbin' if script == 'shutdown' else 'bin'}/{script}", read(os.path.join(HERE, script)), 0o755)
    for program in PROGRAMS:
        made = os.path.join(unpacked, program)
        run(["cc", "-Os", "-s", "-static", "-o", made, os.path.join(HERE, f"{program}.c")])
        archive.file(f"bin/{program}", read(made), 0o755)
    archive.file("etc/acpi/PWRF/00000080", b"#!/bin/sh\nexec /sbin/shutdown -P\n", 0o755)
    archive.file("etc/passwd", b"root::0:0:root:/root:/bin/sh\n")
    archive.file("etc/group", b"root:x:0:\n")
    libraries = set()
    for path, inside in BINARIES.items():
        archive.file(inside, read(path), 0o755)
        libraries |= libraries_of(path)
    for lib in sorted(libraries):
        archive.file(lib.lstrip("/"), read(lib), 0o755)
    add_modules(archive, unpacked, version, MODULES)
    archive.node("dev/console", 0o600, 5, 1)


def add_modules(archive, unpacked, version, wanted):
    """/modules: what is wanted with what it depends on, and `order`, in which they load."""
    order = []
    for name, data in _modules(unpacked, version, wanted):
        archive.file(f"modules/{name}", data)
        order.append(name)
    archive.file("modules/order", "".join(f"{n}\n" for n in order).encode())


def read(path):
    with open(path, "rb") as f:
        return f.read()


def libraries_of(path):
    """Shared objects that a binary loads, at the paths its loader looks them up."""
    found = set(re.findall(r"(/\S+) \(0x", out(["ldd", path])))
    return {re.sub(r"^/lib64/", "/lib64/", p) for p in found}


def _modules(unpacked, version, wanted):
    """(name, data) of the wanted modules and what they depend on, dependencies first, out of an unpacked kernel package."""
    base = unpacked
    if not os.path.isdir(os.path.join(base, "lib/modules")):
        base = os.path.join(unpacked, "usr")
    run(["depmod", "-b", base, version])
    root = os.path.join(base, "lib/modules", version)
    needs, path_of = {}, {}
    with open(os.path.join(root, "modules.dep")) as f:
        for line in f:
            path, _, deps = line.strip().partition(":")
            name = os.path.basename(path).split(".ko")[0].replace("-", "_")
            path_of[name] = path
            needs[name] = [os.path.basename(d).split(".ko")[0].replace("-", "_") for d in deps.split()]
    order = []

    def add(name):
        for need in reversed(needs.get(name, [])):
            add(need)
        if name in path_of and name not in order:
            order.append(name)

    for name in wanted:
        add(name)
    unpack = {".xz": lzma.decompress, ".gz": gzip.decompress}
    for name in order:
        data = read(os.path.join(root, path_of[name]))
        yield f"{name}.ko", unpack.get(os.path.splitext(path_of[name])[1], lambda d: d)(data)


class Cpio:
    """Writes a "newc" archive, the form a kernel takes as initramfs. Parent directories come by themselves."""

    def __init__(self, f):
        self.f, self.ino, self.seen = f, 0, set()

    def _entry(self, name, mode, data=b"", major=0, minor=0):
        if name in self.seen:
            return
        parent = os.path.dirname(name)
        if parent:
            self.directory(parent)
        self.seen.add(name)
        self.ino += 1
        raw = name.encode() + b"\0"
        head = [self.ino, mode, 0, 0, 1, 0, len(data), 0, 0, major, minor, len(raw), 0]
        self.f.write(b"070701" + b"".join(b"%08x" % v for v in head) + raw)
        self._pad(110 + len(raw))
        self.f.write(data)
        self._pad(len(data))

    def _pad(self, length):
        self.f.write(b"\0" * (-length % 4))

    def directory(self, name):
        self._entry(name, stat.S_IFDIR | 0o755)

    def file(self, name, data, mode=0o644):
        self._entry(name, stat.S_IFREG | mode, data)

    def link(self, name, to):
        self._entry(name, stat.S_IFLNK | 0o777, to.encode())

    def node(self, name, mode, major, minor):
        self._entry(name, stat.S_IFCHR | mode, b"", major, minor)

    def close(self):
        self._entry("TRAILER!!!", 0)
