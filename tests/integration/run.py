#!/usr/bin/python3
"""Runs the end-to-end tests: every test_*.py here, each a module of unittest cases, with the orch binary given.

    run.py --orch build/orch [--short] [--jobs N] [--valgrind] [-k PATTERN] [FILE or CLASS…]

Ends with "N passed, N failed, N skipped". Each class makes a laboratory of its own, so classes don't know of each other: with --jobs several
run at once, each in a process of its own. --short runs what short.py names. ORCH_TEST_TIMES=FILE notes where the time goes (times.py).
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
import harness  # noqa: E402
import short  # noqa: E402
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


def tests_of(suite):
    """The single tests of a suite, in order."""
    for part in suite:
        yield from tests_of(part) if isinstance(part, unittest.TestSuite) else [part]


def load(names, options):
    """{class: its tests} of files and classes, those alone that are asked for."""
    loader = unittest.TestLoader()
    if options.pattern:
        loader.testNamePatterns = [f"*{options.pattern}*"]
    found = {}
    for test in tests_of(loader.loadTestsFromNames(os.path.basename(name).removesuffix(".py") for name in names)):
        if not options.short or short.is_short(test.id()):
            found.setdefault(f"{type(test).__module__}.{type(test).__qualname__}", []).append(test)
    return found


def unproven(name, tests):
    """The verbs that short.py claims of a class's tests and that none of them called."""
    claimed = {cover.removeprefix("verb:") for entry in (name, *(test.id() for test in tests)) for cover in short.SHORT.get(entry, ())
               if cover.startswith("verb:")}
    called = {" ".join(words[:n]) for words in harness.called for n in (1, 2)}
    return sorted(claimed - called)


def run_here(found, options):
    """(passed, failed, skipped)"""
    result = unittest.TextTestRunner(stream=sys.stdout, resultclass=Printing, verbosity=0).run(
        unittest.TestSuite(unittest.TestSuite(tests) for tests in found.values()))
    failed = len(result.failures) + len(result.errors) + len(result.unexpectedSuccesses)
    if result.testsRun == 0 and not options.pattern:
        failed += 1
    for name, tests in found.items() if options.short and not options.pattern else ():
        if verbs := unproven(name, tests):
            print(f"FAILED  short.py claims for {name} verbs that its tests do not call: {', '.join(verbs)}")
            failed += 1
    return getattr(result, "passed", 0), failed, len(result.skipped)


def run_class(name, options):
    """The same for one class in a process of its own, its lines handed on as they come."""
    command = [sys.executable, os.path.abspath(__file__), "--orch", options.orch, name, *(["-k", options.pattern] if options.pattern else []),
               *(["--short"] if options.short else [])]
    counts = (0, 1, 0)
    child = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, errors="replace")
    for line in child.stdout:
        closing = re.fullmatch(r"(\d+) passed, (\d+) failed, (\d+) skipped\n", line)
        if closing:
            counts = tuple(map(int, closing.groups()))
        elif not re.fullmatch(r"-{70}\n|Ran \d+ tests? in .*\n|\n|OK( .*)?\n", line):
            sys.stdout.write(line)
            sys.stdout.flush()
    if child.wait() != 0 and counts[1] == 0:
        counts = (counts[0], counts[1] + 1, counts[2])
    return counts


def run_beside(found, options):
    """Classes of many tests first, as the nearest guess at what takes longest; of the short ones, in the order of short.py."""
    place = {}
    for number, name in enumerate(short.SHORT):
        place.setdefault(".".join(name.split(".")[:2]), number)
    waiting = sorted(found, key=place.get if options.short else lambda name: -len(found[name]))
    counts = []

    def work():
        while True:
            try:
                name = waiting.pop(0)
            except IndexError:
                return
            counts.append(run_class(name, options))

    threads = [threading.Thread(target=work) for _ in range(options.jobs)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return tuple(map(sum, zip(*counts)))


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--orch", required=True)
    parser.add_argument("--jobs", type=int, default=1, help="so many classes at once")
    parser.add_argument("--short", action="store_true", help="what short.py names")
    parser.add_argument("--valgrind", action="store_true", help="only the life of a daemon, under valgrind")
    parser.add_argument("-k", dest="pattern")
    parser.add_argument("names", nargs="*", metavar="FILE or CLASS")
    options = parser.parse_args()
    os.environ["ORCH_BINARY"] = os.path.abspath(options.orch)
    if options.valgrind:
        names = [os.path.join(HERE, "valgrind_life.py")]
    else:
        names = options.names or sorted(glob.glob(os.path.join(HERE, "test_*.py")))
    one_process = options.jobs == 1
    if one_process and os.environ.get("ORCH_TEST_TIMES"):
        Printing.times = times.install(os.environ["ORCH_TEST_TIMES"])
    found = load(names, options)
    passed, failed, skipped = run_here(found, options) if one_process else run_beside(found, options) or (0, 0, 0)
    if passed + failed + skipped == 0:
        failed = 1
    print(f"{passed} passed, {failed} failed, {skipped} skipped")
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()
