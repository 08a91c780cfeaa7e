"""Breakdowns, calibration, agreement, costs, curves and published numbers say what the runs said."""

from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.special import log_softmax, softmax
from scipy.stats import entropy

from distillery.analysis import breakdowns
from distillery.analysis import published_comparison as published
from distillery.analysis.agreement import agreement, divergences
from distillery.analysis.calibration import BINS, calibration_error, calibration_table, reliability_table
from distillery.analysis.run_predictions import read_runs, teacher_on
from distillery.analysis.study_tables import costs, curves
from distillery.analysis.study_tables.typesetting import escaped, typeset_summary
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
    """Two arms of two seeds in one scenario of three classes, and one in another of classes 0 and 1."""
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
    taught = rng.normal(size=(7, 3))
    teacher = write_predictions(tmp_path / "teacher.parquet", taught, np.append(LABELS, 0), [*SOURCES, "own_test"])
    return SimpleNamespace(
        paths=paths, teacher=teacher, runs=read_runs(paths, ["few", "all"], ["scratch", "kd"]), taught=taught
    )


def test_runs_come_in_the_order_of_the_configuration_with_seeds_ascending(study):
    assert list(study.runs) == [("few", "kd"), ("all", "scratch"), ("all", "kd")]
    tested = study.runs["all", "kd"]
    assert tested.seeds.tolist() == [0, 1] and tested.logits.shape == (2, 6, 3)
    direct = read_parquet(study.paths[3], ["predicted"])["predicted"]
    assert np.array_equal(tested.predicted[0], direct)
    assert study.runs["few", "kd"].known.tolist() == [0, 1] and tested.known.tolist() == [0, 1, 2]


def test_runs_tested_on_other_images_are_named(study, tmp_path):
    write_predictions(study.paths[0], np.zeros((6, 3)), rows=range(1, 7))
    with pytest.raises(UserError, match="seed1/p.parquet is of other test images than .*seed0"):
        read_runs(study.paths, ["few", "all"], ["scratch", "kd"])


def test_by_class_and_by_source(study, tmp_path):
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
    found = breakdowns.source_table(study.runs, [tmp_path / "other_test_sets.parquet"], ["google", "bing", "sd2"])
    mine = found[(found["scenario"] == "all") & (found["arm"] == "kd")].set_index("test")
    assert list(mine.index) == ["common", "google", "bing", "sd2"]
    google = np.array(SOURCES) == "google"
    assert float(mine.loc["google", "mean_percent"]) == pytest.approx(100 * correct[:, google].mean(), abs=0.005)
    assert mine.loc["sd2", ["n_test", "n_seeds", "mean_percent"]].tolist() == ["2", "2", "75.00"]
    assert (found[found["scenario"] == "few"]["test"] == ["common", "google", "bing"]).all()


def test_confusions_add_up(study):
    table = breakdowns.confusion_table(study.runs, CLASSES)
    mine = table[(table["scenario"] == "all") & (table["arm"] == "kd")].astype({"n": int, "percent": float})
    assert mine["n"].sum() == 12 and len(mine) == 9
    assert mine.groupby("class")["percent"].sum().round(1).tolist() == [100.0] * 3
    correct = mine[mine["class"] == mine["predicted"]]["n"].sum()
    assert correct == study.runs["all", "kd"].correct.sum()
    assert set(table[table["scenario"] == "few"]["predicted"]) == {"cat", "dog"}


def test_images_by_how_many_seeds_told_them_right(study):
    table = pd.DataFrame(breakdowns.image_columns(study.runs, study.teacher, CLASSES))
    mine = table[(table["scenario"] == "all") & (table["arm"] == "kd")]
    assert mine["n_correct"].tolist() == study.runs["all", "kd"].correct.sum(axis=0).tolist()
    taught = table[(table["scenario"] == "few") & (table["arm"] == "teacher")]
    assert len(taught) == 4 and set(taught["predicted"]) <= {"cat", "dog"}  # only what its students know
    assert set(table["arm"]) == {"kd", "scratch", "teacher"}


# --- calibration and agreement ----------------------------------------------------------------------------------------


def test_calibration_error_by_hand():
    # bins of 1/15: (0.6, 0.667] holds two, one right; (0.933, 1] holds 0.95 and 1.0, both right
    confidence, correct = np.array([0.62, 0.66, 0.95, 1.0]), np.array([True, False, True, True])
    assert calibration_error(confidence, correct) == pytest.approx((abs(1 - 1.28) + abs(2 - 1.95)) / 4)


