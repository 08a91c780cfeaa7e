"""The page's parts: sentences read from tables, images in sheets, and text from the web that cannot run."""

import base64
import io
import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image
from statements import NUMBER, mismatches, numbers_in

from distillery.page import charts, images
from distillery.page.answer import answer, export_target
from distillery.page.insights import insights
from distillery.page.limitations import limitations
from distillery.page.render import bibtex, read_captions, script_json, vega


def text_table(rows):
    return pd.DataFrame(rows).astype(str)


@pytest.fixture
def tables():
    """Two scenarios of one size, two arms; cells as text, as the page reads them."""
    base = {"clean": "", "size": "small", "n_test": 200, "n_classes": 10, "untrained": "", "note": ""}
    summary = text_table([
        base | {"scenario": s, "arm": a, "train": f"{n} Google", "n_train": n, "n_train_asked": {"a": 700, "b": 800}[s],
                "mean_percent": mean, "low": low, "high": high}
        for s, a, n, mean, low, high in [
            ("a", "scratch", 400, "30.00", "28.00", "32.00"), ("a", "kd", 400, "40.10", "", ""),
            ("b", "scratch", 800, "35.00", "33.00", "37.00"), ("b", "kd", 800, "45.20", "44.00", "46.40"),
        ]
    ])  # fmt: skip
    ranking = text_table([
        {"size": "small", "arm": a, "scenario": s, "n_classes": 10, "n_ranked": 2, "best_percent": p}
        for s, a, p in [("b", "kd", "97.5"), ("a", "kd", "2.5"), ("b", "scratch", "90.0"), ("a", "scratch", "10.0")]
    ])  # fmt: skip
    comparisons = text_table([
        {"comparison": "helps", "question": "Does it help?", "scenario": s, "verdict": v, "difference": d, "n_pairs": 6,
         "p_seeds_least": "0.03125", "detectable": e}
        for s, v, d, e in [("a", "better", "10.10", "3.00"), ("b", "no significant difference", "-1.20", "4.50")]
    ])  # fmt: skip
    sources = text_table([
        {"scenario": "a", "arm": "kd", "test": t, "mean_percent": m}
        for t, m in [("common", "40.10"), ("google", "60.00"), ("bing", "20.20")]
    ])  # fmt: skip
    classes = text_table([
        {"scenario": "b", "arm": "kd", "class": c, "mean_percent": m} for c, m in [("cat", "9.50"), ("dog", "80.00")]
    ])  # fmt: skip
    confusion = text_table([
        {"scenario": "b", "arm": "kd", "class": c, "predicted": p, "percent": m}
        for c, p, m in [
            ("cat", "cat", "9.50"), ("cat", "dog", "90.50"), ("dog", "dog", "80.00"), ("dog", "cat", "20.00")
        ]
    ])  # fmt: skip
    calibration = text_table([
        {"scenario": s, "arm": "kd", "ece_percent": e, "confidence_percent": c, "accuracy_percent": a}
        for s, e, c, a in [("a", "30.00", "70.00", "40.00"), ("b", "2.00", "44.00", "45.20")]
    ])  # fmt: skip
    agreement = text_table([
        {"scenario": "b", "arm": "kd", "agreement_percent": "55.50", "repeated_percent": "12.00", "n_teacher_wrong": 20}
    ])  # fmt: skip
    costs = text_table([
        {"rule": "train_student", "scenario": "a", "arm": a, "seconds_each": s}
        for a, s in [("scratch", "9.0"), ("kd", "10.5")]
    ])  # fmt: skip
    counts = text_table([
        {"source": "google", "class": c, "candidates": 50, "kept": 40, "dropped_blank": 3, "dropped_near_duplicate": 7}
        for c in ("cat", "dog")
    ])  # fmt: skip
    trust = text_table([{"source": "google", "class": "all", "tested_on": 3}])
    return {
        "summary": summary, "ranking": ranking, "comparisons": comparisons, "test_sources": sources,
        "per_class": classes,
        "confusion": confusion, "calibration": calibration, "agreement": agreement, "costs": costs, "counts": counts,
        "leakage": trust, "audit": trust, "runs": pd.DataFrame(columns=["accuracy_percent_on_google"]),
        "teacher": text_table([
            {"test": t, "class": c, "accuracy_percent": p}
            for t, c, p in [("own", "all", "68.75"), ("own", "cat", "9.00"), ("google", "all", "50.00")]
        ]),
    }  # fmt: skip


