"""The main tables follow from the runs: counts, means, pairs, published numbers, in the configuration's order."""

import json

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from distillery.analysis import comparisons
from distillery.analysis.statistics import estimate
from distillery.analysis.study_tables.all_tables import tabulate_study
from distillery.analysis.study_tables.counts_table import counts_table, reason_column
from distillery.analysis.study_tables.plan_images import read_plan_counts, used_images
from distillery.analysis.study_tables.runs_table import RUN_COLUMNS, read_run_tables, scenario_table
from distillery.analysis.study_tables.summary_table import COMPARED, SUMMARY_COLUMNS, summary_table
from distillery.analysis.study_tables.teacher_table import teacher_table
from distillery.analysis.table_files import NAMES, read_table, write_table
from distillery.display_names import source_titles, train_text
from distillery.jobs import UserError

TITLES = source_titles({"google": "google", "bing": "bing", "sd2": "diffusion", "sd_v3": "diffusion"})
SCRATCH = [0.30, 0.32, 0.31, 0.33, 0.29, 0.30]
KD = [0.36, 0.37, 0.35, 0.36, 0.38, 0.33]


def scenario(train, arms=("scratch", "kd"), **other):
    return {"train": train, "augment": "none", "size": "small", "arms": list(arms), "published": None} | other


@pytest.fixture
def study(tmp_path, write_run):
    """Writes the scenarios' tables from scenarios and {scenario: {arm: accuracies}}, and returns their paths."""

    def make(scenarios, accuracies, **run):
        paths = []
        for name, settings in scenarios.items():
            runs = [
                write_run(name, arm, seed, accuracy, augment=settings["augment"], **run)
                for arm, values in accuracies[name].items()
                for seed, accuracy in enumerate(values)
            ]
            path = tmp_path / f"{name}.csv"
            write_table(scenario_table(runs[::-1], settings, TITLES), path)
            paths.append(path)
        return paths

    return make


NO_COMPARISONS = pd.DataFrame(columns=list(comparisons.COLUMNS))


def summary(paths, scenarios, plans=None, label="", compared=NO_COMPARISONS):
    found = summary_table(
        read_run_tables(paths, list(scenarios)), plans or {}, scenarios, compared, label, titles=TITLES
    )
    return found.set_index(["scenario", "arm"])


def test_a_run_is_a_row_in_the_order_of_arms_and_seeds(write_run):
    settings = scenario({"google": 400, "bing": 400}, arms=["scratch", "kd"], size="medium")
    runs = [write_run("web", arm, seed, 0.125) for arm in ("kd", "scratch") for seed in (10, 2, 0)]
    table = scenario_table(runs, settings, TITLES)
    assert list(table["arm"]) == ["scratch"] * 3 + ["kd"] * 3
    assert list(table["seed"]) == [0, 2, 10] * 2
    assert tuple(table.columns) == (*RUN_COLUMNS, "accuracy_percent_on_google")
    first = table.iloc[0]
    assert (first["accuracy_percent"], first["n_correct"], first["size"]) == ("12.50", 25, "medium")
    assert (first["train_requested"], first["n_train_requested"]) == ("400 Google + 400 Bing", 800)
    assert first["val_accuracy_percent"] == ""


def test_a_damaged_metrics_file_is_named(tmp_path):
    path = tmp_path / "metrics.json"
    for text in ("{", "{}", '{"scenario": 1}'):
        path.write_text(text)
        with pytest.raises(UserError, match="metrics.json is not a run's metrics"):
            scenario_table([path], scenario({"google": 8}))


def test_the_summary_is_the_statistics_of_the_runs(study):
    scenarios = {"a": scenario({"google": 800}), "b": scenario({"bing": 800})}
    accuracies = {"a": {"scratch": SCRATCH, "kd": KD}, "b": {"scratch": SCRATCH, "kd": SCRATCH[::-1]}}
    found = summary(study(scenarios, accuracies), scenarios)
    row, mean = found.loc["a", "kd"], estimate([100 * x for x in KD])
    assert float(row["mean_percent"]) == pytest.approx(mean.mean, abs=0.005)
    assert [float(row[k]) for k in ("sd", "low", "high")] == pytest.approx([mean.sd, mean.low, mean.high], abs=0.0051)
    assert (found[list(COMPARED)] == "").all(axis=None)  # no comparison is declared


