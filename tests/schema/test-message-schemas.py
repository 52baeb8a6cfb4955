#!/usr/bin/python3
"""Holds the JSON Schemas of what processes say to each other, and of what lands on the share, to the code that writes and reads it.

usage: test-message-schemas.py EMIT-SAMPLES SCHEMA-FOLDER

Every sample that the code writes has to be valid. Then each value in each sample is broken in turn (taken out, made another type,
another range, another form), and schema and parser have to come to the same verdict; what the parser takes it has to write
again in a form that the schema takes."""
import copy
import json
import pathlib
import subprocess
import sys

import jsonschema

BROKEN_VALUES = [
    None, True, 0, 1, -1, -2, 7, 1.5, 2**63 - 1, "", "x", "ok", "full", "../x", "../p/f", "../../p/f", "/etc/passwd", ".hidden", "a b", "a\nb", "ü",
    "x" * 120, "x" * 121, "é" * 256, "2026-02-01T22:00:15Z", "2026-02-01", "2026-02-01T22:00:15+01:00", "before", "begin", "log", "result", "timeout",
    "hypervisor-check", "failed", "skipped", "e" * 64, "E" * 64, "c7a5fdbd-edaf-9455-926a-d65c16db1809", [], {}, [1], ["x"], [None], [{}],
]


def parse_all(program, documents):
    """The parser's verdict on each (kind, document): (True, the document as written again) or (False, why)."""
    lines = "".join(f"{kind}\t{json.dumps(document)}\n" for kind, document in documents)
    answer = subprocess.run([program, "parse"], input=lines, text=True, capture_output=True, check=True, timeout=300).stdout
    verdicts = [line.split("\t", 1) for line in answer.splitlines()]
    assert len(verdicts) == len(documents), f"{len(documents)} asked, {len(verdicts)} answered"
    return [(word == "ok", json.loads(rest) if word == "ok" else rest) for word, rest in verdicts]


def places(document, path=()):
    """The path of every value inside, from the outside in; of a list the first item stands for all."""
    items = document.items() if isinstance(document, dict) else enumerate(document[:1]) if isinstance(document, list) else ()
    for key, value in items:
        yield path + (key,)
        yield from places(value, path + (key,))


def broken_variants(document):
    for path in list(places(document)):
        for value in BROKEN_VALUES + ["(taken out)"]:
            variant = copy.deepcopy(document)
            holder = variant
            for key in path[:-1]:
                holder = holder[key]
            if value != "(taken out)":
                holder[path[-1]] = value
            else:
                del holder[path[-1]]
            yield ".".join(map(str, path)), value, variant


def main():
    program, folder = sys.argv[1], pathlib.Path(sys.argv[2])
    schemas = {path.name: json.loads(path.read_text()) for path in folder.glob("*.schema.json")}
    validators = {}
    for name in ("backup-metadata", "state", "job-request", "event", "last-run-summary", "restore-journal"):
        schema = schemas[f"{name}.schema.json"]
        jsonschema.Draft202012Validator.check_schema(schema)
        validators[name] = jsonschema.Draft202012Validator(schema, resolver=jsonschema.RefResolver.from_schema(schema, store=schemas))

    lines = subprocess.run([program], text=True, capture_output=True, check=True, timeout=60).stdout.splitlines()
    samples = [(kind, json.loads(text)) for kind, text in (line.split("\t", 1) for line in lines)]
    assert {kind for kind, _ in samples} == set(validators), "a kind has no sample"
    failures = []
    for kind, document in samples:
        failures += [f"{kind}: a sample is refused: {error.json_path}: {error.message}" for error in validators[kind].iter_errors(document)]

    variants = []
    for kind, document in samples:
        # A result carries the metadata of a point as it is: what is inside has its own schema.
        broken = {**document, "metadata": {}} if kind == "event" and document.get("metadata") else document
        variants += [(kind, place, value, variant) for place, value, variant in broken_variants(broken)]
    verdicts = parse_all(program, [(kind, variant) for kind, _, _, variant in variants])
    refused = 0
    for (kind, place, value, variant), (taken, answer) in zip(variants, verdicts):
        valid = validators[kind].is_valid(variant)
        refused += not valid
        if valid != taken:
            failures.append(f"{kind}: {place} = {value!r}: schema says {valid}, parser says {taken} ({answer})")
        elif taken and not validators[kind].is_valid(answer):
            failures.append(f"{kind}: {place} = {value!r}: what the parser wrote again is refused")
    print(f"{len(samples)} samples, {len(variants)} variants, {refused} refused, {len(failures)} failures")
    assert refused > len(variants) / 2, "breaking things should break most of them"
    print("\n".join(failures[:40]))
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
