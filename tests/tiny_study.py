"""A study of three colors with two sources, plans and a teacher. It has images of 16 pixels and trains in a second."""

import json
import tempfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import torch

from distillery.config.defaults import arm_defaults, recipe_defaults
from distillery.distillation.methods.registry import arm_of
from distillery.distillation.scenario_data import ScenarioData
from distillery.distillation.student import TrainedStudent, train_student
from distillery.distillation.student_evaluation import run_metrics
from distillery.splits.planned_images import gather_images, open_pixels, read_planned_images
from distillery.training.data.dataset import ImageDataset
from distillery.training.prediction import predict_classes, write_predictions
from distillery.training.recipe import Recipe
from distillery.training.run_files import RunName

SOURCES = ["web", "drawn"]
CLASSES = ["red", "green", "blue"]
SIDE = 16
CHANGES = {"network": "resnet8_half", "steps": 24, "batch": 16, "lr": 0.1, "crop": 2, "checkpoint_every": 0}
RECIPE = Recipe.of(recipe_defaults() | CHANGES)


def draw(labels, seed, side=SIDE):
    """Noisy images uint8 [N, S, S, 3] of the labels' colors."""
    rng = np.random.default_rng(seed)
    pixels = rng.integers(0, 150, size=(len(labels), side, side, 3))
    pixels[np.arange(len(labels)), :, :, labels] += 60
    return pixels.astype(np.uint8)


@dataclass(frozen=True)
class TestedStudent:
    """A trained student with its predictions for the test images and its metrics."""

    __test__ = False  # not a test for pytest

    student: TrainedStudent
    test: ImageDataset
    logits: np.ndarray
    predicted: np.ndarray
    metrics: dict

    @property
    def trained(self):
        return self.student.trained

    @property
    def history(self):
        return self.student.history

    def save(self, weights, history, training, predictions, metrics):
        self.student.save(weights, history, training)
        write_predictions(predictions, self.test, self.logits, self.predicted)
        metrics.write_text(json.dumps(self.metrics, indent=2) + "\n")


@dataclass(frozen=True)
class Study:
    """The paths of a study's files, and a method that trains a run."""

    folder: Path

    @property
    def pixels(self):
        return [self.folder / "web.npy", self.folder / "drawn.npy"]

    @property
    def teacher(self):
        return self.folder / "teacher.safetensors"

    def plan(self, name="all", classes=(0, 1, 2), train=10, copies=0):
        """Write a plan with `train` images and 4 validation images of source web for each class; returns its path."""
        path = self.folder / f"{name}.parquet"
        rows = []
        for label in classes:
            of_class = range(20 * label, 20 * label + 20)  # web's and drawn's rows are sorted by class
            rows += [("web", row, label, "train", False) for row in of_class[:train]]
            rows += [("web", row, label, "train", True) for row in of_class[:copies]]
            rows += [("web", row, label, "val", False) for row in of_class[10:14]]
        names = ("source", "row", "label", "split", "augmented")
        types = (pa.string(), pa.int32(), pa.int16(), pa.string(), pa.bool_())
        columns = [pa.array(column, kind) for column, kind in zip(zip(*rows, strict=True), types, strict=True)]
        pq.write_table(pa.table(columns, names=names), path)
        return path

    def images(self, plan=None):
        return read_planned_images(plan or self.plan(), self.pixels, SOURCES, CLASSES)

    def dataset(self, plan=None, split="train") -> ImageDataset:
        return ImageDataset.of(self.images(plan)[split])

    def data(self, plan=None, augment="none") -> ScenarioData:
        return ScenarioData.of(self.images(plan), CLASSES, augment, augment_seed=0)

    def splits(self):
        """The table of splits: 5 test images of each class and source, and one image of each that is not used."""
        path, columns = self.folder / "splits.parquet", ("source", "row", "label", "split", "rank")
        rows = [
            (source, row, row // 20, split, row)
            for source in SOURCES
            for split, first, last in (("unused", 14, 15), ("test", 15, 20))
            for label in range(3)
            for row in range(20 * label + first, 20 * label + last)
        ]
        pq.write_table(pa.table([pa.array(column) for column in zip(*rows, strict=True)], names=columns), path)
        return path

    def test_images(self, trained, sources=SOURCES) -> ImageDataset:
        """The test images of the classes that a student was trained on."""
        places = [
            (source, row) for source in sources for label in trained for row in range(20 * label + 15, 20 * label + 20)
        ]
        names, rows = (
            np.array(part, dtype=kind) for part, kind in zip(zip(*places, strict=True), (object, int), strict=True)
        )
        return ImageDataset.of(gather_images(open_pixels(self.pixels, SOURCES), names, rows, rows // 20))

    def train(
        self, method="ce", recipe=RECIPE, plan=None, seed=0, checkpoints=None, augment="none", teacher=None,
        tested=SOURCES, **settings,
    ) -> TestedStudent:  # fmt: skip
        arm, data = arm_of(arm_defaults(method) | settings), self.data(plan, augment)
        student = train_student(
            data,
            teacher or self.teacher,
            run=RunName("colors", method, seed),
            arm=arm,
            recipe=recipe,
            augment=augment,
            checkpoints=checkpoints or tempfile.mkdtemp(dir=self.folder),
            threads=1,
        )
        trained = [CLASSES.index(name) for name in student.facts["classes"]]
        images = self.test_images(trained, tested)
        logits, predicted = predict_classes(student.trained.network, images.pixels, torch.tensor(trained))
        metrics = run_metrics(student.facts, images, predicted, SOURCES, CLASSES)
        return TestedStudent(student, images, logits, predicted, metrics)
