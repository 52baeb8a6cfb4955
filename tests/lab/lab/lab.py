"""A lab: hosts, guests on them, a share, keys; made, written to DIR/lab.json for others to read, and removed.

    with Lab.create("t1", hosts=2) as lab:          # gone with this process, or with the block
        vm = lab.add_vm("hypervisor-01", Vm("a"))   # defined, started, its agent answers
        vm.exec("sync")

A lab outlives the process that made it when its owner is None (`labctl up`): Lab.load(prefix) takes it up again.
"""

import concurrent.futures
import json
import os
import shutil
import subprocess
import time

from . import cgroup, guest_image, mounts, network, registry
from .domain_xml import Disk, Vm
from .guest_vm import Guest, guest_from
from .host_full import FullHost
from .host_light import LightHost
from .keys import Keys
from .network import Network
from .run import LabError, end, identity, read_json, run, write_atomic
from .share import Share

KINDS = {"light": [LightHost], "full": [FullHost], "mixed": [LightHost, FullHost]}

# Three machines on two hypervisors, as in the project's demo: (host's index, description)
DEMO = [
    (0, lambda: Vm("prod-db-01", [Disk("vda"), Disk("vdb", format="raw", size_mib=128)], writer=True)),
    (1, lambda: Vm("web-01", [Disk("vda")], writer=True)),
    (1, lambda: Vm("asav-firewall-01", [Disk("vda", size_mib=128)], agent=False)),
]


def default_dir(prefix):
    return os.environ.get("ORCH_LAB_DIR") or f"/tmp/orch-lab-{prefix}"


class Lab:
    def __init__(self, entry):
        self.prefix, self.dir, self.entry = entry["prefix"], entry["run_dir"], entry
        self.guest_image = guest_image.ensure()
        self.network = Network(entry["number"])
        self.keys = Keys(os.path.join(self.dir, "keys"))
        self.known_hosts = os.path.join(self.dir, "known_hosts")
        self.share, self.images = Share(self), None
        self.hosts, self.guests, self._children = {}, {}, []

    # -- making ----------------------------------------------------------------------------------------------------

    @classmethod
    def create(cls, prefix, hosts=2, kind="light", share_mib=2048, disk_gib=100, run_dir=None, owner=True, names=None, demo=False):
        """A running lab without guests (or with the demo's). owner: True = this process, a pid, or None = until `down`."""
        if os.geteuid() != 0:
            raise LabError("the lab needs root")
        collect_garbage()
        run_dir = os.path.abspath(run_dir or default_dir(prefix))
        if os.path.exists(run_dir):
            raise LabError(f"{run_dir} exists: labctl --prefix {prefix} down")
        lab = cls(registry.claim(prefix, run_dir))
        try:
            os.makedirs(run_dir)
            os.chmod(run_dir, 0o755)
            lab.share.mib = share_mib
            classes = KINDS[kind]
            for i in range(hosts):
                name = names[i] if names else f"hypervisor-{i + 1:02}"
                lab.hosts[name] = classes[i % len(classes)](lab, name, i, disk_gib)
            for name in ["client", *(f"host-{h}" for h in lab.hosts)]:
                lab.keys.make(name)
            write_atomic(lab.known_hosts, "".join(
                lab.keys.known_hosts_line(h.address, h.port, f"host-{h.name}") for h in lab.hosts.values()))
            lab.network.up()
            lab.share.create()
            lab.save()
            in_parallel([lambda h=h: (h.create(), h.start()) for h in lab.hosts.values()])
            lab.save()
            if demo:
                names = list(lab.hosts)
                lab.add_vms([(names[i % len(names)], make()) for i, make in DEMO])
            registry.finished(lab.entry, os.getpid() if owner is True else owner)
        except BaseException:
            lab.down()
            raise
        return lab

    @classmethod
    def load(cls, prefix):
        entry = registry.get(prefix)
        if not entry:
            raise LabError(f"there is no lab {prefix!r}: labctl --prefix {prefix} up")
        lab = cls(entry)
        state = read_json(os.path.join(lab.dir, "lab.json"))
        if not state:
            raise LabError(f"lab {prefix!r} is half built: labctl --prefix {prefix} down")
        lab.share.mib = state["share"]["mib"]
        for h in state["hosts"]:
            lab.hosts[h["name"]] = KINDS[h["kind"]][0](lab, h["name"], h["index"], h["disk_gib"])
        for v in state["vms"]:
            lab.guests[v["name"]] = guest_from(lab, v)
        return lab

    def save(self):
        write_atomic(os.path.join(self.dir, "lab.json"), json.dumps(self.describe(), indent=2) + "\n")

    def describe(self):
        return {"prefix": self.prefix, "dir": self.dir, "owner": self.entry["owner"], "address": self.network.address,
                "client_key": self.keys.path("client"), "known_hosts": self.known_hosts,
                "share": {"path": self.share.path, "image": self.share.image, "mib": self.share.mib},
                "hosts": [h.describe() for h in self.hosts.values()], "vms": [g.describe() for g in self.guests.values()]}

    # -- shares ----------------------------------------------------------------------------------------------------

    def shares(self):
        return [s for s in (self.share, self.images) if s]

    def add_images(self, mib=20480):
        """A second file system that all hosts mount, at `images.path`: guests whose disks lie there migrate without copying them.
        It is not entered in lab.json: for the process that made the lab."""
        self.images = Share(self, mib, "images")
        self.images.create()
        for host in self.hosts.values():
            host.mount_share(self.images)
        return self.images

    # -- guests ----------------------------------------------------------------------------------------------------

    def add_vm(self, host, spec, start=True):
        return self.add_vms([(host, spec)], start)[0]

    def add_vms(self, wanted, start=True):
        """[(host's name, Vm)] made and, in parallel, started; the Guests in that order."""
        made = [Guest(self, self.host(host), spec) for host, spec in wanted]
        in_parallel([lambda g=g: (g.create(), g.start() if start else None) for g in made])
        for g in made:
            self.guests[g.name] = g
        self.save()
        return made

    def host(self, name):
        if name not in self.hosts:
            raise LabError(f"no host {name!r}: {', '.join(self.hosts)}")
        return self.hosts[name]

    def vm(self, name):
        if name not in self.guests:
            raise LabError(f"no guest {name!r}: {', '.join(self.guests) or 'none'}")
        return self.guests[name]

    def wrong_known_hosts(self, host, how="changed"):
        """Path of a known_hosts that is right but for one host: its key `changed`, or `unknown`."""
        path = os.path.join(self.dir, f"known_hosts-{host}-{how}")
        bad = self.host(host)
        lines = [self.keys.known_hosts_line(h.address, h.port, f"host-{h.name}") for h in self.hosts.values() if h is not bad]
        if how == "changed":
            if not os.path.exists(self.keys.path("stranger")):
                self.keys.make("stranger")
            lines.append(self.keys.known_hosts_line(bad.address, bad.port, "stranger"))
        write_atomic(path, "".join(lines))
        return path

    # -- the end ---------------------------------------------------------------------------------------------------

    def keep(self, child):
        """A child of this process that stands for a host: to be waited for when the host is gone."""
        self._children.append(child)

    def down(self):
        """Remove everything; works from any half-built state, and twice."""
        tear_down(self.entry)
        for child in self._children:
            try:
                child.wait(5)
            except subprocess.TimeoutExpired:
                pass
            if child.stdout:
                child.stdout.close()
        self._children = []

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.down()


