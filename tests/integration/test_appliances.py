"""config_capture: an appliance's configuration over its own SSH, beside the disks of its VM. The appliance is a real sshd with the command
line of a scripted ASA, which behaves well, then badly in each way that such machines have."""

import hashlib
import json
import os
import random
import stat
import subprocess
import unittest

from harness import Disk, Lab, Orch, Vm, entry
from lab.network_appliance import Appliance

HOST = "hypervisor-01"
MARKS = ("configs/running-config.txt", "configs/startup-config.txt", "configs/version.txt")


def running_config(size, hostname="asav-1", seed=1):
    """A configuration of about that many bytes, with what makes reading one hard: lines that are the prompt, or end with it, or ask for a
    password; very long and empty lines; blanks at ends; tabs; other languages."""
    rng = random.Random(seed)
    lines = [": Saved", ": ", ": Serial Number: 9AGF9JQEJ9T", "ASA Version 9.18(4) ", "!", f"hostname {hostname}", f"{hostname}# ", f"banner motd {hostname}#",
             "banner motd Password: ", "banner motd Grüße aus Köln 東京", "object-group\tnetwork\ttabs", "x" * 700, "", "   ", f"{hostname}> "]
    length = sum(len(line.encode()) + 1 for line in lines)
    n = 0
    while length < size:
        n += 1
        line = (f"{hostname}# " if n % 9001 == 0 else
                f"access-list outside_in extended permit tcp host 10.{n >> 16 & 255}.{n >> 8 & 255}.{n & 255} any eq {rng.randint(1, 65535)} ")
        lines.append(line)
        length += len(line.encode()) + 1
    return "\n".join([*lines, "Cryptochecksum:2c1f6ed35a6b6a5c1be1d7d54f7a8a6b", ": end"]) + "\n"


