"""Scenario plans: subsets nest, no plan trains on test images, mixtures avoid near-duplicates."""

import numpy as np
import pyarrow.parquet as pq
import pytest
from split_tables import LABELS, rows_of

from distillery.curation.curated import CURATED_SCHEMA
from distillery.jobs import UserError
from distillery.splits.scenario_plan import plan_scenario
from distillery.splits.split import SPLITS_SCHEMA
from distillery.storage.parquet import write_parquet


def plan(
    splits, classes, tmp_path, train, scenario="small", shortfall="error", augmented=False, common=("google",), draw=0
):
    output = tmp_path / f"{scenario}.parquet"
    settings = {"classes": classes, "common": common, "augmented": augmented, "shortfall": shortfall, "draw": draw}
    plan_scenario(splits, output, scenario=scenario, train=train, **settings)
    return rows_of(output)


def test_subsets_nest_and_hold_no_test_images(study, tmp_path):
    splits, classes = study({"google": dict.fromkeys(LABELS, 12), "bing": dict.fromkeys(LABELS, 8)})
    small = plan(splits, classes, tmp_path, {"google": 12})
    large = plan(splits, classes, tmp_path, {"google": 27})
    mixed = plan(splits, classes, tmp_path, {"google": 6, "bing": 6})
    train = [{(r["source"], r["row"]) for r in rows if r["split"] == "train"} for rows in (small, large, mixed)]
    assert train[0] < train[1] and {key for key in train[2] if key[0] == "google"} < train[0]
    tested = {(r["source"], r["row"]) for r in rows_of(splits) if r["split"] == "test"}
    assert len(tested) >= 6 and not (train[1] | train[2]) & tested
    assert {r["split"] for rows in (small, large, mixed) for r in rows} <= {"train", "val"}
    for rows in (small, large, mixed):
        labels = [r["label"] for r in rows if r["split"] == "train"]
        assert len({labels.count(label) for label in range(3)}) == 1  # balanced


def test_draws_differ_in_train_images_alone_and_nest_too(study, tmp_path):
    splits, classes = study({"google": dict.fromkeys(LABELS, 16)})

    def images(count, draw, split="train"):
        rows = plan(splits, classes, tmp_path, {"google": count}, draw=draw)
        return {(r["source"], r["row"]) for r in rows if r["split"] == split}

    small = [images(12, draw) for draw in range(4)]
    assert len(set(map(frozenset, small))) == 4 and all(len(one) == 12 for one in small)
    for draw in range(4):
        assert small[draw] < images(24, draw) and images(12, draw, "val") == images(12, 0, "val")
        assert small[draw] == images(12, draw)


@pytest.mark.parametrize("first", ["google", "bing"])
def test_of_near_duplicates_in_two_sources_a_mixture_trains_on_the_real_one(study, tmp_path, first):
    splits, classes = study({"google": dict.fromkeys(LABELS, 12), "bing": dict.fromkeys(LABELS, 12)})
    table = pq.read_table(splits).to_pydict()
    place = {
        (source, label, rank): i
        for i, (source, label, rank, split) in enumerate(
            zip(*(table[name] for name in ("source", "label", "rank", "split")), strict=True)
        )
        if split == "train"
    }
    for label in range(3):  # the first image of bing is a near-duplicate of google's last
        table["group"][place["bing", label, 0]] = table["group"][place["google", label, 9]]
    write_parquet(splits, table, SPLITS_SCHEMA)
    settings = {"classes": classes, "common": ["google"], "augmented": False, "shortfall": "error", "scenario": "x"}
    train = dict.fromkeys((first, "google", "bing"), 9)
    plan_scenario(splits, tmp_path / "plan", train=train, generated=["google"] if first == "bing" else [], **settings)
    chosen = {(r["source"], r["row"]) for r in rows_of(tmp_path / "plan") if r["split"] == "train"}
    ranks = {rank for (source, _, rank), i in place.items() if source == "bing" and (source, table["row"][i]) in chosen}
    assert ranks == ({0, 1, 2} if first == "bing" else {1, 2, 3})  # left out although google's image is not used
    assert len(chosen) == 18


