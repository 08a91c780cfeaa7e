"""The message about a class with too few images says why candidates were dropped, and gives a suitable remedy."""

import numpy as np
import pyarrow.parquet as pq
import pytest
from split_tables import CURATION, LABELS, rows_of

from distillery.curation.curated import CURATED_SCHEMA
from distillery.curation.leakage import LEAKAGE_SCHEMA
from distillery.jobs import UserError
from distillery.splits.scenario_plan import plan_scenario
from distillery.splits.shortfall import FLAGGED, IN_OTHER_SOURCE, LEAKED, REMEDIES, UNUSED, ShortfallReport
from distillery.splits.split import SPLITS_SCHEMA, split_images
from distillery.storage.parquet import write_parquet

SIZES = {"google": {"cat": 1, "dog": 9}}
PLAN = {"common": ["google"], "augmented": False, "scenario": "small", "curation": CURATION}


def mistake(call, *arguments, **settings):
    with pytest.raises(UserError) as error:
        call(*arguments, **settings)
    return str(error.value)


@pytest.mark.parametrize(
    ("reason", "words", "remedy"),
    [
        (
            "too small",
            "299 smaller than curation.min_side (32)",
            "Lower curation.min_side, or add larger images of cat",
        ),
        (
            "near-duplicate",
            "299 near-duplicates of others",
            "Add images of cat that differ more, or set curation.duplicates: off",
        ),
        ("exact duplicate", "299 exact duplicates of others", "Add images of cat that differ more"),
        (
            "conflicting labels: near-duplicate under dog",
            "299 with conflicting labels",
            "Give cat images that no other",
        ),
        ("broken", "299 broken", "Replace these files, or add images of cat"),
        ("not an image", "299 no images", "Replace these files, or add images of cat"),
        ("not retrieved: timed out", "299 not retrieved", "Add queries, prompts or images for cat"),
    ],
)
def test_if_most_images_were_dropped_the_remedy_fits_the_reason(study, reason, words, remedy):
    said = mistake(study, SIZES, dropped=[("cat", reason, 299)])
    assert said.startswith(
        "split.test: class cat has 1 test images in source google, 2 requested of each class;"
        f" 300 candidates, {words}. {remedy}"
    )
    assert said.endswith(", lower the count, or set split.shortfall: shrink")


def test_reasons_are_listed_by_frequency_and_the_rarest_are_summed(study):
    reasons = ["broken", "blank", "too small", "not an image", "unreadable", "too large"]
    said = mistake(study, SIZES, dropped=[("cat", reason, 9 - place) for place, reason in enumerate(reasons)])
    assert "40 candidates, 9 broken, 8 blank, 7 smaller than curation.min_side (32), 6 no images, 9 for other" in said


def test_a_class_of_which_no_image_was_dropped_needs_more_of_them(study):
    said = mistake(study, SIZES, dropped=[("dog", "too small", 5)])
    assert "2 requested of each class. Add queries, prompts or images for cat, lower" in said


def test_if_few_images_were_dropped_more_queries_are_suggested(study):
    said = mistake(study, SIZES, test={"google": 40}, dropped=[("cat", "too small", 5)])
    assert (
        "20 requested of each class; 6 candidates, 5 smaller than curation.min_side (32). Add queries, prompts or"
        " images for cat" in said
    )


@pytest.mark.parametrize(
    ("dropped", "limit", "raised"),
    [
        ([], 4, True),  # all requested images were found and are used
        ([("near-duplicate", 1)], 5, True),  # most are used, so more would be too
        ([("near-duplicate", 1)], 6, False),  # the search had no more results
        ([("near-duplicate", 9)], 13, False),  # most are dropped, so more would be too
        ([("near-duplicate", 1)], 0, False),  # a folder, all of which is imported
    ],
)
def test_a_higher_limit_is_suggested_only_if_it_gives_more_images(tmp_path, dropped, limit, raised):
    rows = ["", "", "", "", *(reason for reason, count in dropped for _ in range(count))]
    columns = {
        each.name: [""] * len(rows) if str(each.type) == "string" else [0] * len(rows) for each in CURATED_SCHEMA
    }
    columns |= {"class": ["cat"] * len(rows), "kept": [not reason for reason in rows], "reason": rows}
    write_parquet(
        tmp_path / "web.parquet", columns | {"sha256": [f"{n:064}" for n in range(len(rows))]}, CURATED_SCHEMA
    )
    report = ShortfallReport({"web": tmp_path / "web.parquet"}, CURATION, "error", limits={"web": limit})
    remedy, warning = report.remedy("web", "cat", 2, 4), report.for_more("web", "cat", 4)
    assert remedy.startswith(f"Raise sources.web.per_class ({limit}), lower the count") == raised
    assert warning == (f". Raise sources.web.per_class ({limit}) for more" if raised else "")


