"""Splits: groups stay whole, classes are balanced, and the order of the input does not matter."""

import dataclasses

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from split_tables import CURATION, LABELS, near_pairs, rows_of

from distillery.jobs import UserError
from distillery.splits.assign_splits import assign_splits, rank_images
from distillery.splits.candidates import SplitCandidates
from distillery.splits.groups import group_images
from distillery.splits.quotas import Quota, quotas_for, shrink_quota
from distillery.splits.split import split_images
from distillery.storage.parquet import read_parquet, write_parquet

SOURCES = ("bing", "google")


def make_images(cells: list[tuple[int, int]]) -> SplitCandidates:
    count = len(cells)
    return SplitCandidates(
        source=np.array([SOURCES[s] for s, _ in cells], dtype=str) if count else np.empty(0, dtype="U6"),
        row=np.arange(count, dtype=np.int32),
        label=np.array([label for _, label in cells], dtype=np.int16),
        key=np.array([f"{i:016x}" for i in range(count)], dtype=str) if count else np.empty(0, dtype="U16"),
    )


@st.composite
def images(draw):
    """Images and their near-duplicates; some chain."""
    cells = draw(st.lists(st.tuples(st.integers(0, 1), st.integers(0, 2)), max_size=60))
    # few different hashes: some are far apart, some on a line
    some = [0, 0xFF << 56, 0xFFFF << 40, 0xFFFFF << 36, 0xFFFFFF << 32, 0x3333333333333333, 0xAAAAAAAAAAAAAAAA]
    return make_images(cells), near_pairs([draw(st.sampled_from(some)) + draw(st.integers(0, 1)) for _ in cells])


def split_of(some, near, quotas, seed=0):
    """The split of each image, its group, and whether it is left out of all splits."""
    group, linking = group_images(some, near, seed)
    split = np.full(len(group), "linking", dtype=object)
    split[~linking] = assign_splits(some.where(~linking), group[~linking], quotas, seed)
    return split, group, linking


quotas = st.builds(Quota, st.integers(0, 3), st.integers(0, 3), st.just(0))


@settings(deadline=None)
@given(images(), quotas, quotas, st.integers(0, 5))
def test_no_near_duplicates_cross_splits_and_no_quota_is_exceeded(found, bing, google, seed):
    some, near = found
    split, group, linking = split_of(some, near, {"bing": bing, "google": google}, seed)
    for one, other in near[~linking[near].any(axis=1)]:
        assert group[one] == group[other]
    for number in np.unique(group[~linking]):
        members = np.flatnonzero((group == number) & ~linking)
        matches = [set(near[(near == member).any(axis=1)].ravel()) | {member} for member in members]
        assert any(set(members) <= each for each in matches)  # all members are near-duplicates of one image
        inside = set(split[members])
        assert len(inside - {"unused"}) <= 1 and inside != {"unused"}
    for source, quota in (("bing", bing), ("google", google)):
        for label in range(3):
            cell = (some.source == source) & (some.label == label)
            for name in ("test", "val"):
                chosen = cell & (split == name)
                assert chosen.sum() <= getattr(quota, name)
                assert len(np.unique(group[chosen])) == chosen.sum()  # one image of each group


@settings(deadline=None)
@given(images(), quotas, st.randoms(use_true_random=False))
def test_the_split_does_not_depend_on_the_order_of_the_images(found, quota, random):
    some, near = found
    shuffle = list(range(len(some.row)))
    random.shuffle(shuffle)
    other = SplitCandidates(**{f.name: getattr(some, f.name)[shuffle] for f in dataclasses.fields(SplitCandidates)})
    both = []
    for each, pairs in ((some, near), (other, np.sort(np.argsort(shuffle)[near], axis=1))):
        split, _, _ = split_of(each, pairs, {"bing": quota, "google": quota})
        both.append(sorted(zip(each.key, split, rank_images(each, split, 0), strict=True)))
    assert both[0] == both[1]


@settings(deadline=None)
@given(images())
def test_ranks_count_each_cell_from_zero(found):
    some, near = found
    split, _, _ = split_of(some, near, {"bing": Quota(1, 1, 0), "google": Quota(2, 0, 0)})
    rank = rank_images(some, split, 0)
    cells = list(zip(some.source, some.label, split, strict=True))
    for cell in set(cells):
        assert sorted(rank[[c == cell for c in cells]]) == list(range(cells.count(cell)))


def test_groups_do_not_chain():
    chain = np.array([[0, 1], [1, 2], [2, 3], [3, 4]])
    group, linking = group_images(make_images([(0, 0)] * 6), chain, 0)
    assert linking.sum() >= 1 and group[5] == 5
    for number in np.unique(group[~linking]):
        assert ((group == number) & ~linking).sum() <= 3  # an image and its neighbors


@given(st.integers(0, 50), st.integers(0, 50), st.integers(0, 200), st.integers(0, 400))
def test_a_shrunk_quota_fits_the_available_images(test, val, train, available):
    smaller = shrink_quota(Quota(test, val, train), available)
    if available >= test + val + train:
        assert smaller == Quota(test, val, train)
    elif available >= 3:
        assert smaller.test + smaller.val + smaller.train == available
        assert smaller.test <= test and smaller.val <= val
        assert (smaller.test > 0) == (test > 0) and (smaller.val > 0) == (val > 0)
        if 3 * (test + val) <= available:
            assert (smaller.test, smaller.val) == (test, val)  # train shrinks first


