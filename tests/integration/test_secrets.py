"""Nothing secret gets out: not on a command line, in a log, an answer of the API, or a file that others can read."""

import os
import stat
import unittest

from harness import Disk, Vm, domain_xml, entry
from outside import CommandLines, LabCase, ask

H1 = "hypervisor-01"
PASSWORD = "Vq7xZ2kP"
HOOK = "hook5ecretT0ken"


def guest_with_password(name):
    vm = Vm(name, [Disk("vda", size_mib=64, filled_mib=8)])
    vm.xml = domain_xml(vm).replace("</devices>", f"  <graphics type='vnc' autoport='yes' listen='127.0.0.1' passwd='{PASSWORD}'/>\n  </devices>")
    return vm


class Secrets(LabCase):
    prefix, hosts = "secret", 1
    vms = [(H1, lambda: guest_with_password("vnc"))]
    off = [(H1, lambda: guest_with_password("fails"))]

    def needles(self):
        """What must not be seen: the password, the webhook's address, every line of the private key's body."""
        with open(self.lab.keys.path("client")) as f:
            lines = [line.strip() for line in f if "PRIVATE KEY" not in line]
        self.assertGreater(len(lines[1]), 40)
        return [PASSWORD, HOOK, *(line for line in lines if len(line) > 20)]

    def holding(self, paths):
        """{path: what it holds} of those files that hold something secret."""
        found = {}
        for path in paths:
            try:
                with open(path, "rb") as f:
                    text = f.read(4 << 20)
            except OSError:
                continue
            held = [n for n in self.needles() if n.encode() in text]
            if held:
                found[path] = held
        return found

    def on_host(self):
        host = self.lab.host(H1)
        return set(self.holding(host.path(f) for f in host.files() if not f.endswith((".qcow2", ".raw", ".iso"))))

    def files_under(self, *folders):
        return [os.path.join(folder, name) for top in folders for folder, _, names in os.walk(top) for name in names]

    def test_nothing_gets_out(self):
        orch = self.orch(limits={"bandwidth_mib_s": 4})
        secrets = os.path.join(orch.dir, "secrets.conf")
        with open(secrets, "w") as f:
            os.fchmod(f.fileno(), 0o600)
            f.write(f'SLACK_FAILURE_WEBHOOK="https://hooks.example.invalid/{HOOK}"\n')
        orch.write_inventory([entry("vnc", H1, priority=1),
                              entry("fails", H1, priority=2, when_off="backup", pre_backup_commands=["virsh dumpxml fails; exit 3"])])
        orch.repository_init()
        orch.start_daemon()
        on_host = self.on_host()
        self.assertTrue(on_host, "libvirt itself keeps the password; the test does not look where it should")

        said = []
        with CommandLines() as sampled:
            for arguments, status in ((["check", "-v"], 0), (["run", "--all", "-v"], 1), (["hypervisor", "check"], 0), (["list", "--failed"], 0),
                                      (["log", "vnc", "-v"], 0), (["log", "fails", "-v"], 0), (["status"], 0), (["show", "vnc"], 0),
                                      (["config", "check"], 0), (["recover", "vnc"], 0)):
                result = orch(*arguments, check=status)
                said += [result.out, result.err]
        point = orch.point_folder(orch.points_of("vnc")[0])
        xml = os.path.join(point, "vnc.xml")

        with self.subTest("the point has it, for its owner alone"):
            self.assertEqual(self.holding([xml]), {xml: [PASSWORD]})
            self.assertEqual(stat.S_IMODE(os.stat(xml).st_mode), 0o600)
        with self.subTest("command lines, here and on the hypervisor"):
            self.assertTrue(any("qemu-img convert" in line for line in sampled.lines))
            self.assertTrue(any(line.startswith("orch worker") for line in sampled.lines))
            self.assertEqual([line for line in sampled.lines if any(n in line for n in self.needles())], [])
        with self.subTest("what the verbs print"):
            self.assertGreater(len("".join(said)), 4000)
            self.assertEqual([n for n in self.needles() if n in "".join(said)], [])
        with self.subTest("answers of the API"):
            self.check_answers(orch, os.path.basename(point))
        with self.subTest("files here"):
            self.assertEqual(self.holding(self.files_under(orch.dir)), {secrets: [HOOK]})
        with self.subTest("files on the share"):
            points = [os.path.join(path, "vnc.xml") for path in orch.published()]
            self.assertEqual(sorted(self.holding(self.files_under(self.lab.share.path))), points)
            self.assertEqual({stat.S_IMODE(os.stat(path).st_mode) for path in points}, {0o600})
        with self.subTest("files on the hypervisor"):
            self.assertEqual(self.on_host(), on_host)

    def check_answers(self, orch, point):
        jobs = [row["job"] for row in orch.json("list", "--failed")]
        calls = [("GET", path, None) for path in ("/v1/status", "/v1/points", "/v1/points?failed=1", "/v1/points?vm=vnc", f"/v1/points/vnc/{point}",
                                                  "/v1/schedule", "/v1/hypervisors", "/metrics", *(f"/v1/jobs/{job}/log" for job in jobs))]
        calls += [("POST", "/v1/check", {"vms": ["vnc"]}), ("POST", "/v1/hypervisors/check", {"names": []}), ("POST", "/v1/reload", {}),
                  ("POST", "/v1/recover", {"vms": ["vnc"], "hypervisors": [], "dry_run": True}), ("POST", "/v1/run", {"dry_run": True}),
                  ("POST", "/v1/backup", {"vms": ["vnc"]})]
        self.assertGreaterEqual(len(jobs), 2)
        for method, path, body in calls:
            status, text = ask(orch, method, path, body)
            self.assertEqual(status, 200, f"{method} {path}: {text[:300]}")
            self.assertTrue(text)
            self.assertEqual([n for n in self.needles() if n in text], [], f"{method} {path}")


if __name__ == "__main__":
    unittest.main()
