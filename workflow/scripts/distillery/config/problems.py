"""Turn pydantic's validation error into one line that names the key, the value and what to write instead."""

from __future__ import annotations

import re
from decimal import Decimal
from difflib import get_close_matches
from typing import Any, get_args, get_origin

from pydantic import ValidationError

from distillery.config.choices import NAME_PATTERN
from distillery.config.defaults import model_of
from distillery.config.models.fields import Section
from distillery.config.models.search_sources import BING_SIZE_PATTERN
from distillery.config.models.study import Study

Path = tuple[Any, ...]  # keys and list indices that lead to a value, the outermost first

TYPES = {
    "string_type": "string",
    "int_type": "integer",
    "float_type": "number",
    "finite_number": "number",
    "bool_type": "boolean",
    "clean": "boolean or keys and values",
    "list_type": "list",
    "guidance": "number or list",
    "pretrained": "boolean or text",
}
PATTERNS = {
    NAME_PATTERN: "name {} may have only a-z, A-Z, 0-9, _ and -, must start with a letter or digit, and has at most 100"
    " characters",
    BING_SIZE_PATTERN: "{} is not one of large, medium, icon, wallpaper, nor a size such as 800x600",
}
MAPPINGS = ("dict_type", "model_type", "model_attributes_type")
BOUNDS = {
    "greater_than_equal": ("ge", "less than the minimum of"),
    "greater_than": ("gt", "not greater than"),
    "less_than_equal": ("le", "greater than the maximum of"),
    "less_than": ("lt", "not less than"),
    "multiple_of": ("multiple_of", "not a multiple of"),
}


def first_problem(config: dict[str, Any], error: ValidationError) -> str:
    """The first wrong key of a configuration, in alphabetical order, and what is wrong with it."""
    found = [(_path(each), each) for each in error.errors(include_url=False)]
    path, first = min(found, key=_order)
    same_type = [each for other, each in found if other == path and each["type"] == first["type"]]
    return f"{'.'.join(map(str, path)) or 'top level'}: {_sentence(config, path, same_type)}"


def _order(problem: tuple[Path, Any]) -> tuple[list[str], bool, bool]:
    path, error = problem
    return list(map(str, path)), error["type"] != "extra_forbidden", error["type"] != "missing"


def _path(error: Any) -> Path:
    """The path of a problem. For an unknown key, a missing key or a wrong name, it is the path of the section."""
    path, kind = error["loc"], error["type"]
    if path[:1] in (("sources",), ("arms",)) and path[2:3] != ("[key]",):
        path = path[:2] + path[3:]  # pydantic inserts the kind or method
    if path[:1] == ("sources",) and path[2:3] == ("guidance",):
        path = path[:3]  # pydantic appends which of two types it took the value for
    if path[:1] == ("sources",) and path[2:4] == ("from", "strength"):
        path = path[:4]
    if path[:1] == ("scenarios",) and path[2:3] == ("clean",):  # pydantic inserts which of two types it took
        path = path[:3] + path[4:]
    if path[1:2] == ("pretrained",):
        path = path[:2]
    if path[-1:] == ("[key]",):
        path = path[:-2]
    elif kind in ("extra_forbidden", "missing"):
        path = path[:-1]
    return (*path, error["ctx"]["discriminator"].strip("'")) if kind == "union_tag_invalid" else path


def _sentence(config: dict[str, Any], path: Path, errors: list[Any]) -> str:
    """What is wrong at a path, for one or several errors of the same type."""
    error, kind, value = errors[0], errors[0]["type"], errors[0]["input"]
    context = error.get("ctx", {})
    if kind == "extra_forbidden":
        unknown = sorted(str(each["loc"][-1]) for each in errors)
        model = _model_at(config, path)
        known = ", ".join(model.model_fields)
        return f"unknown key {', '.join(unknown)}; known are {known}{_meant(config, path, unknown[0], model)}"
    if kind == "missing":
        return f"key {', '.join(each['loc'][-1] for each in errors)} is missing"
    if kind == "union_tag_not_found":
        return f"key {context['discriminator'].strip(chr(39))} is missing"
    if kind in MAPPINGS:
        example = "; write each as a key: {cat: , dog: }" if path == ("classes",) and value else ""
        return f"{_short(value)} is not keys and values{example}"
    if kind in TYPES:
        return f"{_short(value)} is not of type {TYPES[kind]}{_hint(TYPES[kind], value)}"
    if kind == "union_tag_invalid":
        return f"{_short(value[path[-1]])} is not one of {_choices(context['expected_tags'])}"
    if kind == "network":
        return f"{_short(value)} {error['msg']}"
    if kind == "literal_error":
        return f"{_short(value)} is not one of {_choices(context['expected'])}"
    if kind in BOUNDS:
        name, words = BOUNDS[kind]
        return f"{_short(value)} is {words} {context[name]:g}"
    if kind == "string_pattern_mismatch":
        return PATTERNS[context["pattern"]].format(_short(value))
    if kind == "too_short" and context["field_type"] == "Dictionary":
        return f"{context['actual_length']} given, at least {context['min_length']} needed"
    if kind in ("too_short", "string_too_short"):
        return f"{_short(value)} is too short, at least {context['min_length']} needed"
    if kind == "too_long":
        return f"{_short(value)} is too long, at most {context['max_length']} allowed"
    if kind == "not_unique":
        return f"{_short(value)} has the same value twice"
    return f"{_short(value)}: {error['msg']}"


def _model_at(config: dict[str, Any], path: Path) -> type[Section]:
    """The model of the section at a path."""
    model: type[Section] = Study
    by_name: Any = None  # the annotation of sections that the user names, such as those in sources
    for key in path:
        config = config[key]
        annotation = by_name or model.model_fields[key].annotation
        by_name = get_args(annotation)[1] if get_origin(annotation) is dict else None
        model = model_of(annotation, config) or model
    return model


def _meant(config: dict[str, Any], path: Path, unknown: str, model: type[Section]) -> str:
    """The key that the user probably meant by an unknown one, as a question; empty if there is none."""
    if path[:1] == ("scenarios",) and len(path) == 2 and unknown in config.get("sources", {}):
        return f". Did you mean train: {{{unknown}: …}}?"
    deeper = [
        f"{name}.{unknown}"
        for name, field in model.model_fields.items()
        if (inner := model_of(field.annotation, {})) and unknown in inner.model_fields
    ]
    near = deeper or get_close_matches(unknown, model.model_fields, n=1, cutoff=0.7)
    return f". Did you mean {' or '.join(near)}?" if near else ""


def _hint(wanted: str, value: Any) -> str:
    """What to write instead, if YAML reads another type than the user meant."""
    if wanted == "string" and isinstance(value, int | float):  # YAML reads 2024 as a number, yes as true
        return "; put it in quotes"
    if wanted in ("number", "integer") and (number := _number_meant(value)) is not None:
        return f"; YAML takes it for text, write {number}"
    return ""


def _number_meant(text: Any) -> str | None:
    """The number in a text such as 1e-3, written as YAML reads it; None if it is no number or of unusual size."""
    if not isinstance(text, str):
        return None
    try:
        number = float(text)
    except ValueError:
        return None
    return f"{Decimal(repr(number)).normalize():f}" if 1e-6 <= abs(number) < 1e15 else None


def _choices(quoted: str) -> str:
    """Pydantic's list of choices, such as "'', 'photo' or 'face'", with quotes only around the empty text."""
    return ", ".join(choice or "''" for choice in re.findall(r"'([^']*)'", quoted))


def _short(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 60 else text[:57] + "..."
