"""Derived sources join an unchanged split: only for training, and never near a test image."""

import json

import numpy as np
import pytest
from split_tables import LABELS, rows_of, write_curated, write_pairs
from test_assignments import Study

from distillery.jobs import UserError
from distillery.splits.derived import split_derived_images
from distillery.splits.scenario_plan import plan_scenario
from distillery.storage.parquet import read_metadata


def far_apart(count, seed):
    return np.random.default_rng(seed).integers(0, 2**64, count, dtype=np.uint64).tolist()


@pytest.fixture
def base(tmp_path):
    """A split of one source with 10 images a class."""
    study = Study(tmp_path)
    hashes = iter(far_apart(30, 0))
    study.images["mine"] = [(label, f"{label}{i}", next(hashes)) for label in LABELS for i in range(10)]
    study.split(name="base.parquet")
    return study


def join(base, images, name="splits.parquet", assignments=None):
    """Split a derived source of (class, key, hash); returns the rows of its images by key, and the base rows."""
    write_curated(base.folder / "phone.parquet", "phone", images)
    hashes = {"mine": [h for *_, h in base.images["mine"]], "phone": [h for *_, h in images]}
    write_pairs(base.folder / "pairs.parquet", hashes)
    split_derived_images(
        base.folder / "base.parquet",
        {"phone": base.folder / "phone.parquet"},
        base.folder / "pairs.parquet",
        base.folder / name,
        labels=LABELS,
        seed=0,
        base_refusals=base.folder / "refusals.json",
        refusals=base.folder / "all.json",
        assignments=assignments,
    )
    rows = rows_of(base.folder / name)
    count = len(rows_of(base.folder / "base.parquet"))
    assert rows[:count] == rows_of(base.folder / "base.parquet")
    return {row["key"]: row for row in rows[count:]}


def test_a_derived_image_trains_unless_it_is_like_a_test_or_validation_image(base):
    rows = rows_of(base.folder / "base.parquet")
    hashes = {key: value for _, key, value in base.images["mine"]}
    like = [(LABELS[i % 3], f"like {row['key']}", hashes[row["key"]] ^ 1) for i, row in enumerate(rows)]
    new = [("cat", f"new {i}", value) for i, value in enumerate(far_apart(4, 1))]
    found = join(base, like + new)
    for row in rows:
        mine = found[f"like {row['key']}"]
        assert mine["split"] == ("train" if row["split"] == "train" else "unused")
        assert mine["group"] == row["group"] and mine["source"] == "phone"
    assert {row["split"] for row in rows} == {"train", "test", "val"}
    assert [found[f"new {i}"]["split"] for i in range(4)] == ["train"] * 4
    assert len({found[f"new {i}"]["group"] for i in range(4)} - {row["group"] for row in rows}) == 4
    assert json.loads((base.folder / "all.json").read_text()) == {}


def test_ranks_run_within_a_class_and_more_images_keep_their_order(base):
    images = [("dog", f"new {i}", value) for i, value in enumerate(far_apart(40, 2))]
    few, many = join(base, images[:20], "few.parquet"), join(base, images, "many.parquet")
    assert sorted(row["rank"] for row in many.values()) == list(range(40))
    order = sorted(many, key=lambda key: many[key]["rank"])
    assert [key for key in order if key in few] == sorted(few, key=lambda key: few[key]["rank"])


def test_images_keep_their_rank_when_others_join(base):
    images, kept = (
        [("dog", f"new {i}", value) for i, value in enumerate(far_apart(40, 2))],
        base.folder / "kept.parquet",
    )
    few = join(base, images[:20], assignments=kept)
    many = join(base, images, assignments=kept)
    assert {key: many[key]["rank"] for key in few} == {key: few[key]["rank"] for key in few}


def test_an_image_near_two_groups_is_left_out(base):
    first = base.images["mine"][0][2]
    base.images["mine"][1] = ("cat", "cat1", first ^ 0xFF)
    base.split(assignments=False, name="base.parquet")
    assert join(base, [("cat", "between", first ^ 0x0F)])["between"]["split"] == "linking"


def test_images_that_the_base_split_left_out_link_no_groups(base):
    first = base.images["mine"][0][2]
    # a chain, whose last image is near a group and cannot join it
    base.images["mine"][1:4] = [("cat", f"cat{i}", first ^ mask) for i, mask in ((1, 0xF), (2, 0xFF), (3, 0xFFF))]
    base.split(assignments=False, name="base.parquet")
    given = {row["key"]: row["split"] for row in rows_of(base.folder / "base.parquet")}
    left_out = next(key for key in ("cat0", "cat3") if given[key] == "linking")
    end = next(value for _, key, value in base.images["mine"] if key == left_out)
    assert join(base, [("cat", "new", end ^ 0xF0000)])["new"]["split"] == "train"


def test_a_source_without_images_joins_too(base):
    assert join(base, []) == {}


def plan(base, train, **options):
    output = base.folder / "plan.parquet"
    settings = {"scenario": "s", "common": ["mine"], "augmented": False, "shortfall": "error"}
    classes = dict.fromkeys(("mine", "phone"), LABELS)
    plan_scenario(base.folder / "splits.parquet", output, train=train, classes=classes, **settings | options)
    return [row for row in rows_of(output) if row["split"] == "train"], read_metadata(output)


def test_images_are_taken_as_they_are_whatever_their_class(base):
    images = [("dog", f"dog {i}", value) for i, value in enumerate(far_apart(30, 4))]
    join(base, [*images, ("cat", "cat 0", far_apart(1, 5)[0])])
    few, _ = plan(base, {"phone": 8}, any_class=["phone"])
    many, about = plan(base, {"mine": 3, "phone": 20}, any_class=["phone"])
    assert [len(few), len(many)] == [8, 23] and json.loads(about["trained"]) == sorted(LABELS)
    assert {row["row"] for row in few} <= {row["row"] for row in many if row["source"] == "phone"}
    other, _ = plan(base, {"phone": 8}, any_class=["phone"], draw=1)
    assert {row["row"] for row in other} != {row["row"] for row in few}
    with pytest.raises(UserError, match="source phone has 31 train images, 40 requested"):
        plan(base, {"phone": 40}, any_class=["phone"])
    assert len(plan(base, {"phone": 40}, any_class=["phone"], shortfall="shrink")[0]) == 31
    _, about = plan(base, {"mine": 3})
    assert "trained" not in about


def test_classes_that_are_rare_among_such_images_are_named(base, caplog):
    images = [("dog", f"dog {i}", value) for i, value in enumerate(far_apart(30, 4))]
    join(base, [*images, *(("cat", f"cat {i}", value) for i, value in enumerate(far_apart(2, 5)))])
    plan(base, {"phone": 32}, any_class=["phone"])
    rare = ", ".join(f"{name} ({2 * (name == 'cat')})" for name in LABELS if name != "dog")
    assert f"scenario s: of 32 images of source phone the teacher takes few for {rare}. A student" in caplog.text
