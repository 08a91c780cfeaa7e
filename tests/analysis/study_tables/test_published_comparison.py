"""Published numbers are compared with the same recipe on the same kind of test images."""

import numpy as np
import pandas as pd
import pytest

from distillery.analysis.study_tables import published_comparison as published
from distillery.display_names import source_titles


@pytest.mark.parametrize(
    ("text", "images", "sources"),
    [
        ("200 Google", 200, ["google"]), ("500 Google + 500 Bing", 1000, ["google", "bing"]), ("", np.nan, []),
        ("2,000 Bing", 2000, ["bing"]), ("200 SD2", 200, ["sd2"]), ("some images", np.nan, []),
    ],
)  # fmt: skip
def test_images_and_sources_of_a_published_test(text, images, sources):
    assert published.images_in(text) == pytest.approx(images, nan_ok=True)
    titles = source_titles({"google": "google", "bing": "bing", "sd2": "diffusion"})
    assert published.sources_in(text, list(titles), titles) == sources


def test_a_published_test_names_sources_by_their_kind():
    titles = source_titles({"google": "openverse", "web": "google"})
    assert published.sources_in("200 Google", list(titles), titles) == ["web"]


@pytest.mark.parametrize(("seeds", "sd"), [(2, 0.005), (3, 0.005), (6, 0.005), (6, 0.02)])
def test_the_prediction_interval_covers_one_training_95_times_of_100(seeds, sd):
    rng, draws, hits, widths = np.random.default_rng(0), 2000, 0, []
    for _ in range(draws):
        truths = rng.normal(0.4, sd, seeds + 1)
        # all of the study's runs were tested on the same images
        ours = 100 * (truths[:seeds] + rng.normal(0, (0.24 / 4000) ** 0.5))
        theirs = 100 * rng.binomial(200, truths[seeds]) / 200
        low, high = published.single_interval(ours.mean(), ours.std(ddof=1), seeds, 4000, 200)
        hits += low <= theirs <= high
        widths.append(high - low)
    error = (0.05 * 0.95 / draws) ** 0.5
    # may be somewhat too wide, but not much: otherwise every published number would lie within
    assert 0.95 - 4 * error <= hits / draws <= 0.98
    needed = 2 * 1.96 * 100 * (sd**2 * (1 + 1 / seeds) + 0.24 * (1 / 200 + 1 / 4000)) ** 0.5
    assert np.median(widths) < 1.2 * needed


@pytest.fixture
def tables():
    base = {"scenario": "a", "train": "800 Google", "n_train": 800, "n_train_requested": 800}
    arms = {"scratch": 40.0, "kd": 50.0, "published_scratch": 16.0}
    summary = pd.DataFrame([base | {"arm": arm, "mean_percent": mean} for arm, mean in arms.items()])
    sources = pd.DataFrame([
        {"scenario": "a", "arm": arm, "test": test, "n_test": n, "n_seeds": 6, "mean_percent": mean, "sd": 1.0,
         "low": mean - 1, "high": mean + 1}
        for arm, mean in arms.items() for test, n in (("common", 400), ("google", 200))
    ])  # fmt: skip
    return summary, sources


def test_published_numbers_are_compared_with_the_same_recipe_and_kind_of_images(tables):
    numbers = {"site": [15.61, 30.0], "notebook": [15.0, 29.0], "test": "200 Google"}
    scratch, kd = published.published_rows(*tables, {"a": {"published": numbers}, "b": {"published": None}})
    assert "It trained on" not in scratch["explanation"] and scratch["n_claims"] == 2
    assert (scratch["ours_arm"], scratch["ours_test"], scratch["ours_n"]) == ("published_scratch", "google", 200)
    assert scratch["within"] == "yes" and scratch["difference"] == -1 and scratch["corrected_percent"] == 40
    assert "website says 15.61, the notebook it comes from printed 15" in scratch["explanation"]
    assert "chance explains the published number" in scratch["explanation"] and "+24.0 points" in scratch["explanation"]
    assert (kd["ours_arm"], kd["within"]) == ("kd", "no") and np.isnan(kd["corrected_percent"])
    assert (
        "our corrected recipe" in kd["explanation"]
        and "chance does not explain the published number" in kd["explanation"]
    )


def test_a_different_number_of_train_images_is_reported(tables):
    numbers = {"site": [15.61, 30.0], "test": "200 Google", "n_train": 400}
    for row in published.published_rows(*tables, {"a": {"published": numbers}}):
        assert (row["published_train"], row["ours_train"]) == (400, 800)
        assert "It trained on 400 images, ours on 800." in row["explanation"]


def test_all_published_numbers_are_within_at_once_95_times_of_100():
    """For 26 true numbers, at least one lies outside in 1 of 20 studies."""
    rng, draws, claims, alone, together = np.random.default_rng(1), 500, 26, [], []
    for _ in range(draws):
        ours = 40 + rng.normal(0, 1, (claims, 6))
        theirs = 100 * rng.binomial(200, np.clip(0.4 + rng.normal(0, 0.01, claims), 0, 1)) / 200
        for level, found in ((0.95, alone), (1 - 0.05 / claims, together)):
            ends = [published.single_interval(o.mean(), o.std(ddof=1), 6, 4000, 200, level) for o in ours]
            found.append(all(low <= t <= high for (low, high), t in zip(ends, theirs, strict=True)))
    assert np.mean(alone) < 0.6 and np.mean(together) >= 0.95 - 4 * (0.05 * 0.95 / draws) ** 0.5


def test_without_an_interval_there_is_no_explanation(tables):
    summary, sources = (table[table["arm"] == "scratch"] for table in tables)
    alone = sources.assign(n_seeds=1, sd=np.nan, low=np.nan, high=np.nan)
    (row,) = published.published_rows(summary, alone, {"a": {"published": {"site": [15.61, 30.0]}}})
    assert row["explanation"] == "" and row["within"] == ""


def test_without_published_numbers_the_table_is_empty(tmp_path, tables):
    for name, table in zip(("summary", "sources"), tables, strict=True):
        table.to_csv(tmp_path / f"{name}.csv", index=False)
    paths = tmp_path / "summary.csv", tmp_path / "sources.csv", tmp_path / "published.csv"
    published.tabulate_published(*paths, scenarios={"a": {"published": None}})
    assert pd.read_csv(paths[2]).empty and tuple(pd.read_csv(paths[2]).columns) == published.COLUMNS
    scenarios = {"a": {"published": {"site": [15.61, 40.0], "test": ""}}}
    published.tabulate_published(*paths, scenarios=scenarios, label="x")
    assert pd.read_csv(paths[2])["within"].isna().all()


def test_a_scenario_named_by_a_number_has_its_published_numbers(tmp_path, tables):
    paths = [tmp_path / f"{name}.csv" for name in ("summary", "sources", "published")]
    for path, table in zip(paths, tables, strict=False):
        table.assign(scenario="800").to_csv(path, index=False)
    published.tabulate_published(*paths, scenarios={"800": {"published": {"site": [15.61, 40.0]}}})
    assert pd.read_csv(paths[2])["arm"].tolist() == ["scratch", "kd"]
