"""Calibration tables: how well a student's confidence matches its accuracy (calibration error, reliability diagram)."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pandas as pd

from distillery.analysis.formatting import formatted
from distillery.analysis.run_predictions import PredictionsByArm, TestPredictions, probabilities
from distillery.analysis.statistics import estimate

CALIBRATION_COLUMNS = (
    "scenario", "arm", "n_test", "n_seeds", "accuracy_percent", "confidence_percent", "ece_percent", "ece_sd",
    "ece_low", "ece_high", "ece_if_calibrated", "ece_if_calibrated_high", "nll", "note",
)  # fmt: skip
RELIABILITY_COLUMNS = (
    "scenario", "arm", "bin_low", "bin_high", "n", "confidence_percent", "accuracy_percent", "note"
)  # fmt: skip
BINS = 15  # of equal width, as in Guo et al. 2017
SIMULATIONS = 200  # simulated test results of a perfectly calibrated model
SEED = 0  # of these simulations


def bins(confidence: np.ndarray, correct: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Bin predictions by confidence: their number, summed confidence and number correct in each bin, [BINS] each.

    Args:
        confidence: probability of the predicted class, in (0, 1], any shape.
        correct: bool of the same shape.
    """
    # bins are (low, high], so that a probability of exactly 1 falls into the last one
    place = np.clip(np.ceil(confidence.ravel() * BINS).astype(int) - 1, 0, BINS - 1)
    counts = np.bincount(place, minlength=BINS)
    summed = np.bincount(place, weights=confidence.ravel(), minlength=BINS)
    return counts, summed, np.bincount(place, weights=correct.ravel().astype(float), minlength=BINS)


def calibration_error(confidence: np.ndarray, correct: np.ndarray) -> float:
    """Expected calibration error, 0 to 1 (Naeini et al. 2015; Guo et al. 2017, eq. 3).

    The mean over bins of |accuracy − confidence|, each bin weighted by its number of predictions.

    Args:
        confidence, correct: as in `bins`.
    """
    _, summed_confidence, n_correct = bins(confidence, correct)
    return float(np.abs(n_correct - summed_confidence).sum() / confidence.size)


def error_if_calibrated(confidence: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Calibration errors [SIMULATIONS], 0 to 1, that a perfectly calibrated model with these confidences would show.

    In a finite sample the error of such a model is above 0, and larger for fewer images (Bröcker and Smith 2007). Each
    simulation draws a prediction as correct with a probability equal to its confidence.

    Args:
        confidence: [N], probability of the predicted class, in (0, 1].
        rng: draws which predictions are correct.
    """
    counts, summed, _ = bins(confidence, np.zeros(confidence.shape, bool))
    order = np.argsort(confidence, kind="stable")  # so that predictions of one bin are adjacent, as reduceat needs
    drawn = rng.random((SIMULATIONS, len(confidence))) < confidence[order]
    starts = np.append(0, np.cumsum(counts))[:-1][counts > 0]
    n_correct = np.add.reduceat(drawn, starts, axis=1, dtype=np.int64)
    return np.abs(n_correct - summed[counts > 0]).sum(axis=1) / len(confidence)


def calibration_table(runs: PredictionsByArm, label: str = "") -> pd.DataFrame:
    """One row per (scenario, arm): mean calibration error over seeds, with an interval."""
    rows = [{"scenario": s, "arm": a, **_calibration(tested), "note": label} for (s, a), tested in runs.items()]
    table = pd.DataFrame(rows, columns=list(CALIBRATION_COLUMNS))
    percent = [name for name in CALIBRATION_COLUMNS if name.endswith("_percent") or name.startswith("ece_")]
    return formatted(table, dict.fromkeys(percent, 2) | {"n_test": 0, "n_seeds": 0, "nll": 4})


def _calibration(tested: TestPredictions) -> dict[str, Any]:
    predicted = probabilities(tested.logits)
    confidence, correct = predicted.max(axis=2), tested.correct
    ideal = 100 * np.stack([error_if_calibrated(c, np.random.default_rng((SEED, i))) for i, c in enumerate(confidence)])
    errors = estimate([100 * calibration_error(c, r) for c, r in zip(confidence, correct, strict=True)])
    label_probability = np.take_along_axis(predicted, tested.labels[None, :, None].astype(int), axis=2)
    return {
        "n_test": correct.shape[1],
        "n_seeds": len(correct),
        "accuracy_percent": 100 * correct.mean(),
        "confidence_percent": 100 * confidence.mean(),
        "ece_percent": errors.mean,
        "ece_sd": errors.sd,
        # no error is below 0 or above 100
        "ece_low": np.clip(errors.low, 0, 100),
        "ece_high": np.clip(errors.high, 0, 100),
        "ece_if_calibrated": ideal.mean(),
        # 95th percentile of a mean over as many seeds
        "ece_if_calibrated_high": np.quantile(ideal.mean(axis=0), 0.95),
        "nll": -np.log(np.maximum(label_probability, np.finfo(np.float64).tiny)).mean(),
    }


def reliability_table(runs: PredictionsByArm, label: str = "") -> pd.DataFrame:
    """One row per non-empty bin of each (scenario, arm), with the predictions of all seeds pooled."""
    rows = [
        {"scenario": scenario, "arm": arm, **row, "note": label}
        for (scenario, arm), tested in runs.items()
        for row in _reliability(tested)
    ]
    table = pd.DataFrame(rows, columns=list(RELIABILITY_COLUMNS))
    return formatted(table, {"bin_low": 4, "bin_high": 4, "n": 0, "confidence_percent": 2, "accuracy_percent": 2})


def _reliability(tested: TestPredictions) -> Iterator[dict[str, Any]]:
    counts, summed_confidence, n_correct = bins(probabilities(tested.logits).max(axis=2), tested.correct)
    for i in np.flatnonzero(counts):
        yield {
            "bin_low": i / BINS,
            "bin_high": (i + 1) / BINS,
            "n": counts[i],
            "confidence_percent": 100 * summed_confidence[i] / counts[i],
            "accuracy_percent": 100 * n_correct[i] / counts[i],
        }
