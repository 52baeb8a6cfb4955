#!/usr/bin/python3
"""Holds that shell scripts are files: no C string holds a block of shell, and each script says in its head what it is.

A script in a folder `scripts` is embedded. Its head tells where it runs and, unless it only defines functions for others, what it prints,
its exit statuses, and each parameter that it takes. Prints each breach as file:line; exit status 1 when there is one."""

import os
import re
import subprocess
import sys

STRING = re.compile(r'/\*.*?\*/|//[^\n]*|\'(?:\\.|[^\'\\\n])\'|"((?:\\.|[^"\\\n])*)"', re.S)
# What a sentence for people does not have.
SHELL = re.compile(r"""\bset\ -[eux]\b | \bumask\ \d | \bif\ !?\ ?\[\  | \bwhile\ \[\  | ;\ *(then|do|fi|done|esac)\b\ *(["\[:$;]|\\n|$)
                       | \$\{?[0-9@\#*] | \$\( | >\ *\\?"?/dev/null | 2>&1 | \|\|\ *exit\b | (&&|\|\|)\ echo\b""", re.X)


def tracked(*patterns):
    return subprocess.run(["git", "ls-files", *patterns], capture_output=True, text=True, check=True).stdout.split()


def shell_in_strings(path, text):
    for match in STRING.finditer(text):
        if match[1] and SHELL.search(match[1]):
            yield f"{path}:{text.count(chr(10), 0, match.start()) + 1}: a block of shell in a C string: make it a file in a folder scripts"
    # Text that follows "-c", in whatever pieces, is a script too.
    for match in re.finditer(r'"sh",\s*"-c",\s*"', text):
        yield f"{path}:{text.count(chr(10), 0, match.start()) + 1}: a script in a C string: make it a file in a folder scripts"


def head_of(text):
    lines = text.splitlines()[1:]
    end = next((i for i, line in enumerate(lines) if not line.startswith("#")), len(lines))
    return "\n".join(lines[:end]), "\n".join(line for line in lines[end:] if not line.lstrip().startswith("#"))


def breaches_of_head(path, text):
    head, body = head_of(text)
    if not text.startswith("#!/bin/sh\n"):
        yield f"{path}:1: does not begin with #!/bin/sh"
    if not re.search(r"^# Runs (on|in) ", head, re.M):
        yield f"{path}:1: the head does not say where it runs"
    if re.match(r"# Defines ", head):
        return
    for word in ("Prints", "Exit status: "):
        if not re.search(rf"^# {word}", head, re.M):
            yield f"{path}:1: the head has no line '{word.strip()}'"
    documented = re.findall(r"^# ((?:\$\d ?)+)", head, re.M)
    documented = {int(number) for group in documented for number in re.findall(r"\d", group)}
    # Functions have parameters of their own.
    own = re.sub(r"^\w+\(\) \{\n.*?^\}|^\w+\(\) \{ .* \}$", "", body, flags=re.S | re.M)
    for number in sorted({int(n) for n in re.findall(r"\$\{?(\d)", own)} - {0} - documented):
        if not re.search(r"^# \$\d.* … ", head, re.M) or number < max(documented, default=0):
            yield f"{path}:1: the head does not document ${number}"


def main():
    found = []
    for path in tracked("orchestrator/*.[ch]", "schema/*.[ch]", "policies/*.[ch]", "transports/*.[ch]"):
        if os.path.exists(path):
            with open(path, encoding="utf-8") as file:
                found += shell_in_strings(path, file.read())
    for path in tracked("*/scripts/*.sh"):
        if os.path.exists(path):
            with open(path, encoding="utf-8") as file:
                found += breaches_of_head(path, file.read())
    print("\n".join(found))
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
