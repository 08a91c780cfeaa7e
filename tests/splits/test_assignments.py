"""Assignments are kept: images stay in their group, split and rank when sources join and images come or go."""

import logging
import tempfile
from itertools import combinations
from pathlib import Path
from random import Random

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from split_tables import CURATION, LABELS, rows_of, write_curated, write_pairs

from distillery.file_digests import forget_digests
from distillery.jobs import UserError
from distillery.splits.scenario_plan import plan_scenario
from distillery.splits.split import split_images

SOURCES = ("google", "bing", "mine")
DISTANCE = 4


class Study:
    """A folder with the split of the images of sources, which a test may change between splits.

    Attributes:
        images: source → (class, key, hash) of each image.
        refused: source → classes.
    """

    def __init__(self, folder: Path, test=2, val=1, train=4, **options):
        self.folder, self.images, self.refused = folder, {}, {}
        self.per_class = {"test": test, "val": val, "train": train}
        self.options = {"seed": 0, "shortfall": "shrink"} | options

    @property
    def kept(self):
        return self.folder / "assignments.parquet"

    def split(self, assignments=True, name="splits.parquet"):
        """Split; the row of each image by (source, class, key)."""
        classes = {source: LABELS for source in SOURCES if source in self.images}
        tables = {source: self.folder / f"{source}.parquet" for source in classes}
        for source, path in tables.items():
            write_curated(path, source, self.images[source], self.refused.get(source, ()))
        pairs = self.folder / "near_duplicates.parquet"
        write_pairs(pairs, {source: [value for *_, value in self.images[source]] for source in classes})
        split_images(
            tables,
            pairs,
            self.folder / name,
            classes=classes,
            labels=LABELS,
            wanted={part: dict.fromkeys(classes, n * len(LABELS)) for part, n in self.per_class.items()},
            curation=CURATION,
            refusals=self.folder / "refusals.json",
            assignments=self.kept if assignments else None,
            common=list(classes),
            **self.options,
        )
        return {(row["source"], row["class"], row["key"]): row for row in rows_of(self.folder / name)}

    def train_keys(self, source, per_class):
        """The keys of the train images of a scenario of one source."""
        path = self.folder / "plan.parquet"
        train, settings = {source: per_class * len(LABELS)}, {"shortfall": "shrink", "common": [source]}
        classes = {source: LABELS}
        plan_scenario(
            self.folder / "splits.parquet",
            path,
            scenario="s",
            train=train,
            classes=classes,
            augmented=False,
            **settings,
        )
        return {self.images[source][row["row"]][1] for row in rows_of(path) if row["split"] == "train"}


def hash_at(place: int) -> int:
    """A hash for a place, 0 to 56: two hashes differ in as many bits as their places differ."""
    return (1 << place) - 1


def assert_kept(before, after):
    """Assert that images of both splits keep their split and rank, and share their groups with the same images."""
    both = before.keys() & after.keys()
    for image in both:
        was, now = ((rows[image]["split"], rows[image]["rank"]) for rows in (before, after))
        if was[0] in ("train", "val", "test"):
            assert now == was
        elif was[0] == "linking" and now[0] == "train":  # a new image is the center that links it to its group
            place = [
                rows["rank"] for other, rows in before.items() if other[:2] == image[:2] and rows["split"] == "train"
            ]
            assert now[1] > max(place, default=-1)  # so that no plan loses an image to it
        else:  # an unused image may move into the split of its group, except into train
            assert now[0] in ("unused", "linking", "test", "val")
    grouped = [image for image in both if before[image]["split"] != "linking"]
    numbers = {(before[image]["group"], after[image]["group"]) for image in grouped}
    assert len({one for one, _ in numbers}) == len({other for _, other in numbers}) == len(numbers)


def assert_apart(study, rows):
    """Assert that neither near-duplicates nor groups are divided between splits."""
    hashes = {(s, label, key): value for s in study.images for label, key, value in study.images[s]}
    used = [image for image, row in rows.items() if row["split"] in ("train", "val", "test")]
    for one, other in combinations(used, 2):
        near = min((hashes[one] ^ value).bit_count() for value in (hashes[other], hashes[other] ^ (2**64 - 1)))
        if near <= DISTANCE or rows[one]["group"] == rows[other]["group"]:
            assert rows[one]["split"] == rows[other]["split"], (one, other)
    places = [tuple(row[name] for name in ("source", "class", "split", "rank")) for row in rows.values()]
    assert len(set(places)) == len(places)


