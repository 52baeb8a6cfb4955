"""Looking into disk images: what a guest left in its file system, without starting anything."""

import os
import tempfile

from .run import out, run


def file_in_image(image, name, fmt="qcow2"):
    """Content of a file in the ext4 that fills an image. image: a path as the machine sees it (Host.path for one inside a host);
    a backing chain is followed, so its paths must hold on the machine."""
    with tempfile.TemporaryDirectory() as folder:
        raw = os.path.join(folder, "raw")
        run(["qemu-img", "convert", "-f", fmt, "-O", "raw", image, raw], timeout=600)
        return out(["debugfs", "-R", f"cat {name}", raw])


def same_content(a, b):
    """True when two images (paths as the machine sees them) hold the same guest-visible data."""
    return run(["qemu-img", "compare", a, b], check=False, timeout=600).returncode == 0