class Appliances(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.lab = cls.enterClassContext(Lab.create(f"appliances-{os.getpid()}", hosts=1))
        cls.host = cls.lab.host(HOST)
        cls.vm = cls.lab.add_vm(HOST, Vm("asav", [Disk(size_mib=32)], agent=False))
        cls.asa = cls.enterClassContext(Appliance(os.path.join(cls.lab.dir, "asa"), password="pass word'$", running=running_config(40_000)))
        cls.orch = cls.enterClassContext(Orch(cls.lab, os.environ["ORCH_BINARY"]))
        cls.secrets({"ASA_PASSWORD": "pass word'$", "ASA_ENABLE": "enable-me", "ASA_WRONG": "wrong"})
        cls.orch.write_inventory([entry("asav", HOST, "snapshot")])
        cls.orch.repository_init()
        cls.trust(cls.asa)
        cls.orch.start_daemon()

    @classmethod
    def secrets(cls, values):
        path = os.path.join(cls.orch.dir, "secrets.conf")
        with open(path, "w") as f:
            for key, value in values.items():
                f.write(f"{key}=\"{value.replace(chr(92), chr(92) * 2).replace('$', chr(92) + '$')}\"\n")
        os.chmod(path, 0o600)

    @classmethod
    def trust(cls, asa):
        with open(cls.lab.known_hosts, "a") as f:
            f.write(asa.known_hosts_line)

    def setUp(self):
        self.asa.behave()
        self.asa.write("running", running_config(40_000))
        self.asa.write("commands", "")

    def capture(self, asa=None, **more):
        asa = asa or self.asa
        return dict({"profile": "asa", "address": asa.address, "port": asa.port, "user": asa.user, "password_env": "ASA_PASSWORD",
                     "enable_password_env": "ASA_ENABLE", "timeout_seconds": 30}, **more)

    def backup(self, status=0, capture=None, **more):
        self.orch.write_inventory([entry("asav", HOST, "snapshot", config_capture=capture or self.capture(), **more)])
        before = self.orch.published()
        self.result = self.orch("backup", "vm", "asav", check=status)
        new = [p for p in self.orch.published() if p not in before]
        self.assertEqual(1 if status == 0 else 0, len(new))
        self.folder = new[0] if new else None
        if self.folder:
            with open(os.path.join(self.folder, "backup-metadata.json")) as f:
                self.metadata = json.load(f)
        return self.result

    def file(self, name):
        with open(os.path.join(self.folder, name)) as f:
            return f.read()

    def assert_captured(self):
        self.assertEqual(list(MARKS), [c["file"] for c in self.metadata["configs"]])
        self.assertEqual(self.asa.read("running"), self.file(MARKS[0]))
        self.assertEqual(self.asa.read("startup"), self.file(MARKS[1]))
        self.assertIn("Serial Number: 9AGF9JQEJ9T", self.file(MARKS[2]))
        for name in MARKS:
            self.assertEqual(0o600, stat.S_IMODE(os.stat(os.path.join(self.folder, name)).st_mode), name)
        subprocess.run(["sha256sum", "--quiet", "-c", "checksums.sha256"], cwd=self.folder, check=True)
        for name in MARKS:
            self.assertIn(hashlib.sha256(self.file(name).encode()).hexdigest() + "  " + name, self.file("checksums.sha256"))

    def assert_warned(self, words, configs=0):
        """The disks were backed up all the same."""
        self.assertRegex(" ".join(self.metadata["warnings"]), words)
        self.assertEqual(configs, len(self.metadata["configs"]))
        self.assertTrue(os.path.exists(os.path.join(self.folder, "asav-vda.qcow2")))

    # -- a good one ----------------------------------------------------------------------------------------------------

    def test_the_configuration_is_saved_beside_the_disks(self):
        self.backup()
        self.assert_captured()
        self.assertTrue(os.path.exists(os.path.join(self.folder, "asav-vda.qcow2")))
        self.assertEqual(["enable", "terminal pager 0", "write memory", "show running-config", "show startup-config", "show version", "exit"],
                         self.asa.commands())
        self.assertIn("configs/running-config.txt", self.file("RESTORE.txt"))
        self.assertEqual([], self.metadata["warnings"])
        for name in ("backup.log", "backup-metadata.json", "RESTORE.txt"):
            self.assertNotIn("enable-me", self.file(name))
            self.assertNotIn("pass word", self.file(name))

    def test_two_mebibytes_over_a_slow_link(self):
        """Byte for byte, though the link pauses where the text looks like a prompt, and each step is given only five seconds of silence."""
        self.asa.write("running", running_config(2 << 20))
        self.asa.behave(bytes_per_second=400_000, pause_at_prompts=True)
        self.backup(capture=self.capture(timeout_seconds=5))
        self.assert_captured()
        self.assertGreater(os.path.getsize(os.path.join(self.folder, MARKS[0])), 2 << 20)

    def test_what_changed_is_noted(self):
        self.backup()
        self.backup()
        self.assertEqual(["unchanged"] * 3, [c["change"] for c in self.metadata["configs"]])
        self.assertFalse(os.path.exists(os.path.join(self.folder, "configs/changes.diff")))
        before = os.path.basename(self.folder)
        self.asa.write("running", self.asa.read("running").replace("banner motd Password: \n", "banner motd Halt\nbanner motd Who\n"))
        self.backup()
        self.assertEqual(before, self.metadata["configs_compared_with"])
        self.assertEqual([("changed", 2, 1), ("changed", 3, 2), ("unchanged", 0, 0)],
                         [(c["change"], c["lines_added"], c["lines_removed"]) for c in self.metadata["configs"]])
        diff = self.file(self.metadata["configs_diff"])
        self.assertIn("\n-banner motd Password: \n+banner motd Halt\n+banner motd Who\n", diff)
        self.assertEqual(0o600, stat.S_IMODE(os.stat(os.path.join(self.folder, "configs/changes.diff")).st_mode))
        subprocess.run(["sha256sum", "--quiet", "-c", "checksums.sha256"], cwd=self.folder, check=True)

    def test_a_configuration_alone(self):
        self.backup(config_only=True)
        self.assert_captured()
        self.assertEqual([], self.metadata["disks"])
        self.assertGreater(self.orch.json("list", "asav")[0]["stored_bytes"], 80_000)
        self.asa.behave(hang_up_after=10_000)
        result = self.backup(status=1, config_only=True)
        self.assertRegex(result.out + result.err, "the configuration of asav: .*hung up")

    def test_check_logs_in_and_does_nothing_else(self):
        self.orch.write_inventory([entry("asav", HOST, "snapshot", config_capture=self.capture())])
        self.orch("check", "asav", check=0)
        self.assertEqual(["enable", "terminal pager 0", "exit"], self.asa.commands())
        self.orch.write_inventory([entry("asav", HOST, "snapshot", config_capture=self.capture(password_env="ASA_WRONG", on_error="fail"))])
        result = self.orch("check", "asav", check=1)
        self.assertRegex(result.out + result.err, "appliance-login.*login as admin with the password was refused")

    # -- other ways in -------------------------------------------------------------------------------------------------

    def test_by_key(self):
        capture = self.capture(key=self.asa.path("client"))
        del capture["password_env"]
        self.backup(capture=capture)
        self.assert_captured()

    def test_a_password_asked_for_twice(self):
        with Appliance(os.path.join(self.lab.dir, "asa-twice"), password="pass word'$", running=running_config(5_000), questions=2) as asa:
            self.trust(asa)
            asa.behave(enable_asks_twice=True)
            self.backup(capture=self.capture(asa))
            self.assertEqual(asa.read("running"), self.file(MARKS[0]))

    def test_a_login_in_the_shell(self):
        self.asa.behave(shell_user="admin", shell_password="pass word'$", banner="Authorised access only: core#\n\n", login_seconds=3)
        self.backup()
        self.assert_captured()

    def test_legacy_algorithms_only_by_name(self):
        old = ["KexAlgorithms diffie-hellman-group14-sha1", "Ciphers aes256-cbc", "MACs hmac-sha1", "HostKeyAlgorithms ssh-rsa"]
        with Appliance(os.path.join(self.lab.dir, "asa-old"), password="pass word'$", running=running_config(5_000), sshd_options=old) as asa:
            self.trust(asa)
            self.backup(capture=self.capture(asa))
            self.assert_warned("no SSH connection")
            self.backup(capture=self.capture(asa, on_error="fail", algorithms=["diffie-hellman-group14-sha1", "aes256-cbc", "hmac-sha1", "ssh-rsa"]))
            self.assertEqual(asa.read("running"), self.file(MARKS[0]))
            self.backup(capture=self.capture(asa, algorithms=["rot13"]))
            self.assert_warned('"rot13" is not an SSH algorithm')

    def test_a_host_key_that_is_not_known(self):
        with Appliance(os.path.join(self.lab.dir, "asa-stranger"), password="pass word'$", running=running_config(5_000)) as asa:
            self.backup(capture=self.capture(asa))
            self.assert_warned("its host key is not known")
            self.assertEqual([], asa.commands())

    def test_a_profile_of_ones_own(self):
        folder = os.path.join(self.orch.dir, "profiles")
        os.makedirs(folder, exist_ok=True)
        with open(os.path.join(folder, "tiny.yaml"), "w") as f:
            f.write("prompt: '^asav-1[>#] ?$'\nenable: {command: enable, prompt: '#'}\nsetup: [terminal pager 0]\n"
                    "captures:\n  - {file: all.txt, command: show running-config, ends: '^: end'}\n")
        self.backup(capture=self.capture(profile="tiny"))
        self.assertEqual(["configs/all.txt"], [c["file"] for c in self.metadata["configs"]])
        self.assertEqual(self.asa.read("running"), self.file("configs/all.txt"))
        self.orch("config", "check", check=0)
        with open(os.path.join(folder, "tiny.yaml"), "a") as f:
            f.write("promt: x\nerrors: ['(']\n")
        wrong = self.orch("config", "check", check=2)
        self.assertRegex(wrong.err, r"tiny\.yaml:6:1: unknown key \"promt\".*did you mean \"prompt\"")
        self.assertRegex(wrong.err, r"tiny\.yaml:7:10: errors: expected an extended regular expression")
        self.orch.write_inventory([entry("asav", HOST, "snapshot", config_capture=self.capture(profile="iosx"))])
        self.assertRegex(self.orch("config", "check", check=2).err, 'there is no appliance profile "iosx"')

    # -- bad ones ------------------------------------------------------------------------------------------------------

    def test_it_hangs_up_in_the_middle(self):
        self.asa.behave(hang_up_after=20_000)
        self.backup()
        self.assert_warned(r"the appliance hung up in the middle of 'show running-config' \(\d+ bytes had arrived\)")

    def test_it_pages_though_it_was_told_not_to(self):
        self.asa.behave(pages_always=True)
        self.backup()
        self.assert_warned("the appliance pages the output of 'show running-config'")

    def test_it_does_not_take_a_command(self):
        self.asa.behave(refuses={"show startup-config": "ERROR: % Incomplete command\n"})
        self.backup()
        self.assert_warned("'show startup-config': the appliance reported: ERROR: % Incomplete command", configs=1)
        self.asa.behave(refuses={"terminal pager 0": "ERROR: % Invalid input detected at '^' marker.\n"})
        self.backup()
        self.assert_warned("does not accept 'terminal pager 0': ERROR: % Invalid input")

    def test_an_output_that_is_not_complete(self):
        self.asa.write("running", self.asa.read("running").replace("\n: end\n", "\n"))
        self.backup(capture=self.capture(write_memory=False))
        self.assert_warned('the output is not complete: its last line "Cryptochecksum')
        self.assertNotIn("write memory", self.asa.commands())

    def test_saving_fails(self):
        self.asa.behave(write_answer="%Error opening nvram:/startup-config (Permission denied)\n", asks_to_confirm=True)
        self.backup()
        self.assert_warned("does not accept 'write memory': .*Permission denied")

    def test_passwords_that_are_wrong(self):
        self.backup(capture=self.capture(password_env="ASA_WRONG"))
        self.assert_warned("login as admin with the password was refused")
        self.backup(capture=self.capture(enable_password_env="ASA_WRONG"))
        self.assert_warned("the enable password was not accepted|did not enter enable mode")
        self.backup(capture=self.capture(password_env="ASA_NONE"))
        self.assert_warned("names the secret ASA_NONE, which neither")

    def test_it_falls_silent(self):
        self.asa.behave(write_seconds=600)
        self.backup(capture=self.capture(timeout_seconds=8))
        self.assert_warned("'write memory' did not end: nothing arrived for 8 s")
        self.assertLess(self.result.seconds, 300)

    def test_a_failure_fails_the_job_where_that_is_set(self):
        self.asa.behave(hang_up_after=20_000)
        result = self.backup(status=1, capture=self.capture(on_error="fail"))
        self.assertRegex(result.out + result.err, "the configuration of asav: .*hung up")
        self.backup(capture=self.capture(on_error="ignore"))
        self.assertEqual([], self.metadata["warnings"])


if __name__ == "__main__":
    unittest.main()
