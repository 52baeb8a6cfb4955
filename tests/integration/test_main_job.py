"""The main job: three guests on two hypervisors, one `orch run --all`. The cases look at what one run did and left behind."""

import glob
import json
import os
import sqlite3
import subprocess
import time
import unittest
import zoneinfo
from datetime import datetime

import jsonschema

import evidence
from evidence import Image, Witness
from harness import Disk, Lab, Orch, Vm, domain_xml, entry

SCHEMAS = os.path.join(os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__)))), "schema")

# name: (hypervisor, priority, disks); neither the names nor the inventory are in the order of the priorities
GUESTS = {
    "beta": ("hypervisor-01", 2, {"vda": "qcow2", "vdb": "raw"}),
    "gamma": ("hypervisor-02", 1, {"vda": "qcow2"}),
    "alpha": ("hypervisor-02", 3, {"vda": "qcow2"}),
}
SECRET = "hush7316"  # of a console: part of the XML, and of nothing else
IN_ORDER = ["gamma", "beta", "alpha"]

SPECIFIED_BEFORE = {
    "VM is running": "vm-running",
    "NFS mount is properly mounted": "share-mounted",
    "guest agent responding or not installed": "guest-agent",
    "no existing snapshots": "no-snapshots",
    "hypervisor has room": "hypervisor-space",
    "NFS mount accessible and writable": "share-writable",
    "NFS has sufficient space": "share-space",
    "backup destination directory created": "destination-folder",
}
SPECIFIED_AFTER = {
    "VM still running": "vm-running",
    "VM still responsive": "vm-responsive",
    "no orphaned snapshot files": "no-overlay-left",
    "files exist and are non-zero": "files-present",
    "checksums verified": "checksums-verified",
    "XML backed up": "xml-saved",
    "metadata created": "metadata-created",
}


def guests():
    for name, (host, _, disks) in GUESTS.items():
        has_agent = name != "alpha"
        vm = Vm(name, [Disk(target, format=fmt, size_mib=64) for target, fmt in disks.items()], agent=has_agent, writer=has_agent)
        if name == "gamma":
            vm.xml = domain_xml(vm).replace("<memballoon", f"<graphics type='vnc' port='5907' passwd='{SECRET}'/>\n    <memballoon")
        yield host, vm


