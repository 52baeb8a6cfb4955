"""A real NFSv4.1 server (nfs-ganesha, in user space) that exports the lab's share, as a NetApp would: on an address of its own.

It runs in a network namespace of the lab (so `down` ends it in any case) and exports the machine's mount of the share. Hosts go on using
their own mounts of the same file system; the server caches nothing, so what they write it shows at once. It can be stopped, continued,
killed, started again, and cut off.
"""

import os
import signal
import socket
import subprocess

from .network import Cable
from .run import LabError, alive, end, identity, send, wait_for

PROGRAM = "/usr/bin/ganesha.nfsd"
INDEX = 100  # of its cable: beyond those of the hosts
LEASE_SECONDS = 10

CONFIG = """\
NFS_CORE_PARAM {{ Protocols = 4; NFS_Port = 2049; Bind_addr = {address}; Enable_NLM = false; Enable_RQUOTA = false; Enable_UDP = false; }}
NFSV4 {{ Minor_Versions = 1, 2; Only_Numeric_Owners = true; Lease_Lifetime = {lease}; Grace_Period = {lease}; RecoveryBackend = fs; RecoveryRoot = "{state}"; }}
MDCACHE {{ Dir_Chunk = 0; }}
EXPORT {{ Export_Id = 1; Attr_Expiration_Time = 0; Path = "{share}"; Pseudo = "/backup"; Access_Type = RW; Squash = No_Root_Squash; SecType = sys; FSAL {{ Name = VFS; }} }}
LOG {{ Default_Log_Level = EVENT; }}
"""


class NfsServer:
    """`export` is what a client mounts; its lease and grace period are LEASE_SECONDS."""

    def __init__(self, lab):
        if not os.path.exists(PROGRAM):
            raise LabError(f"{PROGRAM} is missing: install the packages named in packages.txt")
        self.lab, self.who, self.process = lab, None, None
        self.dir = os.path.join(lab.dir, "nfs-server")
        self.cable = Cable(lab.network, INDEX)
        self.address = self.cable.address
        self.export = f"{self.address}:/backup"

    def create(self):
        os.makedirs(os.path.join(self.dir, "state", "v4recov"))
        os.makedirs(os.path.join(self.dir, "state", "v4old"))
        with open(os.path.join(self.dir, "ganesha.conf"), "w") as f:
            f.write(CONFIG.format(address=self.address, lease=LEASE_SECONDS, state=os.path.join(self.dir, "state"), share=self.lab.share.path))
        self.cable.up()
        self.start()

    def start(self):
        if self.running():
            return
        path = {name: os.path.join(self.dir, name) for name in ("ganesha.conf", "pid", "log", "output")}
        with open(path["output"], "ab") as output:
            self.process = subprocess.Popen(
                ["nsenter", f"--net={self.cable.netns_path}", PROGRAM, "-F", "-f", path["ganesha.conf"], "-p", path["pid"], "-L", path["log"]],
                stdin=subprocess.DEVNULL, stdout=output, stderr=output, start_new_session=True)
        self.who = identity(self.process.pid)
        wait_for("the NFS server", self._listens, 60)

    def _listens(self):
        if self.process.poll() is not None:
            raise LabError(f"the NFS server ended with {self.process.returncode}: {self.log()[-2000:]}")
        try:
            socket.create_connection((self.address, 2049), 1).close()
            return True
        except OSError:
            return False

    def running(self):
        return alive(self.who)

    def stop(self):
        """It hangs: connections stay, nothing is answered."""
        send(self.who, signal.SIGSTOP)

    def cont(self):
        send(self.who, signal.SIGCONT)

    def kill(self):
        end(self.who)
        self.process.wait()

    def log(self):
        try:
            with open(os.path.join(self.dir, "log"), errors="replace") as f:
                return f.read()
        except OSError:
            return ""

    def down(self):
        if self.running():
            self.kill()
