"""A teacher that is trained on its own sources, and a study without labels that adopts a teacher."""

import copy
import json
import shutil
from collections import Counter

import numpy as np
import pytest
from safetensors import safe_open
from tiny_clip import save_tiny_clip

from distillery_demo.drawing import draw

from .conftest import STUDY, Study

CLASSES = ("frog", "ship")


def test_a_teacher_is_trained_on_sources_and_tested_on_images_it_has_not_seen(tmp_path):
    for number, source in enumerate(("mine", "trained", "other")):
        for name in CLASSES:
            folder = tmp_path / source / name
            folder.mkdir(parents=True)
            for image in range(3):
                draw(name, "teacher", 10 * number + image, 48).save(folder / f"{image}.png")
    shutil.copyfile(tmp_path / "trained" / "frog" / "0.png", tmp_path / "other" / "frog" / "again.png")
    config = copy.deepcopy(STUDY) | {
        "classes": {name: None for name in CLASSES},
        "sources": {name: {"kind": "folder", "path": name} for name in ("mine", "trained", "other")},
        "split": {"test": {"mine": 2}},
        "scenarios": {"own": {"train": {"mine": 2}}},
    }
    data = {"kind": "sources", "train_sources": ["trained"], "test_sources": ["other"]}
    config["teacher"] = config["teacher"] | {"data": data}
    study = Study(tmp_path, config)
    study.run("resources/teacher/data.npz")
    with np.load(tmp_path / "resources" / "teacher" / "data.npz") as found:
        assert found["train_labels"].tolist() == [0] * 3 + [1] * 3
        assert found["test_labels"].tolist() == [0] * 3 + [1] * 3  # the fourth frog is a train image
        assert found["train_pixels"].shape == (6, 16, 16, 3)
    jobs = study.planned("results/summary.png", "all")
    sheets = Counter(text.split(",")[0].removeprefix("kind=") for rule, text in jobs if rule == "draw_sheet")
    assert sheets == {"contact": 3, "duplicates": 3, "kinds": 3, "label_issues": 1}


@pytest.mark.slow
def test_a_study_without_labels_adopts_a_teacher_and_fits_its_scale(tmp_path):
    for name in CLASSES:
        (tmp_path / "mine" / name).mkdir(parents=True)
        for image in range(8):
            draw(name, "teacher", image, 48).save(tmp_path / "mine" / name / f"{image}.png")
    save_tiny_clip(tmp_path / "clip").save_pretrained(tmp_path / "clip")
    study = Study(
        tmp_path,
        {
            "image_size": 16,
            "seeds": 1,
            "classes": {name: None for name in CLASSES},
            "sources": {"mine": {"kind": "folder", "path": "mine"}},
            "split": {"test": {"mine": 4}, "val": {"mine": 4}, "shortfall": "shrink"},
            "teacher": {"kind": "zero_shot", "zero_shot": {"model": "clip", "fit_scale": True}},
            "student": {"network": "resnet8_half", "steps": 2, "batch": 4},
            "scenarios": {"own": {"train": {"mine": 4}}},
        },
    )
    study.run("results/tables/teacher.csv", "results/runs/own/kd/seed0/metrics.json")
    with safe_open(tmp_path / "results" / "teacher" / "model.safetensors", "np") as file:
        scale, about = file.get_tensor("scale"), json.loads(file.metadata()["adopted"])
    assert about["type"] == "zero_shot" and about["classes"] == 2
    with safe_open(tmp_path / "results" / "teacher" / "unscaled.safetensors", "np") as file:
        assert file.get_tensor("scale") != scale
    tests = (tmp_path / "results" / "tables" / "teacher.csv").read_text().splitlines()
    assert tests[1].startswith("all,mine,all,4,")  # it has no images of its own