def draw_images(seed: int) -> list[tuple[int, int]]:
    """Label and hash of 15 to 30 images: some similar to few others, some on a line, so that groups chain and link."""
    random = Random(seed)
    shared = [Random(number).getrandbits(64) for number in range(60)]
    kinds = {
        "alone": lambda: random.getrandbits(64),
        "like others": lambda: random.choice(shared) ^ (1 << random.randrange(64)),
        "on a line": lambda: hash_at(random.randrange(57)),
    }
    return [(i % 3, kinds[random.choice(list(kinds))]()) for i in range(random.randint(15, 30))]


drawn = st.integers(0, 2**32).map(draw_images)


@example(list(SOURCES), [draw_images(93), draw_images(148), draw_images(0)], 0, 0)
@settings(max_examples=40)
@given(st.permutations(SOURCES), st.lists(drawn, min_size=3, max_size=3), st.integers(0, 3), st.integers(0, 2))
def test_sources_that_join_in_any_order_move_no_image(order, images, seed, val):
    with tempfile.TemporaryDirectory() as folder:
        study, before = Study(Path(folder), seed=seed, val=val), {}
        subsets: dict[str, list] = {}
        for number, (source, own) in enumerate(zip(order, images, strict=True)):
            study.images[source] = [(LABELS[label], f"{number}{i:015x}", value) for i, (label, value) in enumerate(own)]
            kept = study.kept.read_bytes() if study.kept.exists() else None
            try:
                after = study.split()
            except UserError:  # too few images of a class
                assert (study.kept.read_bytes() if study.kept.exists() else None) == kept
                return
            assert_kept(before, after)
            assert_apart(study, after)
            for name in subsets:
                assert [study.train_keys(name, n) for n in (1, 2)] == subsets[name]
            try:
                subsets[source] = [study.train_keys(source, n) for n in (1, 2)]
                assert subsets[source][0] <= subsets[source][1]
            except UserError:
                pass  # no train images
            again = (Path(folder) / "splits.parquet").read_bytes(), study.kept.read_bytes()
            assert study.split() == after
            assert ((Path(folder) / "splits.parquet").read_bytes(), study.kept.read_bytes()) == again
            before = after


@settings(max_examples=20)
@given(st.lists(drawn, min_size=3, max_size=3), st.integers(0, 3))
def test_a_study_split_in_one_go_is_the_same_with_and_without_kept_assignments(images, seed):
    with tempfile.TemporaryDirectory() as folder:
        study = Study(Path(folder), seed=seed)
        for source, own in zip(SOURCES, images, strict=True):
            study.images[source] = [(LABELS[label], f"{i:016x}", value) for i, (label, value) in enumerate(own)]
        try:
            study.split(assignments=False, name="alone.parquet")
        except UserError:
            return
        study.split()
        assert (Path(folder) / "splits.parquet").read_bytes() == (Path(folder) / "alone.parquet").read_bytes()


