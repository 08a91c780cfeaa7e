"""Splits: groups whole, classes balanced, subsets nested, the same whatever order images come in."""

import dataclasses

import numpy as np
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from distillery.curation.curated import CURATED_SCHEMA
from distillery.jobs import UserError
from distillery.splits.split import (
    SPLITS_SCHEMA,
    Quota,
    SplitCandidates,
    assign_splits,
    group_images,
    plan_scenario,
    quotas_for,
    rank_images,
    shrink_quota,
    split_images,
)
from distillery.storage.parquet import read_parquet, write_parquet

SOURCES = ("bing", "google")
LABELS = ["cat", "dog", "frog"]


def make_images(cells: list[tuple[int, int]], hashes: list[int]) -> SplitCandidates:
    count = len(cells)
    phash = np.array(hashes, dtype=np.uint64)
    return SplitCandidates(
        source=np.array([SOURCES[s] for s, _ in cells], dtype=str) if count else np.empty(0, dtype="U6"),
        row=np.arange(count, dtype=np.int32),
        label=np.array([label for _, label in cells], dtype=np.int16),
        key=np.array([f"{i:016x}" for i in range(count)], dtype=str) if count else np.empty(0, dtype="U16"),
        phash=phash,
        phash_mirror=phash ^ np.uint64(0xFFFFFFFF),
    )


@st.composite
def images(draw):
    cells = draw(st.lists(st.tuples(st.integers(0, 1), st.integers(0, 2)), max_size=60))
    # few different hashes, far apart (no 8 bits between them): many groups of several images
    far = [0, 0xFF << 56, 0xFFFF << 40, 0xF0F0F0F0F0 << 8, 0x3333333333333333, 0xAAAAAAAAAAAAAAAA]
    return make_images(cells, [draw(st.sampled_from(far)) + draw(st.integers(0, 1)) for _ in cells])


quotas = st.builds(Quota, st.integers(0, 3), st.integers(0, 3), st.just(0))


@settings(deadline=None)
@given(images(), quotas, quotas, st.integers(0, 5))
def test_no_group_crosses_splits_and_no_quota_is_exceeded(some, bing, google, seed):
    group = group_images(some, 8)
    split = assign_splits(some, group, {"bing": bing, "google": google}, seed)
    for number in np.unique(group):
        inside = set(split[group == number])
        assert len(inside - {"unused"}) <= 1 and inside != {"unused"}
    for source, quota in (("bing", bing), ("google", google)):
        for label in range(3):
            cell = (some.source == source) & (some.label == label)
            for name in ("test", "val"):
                chosen = cell & (split == name)
                assert chosen.sum() <= getattr(quota, name)
                assert len(np.unique(group[chosen])) == chosen.sum()  # one of each group


@settings(deadline=None)
@given(images(), quotas, st.randoms(use_true_random=False))
def test_the_order_of_images_changes_nothing(some, quota, random):
    shuffle = list(range(len(some.row)))
    random.shuffle(shuffle)
    other = SplitCandidates(**{f.name: getattr(some, f.name)[shuffle] for f in dataclasses.fields(SplitCandidates)})
    both = []
    for each in (some, other):
        split = assign_splits(each, group_images(each, 8), {"bing": quota, "google": quota}, 0)
        both.append(sorted(zip(each.key, split, rank_images(each, split, 0), strict=True)))
    assert both[0] == both[1]


@settings(deadline=None)
@given(images())
def test_ranks_count_each_cell_from_zero(some):
    split = assign_splits(some, group_images(some, 8), {"bing": Quota(1, 1, 0), "google": Quota(2, 0, 0)}, 0)
    rank = rank_images(some, split, 0)
    cells = list(zip(some.source, some.label, split, strict=True))
    for cell in set(cells):
        assert sorted(rank[[c == cell for c in cells]]) == list(range(cells.count(cell)))


def test_groups_join_identical_near_and_mirrored_images():
    some = make_images([(0, 0)] * 5, [0, 0, 0b11, 0xFFFFFFFF, 0xFFFF << 40])
    assert group_images(some, 8).tolist() == [0, 0, 0, 0, 4]
    # fewer bits: only what is identical, or identical when mirrored
    assert group_images(some, 0).tolist() == [0, 0, 2, 0, 4]


