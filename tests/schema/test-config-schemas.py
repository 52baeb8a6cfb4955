#!/usr/bin/python3
"""Holds the JSON Schemas of orch.yaml, vm-list.yaml and appliance profiles to the parser's answers, over the corpus of good and bad files.

A file that the parser accepts, the schema must accept; a file that it refuses, the schema must refuse, unless the file says
"# schema: cannot": what stands twice, cross references, the notation of numbers and YAML's own errors are beyond JSON Schema.
Such a mark must be needed: a marked file that the schema refuses all the same is a failure too, so that marks don't hide drift.

usage: test-config-schemas.py SOURCE_ROOT CONFIG_VERDICT
"""

import json
import pathlib
import re
import subprocess
import sys

import jsonschema
import yaml


class CoreLoader(yaml.SafeLoader):
    """YAML 1.2's core schema, which the parser and today's editors follow, in place of PyYAML's YAML 1.1: `on` is a text."""


CoreLoader.yaml_implicit_resolvers = {}
for tag, pattern, first in (
    ("null", r"^(?:~|null|Null|NULL|)$", ["~", "n", "N", ""]),
    ("bool", r"^(?:true|True|TRUE|false|False|FALSE)$", list("tTfF")),
    ("int", r"^(?:[-+]?[0-9]+|0o[0-7]+|0x[0-9a-fA-F]+)$", list("-+0123456789")),
    ("float", r"^(?:[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?|[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN))$", list("-+0123456789.")),
    ("merge", r"^(?:<<)$", ["<"]),
):
    CoreLoader.add_implicit_resolver("tag:yaml.org,2002:" + tag, re.compile(pattern), first)


def construct_int(_loader, node):
    text = node.value
    return int(text[2:], 8) if text.startswith("0o") else int(text, 16) if text.startswith("0x") else int(text)


def construct_float(_loader, node):
    return float(node.value.lower().replace(".inf", "inf").replace(".nan", "nan"))


CoreLoader.add_constructor("tag:yaml.org,2002:int", construct_int)
CoreLoader.add_constructor("tag:yaml.org,2002:float", construct_float)


def parser_verdicts(program, kind, files):
    """The parser's answer for each file: True for accepted."""
    run = subprocess.run([program, kind, *files], capture_output=True, text=True, errors="replace", check=False)
    if run.returncode not in (0, 2):
        sys.exit(f"{program} {kind}: exit status {run.returncode}\n{run.stderr}")
    return {match[1]: match[2] == "ok" for match in re.finditer(r"^== (.*): (ok|refused)$", run.stdout, re.MULTILINE)}


def schema_verdict(validator, path):
    """None when the schema accepts the file, else why not. What PyYAML cannot read is refused before the schema sees it."""
    try:
        value = yaml.load(path.read_bytes(), Loader=CoreLoader)
    except (yaml.YAMLError, UnicodeDecodeError):
        return "not readable YAML"
    error = jsonschema.exceptions.best_match(validator.iter_errors(value))
    return None if error is None else f"{error.json_path}: {error.message}"


def compare(path, accepted, refusal):
    """A sentence when the two answers don't go together, else None."""
    cannot = re.search(rb"^# schema: cannot$", path.read_bytes(), re.MULTILINE)
    expected = path.parent.name == "good"
    if accepted != expected:
        return f"the parser {'accepts' if accepted else 'refuses'} it"
    if accepted and refusal:
        return f"the schema refuses it: {refusal}"
    if not accepted and not refusal and not cannot:
        return "the schema accepts it"
    if cannot and refusal and refusal != "not readable YAML":
        return f"marked '# schema: cannot', but the schema refuses it: {refusal}"
    return None


def main():
    root = pathlib.Path(sys.argv[1])
    failures = 0
    compared = 0
    for kind in ("orch", "vm-list", "profile"):
        schema = json.loads((root / "schema" / f"{'appliance-' if kind == 'profile' else ''}{kind}.schema.json").read_text(encoding="utf-8"))
        jsonschema.Draft202012Validator.check_schema(schema)
        validator = jsonschema.Draft202012Validator(schema)
        files = sorted((root / "tests" / "corpus" / "config").glob(f"*/{kind}-*.yaml"))
        verdicts = parser_verdicts(sys.argv[2], kind, [str(path) for path in files])
        for path in files:
            complaint = compare(path, verdicts[str(path)], schema_verdict(validator, path))
            compared += 1
            if complaint:
                failures += 1
                print(f"{path.relative_to(root)}: {complaint}")
    print(f"{compared} files compared, {failures} disagreements")
    return 1 if failures or compared < 75 else 0


if __name__ == "__main__":
    sys.exit(main())
