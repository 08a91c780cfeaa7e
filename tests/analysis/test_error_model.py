"""The error of a mean over seeds and images: against exact tests, published intervals and statsmodels."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats
from statsmodels.stats.contingency_tables import mcnemar
from statsmodels.stats.power import TTestPower

from distillery.analysis.error_model import ErrorModel, combine_variances, groups_sign_flip_p, over_images, over_seeds
from distillery.analysis.statistics import sign_flip_p


@given(st.lists(st.tuples(st.booleans(), st.booleans()), min_size=2, max_size=60))
def test_one_seed_and_no_near_duplicates_is_mcnemars_exact_test(pairs):
    before, after = np.array(pairs).T
    table = [[np.sum(before & after), np.sum(before & ~after)], [np.sum(~before & after), np.sum(~before & ~after)]]
    expected = mcnemar(table, exact=True).pvalue
    assert groups_sign_flip_p(after.astype(int) - before, np.arange(len(pairs))) == pytest.approx(expected)


@given(st.lists(st.integers(-4, 4), min_size=1, max_size=9), st.integers(1, 3))
def test_the_exact_p_over_groups_is_that_of_their_sums(sums, size):
    differences, groups = np.repeat(sums, size), np.repeat(np.arange(len(sums)), size)
    assert groups_sign_flip_p(differences, groups) == pytest.approx(sign_flip_p(size * np.array(sums)))


def test_the_interval_over_images_is_bonett_and_prices():
    """Their adjusted Wald interval for paired proportions, with t for z: 12 won, 5 lost, of 100."""
    change = np.array([1] * 12 + [-1] * 5 + [0] * 83)
    found = over_images(change, np.arange(100))
    won, lost, n = 13 / 102, 6 / 102, 102
    assert found.se == pytest.approx((((won + lost) - (won - lost) ** 2) / n * n / (n - 1)) ** 0.5)
    assert found.mean == pytest.approx(0.07)


@given(st.lists(st.floats(-50, 50).map(lambda x: round(x, 2)), min_size=2, max_size=8))
def test_one_variance_is_students_t(values):
    error = over_seeds(values)
    if error.se > 1e-6:
        assert error.p() == pytest.approx(stats.ttest_1samp(values, 0).pvalue, abs=1e-12)
        assert error.interval() == pytest.approx(stats.ttest_1samp(values, 0).confidence_interval())


@given(st.floats(0, 100), st.floats(1e-3, 10), st.floats(1e-3, 10), st.integers(1, 30), st.integers(1, 4000))
def test_p_and_interval_agree(mean, a, b, few, many):
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


def test_the_detectable_difference_is_statsmodels():
    error = ErrorModel(0.0, (4.0 / 9,), (8.0,))  # nine values of variance 4
    exact = TTestPower().solve_power(nobs=9, alpha=0.05, power=0.8) * 2
    assert error.detectable(0.05) == pytest.approx(exact, rel=0.02)


def test_a_detectable_difference_is_found_four_times_in_five():
    rng, draws = np.random.default_rng(4), 2000
    reach = ErrorModel(0.0, (1 / 10,), (9.0,)).detectable(0.05)
    found = [over_seeds(sample).p() <= 0.05 for sample in rng.normal(reach, 1, (draws, 10))]
    assert np.mean(found) == pytest.approx(0.8, abs=0.04)


# --- tables -----------------------------------------------------------------------------------------------------------
