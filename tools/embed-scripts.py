#!/usr/bin/env python3
"""Embeds shell scripts as C strings: each NAME.sh becomes `const char NAME_script[]`.

usage: embed-scripts.py SOURCE HEADER DEPFILE SCRIPT…

What a hypervisor gets is shorter than the file: lines that are comments and empty lines are left out. A line `. ./FILE` is replaced by what
that file holds, once; its path is relative to the script's folder, where shellcheck finds it, too. So that no text inside a script can be
taken for a comment, a script has no here-document, and no quoted text with a line that begins with "#"."""

import os
import re
import sys


class ScriptError(Exception):
    pass


def is_dropped(line):
    return not line.strip() or line.lstrip().startswith("#")


def expand(path, seen):
    """The lines of a script, and of the files that it takes in. `seen` gathers the paths of all of them."""
    if path in seen:
        return []
    seen.append(path)
    lines = []
    with open(path, encoding="utf-8") as script:
        for number, line in enumerate(script.read().splitlines(), 1):
            if is_dropped(line):
                continue
            if "<<" in line:
                raise ScriptError(f"{path}:{number}: a here-document cannot be embedded")
            taken_in = re.fullmatch(r"\. (\.\.?/\S+)", line)
            if taken_in:
                lines += expand(os.path.normpath(os.path.join(os.path.dirname(path), taken_in[1])), seen)
            else:
                lines.append(line)
    return lines


def constant_of(path):
    return re.sub(r"[^a-z0-9]", "_", os.path.basename(path).removesuffix(".sh")) + "_script"


def literal(lines):
    escaped = (line.replace("\\", "\\\\").replace('"', '\\"').replace("\t", "\\t") for line in lines)
    return '\\n"\n'.join(f'        "{line}' for line in escaped) + '"'


def write_if_changed(path, text):
    """The header's time stays where it says the same: who includes it need not be compiled again."""
    try:
        with open(path, encoding="ascii") as old:
            if old.read() == text:
                return
    except FileNotFoundError:
        pass
    with open(path, "w", encoding="ascii") as new:
        new.write(text)


def main(source, header, depfile, *scripts):
    definitions, declarations, inputs = [], [], set()
    for path in scripts:
        seen = []
        definitions.append(f"const char {constant_of(path)}[] =\n{literal(expand(path, seen))};\n")
        declarations.append(f"extern const char {constant_of(path)}[]; /* {os.path.basename(path)} */\n")
        inputs.update(seen)
    made = "/* Made by tools/embed-scripts.py from the .sh files that it names. */\n"
    write_if_changed(header, made + "#pragma once\n\n" + "".join(declarations))
    with open(source, "w", encoding="ascii") as file:
        file.write(made + f'#include "{os.path.basename(header)}"\n\n' + "\n".join(definitions))
    with open(depfile, "w", encoding="utf-8") as file:
        file.write(f"{source}: {' '.join(sorted(path.replace(' ', chr(92) + ' ') for path in inputs))}\n")


if __name__ == "__main__":
    try:
        main(*sys.argv[1:])
    except ScriptError as error:
        sys.exit(str(error))
