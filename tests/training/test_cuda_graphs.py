"""A CUDA graph of a step gives the same bits as the eager step. Most of these tests need a GPU."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from tiny_study import RECIPE

from distillery.config.defaults import arm_defaults
from distillery.distillation.methods.published_recipe import optimizer_without_momentum
from distillery.distillation.methods.registry import METHODS, arm_of
from distillery.distillation.objective import objective_of, prepare_teacher
from distillery.models.architectures import build_network
from distillery.training import loop as training
from distillery.training.checkpoints import Checkpoint
from distillery.training.cuda_graphs import step_runner
from distillery.training.data.dataset import ImageDataset, as_channels_last
from distillery.training.loop import optimizer_of, start_network, train
from distillery.training.optimizers.adam import Adam
from distillery.training.optimizers.sgd import SGD
from distillery.training.rng import initialization

gpu = pytest.mark.skipif(not torch.cuda.is_available(), reason="no GPU")
CPU = torch.device("cpu")
# a row of history every 13 steps
MIXED = replace(RECIPE, steps=260, mixup=0.4, checkpoint_every=0)


def test_on_a_cpu_the_step_itself_is_returned():
    def function(step):
        return None

    assert step_runner(function, CPU) is function


def fit(method, recipe, checkpoint=None, teacher="resnet8"):
    """Train on noise, with a teacher of the given network if the method uses one; returns weights and history."""
    rng = np.random.default_rng(0)
    empty = np.empty(0)
    pixels = as_channels_last(rng.integers(0, 256, (60, 16, 16, 3), np.uint8))
    images = ImageDataset(pixels, torch.from_numpy(rng.integers(0, 5, 60)), empty, empty, empty)
    device, arm = torch.device("cuda"), arm_of(arm_defaults(method))
    network = start_network(recipe, 5, images, 0, device)
    teacher = None
    if arm.uses_teacher:
        teacher = prepare_teacher(
            start_network(replace(recipe, network=teacher), 5, images, 1, device).requires_grad_(False).eval(),
            arm,
            device,
        )
    if "optimizer" in arm.faults:
        optimizer = optimizer_without_momentum(network, teacher, arm.trains_teacher)
    else:
        optimizer = optimizer_of(recipe, network)
    objective = objective_of(arm, teacher, lambda logits: logits)
    history = train(network, images, recipe, objective, optimizer, seed=0, classes=5, checkpoint=checkpoint)
    return network.state_dict(), history


@pytest.fixture
def deterministic(monkeypatch):
    monkeypatch.setenv("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
    torch.use_deterministic_algorithms(True)
    yield
    torch.use_deterministic_algorithms(False)


# attention maps of 16, 8 and 4 pixels, averaged down to the 7, 3 and 1 of a ConvNet, and the reverse
PAIRS = [("attention_transfer", "resnet8_half", "convnet_s"), ("attention_transfer", "convnet_s", "resnet8")]


@gpu
@pytest.mark.parametrize(
    ("method", "network", "teacher"), [*((method, RECIPE.network, "resnet8") for method in METHODS), *PAIRS]
)
def test_recorded_steps_give_the_same_bits_as_eager_ones(method, network, teacher, monkeypatch, deterministic):
    recipe = replace(MIXED, mixup=0.0) if "optimizer" in METHODS[method].faults else replace(MIXED, ema=0.9)
    recipe = replace(recipe, network=network)
    recorded, history = fit(method, recipe, teacher=teacher)
    monkeypatch.setattr(training, "step_runner", lambda step, device: step)
    eager, eager_history = fit(method, recipe, teacher=teacher)
    assert history == eager_history
    assert all(torch.equal(recorded[name], eager[name]) for name in eager)


@gpu
@pytest.mark.parametrize("changes", [{}, {"ema": 0.9}, {"optimizer": "muon", "lr": 0.24, "network": "convnet_s"}])
def test_a_resumed_training_ends_with_the_same_bits(tmp_path, changes, deterministic, monkeypatch):
    monkeypatch.setattr(Checkpoint, "finish", lambda *_: None)  # as if killed after its last checkpoint
    recipe = replace(MIXED, checkpoint_every=43, **changes)
    checkpoint = Checkpoint(tmp_path / "checkpoint.pt", "d", every=43)
    whole, history = fit("kd", recipe, checkpoint)
    assert checkpoint.path.exists()  # written at step 258
    resumed, resumed_history = fit("kd", recipe, checkpoint)
    assert history == resumed_history and all(torch.equal(whole[name], resumed[name]) for name in whole)


@gpu
@pytest.mark.parametrize("make", [lambda w: SGD(w[:3], w[3:], 0.9, 0.01), lambda w: SGD(w, [], 0.0, 0.0), Adam])
def test_fused_optimizers_equal_the_cpu_ones_also_with_the_learning_rate_on_the_device(make):
    def descend(device, as_rate):
        weights = [weight.to(device).detach().requires_grad_() for weight in parameters()]
        optimizer = make(weights)
        for number in range(20):
            sum((weight**4).sum() + weight.sin().sum() for weight in weights).backward()
            optimizer.step(as_rate(0.02 / (1 + number)))
        return [weight.detach().cpu() for weight in weights]

    plain = descend("cpu", float)
    for as_rate in (float, lambda lr: torch.tensor(lr, device="cuda")):
        torch.testing.assert_close(descend("cuda", as_rate), plain, rtol=1e-5, atol=1e-6)


def parameters():
    with initialization(0):
        return list(build_network("resnet8_half", 3).parameters())
