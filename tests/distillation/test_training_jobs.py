"""Trainings that share a job: finished ones are restored, the others are trained, and a failure stops no other."""

import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from tiny_study import CLASSES, RECIPE, SOURCES

from distillery.distillation import student
from distillery.distillation.hyperparameter_search import Setting
from distillery.distillation.training_jobs import TrainingJob, run_trials, train_students
from distillery.jobs import UserError, log
from distillery.training.finished import FinishedTraining, code_version

SCRIPTS = Path(__file__).parents[2] / "workflow" / "scripts"
NAMES = ("model.safetensors", "history.csv", "training.json")


def job_of(study, folder, recipe=RECIPE, **changed):
    """A job that trains from scratch, with its checkpoints in a folder."""
    usual = TrainingJob(
        images=study.images(changed.pop("plan", None)),
        classes=CLASSES,
        augment="none",
        augment_seed=0,
        arm={"method": "ce"},
        recipe=replace(recipe, steps=6),
        teacher="",
        checkpoints=str(folder),
        threads=1,
        deterministic=False,
    )
    return replace(usual, **changed)


def files_of(folder, *seeds):
    """The files of the students of some seeds: weights, histories and facts about the training."""
    runs = [folder / "colors" / "scratch" / f"seed{seed}" for seed in seeds]
    return [[str(run / name) for run in runs] for name in NAMES]


def contents(files):
    return [Path(path).read_bytes() for part in files for path in part]


@pytest.fixture
def trained(monkeypatch):
    """The seeds that are trained, in order."""
    seeds, inner = [], student.train

    def train(*arguments, seed, **settings):
        seeds.append(seed)
        return inner(*arguments, seed=seed, **settings)

    monkeypatch.setattr(student, "train", train)
    return seeds


def test_seeds_in_one_job_have_the_bits_of_seeds_alone(study, tmp_path, trained):
    together, alone = files_of(tmp_path / "a", 0, 1), [files_of(tmp_path / "b", seed) for seed in (1, 0)]
    train_students(job_of(study, tmp_path / "c"), *together)
    for files in alone:
        train_students(job_of(study, tmp_path / "d"), *files)
    assert trained == [0, 1, 1, 0]
    assert contents(together) == [part for pair in zip(*map(contents, alone[::-1]), strict=True) for part in pair]


def test_finished_trainings_are_restored_and_only_an_added_seed_is_trained(study, tmp_path, trained):
    job, two = job_of(study, tmp_path / "kept"), files_of(tmp_path / "a", 0, 1)
    train_students(job, *two)
    before = contents(two)
    for path in (path for part in two for path in part):
        Path(path).unlink()
    train_students(job, *files_of(tmp_path / "a", 0, 1, 2))
    assert trained == [0, 1, 2] and contents(two) == before
    assert json.loads(Path(files_of(tmp_path / "a", 2)[2][0]).read_text())["seed"] == 2
    assert {path.name for path in (tmp_path / "kept" / "colors.scratch.seed0").iterdir()} == {
        ".digests", "finished", "finished.json", "usage.tsv",
    }  # fmt: skip


def test_a_copy_that_is_damaged_or_of_another_training_is_not_used(study, tmp_path, trained, caplog, monkeypatch):
    monkeypatch.setattr(log, "propagate", True)
    job, files = job_of(study, tmp_path / "kept"), files_of(tmp_path, 0)
    train_students(job, *files)
    kept = tmp_path / "kept" / "colors.scratch.seed0" / "finished" / "weights"
    kept.write_bytes(kept.read_bytes()[:-1])
    with caplog.at_level("INFO", logger=log.name):
        train_students(job, *files)
        train_students(replace(job, arm={"method": "label_smoothing", "smoothing": 0.1}), *files)
    assert trained == [0, 0, 0]
    assert "it is damaged (weights has another content)" in caplog.text
    assert "it is of another configuration or version" in caplog.text


def test_a_failed_training_is_reported_and_stops_no_other(study, tmp_path, trained, monkeypatch):
    inner = student.train_student

    def train_student(*arguments, run, **settings):
        if run.seed == 0:
            raise UserError("seed 0 has bad luck")
        return inner(*arguments, run=run, **settings)

    monkeypatch.setattr(student, "train_student", train_student)
    job, files = job_of(study, tmp_path / "kept"), files_of(tmp_path, 0, 1)
    for _ in range(2):
        with pytest.raises(UserError, match="seed 0 has bad luck"):
            train_students(job, *files)
    assert trained == [1]


def test_trials_share_a_job_and_are_not_repeated(study, tmp_path, trained):
    folder = tmp_path / "colors.kd"
    paths = [str(folder / f"lr{lr}_decay0.001_seed0.json") for lr in (0.05, 1e30)]
    job = job_of(study, tmp_path / "kept")
    for _ in range(2):
        run_trials(job, paths)
    assert trained == [0, 0]
    first, second = (json.loads(Path(path).read_text()) for path in paths)
    assert first["lr"] == 0.05 and first["val_accuracy"] > 0
    assert second == {"lr": 1e30, "weight_decay": 0.001, "seed": 0, "val_accuracy": None}
    assert Setting.of("x/lr1e-05_decay0.0_seed12.json") == (1e-05, 0.0, 12)


