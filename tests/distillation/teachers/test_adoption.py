"""Teachers that are not trained here: mapped checkpoints, ONNX files, zero-shot models, averages; from real files."""

import json
import logging
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from tiny_clip import save_tiny_clip, save_tiny_siglip
from tiny_study import CLASSES, SIDE, draw
from tiny_teachers import NAMES, TABLE, checkpoint, torch_onnx, zero_shot

from distillery.deployment.export import Deployed, to_onnx
from distillery.distillation.teachers.adoption import adopt_teacher, map_classes
from distillery.distillation.teachers.logit_scale import fit_scale
from distillery.distillation.teachers.zero_shot import CLIP_MEAN, CLIP_STD, load_zero_shot
from distillery.jobs import UserError, log
from distillery.models.adopted import FLOOR, map_logits
from distillery.models.architectures import NormalizedModel, build_network
from distillery.models.weights import TrainedNetwork, load_weights, save_weights


def adopted(settings, path, classes=CLASSES):
    """The teacher, written by its job and read again."""
    save_weights(path, adopt_teacher(settings, classes, SIDE, ""))
    return load_weights(path, classes).network.eval()


@pytest.fixture
def views():
    return torch.from_numpy(draw([0, 1, 2, 0], seed=5)).permute(0, 3, 1, 2).float() / 255


@pytest.fixture
def labels(tmp_path):
    path = tmp_path / "labels.txt"
    path.write_text("\n".join(NAMES) + "\n")
    return str(path)


@pytest.fixture
def of_a_study(tmp_path):
    """The weights of a network for four classes, as a study writes them."""
    torch.manual_seed(1)
    network = NormalizedModel(build_network("resnet8_half", 4), torch.full((3,), 0.3), torch.full((3,), 0.2)).eval()
    path = tmp_path / "own.safetensors"
    save_weights(path, TrainedNetwork(network, "resnet8_half", tuple(NAMES), SIDE, "student", 1))
    return path, network


def mapped(logits):
    """The expected logits if two of four classes are mapped to green."""
    p = torch.softmax(logits.double(), dim=1)
    p = torch.stack([p[:, 0], (p[:, 1] + p[:, 2]) / 2, p[:, 3]], dim=1)
    return (p / p.sum(dim=1, keepdim=True)).log().float()


# --- classes ----------------------------------------------------------------------------------------------------------


def test_a_class_is_mapped_by_the_table_else_by_its_name_and_nothing_is_guessed():
    assert map_classes("teacher", CLASSES, NAMES, 4, TABLE) == [[0], [1, 2], [3]]
    assert map_classes("teacher", CLASSES, NAMES, 4, {"green": ["dark_green", "Light Green"]}) == [[0], [1, 2], [3]]
    assert map_classes("teacher", ["red", "blue", "greenish"], NAMES, 4, {}) == [[0], [3], []]


@pytest.mark.parametrize(
    ("names", "table", "message"),
    [
        (NAMES, {"green": ["4"]}, "teacher.mapping.green: 4 is outside the model's classes, 0 to 3"),
        (NAMES, {"green": ["2-1"]}, "teacher.mapping.green: 2-1 is outside"),
        (NAMES, {"green": ["grene"]}, "teacher.mapping.green: 'grene' is unknown, the model has no such class"),
        ([], {"green": ["green"]}, "'green' is unknown, labels is not set"),
        (NAMES, {"green": ["0-1"]}, "teacher.mapping: red and green both map to the model's class 0"),
        ([], {"green": ["1"]}, "the model knows only 1 of the study's classes; map at least two of red, blue"),
    ],
)
def test_a_mapping_that_fits_no_model_is_one_line(names, table, message):
    with pytest.raises(UserError, match=message) as error:
        map_classes("teacher", CLASSES, names, 4, table)
    assert "\n" not in str(error.value)


def test_a_mapped_logit_is_the_log_of_the_summed_probability_renormalized():
    logits = torch.tensor([[1.0, 2.0, 0.0, -1.0, 3.0]])
    p = torch.softmax(logits, dim=1)[0]
    kept = torch.stack([p[0], p[1] + p[2]]) / (p[0] + p[1] + p[2])
    found = map_logits(logits, [[0], [1, 2], []], "model")
    torch.testing.assert_close(found[0, :2], kept.log())
    assert found[0, 2] == FLOOR and torch.softmax(found, dim=1)[0, 2] < 1e-12