def test_the_answer_is_the_best_students_and_the_first_comparison(tables):
    best, first = answer(tables)
    assert best.text == (
        "The most accurate students train on 800 Google (b, distilled). They classify 45.20 % [44.00, 46.40] of 200"
        " test images correctly. Among the 2 scenarios of the same size, arm and classes, this one ranks first in 97.5"
        " % of bootstrap resamples of seeds and test images."
    )
    assert first.text == (
        "Does it help? Of 2 tests, after Holm correction: better in 1, no significant difference in 1. The differences"
        " range from -1.20 to 10.10 percentage points."
    )
    assert (best.tables, first.tables) == (("summary", "ranking"), ("comparisons",))
    one = tables | {"comparisons": tables["comparisons"][:1]}
    assert answer(one)[1].text == "Does it help? Better in 1 test, by 10.10 percentage points."
    tables["comparisons"]["verdict"] = ""
    assert "One seed gives no verdict" in answer(tables)[1].text
    assert len(answer(tables | {"comparisons": tables["comparisons"][:0]})) == 1


def test_the_exported_student_is_the_best(tables):
    assert export_target(tables) == "results/models/b.kd.onnx"


def test_students_of_fewer_classes_are_not_the_best(tables):
    easy = tables["summary"].assign(scenario="easy", n_classes="2", mean_percent="95.00")
    tables["summary"] = pd.concat([easy, tables["summary"]], ignore_index=True)
    tables["ranking"] = pd.concat([tables["ranking"].assign(scenario="easy", n_classes="2"), tables["ranking"]])
    assert export_target(tables) == "results/models/b.kd.onnx"
    assert answer(tables)[0].text.startswith(
        "The most accurate students of 10 classes train on 800 Google (b, distilled). They classify 45.20 %"
        " [44.00, 46.40]"
    )


def test_insights_are_read_from_their_tables(tables):
    texts = {sentence.tables[0]: sentence.text for sentence in insights(tables)}
    assert "Google (distilled) most: accuracy rises from 40.10 % with 400 images" in texts["summary"]
    assert texts["summary"].endswith(" to 45.20 % with 800.")
    assert "60.00 % of Google images correctly and 20.20 % of Bing images" in texts["test_sources"]
    assert "cat is the hardest class (9.50 % correct) and dog the easiest (80.00 %)" in texts["per_class"]
    assert "best students' most common mistake: they classify 90.50 % of cat images as dog" in texts["confusion"]
    assert (
        "a (distilled). They are overconfident: their mean confidence is 70.00 %, their accuracy 40.00 %"
        in texts["calibration"]
    )
    assert "b (distilled), with an expected calibration error of 2.00 percentage points" in texts["calibration"]
    assert "55.50 % of the images and repeat 12.00 % of its 20 mistakes" in texts["agreement"]
    assert "9.0 s (a, from scratch) to 10.5 s" in texts["costs"]
    assert (
        "80 of the 100 candidates from Google were kept. The most common reason for dropping one is: near duplicate (14"
        in texts["counts"]
    )


def all_sentences(tables):
    return answer(tables) + insights(tables) + limitations(tables)


def test_every_number_of_a_sentence_is_in_a_table_that_it_names(tables):
    tables["summary"]["note"], tables["summary"]["untrained"] = "A demonstration", "SD2"
    found = all_sentences(tables)
    assert len(found) == 18
    for sentence in found:
        assert sentence.tables and mismatches(sentence.text, {name: tables[name] for name in sentence.tables}) == []


def test_a_sentence_names_exactly_the_tables_of_its_numbers(tables):
    """Every table's decimals end in digits of its own, so that a number tells where it was read."""
    marks = {f"{place:03}": name for place, name in enumerate(tables)}
    marked = {
        name: table.map(lambda cell, mark=mark: f"{cell}{mark}" if "." in cell and NUMBER.fullmatch(cell) else cell)
        for (mark, name), table in zip(marks.items(), tables.values(), strict=True)
    }
    several = 0
    for sentence in all_sentences(marked):
        decimals = [number for number in numbers_in(sentence.text) if "." in number and number != "0.05"]
        quoted = {marks[number[-3:]] for number in decimals}
        assert quoted == set(sentence.tables) or not decimals, sentence
        several += len(quoted) > 1
    assert several == 1  # the answer


def test_more_images_that_do_not_help_give_no_sentence(tables):
    tables["summary"]["n_train"] = ["800", "800", "400", "400"]  # both arms are better with fewer
    assert not any("More images" in sentence.text for sentence in insights(tables))


