"""Fill missing keys of a configuration with the defaults of the models."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from types import UnionType
from typing import Annotated, Any, Union, get_args, get_origin

from pydantic.fields import FieldInfo

from distillery.config.models.arms import ARMS
from distillery.config.models.fields import Section
from distillery.config.models.recipes import RecipeConfig
from distillery.config.models.sources import SOURCES
from distillery.config.models.study import Study

# key whose value decides a section's model → value → model
TAGGED: dict[str, Mapping[str, type[Section]]] = {"kind": SOURCES, "method": ARMS}


def fill_defaults(section: dict[str, Any], model: type[Section] = Study) -> None:
    """Fill missing keys of a valid section with the model's defaults, in place and at every depth."""
    for key, field in model.model_fields.items():
        if key not in section and has_default(field):
            section[key] = copy.deepcopy(field.default)
    for key, value in section.items():
        for inner, below in sections_below(model.model_fields[key].annotation, value):
            fill_defaults(inner, below)


def has_default(field: FieldInfo) -> bool:
    """Whether a key that is left out gets a default value; keys made by `fields.optional` do not."""
    return not field.is_required() and field.default is not None


def sections_below(annotation: Any, value: Any) -> list[tuple[dict[str, Any], type[Section]]]:
    """The sections in a key's value, each with its model: the value itself, or the sections that it holds by name."""
    if get_origin(annotation) is dict:
        inner = get_args(annotation)[1]
        return [(section, model) for section in value.values() if (model := model_of(inner, section))]
    model = model_of(annotation, value)
    return [(value, model)] if model else []


def model_of(annotation: Any, section: Any) -> type[Section] | None:
    """The model of a section; None if the value is no section.

    If its key's annotation allows several models, the section's kind or method decides.
    """
    if get_origin(annotation) is Annotated:
        annotation = get_args(annotation)[0]
    if not isinstance(section, dict):
        return None
    if get_origin(annotation) not in (Union, UnionType):
        return annotation if isinstance(annotation, type) and issubclass(annotation, Section) else None
    models = [found for choice in get_args(annotation) if (found := model_of(choice, section))]
    if len(models) == 1:
        return models[0]
    return next((found[section[tag]] for tag, found in TAGGED.items() if section.get(tag) in found), None)


def defaults_of(model: type[Section]) -> dict[str, Any]:
    """The defaults of a model's keys and of the sections in it."""
    section: dict[str, Any] = {}
    fill_defaults(section, model)
    return section


def recipe_defaults() -> dict[str, Any]:
    """The training recipe's defaults; network, steps, batch and lr are missing, as teacher and student differ."""
    return defaults_of(RecipeConfig)


def arm_defaults(method: str) -> dict[str, Any]:
    """An arm with this method and defaults for all other keys."""
    return {"method": method} | defaults_of(ARMS[method])


def source_defaults(kind: str) -> dict[str, Any]:
    """A source of this kind with defaults for all other keys; keys without a default are missing."""
    return {"kind": kind} | defaults_of(SOURCES[kind])
