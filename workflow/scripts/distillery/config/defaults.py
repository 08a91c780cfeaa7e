"""The defaults of the models, put into a configuration where a key is missing."""

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

# the keys that decide a section's model
TAGGED: dict[str, Mapping[str, type[Section]]] = {"kind": SOURCES, "method": ARMS}


def fill_defaults(section: dict[str, Any], model: type[Section] = Study) -> None:
    """Put a model's defaults where a valid section lacks a key, in place and at every depth."""
    for key, field in model.model_fields.items():
        if key not in section and has_default(field):
            section[key] = copy.deepcopy(field.default)
    for key, value in section.items():
        for inner, below in sections_below(model.model_fields[key].annotation, value):
            fill_defaults(inner, below)


def has_default(field: FieldInfo) -> bool:
    """Whether a key that is left out gets a value; see `fields.optional`."""
    return not field.is_required() and field.default is not None


def sections_below(annotation: Any, value: Any) -> list[tuple[dict[str, Any], type[Section]]]:
    """The sections in the value of a key, each with its model: the value itself, or those it holds by name."""
    if get_origin(annotation) is dict:
        inner = get_args(annotation)[1]
        return [(section, model) for section in value.values() if (model := model_of(inner, section))]
    model = model_of(annotation, value)
    return [(value, model)] if model else []


def model_of(annotation: Any, section: Any) -> type[Section] | None:
    """The model of a section: what its key is annotated with, or the choice that its kind or method makes."""
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
    """The defaults of a model's keys, those of the sections in it too."""
    section: dict[str, Any] = {}
    fill_defaults(section, model)
    return section


def recipe_defaults() -> dict[str, Any]:
    """The training recipe without network, steps, batch and lr: their defaults differ for teacher and student."""
    return defaults_of(RecipeConfig)


def arm_defaults(method: str) -> dict[str, Any]:
    """An arm of which only the method is given."""
    return {"method": method} | defaults_of(ARMS[method])


def source_defaults(kind: str) -> dict[str, Any]:
    """A source of which only the kind is given; keys without a default are missing."""
    return {"kind": kind} | defaults_of(SOURCES[kind])
