"""Declared comparisons: intervals cover as often as stated, tests keep their level, tables follow from predictions."""

import numpy as np
import pandas as pd
import pytest
from made_up_predictions import groups_of, predictions_of

from distillery.analysis.comparisons import CHOOSING_TEACHER, COLUMNS, SharedByRuns, compare, comparisons_table
from distillery.analysis.declared_tests import sides_of
from distillery.analysis.designs.run_design import DRAW, TEACHER, RunDesign
from distillery.analysis.formatting import p_text
from distillery.analysis.statistics import holm
from distillery.jobs import UserError


def simulated(rng, seeds, groups, size, by_seed, by_image):
    """Correct predictions of two arms, equally good on average; trainings differ, and some images prefer one arm."""
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


def test_intervals_over_seeds_alone_and_over_images_alone_cover_their_own_error():
    """The interval over seeds if images prefer no arm, and that over images if trainings do not differ."""
    rng, draws = np.random.default_rng(1), 500
    slack = 4 * (0.05 * 0.95 / draws) ** 0.5
    seeds = pd.DataFrame([compare(*simulated(rng, 6, 150, 1, 0.3, 0.0)) for _ in range(draws)])
    images = pd.DataFrame([compare(*simulated(rng, 3, 60, 3, 0.0, 1.0)) for _ in range(draws)])
    for found, name in ((seeds, "given_images"), (images, "given_trainings")):
        assert ((found[f"low_{name}"] <= 0) & (found[f"high_{name}"] >= 0)).mean() >= 0.95 - slack
        assert (found[f"p_{name}"] <= 0.05).mean() <= 0.05 + slack


def test_a_family_of_comparisons_raises_any_false_alarm_at_most_at_the_level():
    rng, draws = np.random.default_rng(2), 150
    families = [holm([compare(*simulated(rng, 4, 80, 1, 0.2, 0.5))["p"] for _ in range(3)]) for _ in range(draws)]
    assert np.mean([family.min() <= 0.05 for family in families]) <= 0.05 + 4 * (0.05 * 0.95 / draws) ** 0.5


def test_near_duplicates_count_once():
    rng = np.random.default_rng(3)
    before, after = rng.random((3, 40)) < 0.5, rng.random((3, 40)) < 0.7
    once = compare(before, after, np.arange(40))
    five_times = compare(np.repeat(before, 5, axis=1), np.repeat(after, 5, axis=1), np.repeat(np.arange(40), 5))
    assert five_times["p_given_trainings"] == pytest.approx(once["p_given_trainings"])
    widths = [found["high_given_trainings"] - found["low_given_trainings"] for found in (five_times, once)]
    assert 0.85 < widths[0] / widths[1] <= 1  # below 1: the two pseudo-images weigh less among 200 images
    taken_for_others = compare(np.repeat(before, 5, axis=1), np.repeat(after, 5, axis=1), np.arange(200))
    assert taken_for_others["p_given_trainings"] < once["p_given_trainings"] / 10


def test_equal_predictions_still_have_an_interval():
    correct = np.ones((6, 15), bool)
    found = compare(correct, correct, np.arange(15))
    assert found["low"] < -5 and found["high"] > 5 and found["p"] == found["p_given_trainings"] == 1


@pytest.fixture
def runs():
    rng = np.random.default_rng(5)
    rates = {("a", "scratch"): 0.3, ("a", "kd"): 0.6, ("b", "scratch"): 0.5, ("b", "kd"): 0.5}
    return {key: predictions_of(rng.random((6, 90)) < rate) for key, rate in rates.items()}


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
    assert set(table["correction"]) == {"Holm, within the question"} and float(table["p_holm"][0]) <= 0.05
    # with six pairs in two scenarios the sign-flip test can find nothing: its smallest p is 2/64 > 0.05 / 2
    assert list(table["detectable_given_images"][:2]) == ["", ""] and float(table["detectable_given_images"][2]) > 0
    assert (table["detectable"].astype(float) > 0).all()


def test_p_is_corrected_within_the_question_or_over_all(runs):
    declared = {"helps": ARMS, "which": SCENARIOS}
    within, over_all = (comparisons_table(runs, groups_of(90), declared, "", how) for how in ("question", "study"))
    raw = [compare(runs[s.versus].correct, runs[s.after].correct, np.arange(90))["p"] for s in
           [*sides_of(ARMS), *sides_of(SCENARIOS)]]  # fmt: skip
    assert list(within["p"]) == list(over_all["p"]) == [p_text(p) for p in raw]
    assert list(within["p_holm"]) == [p_text(p) for p in [*holm(raw[:2]), *holm(raw[2:])]]
    assert list(over_all["p_holm"]) == [p_text(p) for p in holm(raw)]
    assert set(over_all["correction"]) == {"Holm, over all questions"}
    assert (over_all["detectable"].astype(float) > within["detectable"].astype(float)).all()


