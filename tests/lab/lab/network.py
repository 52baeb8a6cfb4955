"""The lab's network: a bridge on the machine (10.(200+n).0.1/24) and, for each host, a network namespace on a veth cable.

Names hold the network number n and the host's index i: bridge `olN`, namespace `orchlab-N-I`, cable `olNhI` (machine's end)
to `eth0` (host's end, 10.(200+n).0.(10+i)). The machine forwards nothing: hosts reach the machine and one another only.
"""

import os
import re

from .run import out, run


class Network:
    def __init__(self, number):
        self.number = number
        self.bridge = f"ol{number}"
        self.address = f"10.{200 + number}.0.1"

    def up(self):
        run(["ip", "link", "add", self.bridge, "type", "bridge", "forward_delay", "0"])
        run(["ip", "address", "add", f"{self.address}/24", "dev", self.bridge])
        run(["ip", "link", "set", self.bridge, "up"])

    def cable(self, index):
        return Cable(self, index)

    def down(self):
        """Remove every namespace and interface that carries this network's number."""
        for name in namespaces(self.number):
            run(["ip", "netns", "delete", name], check=False)
        for link in re.findall(r"^\d+: ([^:@]+)", out(["ip", "-o", "link"]), re.M):
            if link == self.bridge or re.fullmatch(rf"ol{self.number}h\d+", link):
                run(["ip", "link", "delete", link], check=False)


class Cable:
    """One host's connection: its namespace and the veth pair into it."""

    def __init__(self, network, index):
        self.network = network
        self.name = f"ol{network.number}h{index}"
        self.netns = f"orchlab-{network.number}-{index}"
        self.netns_path = f"/run/netns/{self.netns}"
        self.address = f"10.{200 + network.number}.0.{10 + index}"

    def up(self):
        run(["ip", "netns", "add", self.netns])
        run(["ip", "link", "add", self.name, "type", "veth", "peer", "name", "eth0", "netns", self.netns])
        run(["ip", "link", "set", self.name, "master", self.network.bridge, "up"])
        inside = ["ip", "-n", self.netns]
        run([*inside, "address", "add", f"{self.address}/24", "dev", "eth0"])
        run([*inside, "link", "set", "eth0", "up"])
        run([*inside, "link", "set", "lo", "up"])
        run([*inside, "route", "add", "default", "via", self.network.address])
        run([*inside, "link", "add", "br0", "type", "bridge", "forward_delay", "0"])  # where guests' network cards go
        run([*inside, "link", "set", "br0", "up"])
        self._pin()

    def _pin(self):
        """A fixed neighbour entry: while the cable is cut, packets vanish; nobody says "no route to host"."""
        mac = re.search(r"link/ether (\S+)", out(["ip", "-n", self.netns, "link", "show", "eth0"])).group(1)
        run(["ip", "neighbour", "replace", self.address, "lladdr", mac, "dev", self.network.bridge, "nud", "permanent"])

    def cut(self, silent=True):
        """Pull the cable. silent: packets are lost without a word; else the machine learns "no route to host" within seconds."""
        if not silent:
            run(["ip", "neighbour", "del", self.address, "dev", self.network.bridge], check=False)
        run(["ip", "link", "set", self.name, "down"])

    def heal(self):
        run(["ip", "link", "set", self.name, "up"])
        self._pin()


def namespaces(number):
    if not os.path.isdir("/run/netns"):
        return []
    return [n for n in os.listdir("/run/netns") if re.fullmatch(rf"orchlab-{number}-\d+", n)]


def pids_in(netns):
    """Every process inside a namespace."""
    return [int(p) for p in out(["ip", "netns", "pids", netns], check=False).split()]
