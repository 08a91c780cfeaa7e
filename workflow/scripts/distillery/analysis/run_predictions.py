"""Reads the test predictions of runs, with the same images in the same order for every seed."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from distillery.jobs import UserError, progress
from distillery.storage.parquet import read_parquet


@dataclass(frozen=True)
class TestPredictions:
    """Predictions of all seeds of one (scenario, arm) on its N test images, of C classes.

    Attributes:
        sources: str [N], source of each test image.
        rows: int [N], index of each into its source's curated pixels.
        labels: int [N], indices into the study's classes.
        seeds: int [S], ascending.
        predicted: int [S, N].
        logits: float32 [S, N, C]; −inf for classes not trained on.
    """

    sources: np.ndarray
    rows: np.ndarray
    labels: np.ndarray
    seeds: np.ndarray
    predicted: np.ndarray
    logits: np.ndarray

    @property
    def correct(self) -> np.ndarray:
        """bool [S, N]: whether the prediction equals the label."""
        return self.predicted == self.labels

    @property
    def known(self) -> np.ndarray:
        """int [K]: indices of the classes trained on; empty without test images."""
        return np.flatnonzero(np.isfinite(self.logits[0, 0])) if self.labels.size else np.empty(0, int)

    @property
    def places(self) -> pd.MultiIndex:
        """(source, row) of every test image."""
        return pd.MultiIndex.from_arrays([self.sources.astype(str), self.rows], names=["source", "row"])


PredictionsByArm = Mapping[tuple[str, str], TestPredictions]  # by (scenario, arm)


def read_test_predictions(
    paths: Iterable[str | Path], scenarios: Sequence[str], arms: Sequence[str]
) -> PredictionsByArm:
    """The test predictions of all runs by (scenario, arm), in the configuration's order.

    Scenarios that are not run have no predictions; they are left out.

    Args:
        paths: `…/{scenario}/{arm}/seed{n}/predictions.parquet` of every run.
        scenarios, arms: all names, in the order wanted.

    Raises:
        UserError: a file is damaged, or the runs of one scenario were tested on different images.
    """
    found: dict[tuple[str, str], dict[int, Path]] = {}
    for path in map(Path, paths):
        scenario, arm, seed = path.parts[-4:-1]
        found.setdefault((scenario, arm), {})[int(seed.removeprefix("seed"))] = path
    order = sorted(found, key=lambda key: (scenarios.index(key[0]), arms.index(key[1])))
    tested = {key: _read_seeds(found[key]) for key in progress(order, label="predictions read", unit="arms")}
    return {key: predictions for key, predictions in tested.items() if len(predictions.labels)}


def _read_seeds(paths: Mapping[int, Path]) -> TestPredictions:
    seeds = sorted(paths)
    parts = [read_predictions(paths[seed]) for seed in seeds]
    first = parts[0]
    for seed, part in zip(seeds, parts, strict=True):
        if any(not np.array_equal(part[name], first[name]) for name in ("source", "row", "label")):
            raise UserError(
                f"{paths[seed]} has other test images than {paths[seeds[0]]}. Delete the older file and run again."
            )
    predicted, logits = (np.stack([part[name] for part in parts]) for name in ("predicted", "logits"))
    return TestPredictions(first["source"], first["row"], first["label"], np.array(seeds), predicted, logits)


def read_predictions(path: str | Path) -> dict[str, np.ndarray]:
    """The columns of one `predictions.parquet`; logits as float32 [N, C]."""
    return read_parquet(path, ["source", "row", "label", "predicted", "logits"])


def teacher_on(path: str | Path, tested: TestPredictions) -> np.ndarray:
    """The teacher's logits on the students' test images, float32 [N, C]; −inf for classes students did not train on.

    Args:
        path: the teacher's `predictions.parquet`.
        tested: the students' test predictions.

    Raises:
        UserError: the teacher was not tested on some of the images.
    """
    table = read_predictions(path)
    index = pd.MultiIndex.from_arrays([table["source"].astype(str), table["row"]])
    where = index.get_indexer(tested.places)
    if (where < 0).any():
        raise UserError(f"{path} lacks test images that the students were tested on. Delete it and run again.")
    logits = table["logits"][where].copy()
    logits[:, np.setdiff1d(np.arange(logits.shape[1]), tested.known)] = -np.inf
    return logits


def probabilities(logits: np.ndarray) -> np.ndarray:
    """Softmax over the last axis, float64; a logit of −inf gives 0."""
    from scipy.special import softmax

    return softmax(logits.astype(np.float64), axis=-1)


def read_groups(splits: str | Path) -> pd.Series:
    """The near-duplicate group of every image, by (source, row)."""
    table = read_parquet(splits, ["source", "row", "group"])
    index = pd.MultiIndex.from_arrays([table["source"].astype(str), table["row"]], names=["source", "row"])
    return pd.Series(table["group"], index=index)
