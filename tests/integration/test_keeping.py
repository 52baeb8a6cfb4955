"""What is kept and what goes, by hand: hold, release, prune; and the verbs that look after the whole: pause, resume, discover."""

import glob
import hashlib
import json
import os
import pty
import re
import select
import subprocess
import time
import unittest

from harness import Disk, Vm, entry
from outside import BINARY, DaemonOrch, LabCase

H1, H2 = "hypervisor-01", "hypervisor-02"


def make_older(folder, days):
    """A point as it would lie there had it been made so many days earlier. Returns its new folder."""
    then = time.time() - days * 86400
    name = time.strftime("%Y-%m-%d-%H%M%S", time.localtime(then))
    moment = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(then))
    with open(f"{folder}/backup-metadata.json") as f:
        metadata = json.load(f)
    metadata.update(point=name, started=moment, snapshot_at=moment, finished=moment)
    with open(f"{folder}/backup-metadata.json", "w") as f:
        json.dump(metadata, f)
    with open(f"{folder}/checksums.sha256") as f:
        lines = [line for line in f if "backup-metadata.json" not in line]
    with open(f"{folder}/backup-metadata.json", "rb") as f:
        lines.append(f"{hashlib.sha256(f.read()).hexdigest()}  backup-metadata.json\n")
    with open(f"{folder}/checksums.sha256", "w") as f:
        f.writelines(sorted(lines, key=lambda line: line.split("  ")[1]))
    new = os.path.join(os.path.dirname(folder), name)
    os.rename(folder, new)
    return new


