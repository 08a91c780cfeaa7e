"""An exported file has the network's predictions, for all networks and numbers of images; else it is not written."""

import hashlib
import json
import runpy
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import onnx
import onnxruntime
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from made_up_run import CLASSES, SIDE, Student, decided, noise, probabilities

from distillery.config.choices import NETWORKS
from distillery.deployment import export
from distillery.jobs import UserError
from distillery.storage.onnx_digest import LENGTH

SCRIPTS = Path(__file__).parents[2] / "workflow" / "scripts"


def predicted(model, images):
    session = onnxruntime.InferenceSession(model, providers=["CPUExecutionProvider"])
    (found,) = session.run(None, {"images": images})
    return found


@pytest.mark.parametrize("name", NETWORKS)
def test_the_file_predicts_what_the_network_predicts(name):
    network, labels = decided(name, 6, 32), (0, 1, 2, 3, 4, 5)
    data = export.to_onnx(export.Deployed(network, labels).eval(), 32, {})
    images = noise(5, 32)
    wanted = probabilities(network, images, labels)
    assert wanted.std(axis=0).max() > 1e-3  # equal predictions for all images would prove nothing
    found = predicted(data, images)
    assert found.dtype == np.float32 and found.shape == (5, 6)
    assert np.abs(found - wanted).max() < 1e-5


def test_classes_not_trained_on_have_no_probability(exported):
    images = noise(7)
    found = predicted(str(exported.model), images)
    assert found.shape == (7, 3) and np.allclose(found.sum(axis=1), 1)
    assert np.abs(found - probabilities(exported.network, images, exported.labels)).max() < 1e-5
    of_all = probabilities(exported.network, images, range(len(CLASSES)))
    assert of_all[:, [1, 4]].max() > 0.01  # the file leaves them out, although the network gives them some probability


def test_any_number_of_images_at_once(exported):
    images = noise(7)
    at_once = predicted(str(exported.model), images)
    one_by_one = np.concatenate([predicted(str(exported.model), image[None]) for image in images])
    assert at_once.shape == one_by_one.shape == (7, 3) and np.abs(at_once - one_by_one).max() < 1e-5


def test_metadata_and_signature_of_the_file(exported):
    session = onnxruntime.InferenceSession(str(exported.model), providers=["CPUExecutionProvider"])
    about = session.get_modelmeta().custom_metadata_map
    assert json.loads(about.pop("classes")) == ["cat", "dog", "frog"]
    assert about == {
        "title": "A study of animals", "label": "", "scenario": "web", "arm": "kd", "seed": "0",
        "network": "resnet8_half", "image_size": "24",
        "sha256": hashlib.sha256(exported.model.read_bytes()[LENGTH:]).hexdigest(),
    }  # fmt: skip
    (entry,), (result,) = session.get_inputs(), session.get_outputs()
    assert (entry.name, entry.type, entry.shape) == ("images", "tensor(uint8)", ["N", SIDE, SIDE, 3])
    assert (result.name, result.type, result.shape) == ("probabilities", "tensor(float)", ["N", 3])
    proto = onnx.load(exported.model)
    assert [opset.version for opset in proto.opset_import] == [export.OPSET]


def test_it_is_one_file_without_paths_of_this_machine(exported):
    assert sorted(path.name for path in exported.model.parent.iterdir()) == ["web.kd.md", "web.kd.onnx"]
    proto = onnx.load(exported.model, load_external_data=False)
    assert not [tensor.name for tensor in proto.graph.initializer if tensor.external_data]
    data = exported.model.read_bytes()
    for path in (SCRIPTS, Path(onnx.__file__).parent, Path.home(), Path.cwd()):
        assert str(path).encode() not in data
    assert b"stack_trace" not in data and b"architectures.py" not in data and b"layers.py" not in data


