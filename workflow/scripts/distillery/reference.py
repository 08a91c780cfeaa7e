"""The configuration's reference page, written from its schema: `make docs`."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from distillery.config import load_schema

INTRODUCTION = """# The configuration

Everything a study is stands in `config.yaml`. Counts are totals over the classes. A mistake ends in one line that names
the key. This page is written from `workflow/schemas/config.schema.yaml` by `make docs`.
"""

HEAD = ("| key | meaning | values | default |", "|---|---|---|---|")


def reference() -> str:
    """The page, in Markdown."""
    schema = load_schema()
    lines = [INTRODUCTION, "## Keys", "", *HEAD, *_rows(schema, "", schema), ""]
    for section, key, heading in (("sources", "kind", "A source of kind"), ("arms", "method", "An arm of method")):
        shared = schema["properties"][section]["additionalProperties"]["properties"]  # told of all kinds together
        for choice in shared[key]["enum"]:
            properties = {
                name: part for name, part in schema["$defs"][choice]["properties"].items() if name not in shared
            }
            rows = list(_rows(schema["$defs"][choice] | {"properties": properties}, f"{section}.{{name}}", schema))
            if rows:
                lines += [f"## {heading} `{choice}`", "", *HEAD, *rows, ""]
    return "\n".join(lines).rstrip() + "\n"


def _rows(part: dict[str, Any], path: str, schema: dict[str, Any]) -> Iterator[str]:
    for key, below in part.get("properties", {}).items():
        target = _resolved(below, schema)
        where = f"{path}.{key}" if path else key
        default = _default(below, key in part.get("required", ()))
        meaning = target.get("description", "").replace("|", "\\|")
        yield f"| `{where}` | {meaning} | {_values(target)} | {default} |"
        yield from _rows(target, where, schema)
        others = target.get("additionalProperties")
        if isinstance(others, dict) and "properties" in others:
            yield from _rows(others, f"{where}.{{name}}", schema)


def _resolved(part: dict[str, Any], schema: dict[str, Any]) -> dict[str, Any]:
    """What a part refers to, with what it and those between say themselves."""
    if "$ref" not in part:
        return part
    return _resolved(schema["$defs"][part["$ref"].rsplit("/", 1)[1]], schema) | part


def _default(part: dict[str, Any], required: bool) -> str:
    if required:
        return "required"
    if part.get("default") in ({}, None):
        return ""
    return f"`{json.dumps(part['default'])}`"


def _values(part: dict[str, Any]) -> str:
    """Type or choices, and range."""
    if "enum" in part:
        return ", ".join(f"`{value}`" if value else "empty" for value in part["enum"])
    kind = part.get("type", "")
    kind = kind[0] if isinstance(kind, list) else kind
    bounds = [f"{sign} {part[name]}" for name, sign in BOUNDS.items() if name in part]
    return " ".join([NAMES.get(kind, kind), ", ".join(bounds)]).strip()


NAMES = {"object": "keys and values", "array": "list", "string": "text", "boolean": "`true`, `false`"}
BOUNDS = {"minimum": "≥", "exclusiveMinimum": ">", "maximum": "≤", "exclusiveMaximum": "<"}

if __name__ == "__main__":
    print(reference(), end="")
