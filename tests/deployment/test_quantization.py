"""An 8-bit student agrees with its float32 one, is smaller, takes the same images, and has a row in the same table."""

import json
import logging
from dataclasses import replace

import matplotlib.pyplot as plt
import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from tiny_study import CLASSES, RECIPE, SIDE, draw

from distillery.deployment.classify import load_model
from distillery.deployment.deployment_table import (
    DEPLOYMENT_COLUMNS,
    ExportedStudent,
    count_multiply_adds,
    deployment_table,
)
from distillery.deployment.export import Deployed, to_onnx
from distillery.deployment.quantization import quantize_student
from distillery.figures.deployment_figure import draw_deployment, plot_deployment
from distillery.jobs import UserError
from distillery.models.architectures import NormalizedModel, build_network
from distillery.models.weights import TrainedNetwork, load_weights, save_weights
from distillery.training.data.dataset import gather, whole_source
from distillery.training.prediction import write_predictions


@pytest.fixture
def exported(study, tmp_path):
    """A trained student that reduces its input images, exported and quantized."""
    run = study.train("ce", replace(RECIPE, steps=60, image_size=12))
    save_weights(tmp_path / "w.safetensors", run.trained)
    network = run.trained.network.eval()
    metadata = {"classes": json.dumps(CLASSES), "image_size": str(SIDE), "scenario": "colors"}
    model, int8 = tmp_path / "colors.ce.onnx", tmp_path / "colors.ce.int8.onnx"
    model.write_bytes(to_onnx(Deployed(network, range(3)).eval(), SIDE, metadata))
    quantize_student(model, draw(np.arange(60) % 3, seed=3), int8)
    return tmp_path, model, int8


def test_an_int8_file_agrees_with_the_float_one_and_is_smaller(exported):
    _, model, int8 = exported
    images = draw(np.arange(90) % 3, seed=11)
    found = [onnxruntime.InferenceSession(str(path)).run(None, {"images": images})[0] for path in (model, int8)]
    assert (found[0].argmax(1) == found[1].argmax(1)).mean() > 0.95
    assert np.abs(found[0] - found[1]).max() > 0 and np.abs(found[1].sum(axis=1) - 1).max() < 1e-4
    assert int8.stat().st_size < model.stat().st_size
    stored = {part.data_type for part in onnx.load(str(int8)).graph.initializer}
    assert onnx.TensorProto.INT8 in stored
    loaded = load_model(int8)  # as `classify` reads it
    assert loaded.classes == tuple(CLASSES) and loaded.side == SIDE


def test_quantizing_leaves_the_log_as_it_was(exported, caplog):
    folder, model, _ = exported
    with caplog.at_level(logging.WARNING):
        quantize_student(model, draw(np.arange(60) % 3, seed=3), folder / "again.onnx")
        assert logging.getLogger().level == logging.WARNING and not caplog.messages


def test_the_same_images_give_the_same_bytes(exported):
    folder, model, int8 = exported
    quantize_student(model, draw(np.arange(60) % 3, seed=3), folder / "again.onnx")
    assert (folder / "again.onnx").read_bytes() == int8.read_bytes()


def test_without_images_nothing_is_written(exported):
    folder, model, _ = exported
    with pytest.raises(UserError, match="no train images to calibrate"):
        quantize_student(model, np.empty((0, SIDE, SIDE, 3), np.uint8), folder / "none.onnx")
    assert not (folder / "none.onnx").exists()


def test_multiply_adds_are_those_of_the_formula():
    network = NormalizedModel(build_network("resnet8", 3), torch.zeros(3), torch.ones(3))
    convolutions = [(3, 16, 3, 32), (16, 16, 3, 32), (16, 16, 3, 32)]
    convolutions += [(16, 32, 3, 16), (32, 32, 3, 16), (16, 32, 1, 16), (32, 64, 3, 8), (64, 64, 3, 8), (32, 64, 1, 8)]
    expected = sum(a * b * k * k * side * side for a, b, k, side in convolutions) + 64 * 3
    assert count_multiply_adds(network, 32) == expected


