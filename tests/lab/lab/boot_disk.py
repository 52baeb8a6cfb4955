"""Disks that a guest boots from by its firmware: the lab's kernel and initramfs behind a boot loader, as an installed system has them.

For BIOS an ext2 with extlinux in a partition that the boot record points to; for UEFI an EFI system partition whose only program is kernel,
initramfs and command line in one, behind systemd's EFI stub. Like the guest's image they are a pure function of what goes in, and are kept
in the cache. Nothing is installed: the stub is downloaded and unpacked.
"""

import glob
import hashlib
import os
import tempfile

from . import guest_image, mounts
from .run import LabError, run

SIZE_MIB = 64
WORDS = "console=tty0 console=ttyS0 mitigations=off no_timer_check lab.host=from-disk"
STUB = "usr/lib/systemd/boot/efi/linuxx64.efi.stub"
BOOT_RECORD = "/usr/lib/EXTLINUX/mbr.bin"


def ensure(uefi=False, agent=True):
    """Path of a qcow2 in the cache that such a firmware boots; made on first use."""
    words = WORDS + ("" if agent else " lab.noagent")
    image = guest_image.ensure()
    with guest_image.building():
        with open(__file__, "rb") as f:
            digest = hashlib.sha256(f.read() + os.path.basename(image).encode() + words.encode()).hexdigest()[:12]
        target = os.path.join(guest_image.CACHE, f"boot-{'uefi' if uefi else 'bios'}-{digest}.qcow2")
        if not os.path.exists(target):
            with tempfile.TemporaryDirectory(dir=guest_image.CACHE) as work:
                raw = os.path.join(work, "disk.raw")
                with open(raw, "w") as f:
                    f.truncate(SIZE_MIB * 1024 * 1024)
                (_make_uefi if uefi else _make_bios)(raw, image, words, work)
                run(["qemu-img", "convert", "-q", "-f", "raw", "-O", "qcow2", raw, os.path.join(work, "disk.qcow2")])
                os.rename(os.path.join(work, "disk.qcow2"), target)
    return target


def _partition(raw, table):
    """One partition from 1 MiB to the end but one MiB."""
    run(["sfdisk", "-q", raw], input=table)
    return 1024 * 1024, (SIZE_MIB - 2) * 1024 * 1024


def _make_bios(raw, image, words, work):
    offset, size = _partition(raw, f"label: dos\nstart=2048, size={(SIZE_MIB - 2) * 2048}, type=83, bootable\n")
    with open(raw, "r+b") as disk, open(BOOT_RECORD, "rb") as record:
        disk.write(record.read(440))
    folder = os.path.join(work, "mounted")
    os.mkdir(folder)
    device = run(["losetup", "--find", "--show", f"--offset={offset}", f"--sizelimit={size}", raw]).stdout.strip()
    try:
        run(["mkfs.ext2", "-q", "-m", "0", device])
        run(["mount", device, folder])
        try:
            for name in ["vmlinuz", "initrd.img"]:
                run(["cp", os.path.join(image, name), folder])
            with open(os.path.join(folder, "extlinux.conf"), "w") as f:
                f.write(f"default lab\nprompt 0\nlabel lab\n  kernel /vmlinuz\n  append initrd=/initrd.img {words}\n")
            run(["extlinux", "--install", folder])
        finally:
            run(["umount", folder])
    finally:
        mounts.loop_detach(device)


def _make_uefi(raw, image, words, work):
    offset, size = _partition(raw, f"label: gpt\nstart=2048, size={(SIZE_MIB - 2) * 2048}, type=U\n")
    program = os.path.join(work, "program.efi")
    command_line = os.path.join(work, "cmdline")
    with open(command_line, "w") as f:
        f.write(words)
    run(["objcopy",
         "--add-section", f".cmdline={command_line}", "--change-section-vma", ".cmdline=0x30000",
         "--add-section", f".linux={image}/vmlinuz", "--change-section-vma", ".linux=0x2000000",
         "--add-section", f".initrd={image}/initrd.img", "--change-section-vma", ".initrd=0x3000000",
         _stub(work), program])
    partition = os.path.join(work, "esp")
    run(["mkfs.vfat", "-C", partition, str(size // 1024)])
    run(["mmd", "-i", partition, "::/EFI", "::/EFI/BOOT"])
    run(["mcopy", "-i", partition, program, "::/EFI/BOOT/BOOTX64.EFI"])
    run(["dd", f"if={partition}", f"of={raw}", "bs=1M", f"seek={offset // (1024 * 1024)}", "conv=notrunc,sparse", "status=none"])


def _stub(work):
    """systemd's EFI stub, out of its package."""
    run(["apt-get", "-q", "download", "systemd-boot-efi"], cwd=work, timeout=600)
    found = glob.glob(os.path.join(work, "systemd-boot-efi_*.deb"))
    if not found:
        raise LabError("apt-get download systemd-boot-efi brought nothing: are there package lists (apt-get update)?")
    run(["dpkg", "-x", found[0], os.path.join(work, "stub")])
    return os.path.join(work, "stub", STUB)
