"""Breakdowns, calibration and agreement follow from the test predictions of the runs."""

from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.special import log_softmax, softmax
from scipy.stats import entropy

from distillery.analysis import breakdowns
from distillery.analysis.agreement import agreement, agreement_table, divergences
from distillery.analysis.calibration import (
    BINS,
    calibration_error,
    calibration_table,
    error_if_calibrated,
    reliability_table,
)
from distillery.analysis.run_predictions import read_test_predictions, teacher_on
from distillery.jobs import UserError
from distillery.storage.parquet import read_parquet

CLASSES = ["cat", "dog", "emu"]
SOURCES = ["google", "google", "bing", "bing", "bing", "google"]
LABELS = np.array([0, 1, 2, 0, 1, 2])


def write_predictions(path, logits, labels=LABELS, sources=SOURCES, rows=None):
    logits = np.asarray(logits, np.float32)
    table = pd.DataFrame({"source": sources, "row": range(len(labels)) if rows is None else rows, "label": labels})
    table = table.astype({"row": "int32", "label": "int16"})
    table["predicted"] = logits.argmax(axis=1).astype("int16")
    table["logits"] = list(logits)
    path.parent.mkdir(parents=True, exist_ok=True)
    table.to_parquet(path, index=False)
    return path


@pytest.fixture
def study(tmp_path):
    """One scenario of three classes with two arms of two seeds, and one of classes 0 and 1 with one arm."""
    rng = np.random.default_rng(0)
    paths = []
    for arm in ("scratch", "kd"):
        for seed in (1, 0):
            logits = rng.normal(size=(6, 3)) + np.eye(3)[LABELS]
            paths.append(write_predictions(tmp_path / "runs" / "all" / arm / f"seed{seed}" / "p.parquet", logits))
    few = rng.normal(size=(4, 3))
    few[:, 2] = -np.inf
    where = np.flatnonzero(LABELS < 2)
    path = tmp_path / "runs" / "few" / "kd" / "seed0" / "p.parquet"
    paths.append(write_predictions(path, few, LABELS[where], [SOURCES[i] for i in where], where))
    teacher_logits = rng.normal(size=(7, 3))
    teacher = write_predictions(
        tmp_path / "teacher.parquet", teacher_logits, np.append(LABELS, 0), [*SOURCES, "own_test"]
    )
    return SimpleNamespace(
        paths=paths,
        teacher=teacher,
        runs=read_test_predictions(paths, ["few", "all"], ["scratch", "kd"]),
        teacher_logits=teacher_logits,
    )


def test_runs_come_in_the_order_of_the_configuration_with_seeds_ascending(study):
    assert list(study.runs) == [("few", "kd"), ("all", "scratch"), ("all", "kd")]
    tested = study.runs["all", "kd"]
    assert tested.seeds.tolist() == [0, 1] and tested.logits.shape == (2, 6, 3)
    direct = read_parquet(study.paths[3], ["predicted"])["predicted"]
    assert np.array_equal(tested.predicted[0], direct)
    assert study.runs["few", "kd"].known.tolist() == [0, 1] and tested.known.tolist() == [0, 1, 2]


def test_runs_with_other_test_images_end_in_one_line(study, tmp_path):
    write_predictions(study.paths[0], np.zeros((6, 3)), rows=range(1, 7))
    with pytest.raises(UserError, match="seed1/p.parquet has other test images than .*seed0"):
        read_test_predictions(study.paths, ["few", "all"], ["scratch", "kd"])


