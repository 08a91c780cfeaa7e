"""Each loss against its formula in float64, and at its limits."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy.special import log_softmax, softmax

from distillery.learning.losses import cross_entropy, distillation, kd_loss

logits = arrays(np.float64, (4, 10), elements=st.floats(-20, 20, width=32))
labels = arrays(np.int64, 4, elements=st.integers(0, 9))
temperatures = st.floats(0.5, 20)


def kd_formula(student, teacher, temperature):
    p = softmax(teacher / temperature, axis=1)
    gap = log_softmax(teacher / temperature, axis=1) - log_softmax(student / temperature, axis=1)
    return temperature**2 * np.mean(np.sum(p * gap, axis=1))


def ce_formula(student, labels):
    return -np.mean(log_softmax(student, axis=1)[np.arange(len(labels)), labels])


def tensor(array):
    return torch.as_tensor(array, dtype=torch.float32 if array.dtype.kind == "f" else torch.int64)


@given(logits, logits, temperatures)
def test_kd_is_its_formula(student, teacher, temperature):
    expected = kd_formula(student, teacher, temperature)
    assert kd_loss(tensor(student), tensor(teacher), temperature).item() == pytest.approx(expected, rel=1e-3, abs=1e-3)


@given(logits, labels)
def test_cross_entropy_is_its_formula(student, labels):
    expected = ce_formula(student, labels)
    assert cross_entropy(tensor(student), tensor(labels)).item() == pytest.approx(expected, rel=1e-4, abs=1e-5)


@given(logits, logits, labels, st.floats(0, 1), temperatures)
def test_distillation_mixes_both_by_alpha(student, teacher, labels, alpha, temperature):
    expected = (1 - alpha) * ce_formula(student, labels) + alpha * kd_formula(student, teacher, temperature)
    result = distillation(tensor(student), tensor(teacher), tensor(labels), alpha, temperature)
    assert result.item() == pytest.approx(expected, rel=1e-3, abs=1e-3)


@given(logits, temperatures, st.floats(-50, 50))
def test_kd_is_zero_for_the_same_probabilities(student, temperature, shift):
    assert kd_loss(tensor(student + shift), tensor(student), temperature).item() == pytest.approx(0, abs=1e-3)


def test_the_gradient_keeps_its_size_as_the_temperature_grows_and_never_reaches_the_teacher():
    generator = torch.Generator().manual_seed(0)
    teacher = torch.randn(64, 10, generator=generator, requires_grad=True)
    start = torch.randn(64, 10, generator=generator)
    norms = []
    for temperature in (20.0, 80.0):
        student = start.clone().requires_grad_()
        kd_loss(student, teacher, temperature).backward()
        norms.append(student.grad.norm().item())
    assert norms[0] == pytest.approx(norms[1], rel=0.1)
    assert teacher.grad is None


def test_bfloat16_logits_are_worked_on_in_float32():
    student, teacher = torch.randn(8, 10, generator=torch.Generator().manual_seed(1)).bfloat16(), torch.zeros(8, 10)
    assert kd_loss(student, teacher.bfloat16(), 4.0).dtype == torch.float32
    assert cross_entropy(student, torch.zeros(8, dtype=torch.int64)).dtype == torch.float32
