"""The page's sentences: answer, insights and limitations take every number from a table that they name."""

import re

import pandas as pd
from page_statements import NUMBER, mismatches, numbers_in

from distillery.display_names import source_titles
from distillery.page.sentences.answer import answer, export_target
from distillery.page.sentences.insights import insights
from distillery.page.sentences.limitations import limitations

TITLES = source_titles({"google": "google", "bing": "bing"})


def test_the_answer_is_the_first_comparison_and_the_set_of_the_best(tables):
    first, best = answer(tables)
    assert best.text == (
        "Of the 4 results 2 tie for best: distilled on 800 Google (45.20 %), distilled on 400 Google (40.10 %)."
    )
    assert first.text == (
        "Distilled students are more accurate than those trained from scratch in 1 of 2 scenarios: by -1.2 to 10.1"
        " percentage points. With 6 seeds, 1 of the 2 differences is significant (p corrected: Holm, within the"
        " question)."
    )
    assert (first.tables, best.tables) == (("comparisons",), ("ranking", "summary"))
    one = tables | {"comparisons": tables["comparisons"][:1]}
    assert answer(one)[0].text == (
        "Distilled students are more accurate than those trained from scratch in a, by 10.1 percentage points. With"
        " 6 seeds, the difference is significant (p = 0.012)."
    )
    worse = one["comparisons"].assign(difference="-6.30")
    assert answer(one | {"comparisons": worse})[0].text.startswith(
        "Distilled students are less accurate than those trained from scratch in a, by 6.3 percentage points."
    )
    two_students = worse.assign(versus_scenario="few", verdict="worse")  # of another scenario
    assert answer(one | {"comparisons": two_students})[0].text == (
        "Does it help? Worse: a (distilled) is 6.30 percentage points less accurate than few (from scratch), p = 0.012."
    )
    tables["comparisons"]["verdict"] = ""
    assert "One seed gives no verdict" in answer(tables)[0].text
    assert len(answer(tables | {"comparisons": tables["comparisons"][:0]})) == 1


def test_the_answer_when_distilling_helps_everywhere_or_nowhere(tables):
    def said(**changes):
        return answer(tables | {"comparisons": tables["comparisons"].assign(**changes)})[0].text

    assert said(difference=["5.04", "7.00"]).startswith(
        "Distilled students are more accurate than those trained from scratch in both scenarios, by 5.0 to 7.0"
        " percentage points."
    )
    assert said(difference=["-5.04", "-7.00"]).startswith(
        "Distilled students are more accurate than those trained from scratch in none of 2 scenarios: the differences"
        " are -7.0 to -5.0 percentage points."
    )
    other = said(arm="dkd", difference=["5.04", "7.00"])
    assert other.startswith("Students of dkd are more accurate than from scratch in both scenarios, by 5.0")
    none = said(verdict="no significant difference")
    assert "With 6 seeds, none of the 2 differences is significant (p corrected" in none
    assert "With 6 seeds, both differences are significant (p corrected" in said(verdict="better")
    # a comparison of two scenarios or of two students names no better arm
    assert said(versus_scenario="other").startswith("Does it help? Of 2 tests")
    assert said(versus_arm="kd").startswith(
        "Does it help? Of 2 tests (p corrected: Holm, within the question): better in 1"
    )


def test_no_winner_is_named_of_many_or_of_one_seed(tables):
    many = pd.concat([tables["ranking"][2:]] * 4, ignore_index=True)
    assert answer(tables | {"ranking": many})[1].text.endswith("distilled on 800 Google (45.20 %), and 5 more.")
    one_seed = tables["ranking"].assign(among_best="")
    assert answer(tables | {"ranking": one_seed})[1].text == ("One seed cannot show which of the 4 results is best.")
    winner = tables["ranking"].assign(among_best=["no", "no", "no", "yes"])
    assert answer(tables | {"ranking": winner})[1].text == ("Best of the 4 results: distilled on 800 Google (45.20 %).")


def test_the_answer_is_given_for_each_size(tables):
    large = tables["ranking"].assign(size="large")
    both = tables | {"ranking": pd.concat([tables["ranking"], large], ignore_index=True)}
    texts = [sentence.text for sentence in answer(both)[1:]]
    assert [text[:24] for text in texts] == ["Of the 4 small results 2", "Of the 4 large results 2"]


def test_the_exported_student_has_the_highest_mean(tables):
    assert export_target(tables) == "results/models/b.kd.onnx"


