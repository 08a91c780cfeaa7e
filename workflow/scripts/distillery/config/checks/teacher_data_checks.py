"""Checks of the images that a teacher is trained and tested on."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from distillery.cifar10 import CIFAR10
from distillery.config.queries.source_queries import classes_of, used_sources
from distillery.config.queries.training_queries import kinds_of_teacher

TEACHER_PLACES = (("path", "inside"), ("test_path", "test_inside"))  # keys for the teacher's train and test images


def teacher_data_problems(config: dict[str, Any]) -> Iterator[str]:
    """The problems of `teacher.data` and `teacher.seeds`, one line each. Fills in the kind of data."""
    trained = "train" in kinds_of_teacher(config)
    config["teacher"]["data"].setdefault("kind", "cifar10" if trained else "none")
    if config["teacher"]["seeds"] > 1 and config["teacher"]["kind"] != "train":
        yield "teacher.seeds: only a teacher that is trained (kind: train) can have several seeds; remove the key"
    data, unknown = config["teacher"]["data"], [name for name in config["classes"] if name not in CIFAR10]
    if data["kind"] == "cifar10" and unknown:
        yield (
            f"teacher.data: CIFAR-10 has no class {', '.join(unknown)}, only {', '.join(CIFAR10)};"
            " use kind: folder or kind: sources for other classes"
        )
    if (data["kind"] == "drawn" or "demo" in config) and unknown:
        yield (
            f"classes: {', '.join(unknown)} cannot be drawn, only {', '.join(CIFAR10)};"
            " for other classes remove demo, and use another teacher.data.kind than drawn"
        )
    for key in ("train", "test"):
        if 0 < data[key] < len(config["classes"]):
            yield f"teacher.data.{key}: {data[key]} images are too few for {len(config['classes'])} classes"
    places = [Path(data[path]).resolve() / data[inside] for path, inside in TEACHER_PLACES]
    same = not data["test_path"] or places[0] == places[1]
    if data["kind"] == "folder" and same:
        yield (
            "teacher.data.test_path: the teacher would be tested on its train images; name a folder with other images"
            " than path"
        )
    if data["kind"] == "huggingface":
        yield from _teacher_dataset_problems(config, data)
    if data["kind"] == "sources":
        yield from _teacher_source_problems(config, data)


def _teacher_dataset_problems(config: dict, data: dict) -> Iterator[str]:
    if not data["dataset"]:
        yield "teacher.data.dataset: name a data set of the hub, or a folder of parquet files"
    if data["split"] == data["test_split"]:
        yield (
            "teacher.data.test_split: the teacher would be tested on its train images; name another split than"
            " teacher.data.split"
        )
    for name, source in config["sources"].items():
        same = source["kind"] == "huggingface" and source["dataset"] == data["dataset"]
        if same and source["split"] in (data["split"], data["test_split"]):
            yield (
                f"sources.{name}.split: the teacher also uses split {source['split']} of {data['dataset']}, so students"
                " would be tested on images that it knows; use another split or data set"
            )


def _teacher_source_problems(config: dict, data: dict) -> Iterator[str]:
    student_sources = used_sources(config)
    for key in ("train_sources", "test_sources"):
        known = [name for name in data[key] if name in config["sources"]]
        for name in data[key]:
            if name not in known:
                yield f"teacher.data.{key}: unknown source {name}; known are {', '.join(config['sources'])}"
            elif name in student_sources:
                yield f"teacher.data.{key}: students are trained or tested on {name}; use a source that they do not use"
            elif key == "test_sources" and name in data["train_sources"]:
                yield f"teacher.data.{key}: {name} is also in train_sources; use another source"
        covered = {label for name in known for label in classes_of(config, name)}
        if missing := [label for label in config["classes"] if label not in covered]:
            yield f"teacher.data.{key}: no source has class {', '.join(missing)}; name sources that have all classes"
