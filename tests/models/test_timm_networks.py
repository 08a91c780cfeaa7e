"""Networks of timm are built, saved and read like the library's own, which never import timm."""

import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file
from tiny_study import CLASSES, RECIPE, SIDE

from distillery.jobs import UserError
from distillery.models.architectures import NormalizedModel, build_network
from distillery.models.batchnorm_folding import fold_batchnorm
from distillery.models.weights import TrainedNetwork, load_weights, save_weights
from distillery.training.loop import optimizer_of, start_network

SCRIPTS = Path(__file__).parents[2] / "workflow" / "scripts"
SMALL = replace(RECIPE, network="timm/test_efficientnet")
CPU = torch.device("cpu")


def test_our_networks_import_neither_timm_nor_torchvision():
    code = (
        "import sys; from distillery.distillation.student import train_student;"
        "from distillery.models.architectures import build_network; build_network('resnet8', 3);"
        "print(sorted({'timm', 'torchvision', 'pandas', 'transformers', 'diffusers'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=SCRIPTS, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


@pytest.mark.parametrize("name", ["timm/test_efficientnet", "timm/test_resnet", "timm/test_vit"])
def test_a_network_has_logits_and_stages(name):
    network = build_network(name, 5, 64).eval()
    x = torch.randn(2, 3, 64, 64)
    logits, stages = network.outputs(x)
    assert logits.shape == (2, 5) and torch.equal(logits, network(x))
    assert len(stages) > 1 and all(stage.dim() == 4 and len(stage) == 2 for stage in stages)


def test_it_normalizes_as_it_was_trained_and_survives_a_file(study, tmp_path):
    images = study.dataset()
    model = start_network(SMALL, 3, images, 0, CPU)
    assert model.mean.flatten().tolist() == pytest.approx([0.485, 0.456, 0.406])
    path = tmp_path / "model.safetensors"
    save_weights(path, TrainedNetwork(model, SMALL.network, tuple(CLASSES), SIDE, "student", 0))
    back = load_weights(path, CLASSES).network.to(memory_format=torch.channels_last)  # last bits depend on it
    views = torch.rand(2, 3, SIDE, SIDE)
    assert torch.equal(back.eval()(views), model.eval()(views))
    frozen = fold_batchnorm(model, torch.bfloat16)
    assert torch.equal(frozen(views), model(views)) and not any(weight.requires_grad for weight in frozen.parameters())


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("timm/mobilenetv3_small_10", "unknown: timm .* has no mobilenetv3_small_10, but mobilenetv3_small_100"),
        ("timm/nothing_like_it_at_all", "has no nothing_like_it_at_all"),
    ],
)
def test_an_unknown_network_is_one_line_with_the_nearest_names(name, message):
    with pytest.raises(UserError, match=message) as error:
        build_network(name, 3, 32)
    assert "\n" not in str(error.value)


def test_a_training_repeats_and_resumes_to_the_same_bits(study, tmp_path, monkeypatch):
    recipe = replace(SMALL, steps=6, lr=0.02, checkpoint_every=4)
    whole, again = study.train("kd", recipe), study.train("kd", recipe)
    assert (whole.logits == again.logits).all()

    def killed(*arguments):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr("distillery.training.loop.Checkpoint.finish", killed)
        with pytest.raises(KeyboardInterrupt):
            study.train("kd", recipe, checkpoints=tmp_path)
    assert (study.train("kd", recipe, checkpoints=tmp_path).logits == whole.logits).all()


# --- pretrained weights -----------------------------------------------------------------------------------------------


@pytest.fixture
def images(study):
    return study.dataset()


def of_1000_classes(path):
    tensors = build_network("timm/test_efficientnet", 1000, SIDE).model.state_dict()
    save_file({name: value + 0.5 if value.is_floating_point() else value for name, value in tensors.items()}, path)
    return path


def test_pretrained_weights_replace_all_but_a_head_of_other_classes(images, tmp_path):
    path = of_1000_classes(tmp_path / "model.safetensors")
    plain = start_network(SMALL, 3, images, 0, CPU).network.model.state_dict()
    for pretrained in (str(path), str(tmp_path)):  # a file, or its folder
        model = start_network(replace(SMALL, pretrained=pretrained), 3, images, 0, CPU).network.model.state_dict()
        wanted = load_file(path)
        for name, value in model.items():
            assert torch.equal(value, plain[name] if name.startswith("classifier") else wanted[name]), name


def test_a_network_of_ours_starts_from_a_weights_file_of_ours(images, tmp_path):
    own = NormalizedModel(build_network("resnet8_half", 7), torch.full((3,), 0.2), torch.full((3,), 0.3))
    save_weights(tmp_path / "w.safetensors", TrainedNetwork(own, "resnet8_half", tuple("abcdefg"), 16, "student", 1))
    model = start_network(replace(RECIPE, pretrained=str(tmp_path / "w.safetensors")), 3, images, 0, CPU)
    assert model.network.head.out_features == 3
    body = zip(model.network.stages.parameters(), own.network.stages.parameters(), strict=True)
    assert all(torch.equal(a, b) for a, b in body)
    assert torch.equal(model.mean, own.mean)


@pytest.mark.parametrize(
    ("pretrained", "message"),
    [
        ("nowhere/at/all.safetensors", "weights nowhere/at/all.safetensors do not exist"),
        ("model.pth", "is neither a .safetensors nor a folder with model.safetensors"),
        ("other.safetensors", "are not of network timm/test_efficientnet: they lack"),
        ("damaged.safetensors", "cannot be read"),
    ],
)
def test_other_weights_are_one_line(images, tmp_path, monkeypatch, pretrained, message):
    monkeypatch.chdir(tmp_path)
    Path("model.pth").write_bytes(b"a pickle")
    Path("damaged.safetensors").write_bytes(b"nothing")
    save_file(build_network("timm/test_resnet", 3, SIDE).model.state_dict(), "other.safetensors")
    with pytest.raises(UserError, match=message) as error:
        start_network(replace(SMALL, pretrained=pretrained), 3, images, 0, CPU)
    assert "\n" not in str(error.value)


def test_the_head_alone_is_trained_and_the_body_keeps_its_statistics(study, images, tmp_path):
    path = of_1000_classes(tmp_path / "model.safetensors")
    recipe = replace(SMALL, pretrained=str(path), train="head", steps=4, lr=0.02)
    run = study.train("ce", recipe)
    before = start_network(recipe, 3, images, 0, CPU).state_dict()
    changed = {name for name, value in run.trained.network.state_dict().items() if not torch.equal(value, before[name])}
    assert changed == {"network.model.classifier.weight", "network.model.classifier.bias"}


def test_the_body_learns_at_its_own_rate(images):
    recipe = replace(RECIPE, body_lr=0.1, weight_decay=0.0, momentum=0.0)
    network = start_network(recipe, 3, images, 0, CPU)
    before = {name: weight.detach().clone() for name, weight in network.named_parameters()}
    for weight in network.parameters():
        weight.grad = torch.ones_like(weight)
    optimizer_of(recipe, network).step(0.5)
    for name, weight in network.named_parameters():
        step = 0.5 if name.startswith("network.head") else 0.05
        torch.testing.assert_close(before[name] - weight.detach(), torch.full_like(weight, step))
