"""Tables of leakage and of the audit, sheets of label issues and near-duplicates, the acquisition figure."""

import hashlib
import io
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from distillery.analysis.data_quality.quality_tables import AUDIT_COLUMNS, LEAKAGE_COLUMNS, tabulate_data_quality
from distillery.curation.curated import curate
from distillery.figures import acquisition
from distillery.figures.sheets.audit_sheets import kinds_sheet, label_issues_sheet
from distillery.figures.sheets.contact_sheets import MARK, SheetHeading
from distillery.figures.sheets.duplicate_sheets import duplicates_sheet, largest_groups
from distillery.jobs import UserError
from distillery.storage.records import ImageRecord
from distillery.storage.retrieved.pools import image_key, write_pool
from distillery_demo.drawing import draw

HEADING = SheetHeading("google", "A study")


@pytest.fixture
def audit(tmp_path):
    """20 images of source google, cats and dogs in turn; rows 10 and 12 are predicted as dogs, row 5 is not audited."""
    rows = range(20)
    table = pd.DataFrame(
        {"source": "google", "row": rows, "class": ["cat", "dog"] * 10, "key": [f"k{r}" for r in rows]}
    )
    table["likely"] = ["dog" if r in (10, 12) else name for r, name in zip(rows, table["class"], strict=True)]
    table["audited"] = [int(r != 5) for r in rows]
    table["is_label_issue"] = [int(r in (10, 12)) for r in rows]
    table["confident"] = [table["likely"][r] if r in (0, 1, 2, 3, 10, 12) else "" for r in rows]
    table["p_claimed"] = [0.05 if r == 12 else 0.1 if r == 10 else 0.9 for r in rows]
    table["clip"] = [{0: 0.25, 2: 0.75}.get(r, -1.0) for r in rows]  # CLIP scored only two cats
    table.to_parquet(tmp_path / "audit.parquet")
    return tmp_path / "audit.parquet"


@pytest.fixture
def own_test(tmp_path):
    """The audit of 40 of the teacher's own test images, cats and dogs in turn; 4 cats are predicted as dogs."""
    table = pd.DataFrame({"source": "own_test", "row": range(40), "class": ["cat", "dog"] * 20, "audited": 1})
    table["is_label_issue"] = [int(row in (0, 2, 4, 6)) for row in range(40)]
    table["confident"] = table["class"].where(table["is_label_issue"] == 0, "dog")
    table.assign(clip=-1.0).to_parquet(tmp_path / "own.parquet")
    return tmp_path / "own.parquet"


def test_leakage_and_audit_tables(tmp_path, audit, own_test, write_plan, write_splits):
    known = pd.DataFrame(
        {"source": "google", "row": [3, 11, 11, 19], "teacher_split": ["train", "train", "test", "train"]}
    )
    known.to_parquet(tmp_path / "leakage.parquet")
    plans = [write_plan("a", {"google": 5}), write_plan("b", {"google": 3}, augmented=True)]  # test 0-9, train 10-14
    paths = tmp_path / "leakage.csv", tmp_path / "audit.csv"
    tests = {"splits": write_splits(["google"]), "tested": ["google"], "cleaned": ["google"]}
    files = tmp_path / "leakage.parquet", [audit], [own_test], plans, *paths
    tabulate_data_quality(*files, label="a demonstration", **tests)
    leakage, found = (pd.read_csv(path) for path in paths)
    assert tuple(leakage.columns) == LEAKAGE_COLUMNS and tuple(found.columns) == AUDIT_COLUMNS
    assert leakage.iloc[0].tolist() == ["google", 20, 3, 1, 1, 1, "a demonstration"]
    rows = found.set_index("class")
    shown = rows.drop(columns="clip_percent").T
    assert shown["all"].tolist() == [
        *("google", 20, 19, 2, 10.5, 40, 10.0, "no", 26.3, 10.0), 20.0, *(2, 0, 2, "a demonstration"),
    ]  # fmt: skip
    assert shown["cat"].tolist() == [
        *("google", 10, 10, 2, 20.0, 20, 20.0, "no", 50.0, 20.0), 40.0, *(2, 0, 2, "a demonstration"),
    ]  # fmt: skip
    assert shown["dog"].tolist() == [
        *("google", 10, 9, 0, 0.0, 20, 0.0, "no", 0.0, 0.0), 0.0, *(0, 0, 0, "a demonstration"),
    ]  # fmt: skip
    assert rows.loc["cat", "clip_percent"] == 50.0
    assert pd.isna(rows.loc["dog", "clip_percent"])


