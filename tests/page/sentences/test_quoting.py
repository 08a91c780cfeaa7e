"""Sentences on the page record which tables their numbers come from."""

import pandas as pd
import pytest
from page_statements import Statements, mismatches, numbers_in

from distillery.page.sentences.quoting import Quoted, named_table, say
from distillery.page.words import typeset, with_terms

ONE = pd.DataFrame({"scenario": ["a", "b"], "arm": ["kd", "kd"], "percent": ["9.50", "10.00"]})
TABLES = {"one": ONE, "other": ONE.assign(percent=["1.5", ""])}


def test_a_sentence_names_each_table_once_in_the_order_of_its_quotations():
    one, other = named_table(TABLES, "one"), named_table(TABLES, "other")
    sentence = say("{top[scenario]} ({top.arm}): {top[percent]} %", top=one.highest("percent"))
    assert (sentence.text, sentence.tables) == ("b (distilled): 10.00 %", ("one",))
    sentence += say("; {place[percent]} of {count}", place=other.lowest("percent"), count=one.quote(len(one))) + say(
        "."
    )
    assert (sentence.text, sentence.tables) == ("b (distilled): 10.00 %; 1.5 of 2.", ("one", "other"))
    assert say("{level}", level=Quoted("0.05", "")).tables == ()
    # the table of a value that the text does not use is not named
    assert say("{top[percent]}", top=one.first(), rest=other.first()).tables == ("one",)


def test_a_number_without_a_table_is_an_error():
    with pytest.raises(ValueError, match="which quotes no table: 9.50 %"):
        say(f"{ONE['percent'][0]} %")
    with pytest.raises(TypeError, match="not read from a table: top"):
        say("{top} %", top=ONE["percent"][0])


def test_rows_carry_the_name_of_their_table():
    one = named_table(TABLES, "one")
    found = [one.first(), one.last(), one.lowest("percent"), one.where(one["arm"] == "kd").first()]
    found += [rows.first() for rows in one.groups("scenario", "arm")] + [one.of(one.last()).first()]
    assert {row.table for row in found} == {"one"} == {rows.name for rows in one.groups("arm")}
    assert [row["scenario"] for row in found] == ["a", "b", "a", "a", "a", "b", "b"]  # 9.50 is below 10.00
    assert named_table(TABLES, "other").lowest("percent")["scenario"] == "a"  # blank cells are ignored


def test_numbers_and_tables_that_do_not_match_are_found():
    assert numbers_in("SD2 (1,200 Bing): -1.20 to 3.00, 0.25 % of 7.") == {"1,200", "-1.20", "3.00", "0.25", "7"}
    assert mismatches("b: 10.00 % of 2 scenarios, below 0.05", {"one": ONE}) == []
    assert mismatches("b: 10.00 %, or 77.00 %", {"one": ONE}) == ["77.00"]
    assert mismatches("b: 10.00 %", TABLES) == ["other"]
    assert mismatches("c is best", {"one": ONE.assign(arm="x")}) == ["one"]
    sums = pd.DataFrame({"source": ["bing"] * 2, "class": ["cat", "dog"], "candidates": ["50", "60"]})
    assert mismatches("Of 110 images", {"counts": sums}) == []


def test_statements_are_found_in_a_page():
    page = """<p class="answer">One <a href="#table-a">a.csv</a>, <a href="#table-b">b.csv</a></p><p>Not this</p>
    <ul class="statements"><li>Two &lt; <a href="#table-c">c.csv</a></li></ul><ul><li>Nor this</li></ul>"""
    assert Statements(page).found == [("One , ", ["#table-a", "#table-b"]), ("Two < ", ["#table-c"])]


def test_negative_numbers_have_a_minus_sign_and_a_percent_sign_stays_on_its_line():
    text = "from -10.0 to -0.5 points, sd-2 and 2-3, model a-1 (-3), 35.00 %"
    assert typeset(text) == "from −10.0 to −0.5 points, sd-2 and 2-3, model a-1 (−3), 35.00\N{NO-BREAK SPACE}%"
    assert numbers_in(typeset(text)) == numbers_in(text)


def test_a_term_is_explained_where_it_first_occurs():
    first, second = map(
        str, with_terms(["3 seeds & one seed, by Holm, in all <i>", "A seed of small_teacher, distilled"])
    )
    assert '">seeds</dfn> &amp; one seed, by <dfn' in first and first.endswith("in all &lt;i&gt;")
    assert first.count("<dfn") == 2
    assert second.count("<dfn") == 1 and second.endswith(">distilled</dfn>") and "A seed of small_teacher" in second