def test_accuracy_by_class_and_by_source(study, tmp_path):
    correct = study.runs["all", "kd"].correct
    classes = breakdowns.class_table(study.runs, CLASSES).set_index(["scenario", "arm", "class"])
    assert float(classes.loc[("all", "kd", "dog"), "mean_percent"]) == pytest.approx(
        100 * correct[:, LABELS == 1].mean()
    )
    assert ("few", "kd", "emu") not in classes.index and classes.loc[("few", "kd", "cat"), "low"] == ""
    other = pd.DataFrame({
        "scenario": "all", "arm": "kd", "seed": [0, 0, 1, 1], "source": "sd2", "row": [5, 6, 5, 6],
        "label": [0, 1, 0, 1], "predicted": [0, 1, 0, 0],
    })  # fmt: skip
    other.to_parquet(tmp_path / "other_test_sets.parquet")
    audit = pd.DataFrame({"source": ["sd2", "sd2", "google"], "row": [5, 6, study.runs["all", "kd"].rows[0]]})
    audit.assign(is_label_issue=[0, 1, 1]).to_parquet(tmp_path / "audit.parquet")
    flagged = breakdowns.flagged_images([tmp_path / "audit.parquet"])
    others = [tmp_path / "other_test_sets.parquet"]
    found = breakdowns.source_table(study.runs, others, ["google", "bing", "sd2"], flagged)
    mine = found[(found["scenario"] == "all") & (found["arm"] == "kd")].set_index("test")
    assert list(mine.index) == ["common", "google", "bing", "sd2"]
    google = np.array(SOURCES) == "google"
    assert float(mine.loc["google", "mean_percent"]) == pytest.approx(100 * correct[:, google].mean(), abs=0.005)
    assert mine.loc["sd2", ["n_test", "n_seeds", "mean_percent"]].tolist() == ["2", "2", "75.00"]
    assert mine.loc["sd2", ["n_unflagged", "unflagged_percent"]].tolist() == ["1", "100.00"]
    rest = 100 * correct[:, 1:].mean()  # without the first image
    assert float(mine.loc["common", "unflagged_percent"]) == pytest.approx(rest, abs=0.005)
    assert (found[found["scenario"] == "few"]["test"] == ["common", "google", "bing"]).all()


def test_confusions_sum_to_the_predictions(study):
    table = breakdowns.confusion_table(study.runs, CLASSES)
    mine = table[(table["scenario"] == "all") & (table["arm"] == "kd")].astype({"n": int, "percent": float})
    assert mine["n"].sum() == 12 and len(mine) == 9
    assert mine.groupby("class")["percent"].sum().round(1).tolist() == [100.0] * 3
    correct = mine[mine["class"] == mine["predicted"]]["n"].sum()
    assert correct == study.runs["all", "kd"].correct.sum()
    assert set(table[table["scenario"] == "few"]["predicted"]) == {"cat", "dog"}


def test_every_image_counts_the_seeds_that_predict_it_correctly(study):
    table = pd.DataFrame(breakdowns.image_columns(study.runs, study.teacher, CLASSES))
    mine = table[(table["scenario"] == "all") & (table["arm"] == "kd")]
    assert mine["n_correct"].tolist() == study.runs["all", "kd"].correct.sum(axis=0).tolist()
    by_teacher = table[(table["scenario"] == "few") & (table["arm"] == "teacher")]
    assert len(by_teacher) == 4 and set(by_teacher["predicted"]) <= {"cat", "dog"}  # the classes of its students
    assert set(table["arm"]) == {"kd", "scratch", "teacher"}


# --- calibration and agreement ----------------------------------------------------------------------------------------


def test_calibration_error_by_hand():
    # bins of 1/15: (0.6, 0.667] holds two, one correct; (0.933, 1] holds 0.95 and 1.0, both correct
    confidence, correct = np.array([0.62, 0.66, 0.95, 1.0]), np.array([True, False, True, True])
    assert calibration_error(confidence, correct) == pytest.approx((abs(1 - 1.28) + abs(2 - 1.95)) / 4)


@given(st.lists(st.tuples(st.floats(0.01, 1), st.booleans()), min_size=1, max_size=50))
def test_calibration_errors_lie_between_0_and_1(pairs):
    confidence, correct = map(np.array, zip(*pairs, strict=True))
    assert 0 <= calibration_error(confidence, correct) <= 1
    assert abs(confidence.mean() - correct.mean()) <= calibration_error(confidence, correct) + 1e-9


