"""The images of one scenario, as its students use them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from torch import Tensor

from distillery.training.augmentation import augment_copies
from distillery.training.dataset import ImageDataset, load_plan


@dataclass(frozen=True)
class ScenarioData:
    """The images that a scenario's students are trained, validated and tested on.

    Attributes:
        train: with its augmented copies.
        val, test: of the common sources.
        trained_classes: int64, sorted indices of the classes with train images; usually all.
        classes: names of the study's C classes.
    """

    train: ImageDataset
    val: ImageDataset
    test: ImageDataset
    trained_classes: Tensor
    classes: tuple[str, ...]


def load_scenario_data(
    plan: str | Path,
    pixels: Sequence[str | Path],
    sources: Sequence[str],
    classes: Sequence[str],
    augment: str,
    augment_seed: int,
) -> ScenarioData:
    """Read a scenario's images and augment its copies.

    Args:
        plan: parquet with the scenario's images.
        pixels: curated `.npy` of each of `sources`.
        augment: how the plan's copies are augmented: none, color or rotation.

    Raises:
        UserError: a file is damaged, or the plan names images that do not exist.
    """
    parts = load_plan(plan, pixels, sources, classes)
    train = augment_copies(parts["train"], augment, augment_seed)
    return ScenarioData(train, parts["val"], parts["test"], parts["train"].labels.unique(), tuple(classes))
