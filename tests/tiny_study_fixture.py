"""A fixture with the tiny study, created once per test session."""

from dataclasses import replace

import numpy as np
import pytest


@pytest.fixture(scope="session")
def study(tmp_path_factory):
    # imported here, so that tests without the study do not import torch
    import torch
    from tiny_study import CLASSES, RECIPE, Study, draw

    from distillery.distillation.teachers.trained import train_teacher

    torch.set_num_threads(1)
    folder = tmp_path_factory.mktemp("study")
    labels = np.repeat(np.arange(3), 20)
    for seed, name in enumerate(("web", "drawn")):
        np.save(folder / f"{name}.npy", draw(labels, seed))
    np.savez(
        folder / "teacher.npz",
        train_pixels=draw(labels, 2),
        train_labels=labels,
        test_pixels=draw(labels, 3),
        test_labels=labels,
        classes=np.array(CLASSES),
    )
    recipe = replace(RECIPE, steps=40)
    teacher = train_teacher(
        folder / "teacher.npz", recipe, seed=5, classes=CLASSES, checkpoints=folder / "teacher-checkpoints", threads=1
    )
    teacher.save(folder / "teacher.safetensors", folder / "teacher-history.csv")
    return Study(folder)