@given(st.lists(st.tuples(st.floats(0.01, 1), st.booleans()), min_size=1, max_size=50))
def test_calibration_errors_lie_between_0_and_1(pairs):
    confidence, correct = map(np.array, zip(*pairs, strict=True))
    assert 0 <= calibration_error(confidence, correct) <= 1
    assert abs(confidence.mean() - correct.mean()) <= calibration_error(confidence, correct) + 1e-9


def test_predictions_as_right_as_they_are_sure_have_a_small_error():
    rng = np.random.default_rng(0)
    confidence = rng.uniform(0.1, 1, 50_000)
    assert calibration_error(confidence, rng.random(50_000) < confidence) < 0.015


def test_reliability_is_of_every_prediction(study):
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


def test_kl_is_scipys_and_leaves_out_classes_not_trained_on(study):
    tested = study.runs["few", "kd"]
    teacher = teacher_on(study.teacher, tested)
    expected = [
        entropy(softmax(t[:2]), softmax(s[:2])) for t, s in zip(teacher, tested.logits[0].astype(float), strict=True)
    ]
    assert divergences(teacher, tested.logits[0]) == pytest.approx(expected, abs=1e-6)
    assert divergences(teacher, teacher) == pytest.approx(np.zeros(4), abs=1e-12)
    assert np.isinf(teacher[:, 2]).all()


def test_agreement_is_with_the_teacher_right_or_wrong(study):
    tested = study.runs["all", "scratch"]
    teacher = teacher_on(study.teacher, tested)
    found, favored = agreement(tested, teacher), study.taught[:6].argmax(axis=1)
    assert found["agreement_percent"] == pytest.approx(100 * (tested.predicted == favored).mean())
    wrong = favored != LABELS
    assert found["n_teacher_wrong"] == wrong.sum() > 0
    assert found["repeated_percent"] == pytest.approx(100 * (tested.predicted == favored)[:, wrong].mean())
    with pytest.raises(UserError, match="lacks test images"):
        teacher_on(write_predictions(study.teacher, study.taught[:4], LABELS[:4], SOURCES[:4]), tested)


# --- costs and curves -------------------------------------------------------------------------------------------------

HEAD = "s\th:m:s\tmax_rss\tmax_vms\tmax_uss\tmax_pss\tio_in\tio_out\tmean_load\tcpu_time\n"
BENCHMARK = HEAD + "{}\t0:00:01\t{}\t1\t1\t1\t0\t0\t9\t{}\n"


@pytest.fixture
def measured(tmp_path):
    for name, numbers in {
        "split.tsv": (2, 100, 1), "crawl/google.cat.tsv": (10, 50, 3), "crawl/google.dog.tsv": (30, 70, "NA"),
        "crawl/gone.cat.tsv": (99, 99, 99), "train_student/a.kd.seed0.tsv": (4, 800, 4), "compare.tsv": (9, 9, 9),
        "train_student/a.kd.seed1.tsv": (6, 900, 5), "train_student/a.old.seed0.tsv": (99, 99, 99),
        "plan_scenario/google.tsv": (7, 8, 9), "tune/a.tsv": (1, 1, 1),
        "run_trial/a.lr0.1_decay0_seed0.tsv": (3, 2, 1), "select_arm_hyperparameters/a.kd.tsv": (1, 1, 1),
        "run_arm_trial/a.kd.lr0.1_decay0_seed0.tsv": (3, 2, 1), "select_arm_hyperparameters/a.old.tsv": (99, 99, 99),
        "run_arm_trial/a.kd.lr0.2_decay0_seed0.tsv": (4, 2, 1),
        "run_arm_trial/a.kd.lr0.9_decay0_seed0.tsv": (99, 99, 99),  # of a former grid
        "run_trial/a.lr0.9_decay0_seed0.tsv": (99, 99, 99),
    }.items():  # fmt: skip
        path = tmp_path / "benchmarks" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(BENCHMARK.format(*numbers))
    runs = {"scenario": "a", "arm": ["kd", "kd", "scratch"], "seed": [0, 1, 0], "steps": 100, "batch": 5}
    pd.DataFrame(runs).to_csv(tmp_path / "runs.csv", index=False)
    counts = {"source": "google", "class": ["cat", "dog"], "candidates": 60, "retrieved": [55, 45], "kept": 40}
    pd.DataFrame(counts).to_csv(tmp_path / "counts.csv", index=False)
    return tmp_path