def test_an_arm_that_trains_on_a_part_is_no_shortfall(tables):
    tables["summary"]["n_train"] = ["400", "500", "640", "800"]  # by the published recipe the first arm has 80 %
    texts = [sentence.text for sentence in limitations(tables)]
    assert any("1 of 2 scenarios train on fewer images than" in text and "a, with 500 of 700" in text for text in texts)


def test_limitations_depend_on_the_study(tables):
    texts = [sentence.text for sentence in limitations(tables)]
    assert any(
        "with 6 seeds the smallest possible sign-flip p is 0.03125. Corrected for 2 tests it cannot reach 0.05" in text
        for text in texts
    )
    assert any(text.startswith("True differences below 3.00 to 4.50 percentage points") for text in texts)
    assert any("1 of 2 scenarios train on fewer images than" in text and "a, with 400 of 700" in text for text in texts)
    assert sum("3 test images of Google" in text for text in texts) == 2
    assert any(
        "68.75 % of its own test images, 50.00 % of Google images correctly. Distillation" in text for text in texts
    )
    tables["audit"] = pd.concat([tables["audit"], text_table([{"source": "mine", "class": "all", "tested_on": 9}])])
    again = [sentence.text for sentence in limitations(tables)]
    assert again == texts  # accuracies are not measured on this source
    tables["summary"]["note"], tables["summary"]["untrained"] = "A demonstration", "SD2"
    tables["summary"]["n_train_asked"] = "400"
    tables["comparisons"] = tables["comparisons"][:0]
    tables["leakage"] = tables["audit"] = tables["audit"].assign(tested_on="0")
    texts = [sentence.text for sentence in limitations(tables)]
    assert len(texts) == 3 and texts[0].startswith("A demonstration") and "model of SD2 has random weights" in texts[2]


def test_a_study_of_one_run_has_a_page_too(tables):
    one = {
        name: table[table.get("scenario", "b") == "b"] if "scenario" in table else table
        for name, table in tables.items()
    }
    one["summary"] = one["summary"][one["summary"]["arm"] == "kd"]
    one["ranking"] = one["ranking"][one["ranking"]["arm"] == "kd"].assign(n_ranked="1")
    one |= {
        "comparisons": tables["comparisons"][:0],
        "test_sources": tables["test_sources"][:0],
        "costs": tables["costs"][:0],
    }
    (best,) = answer(one)
    assert best.tables == ("summary",) and best.text.endswith("of 200 test images correctly.")
    assert {sentence.tables for sentence in insights(one)} == {
        (name,) for name in ("per_class", "confusion", "calibration", "agreement", "counts")}  # fmt: skip


# --- images ---------------------------------------------------------------------------------------------------------


