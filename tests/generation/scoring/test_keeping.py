"""Selecting generated images: rejected ones are counted, replaced within bounds, and kept apart with their score."""

import csv
import hashlib
import io
from dataclasses import replace

import numpy as np
import pytest
from fake_generation import CLASSES, SOURCE, FakePipeline
from PIL import Image

from distillery.analysis.data_quality.acceptance import tabulate_acceptance
from distillery.curation.curated import curate
from distillery.figures.sheets.drawing import draw_sheet
from distillery.generation import diffusion
from distillery.generation.diffusion import generate
from distillery.generation.scoring.keeping import KeepRule, RejectedImages
from distillery.generation.scoring.scores import Scorer
from distillery.generation.scoring.teacher_scorer import TeacherScorer
from distillery.jobs import UserError
from distillery.storage.parquet import read_parquet
from distillery.storage.records import ImageRecord
from distillery.storage.retrieved.pools import read_pool, read_records, write_pool

KEPT = SOURCE | {"keep": {"by": "teacher", "at_least": 0.5, "tries": 6}, "per_class": 4, "size": 32}


class ByHash(Scorer):
    """A scorer whose probability is a hash of an image's bytes: uniform in (0, 1)."""

    by = "teacher"
    name = "by hash"

    def __init__(self, weights="", classes=CLASSES):
        super().__init__(classes)
        self.scored = 0

    def probabilities(self, images):
        self.scored += len(images)
        values = np.array([hashlib.sha256(data).digest()[0] / 256 for data in images])
        return np.stack([values, 1 - values], axis=1)


class Strict(ByHash):
    def probabilities(self, images):
        super().probabilities(images)
        return np.full((len(images), 2), 0.1)


@pytest.fixture
def by_hash(monkeypatch):
    """Replace the diffusion model by a fake pipeline and the teacher by the scorer `ByHash`."""
    pipeline, scorer = FakePipeline(), ByHash()
    monkeypatch.setattr(diffusion, "load_pipeline", lambda settings: pipeline)
    monkeypatch.setattr(diffusion, "TeacherScorer", lambda weights, classes: scorer)
    return pipeline, scorer


def pools_of(store, source=KEPT):
    return dict(generate(source, "sd", CLASSES, store, 0, teacher="weights"))


def test_what_is_below_the_limit_is_rejected_and_replaced(by_hash, tmp_path):
    pools = pools_of(tmp_path)
    rejected = [record for entries in pools.values() for record, _ in entries if record.failure]
    assert rejected and all(record.teacher_score < 0.5 for record in rejected)
    for record in rejected:
        assert record.failure == f"rejected: teacher {record.teacher_score:.3f}, at least 0.5"
    for entries in pools.values():
        kept = [record for record, _ in entries if not record.failure]
        assert len(kept) == 4 and all(record.teacher_score >= 0.5 for record in kept)
        assert all(data is not None for _, data in entries)
        assert [record.rank for record, _ in entries] == list(range(len(entries)))
    assert {record.teacher_scorer for entries in pools.values() for record, _ in entries} == {"by hash"}


def test_replacements_come_in_few_rounds(by_hash, monkeypatch, tmp_path):
    rounds, generate_images = [], diffusion.generate_images

    def counted(pipeline, records, *rest):
        rounds.append(len(records))
        return generate_images(pipeline, records, *rest)

    monkeypatch.setattr(diffusion, "generate_images", counted)
    pools = pools_of(tmp_path, KEPT | {"per_class": 60, "keep": {"by": "teacher", "at_least": 0.7, "tries": 20}})
    used = sum(len(entries) for entries in pools.values())
    assert rounds[0] == 2 * 60 and len(rounds) <= 6  # 16 rounds if each generated only what was missing
    assert used <= sum(rounds) <= 1.1 * used