@given(st.integers(0, 50), st.integers(0, 50), st.integers(0, 200), st.integers(0, 400))
def test_shrinking_keeps_to_what_there_is(test, val, train, available):
    smaller = shrink_quota(Quota(test, val, train), available)
    if available >= test + val + train:
        assert smaller == Quota(test, val, train)
    elif available >= 3:
        assert smaller.test + smaller.val + smaller.train == available
        assert smaller.test <= test and smaller.val <= val
        assert (smaller.test > 0) == (test > 0) and (smaller.val > 0) == (val > 0)
        if 3 * (test + val) <= available:
            assert (smaller.test, smaller.val) == (test, val)  # train gives way first


def test_quotas_are_totals_over_the_classes_of_each_source():
    wanted = {"test": {"google": 30}, "val": {}, "train": {"google": 300, "bing": 200}}
    classes = {"google": LABELS, "bing": LABELS[:2]}
    assert quotas_for(wanted, classes) == {"google": Quota(10, 0, 100), "bing": Quota(0, 0, 100)}


# --- tables -----------------------------------------------------------------------------------------------------------


@pytest.fixture
def study(tmp_path):
    """Writes curated tables of `per_class` different images a class and source, and splits them."""

    def make(per_class: dict[str, dict[str, int]], shortfall="error", overlap=False, **wanted):
        tables, rng = {}, np.random.default_rng(0)
        for source, counts in per_class.items():
            names = [name for name, n in counts.items() for _ in range(n)]
            n = len(names)
            columns = {field.name: [""] * n if str(field.type) == "string" else [0] * n for field in CURATED_SCHEMA}
            columns |= {"source": [source] * n, "class": names, "kept": [True] * n, "row": range(n)}
            columns["key"] = [f"{source}{i:08d}" for i in range(n)]
            columns["phash"], columns["phash_mirror"] = rng.integers(0, 2**64, (2, n), dtype=np.uint64)
            if overlap:  # each source's i-th images of a class are the same
                same = [names[:i].count(name) + 1000 * LABELS.index(name) for i, name in enumerate(names)]
                columns["phash"] = np.random.default_rng(1).integers(0, 2**64, 3000, dtype=np.uint64)[same]
                columns["phash_mirror"] = ~columns["phash"]
            tables[source] = tmp_path / f"{source}.parquet"
            write_parquet(tables[source], columns, CURATED_SCHEMA)
        defaults = {"test": {s: 2 * len(c) for s, c in per_class.items()}, "val": {}, "train": {}}
        classes = {source: list(counts) for source, counts in per_class.items()}
        path = tmp_path / "splits.parquet"
        settings = {"group_distance": 4, "seed": 0, "shortfall": shortfall}
        split_images(tables, path, classes=classes, labels=LABELS, wanted=defaults | wanted, **settings)
        return path, classes

    return make


def rows_of(path):
    return pq.read_table(path).to_pylist()


def plan(splits, classes, tmp_path, train, scenario="small", shortfall="error", augmented=False, common=("google",)):
    output = tmp_path / f"{scenario}.parquet"
    settings = {"classes": classes, "common": common, "augmented": augmented, "shortfall": shortfall}
    plan_scenario(splits, output, scenario=scenario, train=train, **settings)
    return rows_of(output)


def test_subsets_nest_and_test_is_common(study, tmp_path):
    splits, classes = study({"google": dict.fromkeys(LABELS, 12), "bing": dict.fromkeys(LABELS, 8)})
    small = plan(splits, classes, tmp_path, {"google": 12})
    large = plan(splits, classes, tmp_path, {"google": 27})
    mixed = plan(splits, classes, tmp_path, {"google": 6, "bing": 6})
    train = [{(r["source"], r["row"]) for r in rows if r["split"] == "train"} for rows in (small, large, mixed)]
    assert train[0] < train[1] and {key for key in train[2] if key[0] == "google"} < train[0]
    tests = [sorted((r["source"], r["row"]) for r in rows if r["split"] == "test") for rows in (small, large, mixed)]
    assert tests[0] == tests[1] == tests[2] and len(tests[0]) == 6
    assert not train[1] & set(tests[0])
    for rows in (small, large, mixed):
        labels = [r["label"] for r in rows if r["split"] == "train"]
        assert len({labels.count(label) for label in range(3)}) == 1  # balanced


