#!/usr/bin/python3
"""Holds that the short run of the end-to-end tests (tests/integration/short.py) covers each promise of README.md, each verb of `orch --help`
and each real component, and names no test that is not there.

    covered.py ORCH      prints each gap; exit status 1 when there is one"""

import os
import re
import subprocess
import sys

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
os.environ["ORCH_BINARY"] = os.path.abspath(sys.argv[1])
sys.dont_write_bytecode = True
sys.path.insert(0, os.path.join(ROOT, "tests/integration"))
import run  # noqa: E402
import short  # noqa: E402


class Everything:
    """What run.py is asked for when it is asked for all."""
    pattern, short = None, False


def promises():
    with open(os.path.join(ROOT, "README.md")) as f:
        return set(re.findall(r"^\| (P\d+) \|", f.read(), re.M))


def verbs(orch):
    said = subprocess.run([orch, "--help"], capture_output=True, text=True, check=True).stdout
    return {f"verb:{name}" for name in re.findall(r"^  ([a-z]+(?:-[a-z]+)*(?: [a-z]+)?) {2,}\S", said.partition("options of every verb")[0], re.M)}


def gaps(orch):
    found = run.load(sorted(f for f in os.listdir(run.HERE) if re.fullmatch(r"test_\w+\.py", f)), Everything)
    ids = {test.id() for tests in found.values() for test in tests}
    for key in short.SHORT:
        if key not in found and key not in ids:
            yield f"short.py names {key}, which is no test and no class"
    wanted = {"promise": promises(), "verb": verbs(orch), "component": set(short.COMPONENTS)}
    covered = {cover for covers in short.SHORT.values() for cover in covers}
    for kind, names in wanted.items():
        if not names:
            yield f"no {kind} was found where they are listed"
        for name in sorted(names - covered):
            yield f"no short test covers the {kind} {name.removeprefix('verb:')}"
    for name in sorted(covered - set().union(*wanted.values())):
        yield f"short.py covers {name}, which is no promise, verb or component"


if __name__ == "__main__":
    missing = list(gaps(sys.argv[1]))
    print("\n".join(missing))
    sys.exit(1 if missing else 0)
