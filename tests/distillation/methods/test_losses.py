"""Each loss against its formula in float64, and at its limits."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy.special import log_softmax, softmax

from distillery.distillation.methods.losses import (
    _averaged,
    attention_loss,
    cross_entropy,
    dist_loss,
    dkd_loss,
    hint_loss,
    kd_loss,
    standardized,
)

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
def test_kd_equals_its_formula(student, teacher, temperature):
    expected = kd_formula(student, teacher, temperature)
    assert kd_loss(tensor(student), tensor(teacher), temperature).item() == pytest.approx(expected, rel=1e-3, abs=1e-3)


@given(logits, labels)
def test_cross_entropy_equals_its_formula(student, labels):
    expected = ce_formula(student, labels)
    assert cross_entropy(tensor(student), tensor(labels)).item() == pytest.approx(expected, rel=1e-4, abs=1e-5)


@given(logits, labels, st.floats(0, 1))
def test_smoothing_distributes_its_fraction_over_all_classes(student, labels, smoothing):
    expected = (1 - smoothing) * ce_formula(student, labels) - smoothing * np.mean(log_softmax(student, axis=1))
    found = cross_entropy(tensor(student), tensor(labels), smoothing).item()
    assert found == pytest.approx(expected, rel=1e-4, abs=1e-5)


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


def test_losses_of_bfloat16_logits_are_computed_in_float32():
    student, teacher = torch.randn(8, 10, generator=torch.Generator().manual_seed(1)).bfloat16(), torch.zeros(8, 10)
    assert kd_loss(student, teacher.bfloat16(), 4.0).dtype == torch.float32
    assert cross_entropy(student, torch.zeros(8, dtype=torch.int64)).dtype == torch.float32


# --- decoupled --------------------------------------------------------------------------------------------------------


def dkd_formula(student, teacher, labels, alpha, beta, temperature):
    total = 0.0
    for s, t, label in zip(student / temperature, teacher / temperature, labels, strict=True):
        p, q = softmax(t), softmax(s)
        others = np.arange(len(p)) != label
        binary_p, binary_q = (np.array([x[label], x[others].sum()]) for x in (p, q))
        tckd = np.sum(binary_p * np.log(binary_p / binary_q))
        p, q = p[others] / p[others].sum(), q[others] / q[others].sum()
        total += alpha * tckd + beta * np.sum(p * np.log(p / q))
    return temperature**2 * total / len(labels)


mild = arrays(np.float64, (4, 10), elements=st.floats(-8, 8, width=32))


@given(mild, mild, labels, st.floats(0, 4), st.floats(0, 10), st.floats(1, 10))
def test_dkd_equals_its_formula(student, teacher, labels, alpha, beta, temperature):
    expected = dkd_formula(student, teacher, labels, alpha, beta, temperature)
    found = dkd_loss(tensor(student), tensor(teacher), tensor(labels), alpha, beta, temperature).item()
    assert found == pytest.approx(expected, rel=2e-3, abs=2e-3)


def test_dkd_with_the_weights_of_kd_equals_kd():
    generator = torch.Generator().manual_seed(0)
    for _ in range(5):
        student, teacher = torch.randn(2, 1, 6, generator=generator) * 3
        label = torch.tensor([2])
        rest = 1 - torch.softmax(teacher / 4, dim=1)[0, 2].item()
        coupled = dkd_loss(student, teacher, label, 1.0, rest, 4.0)
        torch.testing.assert_close(coupled, kd_loss(student, teacher, 4.0))


def test_dkd_takes_the_most_likely_class_of_a_mixture_as_the_label():
    student, teacher = torch.randn(2, 2, 3, generator=torch.Generator().manual_seed(1))
    mixture = torch.tensor([[0.3, 0.7, 0.0], [0.6, 0.0, 0.4]])
    hard = dkd_loss(student, teacher, torch.tensor([1, 0]), 1.0, 8.0, 4.0)
    assert torch.equal(dkd_loss(student, teacher, mixture, 1.0, 8.0, 4.0), hard)


# --- relations --------------------------------------------------------------------------------------------------------


def dist_formula(student, teacher, beta, gamma, temperature):
    ours, theirs = softmax(student / temperature, axis=1), softmax(teacher / temperature, axis=1)
    inter = np.mean([1 - np.corrcoef(a, b)[0, 1] for a, b in zip(ours, theirs, strict=True)])
    intra = np.mean([1 - np.corrcoef(a, b)[0, 1] for a, b in zip(ours.T, theirs.T, strict=True)])
    return temperature**2 * (beta * inter + gamma * intra)


@given(st.integers(0, 2**31), st.floats(0, 3), st.floats(0, 3), st.floats(1, 8))
def test_dist_equals_its_formula(seed, beta, gamma, temperature):
    student, teacher = np.random.default_rng(seed).normal(size=(2, 6, 5)) * 2
    found = dist_loss(tensor(student), tensor(teacher), beta, gamma, temperature).item()
    assert found == pytest.approx(dist_formula(student, teacher, beta, gamma, temperature), rel=1e-3, abs=1e-3)


def test_standardized_logits_have_mean_0_and_deviation_1_for_any_shift_and_scale():
    logits = torch.randn(5, 10, generator=torch.Generator().manual_seed(2))
    found = standardized(logits)
    torch.testing.assert_close(found.mean(1), torch.zeros(5), atol=1e-6, rtol=0)
    torch.testing.assert_close(found.std(1), torch.ones(5))
    torch.testing.assert_close(standardized(7 * logits - 3), found, atol=1e-5, rtol=1e-4)


# --- attention --------------------------------------------------------------------------------------------------------


def test_attention_equals_its_formula():
    generator = torch.Generator().manual_seed(3)
    student, teacher = torch.randn(2, 3, 4, 6, 6, generator=generator)

    def attention(features):
        maps = (features.double().numpy() ** 2).mean(axis=1).reshape(3, -1)
        return maps / np.linalg.norm(maps, axis=1, keepdims=True)

    expected = np.mean((attention(student) - attention(teacher)) ** 2)
    assert attention_loss([student], [teacher]).item() == pytest.approx(expected, rel=1e-5)


def stages(*sides, seed=4):
    generator = torch.Generator().manual_seed(seed)
    return [torch.randn(2, 8, side, side, generator=generator) for side in sides]


def test_attention_pairs_stages_of_equal_size_whatever_their_number():
    student, teacher = stages(32, 16, 8), stages(32, 16, 8, 4, seed=5)  # a ResNet-8x4 and a ResNet-18
    expected = sum(attention_loss([a], [b]) for a, b in zip(student, teacher, strict=False))
    torch.testing.assert_close(attention_loss(student, teacher), expected)


def test_attention_averages_the_larger_of_almost_equal_stages_down():
    (large,), (small,) = stages(4), stages(3, seed=5)
    pooled = torch.nn.functional.adaptive_avg_pool2d(large, 3)
    torch.testing.assert_close(attention_loss([large], [small]), attention_loss([pooled], [small]))


def test_hint_is_the_mean_squared_difference_at_the_smaller_size():
    (large,), (small,) = stages(4), stages(2, seed=5)
    expected = ((large.double().unflatten(2, (2, 2)).unflatten(4, (2, 2)).mean(dim=(3, 5)) - small) ** 2).mean().item()
    assert hint_loss(large, small).item() == pytest.approx(expected, rel=1e-5)
    assert hint_loss(small, large).item() == pytest.approx(expected, rel=1e-5)


def with_gradient(average, features, weights):
    """An average, and the gradient of its weighted sum."""
    features = features.clone().requires_grad_()
    averaged = average(features)
    (averaged * weights).sum().backward()
    return averaged.detach(), features.grad


@given(st.tuples(*[st.integers(1, 20)] * 4), st.booleans())
def test_averages_of_maps_of_any_size_equal_adaptive_pooling(sides, channels_last):
    (height, h), (width, w) = sorted(sides[:2], reverse=True), sorted(sides[2:], reverse=True)
    rng = torch.Generator().manual_seed(0)
    features = torch.randn(2, 3, height, width, generator=rng, dtype=torch.float64)
    weights = torch.randn(2, 3, h, w, generator=rng, dtype=torch.float64)
    if channels_last:
        features = features.to(memory_format=torch.channels_last)
    found = with_gradient(lambda maps: _averaged(maps, [h, w]), features, weights)
    adaptive = torch.nn.AdaptiveAvgPool2d((h, w))
    torch.testing.assert_close(found, with_gradient(adaptive, features, weights))


def operations(node):
    """Names of all operations of a backward pass."""
    return {node.name()}.union(*(operations(inner) for inner, _ in node.next_functions if inner))


def test_averages_use_no_operation_that_is_nondeterministic_on_a_gpu_and_stay_float32_under_autocast():
    rng = torch.Generator().manual_seed(0)
    large, small = (torch.rand(2, 3, side, side, generator=rng) for side in (8, 7))
    plain = attention_loss([large], [small])
    with torch.autocast("cpu", dtype=torch.bfloat16):
        loss = attention_loss([large.requires_grad_()], [small])
    assert not any("AdaptiveAvgPool" in name for name in operations(loss.grad_fn))
    assert torch.equal(loss.detach(), plain)


# --- all --------------------------------------------------------------------------------------------------------------

SAME = {
    "kd": lambda s, t: kd_loss(s, t, 4.0),
    "dkd": lambda s, t: dkd_loss(s, t, torch.tensor([0, 1, 2]), 1.0, 8.0, 4.0),
    "dist": lambda s, t: dist_loss(s, t, 1.0, 1.0, 4.0),
    "standardized": lambda s, t: kd_loss(standardized(s), standardized(t), 2.0),
    "attention": lambda s, t: attention_loss([s[:, :, None, None]], [t[:, :, None, None]]),
}


@pytest.mark.parametrize("loss", SAME.values(), ids=SAME)
def test_the_loss_and_its_gradient_are_0_if_the_teacher_gives_the_same_logits(loss):
    teacher = torch.randn(3, 5, generator=torch.Generator().manual_seed(5))
    student = teacher.clone().requires_grad_()
    found = loss(student, teacher)
    found.backward()
    assert found.item() == pytest.approx(0, abs=1e-5)
    assert student.grad.abs().max() < 1e-4


@pytest.mark.parametrize("loss", SAME.values(), ids=SAME)
def test_no_gradient_reaches_the_teacher(loss):
    student, teacher = torch.randn(2, 3, 5, generator=torch.Generator().manual_seed(6), requires_grad=True).unbind()
    teacher = teacher.detach().requires_grad_()
    loss(student, teacher).backward()
    assert teacher.grad is None
