#!/usr/bin/python3
"""podman/deploy into an empty root: what it makes, that it makes it once, that it overwrites nothing unasked; and on a host of its own, what
it restarts.

usage: test-deploy.py SOURCE-ROOT ORCH"""
import os
import pathlib
import pty
import stat
import subprocess
import sys
import tempfile
import unittest

SOURCE, ORCH = (pathlib.Path(arg).resolve() for arg in sys.argv[1:3])
VM_LIST = "vms:\n  - { name: web, hypervisor: hypervisor-01, schedule: weekly, retention_weeks: 4 }\n"


class Deploy(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.TemporaryDirectory(prefix="orch-deploy-")
        self.addCleanup(self.folder.cleanup)
        self.config = pathlib.Path(self.folder.name, "config")
        self.root = pathlib.Path(self.folder.name, "root")
        self.config.mkdir()
        (self.config / "orch.yaml").write_text("repository: { path: /mnt/backup }\ninventory: vm-list.yaml\n")
        (self.config / "vm-list.yaml").write_text(VM_LIST)

    def deploy(self, *options, status=0, stdin=subprocess.DEVNULL):
        done = subprocess.run([SOURCE / "podman/deploy", "--root", self.root, *options, self.config], env={**os.environ, "ORCH_BINARY": str(ORCH)},
                              stdin=stdin, capture_output=True, text=True, timeout=120)
        self.assertEqual(done.returncode, status, done.stdout + done.stderr)
        return done.stdout + done.stderr

    def deploy_on_terminal(self, typed):
        keyboard, terminal = pty.openpty()
        try:
            os.write(keyboard, typed.encode())
            return self.deploy("--certificate", "keep", stdin=terminal)
        finally:
            os.close(keyboard)
            os.close(terminal)

    def read(self, path):
        return (self.root / path).read_text()

    def mode(self, path):
        return stat.S_IMODE((self.root / path).stat().st_mode)

    def everything(self):
        return {str(path): path.read_bytes() for path in self.root.rglob("*") if path.is_file()}

    def test_made_once(self):
        self.deploy()
        before = self.everything()
        said = self.deploy()
        self.assertEqual(before, self.everything())
        self.assertNotIn("created ", said)
        self.assertNotIn("replaced", said)

    def test_what_is_secret_is_readable_by_nobody_else(self):
        said = self.deploy()
        for path in ("etc/orch/secrets.conf", "etc/orch/ssh/id_ed25519", "etc/orch/tls/key.pem"):
            self.assertEqual(self.mode(path), 0o600, path)
        self.assertEqual(self.mode("etc/bacula/bacula-dir.conf"), 0o640)
        password = self.read("etc/orch/secrets.conf").split('DIRECTOR_PASSWORD="')[1].split('"')[0]
        self.assertIn(password, self.read("etc/bacula/bacula-dir.conf"))
        self.assertIn(password, self.read("etc/bacula/bconsole.conf"))
        self.assertNotIn(password, said)
        self.assertNotIn("PASSWORD", self.read("etc/bacula/orch/secrets.conf"))
        self.assertEqual(self.mode("etc/bacula/orch/secrets.conf"), 0o600)

    def test_the_jobs_of_bacula_get_webhooks_and_no_other_secret(self):
        given = self.config / "secrets.conf"
        given.write_text('SLACK_FAILURE_WEBHOOK="https://hooks.example/1"\nPAGER=https://pager.example/2\nASAV_ENABLE="let me in"\nASAV_PASSWORD="let me in"\n')
        given.chmod(0o600)
        self.deploy()
        self.assertIn('ASAV_ENABLE="let me in"', self.read("etc/orch/secrets.conf"))
        self.assertEqual(self.read("etc/bacula/orch/secrets.conf").splitlines(),
                         ['SLACK_FAILURE_WEBHOOK="https://hooks.example/1"', "PAGER=https://pager.example/2"])

    def test_secrets_are_kept_and_given_ones_win(self):
        self.deploy()
        made = self.read("etc/orch/secrets.conf")
        given = self.config / "secrets.conf"
        given.write_text('SLACK_FAILURE_WEBHOOK="https://hooks.example/1"\n')
        given.chmod(0o644)
        self.assertIn("can be read by others", self.deploy(status=1))
        given.chmod(0o600)
        self.assertNotIn("hooks.example", self.deploy("--yes"))
        for line in made.splitlines() + ['SLACK_FAILURE_WEBHOOK="https://hooks.example/1"']:
            self.assertIn(line, self.read("etc/orch/secrets.conf"))

    def test_a_file_that_differs_is_shown_and_kept_unless_told(self):
        self.deploy()
        (self.config / "vm-list.yaml").write_text(VM_LIST + "  - { name: db, hypervisor: hypervisor-02, retention_weeks: 4 }\n")
        said = self.deploy()
        self.assertIn("+  - { name: db", said)
        self.assertIn("kept      /etc/orch/vm-list.yaml", said)
        self.assertEqual(self.read("etc/orch/vm-list.yaml"), VM_LIST)
        self.deploy("--yes")
        self.assertIn("name: db", self.read("etc/orch/vm-list.yaml"))

    def test_on_a_terminal_it_asks(self):
        self.deploy()
        secrets = self.config / "secrets.conf"
        secrets.write_text('SLACK_FAILURE_WEBHOOK="https://hooks.example/1"\n')
        secrets.chmod(0o600)
        before = self.read("etc/orch/secrets.conf")
        self.assertIn("replace /etc/orch/secrets.conf? [y/N]", self.deploy_on_terminal("n\n"))
        self.assertEqual(self.read("etc/orch/secrets.conf"), before)
        (self.config / "vm-list.yaml").write_text(VM_LIST + "  - { name: db, hypervisor: hypervisor-02, retention_weeks: 4 }\n")
        said = self.deploy_on_terminal("y\nn\ny\n")
        for path in ("/etc/orch/secrets.conf", "/etc/bacula/orch/secrets.conf"):
            self.assertIn(f"replaced  {path}", said)
            self.assertIn("hooks.example/1", self.read(path[1:]))
        self.assertIn("kept      /etc/orch/vm-list.yaml", said)

    def test_a_secret_is_known_in_every_form_and_never_given_twice(self):
        given = self.config / "secrets.conf"
        given.write_text("DIRECTOR_PASSWORD=plain-1/+=\n  DB_PASSWORD='single 2'\nBACULARIS_PASSWORD=\"double 3\" # of the door\n")
        given.chmod(0o600)
        self.deploy()
        self.assertEqual(self.read("etc/orch/secrets.conf"), given.read_text())
        self.assertIn('"plain-1/+="', self.read("etc/bacula/bconsole.conf"))
        self.assertIn('"single 2"', self.read("etc/bacula/bacula-dir.conf"))
        given.write_text("  DIRECTOR_PASSWORD=plain-2")
        self.deploy("--yes")
        self.assertEqual(self.read("etc/orch/secrets.conf").splitlines()[0], "  DIRECTOR_PASSWORD=plain-2")
        self.assertEqual(self.read("etc/orch/secrets.conf").count("DIRECTOR_PASSWORD"), 1)
        given.write_text('DIRECTOR_PASSWORD="say \\"please\\""\n')
        self.assertIn("DIRECTOR_PASSWORD in /etc/orch/secrets.conf", self.deploy("--yes", status=1))
        self.assertEqual(self.read("etc/orch/secrets.conf").count("DIRECTOR_PASSWORD"), 1)

    def test_a_password_that_was_changed_is_the_one_that_opens(self):
        self.deploy()
        given = self.config / "secrets.conf"
        with open(self.root / "etc/orch/tls/users", "a") as users:
            users.write("second:$6$salt$hash\n")
        given.write_text('BACULARIS_PASSWORD="another one"\nDIRECTOR_PASSWORD="R&D|third"\n')
        given.chmod(0o600)
        self.deploy("--yes")
        first, second = self.read("etc/orch/tls/users").splitlines()
        self.assertEqual(second, "second:$6$salt$hash")
        salt, found = first.split("$")[2:]
        wanted = subprocess.run(["openssl", "passwd", "-6", "-salt", salt, "-stdin"], input="another one", text=True, capture_output=True, check=True).stdout
        self.assertEqual(found, wanted.strip().split("$")[3])
        self.assertIn('"R&D|third"', self.read("etc/bacula/bconsole.conf"))
        before = self.everything()
        self.deploy("--yes")
        self.assertEqual(before, self.everything())

    def test_the_certificate_is_for_ten_years_and_kept_unless_a_new_one_is_asked_for(self):
        self.deploy()
        first = self.read("etc/orch/tls/cert.pem")
        years = subprocess.run(["openssl", "x509", "-noout", "-checkend", str(3640 * 86400)], input=first, text=True, capture_output=True)
        self.assertEqual(years.returncode, 0)
        self.deploy("--yes")
        self.assertEqual(first, self.read("etc/orch/tls/cert.pem"))
        self.deploy("--certificate", "new")
        self.assertNotEqual(first, self.read("etc/orch/tls/cert.pem"))

    def test_a_wrong_configuration_starts_nothing(self):
        (self.config / "vm-list.yaml").write_text("vms:\n  - { name: web, hipervisor: h }\n")
        said = self.deploy(status=1)
        self.assertIn("vm-list.yaml:2", said)
        self.assertFalse((self.root / "etc/containers").exists())

    def test_units_are_whole(self):
        self.deploy()
        for path in (self.root / "etc").rglob("*"):
            if path.is_file() and path.suffix in (".container", ".conf"):
                self.assertNotRegex(path.read_text(), r"@[A-Z_]+@", path)

    def test_without_bacula(self):
        self.deploy("--bacularis", "none")
        self.assertTrue((self.root / "etc/containers/systemd/orch.container").exists())
        self.assertFalse((self.root / "etc/bacula").exists())

    # -- on a host: one of its own, with podman and systemd that only say what they were asked

    HOST = """set -e
        mount --make-rprivate / && mount -t tmpfs none /mnt
        for d in etc opt usr var; do mkdir -p /mnt/$d /mnt/.$d && mount -t overlay none -o lowerdir=/$d,upperdir=/mnt/$d,workdir=/mnt/.$d /$d; done
        rm -rf /etc/orch /etc/containers /opt/orch /var/lib/orch
        [ ! -e "$HOST" ] || tar -xf "$HOST" -C /
        mkdir -p /usr/lib/systemd/system-generators && cp /bin/true /usr/lib/systemd/system-generators/podman-system-generator
        "$@"
        tar -cf "$HOST" /etc/orch /etc/containers /var/lib/orch"""
    PODMAN = """#!/bin/sh
        case "$1 $2" in
        "create "*) echo made ;;
        "cp "*) mkdir -p "$3/bin" && ln -s "$ORCH_BINARY" "$3/bin/orch" ;;
        "inspect "*) cat "$RUNNING" 2>/dev/null ;;
        "image inspect") cat "$IMAGE" ;;
        esac"""

    def deploy_on_host(self, *options):
        """What was started and restarted. The host keeps its files from one call to the next."""
        place = pathlib.Path(self.folder.name)
        for name, text in (("podman", self.PODMAN), ("systemctl", '#!/bin/sh\n[ "$1" = is-active ] && exec test -e "$RUNNING"\necho "$@" >>"$CALLS"\n')):
            (place / "bin").mkdir(exist_ok=True)
            (place / "bin" / name).write_text(text)
            (place / "bin" / name).chmod(0o755)
        (place / "calls").write_text("")
        names = {name.upper(): str(place / name) for name in ("host", "running", "image", "calls")}
        done = subprocess.run(["unshare", "--mount", "sh", "-c", self.HOST, "host", SOURCE / "podman/deploy", "--yes", "--bacularis", "none",
                               "--image", "/dev/null", *options, self.config], stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=120,
                              env={**os.environ, **names, "ORCH_BINARY": str(ORCH), "PATH": f"{place / 'bin'}:{os.environ['PATH']}"})
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
        return [line for line in (place / "calls").read_text().splitlines() if line != "daemon-reload"]

    @unittest.skipIf(os.geteuid() != 0, "needs root, for mounts of its own")
    def test_the_daemon_is_restarted_by_what_it_reads_at_its_start_and_by_nothing_else(self):
        image, running = (pathlib.Path(self.folder.name, name) for name in ("image", "running"))
        image.write_text("sha256:1\n")
        self.assertEqual(self.deploy_on_host(), ["start orch.service"])
        running.write_text("sha256:1\n")
        self.assertEqual(self.deploy_on_host(), [])
        (self.config / "vm-list.yaml").write_text(VM_LIST + "  - { name: db, hypervisor: hypervisor-02, retention_weeks: 4 }\n")
        self.assertEqual(self.deploy_on_host(), [], "the inventory is read at every cycle")
        (self.config / "secrets.conf").write_text('SLACK_FAILURE_WEBHOOK="https://hooks.example/1"\n')
        (self.config / "secrets.conf").chmod(0o600)
        self.assertEqual(self.deploy_on_host(), ["restart orch.service"])
        self.assertEqual(self.deploy_on_host(), [])
        image.write_text("sha256:2\n")
        self.assertEqual(self.deploy_on_host(), ["restart orch.service"], "a new image")


if __name__ == "__main__":
    unittest.main(argv=sys.argv[:1])