def test_another_limit_generates_and_scores_only_what_is_missing(by_hash, tmp_path):
    pipeline, scorer = by_hash
    first = pools_of(tmp_path)
    calls, scored = len(pipeline.calls), scorer.scored
    assert pools_of(tmp_path) == first and (len(pipeline.calls), scorer.scored) == (calls, scored)
    lower = pools_of(tmp_path, KEPT | {"keep": KEPT["keep"] | {"at_least": 0.01}})
    assert (len(pipeline.calls), scorer.scored) == (calls, scored)
    assert [record.failure for record, _ in lower["cat"]] == [""] * 4
    without = {key: value for key, value in KEPT.items() if key != "keep"}
    plain = dict(generate(without, "sd", CLASSES, tmp_path, 0))
    assert [r.key for r, _ in plain["cat"]] == [r.key for r, _ in lower["cat"]] and len(pipeline.calls) == calls


def test_tries_are_bounded_and_a_class_with_too_few_images_is_reported(by_hash, tmp_path, caplog):
    pools = pools_of(tmp_path, KEPT | {"keep": {"by": "teacher", "at_least": 0.7, "tries": 3}})
    for label, entries in pools.items():
        count = sum(not record.failure for record, _ in entries)
        assert len(entries) == 12 and 0 < count < 4
        told = f"class {label} has {count} images, 4 requested; {12 - count} of 12 tried were rejected (keep), 0 failed"
        assert told in caplog.text


def test_a_class_without_any_chosen_image_ends_in_one_line(by_hash, monkeypatch, tmp_path):
    monkeypatch.setattr(diffusion, "TeacherScorer", Strict)
    with pytest.raises(UserError) as error:
        pools_of(tmp_path)
    assert str(error.value) == (
        "source sd: class cat: keep rejected all 24 images (the first with teacher 0.100, at least 0.5)."
        " Lower keep.at_least, or give the class other prompts."
    )


def test_failed_and_rejected_images_have_different_reasons(by_hash, monkeypatch, tmp_path):
    black = FakePipeline(lambda prompt, call: 0.0 if prompt == "a tabby cat" else None)
    monkeypatch.setattr(diffusion, "load_pipeline", lambda settings: black)
    entries = pools_of(tmp_path)["cat"]
    assert {record.failure.partition(":")[0] for record, _ in entries} == {"", "black", "rejected"}
    assert all((data is None) == (record.failure == "black") for record, data in entries)


def test_a_rule_that_has_not_scored_an_image_rejects_nothing():
    rule = KeepRule.of(KEPT, [ByHash()])
    record = ImageRecord("sd", "cat", "diffusion", "x")
    assert rule.rejection(record) == "" and KeepRule.of(SOURCE, []) is None
    scored = replace(record, teacher_scorer="by hash", teacher_score=0.2)
    assert rule.rejection(scored) and not rule.rejection(replace(scored, teacher_scorer="another teacher"))
    assert not rule.rejection(replace(scored, teacher_score=0.5))


def test_a_long_scorer_name_is_cut_in_records_and_still_matches():
    scorer = ByHash()
    scorer.name = "classes " * 100
    record = ImageRecord("sd", "cat", "diffusion", "x", teacher_scorer=scorer.name, teacher_score=0.25)
    assert len(record.teacher_scorer) <= 300 and scorer.score_of(record) == 0.25


@pytest.fixture
def written(by_hash, tmp_path):
    """The pools and rejected images of a source, as its job writes them; pools by class."""
    source = KEPT | {"keep": KEPT["keep"] | {"at_least": 0.7}}
    rejected = RejectedImages(tmp_path / "rejected.tar", tmp_path / "rejected.jsonl")
    for label, entries in rejected.set_aside(generate(source, "sd", CLASSES, tmp_path / "store", 0, teacher="w")):
        write_pool(tmp_path / f"{label}.tar", tmp_path / f"{label}.jsonl", entries)
    rejected.write()
    return {label: (tmp_path / f"{label}.tar", tmp_path / f"{label}.jsonl") for label in CLASSES}