def test_a_sheet_holds_every_image_in_its_place():
    colors = np.random.default_rng(0).integers(0, 256, (60, 1, 1, 3), dtype=np.uint8)
    sheet = images.make_sheet(np.broadcast_to(colors, (60, 16, 16, 3)))
    image = Image.open(io.BytesIO(base64.b64decode(sheet.data.partition(",")[2]))).convert("RGB")
    assert (sheet.side, sheet.columns, sheet.count) == (16, 50, 60) and image.size == (800, 32)
    for place in (0, 49, 50, 59):
        middle = image.getpixel((place % 50 * 16 + 8, place // 50 * 16 + 8))
        assert np.abs(np.array(middle) - colors[place, 0, 0]).max() < 40  # lossy
    assert images.make_sheet(np.zeros((2, 512, 512, 3), np.uint8)).side == images.MAX_SIDE
    assert images.make_sheet(np.zeros((0, 16, 16, 3), np.uint8)).count == 0


def test_a_source_sample_is_evenly_spaced_in_each_class(write_curated):
    table = write_curated("google", kept=20)
    sample = images.source_sample(table.with_suffix(".npy"), table)
    assert [item["class"] for item in sample.items] == ["cat"] * 8 + ["dog"] * 8
    assert sample.sheet.count == 16 and len({item["row"] for item in sample.items}) == 16


@pytest.fixture
def tested(tmp_path):
    """Four images of two sources; scenario b was tested on one of them alone."""
    places = [("google", 0, "cat"), ("bing", 3, "dog"), ("google", 2, "dog"), ("bing", 1, "cat")]
    rows = [
        ("a", "kd", *place, 3, i, name)
        for i, (place, name) in enumerate(zip(places, ["cat", "dog", "cat", "dog"], strict=True))
    ]
    rows += [("b", "kd", *places[1], 3, 3, "dog")]
    columns = ["scenario", "arm", "source", "row", "class", "n_seeds", "n_correct", "predicted"]
    pd.DataFrame(rows, columns=columns).to_parquet(tmp_path / "images.parquet")
    for source in ("google", "bing"):
        np.save(tmp_path / f"{source}.npy", np.zeros((4, 8, 8, 3), np.uint8))
    return tmp_path


def test_predictions_belong_to_their_images(tested, monkeypatch):
    pixels = {name: tested / f"{name}.npy" for name in ("google", "bing")}
    found = images.load_test_images(tested / "images.parquet", pixels, ["cat", "dog"])
    assert found.places == [("bing", 3, "dog"), ("bing", 1, "cat"), ("google", 0, "cat"), ("google", 2, "dog")]
    assert found.predictions == {"a": {"kd": ("1302", "1100")}, "b": {"kd": ("3---", "1---")}}
    assert {name: sheet.count for name, sheet in found.sheets.items()} == {"bing": 2, "google": 2} and found.total == 4
    monkeypatch.setattr(images, "MAX_TESTED", 2)
    fewer = images.load_test_images(tested / "images.parquet", pixels, ["cat", "dog"])
    assert len(fewer.places) == 2 and fewer.total == 4 and len(fewer.predictions["a"]["kd"][0]) == 2


def test_many_classes_stay_distinct(tested):
    classes = [f"class {i}" for i in range(300)]
    rows = {"scenario": "a", "arm": "kd", "source": "google", "row": range(300), "class": classes, "predicted": classes}
    pd.DataFrame(rows | {"n_correct": range(300)}).to_parquet(tested / "images.parquet")
    np.save(tested / "google.npy", np.zeros((300, 1, 1, 3), np.uint8))
    found = images.load_test_images(tested / "images.parquet", {"google": tested / "google.npy"}, classes)
    for text in found.predictions["a"]["kd"]:
        # as the script reads them, 16 bits a character
        units = np.frombuffer(json.loads(script_json(text)).encode("utf-16-le"), np.uint16)
        assert (units - ord(images.ZERO)).tolist() == list(range(300))
    script = (Path(images.__file__).parent / "script.js").read_text()
    assert f'const ZERO = "{images.ZERO}".charCodeAt(0);' in script and ord(images.UNTESTED) < ord(images.ZERO)


# --- the file ---------------------------------------------------------------------------------------------------------


def test_titles_from_the_web_cannot_end_the_script():
    hostile = {"title": "</script><script>alert(1)</script><!--", "line": "\u2028"}
    text = script_json(hostile)
    assert "<" not in text and "\u2028" not in text and json.loads(text) == hostile


def test_the_chart_library_needs_no_network_and_ends_no_script():
    script = vega()
    assert len(script) > 500_000 and "</script" not in script


def test_the_chart_draws_the_summary_s_numbers(tables):
    summary = tables["summary"].reindex(columns=[*charts.SHOWN, "arm"], fill_value="")
    rows = charts.chart_rows(summary)
    assert [row["mean_percent_"] for row in rows] == [30.0, 40.1, 35.0, 45.2]
    assert rows[1]["interval"] == "none: the seeds agree" and "low_" not in rows[1]
    assert rows[3]["interval"] == "44.00 to 46.40"
    assert charts.chart_rows(summary.assign(n_seeds="1"))[1]["interval"] == "one seed"
    spec = charts.summary_chart(summary)
    assert spec["datasets"]["rows"] == rows and "http" not in json.dumps(spec).replace(spec["$schema"], "")
    assert "published" not in json.dumps(spec["layer"])  # nothing was
    summary.loc[1, "published_site"] = "61.50"
    assert "published" in json.dumps(charts.summary_chart(summary)["layer"])


def test_the_citation_is_bibtex(tmp_path):
    text = bibtex(Path(__file__).parents[2] / "CITATION.cff")
    assert text.startswith("@software{distillery,") and "Hinton, Geoffrey and Vinyals, Oriol" in text
    assert text.count("@") == 3 and text.count("{") == text.count("}")


def test_captions_are_read_from_both_kinds(tmp_path):
    (tmp_path / "summary.rst").write_text("Some\nwords.\n")
    (tmp_path / "figures.yaml").write_text("sizes: {title: T, tables: [], caption: C}\n")
    found = read_captions([str(tmp_path / "figures.yaml"), str(tmp_path / "summary.rst")])
    assert found["summary"] == {"title": "Summary", "caption": "Some words."} and found["sizes"]["caption"] == "C"
