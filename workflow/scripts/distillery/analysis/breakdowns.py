"""Tables that break test results down by class, test source and image, with confusions, calibration and agreement."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa

from distillery.analysis.agreement import agreement_table
from distillery.analysis.calibration import calibration_table, reliability_table
from distillery.analysis.formatting import formatted, mean_columns
from distillery.analysis.run_predictions import PredictionsByArm, TestPredictions, read_test_predictions, teacher_on
from distillery.analysis.table_files import write_table
from distillery.storage.parquet import read_parquet, write_parquet

ESTIMATE = ("n_seeds", "mean_percent", "sd", "low", "high")
CLASS_COLUMNS = ("scenario", "arm", "class", "n_test", *ESTIMATE, "note")
SOURCE_COLUMNS = (
    "scenario", "arm", "test", "n_test", "n_classes", *ESTIMATE, "n_unflagged", "unflagged_percent", "unflagged_low",
    "unflagged_high", "note",
)  # fmt: skip
CONFUSION_COLUMNS = ("scenario", "arm", "class", "predicted", "n", "percent", "note")
COMMON = "common"  # the test set that all scenarios share
IMAGES_SCHEMA = pa.schema(
    [
        ("scenario", pa.string()),
        ("arm", pa.string()),  # `teacher` in the rows with the teacher's predictions
        ("source", pa.string()),
        ("row", pa.int32()),  # index into the source's curated pixels
        ("class", pa.string()),
        ("n_seeds", pa.int16()),
        ("n_correct", pa.int16()),  # number of seeds that predict the correct class
        ("predicted", pa.string()),  # by the most seeds; ties go to the first class in the configuration's order
    ]
)


@dataclass(frozen=True)
class BreakdownPaths:
    """Paths of the tables to write."""

    per_class: str
    test_sources: str
    confusion: str
    calibration: str
    reliability: str
    agreement: str
    images: str


def tabulate_breakdowns(
    predictions: Iterable[str | Path],
    other_test_sets: Iterable[str | Path],
    teachers: Sequence[str | Path],
    audits: Iterable[str | Path],
    outputs: BreakdownPaths,
    *,
    classes: Sequence[str],
    sources: Sequence[str],
    scenarios: Sequence[str],
    arms: Sequence[str],
    label: str = "",
) -> None:
    """Write the tables, columns as in docs/tables.md.

    Args:
        predictions: `predictions.parquet` of every run, on the common test images.
        other_test_sets: written by `evaluate_students`, one file per scenario and arm, with predictions on test images
            outside the common test set; empty if there are none.
        teachers: `predictions.parquet` of each teacher.
        audits: the label audit of every source with test images.
        outputs: the files to write.
        classes, sources, scenarios, arms: all names, in the configuration's order.
        label: column `note` of every row, for example that the numbers come from a demonstration.

    Raises:
        UserError: a file is damaged, or a teacher was not tested on the students' test images.
    """
    runs = read_test_predictions(predictions, scenarios, arms)
    write_table(class_table(runs, classes, label), outputs.per_class)
    write_table(source_table(runs, other_test_sets, sources, flagged_images(audits), label), outputs.test_sources)
    write_table(confusion_table(runs, classes, label), outputs.confusion)
    write_table(calibration_table(runs, label), outputs.calibration)
    write_table(reliability_table(runs, label), outputs.reliability)
    write_table(agreement_table(runs, teachers, label), outputs.agreement)
    write_parquet(outputs.images, image_columns(runs, teachers[0], classes), IMAGES_SCHEMA)


def class_table(runs: PredictionsByArm, classes: Sequence[str], label: str = "") -> pd.DataFrame:
    """Accuracy on the common test images, one row per (scenario, arm, class)."""
    rows = []
    for (scenario, arm), tested in runs.items():
        for known in np.unique(tested.labels):
            correct = tested.correct[:, tested.labels == known]
            row = {"scenario": scenario, "arm": arm, "class": classes[known], "n_test": correct.shape[1]}
            rows.append(row | mean_columns(100 * correct.mean(axis=1)) | {"note": label})
    return _formatted(pd.DataFrame(rows, columns=list(CLASS_COLUMNS)))


def flagged_images(audits: Iterable[str | Path]) -> pd.MultiIndex:
    """(source, row) of every image whose label the teacher flags as probably wrong."""
    parts = [pd.DataFrame(read_parquet(path, ["source", "row", "is_label_issue"])) for path in audits]
    table = pd.concat(parts) if parts else pd.DataFrame({"source": [], "row": [], "is_label_issue": []})
    return pd.MultiIndex.from_frame(table.loc[table["is_label_issue"] == 1, ["source", "row"]])


def source_table(
    runs: PredictionsByArm,
    other_test_sets: Iterable[str | Path],
    sources: Sequence[str],
    flagged: pd.MultiIndex,
    label: str = "",
) -> pd.DataFrame:
    """Accuracy by test set, one row per (scenario, arm, test): the common test images, then those of each source.

    Test images of classes that the scenario does not train on are left out.

    Args:
        runs: test predictions by (scenario, arm), on the common test images.
        other_test_sets: as in `tabulate_breakdowns`.
        sources: all names, in order.
        flagged: (source, row) of images whose label is probably wrong; columns `unflagged_…` have the accuracy without
            them.
        label: column `note` of every row.
    """
    parts = [pd.DataFrame(read_parquet(path, OTHER_TEST_COLUMNS)) for path in other_test_sets]
    others = pd.concat(parts).groupby(["scenario", "arm"]) if parts else None
    rows = []
    for (scenario, arm), tested in runs.items():
        clean = ~tested.places.isin(flagged)
        tests = {
            str(name): (tested.correct[:, tested.sources == name], clean[tested.sources == name])
            for name in dict.fromkeys(tested.sources)
        }
        if others is not None and (scenario, arm) in others.groups:
            tests |= _correct_by_source(others.get_group((scenario, arm)), flagged)
        tests = {COMMON: (tested.correct, clean)} | {name: tests[name] for name in sources if name in tests}
        for name, (correct, unflagged) in tests.items():
            row = {"scenario": scenario, "arm": arm, "test": name, "n_test": correct.shape[1]}
            row |= {"n_classes": len(tested.known), **mean_columns(100 * correct.mean(axis=1)), "note": label}
            rows.append(row | _unflagged_columns(correct[:, unflagged]))
    return _formatted(pd.DataFrame(rows, columns=list(SOURCE_COLUMNS)))


def _unflagged_columns(correct: np.ndarray) -> dict[str, float]:
    """Mean accuracy over seeds on test images whose label is not flagged; no accuracy if all are flagged."""
    if not correct.shape[1]:
        return {"n_unflagged": 0}
    found = mean_columns(100 * correct.mean(axis=1))
    ends = {f"unflagged_{end}": found[end] for end in ("low", "high")}
    return {"n_unflagged": correct.shape[1], "unflagged_percent": found["mean_percent"], **ends}


OTHER_TEST_COLUMNS = ("scenario", "arm", "seed", "source", "row", "label", "predicted")


def _correct_by_source(table: pd.DataFrame, flagged: pd.MultiIndex) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """By source: whether predictions are correct, bool [S, N], and labels unflagged, bool [N].

    Args:
        table: the predictions of one (scenario, arm) on other test sets.
        flagged: as in `source_table`.
    """
    found = {}
    for source, part in table.groupby("source", sort=False):
        seeds = [rows for _, rows in part.groupby("seed", sort=False)]
        correct = np.stack([(rows["label"] == rows["predicted"]).to_numpy() for rows in seeds])
        places = pd.MultiIndex.from_frame(seeds[0][["source", "row"]].astype({"source": str}))
        found[str(source)] = correct, ~places.isin(flagged)
    return found


def confusion_table(runs: PredictionsByArm, classes: Sequence[str], label: str = "") -> pd.DataFrame:
    """Counts of predictions over all seeds, one row per (scenario, arm, class, predicted class)."""
    rows = []
    for (scenario, arm), tested in runs.items():
        counts = confusion(tested, len(classes))
        for true in np.unique(tested.labels):
            for predicted in tested.known:
                row = {"scenario": scenario, "arm": arm, "class": classes[true], "predicted": classes[predicted]}
                n = counts[true, predicted]
                row |= {"n": n, "percent": 100 * n / counts[true].sum()}
                rows.append(row | {"note": label})
    return formatted(pd.DataFrame(rows, columns=list(CONFUSION_COLUMNS)), {"n": 0, "percent": 2})


def confusion(tested: TestPredictions, classes: int) -> np.ndarray:
    """Confusion matrix over all seeds, int [C, C]: true classes in rows, predicted classes in columns."""
    pairs = tested.labels.astype(int) * classes + tested.predicted
    return np.bincount(pairs.ravel(), minlength=classes**2).reshape(classes, classes)


def image_columns(runs: PredictionsByArm, teacher: str | Path, classes: Sequence[str]) -> dict[str, np.ndarray]:
    """The columns of `IMAGES_SCHEMA`: one row per common test image and (scenario, arm), and one for the teacher.

    Args:
        runs: test predictions by (scenario, arm).
        teacher: `predictions.parquet` of one teacher.
        classes: all names, in the configuration's order.
    """
    names, parts, with_teacher = np.array(classes, dtype=object), [], set()
    for (scenario, arm), tested in runs.items():
        votes = np.stack([(tested.predicted == known).sum(axis=0) for known in range(len(classes))])
        predictions = {arm: (tested.correct.sum(axis=0), votes.argmax(axis=0), len(tested.seeds))}
        if scenario not in with_teacher:
            with_teacher.add(scenario)
            by_teacher = teacher_on(teacher, tested).argmax(axis=1)
            predictions["teacher"] = (by_teacher == tested.labels, by_teacher, 1)
        for name, (n_correct, predicted, seeds) in predictions.items():
            parts.append(
                {
                    "scenario": np.full(len(n_correct), scenario, dtype=object),
                    "arm": np.full(len(n_correct), name, dtype=object),
                    "source": tested.sources,
                    "row": tested.rows,
                    "class": names[tested.labels],
                    "n_seeds": np.full(len(n_correct), seeds),
                    "n_correct": n_correct.astype(int),
                    "predicted": names[predicted],
                }
            )
    return {name: np.concatenate([part[name] for part in parts]) for name in IMAGES_SCHEMA.names}


def _formatted(table: pd.DataFrame) -> pd.DataFrame:
    points = ("mean_percent", "sd", "low", "high", "unflagged_percent", "unflagged_low", "unflagged_high")
    places = dict.fromkeys(("n_test", "n_classes", "n_seeds", "n_unflagged"), 0) | dict.fromkeys(points, 2)
    return formatted(table, {name: digits for name, digits in places.items() if name in table})
