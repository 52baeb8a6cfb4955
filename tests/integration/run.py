#!/usr/bin/python3
"""Runs the end-to-end tests: every test_*.py here, each a module of unittest cases, with the orch binary given.

    run.py --orch build/orch [--jobs N] [--valgrind] [-k PATTERN] [FILE…]

Ends with "N passed, N failed, N skipped". Each case makes its own laboratory, or shares its class's: modules don't know of each other, and
with --jobs several run at once, each in a process of its own.
"""

import argparse
import glob
import os
import re
import subprocess
import sys
import threading
import time
import unittest

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, HERE)
import times  # noqa: E402


class Printing(unittest.TextTestResult):
    """Prints a line for each test with its seconds, at once, so that a hanging test is visible. A class that cannot be set up is printed like a test of no duration."""

    begun = 0.0
    times = None  # where they are asked for: times.py

    def startTest(self, test):
        super().startTest(test)
        if self.times:
            self.times.close(f"{type(test).__module__}.{type(test).__qualname__} (set-up)")
        self.begun = time.monotonic()

    def stopTest(self, test):
        super().stopTest(test)
        if self.times:
            self.times.close(test.id())

    def _say(self, verdict, test):
        seconds = time.monotonic() - self.begun if self.begun else 0.0
        self.begun = 0.0
        self.stream.writeln(f"{verdict:7} {seconds:6.1f} s  {test.id()}")
        self.stream.flush()

    def addSuccess(self, test):
        unittest.TestResult.addSuccess(self, test)
        self.passed = getattr(self, "passed", 0) + 1
        self._say("ok", test)

    def addError(self, test, err):
        unittest.TestResult.addError(self, test, err)
        self._say("ERROR", test)
        self.stream.writeln(self._exc_info_to_string(err, test))

    def addFailure(self, test, err):
        unittest.TestResult.addFailure(self, test, err)
        self._say("FAILED", test)
        self.stream.writeln(self._exc_info_to_string(err, test))

    def addSkip(self, test, reason):
        unittest.TestResult.addSkip(self, test, reason)
        self._say("skipped", test)
        self.stream.writeln(f"        because {reason}")


def run_here(files, pattern):
    """(passed, failed, skipped)"""
    if os.environ.get("ORCH_TEST_TIMES"):
        Printing.times = times.install(os.environ["ORCH_TEST_TIMES"])
    loader = unittest.TestLoader()
    if pattern:
        loader.testNamePatterns = [f"*{pattern}*"]
    suite = unittest.TestSuite(loader.loadTestsFromName(os.path.basename(f)[:-3]) for f in files)
    result = unittest.TextTestRunner(stream=sys.stdout, resultclass=Printing, verbosity=0).run(suite)
    failed = len(result.failures) + len(result.errors) + len(result.unexpectedSuccesses)
    if result.testsRun == 0 and not pattern:
        failed += 1
    return getattr(result, "passed", 0), failed, len(result.skipped)


def run_module(file, options):
    """The same for one file in a process of its own, its lines handed on as they come."""
    command = [sys.executable, os.path.abspath(__file__), "--orch", options.orch, file] + (["-k", options.pattern] if options.pattern else [])
    counts = (0, 1, 0)
    child = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, errors="replace")
    for line in child.stdout:
        closing = re.fullmatch(r"(\d+) passed, (\d+) failed, (\d+) skipped\n", line)
        if closing:
            counts = tuple(map(int, closing.groups()))
        else:
            sys.stdout.write(line)
            sys.stdout.flush()
    if child.wait() != 0 and counts[1] == 0:
        counts = (counts[0], counts[1] + 1, counts[2])
    return counts


def run_beside(files, options):
    """The longest files first, as the nearest guess at what takes longest."""
    waiting = sorted(files, key=os.path.getsize, reverse=True)
    counts = []

    def work():
        while True:
            try:
                file = waiting.pop(0)
            except IndexError:
                return
            counts.append(run_module(file, options))

    threads = [threading.Thread(target=work) for _ in range(options.jobs)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return tuple(map(sum, zip(*counts)))


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--orch", required=True)
    parser.add_argument("--jobs", type=int, default=1, help="so many modules at once")
    parser.add_argument("--valgrind", action="store_true", help="only the life of a daemon, under valgrind")
    parser.add_argument("-k", dest="pattern")
    parser.add_argument("files", nargs="*")
    options = parser.parse_args()
    os.environ["ORCH_BINARY"] = os.path.abspath(options.orch)
    if options.valgrind:
        files = [os.path.join(HERE, "valgrind_life.py")]
    else:
        files = options.files or sorted(glob.glob(os.path.join(HERE, "test_*.py")))
    beside = options.jobs > 1 and len(files) > 1
    passed, failed, skipped = run_beside(files, options) if beside else run_here(files, options.pattern)
    if passed + failed + skipped == 0:
        failed = 1
    print(f"{passed} passed, {failed} failed, {skipped} skipped")
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()