def test_no_estimate_of_label_errors_is_given_without_that_of_trusted_labels(
    tmp_path, audit, own_test, write_plan, write_splits
):
    pd.DataFrame({"source": [], "row": [], "teacher_split": []}).to_parquet(tmp_path / "l.parquet")

    def table(audited, trusted):
        paths = tmp_path / "leakage.csv", tmp_path / "audit.csv"
        audited.to_parquet(audit)
        trusted.to_parquet(own_test)
        plans, splits = [write_plan("a", {"google": 5})], write_splits(["google"])
        files = tmp_path / "l.parquet", [audit], [own_test], plans, *paths
        tabulate_data_quality(*files, splits=splits, tested=["google"])
        return pd.read_csv(paths[1]).set_index("class")

    some, own = pd.read_parquet(audit), pd.read_parquet(own_test)
    found = table(some, own[:0])
    estimates = ["flagged_percent", "own_flagged_percent", "above_own", "wrong_percent", "own_wrong_percent"]
    assert found[[*estimates, "clean_loses_percent"]].isna().all().all() and (found["own_n"] == 0).all()
    found = table(some, own[own["class"] == "cat"])
    assert found[estimates].notna().all(axis=1).to_dict() == {"all": True, "cat": True, "dog": False}
    # 200 images, a third of them flagged, against a tenth of 40
    many = pd.concat([some.assign(is_label_issue=int(part % 3 == 0), row=some["row"] + 20 * part) for part in range(9)])
    assert table(many, own).loc["all", ["flagged_percent", "above_own"]].tolist() == [35.1, "yes"]


def test_images_of_a_source_outside_the_common_test_are_counted_as_tested(
    tmp_path, audit, own_test, write_plan, write_splits
):
    pd.DataFrame({"source": "google", "row": [0, 2, 19], "teacher_split": "train"}).to_parquet(tmp_path / "l.parquet")
    flagged = pd.read_parquet(audit).assign(is_label_issue=[int(row in (1, 2, 3)) for row in range(20)])
    flagged.to_parquet(audit)
    paths = tmp_path / "leakage.csv", tmp_path / "audit.csv"
    plans, splits = [write_plan("a", {"bing": 5})], write_splits(["google"], labels=3)
    tabulate_data_quality(tmp_path / "l.parquet", [audit], [own_test], plans, *paths, splits=splits, tested=["google"])
    leakage, found = (pd.read_csv(path) for path in paths)
    # row 2 is of a class that no scenario trains
    assert leakage["tested_on"].item() == 1 and found.set_index("class").loc["all", "tested_on"] == 2


def test_the_label_issues_sheet_shows_the_least_probable_first(tmp_path, audit, own_test):
    pixels = np.zeros((20, 8, 8, 3), np.uint8)
    pixels[10], pixels[12] = (200, 0, 0), (0, 0, 200)
    np.save(tmp_path / "google.npy", pixels)
    for path in ("one.png", "two.png"):
        label_issues_sheet(tmp_path / "google.npy", audit, own_test, tmp_path / path, HEADING)
    assert (tmp_path / "one.png").read_bytes() == (tmp_path / "two.png").read_bytes()
    sheet = np.asarray(Image.open(tmp_path / "one.png").convert("RGB")).astype(int)
    red, blue = (np.argwhere((sheet == color).all(axis=2)) for color in ((200, 0, 0), (0, 0, 200)))
    assert len(red) and len(blue) and blue[:, 1].max() < red[:, 1].min()
    np.save(tmp_path / "google.npy", pixels[:3])
    with pytest.raises(UserError, match="names row 19 of .* has 3"):
        label_issues_sheet(tmp_path / "google.npy", audit, own_test, tmp_path / "x.png", HEADING)


def test_the_sheet_of_kinds_has_a_row_for_each_and_the_doubtful_photos_last(tmp_path):
    pixels = np.full((5, 8, 8, 3), 128, np.uint8)
    pixels[1], pixels[4] = (200, 0, 0), (0, 0, 200)
    np.save(tmp_path / "google.npy", pixels)
    rows = [(True, place, "cat", kind, score) for place, (kind, score) in enumerate(
        [("photo", 0.9), ("icon", 0.1), ("text", 0.0), ("drawing", 0.2), ("photo", 0.3)]
    )]  # fmt: skip
    columns = ["kept", "row", "class", "image_kind", "photo_score"]
    pd.DataFrame([*rows, (False, -1, "cat", "dark", 0.5)], columns=columns).to_parquet(tmp_path / "google.parquet")
    for path in ("one.png", "two.png"):
        kinds_sheet(tmp_path / "google.npy", tmp_path / "google.parquet", tmp_path / path, HEADING)
    assert (tmp_path / "one.png").read_bytes() == (tmp_path / "two.png").read_bytes()
    sheet = np.asarray(Image.open(tmp_path / "one.png").convert("RGB")).astype(int)
    icon, photo = (np.argwhere((sheet == color).all(axis=2)) for color in ((200, 0, 0), (0, 0, 200)))
    assert icon[:, 0].max() < photo[:, 0].min() and icon[:, 1].min() == photo[:, 1].min()  # each first in its row