@pytest.mark.parametrize("first", ["google", "bing"])
def test_a_mixture_trains_on_one_of_several_sources_near_duplicates_the_real_one(study, tmp_path, first):
    splits, classes = study({"google": dict.fromkeys(LABELS, 12), "bing": dict.fromkeys(LABELS, 12)})
    table = pq.read_table(splits).to_pydict()
    place = {
        (source, label, rank): i
        for i, (source, label, rank, split) in enumerate(
            zip(*(table[name] for name in ("source", "label", "rank", "split")), strict=True)
        )
        if split == "train"
    }
    for label in range(3):  # bing's first is google's last
        table["group"][place["bing", label, 0]] = table["group"][place["google", label, 9]]
    write_parquet(splits, table, SPLITS_SCHEMA)
    settings = {"classes": classes, "common": ["google"], "augmented": False, "shortfall": "error", "scenario": "x"}
    train = dict.fromkeys((first, "google", "bing"), 9)
    plan_scenario(splits, tmp_path / "plan", train=train, generated=["google"] if first == "bing" else [], **settings)
    chosen = {(r["source"], r["row"]) for r in rows_of(tmp_path / "plan") if r["split"] == "train"}
    ranks = {rank for (source, _, rank), i in place.items() if source == "bing" and (source, table["row"][i]) in chosen}
    assert ranks == ({0, 1, 2} if first == "bing" else {1, 2, 3})  # left out though google's is not used
    assert len(chosen) == 18


def test_augmented_copies_are_marked(study, tmp_path):
    splits, classes = study({"google": dict.fromkeys(LABELS, 6)})
    rows = plan(splits, classes, tmp_path, {"google": 6}, augmented=True)
    train = [(r["row"], r["augmented"]) for r in rows if r["split"] == "train"]
    assert len(train) == 12 and {row for row, copy in train if copy} == {row for row, copy in train if not copy}
    assert not any(r["augmented"] for r in rows if r["split"] == "test")


def test_fewer_classes_are_tested_on_those_alone(study, tmp_path):
    splits, classes = study({"google": dict.fromkeys(LABELS, 6), "bing": {"dog": 6}})
    rows = plan(splits, classes, tmp_path, {"bing": 2})
    assert {r["label"] for r in rows} == {1} and sum(r["split"] == "test" for r in rows) == 2


def test_too_few_images_are_an_error_that_says_which(study, tmp_path):
    splits, classes = study({"google": {"cat": 9, "dog": 5, "frog": 9}})
    with pytest.raises(UserError, match="scenario small: class dog has 3 train images in source google, 5 asked"):
        plan(splits, classes, tmp_path, {"google": 15})
    assert not (tmp_path / "small.parquet").exists()


def test_or_shrink_to_the_largest_balanced_set(study, tmp_path):
    splits, classes = study({"google": {"cat": 9, "dog": 5, "frog": 9}}, shortfall="shrink")
    rows = plan(splits, classes, tmp_path, {"google": 15}, shortfall="shrink")
    labels = [r["label"] for r in rows if r["split"] == "train"]
    assert [labels.count(label) for label in range(3)] == [3, 3, 3]


def write_audit(path, label_issues):
    """An audit of 100 images of source google, of which some rows are flagged."""
    from distillery.analysis.data_quality.label_audit import SCHEMA as AUDIT

    columns = {field.name: [""] * 100 if str(field.type) == "string" else [0] * 100 for field in AUDIT}
    columns |= {
        "source": ["google"] * 100,
        "row": range(100),
        "is_label_issue": [int(row in label_issues) for row in range(100)],
    }
    write_parquet(path, columns, AUDIT)
    return path


def test_doubted_labels_are_not_trained_on_but_tested_on(study, tmp_path):
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
    assert {rank[row] for row in train[1]} == {2, 3, 4}  # the next in order take their places
    assert {r["row"] for r in plans[0] if r["split"] == "test"} == {r["row"] for r in plans[1] if r["split"] == "test"}
    with pytest.raises(UserError, match="has 8 train images in source google, 9 asked"):
        plan_scenario(splits, tmp_path / "b", train={"google": 27}, audits=audits, **settings)


