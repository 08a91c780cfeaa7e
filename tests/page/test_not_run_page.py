"""The page of a study with scenarios that are not run."""

import pandas as pd
import pytest

from distillery.page.cards import _refused
from distillery.page.sentences.answer import answer, highest_run
from distillery.page.sentences.insights import insights
from distillery.page.sentences.limitations import limitations

REASON = "google refused (captcha)"


@pytest.fixture
def some_not_run(tables):
    """The tables of a study with a third scenario, which is not run and comes first."""
    summary = tables["summary"].assign(not_run="", lacking="google (captcha) in the common test")
    lost = summary.iloc[:2].assign(scenario="c", not_run=REASON, **dict.fromkeys(
        ("n_train", "n_train_requested", "n_test", "n_classes", "mean_percent", "low", "high"), ""
    ))  # fmt: skip
    return tables | {"summary": pd.concat([lost, summary], ignore_index=True)}


def test_the_answer_says_how_many_scenarios_are_not_run_and_why(tables, some_not_run):
    sentences = [sentence.text for sentence in answer(some_not_run)]
    assert sentences[:2] == [sentence.text for sentence in answer(tables)]
    assert sentences[2] == f"Not run: 1 of 3 scenarios, because {REASON}."
    assert sentences[3] == "Missing because the source refused: google (captcha) in the common test."
    assert highest_run(some_not_run)["scenario"] == "b"
    for maker in (insights, limitations):
        assert [item.text for item in maker(some_not_run)] == [item.text for item in maker(tables)]


def test_a_reason_that_several_scenarios_share_is_given_once(some_not_run):
    summary = some_not_run["summary"]
    mixed = summary[summary["scenario"] == "c"].assign(scenario="d", not_run=f"{REASON}, sd3 refused (gated, no token)")
    tables = some_not_run | {"summary": pd.concat([summary, mixed], ignore_index=True)}
    (sentence,) = (one.text for one in answer(tables) if one.text.startswith("Not run"))
    assert sentence == f"Not run: 2 of 4 scenarios, because {REASON}, sd3 refused (gated, no token)."


def test_a_source_s_card_names_the_refused_classes():
    counts = pd.DataFrame({"class": ["cat", "dog"], "candidates": ["0", "9"], "refused": ["captcha", ""]})
    assert _refused(counts) == "cat (captcha)" and _refused(counts.drop(columns="refused")) == ""
