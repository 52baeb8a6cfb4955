#!/usr/bin/python3
"""Finds files of one room that call each other in a circle: none of them can be read, tested or replaced without the others.

usage: circles.py [BUILD]

Reads the symbols that each object file of BUILD (build-clang) defines and needs, so only what is really called or read counts: a struct's name
alone is no tie, nor is a call that the compiler has never seen. A file that was left out of the build (the other one of two alternatives) has no
object and no ties.

Prints each circle with the symbols that close it; exit status 1 when there is one, 2 when BUILD lacks an object."""

import json
import os
import re
import subprocess
import sys

SMALL_ROOMS = ["schema", "policies", "transports"]
# Circles that stay, each a set of files with its reason.
EXCEPTED = {
}


def big_room(path):
    parts = path.split("/")
    if parts[0] in SMALL_ROOMS:
        return parts[0]
    return parts[1] if parts[0] == "orchestrator" and len(parts) > 2 else None


def objects(build):
    """source → object file, for the program's own sources."""
    with open(f"{build}/compile_commands.json") as file:
        commands = json.load(file)
    found = {}
    for command in commands:
        source = os.path.relpath(os.path.join(command["directory"], command["file"]))
        # Test programs compile some sources again, also alternatives that are not built otherwise.
        if big_room(source) and not command["output"].startswith("tests/"):
            found[source] = os.path.join(command["directory"], command["output"])
    return found


def symbols(object_file):
    """What it defines for others, and what it needs of others."""
    out = subprocess.run(["nm", "--extern-only", "--format=posix", object_file], capture_output=True, text=True, check=True).stdout
    entries = [line.split()[:2] for line in out.splitlines()]
    return {n for n, kind in entries if kind not in "Uwv"}, {n for n, kind in entries if kind in "Uwv"}


def call_graph(build):
    """source → {source it needs → the symbols}."""
    defined_in, needs = {}, {}
    for source, object_file in objects(build).items():
        defined, needs[source] = symbols(object_file)
        defined_in.update({name: source for name in defined})
    graph = {}
    for source, names in needs.items():
        ties = graph.setdefault(source, {})
        for name in sorted(names & defined_in.keys()):
            ties.setdefault(defined_in[name], []).append(name)
    return graph


def circles(graph):
    """The strongly connected components of more than one file (Tarjan)."""
    index, low, stack, found = {}, {}, [], []

    def visit(node):
        index[node] = low[node] = len(index)
        stack.append(node)
        for other in graph[node]:
            if other not in index:
                visit(other)
                low[node] = min(low[node], low[other])
            elif other in stack:
                low[node] = min(low[node], index[other])
        if low[node] == index[node]:
            members = stack[stack.index(node):]
            del stack[stack.index(node):]
            if len(members) > 1:
                found.append(sorted(members))

    for node in graph:
        if node not in index:
            visit(node)
    return found


def main():
    build = sys.argv[1] if len(sys.argv) > 1 else "build-clang"
    sys.setrecursionlimit(10000)
    try:
        graph = call_graph(build)
    except (OSError, subprocess.CalledProcessError) as error:
        print(f"{build} is not built: {error}")
        return 2
    failed = False
    for room in sorted({big_room(source) for source in graph}):
        inside = {s: {o: n for o, n in ties.items() if big_room(o) == room} for s, ties in graph.items() if big_room(s) == room}
        for circle in circles(inside):
            if any(set(circle) <= files for files in EXCEPTED):
                continue
            failed = True
            print(f"{room}: {len(circle)} files call each other in a circle")
            for source in circle:
                for other, names in inside[source].items():
                    if other in circle:
                        print(f"  {source} → {other}: {', '.join(names)}")
    return failed


if __name__ == "__main__":
    sys.exit(main())
