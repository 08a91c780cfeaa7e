"""The teacher labels images without labels; those below the threshold are left out and counted."""

from collections import Counter

import numpy as np
import pytest
from tiny_study import CLASSES, RECIPE, SIDE, SOURCES, draw

from distillery.curation.curated import CURATED_SCHEMA
from distillery.curation.thumbnails import THUMBNAIL_SIDE
from distillery.distillation.teachers.labels import LABELS_SCHEMA, LabeledPaths, _label_line, label_images
from distillery.figures.sheets.contact_sheets import SheetHeading
from distillery.figures.sheets.left_out_sheets import left_out_sheet
from distillery.jobs import UserError
from distillery.splits.planned_images import PlannedImages, read_planned_images
from distillery.splits.scenario_plan import PLAN_SCHEMA
from distillery.storage.parquet import read_parquet, write_parquet

COUNT = 30


@pytest.fixture
def unlabeled(tmp_path):
    """30 images of three colors, after a dropped candidate, and their true labels; every fifth has no color."""
    labels = np.arange(COUNT) % 3
    pixels = draw(labels, seed=7)
    pixels[::5] = np.random.default_rng(8).integers(0, 150, (6, SIDE, SIDE, 3))  # no color stands out
    np.save(tmp_path / "in.npy", pixels)
    thumbnails = np.random.default_rng(9).integers(0, 256, (COUNT, THUMBNAIL_SIDE, THUMBNAIL_SIDE), dtype=np.uint8)
    np.save(tmp_path / "in.thumbs.npy", thumbnails)
    columns = {
        field.name: [""] * (COUNT + 1) if str(field.type) == "string" else [0] * (COUNT + 1) for field in CURATED_SCHEMA
    }
    columns |= {"source": ["phone"] * (COUNT + 1), "class": ["unlabeled"] * (COUNT + 1)}
    columns |= {"key": ["", *(f"key{i}" for i in range(COUNT))], "kept": [False, *[True] * COUNT]}
    columns |= {"row": [-1, *range(COUNT)], "reason": ["too small: 8", *[""] * COUNT]}
    write_parquet(tmp_path / "in.parquet", columns, CURATED_SCHEMA)
    return labels


def label(study, folder, threshold, classes=CLASSES):
    outputs = LabeledPaths(*(folder / name for name in ("out.npy", "out.thumbs.npy", "out.parquet", "labels.parquet")))
    inputs = (folder / name for name in ("in.npy", "in.thumbs.npy", "in.parquet"))
    label_images(*inputs, study.teacher, outputs, classes=classes, threshold=threshold, threads=1)
    table = read_parquet(outputs.table, CURATED_SCHEMA.names)
    return (
        np.load(outputs.pixels),
        np.load(outputs.thumbnails),
        table,
        read_parquet(outputs.labels, LABELS_SCHEMA.names),
    )


def test_images_get_the_likeliest_class_and_the_unsure_are_left_out(study, unlabeled, tmp_path):
    threshold = float(np.median(label(study, tmp_path, 0.0)[3]["probability"]))
    pixels, thumbnails, table, labels = label(study, tmp_path, threshold)
    kept = table["kept"]
    assert 10 < kept.sum() < COUNT and len(pixels) == len(thumbnails) == kept.sum()
    # rows of the table still refer to the same images
    originals, small = np.load(tmp_path / "in.npy"), np.load(tmp_path / "in.thumbs.npy")
    for place in np.flatnonzero(kept):
        before = int(table["key"][place].removeprefix("key"))
        assert (pixels[table["row"][place]] == originals[before]).all()
        assert (thumbnails[table["row"][place]] == small[before]).all() and table["reason"][place] == ""
    clear = [place for place in np.flatnonzero(kept) if int(table["key"][place][3:]) % 5]
    true = [CLASSES[unlabeled[int(table["key"][place][3:])]] for place in clear]
    assert np.mean(table["class"][clear] == true) > 0.9
    # each candidate is counted: kept, below the threshold, or dropped by curation
    reasons = [reason.split(":")[0] for reason in table["reason"][~kept]]
    assert reasons[0] == "too small" and set(reasons[1:]) == {"teacher unsure"}
    assert (table["row"][~kept] == -1).all() and table["class"][0] == "unlabeled"
    assert (labels["probability"] >= threshold).tolist() == labels["kept"].tolist() == kept[1:].tolist()
    assert labels["class"].tolist() == table["class"][1:].tolist() and labels["row"].tolist() == list(range(COUNT))

    left_out_sheet(tmp_path / "in.npy", tmp_path / "labels.parquet", tmp_path / "sheet.png", SheetHeading("phone", "t"))
    assert (tmp_path / "sheet.png").stat().st_size > 1000


