"""labctl: the laboratory from a shell. Each verb is one call of a method of Lab, Host, Guest or Share.

Results go to standard output; what went wrong to standard error, as one line. Exit: 0, 1 = failed, 2 = usage; `exec` verbs
pass on the command's own exit status.
"""

import argparse
import json
import os
import sys

from . import appliance, boot_disk, full_root, guest_image, nfs_guest, registry
from .domain_xml import Disk, Vm
from .lab import KINDS, Lab, collect_garbage, default_dir, tear_down
from .run import CommandError, LabError

HOST_VERBS = {
    "exec": (lambda h, a: passed_on(h.exec(*a, check=False, timeout=3600)), "CMD…: run inside (not over the network)"),
    "ssh": (lambda h, a: passed_on(h.ssh(*a, check=False, timeout=3600)), "CMD…: run over SSH, as orch does"),
    "virsh": (lambda h, a: passed_on(h.exec("virsh", *a, check=False, timeout=3600)), "ARG…"),
    "cut": (lambda h, a: h.cut(silent=a != ["loud"]), "[loud]: pull the network cable; loud = senders learn of it"),
    "heal": (lambda h, a: h.heal(), "plug it in again"),
    "stop-proc": (lambda h, a: h.stop_proc(*a), "libvirtd|virtlogd|sshd|qemu:VM: SIGSTOP"),
    "cont-proc": (lambda h, a: h.cont_proc(*a), "…: SIGCONT"),
    "kill-proc": (lambda h, a: h.kill_proc(*a), "…: SIGKILL"),
    "restart": (lambda h, a: h.restart(*a), "libvirtd|virtlogd|sshd"),
    "off": (lambda h, a: h.stop(), "power cut"),
    "on": (lambda h, a: h.start(), "boot; its guests stay off"),
    "reboot": (lambda h, a: h.reboot(), "power cut and boot"),
    "fill": (lambda h, a: h.fill(*map(int, a)), "[MIB]: use up the room where images are, but for MIB (1)"),
    "unfill": (lambda h, a: h.unfill(), "give it back"),
    "mount-share": (lambda h, a: h.mount_share(), "mount the share on this host"),
    "umount-share": (lambda h, a: h.umount_share(a == ["lazy"]), "[lazy]: unmount it on this host alone"),
    "files": (lambda h, a: print("\n".join(h.files())), "every file beyond the system's"),
    "traces": (lambda h, a: print_some("\n".join(h.orch_traces(patience=0)) or None), "files, processes and units that orch left"),
    "uri": (lambda h, a: print(h.uri()), "for virsh -c"),
}
VM_VERBS = {
    "exec": (lambda g, a: said(g.exec(*a, check=False, timeout=3600)), "CMD…: run through the guest agent"),
    "control": (lambda g, a: said(g.control(" ".join(a), timeout=90)), "SCRIPT: run through the lab's port (no agent needed, works while frozen)"),
    "start": (lambda g, a: g.start(), "and wait until it is up"),
    "destroy": (lambda g, a: g.destroy(), "pull its plug"),
    "shutdown": (lambda g, a: g.shutdown(), "ask it to power off, and wait"),
    "migrate": (lambda g, a: g.migrate(g.lab.host(*a)), "HOST: move it, running, with its disks"),
    "remove": (lambda g, a: g.remove(), "destroy and undefine"),
    "state": (lambda g, a: print(g.state()), ""),
    "frozen": (lambda g, a: print("frozen" if g.frozen() else "thawed"), "what its agent says"),
    "disks": (lambda g, a: print("\n".join(f"{t} {p}" for t, p in g.disk_paths().items())), "active disk paths"),
    "xml": (lambda g, a: print(g.xml(*a), end=""), "[OPTION…] of virsh dumpxml"),
    "agent": (lambda g, a: {"stop": g.stop_agent, "cont": g.cont_agent, "kill": g.kill_agent, "start": g.start_agent}[a[0]](),
              "stop|cont|kill|start"),
    "writer": (lambda g, a: print_some(g.writer(*a)), "start|stop|value: the counting writer"),
}
SHARE_VERBS = {
    "fill": (lambda s, a: s.fill(*map(int, a)), "[MIB]: leave MIB (1)"),
    "unfill": (lambda s, a: s.unfill(), ""),
    "hang": (lambda s, a: s.hang(), "writers block, readers go on"),
    "unhang": (lambda s, a: s.unhang(), ""),
    "mount": (lambda s, a: s.mount(), "on the machine"),
    "umount": (lambda s, a: s.umount(a == ["lazy"]), "[lazy]: on the machine; hosts keep theirs"),
    "path": (lambda s, a: print(s.path), ""),
}

