"""Intervals cover as often as their level says; tests are exact, with no more false positives than their level."""

from itertools import product
from math import isnan

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats
from statsmodels.stats.multitest import multipletests

from distillery.analysis.statistics import compare_pairs, estimate, holm, least_p, sign_flip_p

values = st.lists(st.floats(-100, 100).map(lambda x: round(x, 3)), min_size=2, max_size=9)


@given(values)
def test_estimate_is_scipys_interval(numbers):
    found = estimate(numbers)
    assert found.mean == pytest.approx(np.mean(numbers), abs=1e-9)
    assert found.sd == pytest.approx(np.std(numbers, ddof=1), abs=1e-9)
    if found.sd > 1e-6:
        low, high = stats.t.interval(0.95, len(numbers) - 1, loc=np.mean(numbers), scale=stats.sem(numbers))
        assert (found.low, found.high) == pytest.approx((low, high))


def test_one_value_has_no_interval():
    found = estimate([42.0])
    assert (found.mean, found.n) == (42.0, 1)
    assert isnan(found.sd) and isnan(found.low) and isnan(found.high)


def test_equal_values_have_no_interval():
    found = estimate([77.0, 77.0])
    assert (found.mean, found.sd, found.n) == (77.0, 0.0, 2) and isnan(found.low) and isnan(found.high)


@pytest.mark.parametrize("n", [2, 3, 6])
def test_intervals_cover_the_mean_95_times_of_100(n):
    rng = np.random.default_rng(0)
    hits = [(e := estimate(draw)).low <= 40 <= e.high for draw in rng.normal(40, 3, (3000, n))]
    # 4 standard errors of a fraction of 3,000
    assert np.mean(hits) == pytest.approx(0.95, abs=0.016)


@given(values)
def test_sign_flip_is_the_enumeration(differences):
    observed = abs(sum(differences))
    sums = [
        abs(sum(s * d for s, d in zip(signs, differences, strict=True)))
        for signs in product([1, -1], repeat=len(differences))
    ]
    assert sign_flip_p(differences) == pytest.approx(np.mean([s >= observed - 1e-9 for s in sums]))


def test_sign_flip_is_scipys_permutation_test():
    differences = np.array([1.5, 2.0, -0.5, 3.0, 0.25, 1.0, -0.75])
    scipys = stats.permutation_test((differences,), np.sum, permutation_type="samples", n_resamples=np.inf)
    assert sign_flip_p(differences) == pytest.approx(scipys.pvalue)


@given(values)
def test_sign_flip_is_two_sided_and_within_its_limits(differences):
    p = sign_flip_p(differences)
    assert least_p(len(differences)) - 1e-12 <= p <= 1
    assert p == pytest.approx(sign_flip_p([-d for d in differences]))


@pytest.mark.parametrize(("n", "least"), [(1, 1.0), (5, 0.0625), (6, 0.03125), (10, 2 / 1024)])
def test_differences_of_one_sign_reach_the_smallest_p(n, least):
    assert least_p(n) == least
    assert sign_flip_p(np.arange(1, n + 1)) == pytest.approx(least)


def test_without_differences_p_is_one():
    assert sign_flip_p([0.0] * 6) == 1.0


def test_many_seeds_on_one_test_set_stay_exact():
    """Differences in steps of one image of 300: 200 seeds, where 2^200 choices cannot be listed."""
    steps = np.random.default_rng(1).integers(-9, 10, 200)
    exact, probabilities = {0: 1.0}, {}
    for step in np.abs(steps):
        probabilities = {}
        for total, probability in exact.items():
            for other in (total - step, total + step):
                probabilities[other] = probabilities.get(other, 0) + probability / 2
        exact = probabilities
    expected = sum(probability for total, probability in exact.items() if abs(total) >= abs(steps.sum()))
    assert sign_flip_p(steps / 300 * 100) == pytest.approx(expected)


@pytest.mark.parametrize("noise", ["normal", "skewed by sign", "coarse"])
def test_there_are_no_more_false_positives_than_the_level(noise):
    rng = np.random.default_rng(2)
    draws = rng.normal(0, 1, (2000, 7))
    if noise == "skewed by sign":  # symmetric, of very unequal sizes
        draws = draws * rng.exponential(1, (2000, 7)) ** 3
    if noise == "coarse":
        draws = draws.round()
    for level in (0.02, 0.05, 0.2):
        alarms = np.mean([sign_flip_p(draw) <= level for draw in draws])
        assert alarms <= level + 4 * (level * (1 - level) / 2000) ** 0.5


@given(st.lists(st.tuples(*[st.floats(-50, 50).map(lambda x: round(x, 3))] * 2), min_size=2, max_size=9))
def test_a_comparison_is_the_estimate_of_the_differences(pairs):
    before, after = zip(*pairs, strict=True)
    found, expected = compare_pairs(before, after), estimate(np.subtract(after, before))
    assert (found.difference, found.n) == (expected.mean, len(pairs))
    assert (found.low, found.high) == pytest.approx((expected.low, expected.high), nan_ok=True)


def test_pairs_need_equal_lengths():
    with pytest.raises(ValueError, match="equal lengths"):
        compare_pairs([1, 2], [1])


def test_holm_by_hand():
    # sorted 0.01 0.02 0.03 0.04 by 4 3 2 1 → 0.04 0.06 0.06 0.06
    assert holm([0.04, 0.01, 0.03, 0.02]) == pytest.approx([0.06, 0.04, 0.06, 0.06])


def test_holm_is_statsmodels():
    rng = np.random.default_rng(4)
    for size in (1, 2, 13):
        p = rng.uniform(size=size).round(1)  # with ties
        assert holm(p) == pytest.approx(multipletests(p, method="holm")[1])


@given(st.lists(st.floats(0, 1) | st.just(float("nan")), max_size=12))
def test_holm_keeps_order_and_lies_between_raw_and_bonferroni(p):
    p = np.array(p, dtype=float)
    corrected, known = holm(p), ~np.isnan(p)
    assert (np.isnan(corrected) == ~known).all()
    assert (corrected[known] >= p[known]).all()
    assert (corrected[known] <= np.minimum(1, p[known] * max(1, known.sum())) + 1e-12).all()
    assert (np.diff(corrected[known][np.argsort(p[known], kind="stable")]) >= 0).all()


def test_holm_raises_any_false_alarm_at_most_at_the_level():
    rng = np.random.default_rng(3)
    alarms = [holm(p).min() <= 0.05 for p in rng.uniform(size=(4000, 13))]
    assert np.mean(alarms) <= 0.05 + 4 * (0.05 * 0.95 / 4000) ** 0.5