def test_augmented_copies_are_marked(study, tmp_path):
    splits, classes = study({"google": dict.fromkeys(LABELS, 6)})
    rows = plan(splits, classes, tmp_path, {"google": 6}, augmented=True)
    train = [(r["row"], r["augmented"]) for r in rows if r["split"] == "train"]
    assert len(train) == 12 and {row for row, copy in train if copy} == {row for row, copy in train if not copy}
    assert not any(r["augmented"] for r in rows if r["split"] == "val")


def test_a_scenario_with_fewer_classes_is_validated_on_those_only(study, tmp_path):
    splits, classes = study({"google": dict.fromkeys(LABELS, 6), "bing": {"dog": 6}})
    rows = plan(splits, classes, tmp_path, {"bing": 2})
    assert {r["label"] for r in rows} == {1}


def test_too_few_train_images_are_an_error_that_names_class_and_source(study, tmp_path):
    splits, classes = study({"google": {"cat": 9, "dog": 5, "frog": 9}})
    with pytest.raises(
        UserError, match="scenario small: class dog has 3 train images in source google, 5 requested of each class"
    ):
        plan(splits, classes, tmp_path, {"google": 15})
    assert not (tmp_path / "small.parquet").exists()


def test_a_scenario_may_shrink_to_the_largest_balanced_set(study, tmp_path):
    splits, classes = study({"google": {"cat": 9, "dog": 5, "frog": 9}}, shortfall="shrink")
    rows = plan(splits, classes, tmp_path, {"google": 15}, shortfall="shrink")
    labels = [r["label"] for r in rows if r["split"] == "train"]
    assert [labels.count(label) for label in range(3)] == [3, 3, 3]


def write_audit(path, label_issues, label=""):
    """A label audit of 100 images of source google, of one class; the given rows are flagged."""
    from distillery.analysis.data_quality.label_audit import SCHEMA as AUDIT

    columns = {field.name: [""] * 100 if str(field.type) == "string" else [0] * 100 for field in AUDIT}
    columns |= {
        "source": ["google"] * 100,
        "row": range(100),
        "class": [label] * 100,
        "is_label_issue": [int(row in label_issues) for row in range(100)],
    }
    write_parquet(path, columns, AUDIT)
    return path


def test_images_with_label_issues_are_not_trained_on(study, tmp_path):
    splits, classes = study({"google": dict.fromkeys(LABELS, 12)})
    settings = {"classes": classes, "common": ["google"], "augmented": False, "shortfall": "error", "scenario": "x"}
    plans = []
    rows = rows_of(splits)
    first = {r["row"] for r in rows if r["split"] == "train" and r["rank"] < 2}
    tested = {r["row"] for r in rows if r["split"] == "test"}
    for name, audits in (("all", []), ("clean", [write_audit(tmp_path / "audit.parquet", first | tested)])):
        plan_scenario(splits, tmp_path / name, train={"google": 9}, audits=audits, **settings)
        plans.append(rows_of(tmp_path / name))
    train = [{r["row"] for r in plan if r["split"] == "train"} for plan in plans]
    assert first <= train[0] and not first & train[1] and len(train[0]) == len(train[1]) == 9
    rank = {r["row"]: r["rank"] for r in rows}
    assert {rank[row] for row in train[1]} == {2, 3, 4}  # the next in rank replace them
    assert [r for r in plans[0] if r["split"] == "val"] == [r for r in plans[1] if r["split"] == "val"]
    with pytest.raises(UserError, match="has 8 train images in source google, 9 requested of each class"):
        plan_scenario(splits, tmp_path / "b", train={"google": 27}, audits=audits, **settings)