def passed_on(done):
    sys.stdout.write(done.stdout)
    sys.stderr.write(done.stderr)
    return done.returncode

def said(answer):
    sys.stdout.write(answer[0])
    return answer[1]

def print_some(value):
    if value is not None:
        print(value)

def main(argv=None):
    args = parser().parse_args(argv)
    try:
        return args.work(args) or 0
    except (LabError, FileNotFoundError) as e:
        print(f"labctl: {e}", file=sys.stderr)
        return 1

def parser():
    p = argparse.ArgumentParser(prog="labctl", description="Real hypervisors, guests and a share on this machine, for tests.")
    p.add_argument("--prefix", default=os.environ.get("ORCH_LAB_PREFIX", "lab"), help="which lab (default: lab)")
    verbs = p.add_subparsers(required=True, metavar="VERB")

    up = verbs.add_parser("up", help="make a lab")
    up.add_argument("--hosts", type=int, default=2)
    up.add_argument("--kind", choices=KINDS, default="light")
    up.add_argument("--demo", action="store_true", help="with the three guests of the demo")
    up.add_argument("--share-mib", type=int, default=2048)
    up.add_argument("--disk-gib", type=int, default=100, help="size of each host's disk (sparse)")
    up.add_argument("--owner", type=int, help="a pid: gc may remove the lab once that process is gone")
    up.set_defaults(work=do_up)
    verbs.add_parser("down", help="remove it, whatever its state").set_defaults(work=do_down)
    verbs.add_parser("status", help="what is there and how it is").set_defaults(work=do_status)
    verbs.add_parser("json", help="print lab.json").set_defaults(work=lambda a: print(json.dumps(Lab.load(a.prefix).describe(), indent=2)))
    verbs.add_parser("prepare", help="make what labs share and keep in the cache: images, kernels, the system of full hosts").set_defaults(work=do_prepare)
    gc = verbs.add_parser("gc", help="remove labs whose owner is gone")
    gc.add_argument("--all", action="store_true", help="every lab of this machine")
    gc.set_defaults(work=lambda a: print_some("\n".join(collect_garbage(a.all)) or None))

    add = verbs.add_parser("add-vm", help="make and start a guest")
    add.add_argument("host")
    add.add_argument("name")
    add.add_argument("--disk", action="append", metavar="KEY=VALUE,…", help="e.g. target=vdb,format=raw,size_mib=64,kind=chain (see domain_xml.Disk)")
    add.add_argument("--xml", type=argparse.FileType(), help="a whole domain XML instead")
    for flag in ("no-agent", "writer", "uefi", "nic", "off"):
        add.add_argument(f"--{flag}", action="store_true")
    add.add_argument("--memory-mib", type=int, default=144)
    add.set_defaults(work=do_add_vm)

    wrong = verbs.add_parser("wrong-known-hosts", help="print the path of a known_hosts with one host's key changed or unknown")
    wrong.add_argument("host")
    wrong.add_argument("how", choices=["changed", "unknown"], nargs="?", default="changed")
    wrong.set_defaults(work=lambda a: print(Lab.load(a.prefix).wrong_known_hosts(a.host, a.how)))

    for name, table, pick in [("host", HOST_VERBS, lambda lab, n: lab.host(n)), ("vm", VM_VERBS, lambda lab, n: lab.vm(n))]:
        described = "\n".join(f"  {v:13} {text}" for v, (_, text) in table.items())
        one = verbs.add_parser(name, help=f"something with one {name}", epilog=described, formatter_class=argparse.RawDescriptionHelpFormatter)
        one.add_argument("name")
        one.add_argument("verb", choices=table, metavar="VERB")
        one.add_argument("rest", nargs=argparse.REMAINDER)
        one.set_defaults(work=lambda a, table=table, pick=pick: do_one(table, pick(Lab.load(a.prefix), a.name), a))
    share = verbs.add_parser("share", help="something with the share", formatter_class=argparse.RawDescriptionHelpFormatter,
                             epilog="\n".join(f"  {v:8} {text}" for v, (_, text) in SHARE_VERBS.items()))
    share.add_argument("verb", choices=SHARE_VERBS, metavar="VERB")
    share.add_argument("rest", nargs=argparse.REMAINDER)
    share.set_defaults(work=lambda a: do_one(SHARE_VERBS, Lab.load(a.prefix).share, a))
    return p

