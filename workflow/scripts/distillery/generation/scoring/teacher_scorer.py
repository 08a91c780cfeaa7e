"""Scores generated images with the study's teacher. Imports torch only when the first image needs a score."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from distillery.curation.decoding import decode, to_square
from distillery.file_digests import sha256_of
from distillery.generation.scoring.scores import Scorer
from distillery.jobs import UserError, log


class TeacherScorer(Scorer):
    """A teacher that scores images prepared as in the study: the center square, resized to the teacher's size.

    Args:
        weights: the teacher's `.safetensors`.
        classes: the names of the classes to choose from.
    """

    by = "teacher"

    def __init__(self, weights: str | Path, classes: Sequence[str]):
        super().__init__(classes)
        self.weights = weights
        self._hash = sha256_of(weights)[:16]
        self._loaded: Any = None

    @property
    def name(self) -> str:
        """A hash of the weights, and the classes: what `teacher_scorer` records."""
        return f"sha256:{self._hash}: {', '.join(self.classes)}"

    def probabilities(self, images: Sequence[bytes]) -> np.ndarray:
        """Probability of every class for each image (encoded as JPEG or PNG): float32 [N, C], rows sum to 1."""
        import torch

        from distillery.training.prediction import predict

        trained = self._load()
        squares = np.stack([to_square(decode(data).image, trained.image_size) for data in images])
        logits = predict(trained.network, torch.from_numpy(squares).permute(0, 3, 1, 2))
        return logits[:, [trained.classes.index(name) for name in self.classes]].softmax(dim=1).numpy()

    def _load(self) -> Any:
        if self._loaded is None:
            import torch

            from distillery.models.weights import load_weights
            from distillery.training.hardware import choose_device

            self._loaded = load_weights(self.weights)
            if unknown := [name for name in self.classes if name not in self._loaded.classes]:
                raise UserError(f"teacher {self.weights} does not know {', '.join(unknown)}; it cannot choose images")
            self._loaded.network.to(choose_device()).to(memory_format=torch.channels_last)
            log.info("scoring with the teacher %s", self.weights)
        return self._loaded