def tabulated(folder, sources=None):
    paths = [folder / name for name in ("benchmarks", "checkpoints", "runs.csv", "counts.csv", "costs.csv")]
    trials = ["a.lr0.1_decay0_seed0", "a.kd.lr0.1_decay0_seed0", "a.kd.lr0.2_decay0_seed0"]
    costs.tabulate_costs(*paths, sources=sources or {"google": ["cat", "dog"]}, trials=trials)
    return pd.read_csv(paths[-1]).set_index("rule")


def test_costs_are_those_of_the_study_s_own_jobs(measured):
    found = tabulated(measured)
    own = ["run_arm_trial", "select_arm_hyperparameters"]
    assert list(found.index) == ["crawl", "split", "run_trial", "tune", *own, "train_student"]  # google is a source
    assert found.loc[own, "arm"].tolist() == ["kd", "kd"] and found.loc[own, "seconds"].tolist() == [7, 1]
    assert found.loc["crawl", ["jobs", "seconds", "cpu_seconds", "peak_memory_mb", "images"]].tolist() == [
        2,
        40,
        3,
        70,
        100,
    ]
    student = found.loc["train_student"]
    assert (student["arm"], student["jobs"], student["seconds_each"]) == ("kd", 2, 5) and student[
        "images_per_second"
    ] == 100
    assert found.loc["split", "seconds"] == 2 and np.isnan(found.loc["split", "images"])


def test_a_training_s_costs_are_those_of_all_its_parts(measured):
    for name, numbers in {
        "train_student/a.kd.seed0": (40, 50, 60), "train_student/a.kd.seed1": (0, 0, 0),
        "run_trial/a.lr0.1_decay0_seed0": (30, 2, 20), "train_student/a.old.seed0": (99, 99, 99),
    }.items():  # fmt: skip
        path = measured / "checkpoints" / name / "usage.tsv"
        path.parent.mkdir(parents=True)
        path.write_text("s\tcpu_time\tmax_rss\n" + "\t".join(map(str, numbers)) + "\n")
    found = tabulated(measured)
    student = found.loc["train_student", ["jobs", "seconds", "cpu_seconds", "peak_memory_mb"]]
    assert student.tolist() == [2, 4 + 40 + 6, 4 + 50 + 5, 900]
    assert found.loc["run_trial", "seconds"] == 3 + 30 and found.loc["run_arm_trial", "seconds"] == 7
    (measured / "checkpoints" / "train_student" / "a.kd.seed0" / "usage.tsv").write_text("s\nx\n")
    with pytest.raises(UserError, match=r"a.kd.seed0/usage.tsv is damaged"):
        tabulated(measured)


def test_a_source_named_by_a_number_has_its_images(measured):
    counts = (measured / "counts.csv").read_text()
    (measured / "counts.csv").write_text(counts.replace("google,", "800,"))
    (measured / "benchmarks" / "generate").mkdir()
    (measured / "benchmarks" / "generate" / "800.tsv").write_text(BENCHMARK.format(5, 6, 7))
    found = tabulated(measured, {"800": ["cat", "dog"]})
    assert found.loc["generate", ["seconds", "images"]].tolist() == [5, 100]


def test_a_training_whose_time_is_unknown_counts_no_images(measured):
    (measured / "benchmarks" / "train_student" / "a.kd.seed1.tsv").unlink()
    student = tabulated(measured).loc["train_student"]
    assert student[["jobs", "seconds", "images", "images_per_second"]].tolist() == [1, 4, 500, 125]


def test_the_shares_of_a_source_are_its_generation(measured):
    for name, seconds in {
        "generate/google": 20,
        "generate_share/google.0": 300,
        "generate_share/google.1": 180,
    }.items():
        path = measured / "benchmarks" / f"{name}.tsv"
        path.parent.mkdir(exist_ok=True)
        path.write_text(BENCHMARK.format(seconds, 10 * seconds, seconds))
    row = tabulated(measured).loc["generate"]
    assert row[["jobs", "seconds", "peak_memory_mb", "images_per_second"]].tolist() == [3, 500, 3000, 0.2]


def test_what_the_teacher_alone_uses_has_its_costs(measured):
    path = measured / "benchmarks" / "crawl" / "trained.cat.tsv"
    path.write_text(BENCHMARK.format(60, 70, 8))
    found = tabulated(measured, {"google": ["cat", "dog"], "trained": ["cat"]}).loc["crawl"].set_index("source")
    assert found["seconds"].to_dict() == {"google": 40, "trained": 60} and np.isnan(found.loc["trained", "images"])


