"""Ranks and the set of the best: certain if scenarios clearly differ, blank with one seed, correct in simulations."""

import numpy as np
from made_up_predictions import groups_of, predictions_of

from distillery.analysis.ranking import ranking_table

RATES = {("good", "kd"): 0.8, ("good", "scratch"): 0.8, ("fair", "kd"): 0.5, ("alike", "kd"): 0.5}


def table_of(seeds=4, seed=6):
    rng = np.random.default_rng(seed)
    runs = {key: predictions_of(rng.random((seeds, 200)) < rate) for key, rate in RATES.items()}
    runs["other", "kd"] = predictions_of(rng.random((seeds, 200)) < 0.9)
    sizes = {"good": "small", "fair": "small", "alike": "small", "other": "large"}
    return ranking_table(runs, groups_of(200), sizes).set_index(["scenario", "arm"])


def test_scenarios_are_ranked_within_their_arm_and_all_arms_compared_for_the_best():
    table = table_of()
    assert table["n_ranked"].to_dict() == {
        ("good", "kd"): "3", ("fair", "kd"): "3", ("alike", "kd"): "3", ("good", "scratch"): "1", ("other", "kd"): "1",
    }  # fmt: skip
    assert list(table.loc[("good", "kd"), ["rank", "rank_low", "rank_high"]]) == ["1", "1", "1"]
    for name in ("fair", "alike"):
        assert list(table.loc[(name, "kd"), ["rank_low", "rank_high"]]) == ["2", "3"]
    best = {key for key, row in table.iterrows() if row["among_best"] == "yes"}
    assert best == {("good", "kd"), ("good", "scratch"), ("other", "kd")}
    assert list(table["n_compared"]) == ["4"] * 4 + ["1"]


def test_one_seed_gives_no_ranks():
    table = table_of(seeds=1)
    small = table[table["size"] == "small"]
    assert set(small["among_best"]) == {""} and set(small.loc[(slice(None), "kd"), "rank_low"]) == {""}


def test_the_truly_best_is_in_the_set_and_ranks_lie_in_their_intervals():
    """Five equally good scenarios and one that is slightly better: often another one has the highest mean."""
    rng, draws = np.random.default_rng(7), 150
    covered, ranked, wins = [], [], []
    for _ in range(draws):
        ease = rng.normal(0, 1, 120)
        runs = {}
        for name, better in zip("abcdef", (0.1, 0, 0, 0, 0, 0), strict=True):
            noise = rng.normal(0, 0.2, (4, 1)) + rng.normal(0, 0.5, 120) + rng.normal(0, 1, (4, 120))
            runs[name, "kd"] = predictions_of(ease + better + noise > 0)
        table = ranking_table(runs, groups_of(120), dict.fromkeys("abcdef", "small")).set_index("scenario")
        covered.append(table.loc["a", "among_best"] == "yes")
        ranked.append(table.loc["a", "rank_low"] == "1")
        wins.append(table.loc["a", "rank"] == "1")
    slack = 4 * (0.05 * 0.95 / draws) ** 0.5
    assert np.mean(covered) >= 0.95 - slack and np.mean(ranked) >= 0.95 - slack and np.mean(wins) < 0.6
