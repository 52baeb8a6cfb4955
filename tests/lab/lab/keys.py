"""Throw-away SSH keys of a lab, under DIR/keys: one of the client (orch), one of each host."""

import os

from .run import run


class Keys:
    def __init__(self, folder):
        self.folder = folder

    def path(self, name):
        return os.path.join(self.folder, "id_ed25519" if name == "client" else name)

    def make(self, name):
        os.makedirs(self.folder, mode=0o700, exist_ok=True)
        run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", f"lab-{name}", "-f", self.path(name)])

    def private(self, name):
        with open(self.path(name)) as f:
            return f.read()

    def public(self, name):
        with open(self.path(name) + ".pub") as f:
            return f.read()

    def known_hosts_line(self, address, port, name):
        where = address if port == 22 else f"[{address}]:{port}"
        kind, key = self.public(name).split()[:2]
        return f"{where} {kind} {key}\n"