def test_a_class_of_many_is_no_likelier_than_a_class_of_one_if_the_study_s_are_equally_frequent():
    # Bayes: densities 0.2 of class 0; 0.5 and 0.1 of the two halves of the other class
    density = torch.tensor([0.2, 0.5, 0.1])
    logits = density.log()[None]  # a model whose three classes are equally frequent
    wanted = torch.tensor([0.2, 0.3]) / 0.5
    torch.testing.assert_close(map_logits(logits, [[0], [1, 2]], "study")[0].exp(), wanted)
    torch.testing.assert_close(map_logits(logits, [[0], [1, 2]], "model")[0].exp(), torch.tensor([0.2, 0.6]) / 0.8)


# --- checkpoints ------------------------------------------------------------------------------------------------------


def test_a_checkpoint_of_a_study_teaches_its_classes(of_a_study, views, tmp_path):
    path, network = of_a_study
    teacher = adopted(checkpoint(path, mapping=TABLE), tmp_path / "teacher.safetensors")
    torch.testing.assert_close(teacher(views), mapped(network(views)))


def test_classes_that_a_checkpoint_lacks_are_reported_in_one_line(of_a_study, views, tmp_path, caplog, monkeypatch):
    monkeypatch.setattr(log, "propagate", True)
    with caplog.at_level(logging.WARNING, logger=log.name):
        teacher = adopted(checkpoint(of_a_study[0]), tmp_path / "teacher.safetensors")  # no class is named green
    (warning,) = set(caplog.messages)
    assert warning == "teacher.checkpoint: the teacher does not know green and gives these classes no probability"
    assert (teacher(views)[:, 1] == FLOOR).all()


def test_weights_of_timm_are_resized_and_normalized_as_they_were_trained(labels, views, tmp_path):
    import timm

    own = timm.create_model("test_efficientnet", num_classes=4).eval()
    save_file(own.state_dict(), tmp_path / "model.safetensors")
    settings = checkpoint(tmp_path, network="timm/test_efficientnet", labels=labels, mapping=TABLE, input_size=48)
    teacher = adopted(settings, tmp_path / "teacher.safetensors")
    large = torch.nn.functional.interpolate(views, (48, 48), mode="bicubic", antialias=True).clamp(0, 1)
    mean, std = (torch.tensor(own.pretrained_cfg[key])[:, None, None] for key in ("mean", "std"))
    torch.testing.assert_close(teacher(views), mapped(own((large - mean) / std)))


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"network": "timm/test_resnet"}, "are not of network timm/test_resnet"),
        ({"network": "", "mapping": {}}, "teacher.checkpoint.network: name the network that"),
        ({"labels": "nowhere.txt"}, "teacher.checkpoint.labels: nowhere.txt cannot be read"),
    ],
)
def test_a_checkpoint_that_cannot_be_used_is_one_line(labels, tmp_path, settings, message):
    save_file(build_network("timm/test_efficientnet", 4, 32).model.state_dict(), tmp_path / "w.safetensors")
    given = {"network": "timm/test_efficientnet", "labels": labels, "mapping": TABLE} | settings
    with pytest.raises(UserError, match=message) as error:
        adopt_teacher(checkpoint(tmp_path / "w.safetensors", **given), CLASSES, SIDE, "")
    assert "\n" not in str(error.value)


# --- ONNX -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("batch", [True, False], ids=["any batch", "batches of 3"])
def test_an_onnx_file_of_logits_is_normalized_and_mapped(labels, views, tmp_path, batch):
    torch.manual_seed(2)
    inner = build_network("resnet8_half", 4).eval()
    torch_onnx(inner, tmp_path / "m.onnx", torch.zeros(3, 3, 16, 16), batch)
    settings = checkpoint(tmp_path / "m.onnx", labels=labels, mapping=TABLE, mean=[0.1, 0.2, 0.3], std=[0.5, 0.6, 0.7])
    teacher = adopted(settings, tmp_path / "teacher.safetensors")
    mean, std = torch.tensor([0.1, 0.2, 0.3])[:, None, None], torch.tensor([0.5, 0.6, 0.7])[:, None, None]
    torch.testing.assert_close(teacher(views), mapped(inner((views - mean) / std)), rtol=1e-4, atol=1e-4)