def test_the_key_changes_with_all_that_decides_a_training(study, tmp_path, monkeypatch):
    job, weights = job_of(study, tmp_path), tmp_path / "teacher"
    weights.write_bytes(b"weights")
    recipe = job.recipe
    images = job.images
    pixels, labels = images["train"].pixels.copy(), images["train"].labels.copy()
    pixels[3, 5, 7, 1] += 1
    labels[4] = (labels[4] + 1) % 3
    copied = study.images(study.plan("copied", train=10, copies=2))
    moved = replace(copied["train"], rows=copied["train"].rows + 1)
    jobs = [
        job,
        *(replace(job, images=images | {"train": replace(images["train"], **change)})
          for change in ({"pixels": pixels}, {"labels": labels})),
        replace(job, images=images | {"val": images["train"]}),
        replace(job, images=copied), replace(job, images=copied | {"train": moved}),  # rows decide augmentation
        replace(job, classes=["red", "green", "gray"]), replace(job, augment="color"), replace(job, augment_seed=1),
        replace(job, arm={"method": "label_smoothing", "smoothing": 0.1}), replace(job, teacher=str(weights)),
        replace(job, deterministic=True), replace(job, copies={"hue": 0.2}),
        replace(job, images=images | {"train": replace(images["train"], known=(0, 1, 2))}),
    ]  # fmt: skip
    keys = [each.key(recipe, 0) for each in jobs]
    keys += [job.key(replace(recipe, **change), 0) for change in ({"lr": 0.05}, {"steps": 7}, {"network": "resnet8"})]
    keys.append(job.key(recipe, 1))
    weights.write_bytes(b"other weights")
    keys.append(replace(job, teacher=str(weights)).key(recipe, 0))
    monkeypatch.setattr(np, "__version__", "9.9.9")
    keys.append(job.key(recipe, 0))
    assert len(set(keys)) == len(keys)


def test_the_key_does_not_change_with_what_decides_nothing(study, tmp_path):
    job = job_of(study, tmp_path)
    images = job.images["train"]
    moved = replace(job, images=job.images | {"train": replace(images, rows=images.rows + 1)})  # without copies
    same = [moved, replace(job, threads=2), replace(job, checkpoints="elsewhere")]
    assert {each.key(job.recipe, 0) for each in same} == {job.key(job.recipe, 0)}
    assert job.key(replace(job.recipe, checkpoint_every=7), 0) == job.key(job.recipe, 0)
    assert len(code_version().split()) == 3  # of the students, their methods, and the teacher


def test_a_full_disk_is_no_error_when_files_are_kept(tmp_path, monkeypatch, caplog):
    monkeypatch.setattr(log, "propagate", True)
    (tmp_path / "weights").write_bytes(b"weights")
    finished = FinishedTraining(tmp_path / "kept", "key")
    files = {"weights": tmp_path / "weights"}
    finished.keep(files)
    with monkeypatch.context() as patch, caplog.at_level("INFO", logger=log.name):
        full = OSError(28, "No space left on device")
        patch.setattr("distillery.training.finished.atomic_write", lambda *_: (_ for _ in ()).throw(full))
        finished.keep(files)
    assert "is not kept in" in caplog.text and not finished.put_back(files)  # not even partly


def test_a_job_with_nothing_to_train_loads_no_torch(study, tmp_path):
    files = files_of(tmp_path, 0)
    recipe = {name: value for name, value in vars(replace(RECIPE, steps=6)).items() if name != "checkpoint_every"}
    parts = {
        "input": {"plans": [str(study.plan())], "teachers": [], "pixels": [str(path) for path in study.pixels]},
        "output": dict(zip(("weights", "history", "training"), files, strict=True)),
        "params": {
            "arm": {"method": "ce"}, "recipe": recipe, "augment": "none", "sources": SOURCES, "classes": CLASSES,
            "augment_seed": 0, "checkpoints": str(tmp_path / "kept"), "deterministic": False,
        },
    }  # fmt: skip
    program = f"""
import runpy, sys
from types import SimpleNamespace
class Named(SimpleNamespace):
    def get(self, name, otherwise=None):
        return vars(self).get(name, otherwise)
parts = {{part: Named(**values) for part, values in {parts!r}.items()}}
snakemake = SimpleNamespace(log=[], threads=1, resources=Named(checkpoint_every=0), **parts)
runpy.run_path({str(SCRIPTS / "train_student.py")!r}, init_globals={{"snakemake": snakemake}})
print("torch" in sys.modules)
"""
    for torch in ("True", "False"):
        done = subprocess.run(
            [sys.executable, "-c", program], capture_output=True, text=True, env={"PYTHONPATH": str(SCRIPTS)}
        )
        assert done.returncode == 0, done.stderr
        assert done.stdout.strip() == torch
