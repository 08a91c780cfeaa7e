"""A source's card on the page says how many generated images were selected."""

from types import SimpleNamespace

import pandas as pd

from distillery.page.cards import StudyInfo, _chosen_line, source_cards


def test_the_card_counts_what_was_kept_and_names_the_class_with_the_smallest_share():
    rows = [("frog", "", 30, 2), ("frog", "a frog", 30, 2), ("truck", "", 1900, 120), ("cat", "", 19, 100)]
    acceptance = pd.DataFrame([
        {"source": "sd", "class": label, "prompt": prompt, "by": "teacher", "at_least": 0.5, "kept": kept,
         "rejected": rejected}
        for label, prompt, kept, rejected in rows
    ]).astype(str)  # fmt: skip
    assert _chosen_line(acceptance) == (
        "1,949 of 2,171 images kept, to which the teacher gives a probability of their class of 0.5 or more; the fewest"
        " of cat, 19 of 119"
    )
    assert _chosen_line(acceptance[acceptance["source"] == "other"]) == ""


def test_a_class_of_which_nothing_was_generated_is_the_one_with_the_fewest():
    acceptance = pd.DataFrame([
        {"source": "sd", "class": label, "prompt": "", "by": "clip", "at_least": 0.3, "kept": kept, "rejected": 0}
        for label, kept in (("cat", 9), ("dog", 0))
    ]).astype(str)  # fmt: skip
    assert _chosen_line(acceptance).endswith("to which CLIP gives a probability of their class of 0.3 or more; the"
                                             " fewest of dog, 0 of 0")  # fmt: skip


def test_a_card_says_nothing_of_choosing_where_nothing_is_chosen(tables):
    sources = {name: {"kind": "google"} for name in ("google", "sd")}
    study = StudyInfo("A study", "", {}, sources, {}, {}, {})
    samples = dict.fromkeys(sources, SimpleNamespace(items=[]))
    assert "acceptance" not in tables and [card["chosen"] for card in source_cards(study, tables, samples)] == [""] * 2
    rows = [{"source": "sd", "class": "cat", "prompt": "", "by": "teacher", "at_least": 0.5, "kept": 1, "rejected": 3}]
    cards = source_cards(study, tables | {"acceptance": pd.DataFrame(rows).astype(str)}, samples)
    assert [bool(card["chosen"]) for card in cards] == [False, True]