def do_one(table, thing, args):
    got = table[args.verb][0](thing, args.rest)
    return got if isinstance(got, int) else 0

def do_prepare(args):
    """All that the first lab of a machine would have to wait for."""
    guest_image.ensure()
    for uefi, agent in (False, True), (True, True), (False, False):
        boot_disk.ensure(uefi, agent)
    nfs_guest.kernel()
    appliance.environment()
    full_root.ensure()

def do_up(args):
    lab = Lab.create(args.prefix, hosts=args.hosts, kind=args.kind, share_mib=args.share_mib, disk_gib=args.disk_gib,
                     owner=args.owner, demo=args.demo)
    print(os.path.join(lab.dir, "lab.json"))

def do_down(args):
    entry = registry.get(args.prefix)
    if entry:
        tear_down(entry)
    elif os.path.exists(default_dir(args.prefix)):
        raise LabError(f"{default_dir(args.prefix)} belongs to no lab that is known: remove it by hand")

def do_status(args):
    if not registry.get(args.prefix):
        print(f"no lab {args.prefix!r}; labs: {', '.join(e['prefix'] for e in registry.entries()) or 'none'}")
        return 1
    lab = Lab.load(args.prefix)
    print(f"{lab.prefix}  {lab.dir}  share {lab.share.path} ({'mounted' if lab.share.mounted_on_machine() else 'NOT mounted'})")
    for host in lab.hosts.values():
        state = "on" if host.running() else "off"
        print(f"  {host.name}  {host.kind}  {host.address}:{host.port}  {state}")
        for guest in lab.guests.values():
            if guest.host is host and host.running():
                try:
                    print(f"    {guest.name}  {guest.state()}")
                except CommandError:
                    print(f"    {guest.name}  undefined")

def do_add_vm(args):
    lab = Lab.load(args.prefix)
    disks = [parse_disk(text) for text in args.disk] if args.disk else [Disk()]
    spec = Vm(args.name, disks, agent=not args.no_agent, writer=args.writer, uefi=args.uefi, nic=args.nic, memory_mib=args.memory_mib,
              xml=args.xml.read() if args.xml else None)
    lab.add_vm(args.host, spec, start=not args.off)

def parse_disk(text):
    fields = dict(pair.split("=", 1) for pair in text.split(","))
    known = {f: type(v) for f, v in vars(Disk()).items()}
    for key, value in fields.items():
        if key not in known or known[key] is dict:
            raise LabError(f"--disk: no key {key!r}; keys: {', '.join(k for k, t in known.items() if t is not dict)}")
        if known[key] is int:
            fields[key] = int(value)
        elif known[key] is bool:
            fields[key] = value in ("1", "yes", "true")
    return Disk(**fields)

__all__ = ["main", "DEMO"]
