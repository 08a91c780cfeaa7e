"""Recorded steps against steps run one kernel at a time: the same bits. They need a GPU."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from tiny_study import RECIPE

from distillery.config.defaults import arm_defaults
from distillery.learning import training
from distillery.learning.arms import METHODS, arm_of
from distillery.learning.checkpoints import Checkpoint
from distillery.learning.data import Pictures, as_channels_last
from distillery.learning.graphs import ASKED, STEPS, aside, block_length, repeated, split_steps
from distillery.learning.networks import build_network
from distillery.learning.optimisation import SGD, Adam
from distillery.learning.published import kd_optimiser, scratch_optimiser
from distillery.learning.seeds import initialisation
from distillery.learning.student import objective_of, ready, teacher_of
from distillery.learning.training import optimiser_of, start_network, train

gpu = pytest.mark.skipif(not torch.cuda.is_available(), reason="no GPU")
CPU = torch.device("cpu")
# a row of history every 13 steps: blocks of 10, in which a teacher is asked twice, and of 3
MIXED = replace(RECIPE, steps=260, mixup=0.4, checkpoint_every=0)


def test_on_a_processor_nothing_is_recorded():
    def function(step):
        return None

    assert repeated(function, CPU) is function


def test_what_is_put_aside_is_done_and_given():
    calls = []
    waits = aside([lambda: calls.append(1) or 7, lambda: calls.append(2) or 8], CPU)
    assert calls == [1, 2] and [wait() for wait in waits] == [7, 8] and calls == [1, 2]


@pytest.mark.parametrize("steps", [1, ASKED, 2 * ASKED + 1])
def test_each_step_is_told_of_its_own_views(steps):
    asked = []

    def ask(views, batch):
        asked.append(len(views))
        return [part.mean() for part in views.split(batch)]

    views = torch.arange(steps, dtype=torch.float32).repeat_interleave(4)
    assert [wait().item() for wait in training._asked(ask, views, 4)] == list(range(steps))
    assert sum(asked) == 4 * steps and max(asked) <= 4 * ASKED
    assert [wait() for wait in training._asked(None, views, 4)] == [None] * steps


@given(
    steps=st.integers(1, 300), length=st.integers(1, 12), data=st.data(),
)  # fmt: skip
def test_blocks_go_through_all_steps_and_end_where_they_must(steps, length, data):
    first = data.draw(st.integers(0, steps))
    ends = sorted({*data.draw(st.lists(st.integers(1, steps), max_size=8)), steps})
    blocks = split_steps(first, ends, length)
    assert [step for block in blocks for step in block] == list(range(first, steps))
    assert all(1 <= len(block) <= length for block in blocks)
    assert {end for end in ends if end > first} <= {block.stop for block in blocks}
    # a training that goes on from a block's end has the same blocks
    for block in blocks[::3]:
        assert split_steps(block.stop, ends, length) == [other for other in blocks if other.start >= block.stop]


def test_on_a_processor_a_block_is_a_step_and_on_a_gpu_views_of_a_bounded_size():
    gpu = torch.device("cuda")
    assert block_length(1, CPU) == 1
    assert block_length(128 * 3 * 32**2, gpu) == STEPS
    assert 1 < block_length(256 * 3 * 96**2, gpu) < STEPS
    assert block_length(10**9, gpu) == 1


def fit(method, recipe, checkpoint=None, teacher="resnet8"):
    """Train on noise, where the method is taught by a network of this name; returns the network and its history."""
    chance = np.random.default_rng(0)
    empty = np.empty(0)
    pixels = as_channels_last(chance.integers(0, 256, (60, 16, 16, 3), np.uint8))
    pictures = Pictures(pixels, torch.from_numpy(chance.integers(0, 5, 60)), empty, empty, empty)
    device, arm = torch.device("cuda"), arm_of(arm_defaults(method))
    network = start_network(recipe.network, 5, pictures, 0, device)
    taught_by = None
    if arm.taught:
        taught_by = ready(start_network(teacher, 5, pictures, 1, device).requires_grad_(False).eval(), arm, device)
    if arm.published:
        optimiser = kd_optimiser(network, taught_by) if taught_by else scratch_optimiser(network)
    else:
        optimiser = optimiser_of(recipe, network)
    objective, ask = (make(arm, taught_by, lambda logits: logits) for make in (objective_of, teacher_of))
    history = train(network, pictures, recipe, objective, optimiser, ask=ask, seed=0, classes=5, checkpoint=checkpoint)
    return network.state_dict(), history


@pytest.fixture
def deterministic(monkeypatch):
    monkeypatch.setenv("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
    torch.use_deterministic_algorithms(True)
    yield
    torch.use_deterministic_algorithms(False)


# attention maps of 16, 8 and 4 pixels, averaged down to a ConvNet's 7, 3 and 1; and the other way round
PAIRS = [("attention_transfer", "resnet8_half", "convnet_s"), ("attention_transfer", "convnet_s", "resnet8")]


@gpu
@pytest.mark.parametrize(
    ("method", "network", "teacher"), [*((method, RECIPE.network, "resnet8") for method in METHODS), *PAIRS]
)
def test_recorded_steps_are_those_run_one_kernel_at_a_time(method, network, teacher, monkeypatch, deterministic):
    recipe = replace(MIXED, mixup=0.0) if METHODS[method].published else replace(MIXED, ema=0.9)
    recipe = replace(recipe, network=network)
    recorded, history = fit(method, recipe, teacher=teacher)
    monkeypatch.setattr(training, "repeated", lambda function, device: function)
    plain, plain_history = fit(method, recipe, teacher=teacher)
    assert history == plain_history
    assert all(torch.equal(recorded[name], plain[name]) for name in plain)


@gpu
@pytest.mark.parametrize("method", ["kd", "attention_transfer"])
def test_a_teacher_asked_beside_the_student_says_what_it_says_before(method, monkeypatch, deterministic):
    beside, history = fit(method, MIXED)
    monkeypatch.setattr(training, "aside", lambda functions, device: aside(functions, CPU))
    before, before_history = fit(method, MIXED)
    assert history == before_history
    assert all(torch.equal(beside[name], before[name]) for name in before)


@gpu
@pytest.mark.parametrize("changes", [{}, {"ema": 0.9}, {"optimizer": "muon", "lr": 0.24, "network": "convnet_s"}])
def test_a_training_that_goes_on_ends_with_the_same_bits(tmp_path, changes, deterministic, monkeypatch):
    monkeypatch.setattr(Checkpoint, "finish", lambda *_: None)  # as if killed after its last checkpoint
    recipe = replace(MIXED, checkpoint_every=43, **changes)
    checkpoint = Checkpoint(tmp_path / "checkpoint.pt", "d", every=43)
    whole, history = fit("kd", recipe, checkpoint)
    assert checkpoint.path.exists()  # of step 218, a block's end
    resumed, resumed_history = fit("kd", recipe, checkpoint)
    assert history == resumed_history and all(torch.equal(whole[name], resumed[name]) for name in whole)


@gpu
@pytest.mark.parametrize("make", [lambda w: SGD(w[:3], w[3:], 0.9, 0.01), lambda w: SGD(w, [], 0.0, 0.0), Adam])
def test_fused_optimisers_are_the_plain_ones_also_with_a_rate_on_the_device(make):
    def descend(device, as_rate):
        weights = [weight.to(device).detach().requires_grad_() for weight in parameters()]
        optimiser = make(weights)
        for number in range(20):
            sum((weight**4).sum() + weight.sin().sum() for weight in weights).backward()
            optimiser.step(as_rate(0.02 / (1 + number)))
        return [weight.detach().cpu() for weight in weights]

    plain = descend("cpu", float)
    for as_rate in (float, lambda lr: torch.tensor(lr, device="cuda")):
        torch.testing.assert_close(descend("cuda", as_rate), plain, rtol=1e-5, atol=1e-6)


def parameters():
    with initialisation(0):
        return list(build_network("resnet8_half", 3).parameters())
