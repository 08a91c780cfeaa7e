"""Write the configuration's reference page, docs/configuration.md, from the models: `make docs`."""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from distillery.config.schema import json_schema, schema_file

INTRODUCTION = """# The configuration

`config.yaml` holds everything that defines a study. Numbers of images are totals over all classes; only `per_class`
counts the images of one class. If a value is wrong, the study ends with one line that names the key. `make docs` writes
this page and the JSON schema `workflow/schemas/config.schema.yaml` from the models in
`workflow/scripts/distillery/config`.
"""

HEAD = ("| key | meaning | values | default |", "|---|---|---|---|")
# by section: the key whose value decides which other keys there are, the heading for each of its values, and the keys
# that are listed only once for all values
CHOICES = {"sources": ("kind", "A source of kind", ()), "arms": ("method", "An arm of method", ("tune",))}
NAMES = {"object": "keys and values", "array": "list", "string": "text", "boolean": "`true`, `false`"}
BOUNDS = {"minimum": "≥", "exclusiveMinimum": ">", "maximum": "≤", "exclusiveMaximum": "<"}

Part = dict[str, Any]  # a part of the JSON schema


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
    """A row for every key of a section, followed by rows for the keys inside its value."""
    for key, below in part["properties"].items():
        if key in leave_out:
            continue
        target = _resolved(below, schema)
        where = f"{path}.{key}" if path else key
        meaning = target["description"].replace("|", "\\|")
        default = _default(below, key in part.get("required", ()))
        yield f"| `{where}` | {meaning} | {_values(target)} | {default} |"
        # the value may be a section, or a choice of several types, of which one is a section
        for choice in [target, *target.get("oneOf", [])]:
            if "properties" in (inner := _resolved(choice, schema)):
                yield from _rows(inner, where, schema)
        if isinstance(target.get("additionalProperties"), dict):
            yield from _rows_of_named(target["additionalProperties"], f"{where}.{{name}}", schema)


def _rows_of_named(part: Part, path: str, schema: Part) -> Iterator[str]:
    """Rows for sections that the user names. If kind or method decides their keys, only the keys that all share."""
    if "discriminator" in part:
        key, _, shared = CHOICES[path.partition(".")[0]]
        models = list(_choices(part, schema).values())
        properties = {key: models[0]["properties"][key] | {"enum": list(_choices(part, schema))}}
        properties |= {name: models[0]["properties"][name] for name in shared}
        yield from _rows({"properties": properties, "required": [key]}, path, schema)
    elif "properties" in (inner := _resolved(part.get("anyOf", [part])[0], schema)):
        yield from _rows(inner, path, schema)


def _choices(part: Part, schema: Part) -> dict[str, Part]:
    """The section of each kind or method, by its name."""
    key, models = part["discriminator"]["propertyName"], [_resolved(each, schema) for each in part["oneOf"]]
    return {model["properties"][key]["const"]: model for model in models}


def _resolved(part: Part, schema: Part) -> Part:
    """A part of the schema with its `$ref` replaced by the definition; the part's own keywords take precedence."""
    return schema["$defs"][part["$ref"].rsplit("/", 1)[1]] | part if "$ref" in part else part


def _default(part: Part, required: bool) -> str:
    if required:
        return "required"
    if part.get("default") in ({}, None):
        return ""
    return f"`{json.dumps(part['default'])}`"


def _values(part: Part) -> str:
    """The type or the choices of a value, and its range."""
    if "enum" in part:
        # false is how YAML reads the choice off, which is listed too
        return ", ".join(f"`{value}`" if value else "empty" for value in part["enum"] if value is not False)
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
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("reference", type=Path, help="the .md to write")
    parser.add_argument("schema", type=Path, help="the .yaml of the JSON schema to write")
    options = parser.parse_args()
    options.reference.write_text(reference(), encoding="utf-8")
    options.schema.write_text(schema_file(), encoding="utf-8")