def test_leaked_images_are_in_no_split(study, tmp_path):
    from distillery.curation.leakage import LEAKAGE_SCHEMA

    study({"google": dict.fromkeys(LABELS, 12)})
    columns = {field.name: [""] * 4 if str(field.type) == "string" else [0] * 4 for field in LEAKAGE_SCHEMA}
    columns |= {"source": ["google", "google", "bing", "google"], "row": [3, 20, 5, 7]}
    columns |= {"teacher_split": ["train", "train", "train", "test"]}
    write_parquet(tmp_path / "leakage.parquet", columns, LEAKAGE_SCHEMA)
    wanted = {"test": {"google": 6}, "val": {}, "train": {}}
    settings = {"group_distance": 4, "seed": 0, "shortfall": "error", "leakage": tmp_path / "leakage.parquet"}
    tables, classes = {"google": tmp_path / "google.parquet"}, {"google": LABELS}
    split_images(tables, tmp_path / "s.parquet", classes=classes, labels=LABELS, wanted=wanted, **settings)
    assert {r["row"] for r in rows_of(tmp_path / "s.parquet")} == set(range(36)) - {3, 20}


def test_too_few_for_the_test_split(study):
    with pytest.raises(UserError, match="split.test: class dog has 1 test images in source google, 2 asked"):
        study({"google": {"cat": 9, "dog": 1}})


def test_shrinking_leaves_something_to_train_on(study):
    splits, _ = study({"google": {"cat": 10, "dog": 20}}, "shrink", test={"google": 20}, train={"google": 20})
    parts = [(r["class"], r["split"]) for r in rows_of(splits)]
    assert parts.count(("cat", "test")) == parts.count(("dog", "test")) == 5
    assert parts.count(("cat", "train")) == 5 and parts.count(("dog", "train")) == 15


def counts_of(splits, source):
    parts = [(r["class"], r["split"]) for r in rows_of(splits) if r["source"] == source]
    return {part: [parts.count((name, part)) for name in ("cat", "dog")] for part in ("test", "val")}


def test_shrinking_gives_way_to_the_sources_that_took_the_same_images(study):
    sizes = {"google": {"cat": 60, "dog": 60}, "bing": {"cat": 20, "dog": 20}}
    wanted = {"test": {"google": 80, "bing": 10}, "val": {"bing": 10}, "train": {"google": 40, "bing": 10}}
    with pytest.raises(UserError, match="has . val images in source bing, 5 asked; .* repeat .* of google.* shrink$"):
        study(sizes, "error", overlap=True, **wanted)
    splits, _ = study(sizes, "shrink", overlap=True, **wanted)
    google, bing = counts_of(splits, "google"), counts_of(splits, "bing")
    assert google == {"test": [40, 40], "val": [0, 0]} and bing["test"] == [5, 5]
    assert bing["val"][0] == bing["val"][1] and 1 <= bing["val"][0] < 5


def test_where_another_source_took_all_the_message_says_so_and_not_to_shrink(study):
    sizes = {"google": {"cat": 40, "dog": 40}, "bing": {"cat": 8, "dog": 8}}
    wanted = {"test": {"google": 80}, "val": {"bing": 4}}
    says = "has 0 val images in source bing, 1 asked; 8 more repeat test or validation images of google. Add"
    with pytest.raises(UserError, match=f"class cat {says} queries, prompts or images for cat, or lower the count$"):
        study(sizes, "shrink", overlap=True, **wanted)


def test_nobody_is_told_to_shrink_what_is_shrunk_already(study, tmp_path):
    with pytest.raises(UserError, match="class dog has 0 test .*, or lower the count$"):
        study({"google": {"cat": 9, "dog": 0}}, "shrink")
    splits, classes = study({"google": {"cat": 9, "dog": 1}}, "shrink")
    with pytest.raises(UserError, match="class dog has 0 train .*, or lower the count$"):
        plan(splits, classes, tmp_path, {"google": 4}, shortfall="shrink")
    with pytest.raises(UserError, match="lower the count, or set split.shortfall: shrink$"):
        plan(splits, classes, tmp_path, {"google": 4})


def test_a_table_of_the_wrong_columns_is_named(tmp_path):
    import pyarrow as pa

    path = tmp_path / "splits.parquet"
    write_parquet(path, {"a": [1]}, pa.schema([("a", pa.int64())]))
    with pytest.raises(UserError, match="splits.parquet is damaged.*Delete it"):
        read_parquet(path, ("source", "row"))
    path.write_bytes(path.read_bytes()[:50])
    with pytest.raises(UserError, match="splits.parquet is damaged"):
        read_parquet(path, ("a",))
