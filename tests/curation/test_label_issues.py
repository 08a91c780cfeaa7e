"""Confident learning finds planted label errors, estimates their fraction, and flags little else."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from distillery.curation.label_issues import find_label_issues, label_error_rates


def predicted(truth, classes, skill, seed):
    """Probabilities of a classifier that mostly predicts the true class."""
    rng = np.random.default_rng(seed)
    logits = rng.normal(size=(len(truth), classes))
    logits[np.arange(len(truth)), truth] += skill
    return np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)


def names(classes):
    """Class names as in the tables: empty for −1."""
    return [f"c{label}" if label >= 0 else "" for label in classes]


def confident_by_definition(probabilities, labels):
    """Northcutt et al. 2021, section 3.1, written out image by image."""
    classes = probabilities.shape[1]
    means = [probabilities[labels == j, j].mean() if (labels == j).any() else np.inf for j in range(classes)]
    found = []
    for row in probabilities:
        among = [j for j in range(classes) if row[j] >= means[j]]
        found.append(max(among, key=lambda j: (row[j], -j)) if among else -1)
    return found


def issues_by_definition(probabilities, labels, confident):
    """Section 3.2, prune by class and by noise rate combined, written out with lists."""
    classes, by_class, by_rate = probabilities.shape[1], set(), set()
    for i in range(classes):
        mine = [n for n, label in enumerate(labels) if label == i]
        sure = [confident[n] for n in mine if confident[n] >= 0]
        numbers = {j: round(len(mine) * sure.count(j) / len(sure)) if sure else 0 for j in range(classes) if j != i}
        by_class |= set(sorted(mine, key=lambda n: (probabilities[n, i], n))[: sum(numbers.values())])
        for j, number in numbers.items():
            by_rate |= set(sorted(mine, key=lambda n: (probabilities[n, i] - probabilities[n, j], n))[:number])
    return sorted(by_class & by_rate)


@given(st.integers(0, 10**6), st.integers(2, 5), st.integers(1, 40))
def test_it_agrees_with_the_definition(seed, classes, count):
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, classes, count)
    probabilities = predicted(rng.integers(0, classes, count), classes, 2.0, seed)
    found = find_label_issues(probabilities, labels)
    assert found.confident.tolist() == confident_by_definition(probabilities, labels)
    assert np.flatnonzero(found.is_label_issue).tolist() == issues_by_definition(probabilities, labels, found.confident)
    assert found.is_label_issue.tolist() == (found.likely != labels).tolist()
    fraction, by_label = label_error_rates(names(labels), names(found.confident))
    assert 0 <= fraction <= 1 and set(by_label) == set(names(labels))


@given(st.integers(0, 10**6), st.integers(2, 5), st.integers(1, 40), st.integers(0, 20))
def test_images_outside_the_basis_change_no_result_inside_it(seed, classes, count, others):
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, classes, count + others)
    probabilities = predicted(rng.integers(0, classes, count + others), classes, 2.0, seed)
    basis = rng.permutation(count + others) < count
    found = find_label_issues(probabilities, labels, basis)
    alone = find_label_issues(probabilities[basis], labels[basis])
    for name in ("is_label_issue", "likely", "confident"):
        assert getattr(found, name)[basis].tolist() == getattr(alone, name).tolist()
    unknown = ~np.isin(labels, labels[basis])
    assert (found.confident[unknown] == -1).all() and not found.is_label_issue[unknown].any()


@given(st.integers(0, 10**6), st.integers(2, 5), st.integers(1, 40))
def test_an_image_outside_the_basis_gets_the_result_of_the_same_image_inside(seed, classes, count):
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, classes, count)
    probabilities = predicted(rng.integers(0, classes, count), classes, 2.0, seed)
    twice = find_label_issues(np.tile(probabilities, (2, 1)), np.tile(labels, 2), np.arange(2 * count) < count)
    for name in ("is_label_issue", "likely", "confident"):
        within, outside = np.split(getattr(twice, name), 2)
        assert within.tolist() == outside.tolist()


@pytest.mark.parametrize("planted", [0.0, 0.1, 0.3])
def test_planted_errors_are_found_and_their_fraction_is_estimated(planted):
    rng = np.random.default_rng(1)
    truth = rng.integers(0, 10, 5000)
    labels = np.where(rng.random(5000) < planted, rng.integers(0, 10, 5000), truth)
    wrong = labels != truth
    found = find_label_issues(predicted(truth, 10, 6.0, 2), labels)
    assert abs(label_error_rates(names(labels), names(found.confident))[0] - wrong.mean()) < 0.03
    if planted:
        assert (found.is_label_issue & wrong).sum() / wrong.sum() > 0.9  # recall
        assert (found.is_label_issue & wrong).sum() / found.is_label_issue.sum() > 0.9  # precision
        hit = found.is_label_issue & wrong
        assert (found.likely[hit] == truth[hit]).mean() > 0.95


def test_a_class_with_low_probabilities_throughout_is_not_flagged():
    labels = np.repeat([0, 1], 50)
    probabilities = np.array([[0.9, 0.1]] * 50 + [[0.6, 0.4]] * 50)  # the probability of class 1 is never above 0.4
    assert not find_label_issues(probabilities, labels).is_label_issue.any()


def test_no_images_and_a_class_without_images():
    nothing = find_label_issues(np.empty((0, 3)), np.empty(0, dtype=int))
    assert len(nothing.is_label_issue) == 0 and label_error_rates([], []) == (None, {})
    one = find_label_issues(np.array([[0.2, 0.8], [0.3, 0.7]]), np.array([1, 1]))
    assert not one.is_label_issue.any() and label_error_rates(["b", "b"], ["b", ""]) == (0.0, {"b": 0.0})


def test_the_error_rate_is_weighted_by_the_number_of_images_of_each_label():
    labels, confident = ["a"] * 6 + ["b"] * 2, ["a", "a", "b", "", "", "a", "b", "b"]
    assert label_error_rates(labels, confident) == (6 / 8 * 1 / 4, {"a": 0.25, "b": 0.0})
