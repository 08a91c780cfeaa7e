"""The images of one scenario, as its students use them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from distillery.splits.planned_images import PlannedImages
from distillery.training.data.augmentation import USUAL, CopySettings, augment_copies
from distillery.training.data.dataset import ImageDataset


@dataclass(frozen=True)
class ScenarioData:
    """The images that a scenario's students are trained and validated on.

    Attributes:
        train: with its augmented copies.
        val: validation images of the common sources.
        trained_classes: int64, sorted indices of the classes that the students are trained on; usually all.
        classes: names of the study's C classes.
    """

    train: ImageDataset
    val: ImageDataset
    trained_classes: Tensor
    classes: tuple[str, ...]

    @classmethod
    def of(
        cls,
        planned: Mapping[str, PlannedImages],
        classes: Sequence[str],
        augment: str,
        augment_seed: int,
        copies: CopySettings = USUAL,
    ) -> ScenarioData:
        """The data of a scenario, with its copies augmented.

        Args:
            planned: from `read_planned_images`.
            augment: how the plan's copies are augmented: none, color or rotation.
            augment_seed: the scenario's seed for its copies.
            copies: how strongly they are augmented.
        """
        train = augment_copies(ImageDataset.of(planned["train"]), augment, augment_seed, copies)
        trained = torch.from_numpy(planned["train"].trained_classes())
        return cls(train, ImageDataset.of(planned["val"]), trained, tuple(classes))
