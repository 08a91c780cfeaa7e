"""A source's card on the page says how many generated images were selected."""

import pandas as pd

from distillery.page.cards import _chosen_line


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
