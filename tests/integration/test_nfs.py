"""orch on the file system that its users have: a real NFSv4.1 mount (hard), in a machine of its own, from a server that hangs, dies and
comes back. The hypervisor sees the exported directory itself, so a copy goes on while orch's own mount does not answer.

What a kill does to the catalog is tried 10 times for the daemon and 3 times for the server; with ORCH_NFS_KILLS=full, 50 and 20 times, and a
server hangs for longer than a job may.
"""

import contextlib
import glob
import json
import os
import random
import select
import shutil
import sqlite3
import statistics
import tempfile
import threading
import time
import unittest

import evidence
import harness
from harness import Disk, Orch, Result, Vm, entry, yaml_text
from lab.nfs_guest import NfsGuest
from lab.nfs_server import LEASE_SECONDS, NfsServer
from outside import BINARY, LabCase
from preload import library_of
from test_catalog import catalog_rows

HOST = "hypervisor-01"
MOUNT = "/mnt/backup"
CONFIG = "/var/lib/orch/orch.yaml"
PROGRAMS = {"/usr/bin/orch": BINARY, "/usr/bin/qemu-img": "/usr/bin/qemu-img"}
STEP_GATE, GATE = "/usr/lib/step-gate.so", "/run/gate"
FULL = os.environ.get("ORCH_NFS_KILLS") == "full"
KILLS = (50, 20) if FULL else (10, 3)
ROWS = 40  # points that are only there to give the catalog something to write
JOURNAL_MAGIC = bytes.fromhex("d9d505f920a163d7")

# The hypervisors of the laboratory have no NFS client, and orch refuses a hypervisor whose share is no NFS mount: what it reads of their
# mounts is told otherwise here.
HYPERVISOR_SHELL = r"""#!/bin/sh
[ "$1" = -c ] || exec /bin/sh "$@"
script=$(printf '%s' "$2" | sed 's,/proc/self/mountinfo,/run/mountinfo,')
sed 's, \(@SHARE@ .*\) - ext4 , \1 - nfs4 ,' /proc/self/mountinfo > /run/mountinfo
shift 2
exec /bin/sh -c "$script" "$@"
"""