def test_outputs_with_sides_of_one_pixel_are_classes(labels, views, tmp_path):
    torch.manual_seed(2)
    inner = build_network("resnet8_half", 4).eval()
    torch_onnx(
        torch.nn.Sequential(inner, torch.nn.Unflatten(1, (4, 1, 1))).eval(),
        tmp_path / "m.onnx",
        torch.zeros(3, 3, 16, 16),
    )
    settings = checkpoint(tmp_path / "m.onnx", labels=labels, mapping=TABLE, mean=[0.0] * 3, std=[1.0] * 3)
    teacher = adopted(settings, tmp_path / "teacher.safetensors")
    torch.testing.assert_close(teacher(views), mapped(inner(views)), rtol=1e-4, atol=1e-4)
    torch_onnx(
        torch.nn.Conv2d(3, 4, 1).eval(), tmp_path / "m.onnx", torch.zeros(3, 3, 16, 16)
    )  # a class for each pixel
    with pytest.raises(UserError, match=r"gives \[4, 16, 16\] numbers an image, not one for each class"):
        adopt_teacher(settings, CLASSES, SIDE, "")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("background\n" + "\n".join(NAMES), "labels.txt names 5 classes, but .* has 4; give one name a line"),
        ("Red\ngreen\nblue\n", "labels.txt names 3 classes, but .* has 4"),
        ("Red\n\ngreen\nblue\n", "line 2 of .*labels.txt is empty"),
    ],
)
@pytest.mark.parametrize("kind", ["onnx", "timm"])
def test_names_that_would_be_those_of_other_classes_are_an_error(labels, tmp_path, text, message, kind):
    Path(labels).write_text(text)
    if kind == "onnx":
        torch_onnx(build_network("resnet8_half", 4).eval(), tmp_path / "m.onnx", torch.zeros(3, 3, 16, 16))
        settings = checkpoint(tmp_path / "m.onnx", labels=labels)
    else:
        save_file(build_network("timm/test_efficientnet", 4, 32).model.state_dict(), tmp_path / "w.safetensors")
        settings = checkpoint(tmp_path / "w.safetensors", labels=labels, network="timm/test_efficientnet")
    with pytest.raises(UserError, match=message) as error:
        adopt_teacher(settings, CLASSES, SIDE, "")
    assert "\n" not in str(error.value)


def test_a_labels_file_may_begin_with_a_mark_and_end_with_empty_lines(labels, of_a_study, views, tmp_path):
    Path(labels).write_bytes(b"\xef\xbb\xbf" + "\r\n".join([*NAMES, "", ""]).encode())
    torch_onnx(of_a_study[1].network.eval(), tmp_path / "m.onnx", torch.zeros(3, 3, 16, 16))
    teacher = adopt_teacher(checkpoint(tmp_path / "m.onnx", labels=labels, mapping=TABLE), CLASSES, SIDE, "")
    assert teacher.network.about["mapping"] == [[0], [1, 2], [3]]  # red is the first line


def test_a_student_that_a_study_exported_brings_its_classes(of_a_study, views, tmp_path):
    _, network = of_a_study
    metadata = {"classes": json.dumps(NAMES), "image_size": str(SIDE)}
    (tmp_path / "student.onnx").write_bytes(to_onnx(Deployed(network, range(4)).eval(), SIDE, metadata))
    teacher = adopted(checkpoint(tmp_path / "student.onnx", mapping=TABLE), tmp_path / "teacher.safetensors")
    torch.testing.assert_close(teacher(views), mapped(network(views)), rtol=1e-3, atol=1e-3)


