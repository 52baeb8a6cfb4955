"""The promises, asked from outside of orch: while a trial runs (`Watch`), and of what it left (`Promises`)."""

import contextlib
import glob
import http.client
import os
import re
import tempfile
import threading
import time

from lab.mounts import mount_points_under
from lab.run import LabError, run
from outside import UnixConnection

SAMPLE_SECONDS = 0.4
STATUS_SECONDS = 1.0
FREEZE_SLACK_SECONDS = 5


class Watch(threading.Thread):
    """How long a guest that runs has made no write durable, and how long the daemon takes to report its status.

    It asks over the lab's own port in the guest, not through libvirt or the agent: those may be what is broken. A guest that does not
    answer there is off, paused or stopped, and not frozen: frozen ones answer."""

    def __init__(self, guest, orch, limit_seconds):
        super().__init__(daemon=True)
        self.guest, self.orch, self.limit = guest, orch, limit_seconds
        self.longest = self.slowest = 0.0
        self.broken, self.over, self._excuses = [], threading.Event(), 0

    @contextlib.contextmanager
    def excused(self):
        """Meanwhile the guest may stand still; from then on, it has its whole time again."""
        self._excuses += 1
        try:
            yield
        finally:
            self._excuses -= 1

    def run(self):
        last, since = None, time.monotonic()
        late = 0
        while not self.over.wait(SAMPLE_SECONDS):
            asked = time.monotonic()
            value = self._written()
            now = time.monotonic()
            if value is None or value != last or self._excuses or now - asked > 2:
                last, since = value, now
            self.longest = max(self.longest, now - since)
            late = late + 1 if self._status_is_late() else 0
            if late == 2:
                self.broken.append(f"the daemon took {self.slowest:.1f} s to report its status, twice")
        if self.longest > self.limit:
            self.broken.append(f"the guest stood still for {self.longest:.1f} s")

    def end(self):
        self.over.set()
        self.join()
        return self.broken

    def _written(self):
        pattern = os.path.join(self.guest.host.disk, "libvirt/qemu/channel/target", f"domain-*-{self.guest.name}", "org.orch.lab.0")
        for path in sorted(glob.glob(pattern), key=os.path.getmtime, reverse=True):
            with contextlib.suppress(OSError, LabError, ValueError):
                return int(self.guest.converse("lab-writer value", 2, path)[0])
        return None

    def _status_is_late(self):
        begun = time.monotonic()
        with contextlib.suppress(OSError, http.client.HTTPException), contextlib.closing(UnixConnection(self.orch.socket, 30)) as connection:
            connection.request("GET", "/v1/status")
            connection.getresponse().read()
            self.slowest = max(self.slowest, time.monotonic() - begun)
            return time.monotonic() - begun > STATUS_SECONDS
        return time.monotonic() - begun > STATUS_SECONDS  # a daemon that is gone refuses at once


