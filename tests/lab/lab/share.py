"""The share: an ext4 in a file, loop-mounted at one path on the machine and, as separate mounts, at the same path in each host.

It stands for the NFS export: a file system of its own with a size, which can be full, hang, or be missing on one side. A second one
(Lab.add_images) holds the disks of guests that move between hosts without being copied.
"""

import contextlib
import os

from . import mounts
from .host import fill
from .run import run


class Share:
    def __init__(self, lab, mib=2048, name="share"):
        self.lab, self.mib, self.name = lab, mib, name
        self.path = os.path.join(lab.dir, name)
        self.image = os.path.join(lab.dir, f"{name}.img")
        self.filler = os.path.join(self.path, ".lab-fill")

    def create(self):
        mounts.make_image(self.image, self.mib, self.name)
        os.makedirs(self.path)
        self.mount()

    def mount(self):
        """On the machine; the hosts' mounts are their own (Host.mount_share)."""
        devices = mounts.loops_under(self.lab.dir)
        mine = [d for d in devices if mounts_backing(d) == self.image]
        run(["mount", "-o", "noatime", mine[0] if mine else mounts.loop_attach(self.image), self.path])

    def umount(self, lazy=False):
        run(["umount", *(["--lazy"] if lazy else []), self.path])

    def mounted_on_machine(self):
        return self.path in mounts.mount_points_under(self.path)

    def fill(self, leave_mib=1):
        fill(self.filler, self.path, leave_mib)

    def unfill(self):
        with contextlib.suppress(FileNotFoundError):
            os.unlink(self.filler)

    def hang(self):
        """Writers block (state D) until unhang; readers go on."""
        run(["fsfreeze", "--freeze", self.path])

    def unhang(self):
        run(["fsfreeze", "--unfreeze", self.path], check=False)


def mounts_backing(device):
    try:
        with open(f"/sys/block/{os.path.basename(device)}/loop/backing_file") as f:
            return f.read().strip()
    except OSError:
        return None