def test_students_of_fewer_classes_are_not_among_the_best(tables):
    easy = tables["summary"].assign(scenario="easy", n_classes="2", mean_percent="95.00")
    tables["summary"] = pd.concat([easy, tables["summary"]], ignore_index=True)
    tables["ranking"] = pd.concat([tables["ranking"].assign(scenario="easy", n_classes="2"), tables["ranking"]])
    assert export_target(tables) == "results/models/b.kd.onnx"
    assert "easy" not in answer(tables)[1].text


def test_insights_are_read_from_their_tables(tables):
    texts = {sentence.tables[0]: sentence.text for sentence in insights(tables, TITLES)}
    assert "Google (distilled) most: accuracy rises from 40.10 % with 400 images" in texts["summary"]
    assert texts["summary"].endswith(" to 45.20 % with 800.")
    assert "60.00 % of Google images correctly and 20.20 % of Bing images" in texts["test_sources"]
    assert "cat is the hardest class (9.50 % correct) and dog the easiest (80.00 %)" in texts["per_class"]
    assert "mistake of students of b (distilled): they classify 90.50 % of cat images as dog" in texts["confusion"]
    assert (
        "a (distilled). They are overconfident: their mean confidence is 70.00 %, their accuracy 40.00 %"
        in texts["calibration"]
    )
    assert (
        "error is 2.00 percentage points (b, distilled); a perfectly calibrated model would show 1.50"
        in texts["calibration"]
    )
    assert "55.50 % of the images and repeat 12.00 % of its 20 mistakes" in texts["agreement"]
    assert "9.0 s (a, from scratch) to 10.5 s" in texts["costs"]
    assert (
        "80 of the 100 candidates from Google were kept. The most common reason for dropping one is: near duplicate (14"
        in texts["counts"]
    )


def all_sentences(tables):
    return answer(tables) + insights(tables, TITLES) + limitations(tables, TITLES)


def test_every_number_of_a_sentence_is_in_a_table_that_it_names(tables):
    tables["summary"]["note"], tables["summary"]["untrained"] = "A demonstration", "SD2"
    found = all_sentences(tables)
    assert len(found) == 21
    for sentence in found:
        assert sentence.tables and mismatches(sentence.text, {name: tables[name] for name in sentence.tables}) == []


def test_a_sentence_names_exactly_the_tables_of_its_numbers(tables):
    """Give each table's decimals their own last digits, so that a number shows which table it comes from."""
    marks = {f"{place:03}": name for place, name in enumerate(tables)}
    marked = {
        name: table.map(lambda cell, mark=mark: f"{cell}{mark}" if "." in cell and NUMBER.fullmatch(cell) else cell)
        for (mark, name), table in zip(marks.items(), tables.values(), strict=True)
    }
    for sentence in all_sentences(marked):
        # numbers with one decimal are rounded, so they show no table
        decimals = [number for number in numbers_in(sentence.text) if re.search(r"\.\d\d", number) and number != "0.05"]
        quoted = {marks[number[-3:]] for number in decimals}
        assert quoted <= set(sentence.tables), sentence  # whole numbers come from the other tables


def test_more_images_that_do_not_help_give_no_sentence(tables):
    tables["summary"]["n_train"] = ["800", "800", "400", "400"]  # both arms are better with fewer
    assert not any("More images" in sentence.text for sentence in insights(tables))


def test_an_arm_that_trains_on_a_part_is_no_shortfall(tables):
    tables["summary"]["n_train"] = ["400", "500", "640", "800"]  # the published recipe trains the first arm on 80 %
    texts = [sentence.text for sentence in limitations(tables, TITLES)]
    assert any("1 of 2 scenarios train on fewer images than" in text and "a, with 500 of 700" in text for text in texts)


def test_limitations_depend_on_the_study(tables):
    texts = [sentence.text for sentence in limitations(tables, TITLES)]
    missing = "Not covered by the intervals and p of differences: draw of train images. All runs share these."
    assert missing in texts
    assert any(text.startswith("True differences below 3.00 to 4.50 percentage points") for text in texts)
    assert any("1 of 2 scenarios train on fewer images than" in text and "a, with 400 of 700" in text for text in texts)
    assert any("40.10 % of 200 common test images, 42.00 % of the 190 unflagged ones" in text for text in texts)
    assert sum("3 test images of Google" in text for text in texts) == 2
    assert any(
        "68.75 % of its own test images, 50.00 % of Google images correctly. Distillation" in text for text in texts
    )
    mine = pd.DataFrame([{"source": "mine", "class": "all", "tested_on": "9"}])
    tables["audit"] = pd.concat([tables["audit"], mine]).fillna("")
    again = [sentence.text for sentence in limitations(tables, TITLES)]
    assert again == texts  # no accuracy is measured on this source
    tables["summary"]["note"], tables["summary"]["untrained"] = "A demonstration", "SD2"
    tables["summary"]["n_train_requested"] = "400"
    tables["comparisons"] = tables["comparisons"][:0]
    tables["leakage"] = tables["leakage"].assign(tested_on="0")
    tables["audit"] = tables["audit"].assign(tested_on="0", wrong_percent="")
    texts = [sentence.text for sentence in limitations(tables, TITLES)]
    assert len(texts) == 3 and texts[0].startswith("A demonstration") and "model of SD2 has random weights" in texts[2]


