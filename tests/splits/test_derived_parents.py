"""Images made from others are train images or unused, each in its parent's group; the base split is unchanged."""

import numpy as np
import pytest
from split_tables import CURATION, LABELS, rows_of, write_curated, write_pairs

from distillery.jobs import UserError
from distillery.splits.derived import split_derived_images
from distillery.splits.refused_sources import read_refusals
from distillery.splits.scenario_plan import plan_scenario
from distillery.splits.split import split_images
from distillery.storage.records import ImageRecord

PER_CLASS = 12
FAR = np.random.default_rng(0).integers(0, 2**64, 200, dtype=np.uint64).tolist()  # hashes that are far from each other


class DerivedStudy:
    """A split base source `web`, and a derived source `varied` with images that a test passes."""

    def __init__(self, folder):
        self.folder = folder
        self.hash_of = {f"{label}{i:02}": FAR[12 * n + i] for n, label in enumerate(LABELS) for i in range(PER_CLASS)}
        self.web = [(key[:-2], key, value) for key, value in self.hash_of.items()]
        write_curated(folder / "web.parquet", "web", self.web)
        write_pairs(folder / "base_pairs.parquet", {"web": [value for *_, value in self.web]})
        split_images(
            {"web": folder / "web.parquet"},
            folder / "base_pairs.parquet",
            folder / "base.parquet",
            classes={"web": LABELS},
            labels=LABELS,
            wanted={"test": {"web": 9}, "val": {"web": 3}, "train": {"web": 12}},
            seed=0,
            shortfall="error",
            curation=CURATION,
            refusals=folder / "base.json",
        )
        self.base = {row["key"]: row for row in rows_of(folder / "base.parquet")}

    def keys(self, split):
        return [key for key, row in self.base.items() if row["split"] == split]

    def split(self, derived, refused=(), **options):
        """Split, and return the row of each image by key. `derived`: key → (class, parent or "", hash)."""
        images = [(label, key, value) for key, (label, _, value) in derived.items()]
        write_curated(self.folder / "varied.parquet", "varied", images, refused)
        records = [
            ImageRecord(
                "varied", label, "diffusion", "x", key=key, parent_source="web" if parent else "", parent=parent
            )
            for key, (label, parent, _) in derived.items()
        ]
        (self.folder / "varied.jsonl").write_text("".join(record.to_json() + "\n" for record in records))
        hashes = {"web": [value for *_, value in self.web], "varied": [value for *_, value in images]}
        write_pairs(self.folder / "pairs.parquet", hashes)
        split_derived_images(
            self.folder / "base.parquet",
            {"varied": self.folder / "varied.parquet"},
            self.folder / "pairs.parquet",
            self.folder / "splits.parquet",
            records=[self.folder / "varied.jsonl"],
            labels=LABELS,
            seed=0,
            base_refusals=self.folder / "base.json",
            refusals=self.folder / "refusals.json",
            **options,
        )
        return {row["key"]: row for row in rows_of(self.folder / "splits.parquet")}


@pytest.fixture
def study(tmp_path):
    return DerivedStudy(tmp_path)


def child_of(key, value=None, number=0):
    """A derived image of the class of its parent."""
    return {f"of {key} {number}": (key[:-2], key, FAR[100 + number] if value is None else value)}


def test_a_child_of_a_train_image_is_a_train_image_of_its_group_and_the_base_stays(study):
    parents = study.keys("train")
    derived = {k: v for n, key in enumerate(parents) for k, v in child_of(key, number=n).items()}
    rows = study.split(derived)
    for n, key in enumerate(parents):
        child = rows[f"of {key} {n}"]
        assert (child["split"], child["group"]) == ("train", study.base[key]["group"])
    assert {key: rows[key] for key in study.base} == study.base
    for label in LABELS:
        ranks = sorted(rows[key]["rank"] for key in derived if rows[key]["class"] == label)
        assert ranks == list(range(len(ranks)))


@pytest.mark.parametrize("split", ["test", "val"])
def test_a_child_of_a_held_out_image_is_in_no_split(study, split):
    key = study.keys(split)[0]
    rows = study.split(child_of(key) | child_of(study.keys("train")[0], number=1))
    assert [rows[name]["split"] for name in rows if name.startswith("of ")] == ["unused", "train"]


