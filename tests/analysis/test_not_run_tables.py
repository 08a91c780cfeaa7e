"""Tables of a study with scenarios that are not run."""

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest
from made_up_predictions import groups_of, predictions_of

from distillery.analysis.comparisons import COLUMNS, comparisons_table
from distillery.analysis.ranking import ranking_table
from distillery.analysis.study_tables.all_tables import tabulate_study
from distillery.analysis.study_tables.counts_table import counts_table
from distillery.analysis.study_tables.published_comparison import published_rows
from distillery.analysis.study_tables.runs_table import RUN_COLUMNS, scenario_table
from distillery.analysis.study_tables.typesetting import typeset_summary
from distillery.analysis.table_files import read_table, run_rows, write_table
from distillery.jobs import UserError
from distillery.splits.scenario_plan import NOT_RUN, PLAN_SCHEMA

REASON = "google refused (captcha)"
SCENARIOS = {
    "first": {"train": {"google": 8}, "augment": "color", "size": "large", "arms": ["scratch", "kd"], "clean": True,
              "published": {"site": (10.0, 20.0)}},
    "second": {"train": {"bing": 8}, "augment": "none", "size": "small", "arms": ["scratch", "kd"]},
}  # fmt: skip
TITLES = {"google": "Google", "bing": "Bing"}


def not_run_plan(path):
    path.parent.mkdir(exist_ok=True)
    pq.write_table(PLAN_SCHEMA.with_metadata({NOT_RUN: REASON}).empty_table(), path)
    return path


@pytest.fixture
def tables(tmp_path, write_run, write_plan, write_splits, write_curated, teacher):
    """The main tables of a study whose first scenario is not run."""

    def make(not_run=("first",), lacking=""):
        paths, plans = [], []
        for name, settings in SCENARIOS.items():
            runs = [(arm, seed) for arm in settings["arms"] for seed in range(3)]
            metrics = [write_run(name, arm, seed, 0.2 + seed / 20, n_train=8) for arm, seed in runs]
            if name in not_run:
                for path, (arm, seed) in zip(metrics, runs, strict=True):
                    path.write_text(f'{{"scenario": "{name}", "arm": "{arm}", "seed": {seed}, "not_run": "{REASON}"}}')
                plans.append(not_run_plan(tmp_path / "plans" / f"{name}.parquet"))
            else:
                plans.append(write_plan(name, settings["train"]))
            table = scenario_table(metrics, settings, TITLES)
            assert list(table.columns)[: len(RUN_COLUMNS)] == list(RUN_COLUMNS) and table.empty == (name in not_run)
            paths.append(tmp_path / f"{name}.csv")
            write_table(table, paths[-1])
        curated, splits = [write_curated("bing")], write_splits(["bing"])
        compared = tmp_path / "comparisons.csv"
        write_table(pd.DataFrame(columns=list(COLUMNS)), compared)
        words = {"titles": TITLES, "lacking": lacking}
        found = tabulate_study(
            paths, plans, curated, teacher, compared, SCENARIOS, splits=splits, tested=["bing"], **words
        )
        write_table(found.summary, tmp_path / "summary.csv")
        return found

    return make


def test_a_scenario_that_is_not_run_has_a_row_for_each_arm_with_its_reason_and_no_number(tables, tmp_path):
    found = tables()
    assert list(found.summary["scenario"]) == ["first", "first", "second", "second"]
    assert list(found.summary["not_run"]) == [REASON, REASON, "", ""] and found.summary.columns[-1] == "not_run"
    first = found.summary.iloc[0]
    assert (first["train"], first["size"], first["clean"]) == ("8 Google + 8 color-altered", "large", "yes")
    words = ["scenario", "size", "arm", "train", "clean", "not_run"]
    assert set(found.summary.iloc[:2].drop(columns=words).to_numpy().ravel()) == {""}
    assert set(found.runs["scenario"]) == {"second"}
    assert list(run_rows(found.summary)["scenario"]) == ["second"] * 2
    assert list(run_rows(read_table(tmp_path / "summary.csv"))["scenario"]) == ["second"] * 2


def test_other_rows_are_the_same_as_without_the_scenario_and_a_whole_study_has_a_blank_column(tables):
    whole, part = tables(not_run=()), tables()
    assert set(whole.summary["not_run"]) == {""} and "lacking" not in whole.summary
    pd.testing.assert_frame_equal(whole.summary.iloc[2:], part.summary.iloc[2:])


def test_what_the_common_test_lacks_stands_in_every_row_and_below_the_typeset_title(tables, tmp_path):
    found = tables(lacking="google (captcha) in the common test")
    assert set(found.summary["lacking"]) == {"google (captcha) in the common test"}
    assert list(found.summary.columns[-2:]) == ["lacking", "not_run"]
    files = tmp_path / "summary.md", tmp_path / "summary.tex"
    typeset_summary(tmp_path / "summary.csv", *files, "A study")
    for text in (file.read_text() for file in files):
        assert "Missing because the source refused: google (captcha) in the common test" in text
        assert text.count(f"not run: {REASON}") == 2


def test_a_study_of_which_nothing_is_run_ends_in_one_line(tables):
    with pytest.raises(UserError, match=r"^no scenario is run: google refused \(captcha\)\. Get access"):
        tables(not_run=("first", "second"))


def test_a_refusal_is_no_candidate_and_its_reason_has_a_column(write_curated, write_plan, write_splits):
    bing = write_curated("bing", reasons=("too small",))
    google = write_curated("google", kept=0, reasons=("refused: captcha",))
    table = counts_table([google, bing], [write_plan("a", {"bing": 8})], write_splits(["bing"]), ["bing"])
    assert list(table["refused"]) == ["captcha", "captcha", "", ""] and table.columns[-1] == "refused"
    assert list(table["candidates"]) == [0, 0, 21, 21] and list(table["dropped_too_small"]) == [0, 0, 1, 1]
    assert "dropped_refused" not in table and set(table[["kept", "train", "val", "test"]].iloc[0]) == {0}
    assert "refused" not in counts_table([bing], [write_plan("a", {"bing": 8})], write_splits(["bing"]), ["bing"])


def test_comparisons_ranking_and_published_numbers_leave_it_out(tables):
    rng = np.random.default_rng(0)
    runs = {("second", arm): predictions_of(rng.random((3, 40)) < 0.5) for arm in ("scratch", "kd")}
    groups = groups_of(40)
    within = {"question": "Better?", "arms": ["scratch", "kd"], "scenarios": None, "within": list(SCENARIOS)}
    across = {"question": "Bing?", "arms": None, "scenarios": ["first", "second"], "within": ["scratch", "kd"]}
    found = comparisons_table(runs, groups, {"helps": within, "bing": across})
    assert list(found["comparison"]) == ["helps"] and list(found["scenario"]) == ["second"]
    assert comparisons_table(runs, groups, {"bing": across}).empty
    assert set(ranking_table(runs, groups, dict.fromkeys(SCENARIOS, "small"))["scenario"]) == {"second"}
    summary = tables().summary
    assert list(published_rows(summary, pd.DataFrame({"scenario": [], "arm": [], "test": []}), SCENARIOS, TITLES)) == []
