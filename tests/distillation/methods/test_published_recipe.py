"""Each fault of the published recipe alone, and all together; the other arms have none."""

from dataclasses import asdict, replace
from math import e, exp, log
from typing import get_args

import numpy as np
import pytest
import torch
from scipy.special import log_softmax, softmax
from tiny_study import RECIPE
from torch import nn

from distillery.config.choices import Fault, ScratchFault
from distillery.distillation import student
from distillery.distillation.methods import published_recipe as published
from distillery.training.loop import Batch
from distillery.training.optimizers.adam import Adam
from distillery.training.optimizers.sgd import SGD
from distillery.training.run_files import HistoryRow


@pytest.fixture
def caught(study, monkeypatch):
    """The arguments that a run of a method passes to the training loop, which is replaced."""

    def catch(method, **settings):
        calls = {}

        def train(network, images, recipe, objective, optimizer, **rest):
            calls.update(network=network, images=images, recipe=recipe, optimizer=optimizer, **rest)
            calls["objective"] = objective
            return [HistoryRow(1, 0.0, 0.0, None)]

        monkeypatch.setattr(student, "train", train)
        study.train(method, **settings)
        return calls

    return catch


@pytest.mark.parametrize(("method", "images", "lr"), [("published_ce", 30, 0.01), ("published_kd", 24, 0.001)])
def test_seven_epochs_of_batches_of_32_at_a_constant_rate_without_augmentation(caught, method, images, lr):
    calls = caught(method, recipe=replace(RECIPE, mixup=1.0, ema=0.9))
    recipe = calls["recipe"]
    assert len(calls["images"]) == images
    assert (recipe.steps, recipe.batch) == (-(-7 * images // 32), 32)
    assert (recipe.lr, recipe.schedule, recipe.warmup) == (lr, "constant", 0)
    assert (recipe.crop, recipe.flip, recipe.mixup, recipe.ema) == (0, False, 0, 0)
    assert recipe.network == RECIPE.network


@pytest.mark.parametrize("method", ["published_ce", "published_kd"])
def test_the_published_arms_use_only_the_network_of_the_studys_recipe(study, method):
    changes = EVERY_KEY | {"flip": False}
    assert {*changes, "network", "pretrained", "image_size", "checkpoint_every"} == set(
        asdict(RECIPE)
    )  # a new key must be added here
    assert not changes.items() & asdict(RECIPE).items()
    plain, changed = study.train(method), study.train(method, replace(RECIPE, **changes))
    assert np.array_equal(plain.logits, changed.logits)
    assert plain.metrics == changed.metrics and plain.history == changed.history


EVERY_KEY = {"steps": 9, "batch": 8, "lr": 0.7, "optimizer": "muon", "momentum": 0.5, "weight_decay": 0.1,
             "schedule": "triangular", "warmup": 0.5, "crop": 1, "flip": True, "cutout": 8, "mixup": 1.0, "ema": 0.9,
             "train": "head", "body_lr": 0.5, "view": "resized_crop", "area": 0.5, "jitter": 0.3}  # fmt: skip


@pytest.mark.parametrize(
    ("fault", "changed"),
    [
        ("budget", {"steps", "batch"}),
        ("optimizer", {"train", "body_lr", "lr", "optimizer", "momentum", "weight_decay", "schedule", "warmup", "ema"}),
        ("no_augmentation", {"view", "area", "jitter", "crop", "flip", "cutout", "mixup"}),
        ("double_softmax", set()),
        ("trained_teacher", set()),
        ("class_ordered", set()),
    ],
)
def test_a_fault_alone_changes_its_own_keys(fault, changed):
    recipe = replace(RECIPE, **EVERY_KEY)
    found = asdict(published.faulty_recipe(recipe, (fault,), 100, True))
    assert {key for key, value in found.items() if value != asdict(recipe)[key]} == changed


def test_faults_are_those_of_the_configuration():
    """Trainings have a separate list of faults, because a change of the configuration's models must retrain nothing."""
    assert published.FAULTS == get_args(Fault) and set(published.SCRATCH_FAULTS) <= set(get_args(ScratchFault))


def test_a_fault_alone_leaves_everything_else_to_the_studys_recipe(caught):
    calls = caught("kd_with_faults", alpha=0.9, temperature=4.0, faults=("class_ordered",))
    assert len(calls["images"]) == 24 and calls["recipe"] == RECIPE and isinstance(calls["optimizer"], SGD)
    calls = caught("kd_with_faults", alpha=0.9, temperature=4.0, faults=("optimizer",))
    own = {id(weight) for weight in calls["network"].parameters()}
    assert isinstance(calls["optimizer"], Adam) and {id(weight) for weight in calls["optimizer"].weights} == own
    assert (calls["recipe"].lr, calls["recipe"].steps, len(calls["images"])) == (1e-3, RECIPE.steps, 30)


def test_a_trained_teacher_gets_the_studys_own_optimizer(caught):
    calls = caught("kd_with_faults", alpha=0.9, temperature=4.0, faults=("trained_teacher",))
    assert isinstance(calls["optimizer"], SGD) and calls["optimizer"].momentum == RECIPE.momentum
    own = sum(1 for _ in calls["network"].parameters())
    assert len(calls["optimizer"].weights) == 2 * own  # the teacher has the same architecture here


def test_all_faults_together_are_the_published_recipe(study):
    together = study.train("kd_with_faults", alpha=0.8, temperature=1.0, faults=published.FAULTS)
    assert np.allclose(together.logits, study.train("published_kd").logits, atol=1e-4)
    scratch = study.train("ce_with_faults", faults=published.SCRATCH_FAULTS)
    assert np.array_equal(scratch.logits, study.train("published_ce").logits)


def test_scratch_is_sgd_without_momentum_or_decay(caught):
    optimizer = caught("published_ce")["optimizer"]
    assert isinstance(optimizer, SGD) and optimizer.momentum == 0 and optimizer.weight_decay == 0


def test_kd_uses_adam_and_trains_the_teacher_too(caught):
    calls = caught("published_kd", recipe=replace(RECIPE, checkpoint_every=3))
    optimizer, network = calls["optimizer"], calls["network"]
    assert isinstance(optimizer, Adam)
    own = {id(weight) for weight in network.parameters()}
    others = [weight for weight in optimizer.weights if id(weight) not in own]
    assert len(others) == len(own)  # the teacher's: it has the same architecture here
    assert calls["checkpoint"].every == 0  # a checkpoint would have to contain the teacher
    before = [weight.detach().clone() for weight in others]
    batch = Batch(torch.rand(8, 3, 16, 16), torch.zeros(8, dtype=torch.int64), 0.0)
    calls["objective"](network.train(), batch).backward()
    optimizer.step(1e-3)
    assert all(not torch.equal(was, weight) for was, weight in zip(before, others, strict=True))


def test_batch_norm_of_an_unfrozen_teacher_updates_its_statistics():
    norm = nn.Sequential(nn.BatchNorm2d(3)).eval().requires_grad_(False)
    published.unfreeze(norm)
    norm(torch.ones(2, 3, 4, 4))
    assert norm[0].running_mean.tolist() == pytest.approx([0.1] * 3) and norm[0].weight.requires_grad


def test_kd_trains_on_the_first_80_percent_of_images_sorted_by_class(study):
    train = study.dataset()
    shuffled = train.take(np.random.default_rng(0).permutation(30))
    first = published.first_of_class_order(shuffled)
    assert first.labels.tolist() == [0] * 10 + [1] * 10 + [2] * 4


def test_softmax_is_applied_twice_with_weights_of_02_and_08():
    generator = torch.Generator().manual_seed(0)
    student_logits, teacher_logits = (torch.randn(6, 4, generator=generator) * 5 for _ in range(2))
    labels = torch.tensor([0, 1, 2, 3, 0, 1])
    p, q = (softmax(logits.double().numpy(), axis=1) for logits in (student_logits, teacher_logits))
    hard = -np.mean(log_softmax(p, axis=1)[np.arange(6), labels])
    gap = log_softmax(q, axis=1) - log_softmax(p, axis=1)
    soft = np.mean(np.sum(softmax(q, axis=1) * gap, axis=1))
    found = published.double_softmax_loss(student_logits, teacher_logits, labels).item()
    assert found == pytest.approx(0.2 * hard + 0.8 * soft, rel=1e-5)


def test_a_certain_and_correct_student_keeps_most_of_the_double_softmax_loss():
    certain = torch.eye(10) * 100
    labels = torch.arange(10)
    found = published.double_softmax_loss(certain, certain, labels).item() / published.LABEL_WEIGHT
    assert found == pytest.approx(log(1 + 9 / e), rel=1e-5)
    assert exp(-found) < 0.25


@pytest.mark.parametrize("method", ["ce", "kd"])
def test_our_own_arms_have_none_of_the_faults(caught, method):
    recipe = replace(RECIPE, checkpoint_every=3)
    calls = caught(method, recipe=recipe)
    assert calls["recipe"] == recipe and len(calls["images"]) == 30
    assert isinstance(calls["optimizer"], SGD) and calls["optimizer"].momentum == RECIPE.momentum
    assert {id(w) for w in calls["optimizer"].weights} == {id(w) for w in calls["network"].parameters()}
    assert calls["checkpoint"].every == 3
