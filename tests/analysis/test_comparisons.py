"""Declared comparisons: intervals hold what they promise, tests raise no false alarms, tables say what runs said."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats
from statsmodels.stats.contingency_tables import mcnemar
from statsmodels.stats.power import TTestPower

from distillery.analysis.comparisons import COLUMNS, compare, comparisons_table, sides_of
from distillery.analysis.ranking import ranking_table, resampled_means
from distillery.analysis.run_predictions import TestPredictions
from distillery.analysis.statistics import (
    ErrorModel,
    combine_variances,
    groups_sign_flip_p,
    holm,
    over_images,
    over_seeds,
    sign_flip_p,
)
from distillery.jobs import UserError


def simulated(rng, seeds, groups, size, by_seed, by_image):
    """Rights of two arms that are equally good on average, over trainings that differ and images that prefer one."""
    names = np.repeat(np.arange(groups), size)
    ease, preference = rng.normal(0, 1.5, groups)[names], rng.normal(0, by_image, groups)[names]

    def arm(sign):
        noise = rng.normal(0, 0.7, (seeds, len(names))) + rng.normal(0, by_seed, (seeds, 1))
        return ease + sign * preference / 2 + noise > 0

    return arm(-1), arm(1), names


SETTINGS = [
    (6, 150, 1, 0.2, 0.5),
    (6, 150, 1, 0, 1.0),
    (6, 50, 3, 0.2, 0.5),
    (3, 150, 1, 0.1, 1.0),
    (2, 150, 1, 0.2, 0.5),
]


@pytest.mark.parametrize("setting", SETTINGS)
def test_intervals_over_trainings_and_images_cover_and_raise_no_false_alarms(setting):
    rng, draws = np.random.default_rng(0), 500
    found = pd.DataFrame([compare(*simulated(rng, *setting)) for _ in range(draws)])
    slack = 4 * (0.05 * 0.95 / draws) ** 0.5
    assert ((found["low"] <= 0) & (found["high"] >= 0)).mean() >= 0.95 - slack
    for level in (0.01, 0.05, 0.2):
        assert (found["p"] <= level).mean() <= level + 4 * (level * (1 - level) / draws) ** 0.5


def test_over_seeds_alone_and_over_images_alone_hold_for_what_they_ask():
    """Over seeds where images prefer no arm; over images where trainings do not differ."""
    rng, draws = np.random.default_rng(1), 500
    slack = 4 * (0.05 * 0.95 / draws) ** 0.5
    seeds = pd.DataFrame([compare(*simulated(rng, 6, 150, 1, 0.3, 0.0)) for _ in range(draws)])
    images = pd.DataFrame([compare(*simulated(rng, 3, 60, 3, 0.0, 1.0)) for _ in range(draws)])
    for found, name in ((seeds, "seeds"), (images, "images")):
        assert ((found[f"{name}_low"] <= 0) & (found[f"{name}_high"] >= 0)).mean() >= 0.95 - slack
        assert (found[f"p_{name}"] <= 0.05).mean() <= 0.05 + slack


def test_a_family_of_comparisons_raises_any_false_alarm_at_most_at_the_level():
    rng, draws = np.random.default_rng(2), 150
    families = [holm([compare(*simulated(rng, 4, 80, 1, 0.2, 0.5))["p"] for _ in range(3)]) for _ in range(draws)]
    assert np.mean([family.min() <= 0.05 for family in families]) <= 0.05 + 4 * (0.05 * 0.95 / draws) ** 0.5


def test_near_duplicates_are_no_further_evidence():
    rng = np.random.default_rng(3)
    before, after = rng.random((3, 40)) < 0.5, rng.random((3, 40)) < 0.7
    once = compare(before, after, np.arange(40))
    five_times = compare(np.repeat(before, 5, axis=1), np.repeat(after, 5, axis=1), np.repeat(np.arange(40), 5))
    assert five_times["p_images"] == pytest.approx(once["p_images"])
    widths = [found["images_high"] - found["images_low"] for found in (five_times, once)]
    assert 0.85 < widths[0] / widths[1] <= 1  # less by the two pseudo-images, which weigh less among 200
    taken_for_others = compare(np.repeat(before, 5, axis=1), np.repeat(after, 5, axis=1), np.arange(200))
    assert taken_for_others["p_images"] < once["p_images"] / 10


@given(st.lists(st.tuples(st.booleans(), st.booleans()), min_size=2, max_size=60))
def test_one_seed_and_no_near_duplicates_is_mcnemars_exact_test(pairs):
    before, after = np.array(pairs).T
    table = [[np.sum(before & after), np.sum(before & ~after)], [np.sum(~before & after), np.sum(~before & ~after)]]
    expected = mcnemar(table, exact=True).pvalue
    assert groups_sign_flip_p(after.astype(int) - before, np.arange(len(pairs))) == pytest.approx(expected)


@given(st.lists(st.integers(-4, 4), min_size=1, max_size=9), st.integers(1, 3))
def test_over_groups_the_exact_p_is_that_of_their_sums(sums, size):
    differences, groups = np.repeat(sums, size), np.repeat(np.arange(len(sums)), size)
    assert groups_sign_flip_p(differences, groups) == pytest.approx(sign_flip_p(size * np.array(sums)))


def test_the_interval_over_images_is_bonett_and_prices():
    """Their adjusted Wald interval for paired shares, with t for z: 12 won, 5 lost, of 100."""
    change = np.array([1] * 12 + [-1] * 5 + [0] * 83)
    found = over_images(change, np.arange(100))
    won, lost, n = 13 / 102, 6 / 102, 102
    assert found.se == pytest.approx((((won + lost) - (won - lost) ** 2) / n * n / (n - 1)) ** 0.5)
    assert found.mean == pytest.approx(0.07)


def test_arms_that_never_differ_are_not_known_to_be_the_same():
    correct = np.ones((6, 15), bool)
    found = compare(correct, correct, np.arange(15))
    assert found["low"] < -5 and found["high"] > 5 and found["p"] == found["p_images"] == 1


@given(st.lists(st.floats(-50, 50).map(lambda x: round(x, 2)), min_size=2, max_size=8))
def test_one_variance_is_students_t(values):
    spread = over_seeds(values)
    if spread.se > 1e-6:
        assert spread.p() == pytest.approx(stats.ttest_1samp(values, 0).pvalue, abs=1e-12)
        assert spread.interval() == pytest.approx(stats.ttest_1samp(values, 0).confidence_interval())


@given(st.floats(0, 100), st.floats(1e-3, 10), st.floats(1e-3, 10), st.integers(1, 30), st.integers(1, 4000))
def test_p_and_interval_say_the_same(mean, a, b, few, many):
    both = combine_variances(ErrorModel(mean, (a,), (few,)), ErrorModel(mean, (b,), (many,)))
    p = both.p()
    assert 0 <= p <= 1
    if 1e-6 < p < 0.999:
        low, _ = both.interval(1 - p)
        assert low == pytest.approx(0, abs=1e-6 * max(1, mean))
    parts = stats.t.isf(0.025, (few, many))
    reach, alone = both.reach(0.025), parts * np.sqrt([a, b])
    assert max(*alone, min(parts) * both.se) - 1e-9 <= reach <= max(parts) * both.se + 1e-9
    weighted = np.average(parts, weights=[a, b]) * both.se
    assert reach == pytest.approx(max(weighted, *alone))


def test_what_can_be_detected_is_what_statsmodels_computes():
    spread = ErrorModel(0.0, (4.0 / 9,), (8.0,))  # nine values of variance 4
    exact = TTestPower().solve_power(nobs=9, alpha=0.05, power=0.8) * 2
    assert spread.detectable(0.05) == pytest.approx(exact, rel=0.02)


def test_a_difference_that_can_be_detected_is_found_four_times_in_five():
    rng, draws = np.random.default_rng(4), 2000
    reach = ErrorModel(0.0, (1 / 10,), (9.0,)).detectable(0.05)
    found = [over_seeds(sample).p() <= 0.05 for sample in rng.normal(reach, 1, (draws, 10))]
    assert np.mean(found) == pytest.approx(0.8, abs=0.04)


# --- tables -----------------------------------------------------------------------------------------------------------


def answers(correct, labels=None, seeds=None, classes=3, source="google"):
    """A test whose images are told right as `correct` [S, N] says."""
    correct = np.asarray(correct, bool)
    labels = np.arange(correct.shape[1]) % classes if labels is None else labels
    predicted = np.where(correct, labels, (labels + 1) % classes)
    logits = np.where(np.arange(classes) == predicted[..., None], 2.0, 0.0).astype(np.float32)
    seeds = np.arange(len(correct)) if seeds is None else np.array(seeds)
    sources = np.full(len(labels), source, dtype=object)
    return TestPredictions(sources, np.arange(len(labels)), labels.astype(np.int16), seeds, predicted, logits)


def groups_of(count, source="google"):
    places = pd.MultiIndex.from_product([[source], range(count)], names=["source", "row"])
    return pd.Series(np.arange(count), index=places)


@pytest.fixture
def runs():
    rng = np.random.default_rng(5)
    shares = {("a", "scratch"): 0.3, ("a", "kd"): 0.6, ("b", "scratch"): 0.5, ("b", "kd"): 0.5}
    return {key: answers(rng.random((6, 90)) < share) for key, share in shares.items()}


ARMS = {"question": "Does it help?", "arms": ["scratch", "kd"], "within": ["a", "b"]}
SCENARIOS = {"question": "Which?", "scenarios": ["a", "b"], "within": ["kd"]}


def test_a_row_a_test_in_the_order_declared(runs):
    table = comparisons_table(runs, groups_of(90), {"helps": ARMS, "which": SCENARIOS}, "a demonstration")
    assert tuple(table.columns) == COLUMNS and (table["note"] == "a demonstration").all()
    sides = ["comparison", "versus_scenario", "versus_arm", "scenario", "arm"]
    assert table[sides].to_numpy().tolist() == [
        ["helps", "a", "scratch", "a", "kd"], ["helps", "b", "scratch", "b", "kd"], ["which", "a", "kd", "b", "kd"],
    ]  # fmt: skip
    first = table.iloc[0]
    correct = runs["a", "kd"].correct.mean() - runs["a", "scratch"].correct.mean()
    assert float(first["difference"]) == pytest.approx(100 * correct, abs=0.0051)
    assert int(first["gained"]) - int(first["lost"]) == round(540 * correct)
    assert list(table["verdict"])[:2] == ["better", "no significant difference"] and table["verdict"][2] in (
        "worse",
        "no significant difference",
    )
    raw = table["p"][:2].astype(float).to_numpy()
    assert table["p_holm"][:2].astype(float).to_numpy() == pytest.approx(holm(raw), abs=1e-5)
    # six pairs in two scenarios: 2/64 > 0.05 / 2, so that the sign-flip test can find nothing
    assert list(table["detectable_seeds"][:2]) == ["", ""] and float(table["detectable_seeds"][2]) > 0
    assert (table["detectable"].astype(float) > 0).all()


def test_pairs_are_of_equal_seeds_and_images(runs):
    runs["a", "kd"] = answers(runs["a", "kd"].correct[:4], seeds=[1, 2, 7, 9])
    row = comparisons_table(runs, groups_of(90), {"helps": ARMS | {"within": ["a"]}}).iloc[0]
    expected = 100 * (runs["a", "kd"].correct[:2].mean() - runs["a", "scratch"].correct[1:3].mean())
    assert row["n_pairs"] == "2" and float(row["difference"]) == pytest.approx(expected, abs=0.0051)


def test_one_seed_tells_of_images_alone(runs):
    runs = {key: answers(value.correct[:1]) for key, value in runs.items()}
    row = comparisons_table(runs, groups_of(90), {"helps": ARMS}).iloc[0]
    blank = ["low", "high", "p", "p_holm", "verdict", "detectable", "seeds_low", "p_seeds", "p_seeds_holm"]
    assert (row[blank] == "").all() and row["images_low"] and row["p_images"]


def test_pairs_that_agree_tell_nothing_of_other_trainings(runs):
    before = np.zeros((3, 90), bool)
    after = np.arange(90) < np.full((3, 1), 30)  # a third more in each
    runs = {("a", "scratch"): answers(before), ("a", "kd"): answers(after)}
    row = comparisons_table(runs, groups_of(90), {"helps": ARMS | {"within": ["a"]}}).iloc[0]
    assert (row[["seeds_low", "seeds_high", "detectable_seeds"]] == "").all()
    assert row["difference"] == "33.33" and float(row["low"]) < 33 and row["p_seeds"]


def test_what_cannot_be_compared_is_said(runs):
    runs["a", "kd"] = answers(runs["a", "kd"].correct, seeds=range(10, 16))
    with pytest.raises(UserError, match="a scratch and a kd share no seed"):
        comparisons_table(runs, groups_of(90), {"helps": ARMS})
    with pytest.raises(UserError, match="splits.parquet lacks test images"):
        comparisons_table(runs, groups_of(80), {"helps": ARMS | {"within": ["b"]}})


def test_no_comparison_is_an_empty_table(runs):
    table = comparisons_table(runs, groups_of(90), {})
    assert table.empty and tuple(table.columns) == COLUMNS
    assert [s.after for s in sides_of(SCENARIOS)] == [("b", "kd")]


def test_ranks_are_sure_where_scenarios_differ_and_not_where_they_do_not():
    rng = np.random.default_rng(6)
    shares = {"good": 0.8, "fair": 0.5, "alike": 0.5}
    runs = {(name, "kd"): answers(rng.random((4, 200)) < share) for name, share in shares.items()}
    runs["other", "kd"] = answers(rng.random((4, 200)) < 0.9)
    table = ranking_table(runs, groups_of(200), dict.fromkeys(shares, "small") | {"other": "large"}).set_index(
        "scenario"
    )
    assert table.loc["good", ["rank", "rank_low", "rank_high", "best_percent"]].tolist() == ["1", "1", "1", "100.0"]
    assert set(table.loc[["fair", "alike"], "rank_low"]) == {"2"} and set(
        table.loc[["fair", "alike"], "rank_high"]
    ) == {"3"}
    assert table["n_ranked"].to_dict() == dict.fromkeys(shares, "3") | {"other": "1"}
    assert table.loc["other", "rank"] == "1" and table["best_percent"].astype(float).sum() == pytest.approx(
        200, abs=0.2
    )


def test_draws_of_groups_and_seeds_spread_as_the_errors_say():
    rng = np.random.default_rng(7)
    correct = rng.random((5, 120)) < rng.random((5, 1))
    means = resampled_means([correct], np.arange(120), np.random.default_rng(0))[:, 0]
    by_seed, by_image = correct.mean(axis=1).var() / 5, correct.mean(axis=0).var() / 120
    assert means.mean() == pytest.approx(correct.mean(), abs=0.02)
    assert means.var() == pytest.approx(by_seed + by_image, rel=0.3)
