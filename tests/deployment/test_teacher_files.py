"""Any teacher has a row in the table of deployment: exported, as its own ONNX file, or with why it is not measured."""

import logging

import matplotlib.pyplot as plt
import numpy as np
import onnxruntime
import pytest
import torch
import torch.nn.functional as F
from tiny_clip import save_tiny_clip, save_tiny_siglip
from tiny_study import CLASSES, SIDE, draw
from tiny_teachers import NAMES, TABLE, checkpoint, torch_onnx, zero_shot

from distillery.analysis.table_files import write_table
from distillery.deployment import teacher_files
from distillery.deployment.deployment_table import ExportedStudent, deployment_table
from distillery.deployment.export import Deployed, to_onnx
from distillery.deployment.quantization import quantize_student
from distillery.deployment.teacher_files import MatrixResize, count_weights, write_teacher_file
from distillery.distillation.teachers.adoption import adopt_teacher
from distillery.figures.deployment_figure import draw_deployment, plot_deployment
from distillery.jobs import log
from distillery.models.architectures import NormalizedModel, build_network
from distillery.models.weights import TrainedNetwork, load_weights, save_weights
from distillery.training.data.dataset import whole_source
from distillery.training.prediction import write_predictions


@pytest.mark.parametrize(("side", "target"), [(16, 32), (32, 12), (20, 17)])
@pytest.mark.parametrize("mode", ["bicubic", "bilinear"])
def test_two_products_with_a_matrix_resize_as_pytorch_does(side, target, mode):
    images = torch.rand(3, 3, side, side, generator=torch.Generator().manual_seed(0))
    expected = F.interpolate(images, (target, target), mode=mode, antialias=True)
    torch.testing.assert_close(MatrixResize(side, target, mode)(images), expected, atol=1e-5, rtol=0)


@pytest.fixture
def labels(tmp_path):
    path = tmp_path / "labels.txt"
    path.write_text("\n".join(NAMES) + "\n")
    return str(path)


def larger_network(folder):
    """The weights of a network for four classes and images of 24 pixels, as a study writes them."""
    torch.manual_seed(1)
    network = NormalizedModel(build_network("resnet8_half", 4), torch.full((3,), 0.3), torch.full((3,), 0.2)).eval()
    save_weights(folder / "own.safetensors", TrainedNetwork(network, "resnet8_half", tuple(NAMES), 24, "student", 1))
    return checkpoint(folder / "own.safetensors", mapping=TABLE)


def saved(settings, folder):
    save_weights(folder / "teacher.safetensors", adopt_teacher(settings, CLASSES, SIDE, ""))
    return load_weights(folder / "teacher.safetensors")


def teacher_of(kind, folder, labels):
    if kind == "checkpoint":
        return saved(larger_network(folder), folder)
    if kind == "several":
        members = {name: larger_network(folder) | {"weight": weight} for name, weight in (("a", 1.0), ("b", 2.0))}
        return saved({"kind": "several", "members": members}, folder)
    if kind == "siglip":
        save_tiny_siglip(folder / "siglip")
    else:
        save_tiny_clip(folder / "clip").save_pretrained(folder / "clip")
    return saved(zero_shot(folder / kind), folder)


@pytest.mark.parametrize(
    "kind",
    [
        "checkpoint",
        "several",
        pytest.param("clip", marks=pytest.mark.slow),
        pytest.param("siglip", marks=pytest.mark.slow),
    ],
)
def test_an_adopted_teacher_is_exported_with_its_resizing_and_mapping(kind, tmp_path, labels):
    trained = teacher_of(kind, tmp_path, labels)
    file = write_teacher_file(trained, tmp_path)
    assert file.path is not None and not file.shape, file.reason
    images = draw(np.arange(40) % 3, seed=4)
    (found,) = onnxruntime.InferenceSession(str(file.path)).run(None, {"images": images})
    with torch.inference_mode():
        views = torch.from_numpy(images).permute(0, 3, 1, 2).float() / 255
        expected = torch.softmax(trained.network.eval()(views), dim=1).numpy()
    np.testing.assert_allclose(found, expected, atol=1e-4)


