"""A whole daemon life under valgrind: start, a cycle with one real VM, looking at what there is, the ordered stop. No error and no leak
in the daemon, in its workers, in any verb. (`run.py --valgrind`; the binary must be built without sanitizers.)"""

import glob
import os
import re
import shutil
import subprocess
import unittest

from harness import Disk, Vm, entry
from outside import BINARY, DaemonOrch, LabCase

H1 = "hypervisor-01"


class ValgrindOrch(DaemonOrch):
    """Every orch process runs under valgrind; what it says of each goes to a file of its own.

    A child that forks off a thread and does not exec (the probe of the share) is not looked at: of the other threads' stacks nothing is
    left in it, so whatever hangs from them would be called lost. For the same reason errors are read from the reports: with
    --error-exitcode that child would seem to have failed."""

    def command(self, *args):
        return ["valgrind", "--leak-check=full", "--show-leak-kinds=definite,possible", "--errors-for-leak-kinds=definite,possible",
                "--trace-children=yes", "--trace-children-skip=*/qemu-img", "--child-silent-after-fork=yes", "--num-callers=30",
                f"--log-file={self.dir}/valgrind.%p", *super().command(*args)]


class Life(LabCase):
    prefix, hosts = "valgrind", 1
    vms = [(H1, lambda: Vm("one", [Disk("vda", size_mib=64), Disk("vdb", size_mib=64, format="raw")], writer=True))]

    def test_a_daemons_life(self):
        self.assertTrue(shutil.which("valgrind"), "valgrind is missing")
        linked = subprocess.run(["ldd", BINARY], check=True, capture_output=True, text=True).stdout
        self.assertNotIn("libasan", linked, "valgrind needs a build without sanitizers")
        orch = self.enterContext(ValgrindOrch(self.lab, BINARY))
        orch.write_inventory([entry("one", H1, priority=1), entry("ghost", H1, priority=2)])
        orch.repository_init()
        orch.start_daemon()
        result = orch("run", "--all", timeout=400)
        self.assertEqual(result.status, 1, f"{result}\n{orch.daemon_log()}")
        self.assertRegex(result.out, r"one ok, ", f"{result}\n{orch.daemon_log()}")
        self.assertRegex(result.out, r"ghost FAILED: ")
        for arguments in (["list"], ["list", "--failed"], ["show", "one"], ["status"], ["schedule"], ["log", "one"], ["check", "one"],
                          ["hypervisor", "check"], ["config", "check"]):
            orch(*arguments, check=0, timeout=200)
        self.assertEqual(orch.stop_daemon(timeout=200), 0, orch.daemon_log())
        self.assert_as_before("one")
        reports = {path: open(path, errors="replace").read() for path in glob.glob(os.path.join(orch.dir, "valgrind.*"))}
        kinds = {word for text in reports.values() for word in re.findall(r"Command: \S*/?(?:orch|exe) (?:--config \S+ )?(\w+)", text)}
        self.assertLessEqual({"daemon", "worker", "run", "list"}, kinds, "not every process was looked at")
        bad = "\n".join(text for text in reports.values() if re.search(r"ERROR SUMMARY: [1-9]", text))
        self.assertEqual(bad, "", bad[:20000])
        summaries = sum("ERROR SUMMARY: 0 errors" in text for text in reports.values())
        self.assertGreaterEqual(summaries, 14, f"{summaries} of {len(reports)} processes came to their end")


if __name__ == "__main__":
    unittest.main()