class Keeping(LabCase):
    """VM a with points of 0, 100, 200, 300 days, b with one; a third VM that no list has."""

    prefix, hosts = "keeping", 2
    vms = [(H1, lambda: Vm("a", [Disk("vda", size_mib=64)])), (H1, lambda: Vm("b", [Disk("vda", size_mib=64)])),
           (H2, lambda: Vm("stray", [Disk("vda", size_mib=64)]))]
    inventory = [entry("a", H1, min_points=1), entry("b", H1, min_points=1)]

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        with DaemonOrch(cls.lab, BINARY, "first") as orch:
            orch.repository_init()
            orch.write_inventory([entry("a", H1, retention_weeks=1000), entry("b", H1)])
            orch.start_daemon()
            for days in (300, 200, 100, 0):
                orch("backup", "vm", "a", check=0)
                newest = sorted(glob.glob(os.path.join(cls.lab.share.path, H1, "a", "20*")))[-1]
                if days:
                    make_older(newest, days)
            orch("backup", "vm", "b", check=0)

    def setUp(self):
        self.conf = self.orch()
        self.conf.write_inventory(self.inventory)
        self.conf.start_daemon()

    def points(self, vm="a"):
        return [p["point"] for p in self.conf.json("list", vm)]

    @property
    def filler(self):
        return os.path.join(self.lab.share.path, ".filler")

    def fill_the_share(self):
        """What was written settles and leaves a little room again: more than once."""
        for _ in range(3):
            subprocess.run(["dd", "if=/dev/zero", f"of={self.filler}", "bs=1k", "oflag=append", "conv=notrunc"], capture_output=True, check=False)
            os.sync()
            time.sleep(1)

    def on_a_terminal(self, answer, *arguments):
        master, slave = pty.openpty()
        child = subprocess.Popen(self.conf.command(*arguments), stdin=slave, stdout=slave, stderr=slave, env=self.conf.environment(), close_fds=True)
        os.close(slave)
        said, deadline = "", time.monotonic() + 60
        while time.monotonic() < deadline:
            if select.select([master], [], [], 0.2)[0]:
                try:
                    said += os.read(master, 4096).decode(errors="replace")
                except OSError:
                    break
            if answer and said.rstrip().endswith("[y/N]"):
                os.write(master, answer.encode() + b"\n")
                answer = None
        status = child.wait(60)
        os.close(master)
        return status, said

    def test_1_hold_and_release(self):
        newest, *old = self.points()
        answer = self.conf.json("hold", "a", old[-1][:12], "--reason", "audit; do not touch")
        self.assertEqual((answer["point"], answer["held"], answer["held_reason"]), (old[-1], True, "audit; do not touch"))
        self.assertEqual([p["point"] for p in self.conf.json("list", "a") if p["held"]], [old[-1]])
        with open(os.path.join(self.lab.share.path, H1, "a", old[-1], "state.json")) as f:
            self.assertEqual(json.load(f)["held_reason"], "audit; do not touch")
        self.assertIn("is held", self.conf("hold", "a", "latest", check=0).out)
        self.conf("release", "a", "latest", check=0)
        self.conf("verify", "a", check=0)
        self.assertEqual([p["point"] for p in self.conf.json("list", "a") if p["held"]], [old[-1]], "a verification leaves a hold alone")
        for arguments in (["hold", "a"], ["hold", "a", "2001"], ["hold", "nobody", "latest"], ["release", "a", "../b"]):
            self.conf(*arguments, check=2)

    def test_2_prune(self):
        newest, *old = self.points()
        self.assertEqual(len(old), 3)
        with self.subTest("what would go, and why"):
            plan = self.conf.json("prune", "--dry-run")
            decided = {p["point"]: (p["remove"], p["reason"]) for p in plan["vms"][0]["points"]}
            self.assertEqual({p for p, (remove, _) in decided.items() if remove}, set(old[:2]))
            self.assertEqual(decided[old[2]], (False, "held"))
            self.assertEqual(plan["vms"][0]["vm"], "a")
            result = self.conf("prune", "--dry-run", check=0)
            self.assertRegex(result.out, rf"(?m)^a +{old[0]} .* goes +older than 8 weeks")
            self.assertRegex(result.out, rf"(?m)^a +{old[2]} .* stays +held")
            self.assertIn("2 points (", result.out)
            self.assertEqual(len(self.points()), 4)
        with self.subTest("nobody can be asked"):
            self.assertIn("--yes", self.conf("prune", check=2).err)
        with self.subTest("asked, and refused"):
            status, said = self.on_a_terminal("n", "prune")
            self.assertEqual(status, 5, said)
            self.assertEqual(len(self.points()), 4)
        with self.subTest("a list that is broken"):
            self.conf.write_inventory([entry("a", H1, methodd="x")])
            self.conf("prune", "--yes", check=2)
            self.assertEqual(len(self.points()), 4)
            self.conf.write_inventory(self.inventory)
        with self.subTest("asked, and agreed"):
            status, said = self.on_a_terminal("y", "prune", "a")
            self.assertEqual(status, 0, said)
            self.assertEqual(self.points(), [newest, old[2]])
            self.assertEqual(sorted(os.path.basename(p) for p in self.conf.published() if "/a/" in p), sorted([newest, old[2]]))
        with self.subTest("nothing is left to do"):
            self.assertIn("nothing to remove", self.conf("prune", "--yes", check=0).out)
        with self.subTest("released, it goes, also from a share on which there is room for nothing"):
            self.conf("release", "a", old[2], check=0)
            self.conf.stop_daemon()
            self.fill_the_share()
            try:
                self.conf.start_daemon()
                self.conf.wait_for(lambda: "the share is full" in self.conf("status", check=0).out, 60, "the report of a full share")
                self.conf("prune", "--yes", "a", check=0)
            finally:
                os.unlink(self.filler)
            self.assertEqual(self.points(), [newest])

    def test_3_vms_that_left_the_inventory(self):
        self.conf.write_inventory([entry("a", H1)])
        result = self.conf("prune", "--yes", check=0)
        self.assertRegex(result.out, r"b is not in the inventory; its 1 point \(.*\) stay")
        self.assertEqual(len(self.points("b")), 1)
        self.conf("prune", "--yes", "b", check=2)

    def test_4_pause_and_resume(self):
        self.assertIn("until", self.conf("pause", "--until", "2h", check=0).out)
        result = self.conf("run", "--all", check=4)
        self.assertIn("orch resume", result.err)
        self.conf("backup", "vm", "b", check=4)
        self.conf("verify", "b", check=0)
        self.conf.restart()
        self.conf("backup", "vm", "b", check=4)
        self.assertIn("not paused", self.conf("resume", check=0).out)
        self.assertEqual(self.conf.json("resume"), {"paused": False, "until": None})
        self.conf("backup", "vm", "b", check=0)
        self.conf("pause", check=0)
        self.conf("resume", check=0)
        self.conf("pause", "--until", "yesterday", check=2)
        self.conf("pause", "--until", "2001-01-01", check=2)

    def test_5_discover(self):
        self.conf.write_inventory(self.inventory + [entry("ghost", H2)])
        result = self.conf("discover", check=0)
        stray = self.lab.vm("stray").spec.uuid
        self.assertRegex(result.out, rf"(?m)^{H2} +stray +{stray} +running +not protected")
        self.assertNotRegex(result.out, rf"(?m)^{H1} ")
        self.assertIn("ghost is in the inventory, but on no hypervisor", result.out)
        self.assertIn("3 domains, 1 of them not protected", result.out)
        self.conf("discover", "--strict", check=1)
        found = self.conf.json("discover")
        self.assertEqual({d["name"]: d["vm"] for d in found["domains"]}, {"a": "a", "b": "b", "stray": None})
        self.assertEqual(found["nowhere"], ["ghost"])
        self.assertRegex(self.conf("discover", "--all", check=0).out, rf"(?m)^{H1} +a .* a$")
        with self.subTest("a hypervisor that is away"):
            self.lab.host(H1).stop()
            self.addCleanup(self.lab.host(H1).start)
            result = self.conf("discover", check=1)
            self.assertIn(f"{H1} could not be asked", result.err)
            self.assertIn("a is in the inventory, but on no hypervisor that answered", result.out)
            self.assertIn("1 domain, 1 of them not protected; the domains of 1 hypervisor are unknown", result.out)

    def test_6_enroll(self):
        known = os.path.join(self.lab.dir, "fresh", "known_hosts")
        conf = self.orch(ssh={"known_hosts": known})
        conf.write_inventory(self.inventory)
        result = conf("hypervisor", "enroll", H1, check=4)
        self.assertIn("--fingerprint", result.err)
        fingerprint = re.search(r"SHA256:[A-Za-z0-9+/]+", result.err).group(0)
        conf("hypervisor", "enroll", H1, "--yes", check=2)
        self.assertIn("nothing was added", conf("hypervisor", "enroll", H1, "--yes", "--fingerprint", "SHA256:" + "A" * 43, check=4).err)
        conf("hypervisor", "enroll", "nobody", check=2)
        self.assertFalse(os.path.exists(known))
        conf.start_daemon() if not self.conf.stop_daemon() else None
        self.assertNotEqual(conf("hypervisor", "check", H1).status, 0)
        self.assertIn("was added", conf("hypervisor", "enroll", H1, "--fingerprint", fingerprint, check=0).out)
        self.assertIn("is known already", conf("hypervisor", "enroll", H1, check=0).out)
        self.assertEqual(len(open(known).read().splitlines()), 1)
        conf("hypervisor", "check", H1, check=0)
        with self.subTest("asked on a terminal"):
            with open(known, "r+") as f:
                f.truncate(len(f.read()) - 1)  # as an editor may leave it
            conf, self.conf = self.conf, conf
            status, said = self.on_a_terminal("n", "hypervisor", "enroll", H2)
            self.assertEqual(status, 5, said)
            status, said = self.on_a_terminal("y", "hypervisor", "enroll", H2)
            self.assertEqual(status, 0, said)
            self.conf("hypervisor", "check", H1, H2, check=0)
        with self.subTest("a key that contradicts"):
            wrong = self.orch(ssh={"known_hosts": self.lab.wrong_known_hosts(H1, "changed")})
            wrong.write_inventory(self.inventory)
            self.assertIn("CHANGED", wrong("hypervisor", "enroll", H1, check=4).err)


if __name__ == "__main__":
    unittest.main(verbosity=2)
