"""How often students predict what their teacher predicts, and how often they repeat its mistakes."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from distillery.analysis.formatting import formatted
from distillery.analysis.run_predictions import PredictionsByArm, TestPredictions, teacher_on
from distillery.analysis.statistics import estimate

COLUMNS = (
    "scenario", "arm", "n_test", "n_seeds", "teacher_percent", "agreement_percent", "agreement_sd", "agreement_low",
    "agreement_high", "n_teacher_wrong", "repeated_percent", "kl", "kl_sd", "kl_low", "kl_high", "note",
)  # fmt: skip


def agreement_table(runs: PredictionsByArm, teachers: Sequence[str | Path], label: str = "") -> pd.DataFrame:
    """The agreement table, one row per (scenario, arm).

    Args:
        runs: test predictions by (scenario, arm).
        teachers: `predictions.parquet` of each of the K teachers; run n is compared with teacher n mod K.
        label: column `note` of every row.

    Raises:
        UserError: a teacher was not tested on the students' test images.
    """
    rows = [
        {"scenario": scenario, "arm": arm, **agreement(tested, _teacher_logits(tested, teachers)), "note": label}
        for (scenario, arm), tested in runs.items()
    ]
    table = pd.DataFrame(rows, columns=list(COLUMNS))
    percent = [name for name in COLUMNS if name.endswith("_percent") or name.startswith("agreement_")]
    places = dict.fromkeys(percent, 2) | dict.fromkeys(("kl", "kl_sd", "kl_low", "kl_high"), 4)
    return formatted(table, places | dict.fromkeys(("n_test", "n_seeds", "n_teacher_wrong"), 0))


def _teacher_logits(tested: TestPredictions, teachers: Sequence[str | Path]) -> np.ndarray:
    """Logits of the teacher of each run (seed) on the test images, float32 [S, N, C]."""
    found = [teacher_on(path, tested) for path in teachers]
    return np.stack([found[seed % len(found)] for seed in tested.seeds])


def agreement(tested: TestPredictions, teacher: np.ndarray) -> dict[str, Any]:
    """Top-1 agreement, how many of the teacher's mistakes students repeat, and mean KL(teacher ‖ student) in nats.

    A student repeats a mistake if it predicts the same wrong class.

    Args:
        tested: the students' test predictions.
        teacher: logits [S, N, C] of each student's teacher on the same images, −inf for classes that the students were
            not trained on.

    Returns:
        The numeric columns of the table.
    """
    teacher_predicted = teacher.argmax(axis=2)
    same, wrong = tested.predicted == teacher_predicted, teacher_predicted != tested.labels
    agreed = estimate(100 * same.mean(axis=1))
    divergence = estimate([divergences(*sides).mean() for sides in zip(teacher, tested.logits, strict=True)])
    return {
        "n_test": len(tested.labels),
        "n_seeds": len(same),
        "teacher_percent": 100 * (~wrong).mean(),
        "agreement_percent": agreed.mean,
        "agreement_sd": agreed.sd,
        "agreement_low": np.clip(agreed.low, 0, 100),
        "agreement_high": np.clip(agreed.high, 0, 100),
        "n_teacher_wrong": wrong.sum(axis=1).mean(),
        "repeated_percent": 100 * same[wrong].mean() if wrong.any() else np.nan,
        "kl": divergence.mean,
        "kl_sd": divergence.sd,
        "kl_low": np.maximum(0.0, divergence.low),
        "kl_high": divergence.high,
    }


def divergences(teacher: np.ndarray, student: np.ndarray) -> np.ndarray:
    """KL(teacher ‖ student) in nats, [N], from logits [N, C] at temperature 1.

    Classes for which the teacher's logits are −inf are left out.
    """
    from scipy.special import log_softmax

    known = np.isfinite(teacher[0]) if len(teacher) else slice(None)
    log_p, log_q = (log_softmax(side[:, known].astype(np.float64), axis=1) for side in (teacher, student))
    return (np.exp(log_p) * (log_p - log_q)).sum(axis=1)