def test_every_number_of_the_table_is_of_these_files(exported, study, tmp_path):
    folder, model, int8 = exported
    pixels, labels = np.load(study.folder / "web.npy"), np.repeat(np.arange(3), 20)
    images = whole_source("web", pixels, labels)
    trained = load_weights(folder / "w.safetensors")
    logits = np.zeros((60, 3), np.float32)
    write_predictions(folder / "predictions.parquet", images, logits, logits.argmax(1))
    student = ExportedStudent(
        "colors", "ce", str(model), str(int8), str(folder / "w.safetensors"), str(folder / "predictions.parquet")
    )
    table = deployment_table([student], study.teacher, {"web": study.folder / "web.npy"}, threads=1, note="n")
    assert tuple(table.columns) == DEPLOYMENT_COLUMNS
    assert list(table["model"]) == ["teacher", "colors.ce", "colors.ce"]
    assert list(table["precision"]) == ["float32", "float32", "int8"]
    (found,) = onnxruntime.InferenceSession(str(int8)).run(None, {"images": pixels})
    assert float(table["accuracy_percent"][2]) == pytest.approx(100 * (found.argmax(1) == labels).mean(), abs=0.01)
    assert list(table["file_bytes"][1:]) == [model.stat().st_size, int8.stat().st_size]
    difference = float(table["accuracy_percent"][2]) - float(table["accuracy_percent"][1])
    assert float(table["difference"][2]) == pytest.approx(difference, abs=0.011)
    for name in ("latency_ms", "images_per_second", "peak_mb"):
        assert (table[name].astype(float) > 0).all()
    assert set(table["parameters"][1:]) == {sum(weight.numel() for weight in trained.network.parameters())}
    table.to_csv(tmp_path / "deployment.csv", index=False)
    plot_deployment(tmp_path / "deployment.csv", [tmp_path / "d.png", tmp_path / "d.svg"], "A figure", "")
    assert (tmp_path / "d.png").stat().st_size > 10_000
    drawn = draw_deployment(table.fillna({"arm": ""}), "A figure", "")
    names = [text.get_text() for text in drawn.legends[0].get_texts()]
    plt.close(drawn)
    assert names == ["ce", "teacher", "float32", "int8"]


def test_the_teacher_is_tested_on_the_images_of_all_students(exported, study):
    folder, model, int8 = exported
    pixels, labels = np.load(study.folder / "web.npy"), np.repeat(np.arange(3), 20)
    logits, students = np.zeros((60, 3), np.float32), []
    for name, rows in (("two", slice(0, 40)), ("three", slice(0, 60))):  # one student was tested on two classes
        images = gather({"web": pixels}, np.full(60, "web")[rows], np.arange(60)[rows], labels[rows])
        write_predictions(folder / f"{name}.parquet", images, logits[rows], logits[rows].argmax(1))
        files = (str(model), str(int8), str(folder / "w.safetensors"), str(folder / f"{name}.parquet"))
        students.append(ExportedStudent(name, "ce", *files))
    for order in (students, students[::-1]):
        table = deployment_table(order, study.teacher, {"web": study.folder / "web.npy"}, threads=1)
        counts = dict(zip(table["model"], table["n_test"], strict=True))
        assert counts == {"teacher": 60, "two.ce": 40, "three.ce": 60}
    drawn = draw_deployment(table.fillna({"arm": ""}), "A figure", "")
    named = [text.get_text() for text in drawn.axes[0].texts]
    plt.close(drawn)
    assert named == ["three", "two"]


def test_a_network_of_timm_is_quantized(study, tmp_path):
    inner = build_network("timm/test_efficientnet", 3, 32)
    network = NormalizedModel(inner, *inner.statistics).eval()
    save_weights(tmp_path / "w", TrainedNetwork(network, "timm/test_efficientnet", tuple(CLASSES), 32, "student", 0))
    metadata = {"classes": json.dumps(CLASSES), "image_size": "32"}
    (tmp_path / "m.onnx").write_bytes(to_onnx(Deployed(network, range(3)).eval(), 32, metadata))
    images = np.random.default_rng(0).integers(0, 256, (20, 32, 32, 3), np.uint8)
    quantize_student(tmp_path / "m.onnx", images, tmp_path / "q.onnx")
    found = [
        onnxruntime.InferenceSession(str(tmp_path / name)).run(None, {"images": images})[0]
        for name in ("m.onnx", "q.onnx")
    ]
    assert np.abs(found[0] - found[1]).max() < 0.1