def test_an_arm_has_the_cells_of_its_first_declared_comparison_within_the_scenario(study):
    scenarios = {"a": scenario({"google": 800}), "b": scenario({"bing": 800})}
    names = ("comparison", "scenario", "arm", "versus_scenario", "versus_arm", "difference", "p_holm", "verdict")
    declared = [
        ("across", "b", "kd", "a", "kd", "1.00", "0.50", "x"),
        ("helps", "b", "kd", "b", "scratch", "2.00", "< 0.0001", "better"),
        ("again", "b", "kd", "b", "other", "3.00", "0.70", "y"),
        ("fault", "b", "scratch", "b", "other", "4.00", "", ""),
    ]  # fmt: skip
    compared = pd.DataFrame(declared, columns=names).reindex(columns=list(comparisons.COLUMNS), fill_value="")
    found = summary(
        study(scenarios, dict.fromkeys(scenarios, {"scratch": SCRATCH, "kd": KD})), scenarios, compared=compared
    )
    cells = ["comparison", "versus", "difference", "p_holm", "verdict"]
    assert list(found.loc["b", "kd"][cells]) == ["helps", "scratch", "2.00", "< 0.0001", "better"]
    assert list(found.loc["b", "scratch"][cells]) == ["fault", "other", "4.00", "", ""]
    assert set(found.loc["a", cells].to_numpy().ravel()) == {""}


def test_one_seed_has_a_mean_and_no_interval(study):
    scenarios = {"a": scenario({"google": 800})}
    row = summary(study(scenarios, {"a": {"scratch": [0.3], "kd": [0.4]}}), scenarios).loc["a", "kd"]
    assert (row["mean_percent"], row["n_seeds"]) == ("40.00", "1")
    assert [row[k] for k in ("sd", "low", "high")] == [""] * 3


def test_published_numbers_stand_beside_their_arms(study):
    published = {"site": [15.61, 40.0], "notebook": [15.0, 39.0], "test": "200 Google"}
    arms = ["scratch", "kd", "published_scratch", "published_kd", "kd_hot"]
    scenarios = {"a": scenario({"google": 800}, arms=arms, published=published), "b": scenario({"bing": 800})}
    scenarios["c"] = scenario({"bing": 800}, published={"site": [1.0, 2.0]})
    accuracies = {name: dict.fromkeys(settings["arms"], SCRATCH) for name, settings in scenarios.items()}
    found = summary(study(scenarios, accuracies), scenarios)
    columns = ["published_site", "published_notebook", "published_test"]
    assert list(found.loc["a", "scratch"][columns]) == ["15.61", "15.00", "200 Google"]
    assert list(found.loc["a", "kd"][columns]) == ["40.00", "39.00", "200 Google"]
    assert list(found.loc["a", "published_kd"][columns]) == ["40.00", "39.00", "200 Google"]
    assert list(found.loc["a", "kd_hot"][columns]) == list(found.loc["b", "kd"][columns]) == ["", "", ""]
    assert list(found.loc["c", "kd"][columns]) == ["2.00", "", ""]


def test_the_train_text_counts_the_plan_not_the_configuration(study, write_plan):
    scenarios = {"a": scenario({"google": 800, "bing": 800}, augment="rotation")}
    paths = study(scenarios, {"a": {"scratch": SCRATCH}}, n_train=1100, n_classes=7)
    plans = {"a": read_plan_counts(write_plan("a", {"bing": 250, "google": 300}, augmented=True))}
    row = summary(paths, scenarios, plans).loc["a", "scratch"]
    assert row["train"] == "300 Google + 250 Bing + 550 rotated"
    assert (row["n_train"], row["n_train_requested"], row["n_classes"]) == ("1100", "3200", "7")


def test_rows_follow_the_configuration(study):
    scenarios = {"z": scenario({"google": 800}), "a": scenario({"google": 800}, arms=["kd", "scratch"])}
    paths = study(scenarios, {name: {"scratch": SCRATCH, "kd": KD} for name in scenarios})
    found = summary(paths[::-1], scenarios)
    assert list(found.index) == [("z", "scratch"), ("z", "kd"), ("a", "kd"), ("a", "scratch")]


