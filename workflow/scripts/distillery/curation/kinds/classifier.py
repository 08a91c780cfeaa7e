"""Classify the kind of an image from its statistics: by a small classifier, and by thresholds on single statistics.

The classifier is a softmax regression on the standardized statistics and their products. `benchmarks/image_kinds.py`
trains it, tests it on other images, and writes its coefficients to `coefficients.json`.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np

from distillery.curation.kinds.statistics import NAMES

PHOTO = "photo"
DRAWN = ("drawing", "icon", "text", "screenshot", "collage")  # the classifier's other classes
KINDS = (PHOTO, *DRAWN, "blurred", "dark", "extreme_aspect")
COEFFICIENTS = Path(__file__).with_name("coefficients.json")
NO_PHOTO = 0.8  # an image is no photo if the probabilities of `DRAWN` sum to at least this
EXTREME_ASPECT = 4.0  # ratio of the longer to the shorter side
DARK = 0.3  # an image is dark if 95 % of its pixels are at most this bright; white is 1
# an image is blurred if at least this fraction of the steps between neighboring pixels is at most 24 gray levels,
# although its 5th and 95th percentiles of brightness are at least this far apart (white is 1)
BLURRED, TONES_APART = 0.999, 0.3
CLIP = 4.0  # standard deviations, to which statistics are clipped
DECIMALS = 3  # of the probability, so that it does not depend on the CPU's rounding
AT_A_TIME = 2048


@dataclass(frozen=True)
class KindModel:
    """A softmax regression.

    Attributes:
        mean, scale: float64 [F], mean and standard deviation of the statistics.
        weights: float64 [F + F (F + 1) / 2, K], of standardized statistics and their products, for each of K kinds.
        bias: float64 [K].
    """

    mean: np.ndarray
    scale: np.ndarray
    weights: np.ndarray
    bias: np.ndarray

    def probabilities(self, statistics: np.ndarray) -> np.ndarray:
        """Probabilities of photo and of each of `DRAWN`: float64 [N, K], from statistics float64 [N, F]."""
        features = expanded((statistics - self.mean) / self.scale)
        # not a matrix product, whose last bits depend on the number of images
        logits = np.stack([(features * weight).sum(axis=1) for weight in self.weights.T], axis=1) + self.bias
        odds = np.exp(logits - logits.max(axis=1, keepdims=True))
        return odds / odds.sum(axis=1, keepdims=True)


def expanded(standardized: np.ndarray) -> np.ndarray:
    """Clipped standardized statistics and their products: float64 [N, F + F (F + 1) / 2].

    Args:
        standardized: float64 [N, F].
    """
    clipped = np.clip(standardized, -CLIP, CLIP)
    first, second = np.triu_indices(clipped.shape[1])
    return np.hstack([clipped, clipped[:, first] * clipped[:, second]])


@cache
def kind_model() -> KindModel:
    """The model in `COEFFICIENTS`, which `benchmarks/image_kinds.py` trained."""
    found = json.loads(COEFFICIENTS.read_text(encoding="utf-8"))
    assert found["statistics"] == list(NAMES) and found["kinds"] == [PHOTO, *DRAWN]
    return KindModel(*(np.array(found[name]) for name in ("mean", "scale", "weights", "bias")))


def find_kinds(
    statistics: np.ndarray, sizes: Sequence[tuple[int, int]], model: KindModel | None = None
) -> tuple[list[str], np.ndarray]:
    """The kind of each image, among `KINDS`, and the probability that it is a photo.

    If several kinds apply, the first of these counts: dark, blurred, extreme_aspect, one of `DRAWN`.

    Args:
        statistics: from `statistics.image_statistics`, float64 [N, F].
        sizes: width and height of each image in pixels, [N].
        model: by default the one in `COEFFICIENTS`.

    Returns:
        The kinds, [N]; and the probabilities, float64 [N], 0 to 1, rounded to `DECIMALS` decimals.
    """
    model = model or kind_model()
    parts = [
        model.probabilities(statistics[start : start + AT_A_TIME]) for start in range(0, len(statistics), AT_A_TIME)
    ]
    probabilities = np.concatenate([np.empty((0, 1 + len(DRAWN))), *parts])
    photo = probabilities[:, 0].round(DECIMALS)
    up_to_24, bright, dark = (statistics[:, NAMES.index(name)] for name in ("up_to_24", "bright", "dark"))
    aspect = np.array([max(size) / max(1, min(size)) for size in sizes])
    kinds = np.select(
        [bright <= DARK, (up_to_24 >= BLURRED) & (bright - dark >= TONES_APART), aspect > EXTREME_ASPECT,
         photo <= 1 - NO_PHOTO],
        ["dark", "blurred", "extreme_aspect", np.array(DRAWN)[probabilities[:, 1:].argmax(axis=1)]],
        PHOTO,
    )  # fmt: skip
    return kinds.tolist(), photo
