"""orch verify: what is damaged on the share is found, said, marked, offered to nobody, and unmarked when it was brought back."""

import contextlib
import glob
import hashlib
import json
import os
import re
import shutil
import sqlite3
import subprocess
import unittest

from harness import Disk, Vm, entry
from outside import BINARY, DaemonOrch, LabCase

HOST = "hypervisor-01"


def flip_a_bit(path):
    with open(path, "r+b") as f:
        f.seek(-5000, os.SEEK_END)
        byte = f.read(1)
        f.seek(-1, os.SEEK_CUR)
        f.write(bytes([byte[0] ^ 0x10]))


def rewrite(path, old, new):
    """A text that says something else, and a list of checksums that knows it: only who understands it sees that it is wrong."""
    with open(path) as f:
        text = f.read()
    assert old in text, text
    with open(path, "w") as f:
        f.write(text.replace(old, new))
    list_sums(os.path.dirname(path))


def lose_refcounts(path):
    """The same for an image: qcow2's table of what is in use is gone."""
    with open(path, "r+b") as f:
        f.seek(48)
        table = int.from_bytes(f.read(8), "big")
        f.seek(table)
        f.write(bytes(8))
    list_sums(os.path.dirname(path))


def list_sums(folder):
    with open(f"{folder}/checksums.sha256", "w") as f:
        f.write(sums_of(folder))


def sums_of(folder):
    """checksums.sha256 of all that is in a folder, as orch writes it."""
    names = sorted(n for n in os.listdir(folder) if n not in ("checksums.sha256", "state.json"))
    return "".join(f"{hashlib.sha256(open(os.path.join(folder, n), 'rb').read()).hexdigest()}  {n}\n" for n in names)