def test_a_study_without_benchmarks_has_an_empty_table_and_a_damaged_one_is_named(measured):
    (measured / "benchmarks" / "split.tsv").write_text("s\n1\n")
    with pytest.raises(UserError, match="split.tsv is damaged"):
        tabulated(measured)
    (measured / "benchmarks").rename(measured / "other_test_sets")
    assert tabulated(measured).empty


def test_curves_are_means_over_seeds(tmp_path):
    paths = []
    for seed, loss in ((0, 1.0), (1, 3.0)):
        path = tmp_path / "a" / "kd" / f"seed{seed}" / "history.csv"
        path.parent.mkdir(parents=True)
        path.write_text(f"step,loss,lr,val_accuracy\n5,{loss},0.1,\n10,{loss / 2},0.1,0.{seed + 4}\n")
        paths.append(path)
    curves.tabulate_curves(paths, tmp_path / "curves.csv", scenarios=["a"], arms=["kd"], label="x")
    table = pd.read_csv(tmp_path / "curves.csv").set_index("step")
    assert table["loss"].tolist() == [2, 1] and table["n_seeds"].tolist() == [2, 2]
    assert np.isnan(table.loc[5, "val_percent"]) and table.loc[10, "val_percent"] == 45
    # two seeds give intervals of over 12 standard errors, cut where no accuracy and no loss can lie
    assert table.loc[10, ["val_low", "val_high"]].tolist() == [0, 100]
    assert table.loc[5, "loss_low"] == 0 and table.loc[5, "loss_high"] == pytest.approx(2 + 12.706, abs=0.01)
    paths[0].write_text("step,loss\n1,2\n")
    with pytest.raises(UserError, match="history.csv is damaged"):
        curves.tabulate_curves(paths, tmp_path / "curves.csv", scenarios=["a"], arms=["kd"])


# --- published --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "images", "sources"),
    [
        ("200 Google", 200, ["google"]), ("500 Google + 500 Bing", 1000, ["google", "bing"]), ("", np.nan, []),
        ("2,000 Bing", 2000, ["bing"]), ("200 SD2", 200, ["sd2"]), ("some images", np.nan, []),
    ],
)  # fmt: skip
def test_what_the_published_study_tested_on(text, images, sources):
    assert published.images_in(text) == pytest.approx(images, nan_ok=True)
    assert published.sources_in(text, ["google", "bing", "sd2"]) == sources


@pytest.mark.parametrize(("seeds", "sd"), [(2, 0.005), (3, 0.005), (6, 0.005), (6, 0.02)])
def test_one_training_on_few_images_lies_in_its_interval_95_times_of_100(seeds, sd):
    rng, draws, hits, widths = np.random.default_rng(0), 2000, 0, []
    for _ in range(draws):
        truths = rng.normal(0.4, sd, seeds + 1)
        # all of ours were tested on the same images
        ours = 100 * (truths[:seeds] + rng.normal(0, (0.24 / 4000) ** 0.5))
        theirs = 100 * rng.binomial(200, truths[seeds]) / 200
        low, high = published.single_interval(ours.mean(), ours.std(ddof=1), seeds, 4000, 200)
        hits += low <= theirs <= high
        widths.append(high - low)
    error = (0.05 * 0.95 / draws) ** 0.5
    # rather too wide than too narrow, but no wider than it need be, or every published number would lie within
    assert 0.95 - 4 * error <= hits / draws <= 0.98
    needed = 2 * 1.96 * 100 * (sd**2 * (1 + 1 / seeds) + 0.24 * (1 / 200 + 1 / 4000)) ** 0.5
    assert np.median(widths) < 1.2 * needed


@pytest.fixture
def tables():
    base = {"scenario": "a", "train": "800 Google"}
    arms = {"scratch": 40.0, "kd": 50.0, "published_scratch": 16.0}
    summary = pd.DataFrame([base | {"arm": arm, "mean_percent": mean} for arm, mean in arms.items()])
    sources = pd.DataFrame([
        {"scenario": "a", "arm": arm, "test": test, "n_test": n, "n_seeds": 6, "mean_percent": mean, "sd": 1.0,
         "low": mean - 1, "high": mean + 1}
        for arm, mean in arms.items() for test, n in (("common", 400), ("google", 200))
    ])  # fmt: skip
    return summary, sources


