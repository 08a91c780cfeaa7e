"""What exported students and the teacher cost: accuracy, size, speed and memory, all measured on this machine."""

from __future__ import annotations

import json
import platform
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import pandas as pd
import torch
from scipy.stats import binomtest
from torch import nn

from distillery.analysis.formatting import decimals
from distillery.analysis.statistics import estimate
from distillery.deployment.speed import measure_speed
from distillery.deployment.teacher_files import count_weights, write_teacher_file
from distillery.jobs import log
from distillery.models.weights import TrainedNetwork, load_weights
from distillery.splits.planned_images import gather_images, open_pixels
from distillery.storage.parquet import read_parquet
from distillery.training.data.dataset import as_channels_last
from distillery.training.prediction import predict_classes

BATCH = 64
DEPLOYMENT_COLUMNS = (
    *("model", "scenario", "arm", "precision", "n_test", "accuracy_percent", "accuracy_low", "accuracy_high"),
    *("difference", "difference_low", "difference_high", "agreement_percent"),
    *(
        "file_bytes",
        "parameters",
        "multiply_adds",
        "latency_ms",
        "images_per_second",
        "peak_mb",
        "threads",
        "cpu",
        "note",
    ),
)


@dataclass(frozen=True)
class ExportedStudent:
    """Files of one student: its ONNX files in float32 and int8, its weights, and its predictions of the test images."""

    scenario: str
    arm: str
    model: str
    int8: str
    weights: str
    predictions: str


@dataclass(frozen=True)
class Tested:
    """A file's predicted classes for the test images and whether each is correct: int [N] and bool [N]."""

    predicted: np.ndarray
    correct: np.ndarray


def deployment_table(
    students: Sequence[ExportedStudent],
    teacher: str | Path,
    pixels: Mapping[str, str | Path],
    *,
    threads: int,
    note: str = "",
) -> pd.DataFrame:
    """One row a file: the teacher's, then each student's in float32 and int8.

    Args:
        students: what was exported.
        teacher: its weights. It is exported for the measurement, unless it is an ONNX file itself. If it cannot be
            exported, its row has no numbers and the note says why.
        pixels: curated `.npy` by source.
        threads: CPU threads, for latency and throughput.
        note: column `note` of every row.
    """
    arrays = open_pixels(list(pixels.values()), list(pixels))
    rows = _teacher_rows(students, teacher, arrays, threads)
    for student in students:
        trained = load_weights(student.weights)
        images, labels = _test_images([student.predictions], arrays)
        cost = _cost(trained)
        about = {"model": f"{student.scenario}.{student.arm}", "scenario": student.scenario, "arm": student.arm}
        float32 = _test(student.model, images, labels, trained.classes)
        rows.append(about | {"precision": "float32"} | cost | _row(student.model, float32, threads))
        int8 = _test(student.int8, images, labels, trained.classes)
        rows.append(about | {"precision": "int8"} | cost | _row(student.int8, int8, threads) | _against(float32, int8))
    table = pd.DataFrame(rows).reindex(columns=list(DEPLOYMENT_COLUMNS)).astype(object).fillna("")
    notes = ["; ".join(filter(None, (note, own))) for own in table["note"]]
    return table.assign(cpu=cpu_name(), note=notes)


def _teacher_rows(
    students: Sequence[ExportedStudent], teacher: str | Path, arrays: Mapping[str, np.ndarray], threads: int
) -> list[dict[str, Any]]:
    trained, about = load_weights(teacher), {"model": "teacher", "precision": "float32"}
    images, labels = _test_images([student.predictions for student in students], arrays)
    with tempfile.TemporaryDirectory() as folder:
        file = write_teacher_file(trained, folder)
        if file.path is None:
            log.warning("the teacher is not measured: %s", file.reason)
            return [about | {"note": f"not measured: {file.reason}"}]
        if file.shape:  # its outputs are other classes, which the network maps to the study's
            _, predicted = predict_classes(trained.network, as_channels_last(images))
            tested, cost = Tested(predicted, predicted == labels), {"parameters": count_weights(file.path)}
        else:
            tested, cost = _test(file.path, images, labels, trained.classes), _cost(trained)
        return [about | cost | _row(file.path, tested, threads, file.shape)]