def test_runs_of_different_sizes_are_not_averaged(tmp_path, write_run):
    runs = [write_run("a", "kd", 0, 0.3, n_train=800), write_run("a", "kd", 1, 0.3, n_train=640)]
    write_table(scenario_table(runs, scenario({"google": 800})), tmp_path / "a.csv")
    with pytest.raises(UserError, match="scenario a, arm kd: runs differ in n_train .*800, 640"):
        summary([tmp_path / "a.csv"], {"a": scenario({"google": 800})})


def test_kept_and_dropped_sum_to_the_candidates(write_curated, write_plan, write_splits):
    curated = [write_curated("google", kept=20), write_curated("bing", kept=30, reasons=["duplicate (of x)"] * 2)]
    # 5 train images of bing in one plan are among the 12 of the other
    plans = [write_plan("a", {"google": 6, "bing": 5}), write_plan("b", {"bing": 12}, augmented=True)]
    found = counts_table(curated, plans, write_splits(["google", "bing"]), ["google", "bing"])
    assert list(found["source"]) == ["google", "google", "bing", "bing"]
    assert list(found["class"]) == ["cat", "dog"] * 2
    reasons = [name for name in found.columns if name.startswith("dropped_")]
    assert reasons == ["dropped_duplicate", "dropped_not_retrieved", "dropped_too_small"]
    assert (found["candidates"] == found["kept"] + found[reasons].sum(axis=1)).all()
    assert (found["kept_photo"] == found["kept"]).all()
    some = pd.read_parquet(curated[0]).assign(image_kind=["drawing", "photo", "dark", ""] * 11)
    some.to_parquet(curated[0], index=False)
    again = counts_table(curated, plans, write_splits(["google", "bing"]), ["google", "bing"])
    assert [name for name in again.columns if name.startswith("kept_")] == ["kept_photo", "kept_drawing", "kept_dark"]
    assert list(again["kept_drawing"]) == [10, 0, 0, 0] and list(again["kept_dark"]) == [10, 0, 0, 0]
    assert list(found["retrieved"]) == [21, 21, 32, 32]
    assert list(found["train"]) == [3, 3, 6, 6]
    assert list(found["test"]) == [5, 5, 5, 5] and list(found["val"]) == [0] * 4


def test_students_are_tested_on_every_tested_source_s_images_of_their_classes(write_curated, write_plan, write_splits):
    curated = [write_curated("google"), write_curated("sd2")]
    splits = write_splits(["google", "sd2", "bing"], labels=3)
    plans = [write_plan("a", {"google": 6})]
    used = used_images(plans, splits, ["google", "sd2"])
    # no scenario trains on label 2, so no student is tested on it
    assert list(used.loc[used["source"] == "sd2", "row"]) == [0, 1, 3, 4, 6, 7, 9]
    assert set(used.loc[used["source"] == "sd2", "split"]) == {"test"} and "bing" not in set(used["source"])
    found = counts_table(curated, plans, splits, ["google", "sd2"]).set_index("source")
    assert found.loc["sd2", "test"].sum() == 7 and found.loc["sd2", "train"].sum() == 0
    assert found.loc["google", "test"].sum() == 7 and found.loc["google", "train"].sum() == 6


def test_teacher_table(teacher):
    found = teacher_table(teacher, "a demonstration")
    assert found.drop(columns="note").to_csv(index=False, lineterminator="\n") == (
        "teacher,test,class,n,accuracy_percent\n"
        "all,own,all,10000,91.23\nall,google,all,200,75.00\nall,google,cat,,50.00\nall,google,dog,,100.00\n"
    )
    assert (found["note"] == "a demonstration").all()


