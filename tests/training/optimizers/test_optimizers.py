"""The library's optimizers give the same weights as torch's; only some weights decay."""

import pytest
import torch
from torch import nn

from distillery.models.architectures import build_network
from distillery.training.optimizers.adam import Adam
from distillery.training.optimizers.sgd import SGD, sgd


def weights(seed=0):
    generator = torch.Generator().manual_seed(seed)
    return [nn.Parameter(torch.randn(shape, generator=generator)) for shape in ((4, 3), (5,), (2, 2, 2))]


def run(step, parameters, steps=20):
    """Minimize a nonlinear function, with a different learning rate at each step."""
    for number in range(steps):
        sum((weight**4).sum() + weight.sin().sum() for weight in parameters).backward()
        step(0.02 / (1 + number))


def by_torch(optimizer):
    def step(lr):
        for group in optimizer.param_groups:
            group["lr"] = lr
        optimizer.step()
        optimizer.zero_grad()

    return step


@pytest.mark.parametrize(("momentum", "decay"), [(0.9, 0.01), (0.9, 0.0), (0.0, 0.0), (0.0, 0.1)])
def test_sgd_equals_torchs(momentum, decay):
    ours, theirs = weights(), weights()
    run(SGD(ours[:2], ours[2:], momentum, decay).step, ours)
    groups = [{"params": theirs[:2], "weight_decay": decay}, {"params": theirs[2:]}]
    run(by_torch(torch.optim.SGD(groups, lr=1, momentum=momentum, nesterov=momentum > 0)), theirs)
    torch.testing.assert_close(ours, theirs, rtol=1e-6, atol=1e-7)


def test_adam_equals_torchs():
    ours, theirs = weights(), weights()
    run(Adam(ours).step, ours)
    run(by_torch(torch.optim.Adam(theirs, lr=1)), theirs)
    torch.testing.assert_close(ours, theirs, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("make", [lambda w: SGD(w, [], 0.9, 0.01), lambda w: SGD(w, [], 0.0, 0.0), Adam])
def test_a_restored_optimizer_continues_with_the_same_bits(make):
    through, halves = weights(), weights()
    optimizer = make(through)
    run(optimizer.step, through, steps=5)
    run(optimizer.step, through, steps=5)
    first = make(halves)
    run(first.step, halves, steps=5)
    second = make(halves)
    second.restore(first.state())
    run(second.step, halves, steps=5)
    assert all(torch.equal(a, b) for a, b in zip(through, halves, strict=True))


@pytest.mark.parametrize("name", ["resnet8_half", "convnet_s"])
def test_only_weights_of_convolutions_and_linear_layers_decay(name):
    network = build_network(name, 3)
    optimizer = sgd(network, 0.9, 0.1)
    assert all(weight.dim() > 1 for weight in optimizer.decayed)
    assert all(weight.dim() == 1 for weight in optimizer.weights[len(optimizer.decayed) :])
    assert len(optimizer.weights) == len(set(map(id, optimizer.weights))) == len(list(network.parameters()))