def test_the_sheet_of_near_duplicates(tmp_path):
    image, other = draw("frog", "google", 1, 160), draw("frog", "google", 2, 160)
    versions = [image, other, image.resize((120, 120)), image.resize((100, 100)), other.resize((90, 90))]
    entries = []
    for rank, version in enumerate(versions):
        buffer = io.BytesIO()
        version.save(buffer, "PNG")
        key = image_key(buffer.getvalue())
        record = ImageRecord("google", "frog", "google", str(rank), rank, key=key, sha256=key + "0" * 48)
        entries.append((record, buffer.getvalue()))
    entries = [(replace(record, sha256=hashlib.sha256(data).hexdigest()), data) for record, data in entries]
    pool = tmp_path / "frog.tar", tmp_path / "frog.jsonl"
    write_pool(*pool, entries)
    curate([pool], *(tmp_path / f"g.{end}" for end in ("npy", "thumbs.npy", "parquet")), side=24, min_side=20)
    groups, dropped, conflicting = largest_groups(tmp_path / "g.parquet")
    keys = [record.key for record, _ in entries]
    assert (dropped, conflicting) == (3, 0)
    assert [[image.key for image in group.images] for group in groups] == [
        [keys[0], keys[2], keys[3]],
        [keys[1], keys[4]],
    ]
    assert groups[0].lines == ["kept 1 of 3", "the largest:", "160 x 160 pixels"] and groups[0].name == "frog"
    first_of_its_size = replace(groups[1], images=[groups[1].images[0], replace(groups[1].images[0], key=keys[4])])
    assert first_of_its_size.lines == ["kept 1 of 2", "the first of its size:", "160 x 160 pixels"]
    duplicates_sheet([pool], tmp_path / "g.parquet", tmp_path / "d.png", HEADING, side=24)
    sheet = np.asarray(Image.open(tmp_path / "d.png"))
    framed = (sheet == MARK).all(axis=2)
    # only the first image of both rows has a frame, three pixels wide
    assert (framed.sum(axis=1) >= 72).sum() == 12 and np.flatnonzero(framed.any(axis=0)).max() < 24 + 150 + 72 + 3


def test_near_duplicates_under_two_classes_are_shown_as_such(tmp_path):
    pools = []
    for label, side in (("frog", 160), ("toad", 120)):
        buffer = io.BytesIO()
        draw("frog", "google", 1, 160).resize((side, side)).save(buffer, "PNG")
        digest = hashlib.sha256(data := buffer.getvalue()).hexdigest()
        pools.append((tmp_path / f"{label}.tar", tmp_path / f"{label}.jsonl"))
        write_pool(*pools[-1], [(ImageRecord("google", label, "google", "1", 0, key=digest[:16], sha256=digest), data)])
    curate(pools, *(tmp_path / f"g.{end}" for end in ("npy", "thumbs.npy", "parquet")), side=24, min_side=20)
    (group,), dropped, conflicting = largest_groups(tmp_path / "g.parquet")
    assert set(group.name.split(" / ")) == {"frog", "toad"} and (dropped, conflicting) == (0, 2)
    assert group.lines[0] == "none kept" and not group.one_is_kept
    duplicates_sheet(pools, tmp_path / "g.parquet", tmp_path / "d.png", HEADING, side=24)
    assert not (np.asarray(Image.open(tmp_path / "d.png")) == MARK).all(axis=2).any()


def test_outcomes_sum_to_the_candidates(tmp_path):
    counts = pd.DataFrame({
        "source": ["google", "google", "sd2"], "class": ["cat", "dog", "cat"], "candidates": [30, 20, 9],
        "retrieved": [28, 20, 9], "kept": [20, 15, 9], "train": [10, 5, 4], "val": [1, 1, 0], "test": [4, 4, 0],
        **{f"dropped_r{i}": [i, 0, 0] for i in range(4)}, "dropped_not_retrieved": [2, 5, 0],
        **{f"dropped_s{i}": [1, 0, 0] for i in range(2)},
    })  # fmt: skip
    parts = acquisition.candidate_outcomes(counts)
    assert parts.sum(axis=1).tolist() == [50, 9] and parts["used"].tolist() == [25, 4]
    assert (
        list(parts.columns[:3]) == ["used", "kept, not used", "not retrieved"] and parts.columns[-1] == "other reasons"
    )
    counts.to_csv(tmp_path / "counts.csv", index=False)
    for path in ("one.png", "two.png"):
        acquisition.plot_acquisition(tmp_path / "counts.csv", tmp_path / path, "A study", "A demonstration")
    assert (tmp_path / "one.png").read_bytes() == (tmp_path / "two.png").read_bytes()
    assert Image.open(tmp_path / "one.png").convert("RGB").getpixel((3, 3)) == (240, 228, 66)
    counts.assign(source=["800", "800", "None"]).to_csv(tmp_path / "counts.csv", index=False)
    acquisition.plot_acquisition(tmp_path / "counts.csv", tmp_path / "names.png", "A study", untrained=["None"])
    counts[:0].to_csv(tmp_path / "counts.csv", index=False)
    with pytest.raises(UserError, match="has no rows"):
        acquisition.plot_acquisition(tmp_path / "counts.csv", tmp_path / "x.png", "A study")
