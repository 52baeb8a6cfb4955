"""Evidence from outside of orch: what a disk held while it was copied, what a copy holds, what ran on a host and when.

A **witness** stands on a hypervisor in the place of qemu-img. When orch's copy comes by, it first keeps the source image as it is at
that moment, then lets the real program do its work, and keeps the source once more: so the copy can be compared with what it was made
of, and the source seen to have been quiet. It notes begin and end of each copy, and a test can hold one at its begin for as long as
it likes: the guest is thawed then and writes to its overlay.
"""

import contextlib
import glob
import hashlib
import os
import re
import subprocess
import tempfile

import harness  # noqa: F401  (puts the laboratory on the path)
from lab.run import LabError, out, run, wait_for  # noqa: F401

QEMU_IMG = "/usr/bin/qemu-img"
FOLDER = "/var/lib/libvirt/witness"
PROGRAM = f"""\
#!/bin/sh
source= target=
for word; do source=$target target=$word; done
case "$1 $target" in convert*/.staging-*) ;; *) exec {QEMU_IMG} "$@" ;; esac
kept={FOLDER}/${{target##*/}}
printf %s "$source" > "$kept.source"
cp --sparse=always -- "$source" "$kept.before" || exit 99
echo "begin $(date +%s%N) ${{target##*/}}" >> {FOLDER}/log
while [ -e "$kept.hold" ]; do sleep 0.05; done
{QEMU_IMG} "$@"
status=$?
cp --sparse=always -- "$source" "$kept.after" || exit 99
echo "end $(date +%s%N) ${{target##*/}}" >> {FOLDER}/log
exit $status
"""


class Witness:
    def __init__(self, host):
        self.host, self.folder = host, os.path.join(host.disk, "libvirt", "witness")
        host.exec("mkdir", "-p", FOLDER)
        host.exec("install", "-m", "755", "/dev/stdin", "/usr/local/bin/qemu-img", input=PROGRAM)

    def _kept(self, file, suffix):
        return os.path.join(self.folder, f"{file}.{suffix}")

    def hold(self, file):
        open(self._kept(file, "hold"), "w").close()

    def release(self, file):
        with contextlib.suppress(FileNotFoundError):
            os.unlink(self._kept(file, "hold"))

    def wait(self, file, timeout=60):
        """Until the copy of this file is about to begin."""
        wait_for(f"the copy to {file}", lambda: any(f == file for _, _, f in self.lines()), timeout)

    def lines(self):
        """[(begin or end, nanoseconds, file)], as they happened."""
        with contextlib.suppress(FileNotFoundError), open(os.path.join(self.folder, "log")) as f:
            return [(what, int(when), file) for what, when, file in (line.split() for line in f)]
        return []

    def forget(self):
        for path in glob.glob(os.path.join(self.folder, "*")):
            os.unlink(path)

    def compare(self, folder, file, source, source_format):
        """What qemu-img says to the copy beside the source as it was: "" when both are the same to a guest, before and after, and the
        source is the VM's own disk."""
        copy = os.path.join(folder, file)
        with open(self._kept(file, "source")) as f:
            copied = f.read()
        said = "" if copied == source else f"{file} was copied from {copied}, not from {source}\n"
        for suffix in ("before", "after"):
            kept = f"{FOLDER}/{file}.{suffix}"
            p = self.host.exec(QEMU_IMG, "compare", "-f", source_format, "-F", "qcow2", kept, copy, check=False)
            if p.returncode != 0:
                said += f"{file}, {suffix} the copy: {p.stdout}{p.stderr}"
        return said


def files(host):
    """Host.files() without the witness's, the logs', and what a service keeps while it runs; a domain's number is left out."""
    passing = (FOLDER, "/usr/local/bin/qemu-img", "/var/log/", "/run/systemd/", "/run/log/", "/run/user/", "/run/motd.dynamic")
    return sorted(re.sub(r"/domain-[0-9]+-", "/domain-", f) for f in host.files() if not f.startswith(passing))


# -- what an image holds -------------------------------------------------------------------------------------------------


class Image:
    """The ext4 in an image, as the machine sees it: `Image(path)` in a with block. Its journal is replayed, as a mount would."""

    def __init__(self, path, fmt="qcow2"):
        self.path, self.fmt = path, fmt

    def __enter__(self):
        self.folder = tempfile.TemporaryDirectory()
        self.raw = os.path.join(self.folder.name, "raw")
        run([QEMU_IMG, "convert", "-f", self.fmt, "-O", "raw", self.path, self.raw], timeout=600)
        self.was_clean = "needs_recovery" not in out(["dumpe2fs", "-h", self.raw])
        run(["e2fsck", "-fy", self.raw], check=False)
        return self

    def __exit__(self, *_):
        self.folder.cleanup()

    def read(self, name):
        """Content of a file, or None when there is none."""
        p = run(["debugfs", "-R", f"cat {name}", self.raw])
        return None if "File not found" in p.stderr else p.stdout


def image_info(path):
    p = subprocess.run([QEMU_IMG, "info", path], capture_output=True, text=True, check=True)
    return p.stdout


# -- a point ---------------------------------------------------------------------------------------------------------------


def check_point(test, folder):
    """What anybody can check of a point without orch: its sums, all files named in them, its images, its modes."""
    p = subprocess.run(["sha256sum", "-c", "--strict", "--quiet", "checksums.sha256"], cwd=folder, capture_output=True, text=True)
    test.assertEqual((p.returncode, p.stdout + p.stderr), (0, ""), folder)
    with open(os.path.join(folder, "checksums.sha256")) as f:
        named = {line.rstrip("\n")[66:] for line in f}
    there = {os.path.relpath(os.path.join(d, n), folder) for d, _, names in os.walk(folder) for n in names}
    later = {"checksums.sha256", "state.json", *(name for name in there if name.startswith("proof/"))}
    test.assertEqual(named, there - later, folder)
    images = glob.glob(os.path.join(folder, "*.qcow2"))
    for image in images:
        p = subprocess.run([QEMU_IMG, "check", image], capture_output=True, text=True)
        test.assertEqual(p.returncode, 0, p.stdout + p.stderr)
        test.assertNotIn("backing file", image_info(image))
    for path in images + glob.glob(os.path.join(folder, "*.xml")) + glob.glob(os.path.join(folder, "*.fd")):
        test.assertEqual(os.stat(path).st_mode & 0o777, 0o600, path)


def fingerprint(folder):
    """{path: its attributes} of everything in a point except what is written later: kind and mode, owner, size, both times, content."""
    found = {}
    for parent, folders, names in os.walk(folder):
        if parent == folder and "proof" in folders:
            folders.remove("proof")
        for name in [*folders, *names]:
            path = os.path.join(parent, name)
            st = os.lstat(path)
            if os.path.relpath(path, folder) == "state.json":
                continue
            said = [oct(st.st_mode), st.st_uid, st.st_gid]
            if os.path.isfile(path):
                with open(path, "rb") as f:
                    said += [st.st_size, st.st_mtime_ns, st.st_ctime_ns, hashlib.sha256(f.read()).hexdigest()]
            found[os.path.relpath(path, folder)] = said
    return found


def follow_restore_text(host, folder):
    """RESTORE.txt to the letter: its lines indented by four spaces, in order, in one shell that ends at the first failure."""
    with open(os.path.join(folder, "RESTORE.txt")) as f:
        script = "".join(re.findall(r"^    (?! )(.*\n)", f.read(), re.M))
    return host.exec("sh", "-e", input=script, timeout=300)