def test_a_warning_of_shrinking_says_what_was_dropped(study, caplog):
    study({"google": {"cat": 4, "dog": 9}}, "shrink", train={"google": 10}, dropped=[("cat", "blank", 6)])
    assert "class cat has 4 of the 7 images requested of each class; 10 candidates, 6 blank; now test 1" in caplog.text


def test_the_message_counts_leaked_images(study, tmp_path):
    study({"google": dict.fromkeys(LABELS, 4)})
    columns = {field.name: [""] * 3 if str(field.type) == "string" else [0] * 3 for field in LEAKAGE_SCHEMA}
    columns |= {"source": ["google"] * 3, "row": [0, 1, 2], "teacher_split": ["train"] * 3}
    write_parquet(tmp_path / "leakage.parquet", columns, LEAKAGE_SCHEMA)
    said = mistake(
        split_images,
        {"google": tmp_path / "google.parquet"},
        tmp_path / "near_duplicates.parquet",
        tmp_path / "s.parquet",
        classes={"google": LABELS},
        labels=LABELS,
        wanted={"test": {"google": 6}, "val": {}, "train": {}},
        seed=0,
        shortfall="error",
        curation=CURATION,
        leakage=tmp_path / "leakage.parquet",
    )
    assert (
        "2 requested of each class; 4 candidates, 3 near-duplicates of the teacher's train images (split.leakage:"
        " drop). Give" in said
    )


def test_the_error_of_a_plan_says_why_train_images_are_missing(study, tmp_path):
    from distillery.analysis.data_quality.label_audit import SCHEMA as AUDIT

    splits, classes = study({"google": {"cat": 12, "dog": 20}}, dropped=[("cat", "too small", 3)])
    rows = rows_of(splits)
    flagged = [r["row"] for r in rows if r["class"] == "cat" and r["split"] == "train"][:7]
    columns = {field.name: [""] * 7 if str(field.type) == "string" else [0] * 7 for field in AUDIT}
    columns |= {"source": ["google"] * 7, "row": flagged, "is_label_issue": [1] * 7}
    write_parquet(tmp_path / "audit.parquet", columns, AUDIT)
    settings = PLAN | {
        "classes": classes,
        "tables": [tmp_path / "google.parquet"],
        "audits": [tmp_path / "audit.parquet"],
    }
    said = mistake(plan_scenario, splits, tmp_path / "p", train={"google": 10}, shortfall="error", **settings)
    assert said == (
        "scenario small: class cat has 3 train images in source google, 5 requested of each class; 15 candidates, 7"
        " flagged by the teacher as label issues (clean: true), 3 smaller than curation.min_side (32). Add images of"
        " cat, or set"
        " clean: false, lower the count, or set split.shortfall: shrink"
    )


def test_the_error_of_a_plan_counts_images_that_another_source_also_has(study, tmp_path):
    splits, classes = study({"google": dict.fromkeys(LABELS, 12), "bing": dict.fromkeys(LABELS, 12)})
    table = pq.read_table(splits).to_pydict()
    split, source, name = (np.array(table[column]) for column in ("split", "source", "class"))
    for label in LABELS:  # in every class, bing's train images are near-duplicates of google's
        train = (split == "train") & (name == label)
        cells = [np.flatnonzero(train & (source == each)) for each in ("bing", "google")]
        for mine, other in zip(*cells, strict=True):
            table["group"][mine] = table["group"][other]
    write_parquet(splits, table, SPLITS_SCHEMA)
    settings = PLAN | {"classes": classes}
    said = mistake(plan_scenario, splits, tmp_path / "p", train={"google": 9, "bing": 9}, shortfall="error", **settings)
    assert (
        "0 train images in source bing, 3 requested of each class; 10 near-duplicates of images of the scenario's"
        " other sources" in said
    )
    assert "Add images of cat that the other sources lack" in said


@pytest.mark.parametrize("reason", [LEAKED, FLAGGED, UNUSED, IN_OTHER_SOURCE])
def test_every_reason_of_a_split_or_a_plan_has_a_remedy(reason):
    report = ShortfallReport({}, CURATION, "shrink")
    assert (
        report.remedy("google", "cat", 2, 0, {reason: 2})
        == f"{REMEDIES[reason].format(label='cat')}, or lower the count"
    )
    assert report.explanation("google", "cat", 0, {reason: 2}).startswith("; 2 ")