@pytest.fixture
def student(study, tmp_path):
    """A student with random weights, exported and quantized, and predictions of 60 test images."""
    torch.manual_seed(3)
    network = NormalizedModel(build_network("resnet8_half", 3), torch.full((3,), 0.3), torch.full((3,), 0.2)).eval()
    save_weights(tmp_path / "w", TrainedNetwork(network, "resnet8_half", tuple(CLASSES), SIDE, "student", 0))
    metadata = {"classes": '["red", "green", "blue"]', "image_size": str(SIDE)}
    (tmp_path / "m.onnx").write_bytes(to_onnx(Deployed(network, range(3)).eval(), SIDE, metadata))
    quantize_student(tmp_path / "m.onnx", draw(np.arange(30) % 3, seed=3), tmp_path / "q.onnx")
    images = whole_source("web", np.load(study.folder / "web.npy"), np.repeat(np.arange(3), 20))
    write_predictions(tmp_path / "p", images, np.zeros((60, 3), np.float32), np.zeros(60, np.int16))
    return ExportedStudent("s", "ce", *(str(tmp_path / name) for name in ("m.onnx", "q.onnx", "w", "p")))


def first_row(student, study, teacher):
    return deployment_table([student], teacher, {"web": study.folder / "web.npy"}, threads=1, note="n").iloc[0]


@pytest.mark.parametrize("batch", [True, False], ids=["any batch", "batches of 3"])
def test_a_teacher_that_is_an_onnx_file_is_measured_as_it_is(student, study, labels, tmp_path, batch):
    torch.manual_seed(2)
    inner = build_network("resnet8_half", 4).eval()
    torch_onnx(inner, tmp_path / "theirs.onnx", torch.zeros(3, 3, 24, 24), batch)
    trained = saved(checkpoint(tmp_path / "theirs.onnx", labels=labels, mapping=TABLE), tmp_path)
    row = first_row(student, study, tmp_path / "teacher.safetensors")
    assert row["file_bytes"] == (tmp_path / "theirs.onnx").stat().st_size and row["n_test"] == 60
    weights = sum(weight.numel() for weight in inner.parameters())
    running = sum(value.numel() for name, value in inner.named_buffers() if "running" in name)
    assert weights * 0.9 <= row["parameters"] <= weights + running and row["multiply_adds"] == ""
    pixels = torch.from_numpy(np.load(study.folder / "web.npy")).permute(0, 3, 1, 2).float() / 255
    with torch.inference_mode():
        predicted = trained.network(pixels).argmax(1).numpy()
    expected = 100 * (predicted == np.repeat(np.arange(3), 20)).mean()
    assert float(row["accuracy_percent"]) == pytest.approx(expected, abs=0.01)
    assert all(float(row[name]) > 0 for name in ("latency_ms", "images_per_second", "peak_mb"))
    assert row["note"] == "n"


def test_a_teacher_that_cannot_be_exported_has_a_row_that_says_so(student, study, tmp_path, monkeypatch, caplog):
    saved(larger_network(tmp_path), tmp_path)

    def broken(*_):
        raise RuntimeError("no such operator\nmore")

    monkeypatch.setattr(teacher_files, "to_onnx", broken)
    monkeypatch.setattr(log, "propagate", True)
    with caplog.at_level(logging.WARNING):
        table = deployment_table(
            [student], tmp_path / "teacher.safetensors", {"web": study.folder / "web.npy"}, threads=1, note="n"
        )
    assert "the teacher is not measured: it cannot be exported (no such operator more)" in caplog.text
    row = table.iloc[0]
    assert row["note"] == "n; not measured: it cannot be exported (no such operator more)"
    assert {row[name] for name in ("accuracy_percent", "file_bytes", "latency_ms", "parameters")} == {""}
    assert list(table["note"][1:]) == ["n", "n"]
    write_table(table, tmp_path / "d.csv")
    plot_deployment(tmp_path / "d.csv", [tmp_path / "d.png"], "A figure", "")
    drawn = draw_deployment(table, "A figure", "")
    plt.close(drawn)
    assert "teacher" not in [text.get_text() for text in drawn.legends[0].get_texts()]


def test_an_average_with_an_onnx_file_has_a_row_that_says_it_is_not_measured(labels, tmp_path):
    torch_onnx(build_network("resnet8_half", 4).eval(), tmp_path / "m.onnx", torch.zeros(3, 3, 16, 16))
    members = {"a": checkpoint(tmp_path / "m.onnx", labels=labels, mapping=TABLE), "b": larger_network(tmp_path)}
    trained = saved(
        {"kind": "several", "members": {name: one | {"weight": 1.0} for name, one in members.items()}}, tmp_path
    )
    file = write_teacher_file(trained, tmp_path)
    assert file.path is None and "one of its members is an ONNX file" in file.reason


def test_weights_of_a_file_are_counted(tmp_path):
    network = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(12, 5)).eval()
    torch_onnx(network, tmp_path / "m.onnx", torch.zeros(2, 3, 2, 2))
    assert count_weights(tmp_path / "m.onnx") == 65
