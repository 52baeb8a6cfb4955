#!/usr/bin/python3
"""Holds the direction of the house: which room a room may include, and that libraries stay in their rooms.

A room is a folder of the house (`base`, `worker`) or a folder inside one (`worker/vm`). The files that stand directly in `worker`, `daemon` or
`cli` are a room of their own, by the folder's name.

Prints each breach as file:line; exit status 1 when there is one."""

import os
import re
import subprocess
import sys

# A house room may include every room of the houses below it.
BELOW = {
    "base": [],
    "schema": ["base"],
    "policies": ["base", "schema"],
    "transports": ["base", "schema"],
    "repository": ["base", "schema", "policies", "transports"],
    "catalog": ["base", "schema", "policies", "transports", "repository"],
    "notify": ["base", "schema", "policies", "transports", "repository", "catalog"],
    "worker": ["base", "schema", "policies", "transports", "repository", "catalog", "notify"],
}
BELOW["daemon"] = [*BELOW["worker"], "worker"]
BELOW["cli"] = [*BELOW["daemon"], "daemon"]

# Inside a house: what a room may include beside itself. A room that is not here may be included by none and include none.
WITHIN = {
    "schema/yaml": [],
    "schema/json": ["schema/yaml"],
    "schema/libvirt": ["schema/yaml", "schema/json"],
    "schema/records": ["schema/yaml", "schema/json", "schema/libvirt"],
    "schema": [],  # headers that the build makes of schema/profiles/ and schema/catalog.sql
    "schema/config": ["schema", "schema/yaml", "schema/json", "schema/libvirt", "schema/records"],
    "transports": [],
    "transports/ssh": ["transports"],
    "transports/libvirt": ["transports", "transports/ssh"],
    "transports/appliance": ["transports", "transports/ssh"],
    "transports/guest-files": ["transports"],
    "worker/job": [],
    "worker/host": ["worker/job"],
    "worker/vm": ["worker/job", "worker/host"],
    "worker/restore": ["worker/job", "worker/host", "worker/vm"],
    "worker/upkeep": ["worker/job", "worker/host"],
    "worker/recover": ["worker/job", "worker/host", "worker/vm", "worker/restore"],
    "worker/test-restore": ["worker/job", "worker/host", "worker/vm", "worker/recover"],
    "worker/backup": ["worker/job", "worker/host", "worker/vm", "worker/restore", "worker/recover", "worker/upkeep"],
    "daemon/loop": [],
    "daemon/share": ["daemon/loop"],
    "daemon/state": ["daemon/loop", "daemon/share"],
    "daemon/jobs": ["daemon/loop", "daemon/share", "daemon/state"],
    "daemon/cycle": ["daemon/loop", "daemon/share", "daemon/state", "daemon/jobs"],
    "daemon/notices": ["daemon/loop", "daemon/share", "daemon/state", "daemon/jobs", "daemon/cycle"],
    "daemon/api": ["daemon/loop", "daemon/share", "daemon/state", "daemon/jobs", "daemon/cycle", "daemon/notices"],
    "cli/terminal": [],
    "cli/client": ["cli/terminal"],
    "cli": ["cli/terminal", "cli/client"],
    "cli/offline": ["cli/terminal", "cli/client", "cli"],
    "cli/bacula": ["cli/terminal", "cli/client", "cli"],
    "cli/verbs": ["cli/terminal", "cli/client", "cli", "cli/offline", "cli/bacula"],
}
# The files that start a job or the daemon stand above all rooms of their house.
for house in ("worker", "daemon"):
    WITHIN[house] = [room for room in WITHIN if room.startswith(house + "/")]


# Where a library's headers may be included.
ONLY_IN = {
    r"<libxml/": ["schema/libvirt"],
    r"<yaml\.h>": ["schema/yaml"],
    r"<libvirt/": ["transports/libvirt"],
    r"<libssh/": ["transports/ssh"],
    r"<sqlite3\.h>": ["catalog"],
    r"<guestfs\.h>": ["transports/guest-files"],
    r"<archive(_entry)?\.h>": ["cli/offline"],
    r"<microhttpd\.h>": ["daemon/api"],
    r"<curl/": ["cli/client", "transports"],
}
# Doors to the world that pure decisions must not open.
PURE = {"policies": r"\b(time|clock_gettime|open|fopen|getenv|clock_realtime_\w+|clock_monotonic_\w+)\s*\("}


def room_of(path):
    """"worker/vm" for orchestrator/worker/vm/commit.c and for worker/vm/commit.h, "worker" for orchestrator/worker/worker.c."""
    folders = path.split("/")[:-1]
    if folders[:1] == ["orchestrator"]:
        folders = folders[1:]
    return "/".join(folders[:2])


def house_of(room):
    return room.split("/")[0]


def may_include(room, other):
    if house_of(room) != house_of(other):
        return house_of(other) in BELOW[house_of(room)]
    return room == other or other in WITHIN.get(room, [])


def breaches(path, text):
    room = room_of(path)
    house = house_of(room)
    if house not in BELOW:
        return
    for number, line in enumerate(text.splitlines(), 1):
        include = re.match(r'#include "([a-z-]+(?:/[a-z-]+)?/[a-z0-9-]+\.h)"', line)
        if include and house_of(room_of(include[1])) in BELOW and not may_include(room, room_of(include[1])):
            yield f"{path}:{number}: {room} may not include {room_of(include[1])}"
        for library, rooms in ONLY_IN.items():
            if re.match(rf"#include {library}", line) and room not in rooms:
                yield f"{path}:{number}: only {', '.join(rooms)} may include {library}"
        if re.match(r'#include "[^/]+"', line):
            yield f"{path}:{number}: an include carries its folder"
        if house in PURE and not line.lstrip().startswith(("*", "/*")) and re.search(PURE[house], line):
            yield f"{path}:{number}: {room} is pure: no clock, no I/O"


def main():
    files = subprocess.run(["git", "ls-files", "*.c", "*.h"], capture_output=True, text=True, check=True).stdout.split()
    files = [f for f in files if not f.startswith("tests/") and os.path.exists(f)]
    found = [b for f in files for b in breaches(f, open(f).read())]
    folders = {os.path.dirname(f) for f in files if house_of(room_of(f)) in BELOW}
    folders |= {os.path.dirname(folder) for folder in folders if "/" in room_of(folder + "/x")}
    for folder in sorted(folders):
        room = room_of(folder + "/x")
        if "/" in room and room not in WITHIN:
            found.append(f"{folder}: not in the table of tests/lint/layers.py")
        if not os.path.exists(f"{folder}/README.md"):
            found.append(f"{folder}: no README.md")
    print("\n".join(found))
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