def test_the_same_run_gives_the_same_bytes(exported, student, caplog):
    with caplog.at_level("INFO"):
        student.export()
    assert f"{student.model.resolve()}, and its card beside it" in caplog.messages
    assert student.model.read_bytes() == exported.model.read_bytes()
    assert student.card.read_text() == exported.card.read_text()


@pytest.mark.parametrize("difference", [2e-5, float("nan")])
def test_a_file_with_other_predictions_is_not_written(student, monkeypatch, difference):
    monkeypatch.setattr(export, "largest_difference", lambda *_: difference)
    with pytest.raises(UserError, match=r"web\.kd\.onnx: the exported model's .* differ .* Nothing was written"):
        student.export()
    assert not student.model.exists() and not student.card.exists()


def test_other_weights_in_the_file_are_detected(student, monkeypatch):
    other = export.Deployed(decided("resnet8_half", len(CLASSES), SIDE, seed=1), student.labels).eval()
    write = export.to_onnx
    monkeypatch.setattr(export, "to_onnx", lambda _, side, metadata: write(other, side, metadata))
    with pytest.raises(UserError, match="more than 1e-05"):
        student.export()
    assert not student.model.exists()


def test_damaged_files_and_other_runs_end_in_one_line(student):
    good = (student.folder / "metrics.json").read_text()
    student.rewrite(n_classes=5)
    with pytest.raises(UserError, match="are not of one scenario"):
        student.export()
    (student.folder / "metrics.json").write_text(good[:40])
    with pytest.raises(UserError, match="is not a run's metrics"):
        student.export()
    (student.folder / "metrics.json").write_text(good)
    student.rewrite(arm="dkd")
    with pytest.raises(UserError, match="has no run of arm dkd"):
        student.export()
    (student.folder / "metrics.json").write_text(good)
    (student.folder / "web.csv").write_text("scenario,arm\nweb,kd\n")
    with pytest.raises(UserError, match=r"table .*web\.csv is damaged"):
        student.export()
    assert not student.model.exists() and not student.card.exists()


def test_the_script_passes_the_rules_names_on(student):
    names = {"weights": "model.safetensors", "metrics": "metrics.json", "runs": "web.csv", "plan": "plan.parquet"}
    names["predictions"] = "predictions.parquet"
    snakemake = SimpleNamespace(
        log=[str(student.folder / "log.txt")],
        input=SimpleNamespace(**{name: str(student.folder / file) for name, file in names.items()}),
        output=SimpleNamespace(model=str(student.model), card=str(student.card)),
        params=SimpleNamespace(
            title="Title",
            label="",
            arm={"method": "kd"},
            kinds=student.settings.kinds,
            untrained=[],
            titles=student.settings.titles,
        ),
    )
    runpy.run_path(str(SCRIPTS / "export_student.py"), init_globals={"snakemake": snakemake})
    assert student.card.read_text().startswith("# Title: a student of scenario `web`, distilled (arm `kd`)")
    assert predicted(str(student.model), noise(2)).shape == (2, 3)
    assert "at most" in (student.folder / "log.txt").read_text()


def test_a_student_of_all_classes(tmp_path):
    student = Student(tmp_path, labels=tuple(range(5))).write().export()
    found = predicted(str(student.model), noise(3))
    assert np.abs(found - probabilities(student.network, noise(3), student.labels)).max() < 1e-5


def test_a_class_that_no_image_is_known_to_show_is_exported_too(student):
    """A plan of images without labels names the classes that its students train on."""
    path = student.folder / "plan.parquet"
    plan = pq.read_table(path)
    labels = plan["label"].to_numpy()
    fewer = plan.filter(pa.array(labels != student.labels[-1]))
    pq.write_table(fewer.replace_schema_metadata({"trained": json.dumps(student.classes)}), path)
    student.export()
    about = onnx.load(student.model).metadata_props
    assert json.loads({each.key: each.value for each in about}["classes"]) == student.classes
    pq.write_table(fewer.replace_schema_metadata({}), path)
    with pytest.raises(UserError, match="are not of one scenario"):
        student.export()