@settings(max_examples=40)
@given(drawn, drawn, st.randoms(use_true_random=False), st.integers(0, 3))
def test_images_that_come_and_go_leave_the_others_in_their_splits(first, second, random, seed):
    with tempfile.TemporaryDirectory() as folder:
        study = Study(Path(folder), seed=seed)
        given_images = [(LABELS[label], f"{i:016x}", value) for i, (label, value) in enumerate(first + second)]
        study.images["mine"] = given_images[: len(first)]
        try:
            before = study.split()
            study.images["mine"] = given_images
            after = study.split()
            assert_kept(before, after)
            assert_apart(study, after)
            gone = set(random.sample(range(len(given_images)), len(given_images) // 4))
            study.images["mine"] = [image for i, image in enumerate(given_images) if i not in gone]
            left = study.split()
        except UserError:
            return
        assert_apart(study, left)
        for image, row in left.items():  # only the place of a removed image is filled from train
            was = after[image]["split"]
            if was in ("test", "val"):
                assert row["split"] == was and row["rank"] == after[image]["rank"]
            elif was == "train" and row["split"] != "train":
                removed = [given_images[i][0] for i in gone]
                assert removed, image


# --- examples ---------------------------------------------------------------------------------------------------------


def far_images(count, start=0, classes=LABELS):
    """Images that are near-duplicates of no other: class and number decide each hash."""
    import hashlib

    def number(*parts):
        return int.from_bytes(hashlib.sha256(repr(parts).encode()).digest()[:8], "big")

    return [(name, f"{number(name, i):016x}", number(name, i)) for name in classes for i in range(start, start + count)]


@pytest.fixture
def study(tmp_path):
    return Study(tmp_path, shortfall="error")


@pytest.fixture
def said(caplog):
    """The log, at every level."""
    caplog.set_level(logging.INFO)
    return caplog


def counts(rows, source, label="cat"):
    parts = [row["split"] for row in rows.values() if (row["source"], row["class"]) == (source, label)]
    return {part: parts.count(part) for part in dict.fromkeys(sorted(parts))}


def image_of(rows, source, split):
    """An image of a split, with its hash."""
    return next(image for image, row in rows.items() if (image[0], row["split"]) == (source, split))


def test_new_images_follow_those_that_they_are_near_to(study):
    study.images["bing"] = far_images(9)
    before = study.split()
    hashes = {key: value for _, key, value in study.images["bing"]}
    near = {split: image_of(before, "bing", split) for split in ("test", "val", "train")}
    study.images["google"] = far_images(9, start=100)
    followers = {}
    for split, (_, label, key) in near.items():
        followers[split] = ("google", label, f"near {split}")
        study.images["google"].append((label, f"near {split}", hashes[key] ^ 1))
    after = study.split()
    assert_kept(before, after)
    for split, image in followers.items():
        assert after[image]["group"] == after[near[split]]["group"]
        assert after[image]["split"] == split
    assert counts(after, "google", near["test"][1])["test"] == 2


def test_an_image_near_two_splits_is_left_out(study, said):
    study.images["bing"] = far_images(9)
    before = study.split()
    hashes = {key: value for _, key, value in study.images["bing"]}
    first, other = (hashes[image_of(before, "bing", split)[2]] for split in ("train", "test"))
    apart = [1 << bit for bit in range(64) if (first ^ other) >> bit & 1]
    chain = [first]
    for place in range(0, len(apart), 4):
        chain.append(chain[-1] ^ sum(apart[place : place + 4]))
    study.images["google"] = far_images(9, start=100)
    study.images["google"] += [("cat", f"chain {i:02d}", value) for i, value in enumerate(chain[1:-1])]
    after = study.split()
    assert_kept(before, after)
    assert_apart(study, after)
    linking = [image for image, row in after.items() if row["split"] == "linking"]
    # a group has an image and its neighbors in the chain; between two groups, one image is left out
    assert 1 <= len(linking) <= len(chain) / 2 and all(image[2].startswith("chain") for image in linking)
    assert f"{len(linking)} new images are left out" in said.text and "27 images keep their split" in said.text


def test_a_source_that_joins_gives_test_images_but_no_validation(study, said):
    study.images["bing"], study.images["google"] = far_images(9), []
    study.refused = {"google": LABELS}
    before = study.split()
    study.images["google"], study.refused = far_images(9, start=100), {}
    after = study.split()
    assert_kept(before, after)
    assert counts(before, "bing") == counts(after, "bing") == {"test": 2, "train": 6, "val": 1}
    assert counts(after, "google") == {"test": 2, "train": 7}
    assert "validation stays as it was made, without images of source google" in said.text
    study.images["mine"] = far_images(9, start=200)  # a source that the user adds
    assert counts(study.split(), "mine") == {"test": 2, "train": 6, "val": 1}


def test_a_tuned_study_without_validation_gets_one(study):
    study.images["bing"], study.images["google"] = far_images(9), far_images(9, start=100)
    study.refused = {"google": LABELS}
    study.images["google"] = []
    study.options["tuned"] = True
    study.split()
    study.refused, study.images = {"bing": LABELS}, {"bing": [], "google": far_images(9, start=100)}
    assert counts(study.split(), "google") == {"test": 2, "train": 6, "val": 1}


def test_a_source_that_refused_a_class_gives_no_validation_until_and_after_it_comes(study):
    study.images["bing"], study.images["google"] = far_images(9), far_images(9, start=100, classes=LABELS[1:])
    study.refused = {"google": ["cat"]}
    before = study.split()
    assert counts(before, "google", "dog") == {"test": 2, "train": 7}
    study.images["google"], study.refused = far_images(9, start=100), {}
    after = study.split()
    assert_kept(before, after)
    assert counts(after, "google") == {"test": 2, "train": 7}


@pytest.mark.parametrize("shortfall", ["error", "shrink"])
@pytest.mark.parametrize("split", ["test", "val", "train"])
def test_the_place_of_a_removed_image_is_taken_by_a_new_one_or_one_of_train(study, shortfall, split):
    study.options["shortfall"] = shortfall
    study.images["mine"] = far_images(9)
    before = study.split()
    whole = study.images["mine"]
    gone = image_of(before, "mine", split)
    label = gone[1]
    study.images["mine"] = [image for image in whole if image[1] != gone[2]]
    added = [(label, "new", 12345678901234567890)]
    kept = study.kept.read_bytes()
    after = study.split()
    moved = [image for image, row in after.items() if row["split"] != before[image]["split"]]
    assert len(moved) == (split != "train") and counts(after, "mine", label)["test"] == 2
    study.kept.write_bytes(kept)
    forget_digests([study.kept])
    study.images["mine"] += added
    after = study.split()
    assert [image for image, row in after.items() if image in before and row["split"] != before[image]["split"]] == []
    assert after["mine", label, "new"]["split"] == split
    study.images["mine"] = whole
    assert counts(study.split(), "mine", label)["test"] == 2  # it returns, but its place is taken


def test_a_class_whose_images_were_all_replaced_is_split_as_if_it_were_new(study):
    study.images["mine"] = far_images(9)
    study.split()
    study.images["mine"] = far_images(9, classes=LABELS[:2]) + far_images(9, start=50, classes=LABELS[2:])
    changed = {image: (row["split"], row["rank"]) for image, row in study.split().items()}
    study.kept.unlink()
    assert {image: (row["split"], row["rank"]) for image, row in study.split().items()} == changed


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"seed": 1}, "split.seed was 0 and is 1: all images are split again"),
        ({"test": 3}, "split.test was 2 images of each class of source google, and is 3: all images are"),
        ({"val": 2}, "split.val was 1 images of each class of source google, and is 2: all images are"),
    ],
)
def test_a_changed_setting_discards_assignments_and_says_so(tmp_path, said, change, message):
    first = Study(tmp_path, shortfall="error")
    first.images["bing"] = far_images(20)
    first.split()
    first.images["google"] = far_images(20, start=100)
    first.split()
    assert "split again" not in said.text
    other = Study(tmp_path, **({"shortfall": "error"} | change))
    other.images = first.images
    after = other.split()
    assert message in said.text
    assert after == other.split(assignments=False)
    said.clear()
    assert other.split() == after and "split again" not in said.text