class GuestOrch:
    """orch on the orchestrator's machine: called like harness.Orch, its daemon killed and started by pid."""

    def __init__(self, lab, guest, server):
        self.lab, self.guest, self.server, self.pid = lab, guest, server, None
        host = lab.host(HOST)
        self.settings = {
            "repository": {"path": MOUNT, "fstype": "nfs"}, "inventory": "vm-list.yaml", "socket": "/run/orch.sock",
            "cycle": {"start": "Sat 12:00", "timezone": "Europe/Berlin"},
            "limits": {"bandwidth_mib_s": 4},
            "ssh": {"key": "id_ed25519", "known_hosts": "known_hosts"},
            "checks": {"hypervisor_free_gib": 5, "hypervisor_low_water_gib": 1}, "daemon": {"state": "/var/lib/orch/state"},
        }
        self.inventory = {
            "hypervisors": [{"name": HOST, "address": host.address, "repository": lab.share.path, "scratch": "/var/lib/libvirt/images"}],
            "vms": [entry("db", HOST)],
        }
        with open(lab.known_hosts) as f:
            known_hosts = f.read()
        for name, text, mode in [("id_ed25519", lab.keys.private("client"), 0o600), ("known_hosts", known_hosts, 0o644),
                                 ("orch.yaml", yaml_text(self.settings), 0o644), ("vm-list.yaml", yaml_text(self.inventory), 0o644)]:
            guest.write(f"/var/lib/orch/{name}", text, mode)
        guest.exec("mkdir -p /var/lib/orch/state")

    def change_settings(self, changes):
        """Written at once; the daemon is started anew with them."""
        for section, keys in changes.items():
            self.settings[section].update(keys)
        self.guest.write(CONFIG, yaml_text(self.settings))
        self.stop_daemon()
        self.start_daemon()

    def mount(self):
        self.guest.exec(f"mount -t nfs4 -o addr={self.server.address},clientaddr=10.0.2.15,vers=4.1,hard {self.server.export} {MOUNT}")

    def unmount(self):
        self.guest.exec(f"umount {MOUNT}")

    def __call__(self, *args, check=None, timeout=300):
        harness.called.append(list(args[:2]))
        words = " ".join(f"'{a}'" for a in args)
        begun = time.monotonic()
        result = Result(*self.guest.exec(f"orch --config {CONFIG} {words}", check=False, timeout=timeout), time.monotonic() - begun)
        if check is not None and result.status != check:
            raise AssertionError(f"orch {words}: expected exit {check}, got {result}\n--- daemon\n{self.log()[-4000:]}")
        return result

    def json(self, *args):
        return json.loads(self(*args, "--json", check=0).out)

    def log(self):
        return self.guest.exec("cat /var/lib/orch/daemon.log", check=False)[1]

    def start_daemon(self, wait=True):
        script = f"LD_PRELOAD={STEP_GATE} ORCH_TEST_GATE={GATE} ASAN_OPTIONS=verify_asan_link_order=0 setsid orch --config {CONFIG} daemon </dev/null >>/var/lib/orch/daemon.log 2>&1 & echo $!"
        self.pid = int(self.guest.exec(script)[1])
        if wait:
            self.wait_ready()

    def wait_ready(self):
        def ready():
            result = self("status", "--json")
            return result.status == 0 and json.loads(result.out)["repository"]["state"] == "ok"
        self.wait_for(ready, 300, "a daemon with an open repository")

    def send_kill(self):
        """Its end may have to wait for the server."""
        self.guest.exec(f"kill -9 {self.pid}")

    def kill_daemon(self):
        self.guest.exec(f"kill -9 {self.pid}; while [ -d /proc/{self.pid} ]; do usleep 20000; done", timeout=120)

    def stop_daemon(self):
        self.guest.exec(f"kill {self.pid}; while [ -d /proc/{self.pid} ]; do usleep 20000; done", timeout=120)

    def wait_for(self, condition, timeout, what):
        """Between two looks it rests for as long as a look takes: an emulated orch that only looks takes a second of a processor."""
        deadline = time.monotonic() + timeout
        while True:
            asked = time.monotonic()
            if value := condition():
                return value
            if time.monotonic() > deadline:
                raise AssertionError(f"{what}: not within {timeout} s\n--- daemon\n{self.log()[-4000:]}")
            time.sleep(max(0.2, min(time.monotonic() - asked, 2)))

    def shut_gate(self, step):
        """The next worker stops itself where this step begins (preload.py)."""
        self.guest.write(GATE, step)

    def wait_until_it_stands(self, step, client, timeout=300):
        """The worker's pid; `client` is the connection of the one that waits for the job."""
        def standing():
            if select.select([client], [], [], 0)[0]:
                raise AssertionError(f"the job ended before its step {step}: {self.guest.result(client)}\n{self.log()[-3000:]}")
            return self.guest.exec("grep -l '^State:.T' /proc/[0-9]*/status 2>/dev/null | cut -d/ -f3", check=False)[1].strip()
        return self.wait_for(standing, timeout, f"a worker that stands at the step {step}")

    def wait_idle(self, timeout=300):
        def idle():
            status = self.json("status")
            return not status["running"] and not status["queued"]
        self.wait_for(idle, timeout, "an idle daemon")


class Asking(threading.Thread):
    """Asks `orch status` again and again, inside, until the block ends: [(second it began, seconds it took, seconds that starting orch
    alone took just before, exit status)]. Emulated, on a busy machine, a process takes its time before it has asked anything."""

    SCRIPT = f"""while [ -e /run/asking ]; do
read a x < /proc/uptime; orch --version >/dev/null; read b x < /proc/uptime
timeout 60 orch --config {CONFIG} status >/dev/null; rc=$?; read c x < /proc/uptime; echo $a $b $c $rc; sleep 0.3; done"""

    def __init__(self, guest):
        super().__init__(daemon=True)
        self.guest, self.answers = guest, []

    def run(self):
        for line in self.guest.result(self.guest.open(self.SCRIPT, 600))[1].splitlines():
            start, begin, end, status = map(float, line.split())
            self.answers.append((begin, end - begin, begin - start, status))

    def __enter__(self):
        self.guest.exec("touch /run/asking")
        self.start()
        return self

    def __exit__(self, *_):
        self.guest.exec("rm /run/asking")
        self.join()