def test_published_numbers_are_held_against_the_same_recipe_and_kind_of_images(tables):
    said = {"site": [15.61, 30.0], "notebook": [15.0, 29.0], "test": "200 Google"}
    scratch, kd = published.published_rows(*tables, {"a": {"published": said}, "b": {"published": None}})
    assert (scratch["ours_arm"], scratch["ours_test"], scratch["ours_n"]) == ("published_scratch", "google", 200)
    assert scratch["within"] == "yes" and scratch["difference"] == -1 and scratch["corrected_percent"] == 40
    assert "website says 15.61, the notebook it comes from printed 15" in scratch["explanation"]
    assert "is what chance explains" in scratch["explanation"] and "+24.0 points" in scratch["explanation"]
    assert (kd["ours_arm"], kd["within"]) == ("kd", "no") and np.isnan(kd["corrected_percent"])
    assert "our corrected recipe" in kd["explanation"] and "is not what chance explains" in kd["explanation"]


def test_what_nothing_explains_has_no_explanation(tables):
    summary, sources = (table[table["arm"] == "scratch"] for table in tables)
    alone = sources.assign(n_seeds=1, sd=np.nan, low=np.nan, high=np.nan)
    (row,) = published.published_rows(summary, alone, {"a": {"published": {"site": [15.61, 30.0]}}})
    assert row["explanation"] == "" and row["within"] == ""


def test_a_study_that_nothing_was_published_of_has_an_empty_table(tmp_path, tables):
    for name, table in zip(("summary", "sources"), tables, strict=True):
        table.to_csv(tmp_path / f"{name}.csv", index=False)
    paths = tmp_path / "summary.csv", tmp_path / "sources.csv", tmp_path / "published.csv"
    published.tabulate_published(*paths, scenarios={"a": {"published": None}})
    assert pd.read_csv(paths[2]).empty and tuple(pd.read_csv(paths[2]).columns) == published.COLUMNS
    said = {"a": {"published": {"site": [15.61, 40.0], "test": ""}}}
    published.tabulate_published(*paths, scenarios=said, label="x")
    assert pd.read_csv(paths[2])["within"].isna().all()


def test_a_scenario_named_by_a_number_has_its_published_numbers(tmp_path, tables):
    paths = [tmp_path / f"{name}.csv" for name in ("summary", "sources", "published")]
    for path, table in zip(paths, tables, strict=False):
        table.assign(scenario="800").to_csv(path, index=False)
    published.tabulate_published(*paths, scenarios={"800": {"published": {"site": [15.61, 40.0]}}})
    assert pd.read_csv(paths[2])["arm"].tolist() == ["scratch", "kd"]


# --- typesetting ------------------------------------------------------------------------------------------------------


def test_the_summary_in_markdown_and_latex(tmp_path):
    row = dict.fromkeys(
        ("scenario", "train", "arm", "n_train", "n_seeds", "mean_percent", "low", "high", "difference", "p_holm"), ""
    )
    row |= dict.fromkeys(("difference_low", "difference_high", "published_site", "published_notebook"), "")
    row |= {
        "scenario": "web",
        "train": "8 a|b_c",
        "arm": "kd_2",
        "mean_percent": "50.00",
        "low": "1.00",
        "high": "2.00",
    }
    pd.DataFrame([row]).to_csv(tmp_path / "s.csv", index=False)
    typeset_summary(tmp_path / "s.csv", tmp_path / "s.md", tmp_path / "s.tex", "A 100 % study", "Demo")
    markdown, latex = (tmp_path / "s.md").read_text(), (tmp_path / "s.tex").read_text()
    lines = [line for line in markdown.splitlines() if line.startswith("|")]
    assert markdown.startswith("# A 100 % study\n\n*Demo*") and len(lines) == 3
    assert lines[2] == "| web | 8 a\\|b_c | kd_2 |  |  | 50.00 | [1.00, 2.00] |  |  |  |  |"
    assert {line.replace("\\|", "").count("|") for line in lines} == {12}
    assert r"8 a|b\_c & kd\_2" in latex and r"A 100 \% study. Demo" in latex and "nan" not in latex.lower()
    assert r"\toprule" in latex and latex.count("&") == 20


def test_latex_is_escaped():
    assert (
        escaped("50 % of a_b & {c}~^\\") == r"50 \% of a\_b \& \{c\}\textasciitilde{}\textasciicircum{}\textbackslash{}"
    )
