"""The model of the demo: small, loaded like any other, and its images show the class they were generated for."""

import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from distillery.config.queries.retrieval_queries import words_of
from distillery.config.queries.training_queries import recipe_of
from distillery.config.reading import load_config
from distillery.curation.teacher_data.labeled_images import LabeledImages, write_teacher_data
from distillery_demo.drawing import draw_set

ROOT = Path(__file__).parents[2]
MODEL = ROOT / "demo" / "model"


def test_it_is_small_and_has_no_pickled_file():
    files = [path for path in MODEL.rglob("*") if path.is_file()]
    assert {path.suffix for path in files} == {".json", ".safetensors"}
    assert 1_000_000 < sum(path.stat().st_size for path in files) < 8_000_000


@pytest.mark.slow
def test_the_teacher_of_the_demo_recognizes_its_images(tmp_path, monkeypatch):
    # measured: see docs/demo_model.md; chance is 0.1
    import torch

    from distillery.curation.decoding import to_square
    from distillery.distillation.teachers.trained import train_teacher
    from distillery.generation.diffusion import generate
    from distillery.training.data.dataset import as_channels_last
    from distillery.training.prediction import predict_classes
    from distillery.training.recipe import Recipe

    monkeypatch.chdir(ROOT / "demo")
    study = load_config("config.yaml")
    classes, side = list(study["classes"]), study["image_size"]
    train, test = (
        LabeledImages(*draw_set(classes, "teacher", count, side, seed)) for seed, count in ((0, 4000), (1, 100))
    )
    write_teacher_data(tmp_path / "data.npz", train, test, classes)
    threads = torch.get_num_threads()
    teacher = train_teacher(
        *(tmp_path / "data.npz", Recipe.of(recipe_of(study, "teacher") | {"checkpoint_every": 0})),
        seed=0, classes=classes, checkpoints=tmp_path / "checkpoints", threads=1,
    ).trained.network  # fmt: skip
    source = study["sources"]["sd2"] | {"per_class": 20}
    pools = dict(generate(source, "sd2", words_of(study, "sd2"), tmp_path / "store", seed=2))
    torch.set_num_threads(threads)
    images = [data for entries in pools.values() for _, data in entries if data]
    assert len(images) == 200
    pixels = np.stack([to_square(Image.open(io.BytesIO(data)), side) for data in images])
    labels = np.repeat(np.arange(len(classes)), 20)
    correct = predict_classes(teacher, as_channels_last(pixels))[1] == labels
    by_class = {name: correct[labels == label].mean() for label, name in enumerate(classes)}
    assert correct.mean() >= 0.75
    assert min(by_class.values()) >= 0.4