class Promises:
    """What must be so once orch is at rest again. `check` returns what is not."""

    def __init__(self, lab, orch):
        self.lab, self.orch = lab, orch
        self.mounts = self._mounts()
        self.restored = set(orch.published())  # each once

    def check(self, guest, counted):
        """counted: the last number that the guest had made durable before the trial."""
        self.broken = []
        for part in (self._guests, self._points, self._processes, self._hosts):
            try:
                part(guest, counted)
            except (LabError, OSError, ValueError) as error:
                self.broken.append(f"{part.__name__.strip('_')}: {error}")
        return self.broken

    def _say(self, text):
        self.broken.append(text)

    # -- guests --------------------------------------------------------------------------------------------------------

    def _guests(self, guest, counted):
        for each in self.lab.guests.values():
            if each.state() != "running":
                self._say(f"{each.name} is {each.state()}")
                continue
            if each.frozen():
                self._say(f"{each.name} is frozen")
            paths = {d.target: d.path for d in each.spec.disks}
            if each.disk_paths() != paths:
                self._say(f"{each.name} is on {each.disk_paths()}")
            if ".orch-" in each.xml("--inactive"):
                self._say(f"the next start of {each.name} would be on an overlay")
            if self._block_jobs(each):
                self._say(f"{each.name} has a block job")
        before = guest.writer("value")
        if before < counted:
            self._say(f"durable writes were lost: the counter fell from {counted} to {before}")
        end = time.monotonic() + 30
        while guest.writer("value") <= before:
            if time.monotonic() > end:
                self._say("the guest does not write")
                return
            time.sleep(0.1)

    @staticmethod
    def _block_jobs(guest):
        return "<mirror " in guest.xml()

    # -- points --------------------------------------------------------------------------------------------------------

    def _points(self, guest, counted):
        share = self.lab.share.path
        listed = {p["path"] for p in self.orch.json("list") if p["status"] == "ok"}
        folders = {os.path.relpath(p, share) for p in self.orch.published()}
        if listed != folders:
            self._say(f"listed and published differ: {sorted(listed ^ folders)}")
        for path in sorted(folders):
            folder = os.path.join(share, path)
            checked = run(["sha256sum", "--quiet", "-c", "checksums.sha256"], check=False, cwd=folder)
            if checked.returncode:
                self._say(f"{path} is not whole: {checked.stdout}{checked.stderr}")
            elif folder not in self.restored:
                self.restored.add(folder)
                self._restores(folder, guest, counted)
        stale = run(["find", share, "-name", ".staging-*"]).stdout.strip()
        if stale:
            self._say(f"staging left: {stale}")

    def _restores(self, folder, guest, counted):
        """Each image becomes a disk whose file system is sound; the first one's counter is not older than the trial."""
        point = os.path.basename(folder)
        with tempfile.TemporaryDirectory(dir=self.lab.dir) as work:
            for disk in guest.spec.disks:
                image = os.path.join(folder, f"{guest.name}-{disk.target}.qcow2")
                raw = os.path.join(work, disk.target)
                made = run(["qemu-img", "convert", "-f", "qcow2", "-O", "raw", image, raw], check=False)
                if made.returncode or run(["qemu-img", "compare", "-f", "qcow2", "-F", "raw", image, raw], check=False).returncode:
                    self._say(f"{point} does not restore: {disk.target}: {made.stderr}")
                    return
                if run(["e2fsck", "-fy", raw], check=False).returncode >= 4:
                    self._say(f"{point}: the file system of {disk.target} is beyond repair")
            said = run(["debugfs", "-R", "cat /counter", os.path.join(work, guest.spec.disks[0].target)], check=False).stdout.strip()
            if not said.isdigit() or int(said) < counted:
                self._say(f"{point} shows the counter at {said!r}, and {counted} had been made durable before it was begun")

    # -- what may not stay ---------------------------------------------------------------------------------------------

    def _processes(self, _guest, _counted):
        end = time.monotonic() + 3
        while left := self._workers() + self._remote():
            if time.monotonic() > end:
                self._say(f"processes left: {left}")
                return
            time.sleep(0.2)

    def _workers(self):
        """Every process that the daemon, or an earlier one, started, as its environment shows."""
        found = []
        for pid in filter(str.isdigit, os.listdir("/proc")):
            with contextlib.suppress(OSError), open(f"/proc/{pid}/environ", "rb") as f:
                if f"log_path={self.orch.reports}".encode() in f.read() and int(pid) != self.orch.daemon.pid:
                    found.append(f"{pid} of orch")
        return found

    def _remote(self):
        """All that runs on a hypervisor without being a service of it or a guest."""
        belongs = re.compile(r"(/usr/s?bin/)?(qemu-system-\S+|libvirtd|virtlogd|dnsmasq|python3|virt-ssh-helper|sshd:?|unshare|systemd\S*|init)( |$)")
        return [f"{host.name}: {line[:120]}" for host in self.lab.hosts.values()
                for line in host.processes().values() if line and not belongs.match(line)]

    def _mounts(self):
        found = {"here": sorted(mount_points_under(self.lab.dir))}
        for host in self.lab.hosts.values():
            with open(f"/proc/{host.pid}/mountinfo") as f:
                found[host.name] = sorted(line.split()[4] for line in f)
        return found

    def _hosts(self, _guest, _counted):
        for name, points in self._mounts().items():
            if points != self.mounts[name]:
                self._say(f"mounts {name}: {sorted(set(points) ^ set(self.mounts[name]))}")
        for host in self.lab.hosts.values():
            traces = host.orch_traces()
            if traces:
                self._say(f"left on {host.name}: {traces}")
        if self.lab.images:
            left = [n for n in os.listdir(self.lab.images.path) if ".orch-" in n]
            if left:
                self._say(f"left among the shared images: {left}")