def test_an_onnx_file_whose_outputs_do_not_match_the_configuration_is_an_error(labels, tmp_path):
    network = torch.nn.Sequential(build_network("resnet8_half", 4), torch.nn.Softmax(dim=1)).eval()
    torch_onnx(network, tmp_path / "m.onnx", torch.zeros(3, 3, 16, 16))
    settings = checkpoint(tmp_path / "m.onnx", labels=labels, mapping=TABLE)
    with pytest.raises(UserError, match="gives probabilities; set output: probabilities"):
        adopt_teacher(settings, CLASSES, SIDE, "")
    (tmp_path / "n.onnx").write_bytes(b"nothing")
    with pytest.raises(UserError, match="is not an ONNX file") as error:
        adopt_teacher(checkpoint(tmp_path / "n.onnx"), CLASSES, SIDE, "")
    assert "\n" not in str(error.value)


# --- zero-shot --------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def clip(tmp_path_factory):
    """A CLIP of one layer with random weights, and a tokenizer of bytes."""
    folder = tmp_path_factory.mktemp("clip")
    save_tiny_clip(folder).save_pretrained(folder)
    (folder / "preprocessor_config.json").write_text('{"image_mean": [0.5, 0.4, 0.3], "image_std": [0.2, 0.3, 0.4]}')
    return folder


@pytest.fixture(scope="module")
def siglip(tmp_path_factory):
    """A SigLIP of one layer with random weights, and a tokenizer of bytes."""
    folder = tmp_path_factory.mktemp("siglip")
    save_tiny_siglip(folder)
    return folder


@pytest.mark.slow
def test_a_zero_shot_teacher_gives_the_logits_of_transformers(clip, views, tmp_path):
    from transformers import AutoTokenizer, CLIPModel

    teacher = adopted(zero_shot(clip), tmp_path / "teacher.safetensors")
    whole, tokenizer = CLIPModel.from_pretrained(clip).eval(), AutoTokenizer.from_pretrained(clip)
    large = torch.nn.functional.interpolate(views, (32, 32), mode="bicubic", antialias=True).clamp(0, 1)
    pixels = (large - torch.tensor([0.5, 0.4, 0.3])[:, None, None]) / torch.tensor([0.2, 0.3, 0.4])[:, None, None]
    tokens = tokenizer([f"a photo of a {name}." for name in CLASSES], padding=True, return_tensors="pt")
    with torch.no_grad():
        expected = whole(pixel_values=pixels, **tokens).logits_per_image
        torch.testing.assert_close(teacher(views), expected, rtol=1e-4, atol=1e-4)


@pytest.mark.slow
def test_a_siglip_gives_the_logits_of_transformers_but_for_their_common_bias(siglip, views, tmp_path):
    from transformers import AutoTokenizer, SiglipModel

    teacher = adopted(zero_shot(siglip), tmp_path / "teacher.safetensors")
    whole, tokenizer = SiglipModel.from_pretrained(siglip).eval(), AutoTokenizer.from_pretrained(siglip)
    large = torch.nn.functional.interpolate(views, (32, 32), mode="bicubic", antialias=True).clamp(0, 1)
    pixels = (large - torch.tensor(CLIP_MEAN)[:, None, None]) / torch.tensor(CLIP_STD)[:, None, None]
    tokens = tokenizer([f"a photo of a {name}." for name in CLASSES], padding="max_length", return_tensors="pt")
    with torch.no_grad():
        whole.logit_bias.fill_(-3.0)
        expected = whole(pixel_values=pixels, input_ids=tokens["input_ids"]).logits_per_image
        torch.testing.assert_close(teacher(views), expected + 3, rtol=1e-4, atol=1e-4)


@pytest.mark.slow
@pytest.mark.parametrize("family", ["clip", "siglip"])
def test_swapped_prompts_swap_predictions(family, views, tmp_path, request):
    model = request.getfixturevalue(family)
    plain = adopted(zero_shot(model), tmp_path / "a.safetensors")
    swapped = adopted(zero_shot(model, prompts={"red": ["blue"], "blue": ["red"]}), tmp_path / "b.safetensors")
    with torch.no_grad():
        assert torch.equal(plain(views)[:, [2, 1, 0]], swapped(views))
        assert not torch.equal(plain(views), swapped(views))
        changed = plain(views).argmax(1) != swapped(views).argmax(1)
    assert (changed == (plain(views).argmax(1) != 1)).all()


