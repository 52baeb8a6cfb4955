"""The faults of a campaign: each a real one, on the real laboratory.

A fault is a generator method of `Trial`. Up to its first `yield` it strikes (with `prepared`, one part more comes before: it runs before the
backup begins). What follows runs while the job goes on, and heals what the fault broke, never what orch has to put right.
"""

import contextlib
import os
import shutil
import signal
import sqlite3
import subprocess
import time

from harness import Orch
from lab.run import LabError, wait_for
from preload import shifted_clock

IMAGES = "/var/lib/libvirt/images"
FAULTS = {}


def fault(vm="target", before=False, prepared=False, steps=None):
    """vm: which guest is backed up. before: it has one moment only, the time before the backup. steps: where it finds what it hits, when
    that is not everywhere."""
    def enter(function):
        function.vm, function.before, function.prepared, function.steps = vm, before, prepared, steps
        FAULTS[function.__name__] = function
        return function
    return enter


class Trial:
    """What faults may use."""

    def __init__(self, lab, orch, rng, vm, watch):
        self.lab, self.orch, self.rng, self.watch = lab, orch, rng, watch
        self.vm = lab.vm(vm)
        self.stream = None

    @property
    def host(self):
        return self.vm.host

    @property
    def other_host(self):
        return next(h for h in self.lab.hosts.values() if h is not self.host)

    def job_over(self):
        self.stream.over.wait(200)

    def kill(self, *pids):
        for pid in pids:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        if self.orch.daemon.pid in pids:
            self.orch.daemon.wait()

    def restart_daemon(self):
        if self.orch.daemon and self.orch.daemon.poll() is None:
            return
        self.orch.daemon = None
        self.orch.start_daemon()

    def start_guests(self):
        """As their owner does who finds them off."""
        for guest in self.lab.guests.values():
            if guest.host.running() and guest.state() == "shut off":
                guest.host.virsh("start", guest.name)

    def agent_is_lost(self):
        """A guest that is killed and started again may end in libvirt 9.0 as one whose agent "is not available due to an error", until that
        agent opens its port again. That is no freeze: those are asked for at the end, of the same agent."""
        with contextlib.suppress(LabError):
            wait_for("the guest", lambda: self.vm.control("true", check=False, timeout=3)[1] == 0, 40)
        for tries in range(6):
            said = self.host.exec("virsh", "-q", "qemu-agent-command", self.vm.name, '{"execute":"guest-ping"}', check=False).stderr
            if "not available due to an error" not in said:
                return tries > 0
            self.vm.control("kill -KILL $(pidof qemu-ga)", check=False)  # init starts it again
            with contextlib.suppress(LabError):
                wait_for(f"agent of {self.vm.name}", self.vm.agent_answers, 15, 0.5)
        return True

    # -- orch's own processes ------------------------------------------------------------------------------------------

    @fault()
    def kill_worker(self):
        self.kill(*self.orch.worker_pids())
        yield

    @fault()
    def kill_daemon(self):
        self.kill(self.orch.daemon.pid)
        yield
        self.restart_daemon()

    @fault()
    def kill_daemon_and_worker(self):
        self.kill(self.orch.daemon.pid, *self.orch.worker_pids())
        yield
        self.restart_daemon()

    @fault()
    def kill_all_and_cut(self):
        self.host.cut()
        self.kill(self.orch.daemon.pid, *self.orch.worker_pids())
        yield
        time.sleep(2)
        self.host.heal()
        self.restart_daemon()

    @fault()
    def terminate_daemon(self):
        self.orch.daemon.send_signal(signal.SIGTERM)
        yield
        self.orch.stop_daemon()
        self.restart_daemon()

    @fault()
    def cancel(self):
        subprocess.run(self.orch.command("cancel", self.stream.job or "none"), capture_output=True, env=self.orch.environment(), check=False)
        yield

    @fault()
    def second_orchestrator(self):
        other = Orch(self.lab, self.orch.binary, name="second")
        shutil.copy(self.orch.inventory, other.inventory)
        with other:
            other.start_daemon()
            yield
            refused = other("backup", "vm", self.vm.name, timeout=60)
            if refused.status != 4:
                raise AssertionError(f"a second orchestrator was not refused: {refused}")

    # -- the way to the hypervisor -------------------------------------------------------------------------------------

    @fault()
    def cut_network_10_s(self):
        self.host.cut()
        yield
        time.sleep(10)
        self.host.heal()

    @fault()
    def cut_network_until_job_ends(self):
        self.host.cut()
        yield
        self.job_over()
        self.host.heal()

    @fault()
    def kill_sshd(self):
        """The server and all its sessions."""
        self.kill(*self.host.pids_of("sshd"))
        yield
        time.sleep(self.rng.uniform(0, 3))
        self.host.restart("sshd")

    @fault()
    def kill_libvirtd(self):
        self.host.kill_proc("libvirtd")
        yield
        time.sleep(self.rng.uniform(0, 2))
        self.host.restart("libvirtd")

    @fault()
    def stop_libvirtd_8_s(self):
        self.host.stop_proc("libvirtd")
        yield
        time.sleep(8)
        self.host.cont_proc("libvirtd")

    # -- the guest -----------------------------------------------------------------------------------------------------

    @fault()
    def stop_qemu_6_s(self):
        self.host.stop_proc(f"qemu:{self.vm.name}")
        yield
        time.sleep(6)
        self.host.cont_proc(f"qemu:{self.vm.name}")

    @fault()
    def kill_qemu(self):
        self.host.kill_proc(f"qemu:{self.vm.name}")
        yield
        self.job_over()
        self.start_guests()

    @fault()
    def guest_powers_off(self):
        self.vm.control("poweroff -f", check=False, timeout=2)
        yield
        self.job_over()
        self.start_guests()

    @fault()
    def vm_undefined(self):
        """It runs on as a transient one, until its owner defines it again as it was."""
        xml = self.host.virsh("dumpxml", "--inactive", "--security-info", self.vm.name)
        self.host.virsh("undefine", self.vm.name)
        yield
        self.job_over()
        self.host.exec("virsh", "-q", "define", "/dev/stdin", input=xml)

    @fault()
    def mute_agent(self):
        self.vm.stop_agent()
        with self.watch.excused():  # nobody can thaw it
            yield
            self.job_over()
            self.vm.cont_agent()

    @fault()
    def kill_agent(self):
        self.vm.kill_agent()
        with self.watch.excused():
            yield
            self.job_over()
            self.vm.start_agent()

    @fault(before=True)
    def lying_agent(self):
        self.vm.lying_agent(self.rng.choice(["error", "nothing"]))
        yield
        self.job_over()
        self.vm.honest_agent()

    # -- disks ---------------------------------------------------------------------------------------------------------

    @fault()
    def share_full(self):
        for _ in range(3):  # a backup writes at the same time: what is left is taken again
            with contextlib.suppress(OSError):
                self.lab.share.fill(0)
        yield
        self.job_over()
        self.lab.share.unfill()

    @fault()
    def share_hangs(self):
        self.lab.share.hang()
        yield
        time.sleep(self.rng.uniform(5, 25))
        self.lab.share.unhang()

    @fault()
    def hypervisors_disk_full(self):
        """And the guest overwrites what it has: on an overlay each write needs room, and it is paused."""
        self.host.fill(2)
        self.vm.control("(tr '\\0' x < /dev/zero | dd of=/data/vdb/big bs=1M count=12 iflag=fullblock conv=notrunc,fsync 2>/dev/null) &",
                        check=False)
        yield
        self.job_over()
        self.host.unfill()

    # -- the catalog and the clock -------------------------------------------------------------------------------------

    @property
    def catalog(self):
        return os.path.join(self.lab.share.path, "metadata", "backup-catalog.db")

    @fault()
    def catalog_deleted(self):
        with contextlib.suppress(FileNotFoundError):
            os.unlink(self.catalog)
        yield

    @fault()
    def catalog_truncated(self):
        size = os.stat(self.catalog).st_size
        os.truncate(self.catalog, self.rng.choice([0, 100, size // 2, size - 1]))
        yield

    @fault()
    def catalog_locked(self):
        """By another process, while no daemon holds it; the next daemon finds it so."""
        self.kill(self.orch.daemon.pid)
        with contextlib.closing(sqlite3.connect(self.catalog, timeout=20)) as db:
            db.execute("BEGIN EXCLUSIVE")
            self.restart_daemon()
            yield
            time.sleep(self.rng.uniform(2, 8))

    @fault(prepared=True)
    def clock_set_back(self):
        """By an hour, for all of orch's processes and for good. The daemon starts again afterwards, on the right time."""
        self.orch.stop_daemon()
        try:
            with shifted_clock(self.orch) as clock:
                self.orch.start_daemon()
                yield
                clock.set(-3600)
                yield
                self.settled()
        finally:
            self.orch.stop_daemon()
            self.orch.start_daemon()

    def settled(self):
        """For a fault that lasts until orch is at rest: what the campaign does next, done by the fault itself."""
        self.job_over()
        again = self.orch("run", "--all", "--exclude", "roamer", timeout=200)
        if again.status != 0 or " ok, " not in again.out:
            raise AssertionError(f"the next run, with the clock set back: {again}")

    # -- the VM's place ------------------------------------------------------------------------------------------------

    @fault(vm="roamer", before=True)
    def moved_between_cycles(self):
        self.vm.migrate(self.other_host, shared=True)
        yield

    @fault(vm="roamer")
    def migrated_in_between(self):
        self.vm.migrate(self.other_host, shared=True)
        yield

    @fault()
    def reboot_with_guests_saved(self):
        """As libvirt-guests does it; what cannot be saved loses power. They are restored at once, or later than the job's end."""
        host = self.host
        for guest in self.lab.guests.values():
            if guest.host is host:
                host.exec("virsh", "-q", "managedsave", guest.name, check=False)
        host.reboot()
        if self.rng.random() < 0.5:
            self.start_guests()
        yield
        self.job_over()
        self.start_guests()

    @fault()
    def power_cut(self):
        host = self.host
        host.stop()
        yield
        host.start()
        self.start_guests()

    @fault()
    def foreign_block_copy(self):
        copy = f"{IMAGES}/foreign-copy.qcow2"
        self.host.virsh("blockcopy", self.vm.name, "vda", "--dest", copy, "--transient-job")
        yield
        self.job_over()
        self.host.exec("virsh", "-q", "blockjob", self.vm.name, "vda", "--abort", check=False)
        self.host.exec("rm", "-f", copy)

    @fault(steps=["thaw", "copy", "commit"])
    def foreign_commit(self):
        """Somebody commits what orch put there, and does not finish it."""
        self.host.virsh("blockcommit", self.vm.name, "vda", "--active")
        yield
