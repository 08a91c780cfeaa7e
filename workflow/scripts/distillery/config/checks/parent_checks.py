"""Checks of derived sources: those made from the train images of another source, their parent.

Sources that are not derived are split first, because derived images come from train images. So a derived source cannot
be a parent itself, has no test or validation images, and is not among the teacher's sources.
"""

from __future__ import annotations

from collections.abc import Iterator
from math import ceil
from pathlib import Path
from typing import Any

from distillery.config.queries.source_queries import kept_by_teacher, parent_of, source_of_adapter, source_of_titles

MADE_FROM = (parent_of, source_of_titles, source_of_adapter)  # functions that name a source's parent, if it has one
OTHER_WEIGHTS = (".bin", ".ckpt", ".pt", ".pth", ".pkl")
TEACHER_SOURCES = ("train_sources", "test_sources")


def parent_problems(config: dict[str, Any]) -> Iterator[str]:
    """The problems of all derived sources, and of LoRAs, one line each."""
    for name in config["sources"]:
        if parent := parent_of(config, name):
            yield from _parent_problems(config, f"sources.{name}.from.source", name, parent)
            yield from _place_problems(config, name, f"{name} is made from train images of {parent}", parent)
            yield from _strength_problems(config, name)
        if parent := source_of_titles(config, name):
            yield from _parent_problems(config, f"sources.{name}.prompts_from.titles", name, parent)
            yield from _place_problems(config, name, f"{name} is made from titles of train images of {parent}", parent)
        if parent := source_of_adapter(config, name):
            yield from _parent_problems(config, f"sources.{name}.adapt.source", name, parent)
            yield from _place_problems(config, name, f"{name} is made by a model that saw {parent}", parent)
            if parent_of(config, name) not in ("", parent):
                yield f"sources.{name}.adapt.source: key from names {parent_of(config, name)}; use one source for both"
        yield from _lora_problems(config["sources"][name], f"sources.{name}")
        if source_of_titles(config, name) and config["sources"][name]["prompt_style"] != "published":
            yield f"sources.{name}.prompts_from: titles are complete prompts; remove prompt_style"


def _lora_problems(source: dict[str, Any], key: str) -> Iterator[str]:
    if not (lora := source.get("lora")):
        return
    path = Path(lora["path"])
    if "adapt" in source:
        yield f"{key}.lora: the key adapt also trains a LoRA for this model; remove one of the two"
    if lora["file"] and not lora["file"].endswith(".safetensors"):
        yield f"{key}.lora.file: {lora['file']} is no .safetensors file; other formats are not loaded"
    if path.is_dir():
        yield f"{key}.lora.path: {path} is a folder; name the .safetensors file in it"
    elif path.suffix != ".safetensors" and (path.exists() or path.suffix in OTHER_WEIGHTS):
        yield f"{key}.lora.path: {path} is no .safetensors file; other formats may run code when they are loaded"
    elif path.suffix == ".safetensors" and not path.exists():
        yield f"{key}.lora.path: there is no file {path}"


def _place_problems(config: dict[str, Any], name: str, why: str, parent: str) -> Iterator[str]:
    """Problems of a derived source that is used for testing, for validation, or by the teacher.

    Args:
        name, parent: the derived source, and the source that it is made from.
        why: how it is made from its parent, in words.
    """
    for key in ("test", "val"):
        if name in config["split"][key]:
            yield (
                f"split.{key}: {why}, so its images are only for training; remove {name} here. Use {parent}, or another"
                " source that is not made from it"
            )
    data = config["teacher"]["data"]
    for key in TEACHER_SOURCES if data.get("kind") == "sources" else ():
        if name in data[key]:
            yield f"teacher.data.{key}: {why}; use a source that is not made from another one"


def _parent_problems(config: dict[str, Any], key: str, name: str, parent: str) -> Iterator[str]:
    """Problems of a parent that cannot be one."""
    if parent not in config["sources"]:
        yield f"{key}: unknown source {parent}; known are {', '.join(config['sources'])}"
    elif parent == name:
        yield f"{key}: {name} cannot be made from itself; name another source"
    elif grandparent := next(filter(None, (of(config, parent) for of in MADE_FROM)), ""):
        yield f"{key}: {parent} is itself made from {grandparent}; name {grandparent}, or another source"
    elif kept_by_teacher(config, parent):
        yield f"{key}: the teacher chooses the images of {parent} (keep); name a source that it does not choose"
    elif labels := config["sources"][parent].get("labels"):
        yield f"{key}: {parent} has no labels of its own (labels: {labels}); name a source with labels"


def _strength_problems(config: dict[str, Any], name: str) -> Iterator[str]:
    source, key = config["sources"][name], f"sources.{name}.from.strength"
    strength = source["from"]["strength"]
    low, high = strength if isinstance(strength, list) else (strength, strength)
    if low > high:
        yield f"{key}: {low} is more than {high}; give the lowest strength first"
    elif int(source["steps"] * low) < 1:
        least = ceil(1000 / source["steps"]) / 1000
        yield f"{key}: {low} of {source['steps']} steps is less than one step; raise it to {least} or more"
