"""A guest on a host: its disks made, defined, started; commands inside it through the agent or through the lab's own port.

`exec` goes through the guest agent, so it needs one that answers and a guest that is not frozen. `control` needs neither.
"""

import base64
import contextlib
import fcntl
import hashlib
import json
import os
import re
import socket
import time
import xml.etree.ElementTree as ElementTree

from . import boot_disk, guest_image, mounts
from .domain_xml import Vm, domain_xml
from .run import LabError, run, wait_for

LYING_AGENT = os.path.join(os.path.dirname(os.path.abspath(__file__)), "guest/lying-agent.c")


class Guest:
    def __init__(self, lab, host, spec):
        self.lab, self.host, self.spec = lab, host, spec
        self.name = spec.name

    # -- making ----------------------------------------------------------------------------------------------------

    def create(self):
        """Make its disks and define it; it is off."""
        for disk in self.spec.disks:
            if disk.kind == "block" and not disk.path:
                disk.path = self._block_device(disk)
            elif self.spec.boot_disk and disk is self.spec.disks[0]:
                self._boot_image(disk)
            elif disk.create and disk.path:
                self._image(disk)
        self.host.exec("virsh", "-q", "define", "/dev/stdin", input=domain_xml(self.spec))

    def _boot_image(self, disk):
        self.host.exec("mkdir", "-p", "--", os.path.dirname(disk.path))
        source = boot_disk.ensure(self.spec.uefi, self.spec.agent)
        run(["qemu-img", "convert", "-q", "-O", disk.format, source, self.host.path(disk.path)])

    def _image(self, disk):
        self.host.exec("mkdir", "-p", "--", os.path.dirname(disk.path))
        if disk.device != "disk":
            self.host.exec("truncate", "-s", "1474560" if disk.device == "floppy" else f"{disk.size_mib}M", disk.path)
            self.host.exec("mke2fs", "-q", "-F", "-t", "ext2", "-L", disk.device, disk.path)
            return
        if disk.kind == "chain":
            golden, middle = disk.chain
            self.host.exec("qemu-img", "create", "-q", "-f", "qcow2", golden, f"{disk.size_mib}M")
            self._data(golden, "qcow2", disk.size_mib // 2, 4, seed=1)
            self.host.exec("qemu-img", "create", "-q", "-f", "qcow2", "-F", "qcow2", "-b", golden, middle)
            self._data(middle, "qcow2", disk.size_mib // 2 + 2, 4, seed=2)
            self.host.exec("qemu-img", "create", "-q", "-f", "qcow2", "-F", "qcow2", "-b", middle, disk.path)
        else:
            self.host.exec("qemu-img", "create", "-q", "-f", disk.format, disk.path, f"{disk.size_mib}M")
        if disk.filled_mib:
            if disk.format == "raw":
                self._random_raw(disk)
            else:
                self._random_qcow2(disk)

    def _data(self, path, fmt, at_mib, mib, seed):
        """A pattern past the middle of an image, where a young file system keeps nothing."""
        self.host.exec("qemu-io", "-f", fmt, "-c", f"write -P {seed} {at_mib}M {mib}M", path)

    def _random_raw(self, disk):
        self.host.exec("dd", "if=/dev/urandom", f"of={disk.path}", "bs=1M", f"seek={disk.size_mib - disk.filled_mib}",
                       f"count={disk.filled_mib}", "conv=notrunc,sparse", timeout=600)

    def _random_qcow2(self, disk):
        source = "/tmp/lab-random.raw"
        folder = os.path.dirname(disk.path)
        source = os.path.join(folder, f".lab-{self.name}-{disk.target}.raw")
        self.host.exec("truncate", "-s", f"{disk.size_mib}M", source)
        self.host.exec("dd", "if=/dev/urandom", f"of={source}", "bs=1M", f"seek={disk.size_mib - disk.filled_mib}",
                       f"count={disk.filled_mib}", "conv=notrunc", timeout=600)
        self.host.exec("qemu-img", "convert", "-n", "-f", "raw", "-O", "qcow2", source, disk.path, timeout=600)
        self.host.exec("rm", "--", source)

    def _block_device(self, disk):
        """A loop device over a file of the host's disk; it stays attached across power cuts of the host."""
        folder = os.path.join(self.host.disk, "libvirt", "block")
        os.makedirs(folder, exist_ok=True)
        path = os.path.join(folder, f"{self.name}-{disk.target}.img")
        with open(path, "w") as f:
            f.truncate(disk.size_mib * 1024 * 1024)
        device = mounts.loop_attach(path)
        self.host.expose_block_device(device)
        return device

    def remove(self):
        """Destroy and undefine it; its disks stay."""
        self.host.exec("virsh", "-q", "destroy", self.name, check=False)
        self.host.virsh("undefine", self.name, "--nvram", "--managed-save", "--snapshots-metadata", "--checkpoints-metadata")

    # -- power -----------------------------------------------------------------------------------------------------

    def start(self, wait=True):
        self.host.virsh("start", self.name)
        if wait:
            self.wait()

    def wait(self, timeout=None):
        """Until the guest is up: its agent answers where it has one, and its disks are mounted."""
        timeout = timeout or (300 if self.spec.boot_disk else 180)
        end = time.monotonic() + timeout
        self._wait_for_its_word(end)
        wait_for(f"guest {self.name}", self.up, max(end - time.monotonic(), 1), 0.2)

    def _wait_for_its_word(self, end):
        """Until the guest itself says over the lab's port that it is up, which costs nothing meanwhile: a question that was put before it
        booted waits in the port until it reads it. Returns without that, too, where the guest goes away."""
        script = "until pidof qemu-ga >/dev/null; do usleep 100000; done" if self.spec.agent else "true"
        while (left := end - time.monotonic()) > 0:
            asked = time.monotonic()
            if self.control(script, check=False, timeout=min(left, 60))[1] == 0 or time.monotonic() - asked < 0.2:
                return

    def up(self):
        if self.spec.agent:
            return self.agent_answers()
        return self.control("test -e /dev/virtio-ports", timeout=3, check=False)[1] == 0

    def destroy(self):
        self.host.virsh("destroy", self.name)

    def shutdown(self, timeout=180):
        self.host.virsh("shutdown", self.name, check=False)  # one that went off by itself meanwhile is fine
        wait_for(f"{self.name} shut off", lambda: self.state() == "shut off", timeout, 0.1)

    def migrate(self, to, timeout=120, shared=False):
        """Move the running guest to another host of the same kind; the old host forgets it. Its disks are copied, and its old ones
        stay there; or, shared, all lie where both hosts see them (Lab.add_images).

        The move is driven from the machine, over both libvirts' own sockets; the hosts need no keys of one another. (Not over qemu+libssh:
        with it, virsh 9.0 crashed in one of four migrations.)"""
        for path in [] if shared else self.disk_paths().values():
            info = json.loads(self.host.exec("qemu-img", "info", "-U", "--output=json", path).stdout)
            to.exec("mkdir", "-p", "--", os.path.dirname(path))
            to.exec("qemu-img", "create", "-q", "-f", info["format"], path, str(info["virtual-size"]))
        source, target = (f"qemu+unix:///system?socket={h.path('/run/libvirt/libvirt-sock')}" for h in (self.host, to))
        disks = ["--unsafe"] if shared else ["--copy-storage-all", f"--disks-uri=tcp://{to.address}:49300"]
        run(["virsh", "-q", "-c", source, "migrate", "--live", *disks, "--persistent", "--undefinesource",
             self.name, target, f"--migrateuri=tcp://{to.address}"], timeout=timeout)
        self.host = to
        self.lab.save()

    def state(self):
        return self.host.virsh("domstate", self.name).strip()

    def xml(self, *options):
        return self.host.virsh("dumpxml", self.name, *options)

    def disk_paths(self):
        """{target: path} of the active disks."""
        root = ElementTree.fromstring(self.xml())
        found = {}
        for disk in root.iter("disk"):
            source = disk.find("source")
            if source is not None:
                found[disk.find("target").get("dev")] = source.get("file") or source.get("dev")
        return found

    # -- inside: through the agent ---------------------------------------------------------------------------------

    def agent(self, command, timeout=10, **arguments):
        """One agent command; its return value. LabError when it fails or is not answered."""
        request = {"execute": command, **({"arguments": arguments} if arguments else {})}
        said = self.host.exec("virsh", "-q", "qemu-agent-command", "--timeout", str(timeout), self.name, json.dumps(request),
                              timeout=timeout + 30).stdout
        return json.loads(said)["return"]

    def agent_answers(self):
        try:
            self.agent("guest-ping", timeout=5)
            return True
        except LabError:
            return False

    def exec(self, *argv, check=True, timeout=60, input=None):
        """Run argv in the guest; (stdout and stderr, exit code)."""
        extra = {"input-data": base64.b64encode(input.encode()).decode()} if input else {}
        pid = self.agent("guest-exec", path=argv[0], arg=list(argv[1:]), **{"capture-output": True}, **extra)["pid"]
        end = time.monotonic() + timeout
        while not (got := self.agent("guest-exec-status", pid=pid))["exited"]:
            if time.monotonic() > end:
                raise LabError(f"{self.name}: {argv[0]} still runs after {timeout} s")
            time.sleep(0.05)
        said = "".join(base64.b64decode(got.get(k, "")).decode(errors="replace") for k in ("out-data", "err-data"))
        code = got.get("exitcode", 128 + got.get("signal", 0))
        if check and code != 0:
            raise LabError(f"{self.name}: {' '.join(argv)}: exit {code}: {said}")
        return said, code

    def frozen(self):
        return self.agent("guest-fsfreeze-status") == "frozen"

    # -- inside: through the lab's port ----------------------------------------------------------------------------

    def control(self, script, check=True, timeout=60):
        """Run a shell script in the guest through the lab's port; (output, exit code), or ("", None) when check is off and
        nobody answered. Works without an agent and while file systems are frozen."""
        try:
            said, code = self.converse(script, timeout)
        except (OSError, LabError) as e:
            if check:
                raise LabError(f"{self.name}: no answer on the lab's port: {e}") from e
            return "", None
        if check and code != 0:
            raise LabError(f"{self.name}: {script}: exit {code}: {said}")
        return said, code

    def _port(self):
        """The path of the port's socket on the machine. libvirt is asked only where it is not plain: each question is a process."""
        folder = os.path.join(self.host.disk, "libvirt/qemu/channel/target")
        with contextlib.suppress(OSError):
            named = [f for f in os.listdir(folder) if re.fullmatch(rf"domain-\d+-{re.escape(self.name[:20])}", f)]
            if len(named) == 1 and os.path.exists(path := os.path.join(folder, named[0], "org.orch.lab.0")):
                return path
        found = re.search(r"<source mode=.bind. path=.([^'\"]+)['\"]/>\s*<target type=.virtio. name=.org\.orch\.lab\.0.", self.xml())
        if not found:
            raise LabError("the domain is off or has no port org.orch.lab.0")
        return self.host.path(found.group(1))

    def converse(self, script, timeout, port=None):
        """(output, exit code) of a script, over the port's socket; port: its path on the machine, where libvirt is not to be asked."""
        folder, name = os.path.split(port or self._port())
        with open(os.path.join(self.lab.dir, f"port-{self.name}.lock"), "w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            fd = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
            try:
                with socket.socket(socket.AF_UNIX) as s:
                    s.settimeout(timeout)
                    s.connect(f"/proc/self/fd/{fd}/{name}")  # a socket's path may be 107 bytes long
                    mark = str(time.monotonic_ns())
                    s.sendall(f"{mark} {base64.b64encode(script.encode()).decode()}\n".encode())
                    for line in s.makefile("r"):
                        if line.startswith(mark + " "):
                            _, code, said = (line.rstrip("\n") + " ").split(" ")[:3]
                            return base64.b64decode(said).decode(errors="replace"), int(code)
            finally:
                os.close(fd)
        raise LabError("the port was closed")

    def stop_agent(self):
        """A mute agent: it is there and does not answer."""
        self.control("kill -STOP $(pidof qemu-ga)")

    def cont_agent(self):
        self.control("kill -CONT $(pidof qemu-ga)")

    def kill_agent(self):
        """No agent until start_agent."""
        self.control("touch /run/lab-agent-off; kill -KILL $(pidof qemu-ga)")

    def start_agent(self):
        self.control("rm -f /run/lab-agent-off")
        wait_for(f"agent of {self.name}", self.agent_answers, 120, 0.2)

    def lying_agent(self, how):
        """The real agent behind a proxy (guest/lying-agent.c) that lies about the freeze: `error` freezes and answers with an error,
        `nothing` answers as if it had frozen. Until honest_agent."""
        self.control("mkdir -p /run/qemu-ga; touch /run/lab-agent-off; kill -KILL $(pidof qemu-ga) $(pidof lying-agent) 2>/dev/null; rm -f /run/qga.sock")
        with open(compiled_for_guests(LYING_AGENT), "rb") as f:
            program = base64.b64encode(f.read()).decode()
        self.control("rm -f /run/lying-agent.b64")
        for at in range(0, len(program), 16000):
            self.control(f"echo {program[at:at + 16000]} >> /run/lying-agent.b64")
        port = "/dev/virtio-ports/org.qemu.guest_agent.0"
        self.control("base64 -d /run/lying-agent.b64 > /run/lying-agent && chmod 755 /run/lying-agent\n"
                     "qemu-ga -m unix-listen -p /run/qga.sock -t /run/qemu-ga -f /run/qemu-ga.pid -l /run/qemu-ga.log </dev/null >/dev/null 2>&1 &\n"
                     f"/run/lying-agent {port} /run/qga.sock {how} </dev/null >/dev/null 2>&1 &")
        wait_for(f"agent of {self.name}", self.agent_answers, 120, 0.2)

    def honest_agent(self):
        self.control("kill -KILL $(pidof qemu-ga) $(pidof lying-agent); rm -f /run/lab-agent-off")
        wait_for(f"agent of {self.name}", self.agent_answers, 120, 0.2)

    def writer(self, verb="start"):
        """The counting writer: `start`, `stop`, or `value` (the last number made durable)."""
        said, _ = self.control(f"lab-writer {verb}")
        return int(said) if verb == "value" else None

    def describe(self):
        return {"name": self.name, "host": self.host.name, "uuid": self.spec.uuid, "spec": self.spec.as_dict()}


def guest_from(lab, described):
    return Guest(lab, lab.hosts[described["host"]], Vm(**described["spec"]))


def compiled_for_guests(source):
    """A program for guests, which have this machine's C library, made of one C file; kept in the cache."""
    with open(source, "rb") as f:
        text = f.read()
    target = os.path.join(guest_image.CACHE, f"{os.path.basename(source)[:-2]}-{hashlib.sha256(text).hexdigest()[:12]}")
    with guest_image.building():
        if not os.path.exists(target):
            run(["cc", "-Os", "-s", "-o", target + ".new", source])
            os.rename(target + ".new", target)
    return target
