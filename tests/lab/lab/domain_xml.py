"""The domain XML of a lab guest, from a description of it.

Every disk and every switch is a field of `Vm` or `Disk`; what these cannot say is said with `Vm.xml`, a whole XML of the
test's own, or by editing the text that `domain_xml` returns.
"""

import uuid as _uuid
from dataclasses import asdict, dataclass, field
from xml.sax.saxutils import escape, quoteattr

IMAGES = "/var/lib/libvirt/images"
BOOT = "/var/lib/libvirt/boot"


@dataclass
class Disk:
    """One disk. kind: `file`; `block` (a loop device); `chain` (golden ← middle ← disk, all qcow2)."""

    target: str = "vda"
    size_mib: int = 256
    format: str = "qcow2"
    kind: str = "file"
    path: str = None          # default: IMAGES/VM-TARGET.qcow2 or .raw; any characters; "" = an empty CD-ROM or floppy drive
    device: str = "disk"      # disk | cdrom | floppy
    bus: str = None           # default by device: virtio, sata, fdc
    readonly: bool = False
    shareable: bool = False
    transient: bool = False
    driver: dict = field(default_factory=dict)  # further attributes of <driver>, e.g. {"cache": "none", "discard": "unmap"}
    create: bool = True       # False: the file is there already
    filled_mib: int = 0       # random data put into the image before the first start, past its first half

    @property
    def chain(self):
        """Golden and middle image of a linked clone."""
        stem = self.path.rpartition(".")[0]
        return f"{stem}.golden.qcow2", f"{stem}.middle.qcow2"


@dataclass
class Vm:
    name: str
    disks: list = field(default_factory=lambda: [Disk()])
    agent: bool = True
    writer: bool = False      # count into the first disk from the start
    mounts: bool = True       # the guest makes file systems on blank disks and mounts them
    memory_mib: int = 144
    machine: str = "q35"
    uefi: bool = False        # OVMF and an NVRAM file; boots slower
    boot_disk: bool = False   # the firmware boots the first disk, which holds the guest's kernel; else QEMU loads the host's
    video: bool = False       # a VGA card, for screenshots
    tpm: bool = False         # an emulated TPM 2.0
    nic: bool = False         # a network card on the host's bridge br0, which leads nowhere
    cmdline: str = ""         # further words for the kernel
    uuid: str = ""
    xml: str = None           # a whole domain XML instead of the one made here

    def __post_init__(self):
        self.uuid = self.uuid or str(_uuid.uuid4())
        self.disks = [d if isinstance(d, Disk) else Disk(**d) for d in self.disks]
        for disk in self.disks:
            if disk.path is None and disk.kind != "block":
                disk.path = f"{IMAGES}/{self.name}-{disk.target}.{'qcow2' if disk.format == 'qcow2' else 'raw'}"

    def as_dict(self):
        return asdict(self)


def disk_xml(disk):
    bus = disk.bus or {"disk": "virtio", "cdrom": "sata", "floppy": "fdc"}[disk.device]
    attribute = "dev" if disk.kind == "block" else "file"
    driver = "".join(f" {k}={quoteattr(v)}" for k, v in disk.driver.items())
    lines = [f"<disk type='{'block' if disk.kind == 'block' else 'file'}' device='{disk.device}'>",
             f"  <driver name='qemu' type='{disk.format}'{driver}/>"]
    if disk.path:
        lines.append(f"  <source {attribute}={quoteattr(disk.path)}/>")
    lines.append(f"  <target dev='{disk.target}' bus='{bus}'/>")
    lines += [f"  <{flag}/>" for flag in ("readonly", "shareable", "transient") if getattr(disk, flag)]
    return "\n".join(f"    {line}" for line in [*lines, "</disk>"])


def domain_xml(vm):
    if vm.xml:
        return vm.xml
    words = ["console=ttyS0", "quiet", "mitigations=off", "no_timer_check", f"lab.host={vm.name}"]
    words += [word for word, wanted in [("lab.noagent", not vm.agent), ("lab.writer", vm.writer), ("lab.nomount", not vm.mounts)] if wanted]
    agent = "    <channel type='unix'><target type='virtio' name='org.qemu.guest_agent.0'/></channel>\n" if vm.agent else ""
    firmware = ("\n    <loader readonly='yes' type='pflash'>/usr/share/OVMF/OVMF_CODE_4M.fd</loader>"
                f"\n    <nvram template='/usr/share/OVMF/OVMF_VARS_4M.fd'>/var/lib/libvirt/qemu/nvram/{escape(vm.name)}_VARS.fd</nvram>"
                if vm.uefi else "")
    nic = "    <interface type='bridge'><source bridge='br0'/><model type='virtio'/></interface>\n" if vm.nic else ""
    boot = (f"""
    <kernel>{BOOT}/vmlinuz</kernel>
    <initrd>{BOOT}/initrd.img</initrd>
    <cmdline>{escape(' '.join([*words, vm.cmdline]).strip())}</cmdline>""" if not vm.boot_disk else "\n    <boot dev='hd'/>")
    video = "    <video><model type='vga'/></video>\n" if vm.video else ""
    tpm = "    <tpm model='tpm-crb'><backend type='emulator' version='2.0'/></tpm>\n" if vm.tpm else ""
    scsi = "    <controller type='scsi' model='virtio-scsi'/>\n" if any(d.bus == "scsi" for d in vm.disks) else ""
    return f"""<domain type='qemu'>
  <name>{escape(vm.name)}</name>
  <uuid>{vm.uuid}</uuid>
  <memory unit='MiB'>{vm.memory_mib}</memory>
  <vcpu>1</vcpu>
  <os>
    <type arch='x86_64' machine='{vm.machine}'>hvm</type>{firmware}{boot}
  </os>
  <features><acpi/><apic/></features>
  <cpu mode='maximum'/>
  <clock offset='utc'/>
  <on_poweroff>destroy</on_poweroff>
  <on_reboot>restart</on_reboot>
  <on_crash>destroy</on_crash>
  <devices>
    <emulator>/usr/bin/qemu-system-x86_64</emulator>
{chr(10).join(disk_xml(d) for d in vm.disks)}
{scsi}{nic}{tpm}{video}    <controller type='usb' model='none'/>
    <serial type='pty'><target port='0'/></serial>
    <console type='pty'><target type='serial' port='0'/></console>
{agent}    <channel type='unix'><target type='virtio' name='org.orch.lab.0'/></channel>
    <memballoon model='none'/>
  </devices>
</domain>
"""