class MainJob(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.lab = cls.enterClassContext(Lab.create(f"main-{os.getpid()}", hosts=2))
        cls.lab.add_vms(list(guests()))
        cls.vms = cls.lab.guests
        cls.witness = {name: Witness(host) for name, host in cls.lab.hosts.items()}
        cls.orch = cls.enterClassContext(Orch(cls.lab, os.environ["ORCH_BINARY"]))
        cls.orch.write_inventory([entry(name, host, "snapshot" if name == "alpha" else "quiesce", priority)
                                  for name, (host, priority, _) in GUESTS.items()])
        cls.orch.repository_init()
        cls.orch.start_daemon()
        for name, (_, _, disks) in GUESTS.items():
            for target in disks:
                cls.vms[name].control(f"echo synced-{name}-{target} > /data/{target}/marker && sync")
        cls.paths_before = {name: vm.disk_paths() for name, vm in cls.vms.items()}
        cls.files_before = {name: evidence.files(host) for name, host in cls.lab.hosts.items()}
        cls.counted_before = {name: cls.vms[name].writer("value") for name in ("beta", "gamma")}
        cls.run_and_look()

    @classmethod
    def run_and_look(cls):
        """The run, held while beta's first disk is copied; then everything that it left is collected, and the daemon stopped."""
        held = cls.witness["hypervisor-01"]
        held.hold("beta-vda.qcow2")
        with cls.orch.popen("run", "--all", stdout=-1, stderr=-1) as job:
            try:
                held.wait("beta-vda.qcow2")
                beta = cls.vms["beta"]
                cls.meanwhile = {"frozen": beta.frozen(), "paths": beta.disk_paths(), "counted": beta.writer("value"),
                                 "others": {n: cls.vms[n].disk_paths() for n in ("gamma", "alpha")}}
                beta.control("for d in /data/*; do echo later > $d/later; done; sync")
                time.sleep(1.5)  # a job that would not wait for this one shows itself
            finally:
                held.release("beta-vda.qcow2")
            cls.out, cls.err = job.communicate(timeout=240)
            cls.status = job.returncode
        cls.files_after = {name: evidence.files(host) for name, host in cls.lab.hosts.items()}
        cls.traces = {name: host.orch_traces() for name, host in cls.lab.hosts.items()}
        cls.listed = cls.orch.json("list")
        cls.logs = {name: [json.loads(line) for line in cls.orch("log", name, "--json", check=0).out.splitlines()] for name in GUESTS}
        cls.stopped = cls.orch.stop_daemon()
        cls.catalog = os.path.join(cls.lab.dir, "catalog.db")
        cls.orch("catalog", "backup", cls.catalog, check=0)

    def point(self, name):
        return next(p for p in self.listed if p["vm"] == name)

    def folder(self, name):
        return self.orch.point_folder(self.point(name))

    def metadata(self, name):
        return self.orch.metadata(self.point(name))

    # -- order -------------------------------------------------------------------------------------------------------

    def test_exit_status_and_verdict(self):
        self.assertEqual(self.status, 0, self.out + self.err)
        self.assertEqual(sorted(p["vm"] for p in self.listed), sorted(GUESTS))
        self.assertTrue(all(p["status"] == "ok" and not p["warnings"] for p in self.listed), self.listed)
        self.assertEqual(self.stopped, 0)

    def test_order_is_by_priority_across_hosts_and_never_two_at_once(self):
        copies = sorted((when, what, file) for witness in self.witness.values() for what, when, file in witness.lines())
        self.assertEqual([(what, file) for _, what, file in copies],
                         [(what, f"{name}-{target}.qcow2") for name in IN_ORDER for target in GUESTS[name][2] for what in ("begin", "end")])

    def test_jobs_do_not_overlap_in_their_events(self):
        spans = []
        for name in IN_ORDER:
            times = [e["time_ms"] for e in self.logs[name] if "time_ms" in e]
            self.assertTrue(times, self.logs[name])
            spans.append((min(times), max(times)))
        for (_, ended), (begun, _) in zip(spans, spans[1:]):
            self.assertLessEqual(ended, begun)
        started = [self.metadata(name)["started"] for name in IN_ORDER]
        self.assertEqual(started, sorted(started))

    # -- content -----------------------------------------------------------------------------------------------------

    def test_copies_hold_exactly_what_was_under_the_overlay(self):
        for name, (host, _, disks) in GUESTS.items():
            for target, fmt in disks.items():
                source = self.paths_before[name][target]
                self.assertEqual(self.witness[host].compare(self.folder(name), f"{name}-{target}.qcow2", source, fmt), "")

    def test_a_copy_that_differs_would_be_seen(self):
        """One sector is enough: the comparison above is not blind."""
        witness, host = self.witness["hypervisor-01"], self.lab.host("hypervisor-01")
        host.exec("mkdir", evidence.FOLDER + "/changed")
        host.exec("cp", os.path.join(self.folder("beta"), "beta-vdb.qcow2"), evidence.FOLDER + "/changed")
        host.exec("qemu-io", "-c", "write -P 7 40M 512", evidence.FOLDER + "/changed/beta-vdb.qcow2")
        source = self.paths_before["beta"]["vdb"]
        self.assertIn("mismatch", witness.compare(evidence.FOLDER + "/changed", "beta-vdb.qcow2", source, "raw"))

    def test_what_was_synced_is_in_the_copies_and_what_came_later_is_not(self):
        for name, (_, _, disks) in GUESTS.items():
            for target in disks:
                with Image(os.path.join(self.folder(name), f"{name}-{target}.qcow2")) as image:
                    self.assertEqual(image.read("/marker"), f"synced-{name}-{target}\n")
                    self.assertIsNone(image.read("/later"))

    def test_a_frozen_guest_left_its_file_systems_clean_and_an_unfrozen_one_did_not(self):
        for name in GUESTS:
            with Image(os.path.join(self.folder(name), f"{name}-vda.qcow2")) as image:
                self.assertEqual(image.was_clean, name != "alpha", name)

    def test_the_counter_in_the_copy_lies_between_before_and_the_freeze(self):
        for name in ("beta", "gamma"):
            with Image(os.path.join(self.folder(name), f"{name}-vda.qcow2")) as image:
                counted = int(image.read("/counter"))
            self.assertGreaterEqual(counted, self.counted_before[name])
            if name == "beta":
                self.assertLessEqual(counted, self.meanwhile["counted"] + 1)

    def test_the_guest_ran_on_its_overlays_while_it_was_copied(self):
        self.assertFalse(self.meanwhile["frozen"])
        for target, path in self.paths_before["beta"].items():
            self.assertRegex(self.meanwhile["paths"][target], "^" + path + r"\.orch-")
        self.assertEqual(self.meanwhile["others"], {n: self.paths_before[n] for n in ("gamma", "alpha")})

    # -- afterwards --------------------------------------------------------------------------------------------------

    def test_guests_are_thawed_and_write_on_their_own_disks(self):
        for name, vm in self.vms.items():
            self.assertEqual(vm.state(), "running")
            self.assertEqual(vm.disk_paths(), self.paths_before[name])
            self.assertNotIn("orch", vm.xml("--inactive").replace("org.orch.lab", ""))
            self.assertNotIn("<mirror", vm.xml())
            self.assertEqual(vm.host.virsh("snapshot-list", name, "--name").strip(), "")
            self.assertEqual(vm.control("echo after > /data/vda/after; sync; cat /data/vda/after"), ("after\n", 0))
        for name in ("beta", "gamma"):
            vm = self.vms[name]
            self.assertFalse(vm.frozen())
            counted = vm.writer("value")
            evidence.wait_for(f"{name} counting on", lambda: vm.writer("value") > counted, 30)

    def test_what_was_written_meanwhile_was_kept(self):
        said = self.vms["beta"].control("echo 3 > /proc/sys/vm/drop_caches; cat /data/vda/later /data/vdb/later")
        self.assertEqual(said, ("later\nlater\n", 0))

    def test_nothing_is_left_on_the_hypervisors(self):
        for name in self.lab.hosts:
            self.assertEqual(self.files_after[name], self.files_before[name], name)
            self.assertEqual(self.traces[name], [], name)

    def test_nothing_but_points_is_left_on_the_share(self):
        share = self.lab.share.path
        top = {n for n in os.listdir(share) if n != "lost+found"}
        self.assertEqual(top - {".orch-lock"}, {".orch-repository", "metadata", "hypervisor-01", "hypervisor-02"})
        self.assertEqual(sorted(os.listdir(os.path.join(share, "hypervisor-02"))), ["alpha", "gamma"])
        for name in GUESTS:
            self.assertEqual(os.listdir(os.path.dirname(self.folder(name))), [self.point(name)["point"]])
        self.assertEqual(glob.glob(os.path.join(share, "metadata", "failed", "*")), [])

    # -- the points ----------------------------------------------------------------------------------------------------

    def test_points_can_be_checked_without_orch(self):
        for name, (_, _, disks) in GUESTS.items():
            folder = self.folder(name)
            evidence.check_point(self, folder)
            wanted = {"checksums.sha256", "backup-metadata.json", "RESTORE.txt", "backup.log", f"{name}.xml"}
            self.assertEqual(set(os.listdir(folder)) - {"state.json"}, wanted | {f"{name}-{t}.qcow2" for t in disks})

    def test_list_catalog_folders_and_metadata_agree(self):
        self.assertEqual(sorted(self.orch.point_folder(p) for p in self.listed), self.orch.published())
        with sqlite3.connect(f"file:{self.catalog}?mode=ro", uri=True) as db:
            db.row_factory = sqlite3.Row
            rows = {row["vm"]: dict(row) for row in db.execute("SELECT * FROM entry")}
            pins = {row["vm"]: row["uuid"] for row in db.execute("SELECT * FROM pin")}
        self.assertEqual(set(rows), set(GUESTS))
        self.assertEqual(pins, {name: vm.spec.uuid for name, vm in self.vms.items()})
        for name, (host, _, disks) in GUESTS.items():
            point, row, metadata = self.point(name), rows[name], self.metadata(name)
            for key in ("vm", "hypervisor", "point", "status", "level", "method", "consistency", "path", "virtual_bytes", "stored_bytes",
                        "duration_seconds", "freeze_milliseconds", "parent", "error"):
                self.assertEqual(point[key], row[key], f"{name}: {key}")
            for key in ("started", "finished", "freeze_milliseconds", "consistency", "point", "hypervisor", "level"):
                self.assertEqual(point[key], metadata[key], f"{name}: {key}")
            self.assertEqual(point["path"], f"{host}/{name}/{point['point']}")
            self.assertEqual(point["virtual_bytes"], 64 * 1024 * 1024 * len(disks))
            sizes = [os.path.getsize(os.path.join(self.folder(name), f"{name}-{t}.qcow2")) for t in disks]
            self.assertEqual([d["stored_bytes"] for d in metadata["disks"]], sizes)
            self.assertEqual(point["stored_bytes"], sum(sizes))
            self.assertEqual((metadata["uuid"], metadata["ran_on"]), (self.vms[name].spec.uuid, host))

    def test_metadata_and_summary_are_as_their_schemas_say(self):
        for name in GUESTS:
            self.validate(self.metadata(name), "backup-metadata.schema.json")
        with open(os.path.join(self.lab.share.path, "metadata/last-run-summary.json")) as f:
            summary = json.load(f)
        self.validate(summary, "last-run-summary.schema.json")
        self.assertEqual([(vm["vm"], vm["status"], vm["point"]) for vm in summary["vms"]],
                         [(n, "ok", self.point(n)["point"]) for n in IN_ORDER])
        self.assertEqual([summary[key] for key in ("total", "succeeded", "failed", "skipped", "cancelled")], [3, 3, 0, 0, 0])
        self.assertEqual(summary["stored_bytes"], sum(p["stored_bytes"] for p in self.listed))

    def validate(self, document, schema):
        with open(os.path.join(SCHEMAS, schema)) as f:
            jsonschema.Draft202012Validator(json.load(f), format_checker=jsonschema.FormatChecker()).validate(document)

    def test_each_specified_check_has_a_name_of_its_own(self):
        for name in GUESTS:
            for phase, specified in (("before", SPECIFIED_BEFORE), ("after", SPECIFIED_AFTER)):
                checks = [c for c in self.metadata(name)["checks"] if c["phase"] == phase]
                names = [c["name"] for c in checks]
                self.assertEqual(len(names), len(set(names)), names)
                self.assertLessEqual(set(specified.values()), set(names))
                for check in checks:
                    skipped = name == "alpha" and check["name"] in ("guest-agent", "vm-responsive")
                    self.assertEqual(check["verdict"], "skip" if skipped else "pass", check)
                    self.assertTrue(check["measured"], check)

    def test_freeze_and_consistency(self):
        for name in GUESTS:
            metadata, point = self.metadata(name), self.point(name)
            if name == "alpha":
                self.assertEqual((metadata["consistency"], metadata["method_used"]), ("crash", "snapshot"))
                self.assertEqual(metadata["freeze_milliseconds"], 0)
            else:
                self.assertEqual((metadata["consistency"], metadata["method_used"]), ("filesystem", "quiesce"))
                self.assertTrue(0 < metadata["freeze_milliseconds"] < 10000, metadata["freeze_milliseconds"])
                self.assertEqual(point["freeze_milliseconds"], metadata["freeze_milliseconds"])
            self.assertLessEqual(metadata["started"], metadata["snapshot_at"])
            self.assertLessEqual(metadata["snapshot_at"], metadata["finished"])

    def test_the_xml_is_the_inactive_one(self):
        for name, vm in self.vms.items():
            with open(os.path.join(self.folder(name), f"{name}.xml")) as f:
                self.assertEqual(f.read().split(), vm.xml("--inactive", "--security-info").split())

    def test_a_secret_of_the_xml_is_in_the_xml_alone(self):
        with open(os.path.join(self.folder("gamma"), "gamma.xml")) as f:
            self.assertIn(SECRET, f.read())
        found = subprocess.run(["grep", "-rlF", SECRET, self.lab.share.path, self.orch.dir], capture_output=True, text=True)
        self.assertEqual(found.stdout.splitlines(), [os.path.join(self.folder("gamma"), "gamma.xml")])
        self.assertNotIn(SECRET, self.out + self.err + json.dumps([self.listed, self.logs]))

    def test_folders_are_named_by_their_start_in_the_cycles_time_zone(self):
        for name in GUESTS:
            local = datetime.fromisoformat(self.metadata(name)["started"]).astimezone(zoneinfo.ZoneInfo("Europe/Berlin"))
            self.assertEqual(self.point(name)["point"], local.strftime("%Y-%m-%d-%H%M%S"))


if __name__ == "__main__":
    unittest.main()