def test_calibrated_predictions_have_a_small_error():
    rng = np.random.default_rng(0)
    confidence = rng.uniform(0.1, 1, 50_000)
    assert calibration_error(confidence, rng.random(50_000) < confidence) < 0.015


def test_a_calibrated_model_has_an_error_too_the_more_the_fewer_images():
    rng = np.random.default_rng(0)
    means = {}
    for n in (100, 5000):
        confidence = rng.uniform(0.3, 1, n)
        drawn = [calibration_error(confidence, rng.random(n) < confidence) for _ in range(400)]
        simulated = error_if_calibrated(confidence, np.random.default_rng(1))
        assert simulated.mean() == pytest.approx(np.mean(drawn), rel=0.08)
        assert np.quantile(simulated, 0.95) == pytest.approx(np.quantile(drawn, 0.95), rel=0.15)
        means[n] = simulated.mean()
    assert means[100] > 0.08 > 0.02 > means[5000] > 0.005


def test_reliability_covers_every_prediction(study):
    table = reliability_table(study.runs)
    mine = table[(table["scenario"] == "all") & (table["arm"] == "kd")].astype({"n": float, "accuracy_percent": float})
    assert mine["n"].sum() == 12 and len(mine) <= BINS
    assert (mine["n"] * mine["accuracy_percent"]).sum() / 1200 == pytest.approx(
        study.runs["all", "kd"].correct.mean(), abs=1e-3
    )
    row = calibration_table(study.runs).set_index(["scenario", "arm"]).loc[("all", "kd")]
    logits = study.runs["all", "kd"].logits.astype(float)
    nll = -np.mean([log_softmax(seed, axis=1)[np.arange(6), LABELS] for seed in logits])
    assert float(row["nll"]) == pytest.approx(nll, abs=1e-4)
    assert float(row["confidence_percent"]) == pytest.approx(
        100 * softmax(logits, axis=2).max(axis=2).mean(), abs=0.005
    )


def test_kl_is_scipys_over_the_classes_trained_on(study):
    tested = study.runs["few", "kd"]
    teacher = teacher_on(study.teacher, tested)
    expected = [
        entropy(softmax(t[:2]), softmax(s[:2])) for t, s in zip(teacher, tested.logits[0].astype(float), strict=True)
    ]
    assert divergences(teacher, tested.logits[0]) == pytest.approx(expected, abs=1e-6)
    assert divergences(teacher, teacher) == pytest.approx(np.zeros(4), abs=1e-12)
    assert np.isinf(teacher[:, 2]).all()


def test_agreement_counts_the_teachers_mistakes_too(study):
    tested = study.runs["all", "scratch"]
    teacher = teacher_on(study.teacher, tested)
    own = np.stack([teacher] * len(tested.seeds))
    found, teacher_predicted = agreement(tested, own), study.teacher_logits[:6].argmax(axis=1)
    assert found["agreement_percent"] == pytest.approx(100 * (tested.predicted == teacher_predicted).mean())
    wrong = teacher_predicted != LABELS
    assert found["n_teacher_wrong"] == wrong.sum() > 0
    assert found["repeated_percent"] == pytest.approx(100 * (tested.predicted == teacher_predicted)[:, wrong].mean())
    table = agreement_table(study.runs, [study.teacher]).set_index(["scenario", "arm"])
    assert table.equals(agreement_table(study.runs, [study.teacher] * 2).set_index(["scenario", "arm"]))
    assert float(table.loc[("all", "scratch"), "agreement_percent"]) == pytest.approx(
        found["agreement_percent"], abs=0.005
    )
    with pytest.raises(UserError, match="lacks test images"):
        teacher_on(write_predictions(study.teacher, study.teacher_logits[:4], LABELS[:4], SOURCES[:4]), tested)
