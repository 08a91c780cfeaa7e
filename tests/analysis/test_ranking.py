"""Ranks are certain where scenarios differ, and draws vary by the errors over seeds and images."""

import numpy as np
import pytest
from made_up_predictions import groups_of, predictions_of

from distillery.analysis.ranking import ranking_table, resampled_means


def test_ranks_are_certain_only_where_scenarios_differ():
    rng = np.random.default_rng(6)
    rates = {"good": 0.8, "fair": 0.5, "alike": 0.5}
    runs = {(name, "kd"): predictions_of(rng.random((4, 200)) < rate) for name, rate in rates.items()}
    runs["other", "kd"] = predictions_of(rng.random((4, 200)) < 0.9)
    table = ranking_table(runs, groups_of(200), dict.fromkeys(rates, "small") | {"other": "large"}).set_index(
        "scenario"
    )
    assert table.loc["good", ["rank", "rank_low", "rank_high", "best_percent"]].tolist() == ["1", "1", "1", "100.0"]
    assert set(table.loc[["fair", "alike"], "rank_low"]) == {"2"} and set(
        table.loc[["fair", "alike"], "rank_high"]
    ) == {"3"}
    assert table["n_ranked"].to_dict() == dict.fromkeys(rates, "3") | {"other": "1"}
    assert table.loc["other", "rank"] == "1" and table["best_percent"].astype(float).sum() == pytest.approx(
        200, abs=0.2
    )


def test_draws_vary_by_the_errors_over_seeds_and_images():
    rng = np.random.default_rng(7)
    correct = rng.random((5, 120)) < rng.random((5, 1))
    means = resampled_means([correct], np.arange(120), np.random.default_rng(0))[:, 0]
    by_seed, by_image = correct.mean(axis=1).var() / 5, correct.mean(axis=0).var() / 120
    assert means.mean() == pytest.approx(correct.mean(), abs=0.02)
    assert means.var() == pytest.approx(by_seed + by_image, rel=0.3)
