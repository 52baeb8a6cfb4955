"""The catalog is an index: lost, corrupt or out of step with the share, it is made again from the share alone, and says so."""

import contextlib
import glob
import json
import os
import re
import shutil
import sqlite3
import unittest

from harness import Disk, Vm, entry
from outside import BINARY, DaemonOrch, LabCase

HOST = "hypervisor-01"


def catalog_rows(path):
    """Every row of a catalog that nobody has open, but for its own numbers: (entries, pins)."""
    with contextlib.closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as db:
        db.row_factory = sqlite3.Row
        entries = [{k: row[k] for k in row.keys() if k != "id"} for row in db.execute("SELECT * FROM entry ORDER BY job, path")]
        return entries, [tuple(row) for row in db.execute("SELECT * FROM pin ORDER BY vm")]


class Catalog(LabCase):
    """Two VMs with points, one of them held, one with a warning, and jobs that failed."""

    prefix = "catalog"
    vms = [(HOST, lambda: Vm("a", [Disk("vda", size_mib=64), Disk("vdb", format="raw", size_mib=64)])),
           (HOST, lambda: Vm("b", [Disk("vda", size_mib=64)], agent=False))]

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        with DaemonOrch(cls.lab, BINARY, "first") as orch:
            orch.repository_init()
            orch.write_inventory([entry("a", HOST), entry("b", HOST, fallback="snapshot", tags=["x"]), entry("ghost", HOST)])
            orch.start_daemon()
            orch("run", "--all", check=1)
            orch("backup", "vm", "a", check=0)
        share = cls.lab.share.path
        cls.catalog = os.path.join(share, "metadata/backup-catalog.db")
        cls.points = sorted(glob.glob(os.path.join(share, HOST, "*", "20*")))
        with open(os.path.join(cls.points[0], "state.json"), "w") as f:
            json.dump({"format": 1, "held": True, "held_reason": "audit", "verified": "2026-03-01T10:00:00Z", "damaged": False}, f)

    def setUp(self):
        self.conf = self.orch()
        self.conf.write_inventory([entry("a", HOST), entry("b", HOST, fallback="snapshot"), entry("ghost", HOST)])
        self.conf("catalog", "rebuild", check=0)
        self.before = catalog_rows(self.catalog)
        self.assertEqual(len(self.points), 3)
        self.assertEqual(len(self.before[1]), 2)

    def lose(self):
        for path in glob.glob(self.catalog + "*"):
            os.unlink(path)

    def test_1_a_lost_one_is_made_again_row_by_row(self):
        self.assertTrue(any(e["held"] for e in self.before[0]))
        self.assertTrue(any(e["warnings"] != "[]" for e in self.before[0]))
        self.assertEqual([e["vm"] for e in self.before[0] if e["status"] == "failed"], ["ghost"])
        self.lose()
        said = self.conf("catalog", "rebuild", check=0)
        self.assertRegex(said.out, r"created again.*3 points.* 3 added, 0 removed")
        self.assertEqual(catalog_rows(self.catalog), self.before)
        with self.subTest("and again, nothing changes"):
            self.assertRegex(self.conf("catalog", "rebuild", check=0).out, r"0 added, 0 removed")
            self.assertEqual(catalog_rows(self.catalog), self.before)

    def test_2_a_daemon_makes_a_lost_one_again_at_its_start(self):
        self.lose()
        self.conf.start_daemon()
        self.assertEqual(len(self.conf.json("list")), 3)
        self.conf.stop_daemon()
        self.assertEqual(catalog_rows(self.catalog), self.before)

    def test_3_a_corrupt_one_is_set_aside_with_a_warning(self):
        for name, spoil in (("garbage", self.write_garbage), ("a page of it", self.spoil_a_page), ("truncated", self.truncate)):
            with self.subTest(name):
                spoil()
                self.conf.start_daemon()
                self.conf.json("list")
                self.conf.stop_daemon()
                aside = [p for p in glob.glob(self.catalog + ".corrupt-*") if not p.endswith("-journal")]
                self.assertEqual(len(aside), 1)
                self.assertRegex(self.conf.daemon_log(), rf"(?m)^warning: .*corrupt.*{re.escape(aside[0])}")
                self.assertEqual(catalog_rows(self.catalog), self.before)
                for path in glob.glob(self.catalog + ".corrupt-*"):
                    os.unlink(path)

    def write_garbage(self):
        with open(self.catalog, "wb") as f:
            f.write(b"no database at all\n" * 500)

    def spoil_a_page(self):
        with open(self.catalog, "r+b") as f:
            f.seek(4096 + 8)
            f.write(b"\xff" * 4000)

    def truncate(self):
        os.truncate(self.catalog, 5000)

    def test_4_a_corrupt_one_is_rebuilt_by_hand_too(self):
        self.write_garbage()
        said = self.conf("catalog", "rebuild", check=0)
        self.assertRegex(said.out + said.err, r"corrupt.*" + re.escape(self.catalog) + r"\.corrupt-")
        self.assertEqual(catalog_rows(self.catalog), self.before)

    def test_5_damaged_folders_are_listed_as_damaged(self):
        """Each in its own way; none is ok, `latest` is never one of them, and the others stay what they are."""
        ways = {
            "no metadata": lambda p: os.unlink(os.path.join(p, "backup-metadata.json")),
            "metadata that is no JSON": lambda p: self.overwrite(p, "backup-metadata.json", "{"),
            "metadata of another point": lambda p: shutil.copy(os.path.join(self.points[1], "backup-metadata.json"), p),
            "a disk is missing": lambda p: os.unlink(glob.glob(os.path.join(p, "*.qcow2"))[0]),
            "a disk is shorter": lambda p: os.truncate(glob.glob(os.path.join(p, "*.qcow2"))[0], 4096),
            "its state says so": lambda p: self.overwrite(p, "state.json", '{"format": 1, "held": false, "damaged": true, "damage": "a bad disk"}'),
            "its state is no JSON": lambda p: self.overwrite(p, "state.json", "{"),
        }
        made = {}
        for i, (way, damage) in enumerate(ways.items()):
            name = f"2030-01-01-00000{i}"
            folder = os.path.join(os.path.dirname(self.points[0]), name)
            shutil.copytree(self.points[0], folder)
            self.addCleanup(shutil.rmtree, folder)
            with open(os.path.join(folder, "backup-metadata.json")) as f:
                metadata = json.load(f)
            self.overwrite(folder, "backup-metadata.json", json.dumps(dict(metadata, point=name, started=f"2030-01-01T00:00:0{i}Z")))
            damage(folder)
            made[name] = way
        self.conf("catalog", "rebuild", check=0)
        self.conf.start_daemon()
        listed = {p["point"]: p for p in self.conf.json("list")}
        for name, way in made.items():
            with self.subTest(way):
                self.assertEqual(listed[name]["status"], "damaged")
                self.assertTrue(listed[name]["error"])
        self.assertEqual({n: p["status"] for n, p in listed.items() if n not in made}, {os.path.basename(p): "ok" for p in self.points})
        self.assertIn(os.path.join(self.lab.share.path, self.conf.json("show", "a", "latest")["path"]), self.points)
        self.conf.stop_daemon()

    @staticmethod
    def overwrite(folder, name, text):
        with open(os.path.join(folder, name), "w") as f:
            f.write(text)


if __name__ == "__main__":
    unittest.main()