def test_students_that_may_only_guess_are_a_limitation(tables):
    def said():
        return [each.text for each in limitations(tables, TITLES) if "better than guessing" in each.text]

    assert said() == []
    tables["summary"]["n_classes"], tables["summary"]["n_test"] = "3", "54"
    tables["summary"]["mean_percent"] = "34.26"
    (text,) = said()
    assert text.startswith(
        "No student is clearly better than guessing: the best mean is 34.26 %, with 3 classes and 54"
    )
    tables["summary"].loc[0, "mean_percent"] = "50.00"  # more than two standard errors of 6.8 points
    assert said() == []


def test_a_study_of_one_run_has_a_page_too(tables):
    one = {
        name: table[table.get("scenario", "b") == "b"] if "scenario" in table else table
        for name, table in tables.items()
    }
    one["summary"] = one["summary"][one["summary"]["arm"] == "kd"]
    one["ranking"] = one["ranking"][one["ranking"]["arm"] == "kd"][-1:]
    one |= {
        "comparisons": tables["comparisons"][:0],
        "test_sources": tables["test_sources"][:0],
        "costs": tables["costs"][:0],
    }
    (best,) = answer(one)
    assert best.text == "There is one result: distilled on 800 Google (45.20 %)."
    assert {sentence.tables for sentence in insights(one)} == {
        (name,) for name in ("audit", "per_class", "confusion", "calibration", "agreement", "counts")}  # fmt: skip


def test_a_teacher_that_is_worse_than_students_from_scratch_is_reported(tables):
    def told(percent):
        row = {"scenario": "a", "arm": "scratch", "test": "google", "mean_percent": percent}
        scratch = pd.DataFrame([row]).reindex(columns=tables["test_sources"].columns, fill_value="")
        more = tables | {"test_sources": pd.concat([tables["test_sources"], scratch], ignore_index=True)}
        return [sentence for sentence in limitations(more, TITLES) if "can hardly help there" in sentence.text]

    assert told("49.90") == []  # the teacher has 50.00 % on Google images
    (sentence,) = told("52.10")
    assert "trained from scratch reach 52.10 %, more than the teacher's 50.00 %" in sentence.text
    assert sentence.tables == ("test_sources", "teacher")


def test_cleaning_is_not_credited_where_no_more_is_flagged_than_of_trusted_labels(tables):
    def said(**changes):
        audit = tables["audit"].assign(**changes)
        return [sentence.text for sentence in insights(tables | {"audit": audit}, TITLES) if "audit" in sentence.tables]

    (text,) = said()
    assert "lose 13.4 % of the train images of Google" in text and "so no gain is due to fewer wrong labels" in text
    assert "12.3 % of this source's labels, and 11.1 % of those of its own test images: not significantly more" in text
    (text,) = said(above_own="yes", own_flagged_percent="4.2")
    assert "4.2 % of those of its own test images: some of the labels left out are wrong" in text
    (text,) = said(own_flagged_percent="")
    assert "no trusted labels" in text and said(clean_loses_percent="") == []


def test_no_estimate_of_wrong_labels_stands_without_that_of_trusted_ones(tables):
    found = [sentence.text for sentence in limitations(tables, TITLES) if "audit" in sentence.tables]
    assert "estimates 15.2 % wrong labels of Google, and 14.8 % of its own test images" in found[0]
    assert "12.3 % of the source's labels, where it flags 11.1 % of those of its own test images" in found[1]
    audit = tables["audit"].assign(flagged_percent="", own_flagged_percent="", wrong_percent="", own_wrong_percent="")
    found = [sentence.text for sentence in limitations(tables | {"audit": audit}, TITLES)]
    assert not [text for text in found if "wrong labels of" in text]
    assert any("as likely errors, and there are no trusted labels to compare with" in text for text in found)
