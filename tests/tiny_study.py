"""A study of three colors with two sources, plans and a teacher. Images have 16 × 16 pixels; it trains in a second."""

import tempfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from distillery.config.defaults import arm_defaults, recipe_defaults
from distillery.distillation.methods import arm_of
from distillery.distillation.scenario_data import ScenarioData, load_scenario_data
from distillery.distillation.student import StudentRun, train_student
from distillery.training.recipe import Recipe

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
class Study:
    """Paths of a study's files, and how to train a run of it."""

    folder: Path

    @property
    def pixels(self):
        return [self.folder / "web.npy", self.folder / "drawn.npy"]

    @property
    def teacher(self):
        return self.folder / "teacher.safetensors"

    def plan(self, name="all", classes=(0, 1, 2), train=10, copies=0):
        """A plan: of each class `train` images and 4 validation images of source web, 5 test images of each source."""
        path = self.folder / f"{name}.parquet"
        rows = []
        for label in classes:
            of_class = range(20 * label, 20 * label + 20)  # web's and drawn's rows are sorted by class
            rows += [("web", row, label, "train", False) for row in of_class[:train]]
            rows += [("web", row, label, "train", True) for row in of_class[:copies]]
            rows += [("web", row, label, "val", False) for row in of_class[10:14]]
            rows += [(source, row, label, "test", False) for source in ("web", "drawn") for row in of_class[15:20]]
        names = ("source", "row", "label", "split", "augmented")
        types = (pa.string(), pa.int32(), pa.int16(), pa.string(), pa.bool_())
        columns = [pa.array(column, kind) for column, kind in zip(zip(*rows, strict=True), types, strict=True)]
        pq.write_table(pa.table(columns, names=names), path)
        return path

    def data(self, plan=None, augment="none") -> ScenarioData:
        return load_scenario_data(plan or self.plan(), self.pixels, ["web", "drawn"], CLASSES, augment, augment_seed=0)

    def train(
        self, method="ce", recipe=RECIPE, plan=None, seed=0, checkpoints=None, augment="none", teacher=None, **settings
    ) -> StudentRun:
        return train_student(
            self.data(plan, augment),
            teacher or self.teacher,
            scenario="colors",
            arm_name=method,
            arm=arm_of(arm_defaults(method) | settings),
            recipe=recipe,
            augment=augment,
            sources=["web", "drawn"],
            seed=seed,
            checkpoints=checkpoints or tempfile.mkdtemp(dir=self.folder),
            threads=1,
        )