def _cost(trained: TrainedNetwork) -> dict[str, int]:
    multiply_adds = count_multiply_adds(trained.network, trained.image_size)
    return {"parameters": count_parameters(trained.network), "multiply_adds": multiply_adds}


def _test_images(predictions: Sequence[str | Path], arrays: Mapping[str, np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
    """The test images of some runs, each once, uint8 [N, S, S, 3], and their labels [N].

    Students of some classes are tested on images of these alone.
    """
    tables = [pd.DataFrame(read_parquet(path, ["source", "row", "label"])) for path in predictions]
    table = pd.concat(tables).drop_duplicates(["source", "row"])
    found = gather_images(arrays, *(table[name].to_numpy() for name in ("source", "row", "label")))
    return found.pixels, found.labels


def _test(model: str | Path, images: np.ndarray, labels: np.ndarray, classes: Sequence[str]) -> Tested:
    """Test a file. `labels` are indices into the study's `classes`; the file may have fewer classes."""
    session = onnxruntime.InferenceSession(str(model), providers=["CPUExecutionProvider"])
    own = json.loads(session.get_modelmeta().custom_metadata_map["classes"])
    parts = [
        session.run(None, {"images": np.ascontiguousarray(images[start : start + BATCH])})[0].argmax(axis=1)
        for start in range(0, len(images), BATCH)
    ]
    places = np.array([list(classes).index(name) for name in own])
    predicted = places[np.concatenate(parts)]
    return Tested(predicted, predicted == labels)


def _row(model: str | Path, tested: Tested, threads: int, shape: Sequence[int] = ()) -> dict[str, Any]:
    speed = measure_speed(model, threads, shape)
    n, correct = len(tested.correct), int(tested.correct.sum())
    interval = binomtest(correct, n).proportion_ci(method="wilson")
    return {
        "n_test": n,
        "accuracy_percent": decimals(100 * correct / n),
        "accuracy_low": decimals(100 * interval.low),
        "accuracy_high": decimals(100 * interval.high),
        "file_bytes": Path(model).stat().st_size,
        "latency_ms": f"{speed.latency_ms:.3f}",
        "images_per_second": f"{speed.images_per_second:.0f}",
        "peak_mb": f"{speed.peak_mb:.1f}",
        "threads": threads,
    }


def _against(before: Tested, after: Tested) -> dict[str, str]:
    """The paired difference in accuracy between two files of one network, and how often their predictions agree."""
    found = estimate(100 * (after.correct.astype(float) - before.correct))
    agreement = 100 * float((before.predicted == after.predicted).mean())
    ends = {"difference_low": decimals(found.low), "difference_high": decimals(found.high)}
    return {"difference": decimals(found.mean), **ends, "agreement_percent": decimals(agreement)}


def count_parameters(network: nn.Module) -> int:
    """The number of a network's parameters."""
    return sum(weight.numel() for weight in network.parameters())


def count_multiply_adds(network: nn.Module, side: int) -> int:
    """Multiply-adds of convolutions and linear layers for one image of `side` pixels; other layers are not counted."""
    total = 0

    def count(module: nn.Module, inputs: Any, output: torch.Tensor) -> None:
        nonlocal total
        if isinstance(module, nn.Conv2d):
            total += output[0].numel() * module.weight[0].numel()
        elif isinstance(module, nn.Linear):
            total += output[0].numel() * module.in_features

    hooks = [module.register_forward_hook(count) for module in network.modules()]
    mode = network.training
    try:
        with torch.inference_mode():
            network.eval()(torch.zeros(1, 3, side, side))
    finally:
        network.train(mode)
        for hook in hooks:
            hook.remove()
    return total


def cpu_name() -> str:
    """The CPU's name according to the operating system."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
        return next(line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    except (OSError, StopIteration):
        return platform.processor() or platform.machine()