def test_a_threshold_of_zero_keeps_all(study, unlabeled, tmp_path):
    pixels, _, table, _ = label(study, tmp_path, 0.0)
    assert len(pixels) == COUNT == table["kept"].sum() and (pixels == np.load(tmp_path / "in.npy")).all()


def test_only_the_source_s_classes_are_alternatives(study, unlabeled, tmp_path):
    _, _, table, labels = label(study, tmp_path, 0.0, classes=["blue", "red"])
    assert set(table["class"][1:]) == {"blue", "red"} and labels["probability"].min() >= 0.5


def test_no_image_needs_no_teacher(tmp_path, study):
    np.save(tmp_path / "in.npy", np.empty((0, SIDE, SIDE, 3), np.uint8))
    np.save(tmp_path / "in.thumbs.npy", np.empty((0, THUMBNAIL_SIDE, THUMBNAIL_SIDE), np.uint8))
    write_parquet(tmp_path / "in.parquet", {name: [] for name in CURATED_SCHEMA.names}, CURATED_SCHEMA)
    assert [len(part) for part in label(study, tmp_path, 0.5)[:2]] == [0, 0]


def test_a_teacher_of_other_images_is_refused(study, tmp_path):
    np.save(tmp_path / "in.npy", np.zeros((1, 2 * SIDE, 2 * SIDE, 3), np.uint8))
    np.save(tmp_path / "in.thumbs.npy", np.zeros((1, THUMBNAIL_SIDE, THUMBNAIL_SIDE), np.uint8))
    columns = {field.name: [""] if str(field.type) == "string" else [0] for field in CURATED_SCHEMA}
    write_parquet(tmp_path / "in.parquet", columns | {"kept": [True]}, CURATED_SCHEMA)
    with pytest.raises(UserError, match="unlabeled images have 32 pixels, but the teacher's 16"):
        label(study, tmp_path, 0.5)


def test_kd_with_alpha_1_reads_no_label(study, tmp_path):
    """The weights are the same bit for bit with any labels, also if no image has the label of some class."""
    planned = study.images()
    weights = []
    for labels in (planned["train"].labels, np.zeros_like(planned["train"].labels)):
        train = PlannedImages(planned["train"].pixels, labels, *_origins(planned["train"]), known=(0, 1, 2))
        weights.append(_trained(study, {**planned, "train": train}, tmp_path / str(len(weights))))
    assert all((weights[0][name] == weights[1][name]).all() for name in weights[0])


def _origins(images):
    return images.sources, images.rows, images.augmented


def _trained(study, planned, checkpoints):
    from distillery.distillation.methods.logit_methods import KD
    from distillery.distillation.scenario_data import ScenarioData
    from distillery.distillation.student import train_student
    from distillery.training.run_files import RunName

    data = ScenarioData.of(planned, CLASSES, "none", 0)
    assert data.trained_classes.tolist() == [0, 1, 2]
    student = train_student(
        data,
        study.teacher,
        run=RunName("colors", "kd", 0),
        arm=KD(alpha=1.0, temperature=4.0),
        recipe=RECIPE,
        augment="none",
        checkpoints=checkpoints,
        threads=1,
    )
    return student.trained.network.state_dict()


def test_a_plan_names_the_classes_that_its_labels_do_not(study, tmp_path):
    columns = {"source": ["web"] * 2, "row": [0, 1], "label": [0, 2], "split": ["train", "val"]}
    columns["augmented"] = [False, False]
    write_parquet(
        tmp_path / "plan.parquet", columns, PLAN_SCHEMA.with_metadata({"trained": '["green", "blue", "red"]'})
    )
    images = read_planned_images(tmp_path / "plan.parquet", study.pixels, SOURCES, CLASSES)
    assert images["train"].trained_classes().tolist() == [0, 1, 2]
    write_parquet(tmp_path / "plan.parquet", columns, PLAN_SCHEMA)
    with pytest.raises(UserError, match="validation images of blue, but no train images of them"):
        read_planned_images(tmp_path / "plan.parquet", study.pixels, SOURCES, CLASSES)


def test_the_terminal_says_how_many_images_got_a_label():
    line = _label_line(Counter(cat=30, dog=34, horse=13), ["cat", "dog", "horse"], 120, 0.9)
    assert line == "77 of 120 images labeled, fewest of class horse (13); unsure (below 0.9) of 43"
    assert _label_line(Counter(cat=1), ["cat", "dog"], 1, 0) == "1 of 1 image labeled, fewest of class dog (0)"
