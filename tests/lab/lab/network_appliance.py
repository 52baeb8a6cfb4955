"""A network appliance: a real sshd, in a mount namespace with accounts of its own, whose logins get the command line of a scripted ASA
(network_appliance_shell.py).

    with Appliance(directory, password="x", running="…") as asa:
        asa.behave(pages_always=True)                # from the next login on
        asa.address, asa.port, asa.user, asa.known_hosts_line, asa.commands()

Behaviour: hostname, banner, login_seconds, enable_password, enable_asks_twice, logs_in_enabled, echo, page_lines, pages_always,
bytes_per_second, pause_at_prompts, hang_up_after (bytes), asks_to_confirm, write_seconds, write_answer, refuses {command: answer},
shell_user and shell_password (asked in the shell, after the SSH login)."""

import crypt
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time

HERE = os.path.dirname(os.path.abspath(__file__))
USER = "admin"


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


class Appliance:
    address = "127.0.0.1"
    user = USER

    def __init__(self, directory, password="x", running=": Saved\n: end\n", sshd_options=(), questions=0):
        """`questions`: the password is asked for so many times by keyboard-interactive, instead of by the password method."""
        self.dir, self.password, self.questions = directory, password, questions
        self.sshd_options = list(sshd_options)
        self.port = free_port()
        os.makedirs(directory)
        self.how = {"hostname": "asav-1", "enable_password": "enable-me", "running": self.path("running"), "startup": self.path("startup"),
                    "log": self.path("commands")}
        self.write("running", running)
        self.write("startup", "")
        self.write("commands", "")
        self.behave()

    def path(self, name):
        return os.path.join(self.dir, name)

    def write(self, name, text):
        with open(self.path(name), "w") as f:
            f.write(text)

    def read(self, name):
        with open(self.path(name)) as f:
            return f.read()

    def behave(self, **how):
        self.write("behaviour.json", json.dumps({**self.how, **how}))

    def commands(self):
        return [line for line in self.read("commands").splitlines() if line]

    def make_accounts(self):
        home = self.path("home")
        os.makedirs(home, exist_ok=True)
        with open("/etc/passwd") as f:
            self.write("passwd", f.read() + f"{USER}:x:0:0::{home}:/bin/sh\n")
        with open("/etc/shadow") as f:
            self.write("shadow", f.read() + f"{USER}:{crypt.crypt(self.password, crypt.mksalt(crypt.METHOD_SHA256, rounds=1000))}:19000:0:99999:7:::\n")
        os.chmod(self.path("shadow"), 0o600)
        self.write("pam", "auth required pam_unix.so\n" * max(1, self.questions) + "account required pam_unix.so\nsession required pam_permit.so\n")

    def make_keys(self):
        for name, kind in (("host_ed25519", "ed25519"), ("host_rsa", "rsa"), ("client", "ed25519")):
            subprocess.run(["ssh-keygen", "-q", "-t", kind, "-N", "", "-f", self.path(name)], check=True)
        shutil.copy(self.path("client.pub"), self.path("authorized_keys"))
        self.known_hosts_line = "".join(f"[{self.address}]:{self.port} {' '.join(self.read(n + '.pub').split()[:2])}\n"
                                        for n in ("host_ed25519", "host_rsa"))

    def make_config(self):
        self.write("sshd_config", "\n".join([
            f"Port {self.port}", f"ListenAddress {self.address}", f"HostKey {self.path('host_ed25519')}", f"HostKey {self.path('host_rsa')}",
            f"AuthorizedKeysFile {self.path('authorized_keys')}", "StrictModes no", "PermitRootLogin yes", f"PidFile {self.path('sshd.pid')}",
            f"UsePAM {'yes' if self.questions else 'no'}", f"PasswordAuthentication {'no' if self.questions else 'yes'}",
            f"KbdInteractiveAuthentication {'yes' if self.questions else 'no'}", "PrintMotd no", "PrintLastLog no",
            f"ForceCommand {sys.executable} {os.path.join(HERE, 'network_appliance_shell.py')} {self.path('behaviour.json')}",
            *self.sshd_options]) + "\n")

    def start(self):
        self.make_accounts()
        self.make_keys()
        self.make_config()
        os.makedirs("/run/sshd", exist_ok=True)
        binds = "".join(f"mount --bind {self.path(a)} {b} && " for a, b in (("passwd", "/etc/passwd"), ("shadow", "/etc/shadow"), ("pam", "/etc/pam.d/sshd")))
        self.log = open(self.path("sshd.log"), "w")
        self.process = subprocess.Popen(["unshare", "--mount", "--propagation", "private", "sh", "-c",
                                         binds + f"exec /usr/sbin/sshd -D -e -f {self.path('sshd_config')}"],
                                        stdin=subprocess.DEVNULL, stdout=self.log, stderr=self.log, start_new_session=True)
        deadline = time.monotonic() + 20
        while True:
            try:
                socket.create_connection((self.address, self.port), timeout=1).close()
                return
            except OSError:
                if self.process.poll() is not None or time.monotonic() > deadline:
                    raise AssertionError("the appliance's sshd did not start: " + self.read("sshd.log")) from None
                time.sleep(0.05)

    def descendants(self):
        """Sessions are children of the listener, each with a session id of its own."""
        parents = {}
        for pid in filter(str.isdigit, os.listdir("/proc")):
            try:
                with open(f"/proc/{pid}/stat") as f:
                    parents.setdefault(int(f.read().rsplit(")", 1)[1].split()[1]), []).append(int(pid))
            except OSError:
                continue
        found, left = [], [self.process.pid]
        while left:
            children = parents.get(left.pop(), [])
            found += children
            left += children
        return found

    def stop(self):
        for pid in self.descendants():
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                pass
        self.process.kill()
        self.process.wait()
        self.log.close()

    def __enter__(self):
        self.start()
        return self

    def __exit__(self, *_):
        self.stop()