class Verify(LabCase):
    """Two VMs with two points each. What a test damages it brings back."""

    prefix = "verify"
    vms = [(HOST, lambda: Vm("a", [Disk("vda", size_mib=64), Disk("vdb", format="raw", size_mib=64)])),
           (HOST, lambda: Vm("b", [Disk("vda", size_mib=64)]))]

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        with DaemonOrch(cls.lab, BINARY, "first") as orch:
            orch.repository_init()
            orch.write_inventory([entry("a", HOST), entry("b", HOST)])
            orch.start_daemon()
            for _ in range(2):
                orch("backup", "vm", "a", "b", check=0)
        cls.old, cls.new = sorted(glob.glob(os.path.join(cls.lab.share.path, HOST, "a", "20*")))

    def setUp(self):
        self.conf = self.orch()
        self.conf.write_inventory([entry("a", HOST), entry("b", HOST)])
        self.conf.start_daemon()
        # What a test does to folders is to meet a daemon that has looked at them already.
        self.conf.wait_for(lambda: self.conf.status()["repository"]["state"] == "ok", 30, "the repository open")
        self.kept = os.path.join(self.lab.dir, "kept")
        self.addCleanup(shutil.rmtree, self.kept, ignore_errors=True)

    @contextlib.contextmanager
    def damaged(self, folder):
        """A folder that is put back as it was, but for what was learnt meanwhile."""
        shutil.copytree(folder, self.kept, copy_function=shutil.copy2)
        try:
            yield folder
        finally:
            state = os.path.join(folder, "state.json")
            if os.path.exists(state):
                shutil.copy2(state, os.path.join(self.kept, "state.json"))
            shutil.rmtree(folder, ignore_errors=True)
            shutil.move(self.kept, folder)

    def points(self, vm="a"):
        return {p["point"]: p for p in self.conf.json("list", vm)}

    def state(self, folder):
        with open(os.path.join(folder, "state.json")) as f:
            return json.load(f)

    def assert_all_good(self):
        self.conf("verify", "--all", check=0)
        self.assertEqual({p["status"] for p in self.conf.json("list")}, {"ok"})
        self.assertEqual(self.conf.json("status")["damaged"], [])

    def test_1_whole_points(self):
        self.assertTrue(all(p["verified"] is None for p in self.points().values()))
        result = self.conf("verify", "a", os.path.basename(self.old), check=0)
        self.assertRegex(result.out, rf"(?m)a verify: done, .*{os.path.basename(self.old)} is whole, .* read")
        points = self.points()
        self.assertIsNotNone(points[os.path.basename(self.old)]["verified"])
        self.assertIsNone(points[os.path.basename(self.new)]["verified"])
        self.assertIsNotNone(self.state(self.old)["verified"])
        result = self.conf("verify", "--all", check=0)
        self.assertEqual(len(re.findall(r"is whole", result.out)), 4)
        self.assertRegex(result.out, r"2 VMs verified")
        self.assertEqual(len(re.findall(r"is whole", self.conf("verify", "*", "--since", "1d", check=0).out)), 4)
        self.assertNotIn("is whole", self.conf("verify", "a", "--since", "2099-01-01", check=0).out)
        for arguments, said in ((["verify"], "name a VM"), (["verify", "a", "--all"], "exclude each other"),
                                (["verify", "c"], "'c' has no points"), (["verify", "a", "2001"], "no point '2001'"),
                                (["verify", "a", "--since", "yesterday"], "is not a time")):
            with self.subTest(arguments):
                result = self.conf(*arguments)
                self.assertIn(result.status, (1, 2))
                self.assertIn(said, result.out + result.err)

    def test_2_damage_is_found_marked_and_unmarked(self):
        name = os.path.basename(self.new)
        other = os.path.join(glob.glob(os.path.join(self.lab.share.path, HOST, "b", "20*"))[0], "backup-metadata.json")
        cases = [
            ("a flipped bit", lambda: flip_a_bit(f"{self.new}/a-vda.qcow2"), "a-vda.qcow2 is damaged: its SHA-256"),
            ("a missing file", lambda: os.unlink(f"{self.new}/a-vdb.qcow2"), "a-vdb.qcow2 is missing"),
            ("a truncated disk", lambda: os.truncate(f"{self.new}/a-vda.qcow2", 100000), "a-vda.qcow2 is damaged"),
            ("a missing XML", lambda: os.unlink(f"{self.new}/a.xml"), "a.xml is missing"),
            ("metadata of another VM", lambda: shutil.copy(other, f"{self.new}/backup-metadata.json"), "is that of"),
            ("metadata that are not by their schema", lambda: rewrite(f"{self.new}/backup-metadata.json", '"bus": "virtio"', '"bus": 7'), "bus: expected"),
            ("an XML that is none", lambda: rewrite(f"{self.new}/a.xml", "</domain>", ""), "a.xml"),
            ("the XML of another machine", lambda: rewrite(f"{self.new}/a.xml", "<target dev='vdb'", "<target dev='vdc'"), "lacks the disk vdb"),
            ("an image that is not sound", lambda: lose_refcounts(f"{self.new}/a-vda.qcow2"), "qemu-img check found"),
            ("no list of checksums", lambda: os.unlink(f"{self.new}/checksums.sha256"), "checksums.sha256 is missing"),
        ]
        for what, damage, said in cases:
            with self.subTest(what):
                with self.damaged(self.new):
                    damage()
                    result = self.conf("verify", "a", check=1)
                    self.assertIn(said, result.out)
                    self.assertRegex(result.out, rf"FAILED: 1 damaged \({name}\), 1 whole")
                    points = self.points()
                    self.assertEqual(points[name]["status"], "damaged")
                    self.assertIn(said, points[name]["error"])
                    self.assertEqual(points[os.path.basename(self.old)]["status"], "ok")
                    self.assertTrue(self.state(self.new)["damaged"])
                    self.assertEqual(self.conf.json("status")["damaged"], [f"a/{name}"])
                    self.assertRegex(self.conf("status", check=0).out, rf"(?m)^damaged +a +point {name}; `orch show a {name}` shows why")
                    self.assertEqual(self.conf.json("show", "a")["point"], os.path.basename(self.old), "latest passes it over")
                    self.assertEqual(self.conf.json("show", "a", name)["point"], name, "by its name it may be looked at")
                result = self.conf("verify", "a", name, check=0)
                self.assertRegex(result.out, rf"{name} was marked as damaged .* and is so no more")
                self.assertEqual(self.points()[name]["status"], "ok")
                self.assertFalse(self.state(self.new)["damaged"])
                self.assertEqual(self.conf.json("status")["damaged"], [])

    # -- chains, made by hand: what an increment looks like on the share ---------------------------------------------------

    def make_child(self, parent, name, started):
        """A point that builds on another one, with checksums that are right."""
        folder = os.path.join(os.path.dirname(parent), name)
        os.mkdir(folder)
        self.addCleanup(shutil.rmtree, folder, ignore_errors=True)
        shutil.copy(f"{parent}/a.xml", folder)
        with open(f"{parent}/backup-metadata.json") as f:
            metadata = json.load(f)
        metadata.update(point=name, started=started, level="incremental", parent=os.path.basename(parent), job="20260101-" + name[-4:])
        for disk in metadata["disks"]:
            disk["backing_file"] = f"../{os.path.basename(parent)}/{disk['file']}"
            subprocess.run(["qemu-img", "create", "-q", "-f", "qcow2", "-F", "qcow2", "-b", disk["backing_file"], disk["file"]], cwd=folder, check=True)
            disk["stored_bytes"] = os.path.getsize(f"{folder}/{disk['file']}")
            with open(f"{folder}/{disk['file']}", "rb") as f:
                disk["sha256"] = hashlib.sha256(f.read()).hexdigest()
        with open(f"{folder}/backup-metadata.json", "w") as f:
            json.dump(metadata, f)
        with open(f"{folder}/checksums.sha256", "w") as f:
            f.write(sums_of(folder))
        return folder

    def test_3_chains(self):
        child = self.make_child(self.new, "2098-01-01-000000", "2098-01-01T00:00:00Z")
        grandchild = self.make_child(child, "2098-01-02-000000", "2098-01-02T00:00:00Z")
        result = self.conf("verify", "a", "2098-01-02", check=0)
        self.assertEqual(len(re.findall(r"verify: done", result.out)), 3, "what it builds on is read, too")
        self.assertIn("was not in the catalog; it is now", result.out)
        with self.subTest("a flipped bit in the parent damages the children"):
            with self.damaged(self.new):
                flip_a_bit(f"{self.new}/a-vda.qcow2")
                result = self.conf("verify", "a", os.path.basename(self.new), check=1)
                self.assertRegex(result.out, r"3 damaged")
                self.assertEqual([p["status"] for p in self.conf.json("list", "a")], ["damaged"] * 3 + ["ok"])
                self.assertIn("builds on", self.points()["2098-01-02-000000"]["error"])
            self.assert_all_good()
        with self.subTest("a missing parent"):
            with self.damaged(child):
                shutil.rmtree(child)
                result = self.conf("verify", "a", check=1)
                self.assertIn("builds on 2098-01-01-000000, which is missing", result.out)
                self.assertIn("is in the catalog and not on the share", result.out)
                self.assertEqual(self.points()["2098-01-02-000000"]["status"], "damaged")
                os.mkdir(child)
            self.assert_all_good()
        with self.subTest("the wrong order"):
            early = self.make_child(self.new, "2001-01-01-000000", "2001-01-01T00:00:00Z")
            result = self.conf("verify", "a", "2001", check=1)
            self.assertIn("the chain is in the wrong order", result.out)
            shutil.rmtree(early)
        with self.subTest("another parent than the metadata say"):
            with self.damaged(grandchild):
                subprocess.run(["qemu-img", "rebase", "-u", "-f", "qcow2", "-F", "qcow2", "-b", f"../{os.path.basename(self.old)}/a-vda.qcow2",
                                "a-vda.qcow2"], cwd=grandchild, check=True)
                with open(f"{grandchild}/checksums.sha256", "w") as f:
                    f.write(sums_of(grandchild))
                self.assertIn("has the backing file", self.conf("verify", "a", "2098-01-02", check=1).out)
            self.conf("verify", "a", "2098-01-02", check=0)

    def test_3_what_a_newer_orch_wrote_is_not_damaged(self):
        """Nor is what builds on it: that it cannot be read here is no finding."""
        child = self.make_child(self.new, "2098-01-01-000000", "2098-01-01T00:00:00Z")
        with self.damaged(self.new):
            metadata = f"{self.new}/backup-metadata.json"
            with open(metadata) as f:
                text = f.read()
            with open(metadata, "w") as f:
                f.write(text.replace('"format": 1', '"format": 2'))
            with open(f"{self.new}/checksums.sha256", "w") as f:
                f.write(sums_of(self.new))
            before = self.state(self.new)
            for arguments in (["a"], ["a", os.path.basename(child)]):
                result = self.conf("verify", *arguments, check=1)
                self.assertRegex(result.out, rf"{os.path.basename(child)} cannot be judged: of {os.path.basename(self.new)}, .*made by a newer orch")
                self.assertNotIn("is damaged", result.out)
            self.assertEqual(self.state(self.new), before)
            self.assertFalse(os.path.exists(f"{child}/state.json"))
        self.assert_all_good()

    def test_4_folders_against_the_catalog(self):
        name = os.path.basename(self.new)
        with self.subTest("a row without a folder is told once, and goes"):
            with self.damaged(self.new):
                shutil.rmtree(self.new)
                result = self.conf("verify", "a", check=1)
                self.assertIn(f"{HOST}/a/{name} is in the catalog and not on the share", result.out)
                self.assertNotIn(name, self.points())
                self.conf("verify", "a", check=0)
                os.mkdir(self.new)
        with self.subTest("a folder without a row is added"):
            self.assertNotIn(name, self.points())
            result = self.conf("verify", "a", check=0)
            self.assertIn(f"{HOST}/a/{name} is on the share and was not in the catalog; it is now", result.out)
            self.assertEqual(self.points()[name]["status"], "ok")
            self.conf("verify", "a", "--strict", check=0)
        with self.subTest("of a VM that the catalog has never heard of"):
            self.conf.stop_daemon()
            with contextlib.closing(sqlite3.connect(os.path.join(self.lab.share.path, "metadata/backup-catalog.db"))) as db, db:
                db.execute("DELETE FROM entry WHERE vm = 'b'")
            self.conf.start_daemon()
            self.assertEqual(len(self.conf.json("list", "b")), 2, "a daemon's start already brings them back")

    def test_5_a_vm_that_left_the_inventory(self):
        self.conf.write_inventory([entry("a", HOST)])
        self.conf.restart()
        self.assertEqual(len(re.findall(r"is whole", self.conf("verify", "b", check=0).out)), 2)
        self.assertEqual(len(re.findall(r"is whole", self.conf("verify", "--all", check=0).out)), 4)

    def test_6_standalone(self):
        self.conf.stop_daemon()
        os.unlink(self.conf.inventory)
        before = self.state(self.old)["verified"]
        result = self.conf("verify", "a", "--standalone", check=0)
        self.assertEqual(len(re.findall(r"is whole", result.out)), 2)
        self.assertGreaterEqual(self.state(self.old)["verified"], before)
        with self.damaged(self.new):
            flip_a_bit(f"{self.new}/a-vdb.qcow2")
            result = self.conf("verify", "--all", "--standalone", check=1)
            self.assertIn("a-vdb.qcow2 is damaged", result.out)
            self.assertEqual(len(re.findall(r"is whole", result.out)), 3)
            lines = [json.loads(line) for line in self.conf("verify", "a", os.path.basename(self.new), "--standalone", "--json", check=1).out.splitlines()]
            states = [line for line in lines if line["event"] == "state"]
            self.assertEqual([(s["path"], s["point_state"]["damaged"]) for s in states], [(f"{HOST}/a/{os.path.basename(self.new)}", True)])
        self.conf("verify", "a", "--standalone", check=0)
        self.conf("verify", "c", "--standalone", check=2)
        self.conf.write_inventory([entry("a", HOST), entry("b", HOST)])
        self.conf.start_daemon()
        self.assertEqual(self.points()[os.path.basename(self.new)]["status"], "ok")


if __name__ == "__main__":
    unittest.main(verbosity=2)
