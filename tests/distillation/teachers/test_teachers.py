"""The teacher learns, resumes from its checkpoint, and is tested on its own images and those of every source."""

import json
from dataclasses import replace

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch
from tiny_study import CLASSES, RECIPE, SIDE, draw

from distillery.analysis.study_tables.teacher_table import teacher_table
from distillery.config.defaults import defaults_of
from distillery.config.models.teachers import CheckpointConfig
from distillery.curation.teacher_data.labeled_images import no_images, write_teacher_data
from distillery.distillation.teachers import trained
from distillery.distillation.teachers.adoption import adopt_teacher
from distillery.distillation.teachers.evaluation import evaluate_teacher
from distillery.distillation.teachers.trained import train_teacher
from distillery.jobs import UserError, log
from distillery.models.weights import load_weights, save_weights
from distillery.training import checkpoints, loop
from distillery.training.prediction import predict


@pytest.fixture
def splits(tmp_path):
    labels = [row // 20 for row in range(60)]
    table = pa.table(
        {
            "source": ["web"] * 60 + ["drawn"] * 60,
            "row": pa.array(list(range(60)) * 2, pa.int32()),
            "label": pa.array(labels * 2, pa.int16()),
            "split": (["train"] * 15 + ["test"] * 5) * 3 + ["test", "unused"] * 30,
        }
    )
    pq.write_table(table, tmp_path / "splits.parquet")
    return tmp_path / "splits.parquet"


def test_a_teacher_is_tested_on_its_own_images_and_every_sources(study, splits, tmp_path):
    evaluation = evaluate_teacher(
        study.folder / "teacher.npz", study.teacher, splits, study.pixels, ["web", "drawn"], threads=1
    )
    evaluation.save(tmp_path / "metrics.json", tmp_path / "predictions.parquet")
    metrics = json.loads((tmp_path / "metrics.json").read_text())
    assert metrics["network"] == "resnet8_half" and metrics["steps"] == 40 and metrics["parameters"] > 1000
    assert metrics["own_test"]["n"] == 60 and metrics["own_test"]["accuracy"] > 0.9
    assert {name: part["n"] for name, part in metrics["sources"].items()} == {"web": 15, "drawn": 30}
    assert list(metrics["sources"]["web"]["per_class"]) == CLASSES
    rows = pq.read_table(tmp_path / "predictions.parquet").to_pydict()
    correct = np.array(rows["label"]) == np.array(rows["predicted"])
    for name, n in (("own_test", 60), ("web", 15), ("drawn", 30)):
        here = np.array(rows["source"]) == name
        found = metrics["own_test"] if name == "own_test" else metrics["sources"][name]
        assert here.sum() == n and correct[here].mean() == found["accuracy"]


def test_several_teachers_are_also_tested_alone_and_one_without_images_has_no_own_test(
    study, splits, tmp_path, caplog, monkeypatch
):
    members = {"good": {"kind": "train", "weight": 1.0}}
    members["turned"] = {"kind": "checkpoint", "weight": 1.0, "checkpoint": defaults_of(CheckpointConfig)}
    members["turned"]["checkpoint"] |= {
        "model": str(study.teacher),
        "mapping": {"red": ["1"], "green": ["2"], "blue": ["0"]},  # wrong: correct for no image
    }
    teacher = adopt_teacher({"kind": "several", "members": members}, CLASSES, SIDE, study.teacher)
    save_weights(tmp_path / "teacher.safetensors", teacher)
    write_teacher_data(tmp_path / "data.npz", no_images(SIDE), no_images(SIDE), CLASSES, required=False)
    paths = (tmp_path / "data.npz", tmp_path / "teacher.safetensors", splits, study.pixels)
    metrics = evaluate_teacher(*paths, ["web", "drawn"], threads=1).metrics
    assert metrics["own_test"] is None and set(metrics["sources"]) == {"web", "drawn"}
    assert metrics["members"]["good"]["sources"]["web"]["accuracy"] > 0.9
    assert metrics["members"]["turned"]["sources"]["web"]["accuracy"] < 0.1
    (tmp_path / "metrics.json").write_text(json.dumps(metrics))
    table = teacher_table(tmp_path / "metrics.json")
    assert list(table.loc[table["class"] == "all", "teacher"]) == ["all"] * 2 + ["good"] * 2 + ["turned"] * 2

    monkeypatch.setattr(log, "propagate", True)
    caplog.clear()
    turned = adopt_teacher(members["turned"], CLASSES, SIDE, "")
    save_weights(tmp_path / "teacher.safetensors", turned)
    evaluate_teacher(*paths, ["web", "drawn"], threads=1)
    warnings = [record.getMessage() for record in caplog.records if record.levelname == "WARNING"]
    assert [text.partition(" % of")[2].partition(",")[0] for text in dict.fromkeys(warnings)] == [
        " 15 test images of web", " 30 test images of drawn",
    ]  # fmt: skip


def test_sources_of_another_image_size_give_a_one_line_error(study, splits, tmp_path):
    for name in ("web", "drawn"):
        np.save(tmp_path / f"{name}.npy", draw(np.repeat(np.arange(3), 20), 0, side=12))
    with pytest.raises(UserError, match="source web has images of 12 pixels, but the teacher was trained on 16"):
        paths = [tmp_path / "web.npy", tmp_path / "drawn.npy"]
        evaluate_teacher(study.folder / "teacher.npz", study.teacher, splits, paths, ["web", "drawn"], threads=1)


def test_a_killed_teacher_resumes_and_ends_with_the_same_bytes(study, tmp_path, monkeypatch):
    recipe = replace(RECIPE, steps=12, checkpoint_every=4)

    def trained_files(name, checkpoints="checkpoints"):
        settings = {"seed": 0, "classes": CLASSES, "checkpoints": tmp_path / checkpoints, "threads": 1}
        teacher = train_teacher(study.folder / "teacher.npz", recipe, **settings)
        teacher.save(tmp_path / name, tmp_path / f"{name}.csv")
        return (tmp_path / name).read_bytes(), (tmp_path / f"{name}.csv").read_bytes()

    whole, inner, seen = trained_files("whole", "other"), loop.make_views, []

    def make_views(*arguments):
        seen.append(1)
        if len(seen) == 10:
            raise KeyboardInterrupt
        return inner(*arguments)

    monkeypatch.setattr(loop, "make_views", make_views)
    with pytest.raises(KeyboardInterrupt):
        trained_files("killed")
    assert trained_files("resumed") == whole
    assert len(seen) == 10 + 4
    assert trained_files("found") == whole and len(seen) == 10 + 4


def test_the_digest_changes_with_code_seed_recipe_and_data_but_not_with_the_interval_of_checkpoints(
    study, tmp_path, monkeypatch
):
    def digest(every=0, seed=0, lr=0.1, changed=None):
        recipe = replace(RECIPE, checkpoint_every=every, lr=lr)
        settings = {"seed": seed, "classes": CLASSES, "checkpoints": tmp_path, "threads": 1}
        data = dict(np.load(study.folder / "teacher.npz"))
        if changed:
            data[changed].flat[5] ^= 1
        np.savez(tmp_path / "teacher.npz", **data)
        train_teacher(tmp_path / "teacher.npz", recipe, **settings)
        return found[-1].digest

    found = []
    monkeypatch.setattr(trained, "train", lambda *_, checkpoint, **__: found.append(checkpoint) or [])
    first = digest()
    assert digest(every=7) == first
    different = [digest(seed=1), digest(lr=0.05), digest(changed="train_labels"), digest(changed="train_pixels")]
    assert len({first, *different}) == 5 and digest(changed="test_pixels") == first
    monkeypatch.setattr(checkpoints, "code_version", lambda: "after an update")
    assert digest() != first


def test_predictions_do_not_depend_on_the_batch_size_and_keep_the_mode(study, monkeypatch):
    network = load_weights(study.teacher).network.train()
    pixels = torch.from_numpy(draw(np.arange(3).repeat(7), 9)).permute(0, 3, 1, 2)
    whole = predict(network, pixels)
    monkeypatch.setattr("distillery.training.prediction.BATCH", {"cpu": 4})
    torch.testing.assert_close(predict(network, pixels), whole, atol=1e-5, rtol=1e-5)
    assert network.training and whole.dtype == torch.float32
    assert predict(network, pixels[:0]).shape[0] == 0