def test_a_warning_for_a_class_that_loses_more_than_a_tenth_says_how_many_trusted_labels_are_flagged(
    study, tmp_path, caplog
):
    splits, classes = study({"google": dict.fromkeys(LABELS, 24)})
    train = {
        name: [row["row"] for row in rows_of(splits) if row["split"] == "train" and row["class"] == name]
        for name in LABELS
    }
    lost = [*train[LABELS[0]][:4], *train[LABELS[1]][:1]]
    audits = [write_audit(tmp_path / "audit.parquet", lost)]
    own_tests = {"google": write_audit(tmp_path / "own.parquet", range(20), LABELS[0])}
    plan_scenario(
        splits, tmp_path / "plan", train={"google": 9}, audits=audits, own_tests=own_tests, classes=classes,
        common=["google"], augmented=False, shortfall="error", scenario="tidy",
    )  # fmt: skip
    (warning,) = [record.getMessage() for record in caplog.records if record.levelname == "WARNING"]
    count = len(train[LABELS[0]])
    assert f"{LABELS[0]} 4 of {count} ({100 * 4 / count:.0f} %; own test 20 %)" in warning
    assert len(train[LABELS[1]]) >= 10 and LABELS[1] not in warning


def test_images_of_other_kinds_are_not_trained_on(study, tmp_path, caplog):
    splits, classes = study({"google": dict.fromkeys(LABELS, 12)})
    rows = rows_of(splits)
    first = {row["row"] for row in rows if row["split"] == "train" and row["rank"] < 2}
    tested = {row["row"] for row in rows if row["split"] == "test"}
    columns = {field.name: [""] * 37 if str(field.type) == "string" else [0] * 37 for field in CURATED_SCHEMA}
    columns |= {"row": [*range(36), -1], "kept": [True] * 36 + [False]}
    columns["image_kind"] = ["drawing" if row in first | tested else "photo" for row in range(36)] + ["icon"]
    write_parquet(tmp_path / "google.parquet", columns, CURATED_SCHEMA)
    settings = {"classes": classes, "common": ["google"], "augmented": False, "shortfall": "error", "scenario": "x"}
    settings |= {"tables": [tmp_path / "google.parquet"], "curation": {"min_side": 32}}
    plans = []
    for kinds in ([], ["photo"], ["photo", "drawing"]):
        caplog.clear()
        plan_scenario(splits, tmp_path / "plan", train={"google": 9}, kinds=kinds, **settings)
        plans.append(rows_of(tmp_path / "plan"))
        assert ("other kinds of image" in caplog.text) == (kinds == ["photo"])
    assert plans[0] == plans[2] and [r for r in plans[0] if r["split"] == "val"] == [
        r for r in plans[1] if r["split"] == "val"
    ]
    train = [{r["row"] for r in plan if r["split"] == "train"} for plan in plans]
    assert first <= train[0] and not first & train[1] and len(train[1]) == 9
    with pytest.raises(UserError, match=r"2 of other kinds than clean.kinds. .*leave out clean.kinds"):
        plan_scenario(splits, tmp_path / "plan", train={"google": 27}, kinds=["photo"], **settings)


def test_the_message_suggests_shrinking_only_where_it_is_not_set(study, tmp_path):
    splits, classes = study({"google": {"cat": 9, "dog": 1}}, "shrink")
    with pytest.raises(UserError, match="class dog has 0 train .*, or lower the count$"):
        plan(splits, classes, tmp_path, {"google": 4}, shortfall="shrink")
    with pytest.raises(UserError, match="lower the count, or set split.shortfall: shrink$"):
        plan(splits, classes, tmp_path, {"google": 4})


def test_a_plan_changes_with_the_pixels_of_its_images_and_with_no_others(study, tmp_path):
    splits, classes = study({"google": dict.fromkeys(LABELS, 12)})
    array, path = np.random.default_rng(0).integers(0, 256, (36, 4, 4, 3), dtype=np.uint8), tmp_path / "google.npy"

    def plan_of(array):
        np.save(path, array)
        options = {"classes": classes, "common": ["google"], "augmented": False, "shortfall": "error"}
        plan_scenario(splits, tmp_path / "plan", scenario="x", train={"google": 9}, pixels={"google": path}, **options)
        return (tmp_path / "plan").read_bytes()

    before = plan_of(array)
    used = {row["row"] for row in rows_of(tmp_path / "plan") if row["split"] != "test"}
    other = array.copy()
    other[[row for row in range(36) if row not in used]] = 0
    assert plan_of(other) == before
    other[min(used), 0, 0, 0] ^= 1
    assert plan_of(other) != before
    with pytest.raises(
        UserError, match="google.npy has fewer images than the split table. Delete the file and run again"
    ):
        plan_of(array[:10])