def test_the_fitted_scale_has_the_least_negative_log_likelihood():
    rng = np.random.default_rng(0)
    cosines = torch.from_numpy(rng.normal(size=(400, 3)) / 10)
    labels = torch.multinomial(torch.softmax(20 * cosines, dim=1), 1, generator=torch.Generator().manual_seed(0))[:, 0]
    scale = fit_scale(cosines.float(), labels)
    nll = [torch.nn.functional.cross_entropy(factor * scale * cosines, labels).item() for factor in (0.98, 1, 1.02)]
    assert nll[1] == min(nll) and 14 < scale < 27


# --- several ----------------------------------------------------------------------------------------------------------


def test_several_teachers_give_the_log_of_their_weighted_mean_probability(of_a_study, views, tmp_path):
    path, network = of_a_study
    torch.manual_seed(9)
    own = NormalizedModel(build_network("resnet8", 3), torch.zeros(3), torch.ones(3)).eval()
    save_weights(tmp_path / "trained.safetensors", TrainedNetwork(own, "resnet8", tuple(CLASSES), SIDE, "teacher", 5))
    members = {"own": {"kind": "train", "weight": 1.0}, "other": checkpoint(path, mapping=TABLE) | {"weight": 3.0}}
    found = adopt_teacher({"kind": "several", "members": members}, CLASSES, SIDE, tmp_path / "trained.safetensors")
    save_weights(tmp_path / "teacher.safetensors", found)
    teacher = load_weights(tmp_path / "teacher.safetensors", CLASSES).network.eval()
    expected = 0.25 * torch.softmax(own(views), 1) + 0.75 * mapped(network(views)).exp()
    torch.testing.assert_close(teacher(views).exp(), expected)


def test_the_same_teacher_gives_the_same_bytes(of_a_study, tmp_path):
    for name in ("a", "b"):
        save_weights(tmp_path / name, adopt_teacher(checkpoint(of_a_study[0], mapping=TABLE), CLASSES, SIDE, ""))
    assert Path(tmp_path / "a").read_bytes() == Path(tmp_path / "b").read_bytes()


@pytest.mark.parametrize("method", ["kd", "dkd", "hard_teacher"])
def test_students_learn_from_an_adopted_teacher(study, of_a_study, tmp_path, method):
    save_weights(tmp_path / "t.safetensors", adopt_teacher(checkpoint(of_a_study[0], mapping=TABLE), CLASSES, SIDE, ""))
    run = study.train(method, teacher=tmp_path / "t.safetensors")
    assert np.isfinite(run.logits).all()


def test_a_step_with_an_onnx_teacher_is_not_recorded_on_a_gpu(study, labels, tmp_path, monkeypatch):
    torch_onnx(build_network("resnet8_half", 4).eval(), tmp_path / "m.onnx", torch.zeros(3, 3, 16, 16))
    settings = checkpoint(tmp_path / "m.onnx", labels=labels, mapping=TABLE)
    save_weights(tmp_path / "t.safetensors", adopt_teacher(settings, CLASSES, SIDE, ""))
    recorded = []

    def runner(step, device):
        recorded.append(device)
        return step

    monkeypatch.setattr("distillery.training.loop.step_runner", runner)
    assert np.isfinite(study.train("kd", teacher=tmp_path / "t.safetensors").logits).all()
    assert recorded == []
    study.train("kd")
    assert len(recorded) == 1


def test_a_clip_that_cannot_be_downloaded_is_one_line_with_other_ways(monkeypatch):
    from huggingface_hub import constants

    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    with pytest.raises(UserError) as error:
        load_zero_shot("teacher.zero_shot", {"model": "nobody/clip", "prompts": {}, "templates": ["{}"]}, ["a", "b"])
    assert str(error.value) == (
        "teacher.zero_shot.model: model nobody/clip is not a folder here and the hub cannot be reached. Check the path,"
        " or go online once. docs/teachers.md has teachers that need no download."
    )
