#!/usr/bin/python3
"""Holds the direction of the house: which room a room may include, and that libraries stay in their rooms.

Prints each breach as file:line; exit status 1 when there is one."""

import os
import re
import subprocess
import sys

ALL_BELOW = {
    "base": [],
    "schema": ["base"],
    "policies": ["base", "schema"],
    "transports": ["base", "schema"],
    "repository": ["base", "schema", "policies", "transports"],
    "catalog": ["base", "schema", "policies", "transports", "repository"],
    "notify": ["base", "schema", "policies", "transports", "repository", "catalog"],
    "worker": ["base", "schema", "policies", "transports", "repository", "catalog", "notify"],
}
ALL_BELOW["daemon"] = [*ALL_BELOW["worker"], "worker"]
ALL_BELOW["cli"] = [*ALL_BELOW["daemon"], "daemon"]

# Where a library's headers may be included.
ONLY_IN = {
    r"<libxml/": ["schema"],
    r"<yaml\.h>": ["schema"],
    r"<libvirt/": ["transports"],
    r"<libssh/": ["transports"],
    r"<sqlite3\.h>": ["catalog"],
    r"<guestfs\.h>": ["transports"],
    r"<archive(_entry)?\.h>": ["cli"],
    r"<microhttpd\.h>": ["daemon"],
    r"<curl/": ["cli", "notify", "transports"],
}
# Doors to the world that pure decisions must not open.
PURE = {"policies": r"\b(time|clock_gettime|open|fopen|getenv|clock_realtime_\w+|clock_monotonic_\w+)\s*\("}


def room_of(path):
    parts = path.split("/")
    return parts[1] if parts[0] == "orchestrator" and len(parts) > 2 else parts[0]


def breaches(path, text):
    room = room_of(path)
    if room not in ALL_BELOW:
        return
    for number, line in enumerate(text.splitlines(), 1):
        include = re.match(r'#include "([a-z]+)/', line)
        if include and include[1] != room and include[1] not in ALL_BELOW[room]:
            yield f"{path}:{number}: {room} may not include {include[1]}"
        for library, rooms in ONLY_IN.items():
            if re.match(rf"#include {library}", line) and room not in rooms:
                yield f"{path}:{number}: only {', '.join(rooms)} may include {library}"
        if re.match(r'#include "[^/]+"', line):
            yield f"{path}:{number}: an include carries its folder"
        if room in PURE and not line.lstrip().startswith(("*", "/*")) and re.search(PURE[room], line):
            yield f"{path}:{number}: {room} is pure: no clock, no I/O"


def main():
    files = subprocess.run(["git", "ls-files", "*.c", "*.h"], capture_output=True, text=True, check=True).stdout.split()
    found = [b for f in files if not f.startswith("tests/") and os.path.exists(f) for b in breaches(f, open(f).read())]
    for room in ALL_BELOW:
        folder = room if room in ("schema", "policies", "transports") else f"orchestrator/{room}"
        if os.path.isdir(folder) and any(f.startswith(folder + "/") for f in files) and not os.path.exists(f"{folder}/README.md"):
            found.append(f"{folder}: no README.md")
    print("\n".join(found))
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