def test_a_changed_search_for_near_duplicates_discards_assignments(study, said):
    study.images["bing"] = far_images(9)
    rows = study.split()
    one, other = image_of(rows, "bing", "train")[2], image_of(rows, "bing", "test")[2]
    study.images["bing"] = [
        (label, key, 5 if key in (one, other) else value) for label, key, value in study.images["bing"]
    ]
    assert study.split() == study.split(assignments=False)
    assert "the search for near-duplicates has changed" in said.text


def test_a_damaged_or_foreign_file_of_assignments_gives_a_warning(study, said):
    study.images["bing"] = far_images(9)
    rows = study.split()
    from distillery.splits.split import SPLITS_SCHEMA
    from distillery.storage.parquet import read_parquet, write_parquet

    splits = study.folder / "splits.parquet"
    write_parquet(study.kept, read_parquet(splits, SPLITS_SCHEMA.names), SPLITS_SCHEMA)
    assert study.split() == rows and "was written by another version of Distillery" in said.text
    study.kept.write_bytes(study.kept.read_bytes()[:100])
    with pytest.raises(UserError, match="assignments.parquet is damaged: .* Delete it and run again"):
        study.split()


def test_a_shortage_that_assignments_cause_names_the_remedy(study):
    study.images["bing"] = far_images(9)
    rows = study.split()
    trained = {image[2] for image, row in rows.items() if row["split"] == "train"}
    study.images["google"] = [(label, key, value) for label, key, value in study.images["bing"] if key in trained]
    with pytest.raises(UserError, match=r"has 0 test images in source google.*Or delete .*assignments\.parquet: all"):
        study.split()
    assert study.kept.exists()
    study.kept.unlink()
    assert counts(study.split(), "google")["test"] == 2
