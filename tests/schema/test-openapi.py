#!/usr/bin/python3
"""Holds schema/openapi.yaml together: required keys, every reference leads somewhere, every {word} of a path is a parameter, and every
schema in it is a JSON Schema. That it has exactly the daemon's routes is tested beside them (tests/unit/daemon/api/test-api-routes.c).

usage: test-openapi.py OPENAPI"""
import pathlib
import re
import sys

import jsonschema
import yaml

path = pathlib.Path(sys.argv[1])
api = yaml.safe_load(path.read_text())
problems = []


def walk(node, where):
    if isinstance(node, dict):
        for key, value in node.items():
            if key == "$ref":
                check_reference(value, where)
            if key == "schema":
                try:
                    jsonschema.Draft202012Validator.check_schema(value)
                except jsonschema.SchemaError as error:
                    problems.append(f"{where}: {error.message}")
            walk(value, f"{where}/{key}")
    elif isinstance(node, list):
        for i, value in enumerate(node):
            walk(value, f"{where}/{i}")


def check_reference(reference, where):
    file, _, inside = reference.partition("#")
    if file and not (path.parent / file).exists():
        problems.append(f"{where}: {reference}: no such file")
    target = api
    for word in inside.split("/")[1:]:
        target = target.get(word, {}) if isinstance(target, dict) else {}
    if not file and not target:
        problems.append(f"{where}: {reference} leads nowhere")


assert api["openapi"].startswith("3.1"), api["openapi"]
assert api["info"]["title"] and api["info"]["version"]
assert len(api["paths"]) > 10
seen = set()
for route, methods in api["paths"].items():
    for method, call in methods.items():
        where = f"{method} {route}"
        for key in ("summary", "operationId", "responses"):
            if key not in call:
                problems.append(f"{where}: no {key}")
        if call.get("operationId") in seen:
            problems.append(f"{where}: operationId stands twice")
        seen.add(call.get("operationId"))
        if not {"200", "default"} <= call.get("responses", {}).keys():
            problems.append(f"{where}: responses need 200 and default")
        if method == "post" and "requestBody" not in call:
            problems.append(f"{where}: no requestBody")
        words = set(re.findall(r"{(\w+)}", route))
        given = {p["name"] for p in call.get("parameters", []) if p["in"] == "path"}
        if words != given:
            problems.append(f"{where}: path has {sorted(words)}, parameters {sorted(given)}")
for name, schema in api["components"]["schemas"].items():
    jsonschema.Draft202012Validator.check_schema(schema)
walk(api, "#")
sys.exit("\n".join(problems) or 0)
