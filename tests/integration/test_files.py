"""orch files ls|get on points of a real backup, and on points made of it by hand: increments, partitions, a logical volume, an operating
system's disk. What comes out is compared with what was put in; the point is compared with itself."""

import contextlib
import glob
import hashlib
import json
import os
import shutil
import signal
import stat
import subprocess
import tempfile
import time
import unittest
from unittest import mock

from harness import Disk, Lab, Orch, Vm, entry
from lab import appliance
from lab.run import out, run

NEWLINE, NOT_UTF8, GREEN = "new\nline \x1b[31m", b"\xff\xfe", "grün"


@contextlib.contextmanager
def mounted(device):
    with tempfile.TemporaryDirectory() as folder:
        run(["mount", device, folder])
        try:
            yield folder
        finally:
            run(["umount", folder])


def write(path, data):
    with open(path, "wb") as f:
        f.write(data)


def populate(folder):
    """What is hard to copy: links, holes, owners, modes, times, attributes, names."""
    d = os.path.join(folder, "d")
    os.makedirs(os.path.join(d, "sub"))
    with open(os.path.join(d, "huge"), "wb") as f:
        f.truncate(20 << 30)
        f.seek(10 << 30)
        f.write(b"in the middle")
    write(os.path.join(d, "sub", "a"), b"hello")
    os.link(os.path.join(d, "sub", "a"), os.path.join(d, "hard"))
    os.symlink("/etc/passwd", os.path.join(d, "absolute"))
    os.symlink("../../../../../../tmp", os.path.join(d, "out"))
    for name in (NEWLINE.encode(), NOT_UTF8, GREEN.encode(), b"*?[!x]", b"back\\slash", b"passwd", b"passwd2", b"pass"):
        write(os.path.join(d.encode(), name), b"in " + name)
    os.chown(os.path.join(d, "sub", "a"), 1234, 4321)
    os.chmod(os.path.join(d, "sub", "a"), 0o640)
    os.setxattr(os.path.join(d, "sub", "a"), "user.note", b"kept")
    write(os.path.join(d, "setuid"), b"#!/bin/sh\n")
    os.chmod(os.path.join(d, "setuid"), 0o4755)
    os.mknod(os.path.join(d, "disk"), stat.S_IFBLK | 0o666, os.makedev(8, 0))
    os.mkfifo(os.path.join(d, "fifo"))
    os.utime(os.path.join(d, "sub", "a"), ns=(981173106_000000000, 981173106_789000000))
    os.utime(os.path.join(d, "sub"), ns=(1, 1_000_000_000))
    os.symlink("/d", os.path.join(folder, "link-to-d"))


def describe(path):
    """All that has to survive, of a file or a tree."""
    found = {}
    top = os.fsencode(path)
    for folder, folders, files in [(os.path.dirname(top), [os.path.basename(top)], [])] + list(os.walk(top)):
        for name in folders + files:
            full = os.path.join(folder, name)
            st = os.lstat(full)
            content = os.readlink(full) if stat.S_ISLNK(st.st_mode) else \
                open(full, "rb").read() if stat.S_ISREG(st.st_mode) and st.st_size < 1 << 20 else st.st_size if stat.S_ISREG(st.st_mode) else 0
            attributes = {} if stat.S_ISLNK(st.st_mode) else {a: os.getxattr(full, a, follow_symlinks=False) for a in os.listxattr(full)}
            found[os.path.relpath(full, os.path.dirname(top))] = (oct(st.st_mode), st.st_uid, st.st_gid, st.st_mtime_ns, content, attributes)
    return found


