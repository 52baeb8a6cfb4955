"""libguestfs' appliance, for machines that have no kernel in /boot (containers): made once of the laboratory's kernel, and kept.

supermin looks for the kernel where SUPERMIN_KERNEL says, but insists on a /lib/modules of its own: it gets one in a mount namespace, so
that nothing is left on this machine.
"""

import glob
import os
import shutil
import tempfile

from .guest_image import CACHE, building, kernel_package
from .run import LabError, out, run

PARTS = "/usr/lib/x86_64-linux-gnu/guestfs/supermin.d"
MAKE = """\
set -e
mount -t tmpfs tmpfs "$1/layers"
mkdir "$1/layers/upper" "$1/layers/work"
mount -t overlay -o "lowerdir=/usr/lib,upperdir=$1/layers/upper,workdir=$1/layers/work" overlay /usr/lib
mkdir -p /usr/lib/modules
supermin --build --copy-kernel -f ext2 --host-cpu x86_64 --size 4G "$2" -o "$1/made"
"""


def environment():
    """What a process that uses libguestfs needs in its environment here."""
    if glob.glob("/boot/vmlinuz-*"):
        return {}
    return {"LIBGUESTFS_PATH": ensure()}


def ensure():
    """Directory of a fixed appliance; made on first use (seconds, 400 MB of disk)."""
    if not os.path.isdir(PARTS):
        raise LabError(f"{PARTS} is missing: install the packages named in packages.txt")
    version = out(["dpkg-query", "-W", "-f", "${Version}", "libguestfs0"]).replace(":", "_")
    with building():
        package = kernel_package()
        target = os.path.join(CACHE, f"appliance-{version}-{os.path.basename(package).split('_')[1]}")
        if not os.path.isdir(target):
            with tempfile.TemporaryDirectory(dir=CACHE) as work:
                _build(package, work)
                os.rename(os.path.join(work, "made"), target)
    return target


def _build(package, work):
    run(["dpkg", "-x", package, os.path.join(work, "kernel")])
    kernel = glob.glob(os.path.join(work, "kernel/boot/vmlinuz-*"))[0]
    version = os.path.basename(kernel).removeprefix("vmlinuz-")
    run(["depmod", "-b", os.path.join(work, "kernel"), version])
    os.mkdir(os.path.join(work, "layers"))
    run(["unshare", "--mount", "sh", "-c", MAKE, "sh", work, PARTS], timeout=600,
        env=dict(os.environ, SUPERMIN_KERNEL=kernel, SUPERMIN_MODULES=os.path.join(work, "kernel/lib/modules", version)))
    open(os.path.join(work, "made/README.fixed"), "w").close()
    os.chmod(os.path.join(work, "made"), 0o755)
    shutil.rmtree(os.path.join(work, "kernel"))