def test_quotas_are_totals_over_the_classes_of_each_source():
    wanted = {"test": {"google": 30}, "val": {}, "train": {"google": 300, "bing": 200}}
    classes = {"google": LABELS, "bing": LABELS[:2]}
    assert quotas_for(wanted, classes) == {"google": Quota(10, 0, 100), "bing": Quota(0, 0, 100)}


# --- tables -----------------------------------------------------------------------------------------------------------


def test_leaked_images_are_in_no_split(study, tmp_path):
    from distillery.curation.leakage import LEAKAGE_SCHEMA

    study({"google": dict.fromkeys(LABELS, 12)})
    columns = {field.name: [""] * 4 if str(field.type) == "string" else [0] * 4 for field in LEAKAGE_SCHEMA}
    columns |= {"source": ["google", "google", "bing", "google"], "row": [3, 20, 5, 7]}
    columns |= {"teacher_split": ["train", "train", "train", "test"]}
    write_parquet(tmp_path / "leakage.parquet", columns, LEAKAGE_SCHEMA)
    wanted = {"test": {"google": 6}, "val": {}, "train": {}}
    settings = {"seed": 0, "shortfall": "error", "leakage": tmp_path / "leakage.parquet"}
    settings["curation"] = CURATION
    tables, classes = {"google": tmp_path / "google.parquet"}, {"google": LABELS}
    split_images(
        tables,
        tmp_path / "near_duplicates.parquet",
        tmp_path / "s.parquet",
        classes=classes,
        labels=LABELS,
        wanted=wanted,
        **settings,
    )
    assert {r["row"] for r in rows_of(tmp_path / "s.parquet")} == set(range(36)) - {3, 20}


def test_too_few_images_for_the_test_split_are_an_error(study):
    with pytest.raises(
        UserError, match="split.test: class dog has 1 test images in source google, 2 requested of each class"
    ):
        study({"google": {"cat": 9, "dog": 1}})


def test_shrinking_leaves_train_images(study):
    splits, _ = study({"google": {"cat": 10, "dog": 20}}, "shrink", test={"google": 20}, train={"google": 20})
    parts = [(r["class"], r["split"]) for r in rows_of(splits)]
    assert parts.count(("cat", "test")) == parts.count(("dog", "test")) == 5
    assert parts.count(("cat", "train")) == 5 and parts.count(("dog", "train")) == 15


def counts_of(splits, source):
    parts = [(r["class"], r["split"]) for r in rows_of(splits) if r["source"] == source]
    return {part: [parts.count((name, part)) for name in ("cat", "dog")] for part in ("test", "val")}


def test_shrinking_accepts_that_another_source_took_the_same_images(study):
    sizes = {"google": {"cat": 60, "dog": 60}, "bing": {"cat": 20, "dog": 20}}
    wanted = {"test": {"google": 80, "bing": 10}, "val": {"bing": 10}, "train": {"google": 40, "bing": 10}}
    with pytest.raises(
        UserError, match="has . val images in source bing, 5 requested of .*; .* near-duplicates .* of google.* shrink$"
    ):
        study(sizes, "error", overlap=True, **wanted)
    splits, _ = study(sizes, "shrink", overlap=True, **wanted)
    google, bing = counts_of(splits, "google"), counts_of(splits, "bing")
    assert google == {"test": [40, 40], "val": [0, 0]} and bing["test"] == [5, 5]
    assert bing["val"][0] == bing["val"][1] and 1 <= bing["val"][0] < 5


def test_the_message_names_the_source_that_took_all_the_images(study):
    sizes = {"google": {"cat": 40, "dog": 40}, "bing": {"cat": 8, "dog": 8}}
    wanted = {"test": {"google": 80}, "val": {"bing": 4}}
    message = "has 0 val images in source bing, 1 requested of each class; 8 more are near-duplicates of test or"
    message += " validation images of google. Add"
    with pytest.raises(UserError, match=f"class cat {message} images of cat that differ more, or lower the count$"):
        study(sizes, "shrink", overlap=True, **wanted)


def test_the_message_does_not_suggest_shrinking_where_it_is_set(study):
    with pytest.raises(UserError, match="class dog has 0 test .*, or lower the count$"):
        study({"google": {"cat": 9, "dog": 0}}, "shrink")


def test_a_table_with_the_wrong_columns_is_named(tmp_path):
    import pyarrow as pa

    path = tmp_path / "splits.parquet"
    write_parquet(path, {"a": [1]}, pa.schema([("a", pa.int64())]))
    with pytest.raises(UserError, match="splits.parquet is damaged.*Delete it"):
        read_parquet(path, ("source", "row"))
    path.write_bytes(path.read_bytes()[:50])
    with pytest.raises(UserError, match="splits.parquet is damaged"):
        read_parquet(path, ("a",))