def test_several_arms_are_each_tested_against_the_baseline_and_corrected_together(runs):
    rng = np.random.default_rng(6)
    runs |= {(scenario, "dkd"): predictions_of(rng.random((6, 90)) < 0.45) for scenario in "ab"}
    declared = {"question": "Which help?", "arms": ["scratch", "kd", "dkd"], "within": ["a", "b"]}
    table = comparisons_table(runs, groups_of(90), {"which": declared})
    assert table[["scenario", "versus_arm", "arm"]].to_numpy().tolist() == [
        [scenario, "scratch", arm] for scenario in "ab" for arm in ("kd", "dkd")
    ]
    raw = [compare(runs[s.versus].correct, runs[s.after].correct, np.arange(90))["p"] for s in sides_of(declared)]
    assert list(table["p_holm"]) == [p_text(p) for p in holm(raw)]


def test_two_students_of_other_scenarios_and_arms_have_one_test(runs):
    declared = {"question": "Do both help?", "students": ["a.scratch", "b.kd"]}
    (row,) = comparisons_table(runs, groups_of(90), {"both": declared}).to_dict("records")
    sides = [row[name] for name in ("versus_scenario", "versus_arm", "scenario", "arm")]
    assert sides == ["a", "scratch", "b", "kd"] and row["p"] == row["p_holm"]
    expected = 100 * (runs["b", "kd"].correct.mean() - runs["a", "scratch"].correct.mean())
    assert float(row["difference"]) == pytest.approx(expected, abs=0.0051)


@pytest.mark.parametrize(
    ("teachers", "arm", "chosen", "missing"),
    [
        (1, "scratch", (), [DRAW]),  # no teacher has a part in it
        (1, "scratch", ("b",), [TEACHER, DRAW]),  # the teacher labeled the images of one of the two
        (1, "kd", ("b",), [TEACHER, DRAW]),
        (6, "kd", (), [DRAW]),
        (6, "kd", ("b",), [CHOOSING_TEACHER, DRAW]),
        (6, "scratch", ("a", "b"), [CHOOSING_TEACHER, DRAW]),
    ],
)
def test_an_interval_does_not_cover_the_teacher_that_chose_the_images(runs, teachers, arm, chosen, missing):
    shared = SharedByRuns(RunDesign(teachers), without_teacher=["scratch"], chosen_by_teacher=chosen)
    declared = {"which": SCENARIOS | {"within": [arm]}, "helps": ARMS | {"within": ["b"]}}
    table = comparisons_table(runs, groups_of(90), declared, shared=shared)
    assert table["not_covered"][0] == ", ".join(missing)
    # both arms of one scenario have the same images
    assert table["not_covered"][1] == (f"{TEACHER}, {DRAW}" if teachers == 1 else DRAW)


def test_pairs_are_of_equal_seeds_and_images(runs):
    runs["a", "kd"] = predictions_of(runs["a", "kd"].correct[:4], seeds=[1, 2, 7, 9])
    row = comparisons_table(runs, groups_of(90), {"helps": ARMS | {"within": ["a"]}}).iloc[0]
    expected = 100 * (runs["a", "kd"].correct[:2].mean() - runs["a", "scratch"].correct[1:3].mean())
    assert row["n_pairs"] == "2" and float(row["difference"]) == pytest.approx(expected, abs=0.0051)


def test_with_one_seed_only_images_are_tested(runs):
    runs = {key: predictions_of(value.correct[:1]) for key, value in runs.items()}
    row = comparisons_table(runs, groups_of(90), {"helps": ARMS}).iloc[0]
    blank = ["low", "high", "p", "p_holm", "verdict", "detectable", "low_given_images", "p_given_images"]
    assert (row[blank] == "").all() and row["low_given_trainings"] and row["p_given_trainings"]


def test_equal_differences_give_no_interval_over_trainings(runs):
    before = np.zeros((3, 90), bool)
    after = np.arange(90) < np.full((3, 1), 30)  # a third more in each run
    runs = {("a", "scratch"): predictions_of(before), ("a", "kd"): predictions_of(after)}
    row = comparisons_table(runs, groups_of(90), {"helps": ARMS | {"within": ["a"]}}).iloc[0]
    assert (row[["low_given_images", "high_given_images", "detectable_given_images"]] == "").all()
    assert row["difference"] == "33.33" and float(row["low"]) < 33 and row["p_given_images"]


def test_runs_that_cannot_be_compared_end_in_one_line(runs):
    runs["a", "kd"] = predictions_of(runs["a", "kd"].correct, seeds=range(10, 16))
    with pytest.raises(UserError, match="a scratch and a kd share no seed"):
        comparisons_table(runs, groups_of(90), {"helps": ARMS})
    with pytest.raises(UserError, match="splits.parquet lacks test images"):
        comparisons_table(runs, groups_of(80), {"helps": ARMS | {"within": ["b"]}})


def test_without_comparisons_the_table_is_empty(runs):
    table = comparisons_table(runs, groups_of(90), {})
    assert table.empty and tuple(table.columns) == COLUMNS
    assert [s.after for s in sides_of(SCENARIOS)] == [("b", "kd")]