@pytest.mark.parametrize("split", ["test", "val", "train"])
def test_a_child_that_is_near_an_image_of_another_group_is_left_out(study, split):
    parent, other = study.keys("train")[0], study.keys(split)[-1]
    rows = study.split(child_of(parent, study.hash_of[other] ^ 1))
    assert rows[f"of {parent} 0"]["split"] == "linking"


def test_a_child_that_is_near_its_parent_is_in_one_group_with_it(study):
    parent = study.keys("train")[0]
    child = study.split(child_of(parent, study.hash_of[parent] ^ 1))[f"of {parent} 0"]
    assert (child["split"], child["group"]) == ("train", study.base[parent]["group"])


def test_an_image_without_a_parent_joins_the_group_that_it_is_near_or_has_its_own(study):
    train, test = study.keys("train")[0], study.keys("test")[0]
    derived = {
        "alone": ("cat", "", FAR[150]),
        "near train": ("cat", "", study.hash_of[train] ^ 1),
        "near test": ("cat", "", study.hash_of[test] ^ 1),
        "twin a": ("dog", "", FAR[151]),
        "twin b": ("dog", "", FAR[151] ^ 1),
    }
    rows = study.split(derived)
    assert [rows[key]["split"] for key in derived] == ["train", "train", "unused", "train", "train"]
    groups = [rows[key]["group"] for key in derived]
    assert groups[1:3] == [study.base[train]["group"], study.base[test]["group"]] and groups[3] == groups[4]
    assert not {groups[0], groups[3]} & {row["group"] for row in study.base.values()}


def test_an_image_whose_parent_is_no_longer_there_is_in_no_split(study):
    assert study.split({"orphan": ("cat", "deleted", FAR[150])})["orphan"]["split"] == "unused"


def test_images_that_join_change_no_rank_of_others(study):
    kept = study.folder / "assignments.parquet"
    parents = study.keys("train")
    some = {k: v for n, key in enumerate(parents[::2]) for k, v in child_of(key, number=n).items()}
    before = study.split(some, assignments=kept)
    more = some | {k: v for n, key in enumerate(parents[1::2]) for k, v in child_of(key, number=50 + n).items()}
    after, anew = study.split(more, assignments=kept), study.split(more)
    assert [after[key]["rank"] for key in some] == [before[key]["rank"] for key in some]
    assert [anew[key]["rank"] for key in some] != [before[key]["rank"] for key in some]


def test_refusals_of_all_sources_are_written_and_a_derived_source_may_have_no_image(study):
    rows = study.split({}, refused=["cat"])
    assert rows == study.base
    assert read_refusals(study.folder / "refusals.json") == {"varied": {"cat": "captcha"}}


def test_damaged_records_end_in_one_line(study):
    study.split({})
    (study.folder / "varied.jsonl").write_text('{"nothing": 1}\n')
    with pytest.raises(UserError, match="records .*varied.jsonl are damaged .* Delete the pool"):
        split_derived_images(
            study.folder / "base.parquet", {"varied": study.folder / "varied.parquet"},
            study.folder / "pairs.parquet", study.folder / "splits.parquet", records=[study.folder / "varied.jsonl"],
            labels=LABELS, seed=0, base_refusals=study.folder / "base.json", refusals=study.folder / "refusals.json",
        )  # fmt: skip


@pytest.mark.parametrize("parents, count", [({"varied": "web"}, 6), ({}, 0)])
def test_a_scenario_may_train_on_images_and_on_their_children(study, parents, count):
    derived = {k: v for n, key in enumerate(study.keys("train")) for k, v in child_of(key, number=n).items()}
    study.split(derived)
    settings = {"classes": {"web": LABELS, "varied": LABELS}, "common": ["web"], "augmented": False}

    def plan():
        plan_scenario(
            study.folder / "splits.parquet", study.folder / "plan.parquet", scenario="mixed", shortfall="error",
            train={"web": 6, "varied": 6}, generated=["varied"], parents=parents, **settings,
        )  # fmt: skip
        return rows_of(study.folder / "plan.parquet")

    if not count:  # without known parents, they count as near-duplicates in another source
        with pytest.raises(UserError, match="near-duplicates of images of the scenario's other sources"):
            plan()
        return
    assert sum(row["source"] == "varied" for row in plan()) == count
