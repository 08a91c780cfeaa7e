"""Tests the students of one scenario and arm on the common test images, and on those of other sources.

Testing is separate from training: if the common test grows, students are tested again without being trained again.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import pyarrow as pa

from distillery.distillation.not_run import write_evaluation_not_run
from distillery.jobs import UserError, log, progress
from distillery.splits.planned_images import gather_images, open_pixels
from distillery.storage.files import atomic_write
from distillery.storage.parquet import read_parquet, write_parquet
from distillery.training.run_files import RunName

if TYPE_CHECKING:
    from distillery.training.data.dataset import ImageDataset

OTHER_SCHEMA = pa.schema(
    [
        ("scenario", pa.string()),
        ("arm", pa.string()),
        ("seed", pa.int16()),
        ("source", pa.string()),
        ("row", pa.int32()),  # in the source's curated pixels
        ("label", pa.int16()),
        ("predicted", pa.int16()),
    ]
)
NOT_IN_METRICS = ("classes", "val_accuracy")  # facts of a training not copied; val_accuracy is added as the last key


class StudentFiles(NamedTuple):
    """The files of one student: two that its training wrote, and two to write."""

    weights: str
    training: str
    predictions: str
    metrics: str


def evaluate_students(
    students: Sequence[StudentFiles],
    splits: str | Path,
    pixels: Sequence[str | Path],
    other_predictions: str | Path,
    *,
    sources: Sequence[str],
    common: Sequence[str],
    classes: Sequence[str],
    threads: int = 0,
) -> None:
    """Test the students of a scenario and arm on the test images of the classes that they were trained on.

    If the scenario is not run, the tables have no rows and the metrics hold the reason.

    Args:
        students: one a seed.
        splits: every image's split.
        pixels: curated `.npy` of each of `sources`.
        other_predictions: the `.parquet` to write, columns of `OTHER_SCHEMA`: the predictions of all students on the
            test images of the sources that are not in `common`.
        sources: all sources with test images, in the study's order.
        common: sources of the common test.
        classes: names of the study's C classes.
        threads: CPU threads; 0 leaves PyTorch's default.

    Raises:
        UserError: a file is damaged.
    """
    facts = [_read_training(student.training) for student in students]
    if reason := facts[0].get("not_run", ""):
        log.info("these students are not run: %s", reason)
        for student in students:
            files = {"predictions": student.predictions, "metrics": student.metrics}
            write_evaluation_not_run(reason, classes=len(classes), **files)
        _write_others(other_predictions, [])
        return
    # here, since students of a scenario that is not run need no torch
    import torch

    from distillery.models.weights import load_weights
    from distillery.training.data.dataset import ImageDataset
    from distillery.training.hardware import choose_device
    from distillery.training.prediction import predict_classes, write_predictions

    trained = np.array([classes.index(name) for name in facts[0]["classes"]])
    arrays = open_pixels(pixels, sources)
    common_test, other_test = (
        ImageDataset.of(gather_images(arrays, *columns))
        for columns in _test_images(splits, trained, common, [name for name in sources if name not in common])
    )
    device = choose_device(threads)
    others = []
    for student, fact in zip(progress(students, label="students tested", unit="students"), facts, strict=True):
        network = load_weights(student.weights, classes).network.to(device).to(memory_format=torch.channels_last)
        logits, predicted = predict_classes(network, common_test.pixels, torch.from_numpy(trained))
        write_predictions(student.predictions, common_test, logits, predicted)
        metrics = run_metrics(fact, common_test, predicted, sources, classes)
        atomic_write(student.metrics, json.dumps(metrics, indent=2) + "\n")
        if len(other_test):
            _, predicted = predict_classes(network, other_test.pixels, torch.from_numpy(trained))
            others.append(_other_columns(RunName.of(student.weights), other_test, predicted))
    _write_others(other_predictions, others)


def _read_training(path: str | Path) -> dict[str, Any]:
    try:
        facts: dict[str, Any] = json.loads(Path(path).read_text(encoding="utf-8"))
        if "not_run" not in facts:
            facts["classes"], facts["val_accuracy"]
    except (ValueError, KeyError, TypeError) as error:
        raise UserError(f"{path} does not hold a training's facts ({error!r}). Delete it and run again.") from error
    return facts


def _test_images(
    splits: str | Path, trained: np.ndarray, common: Sequence[str], others: Sequence[str]
) -> tuple[tuple[np.ndarray, ...], tuple[np.ndarray, ...]]:
    """Source, row and label of the test images of the common sources and of the others.

    Args:
        splits: every image's split.
        trained: labels of the classes trained on.
    """
    table = read_parquet(splits, ["source", "row", "label", "split", "rank"])
    tested = (table["split"] == "test") & np.isin(table["label"], trained)
    # an order that does not depend on when images were retrieved
    order = np.lexsort((table["rank"], table["label"], table["source"].astype(str)))
    in_common = order[(tested & np.isin(table["source"], list(common)))[order]]
    in_others = np.flatnonzero(tested & np.isin(table["source"], list(others)))
    names = ("source", "row", "label")
    return tuple(table[name][in_common] for name in names), tuple(table[name][in_others] for name in names)


def run_metrics(
    training: Mapping[str, Any],
    test: ImageDataset,
    predicted: np.ndarray,
    sources: Sequence[str],
    classes: Sequence[str],
) -> dict[str, Any]:
    """The metrics of a run: the facts of its training, and its accuracy on the common test images.

    Args:
        training: from its `training.json`.
        test: the common test images, N.
        predicted: int [N].
        sources, classes: all names, in the study's order.
    """
    from distillery.training.prediction import by_class, fraction

    labels = test.labels.numpy()
    correct = predicted == labels
    by_source = {name: correct[test.sources == name] for name in sources if (test.sources == name).any()}
    return {
        **{name: value for name, value in training.items() if name not in NOT_IN_METRICS},
        "n_test": len(test),
        "accuracy": fraction(correct),
        "by_source": {name: {"accuracy": fraction(part), "n": len(part)} for name, part in by_source.items()},
        "per_class": by_class(correct, labels, classes),
        "val_accuracy": training["val_accuracy"],
    }


def _other_columns(run: RunName, images: ImageDataset, predicted: np.ndarray) -> dict[str, np.ndarray]:
    """The columns of `OTHER_SCHEMA` for one student."""
    columns = {name: np.full(len(images), value, dtype=object) for name, value in run._asdict().items()}
    columns["seed"] = np.full(len(images), run.seed)
    return columns | {
        "source": images.sources,
        "row": images.rows,
        "label": images.labels.numpy(),
        "predicted": predicted,
    }


def _write_others(path: str | Path, parts: Sequence[Mapping[str, np.ndarray]]) -> None:
    columns = {name: [value for part in parts for value in part[name]] for name in OTHER_SCHEMA.names}
    write_parquet(path, columns, OTHER_SCHEMA)