def test_all_tables_twice_give_the_same_bytes(tmp_path, study, write_curated, write_plan, write_splits, teacher):
    tests = {"splits": write_splits(["google"]), "tested": ["google"]}
    scenarios = {"a": scenario({"google": 8}), "b": scenario({"google": 4}, arms=["scratch"])}
    paths = study(scenarios, {"a": {"scratch": SCRATCH, "kd": KD}, "b": {"scratch": [0.5]}})
    plans, curated = [write_plan("a", {"google": 8}), write_plan("b", {"google": 4})], [write_curated("google")]
    names = ("runs", "summary", "counts", "teacher")
    write_table(NO_COMPARISONS, tmp_path / "compared.csv")
    contents = []
    for part in ("one", "two"):
        compared = tmp_path / "compared.csv"
        made = tabulate_study(paths, plans, curated, teacher, compared, scenarios, label="a demonstration", **tests)
        made.write(**{name: tmp_path / part / f"{name}.csv" for name in names})
        contents.append([(tmp_path / part / f"{name}.csv").read_text() for name in names])
    assert contents[0] == contents[1]
    runs, summary_text = contents[0][:2]
    assert runs.splitlines()[1] == (tmp_path / "a.csv").read_text().splitlines()[1]
    assert len(runs.splitlines()) == 1 + 13
    assert "nan" not in "".join(contents[0]).lower() and "<NA>" not in "".join(contents[0])
    assert tuple(summary_text.splitlines()[0].split(",")) == SUMMARY_COLUMNS
    assert pd.read_csv(tmp_path / "one" / "summary.csv")["note"].eq("a demonstration").all()


def test_scenarios_of_an_untrained_model_are_marked(study):
    scenarios = {"a": scenario({"google": 8, "sd2": 8}), "b": scenario({"google": 8})}
    paths = study(scenarios, {name: {"scratch": SCRATCH} for name in scenarios})
    found = summary_table(
        read_run_tables(paths, list(scenarios)), {}, scenarios, NO_COMPARISONS, untrained=["sd2"], titles=TITLES
    )
    assert dict(zip(found["scenario"], found["untrained"], strict=True)) == {"a": "SD2", "b": ""}


def test_names_of_digits_stay_text(study):
    """Arms `1` and `4` of scenario `007` keep their names when read back."""
    scenarios = {"007": scenario({"google": 800}, arms=["1", "scratch"])}
    found = summary(study(scenarios, {"007": {"1": KD, "scratch": SCRATCH}}), scenarios)
    assert list(found.index) == [("007", "1"), ("007", "scratch")]


def test_a_written_table_is_read_back(tmp_path):
    names = pd.DataFrame({name: ["None", "300", "007"] for name in NAMES}).assign(mean_percent=[0.5, None, 1])
    write_table(names, tmp_path / "names.csv")
    pd.testing.assert_frame_equal(read_table(tmp_path / "names.csv"), names)


def test_a_study_without_runs_ends_in_one_line(tmp_path):
    write_table(pd.DataFrame(columns=RUN_COLUMNS), tmp_path / "a.csv")
    with pytest.raises(UserError, match="no scenario has a run"):
        read_run_tables([tmp_path / "a.csv"], ["a"])


@pytest.mark.parametrize(
    ("counts", "augment", "text"),
    [
        ({"google": 800}, "none", "800 Google"),
        ({"google": 2000, "bing": 2000}, "none", "2,000 Google + 2,000 Bing"),
        ({"google": 1000, "bing": 1000, "sd2": 1000, "sd_v3": 1000}, "none", "1,000 each of Google, Bing, SD2, SD V3"),
        ({"my_images": 40, "bing": 0}, "color", "40 my images + 40 color-altered"),
        ({}, "none", "no images"),
    ],
)
def test_train_text(counts, augment, text):
    assert train_text(counts, augment, titles=TITLES) == text


@given(st.text(max_size=40))
def test_any_reason_gives_a_valid_column_name(reason):
    name = reason_column(reason)
    assert name.startswith("dropped_") and len(name) > 8 and name.isascii() and not {" ", ",", '"'} & set(name)


def test_metrics_with_a_whole_accuracy(write_run):
    """JSON may contain 1 instead of 1.0."""
    path = write_run("a", "kd", 0, 1)
    assert json.loads(path.read_text())["accuracy"] == 1
    assert scenario_table([path], scenario({"google": 8}))["accuracy_percent"].item() == "100.00"
