"""The reference page of the configuration, written from its models: `make docs`."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from distillery.config.schema import json_schema, schema_file

INTRODUCTION = """# The configuration

`config.yaml` holds everything that defines a study. Counts are totals over the classes. A mistake ends in one line that
names the key. `make docs` writes this page from the models in `workflow/scripts/distillery/config`, and the JSON schema
`workflow/schemas/config.schema.yaml` with it.
"""

HEAD = ("| key | meaning | values | default |", "|---|---|---|---|")
# the key that decides which other keys a section has, what it is called, and the keys shown once for all choices
CHOICES = {"sources": ("kind", "A source of kind", ()), "arms": ("method", "An arm of method", ("tune",))}
NAMES = {"object": "keys and values", "array": "list", "string": "text", "boolean": "`true`, `false`"}
BOUNDS = {"minimum": "≥", "exclusiveMinimum": ">", "maximum": "≤", "exclusiveMaximum": "<"}

Part = dict[str, Any]  # of the schema


def reference() -> str:
    """The page, in Markdown."""
    schema = json_schema()
    lines = [INTRODUCTION, "## Keys", "", *HEAD, *_rows(schema, "", schema), ""]
    for section, (key, heading, shared) in CHOICES.items():
        for choice, part in _choices(schema["properties"][section]["additionalProperties"], schema).items():
            rows = list(_rows(part, f"{section}.{{name}}", schema, leave_out=(key, *shared)))
            if rows:
                lines += [f"## {heading} `{choice}`", "", *HEAD, *rows, ""]
    return "\n".join(lines).rstrip() + "\n"


def _rows(part: Part, path: str, schema: Part, leave_out: tuple[str, ...] = ()) -> Iterator[str]:
    """A row for every key of a section, each followed by those of the section it holds."""
    for key, below in part["properties"].items():
        if key in leave_out:
            continue
        target = _resolved(below, schema)
        where = f"{path}.{key}" if path else key
        meaning = target["description"].replace("|", "\\|")
        default = _default(below, key in part.get("required", ()))
        yield f"| `{where}` | {meaning} | {_values(target)} | {default} |"
        # a key may hold a section, or something else or a section
        for one in [target, *target.get("oneOf", [])]:
            if "properties" in (inner := _resolved(one, schema)):
                yield from _rows(inner, where, schema)
        if isinstance(target.get("additionalProperties"), dict):
            yield from _rows_of_named(target["additionalProperties"], f"{where}.{{name}}", schema)


def _rows_of_named(part: Part, path: str, schema: Part) -> Iterator[str]:
    """The keys of sections that a user names; if a choice decides on the keys, only those of all choices."""
    if "discriminator" in part:
        key, _, shared = CHOICES[path.partition(".")[0]]
        models = list(_choices(part, schema).values())
        together = {key: models[0]["properties"][key] | {"enum": list(_choices(part, schema))}}
        together |= {name: models[0]["properties"][name] for name in shared}
        yield from _rows({"properties": together, "required": [key]}, path, schema)
    elif "properties" in (inner := _resolved(part.get("anyOf", [part])[0], schema)):
        yield from _rows(inner, path, schema)


def _choices(part: Part, schema: Part) -> dict[str, Part]:
    """Kind or method → its section."""
    key, models = part["discriminator"]["propertyName"], [_resolved(each, schema) for each in part["oneOf"]]
    return {model["properties"][key]["const"]: model for model in models}


def _resolved(part: Part, schema: Part) -> Part:
    """A part with what it refers to; its own keywords come first."""
    return schema["$defs"][part["$ref"].rsplit("/", 1)[1]] | part if "$ref" in part else part


def _default(part: Part, required: bool) -> str:
    if required:
        return "required"
    if part.get("default") in ({}, None):
        return ""
    return f"`{json.dumps(part['default'])}`"


def _values(part: Part) -> str:
    """Type or choices, and range."""
    if "enum" in part:
        return ", ".join(f"`{value}`" if value else "empty" for value in part["enum"])
    if "oneOf" in part:
        return " or ".join(_values(each) for each in part["oneOf"])
    if "$ref" in part:
        return NAMES["object"]
    if "items" in part and "enum" in part["items"]:
        return f"{NAMES['array']} of {_values(part['items'])}"
    kind = str(part["type"])
    bounds = [f"{sign} {part[name]}" for name, sign in BOUNDS.items() if name in part]
    return " ".join([NAMES.get(kind, kind), ", ".join(bounds)]).strip()


if __name__ == "__main__":
    for path, text in zip(sys.argv[1:], (reference(), schema_file()), strict=True):
        Path(path).write_text(text, encoding="utf-8")