def tear_down(entry):
    """Remove a lab, from its registry entry alone.

    A builder that was killed may have left a child that is still making something: what appears meanwhile is removed again."""
    folder = entry["run_dir"]
    end_processes(entry)
    end_of_patience = time.monotonic() + 10
    while True:
        remove_resources(entry)
        left = mounts.mount_points_under(folder)
        if not left:
            shutil.rmtree(folder, ignore_errors=True)
            if not os.path.exists(folder):
                break
        if time.monotonic() > end_of_patience:
            raise LabError(f"cannot remove {folder}; still mounted: {', '.join(left) or 'nothing'}")
        time.sleep(0.2)
        end_processes(entry)
    registry.release(entry["prefix"])


def end_processes(entry):
    folder, number = entry["run_dir"], entry["number"]
    run(["fsfreeze", "--unfreeze", os.path.join(folder, "share")], check=False)
    hosts = os.path.join(folder, "hosts")
    for name in os.listdir(hosts) if os.path.isdir(hosts) else []:
        for record in ("init.json", "supervisor.json"):
            who = read_json(os.path.join(hosts, name, record))
            if who:
                end(who, 20)
    strays = {pid for netns in network.namespaces(number) for pid in network.pids_in(netns)} | cgroup.pids(number)
    for who in map(identity, strays):
        end(who, 20)


def remove_resources(entry):
    folder, number = entry["run_dir"], entry["number"]
    devices = mounts.loops_under(folder)
    mounts.unmount_under(folder)
    for device in devices:
        mounts.loop_detach(device)
    Network(number).down()
    cgroup.remove_numbered(number)


def collect_garbage(everything=False):
    """Remove labs whose owner is gone; everything: all labs. Returns their prefixes."""
    gone = []
    with registry.collecting():
        for entry in registry.entries():
            if everything or registry.orphaned(entry):
                tear_down(entry)
                gone.append(entry["prefix"])
    return gone


def in_parallel(jobs):
    """Run all; then raise the first error, if any."""
    with concurrent.futures.ThreadPoolExecutor(max_workers=8) as pool:
        futures = [pool.submit(job) for job in jobs]
    for f in futures:
        f.result()
