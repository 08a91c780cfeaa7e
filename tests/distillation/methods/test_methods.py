"""The loss of each arm is the sum that its authors define, and its settings are those of the configuration."""

from dataclasses import asdict

import pytest
import torch
from tiny_study import CLASSES

from distillery.config.defaults import arm_defaults
from distillery.config.models.arms import ARMS
from distillery.distillation.methods.arm import ModelOutput
from distillery.distillation.methods.losses import (
    attention_loss,
    cross_entropy,
    dist_loss,
    dkd_loss,
    hint_loss,
    kd_loss,
    standardized,
)
from distillery.distillation.methods.registry import METHODS, arm_of
from distillery.jobs import UserError
from distillery.training.loop import Batch

generator = torch.Generator().manual_seed(0)
S, T = torch.randn(2, 4, 3, generator=generator) * 2
FEATURES = [torch.randn(2, 4, 8, 5, 5, generator=generator).unbind(0)[i] for i in range(2)]
LABELS = torch.tensor([0, 1, 2, 0])
CE = cross_entropy(S, LABELS)


def loss_of(method, time=1.0, targets=LABELS, **settings):
    arm = arm_of(arm_defaults(method) | settings)
    student, teacher = ModelOutput(S, FEATURES[:1]), ModelOutput(T, FEATURES[1:])
    return arm.loss(student, teacher if arm.uses_teacher else None, Batch(torch.empty(0), targets, time))


EXPECTED = {
    "ce": CE,
    "label_smoothing": cross_entropy(S, LABELS, 0.1),
    "kd": 0.1 * CE + 0.9 * kd_loss(S, T, 4.0),
    "dkd": CE + dkd_loss(S, T, LABELS, 1.0, 8.0, 4.0),
    "dist": CE + dist_loss(S, T, 2.0, 2.0, 4.0),
    "kd_standardized": 0.1 * CE + 9.0 * kd_loss(standardized(S), standardized(T), 2.0),
    "attention_transfer": CE + 1000 * attention_loss(FEATURES[:1], FEATURES[1:]),
    "fitnet": CE + 100 * hint_loss(FEATURES[0], FEATURES[1]),
    "hard_teacher": 0.1 * CE + 0.9 * cross_entropy(S, T.argmax(1)),
    "uniform_teacher": 0.1 * CE + 0.9 * kd_loss(S, torch.zeros(4, 3), 4.0),
    "ce_with_faults": cross_entropy(S.softmax(1), LABELS),
    "kd_with_faults": 0.1 * cross_entropy(S.softmax(1), LABELS) + 0.9 * kd_loss(S.softmax(1), T.softmax(1), 4.0),
    "published_ce": CE,
}


# the loss of published_kd is tested in test_published_recipe.py
@pytest.mark.parametrize("method", sorted(METHODS.keys() - {"published_kd"}))
def test_a_loss_is_the_sum_its_authors_give(method):
    torch.testing.assert_close(loss_of(method), EXPECTED[method])


def test_the_distillation_term_of_dkd_grows_over_the_warm_up():
    at_start, halfway, after = (loss_of("dkd", time, warmup=0.1) for time in (0.0, 0.05, 0.1))
    torch.testing.assert_close(at_start, CE)
    torch.testing.assert_close(halfway - CE, (after - CE) / 2)
    torch.testing.assert_close(loss_of("dkd", 0.0, warmup=0), EXPECTED["dkd"])


@pytest.mark.parametrize("method", ["kd", "hard_teacher", "uniform_teacher"])
def test_with_alpha_0_only_the_labels_count(method):
    torch.testing.assert_close(loss_of(method, alpha=0.0), CE)


@pytest.mark.parametrize("method", METHODS)
def test_mixed_targets_give_a_finite_loss(method):
    mixture = torch.tensor([[0.7, 0.3, 0.0], [0.0, 1.0, 0.0], [0.1, 0.0, 0.9], [0.5, 0.25, 0.25]])
    assert torch.isfinite(loss_of(method, targets=mixture))


@pytest.mark.parametrize("method", METHODS)
def test_settings_are_those_of_the_configuration(method):
    settings = {name for name in ARMS[method].model_fields if name not in ("method", "tune")}
    defaults = arm_defaults(method)
    found = {key: list(value) if isinstance(value, tuple) else value for key, value in asdict(arm_of(defaults)).items()}
    assert {"method": method} | found == defaults and settings == set(defaults) - {"method"}


def test_a_setting_that_is_missing_is_named():
    with pytest.raises(UserError, match="arm: kd needs temperature") as error:
        arm_of({"method": "kd", "alpha": 0.9})
    assert "\n" not in str(error.value)


def test_methods_are_those_of_the_configuration():
    assert set(ARMS) == set(METHODS)
    assert [name for name, arm in METHODS.items() if arm.uses_teacher != ARMS[name].uses_teacher] == []
    assert len(CLASSES) == S.shape[1]