class Nfs(LabCase):
    prefix, hosts = "nfs", 1
    vms = [(HOST, lambda: Vm("db", [Disk("vda", size_mib=64, filled_mib=16)], writer=True))]

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.lab.host(HOST).exec("install", "-m", "755", "/dev/stdin", "/usr/local/bin/sh", input=HYPERVISOR_SHELL.replace("@SHARE@", cls.lab.share.path))
        cls.server = NfsServer(cls.lab)
        cls.addClassCleanup(cls.server.down)
        cls.server.create()
        cls.guest = NfsGuest(cls.lab, {**PROGRAMS, STEP_GATE: library_of("step-gate.c", cls.lab.dir)})
        cls.addClassCleanup(cls.guest.down)
        cls.guest.create()
        cls.orch = GuestOrch(cls.lab, cls.guest, cls.server)
        cls.catalog = os.path.join(cls.lab.share.path, "metadata/backup-catalog.db")

    def machines_orch(self):
        """Another orch, on the exported directory: what it locks, it locks against the server."""
        return self.enterContext(Orch(self.lab, BINARY, "second"))

    # -- the mount and the lock ------------------------------------------------------------------------------------

    def test_01_only_a_mount_is_a_repository(self):
        for verb in ("init", "check"):
            result = self.orch("repository", verb, check=4)
            self.assertIn(f"{MOUNT} is not a mount point", result.err)
        self.assertEqual(self.guest.exec(f"ls -A {MOUNT}")[1], "")
        self.orch.mount()
        self.orch("repository", "init", check=0)
        with open(os.path.join(self.lab.share.path, ".orch-repository")) as f:
            uuid = next(line.split()[1] for line in f if line.startswith("uuid:"))
        seen = self.orch.json("repository", "check")
        self.assertEqual((seen["mount_type"], seen["uuid"], seen["writable"]), ("nfs4", uuid, True))
        self.assertIn("nothing was changed", self.orch("repository", "init", check=4).err)

    def test_02_a_folder_of_the_mount_is_none(self):
        self.guest.exec(f"mkdir -p {MOUNT}/inside && sed 's,{MOUNT},{MOUNT}/inside,' {CONFIG} > /var/lib/orch/inside.yaml")
        status, _, said = self.guest.exec("orch --config /var/lib/orch/inside.yaml repository init", check=False)
        self.assertEqual(status, 4, said)
        self.assertIn(f"a folder of the share mounted on {MOUNT}", said)
        self.guest.exec(f"rmdir {MOUNT}/inside")

    def test_03_one_orchestrator_at_a_time(self):
        self.orch.start_daemon()
        second = self.machines_orch()
        holder = rf"process {self.orch.pid} on orchestrator has locked it since"
        self.assertRegex(self.orch("catalog", "rebuild", check=4).err, holder)
        self.assertRegex(second("catalog", "rebuild", check=4).err, holder)
        with self.subTest("from a mount of its own"):
            self.guest.exec(f"mkdir -p /mnt/other && mount -t nfs4 -o addr={self.server.address},clientaddr=10.0.2.15,vers=4.1,hard,nosharecache "
                            f"{self.server.export} /mnt/other && sed 's,{MOUNT},/mnt/other,' {CONFIG} > /var/lib/orch/other.yaml")
            status, _, said = self.guest.exec("orch --config /var/lib/orch/other.yaml catalog rebuild", check=False)
            self.guest.exec("umount /mnt/other")
            self.assertEqual(status, 4, said)
            self.assertRegex(said, holder)
        with self.subTest("a live holder's lock is not broken"):
            self.assertIn("held by a live process of this host", self.orch("repository", "unlock", "--force", "--yes", check=4).err)
        self.orch.kill_daemon()
        with self.subTest("it goes with its holder"):
            second("catalog", "rebuild", check=0)
            self.orch("catalog", "rebuild", check=0)

    def ready(self):
        """Mounted, a repository, and the daemon runs: for a test that is run alone, too."""
        if self.guest.exec(f"grep -q ' {MOUNT} ' /proc/mounts", check=False)[0] != 0:
            self.orch.mount()
        if not os.path.exists(os.path.join(self.lab.share.path, ".orch-repository")):
            self.orch("repository", "init", check=0)
        if self.orch("status").status != 0:
            self.orch.start_daemon()

    def test_04_the_catalog_is_kept_as_nfs_needs_it(self):
        self.ready()
        files = {n for n in os.listdir(os.path.dirname(self.catalog)) if n.startswith("backup-catalog")}
        self.assertLessEqual(files, {"backup-catalog.db", "backup-catalog.db-journal"})
        self.assertFalse(self.journal_is_hot())
        with open(self.catalog, "rb") as f:
            self.assertEqual(f.read(20)[18:20], b"\x01\x01")  # not WAL
        maps = self.guest.exec(f"cat /proc/{self.orch.pid}/maps")[1]
        self.assertNotIn("backup-catalog", maps)
        with contextlib.closing(sqlite3.connect(self.catalog, timeout=0)) as db, self.assertRaisesRegex(sqlite3.OperationalError, "locked"):
            db.execute("SELECT * FROM entry").fetchall()

    def journal_is_hot(self):
        """Is there a transaction that has begun and not ended? (A lock that is kept lets SQLite keep the journal, its header wiped.)"""
        with contextlib.suppress(FileNotFoundError), open(self.catalog + "-journal", "rb") as f:
            return f.read(8) == JOURNAL_MAGIC
        return False

    # -- a backup ----------------------------------------------------------------------------------------------------

    def backup(self):
        """A whole backup that is good; its entry."""
        self.orch("backup", "vm", "db", check=0)
        point = self.orch.json("list", "db")[0]
        evidence.check_point(self, os.path.join(self.lab.share.path, point["path"]))
        self.assertEqual(point["status"], "ok")
        return point

    def test_05_a_backup(self):
        self.ready()
        self.lab.vm("db").exec("sh", "-c", "echo over-nfs > /data/vda/marker; sync")
        point = self.backup()
        folder = os.path.join(self.lab.share.path, point["path"])
        self.assertEqual(point["consistency"], "filesystem")
        with evidence.Image(os.path.join(folder, "db-vda.qcow2")) as image:
            self.assertEqual(image.read("/marker"), "over-nfs\n")
        with open(os.path.join(folder, "backup-metadata.json")) as f:
            checks = {c["name"]: c["verdict"] for c in json.load(f)["checks"]}
        self.assertEqual({v for v in checks.values()}, {"pass"}, checks)
        self.assertEqual(self.orch.json("show", "db", "latest")["point"], point["point"])
        self.assert_clean()

    def assert_clean(self):
        self.assert_as_before("db")
        self.assert_no_staging()

    # -- the server fails in the middle of a backup --------------------------------------------------------------------

    def in_the_middle(self, step, fault):
        """A backup whose server has this fault as the step begins: (its exit status, what was told); the fault lets the worker go on. The
        daemon answers all the time, and when the job has ended the VM is on its disks and what is listed is what the job said."""
        self.ready()
        self.orch.shut_gate(step)
        points = len(self.orch.json("list", "db"))
        with Asking(self.guest) as asking:
            connection = self.guest.open(f"orch --config {CONFIG} backup vm db", 600)
            worker = self.orch.wait_until_it_stands(step, connection)
            fault(lambda: self.guest.exec(f"kill -CONT {worker}"))
            status, out, err = self.guest.result(connection)
            self.orch.wait_idle()
        told = f"{out}{err}--- daemon\n{self.orch.log()[-3000:]}"
        self.assertIn(status, (0, 1), told)
        self.check_answers(asking.answers)
        self.assertEqual(len(self.orch.json("list", "db")) - points, 1 if status == 0 else 0, told)
        self.assert_as_before("db")
        if status == 0:
            self.assert_no_staging()
        return status, out

    def check_answers(self, answers):
        self.assertEqual({status for *_, status in answers}, {0})
        starts = [start for _, _, start, _ in answers] + [0]
        beyond = [took - 3 * max(starts[i], starts[i + 1]) for i, (_, took, _, _) in enumerate(answers)]
        self.assertLess(max(beyond), 3, answers)
        print(f"        {len(answers)} answers: {statistics.median(took for _, took, _, _ in answers):.2f} s, at most "
              f"{max(took for _, took, _, _ in answers):.2f} s (starting orch alone: {statistics.median(starts[:-1]):.2f} s, {max(starts):.2f} s)", flush=True)

    def wait_for_own_disks(self, timeout=240):
        """The guest is thawed and back on its disks, while the share may be away."""
        vm = self.lab.vm("db")
        self.assertFalse(vm.frozen())
        self.orch.wait_for(lambda: {d.target: d.path for d in vm.spec.disks} == vm.disk_paths(), timeout, "a VM on its own disks")

    def hang(self, seconds, let_go):
        self.server.stop()
        let_go()
        begun = time.monotonic()
        self.wait_for_own_disks()
        time.sleep(max(0, seconds - (time.monotonic() - begun)))
        self.server.cont()

    def away(self, seconds, let_go):
        self.server.kill()
        let_go()
        begun = time.monotonic()
        self.wait_for_own_disks()
        time.sleep(max(0, seconds - (time.monotonic() - begun)))
        self.server.start()

    def test_11_it_hangs_and_goes_on(self):
        self.assertEqual(self.in_the_middle("copy", lambda let_go: self.hang(20, let_go))[0], 0)

    def test_12_it_is_killed_and_started(self):
        self.assertEqual(self.in_the_middle("read-back", lambda let_go: self.away(0, let_go))[0], 0)

    def test_13_it_is_away_for_a_minute(self):
        self.in_the_middle("copy", lambda let_go: self.away(60, let_go))
        self.backup()
        self.assert_clean()

    if FULL:  # takes more than two minutes
        def test_14_it_hangs_for_longer_than_a_job_may(self):
            """copy_stall_seconds and the daemon's slack pass, the worker is killed, and the job says what was stuck; the rest is put right as
            soon as the server is back."""
            self.ready()
            self.orch.change_settings({"limits": {"copy_stall_seconds": 5}})
            self.addCleanup(self.orch.change_settings, {"limits": {"copy_stall_seconds": 600}})

            def fault(let_go):
                self.server.stop()
                let_go()
                self.wait_for_own_disks()
                self.orch.wait_for(lambda: "failed" in self.orch.log().splitlines()[-1] or not self.orch.json("status")["running"], 180, "an end of the job")
                self.server.cont()
            status, out = self.in_the_middle("copy", fault)
            self.assertEqual(status, 1, out)
            self.assertRegex(out, r"db FAILED: the worker sent no event for 65 s")
            self.backup()
            self.assert_clean()

    # -- cut off for longer than a lease --------------------------------------------------------------------------------

    def test_15_a_lock_that_was_lost_is_not_believed_in(self):
        """Cut off for longer than its lease, a client loses its locks: another orch may take the repository, and the first one must see
        that when it is back."""
        self.ready()
        self.server.cable.cut()
        self.addCleanup(self.server.cable.heal)
        second = self.machines_orch()
        second.write_inventory([])
        deadline = time.monotonic() + 6 * LEASE_SECONDS
        while second("catalog", "rebuild").status == 4 and time.monotonic() < deadline:
            time.sleep(1)
        second.start_daemon()
        second.wait_for(lambda: second.json("status")["repository"]["state"] == "ok", 60, "the second orch's repository")
        self.server.cable.heal()
        result = self.orch("backup", "vm", "db", timeout=300)
        told = f"{result}\n{self.orch.log()[-3000:]}"
        self.assertIn(result.status, (1, 4), told)
        self.assertRegex(result.out + result.err, r"in use by another orch", told)
        self.assertNotIn("metadata that the worker sent", told)
        second.stop_daemon()
        self.backup()

    # -- the catalog ----------------------------------------------------------------------------------------------------

    def make_rows(self):
        """Points of a VM that is in no inventory, made of db's newest; each start of a daemon after turn_rows() has to write them all."""
        point = self.orch.json("list", "db")[0]
        folder = os.path.join(self.lab.share.path, point["path"])
        home = os.path.join(self.lab.share.path, HOST, "rows")
        if os.path.isdir(home):
            return
        os.makedirs(home)
        with open(os.path.join(folder, "backup-metadata.json")) as f:
            metadata = json.load(f)
        for i in range(ROWS):
            name = f"2026-01-01-{i // 60:04}{i % 60:02}"
            os.makedirs(os.path.join(home, name))
            os.link(os.path.join(folder, "db-vda.qcow2"), os.path.join(home, name, "db-vda.qcow2"))
            with open(os.path.join(home, name, "backup-metadata.json"), "w") as f:
                json.dump(dict(metadata, vm="rows", point=name, job=f"rows-{i}"), f)

    def turn_rows(self, verified):
        for folder in glob.glob(os.path.join(self.lab.share.path, HOST, "rows", "20*")):
            with open(os.path.join(folder, "state.json.new"), "w") as f:
                json.dump({"format": 1, "held": False, "damaged": False, "verified": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(verified))}, f)
            os.rename(f.name, os.path.join(folder, "state.json"))

    def check_catalog(self):
        """The file as it lies on the server, looked at in a copy (a stranger's look must not play the journal of the real one): whole, and
        the rows are all of one state. Returns that state, and whether a transaction was cut short."""
        hot = self.journal_is_hot()
        with tempfile.TemporaryDirectory() as folder:
            for suffix in ("", "-journal"):
                with contextlib.suppress(FileNotFoundError):
                    shutil.copy(self.catalog + suffix, os.path.join(folder, "catalog.db" + suffix))
            with contextlib.closing(sqlite3.connect(os.path.join(folder, "catalog.db"))) as db:
                self.assertEqual(db.execute("PRAGMA integrity_check").fetchall(), [("ok",)])
                states = {row[0] for row in db.execute("SELECT verified FROM entry WHERE vm = 'rows'")}
                self.assertLessEqual(len(states), 1, "a transaction was done by half")
        self.assertEqual(glob.glob(self.catalog + ".corrupt*"), [])
        return states, hot

    def stop_the_server_in_a_transaction(self, timeout=300):
        """Lets the server live for moments only, until the journal that it holds is that of an unfinished transaction; it is stopped then."""
        deadline = time.monotonic() + timeout
        while not self.journal_is_hot():
            self.server.cont()
            time.sleep(0.001)
            self.server.stop()
            if time.monotonic() > deadline:
                self.server.cont()
                self.fail(f"the daemon wrote nothing\n{self.orch.log()[-2000:]}")

    def test_21_the_catalog_survives_kills_of_the_daemon(self):
        self.ready()
        if not self.orch.json("list", "db"):
            self.backup()
        self.make_rows()
        self.orch.kill_daemon()
        chance, cut_short = random.Random(KILLS[0]), 0
        for i in range(KILLS[0]):
            self.turn_rows(1_700_000_000 + i)
            self.orch.start_daemon(wait=False)
            if i % 2:
                time.sleep(chance.uniform(0, 3))
            else:
                self.stop_the_server_in_a_transaction()
            self.orch.send_kill()
            self.server.cont()
            self.orch.kill_daemon()
            cut_short += self.check_catalog()[1]
        print(f"        {KILLS[0]} kills of the daemon, {cut_short} of them in a transaction", flush=True)
        self.assertGreater(cut_short, 0)
        self.turn_rows(1_700_001_000)
        self.orch.start_daemon()
        self.assertEqual(self.check_catalog(), ({1_700_001_000}, False))

    def test_22_the_catalog_survives_kills_of_the_server(self):
        self.ready()
        if not self.orch.json("list", "db"):
            self.backup()
        self.make_rows()
        self.orch.stop_daemon()
        chance, cut_short = random.Random(KILLS[1]), 0
        for i in range(KILLS[1]):
            self.turn_rows(1_700_002_000 + i)
            self.orch.start_daemon(wait=False)
            if i % 2:
                time.sleep(chance.uniform(0, 3))
            else:
                self.stop_the_server_in_a_transaction()
            self.server.kill()
            cut_short += self.check_catalog()[1]
            time.sleep(chance.uniform(0, 2))
            self.server.start()
            self.orch.wait_ready()
            self.assertEqual(self.check_catalog(), ({1_700_002_000 + i}, False))
            self.orch.stop_daemon()
        print(f"        {KILLS[1]} kills of the server, {cut_short} of them in a transaction", flush=True)
        self.assertGreater(cut_short, 0)
        self.orch.start_daemon()

    def rows_of_the_share(self):
        """All rows but those of jobs whose worker was killed with the share away: nobody could write to it what became of them."""
        entries, pins = catalog_rows(self.catalog)
        kept = os.listdir(os.path.join(self.lab.share.path, "metadata/failed"))
        return [e for e in entries if e["path"] or e["job"] in kept], pins

    def test_23_a_lost_catalog_is_made_again(self):
        self.ready()
        if not self.orch.json("list", "db"):
            self.backup()
        self.orch.stop_daemon()
        before = self.rows_of_the_share()
        for path in glob.glob(self.catalog + "*"):
            os.unlink(path)
        self.assertIn("created again", self.orch("catalog", "rebuild", check=0).out)
        self.assertEqual(self.rows_of_the_share(), before)
        self.orch.start_daemon()
        self.assert_clean()


if __name__ == "__main__":
    unittest.main()