class Files(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        os.environ.update(appliance.environment())
        cls.lab = cls.enterClassContext(Lab.create(f"files-{os.getpid()}", hosts=1))
        host = next(iter(cls.lab.hosts.values()))
        cls.vm = cls.lab.add_vm(host.name, Vm("box", [Disk(size_mib=64)]))
        cls.orch = cls.enterClassContext(Orch(cls.lab, os.environ["ORCH_BINARY"]))
        cls.orch.write_inventory([entry("box", host.name)])
        cls.orch.repository_init()
        cls.orch.start_daemon()
        cls.vm.control("mkdir /data/vda/d && echo from-the-guest > /data/vda/d/real && ln -s /d/real /data/vda/link && sync")
        cls.orch("backup", "vm", "box", check=0)
        cls.real = cls.orch.json("list")[0]
        cls.orch.stop_daemon()
        cls.folder = cls.orch.point_folder(cls.real)
        cls.work = os.path.join(cls.lab.dir, "work")
        os.mkdir(cls.work)
        cls.before = None

    def setUp(self):
        self.target = tempfile.mkdtemp(dir=self.work)
        self.left = self.leftovers()

    def tearDown(self):
        self.orch.wait_for(lambda: self.leftovers() <= self.left, 60, "no temporary folder and no lease left")
        self.assertEqual([n for n in os.listdir(self.target) if n.startswith(".")], [])

    def leftovers(self):
        """/tmp is everybody's: what an appliance on another VM's points uses is not ours."""
        points = os.path.dirname(self.folder)
        others = [line for line in out(["ps", "-ww", "-eo", "args"]).splitlines() if points not in line]
        folders = glob.glob("/tmp/libguestfs*") + glob.glob("/var/tmp/libguestfs*")
        return {f for f in folders if not any(f in line for line in others)} | set(glob.glob(points + "/.*"))

    def files(self, *args, check=0, **kw):
        return self.orch("files", *args, check=check, timeout=600, **kw)

    # -- points made by hand -----------------------------------------------------------------------------------------

    def make_point(self, name, images, parent=None):
        """A point beside the real one: {target: (qcow2 image, backing path or None)}; they are moved there."""
        folder = os.path.join(os.path.dirname(self.folder), name)
        os.mkdir(folder)
        metadata = self.orch.metadata(self.real)
        metadata.update(point=name, started=f"{name[:10]}T{name[11:13]}:{name[13:15]}:{name[15:]}Z", parent=parent,
                        level="incremental" if parent else "full")
        disk = metadata["disks"][0]
        metadata["disks"] = []
        for target, (image, backing) in images.items():
            info = json.loads(out(["qemu-img", "info", "--output=json", image]))
            file = f"box-{target}.qcow2"
            metadata["disks"].append({**disk, "target": target, "file": file, "virtual_bytes": info["virtual-size"],
                                      "backing_file": backing, "stored_bytes": os.stat(image).st_size,
                                      "sha256": hashlib.sha256(open(image, "rb").read()).hexdigest()})
            shutil.move(image, os.path.join(folder, file))
        with open(os.path.join(folder, "backup-metadata.json"), "w") as f:
            json.dump(metadata, f)
        self.addCleanup(shutil.rmtree, folder)
        return folder

    def raw(self, name, mib):
        path = os.path.join(self.work, name)
        with open(path, "wb") as f:
            f.truncate(mib << 20)
        self.addCleanup(os.unlink, path)
        return path

    def loop(self, path):
        device = out(["losetup", "--find", "--show", "--partscan", path]).strip()
        self.addCleanup(run, ["losetup", "-d", device], check=False)
        return device

    def qcow2(self, raw, name="image", backing=None):
        image = os.path.join(self.work, f"{name}.qcow2")
        run(["qemu-img", "convert", "-f", "raw", "-O", "qcow2", *(["-B", backing, "-F", "qcow2"] if backing else []), raw, image])
        return image

    def hard_point(self, name="2001-01-01-000000"):
        """One ext4 with all that is hard to copy; what it holds is described by the mounted original."""
        raw = self.raw("hard.raw", 64)
        run(["mkfs.ext4", "-q", raw])
        with mounted(raw) as folder:
            populate(folder)
            described = describe(os.path.join(folder, "d"))
        return self.make_point(name, {"vda": (self.qcow2(raw), None)}), described, raw

    # -- tests -------------------------------------------------------------------------------------------------------

    def test_a_backup_is_looked_into_without_being_touched(self):
        def state():
            found = {}
            for path in [self.folder, *glob.glob(self.folder + "/*")]:
                st = os.lstat(path)
                found[path] = (st.st_mode, st.st_uid, st.st_gid, st.st_mtime_ns, st.st_ctime_ns, st.st_size)
            return found
        before = state()
        listed = json.loads(self.files("ls", "box", "latest", "/", "--json").out)
        self.assertEqual({e["name"]: e["type"] for e in listed}, {"d": "folder", "link": "symlink", "lost+found": "folder"})
        self.files("get", "box", self.real["point"][:10], "d/real", self.target)
        self.assertEqual(open(os.path.join(self.target, "real")).read(), "from-the-guest\n")
        self.assertEqual(state(), before)
        run(["sha256sum", "--quiet", "-c", "checksums.sha256"], cwd=self.folder)

    def test_everything_is_kept_that_makes_a_file(self):
        _, described, _ = self.hard_point()
        begun = time.monotonic()
        result = self.files("get", "box", "2001", "/d", self.target)
        print(f"        a folder with a file of 20 GiB that is a hole: {time.monotonic() - begun:.1f} s")
        got = describe(os.path.join(self.target, "d"))
        self.assertIn("1 device node left out", result.err)
        self.assertIn("1 program without", result.err)
        del described[b"d/disk"]
        program = described[b"d/setuid"]
        described[b"d/setuid"] = ("0o100755",) + program[1:]
        self.assertEqual(got, described)
        self.assertEqual(os.stat(os.path.join(self.target, "d/hard")).st_ino, os.stat(os.path.join(self.target, "d/sub/a")).st_ino)
        huge = os.path.join(self.target, "d/huge")
        self.assertLess(os.stat(huge).st_blocks * 512, 1 << 20)
        with open(huge, "rb") as f:
            f.seek(10 << 30)
            self.assertEqual(f.read(14), b"in the middle\0")
        self.assertEqual(self.files("get", "box", "2001", "/d", self.target, check=4).out, "")
        write(os.path.join(self.target, "d", "own"), b"mine")
        self.files("get", "box", "2001", "/d", self.target, "--force", "--privileged")
        got = describe(os.path.join(self.target, "d"))
        self.assertNotIn(b"d/own", got)
        self.assertEqual(got[b"d/setuid"], program)
        self.assertEqual(os.lstat(os.path.join(self.target, "d/disk")).st_rdev, os.makedev(8, 0))

    def test_single_files_under_any_name(self):
        _, described, _ = self.hard_point()
        for name in ("pass", "*?[!x]", NEWLINE, NOT_UTF8):
            name = os.fsencode(name)
            self.files("get", "box", "2001", b"/d/" + name, self.target)
            path = os.path.join(os.fsencode(self.target), name)
            self.assertEqual(describe(path)[name], described[b"d/" + name], name)
            os.unlink(path)
            self.assertEqual(os.listdir(self.target), [])

    def test_listing_is_harmless_and_whole(self):
        _, described, _ = self.hard_point()
        listed = {e["name"]: e for e in json.loads(self.files("ls", "box", "2001", "/link-to-d/", "--json").out)}
        self.assertEqual(len(listed), len([k for k in described if k.count(b"/") == 1]))
        self.assertEqual(listed["new\\nline \\x1b[31m"]["type"], "file")
        self.assertEqual(listed["\\xff\\xfe"]["size"], 5)
        self.assertEqual(listed["absolute"]["target"], "/etc/passwd")
        self.assertEqual((listed["hard"]["uid"], listed["hard"]["gid"], listed["hard"]["mode"]), (1234, 4321, "0640"))
        self.assertEqual((listed["hard"]["modified"], listed["hard"]["links"]), ("2001-02-03T04:05:06Z", 2))
        table = self.files("ls", "box", "2001", "/d").out
        self.assertNotIn("\x1b", table)
        self.assertRegex(table, r"-rw-r-----\s+2\s+1234:4321\s+5 .* hard\n")
        self.assertRegex(table, r"brw-r--r--.* 8:0 ")
        self.assertRegex(self.files("ls", "box", "2001", "/link-to-d").out, "lrwxrwxrwx.*link-to-d -> /d")

    def test_a_tar_to_standard_output(self):
        _, described, _ = self.hard_point()
        with open(os.path.join(self.target, "tar"), "wb") as f:
            process = self.orch.popen("files", "get", "box", "2001", "/d", "--tar", stdout=f, stderr=subprocess.PIPE)
            self.assertEqual(process.wait(600), 0, process.stderr.read())
            process.stderr.close()
        self.assertLess(os.stat(f.name).st_size, 1 << 20)
        run(["tar", "-C", self.target, "--xattrs", "-xpf", f.name])
        got = describe(os.path.join(self.target, "d"))
        self.assertEqual(got, described)

    def test_links_of_the_guest_lead_nowhere_outside(self):
        """A link to / and a file below it: never this machine's."""
        raw = self.raw("evil.raw", 64)
        run(["mkfs.ext4", "-q", raw])
        with mounted(raw) as folder:
            os.makedirs(folder + "/d/etc")
            os.symlink("/", folder + "/d/root")
            os.symlink("../../../..", folder + "/up")
            write(folder + "/passwd", b"the guest's")
        self.make_point("2001-01-01-000000", {"vda": (self.qcow2(raw), None)})
        self.files("get", "box", "2001", "/d/root/passwd", self.target)
        self.assertEqual(open(self.target + "/passwd").read(), "the guest's")
        self.files("get", "box", "2001", "/up/d/root/etc/hostname", self.target, check=2)
        self.files("get", "box", "2001", "/d", self.target)
        self.assertEqual(os.readlink(self.target + "/d/root"), "/")

    def test_increments(self):
        full, _, raw = self.hard_point("2001-01-01-000000")
        with mounted(raw) as folder:
            write(folder + "/d/sub/a", b"changed")
            write(folder + "/d/added", b"by the increment")
            os.unlink(folder + "/d/passwd")
        base = os.path.join(full, "box-vda.qcow2")
        image = self.qcow2(raw, backing=base)
        run(["qemu-img", "rebase", "-u", "-b", "../2001-01-01-000000/box-vda.qcow2", "-F", "qcow2", image])
        self.make_point("2001-01-08-000000", {"vda": (image, "../2001-01-01-000000/box-vda.qcow2")}, parent="2001-01-01-000000")
        names = {e["name"] for e in json.loads(self.files("ls", "box", "2001-01-08", "/d", "--json").out)}
        self.assertIn("added", names)
        self.assertNotIn("passwd", names)
        self.files("get", "box", "2001-01-08", "/d/sub", self.target)
        self.assertEqual(open(self.target + "/sub/a").read(), "changed")
        self.files("get", "box", "2001-01-01", "/d/sub", self.target, "--force")
        self.assertEqual(open(self.target + "/sub/a").read(), "hello")
        hidden = base + ".away"
        os.rename(base, hidden)
        self.addCleanup(lambda: os.path.exists(hidden) and os.rename(hidden, base))
        self.assertIn("box-vda.qcow2", self.files("ls", "box", "2001-01-08", "/d", check=1).err)

    def test_an_image_that_names_another_file_is_not_opened(self):
        """Whoever can write to the share must not get at files of this machine."""
        folder, _, _ = self.hard_point()
        image = os.path.join(folder, "box-vda.qcow2")
        run(["qemu-img", "rebase", "-u", "-b", "/etc/passwd", "-F", "raw", image])
        self.assertIn("but must have none", self.files("ls", "box", "2001", "/", check=1).err)

    def test_partitions_and_a_logical_volume(self):
        raw = self.raw("parts.raw", 160)
        run(["sfdisk", "-q", raw], input="label: gpt\nsize=40MiB\nsize=40MiB\nsize=70MiB\n")
        table = json.loads(out(["sfdisk", "--json", raw]))["partitiontable"]["partitions"]
        volume = f"files{os.getpid()}"
        for number, part in enumerate(table):
            device = out(["losetup", "--find", "--show", "--offset", str(part["start"] * 512), "--sizelimit", str(part["size"] * 512),
                          raw]).strip()
            try:
                if number < 2:
                    run(["mkfs.ext4", "-q", device])
                    with mounted(device) as folder:
                        write(folder + f"/part{number + 1}", b"x")
                        if number == 0:
                            self.fill_as_system(folder)
                else:
                    self.fill_volume(device, volume)
            finally:
                run(["losetup", "-d", device])
        other = self.raw("other.raw", 32)
        run(["mkfs.ext4", "-q", other])
        with mounted(other) as folder:
            write(folder + "/second-disk", b"x")
        self.make_point("2001-01-01-000000", {"vda": (self.qcow2(raw), None), "vdb": (self.qcow2(other, "other"), None)})

        def names(*args):
            return {e["name"] for e in json.loads(self.files("ls", "box", "2001", *args, "--json").out)}
        self.assertLessEqual({"etc", "bin", "part1", "srv"}, names("/"))
        self.assertIn("part2", names("/srv"))
        self.assertIn("second-disk", names("/", "--disk", "vdb"))
        self.assertIn("part2", names("/", "--disk", "vda:2"))
        self.assertIn("on-the-volume", names("/", "--device", f"/dev/{volume}/data"))
        error = self.files("ls", "box", "2001", "/", "--disk", "vda", check=4).err
        for name in ("vda:1 (ext4)", "vda:2 (ext4)", "vdb (ext4)", f"/dev/{volume}/data (ext4)"):
            self.assertIn(name, error)
        self.files("ls", "box", "2001", "/", "--disk", "vdc", check=2)
        self.files("ls", "box", "2001", "/", "--device", "/dev/none", check=2)

    @staticmethod
    def fill_as_system(folder):
        for name in ("etc", "bin", "srv", "usr", "var"):
            os.mkdir(os.path.join(folder, name))
        write(folder + "/etc/fstab", b"/dev/vda1 / ext4 defaults 0 1\n/dev/vda2 /srv ext4 defaults 0 2\n")
        write(folder + "/etc/os-release", b"ID=debian\nVERSION_ID=12\nPRETTY_NAME=Debian\n")
        write(folder + "/etc/debian_version", b"12.0\n")

    @staticmethod
    def fill_volume(device, volume):
        """A volume group on the device, made by the appliance: this machine's device mapper stays out of it."""
        run(["guestfish", "--format=raw", "-a", device, "run", ":", "pvcreate", "/dev/sda", ":", "vgcreate", volume, "/dev/sda", ":",
             "lvcreate", "data", volume, "40", ":", "mkfs", "ext4", f"/dev/{volume}/data", ":", "mount", f"/dev/{volume}/data", "/", ":",
             "touch", "/on-the-volume"], timeout=300, env=dict(os.environ, LIBGUESTFS_BACKEND="direct", LIBGUESTFS_BACKEND_SETTINGS="force_tcg"))

    def test_two_file_systems_and_no_system_are_not_guessed_at(self):
        images = {}
        for target in ("vda", "vdb"):
            raw = self.raw(f"{target}.raw", 32)
            run(["mkfs.ext4", "-q", raw])
            images[target] = (self.qcow2(raw, target), None)
        self.make_point("2001-01-01-000000", images)
        error = self.files("ls", "box", "2001", "/", check=4).err
        self.assertIn("--disk", error)
        self.assertIn("vda (ext4), vdb (ext4)", error)

    def test_what_is_not_there(self):
        self.assertIn("no /nothing in this point", self.files("get", "box", "latest", "/nothing", self.target, check=2).err)
        self.assertIn("/d/real/", self.files("ls", "box", "latest", "/d/real/", check=2).err)
        self.assertIn("no point", self.files("ls", "nobody", "2030", "/", check=2).err)
        self.files("get", "box", "latest", "/d", "/does/not/exist", check=2)

    def test_interrupted_between_two_programs_it_leaves_nothing(self):
        """libguestfs got the signal before it had started anything that could end: what it starts next is ended, too."""
        self.hard_point()
        programs = os.path.join(self.work, "programs")
        os.mkdir(programs)
        self.addCleanup(shutil.rmtree, programs)
        with open(os.path.join(programs, "qemu-img"), "w") as f:
            f.write(f"#!/bin/sh\ntrap '' TERM\n[ \"$1\" != create ] || {{ touch {self.target}/reached; kill -TERM $PPID; }}\nexec /usr/bin/qemu-img \"$@\"\n")
        os.chmod(f.name, 0o755)
        with mock.patch.dict(os.environ, PATH=f"{programs}:{os.environ['PATH']}"):
            self.files("get", "box", "2001", "/d", self.target, check=1)
        os.unlink(os.path.join(self.target, "reached"))

    def test_interrupted_it_leaves_nothing(self):
        """At any moment, by Ctrl-C, and killed without mercy: no machine runs on, no folder is left in /tmp."""
        self.hard_point()
        for how, delays in ((signal.SIGINT, (0.5, 5.0)), (signal.SIGKILL, (3.0,))):
            for delay in delays:
                leases = glob.glob(os.path.dirname(self.folder) + "/.reading-*")
                process = self.orch.popen("files", "get", "box", "2001", "/d", self.target, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
                self.orch.wait_for(lambda: set(glob.glob(os.path.dirname(self.folder) + "/.reading-*")) - set(leases), 60, "its lease")
                time.sleep(delay)
                process.send_signal(how)
                said = process.communicate(timeout=60)[1]
                if how == signal.SIGINT:
                    self.assertIn(process.returncode, (5, 0), said)
                shutil.rmtree(os.path.join(self.target, "d"), ignore_errors=True)
                self.orch.wait_for(lambda: not out(["pgrep", "-f", self.folder.rsplit("/", 1)[0] + ".*guestfs|guestfs.*" +
                                                    os.path.dirname(self.folder)], check=False), 30, "the end of the appliance")
                for name in os.listdir(self.target):
                    self.assertEqual(how, signal.SIGKILL)
                    self.assertTrue(name.startswith(".orch-files-"))
                    shutil.rmtree(os.path.join(self.target, name))
        self.orch.wait_for(lambda: self.leftovers() - self.left <= set(glob.glob(os.path.dirname(self.folder) + "/.reading-*")), 30,
                           "nothing left in /tmp")
        for lease in glob.glob(os.path.dirname(self.folder) + "/.reading-*"):
            os.unlink(lease)