def test_every_rejected_image_is_in_the_records_and_in_a_separate_pool(written, tmp_path):
    records = [record for _, path in written.values() for record in read_records(path)]
    rejected = {record.key for record in records if record.failure}
    aside = list(read_pool(tmp_path / "rejected.tar", tmp_path / "rejected.jsonl"))
    assert {record.key for record, _ in aside} == rejected and all(data for _, data in aside)
    for shard, path in written.values():
        assert all((data is None) == bool(record.failure) for record, data in read_pool(shard, path))
    RejectedImages(None, None).write()  # for a source that keeps all images


def test_rejects_are_counted_by_curation_and_in_the_table(written, tmp_path):
    files = [tmp_path / name for name in ("sd.npy", "sd.thumbs.npy", "sd.parquet")]
    curate(list(written.values()), *files, side=16, min_side=16, duplicates="off")
    table = read_parquet(files[2], ("class", "kept", "reason"))
    records, rules = [path for _, path in written.values()], {"sd": {"by": "teacher", "at_least": 0.7}}
    tabulate_acceptance(records, rules, tmp_path / "a.csv", label="x")
    with open(tmp_path / "a.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    for label in CLASSES:
        mine = table["class"] == label
        dropped = sum(reason.startswith("rejected: teacher 0.") for reason in table["reason"][mine])
        whole, *prompts = [row for row in rows if row["class"] == label]
        assert whole["prompt"] == "" and len(prompts) == len(CLASSES[label]["prompts"])
        assert (int(whole["kept"]), int(whole["rejected"])) == (table["kept"][mine].sum(), dropped) and dropped > 0
        assert int(whole["tried"]) == mine.sum() == sum(int(row["tried"]) for row in prompts)
        assert float(whole["accepted"]) == pytest.approx(int(whole["kept"]) / int(whole["tried"]), abs=1e-4)
        assert (whole["by"], whole["at_least"], whole["note"], whole["failed"]) == ("teacher", "0.7", "x", "0")


def test_the_sheet_of_rejects(written, tmp_path):
    files = {"rejected": tmp_path / "rejected.tar", "rejected_records": tmp_path / "rejected.jsonl"}
    files["records"] = [path for _, path in written.values()]
    draw_sheet("rejected", files, tmp_path / "sheet.png", side=16, source="sd", title="A study", label="Demonstration")
    with Image.open(tmp_path / "sheet.png") as sheet:
        assert sheet.height > 2 * 76
    write_pool(tmp_path / "rejected.tar", tmp_path / "rejected.jsonl", [])
    draw_sheet("rejected", files, tmp_path / "none.png", side=16, source="sd", title="A study")


def test_the_teacher_s_score_is_its_probability_among_the_classes(study, tmp_path):
    import torch

    from distillery.models.weights import load_weights
    from distillery.training.prediction import predict

    pixels = np.random.default_rng(0).integers(0, 256, (3, 16, 16, 3), dtype=np.uint8)
    images = []
    for image in pixels:
        file = io.BytesIO()
        Image.fromarray(image).save(file, format="PNG")
        images.append(file.getvalue())
    scorer = TeacherScorer(study.teacher, ["blue", "red"])
    found = scorer.probabilities(images)
    trained = load_weights(study.teacher)
    logits = predict(trained.network, torch.from_numpy(pixels).permute(0, 3, 1, 2))
    expected = logits[:, [trained.classes.index("blue"), trained.classes.index("red")]].softmax(dim=1)
    assert np.allclose(found, expected.numpy(), atol=1e-6) and np.allclose(found.sum(axis=1), 1, atol=1e-6)
    assert scorer.name.startswith("sha256:") and scorer.name.endswith(": blue, red")
    with pytest.raises(UserError, match="does not know yellow; it cannot choose images"):
        TeacherScorer(study.teacher, ["yellow"]).probabilities(images)
