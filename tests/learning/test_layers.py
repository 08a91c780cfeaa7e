"""Channels of zeros change how long a step takes, and nothing else."""

from copy import deepcopy

import pytest
import torch
from torch import nn

from distillery.learning import layers
from distillery.learning.networks import build_network

NAMES = ("resnet8_half", "resnet8", "convnet_s", "convnet_xl")


@pytest.fixture(autouse=True)
def wide_registers(monkeypatch):
    """Those of AVX-512, wherever the tests run: resnet8_half's 8 channels and the convnets' 24 are then carried on."""
    monkeypatch.setattr(layers, "LANES", 16)


class PlainNorm(nn.BatchNorm2d):
    """Torch's batch norm, and its activations after it."""

    def forward(self, x, residual=None):
        x = super().forward(x)
        x = x if residual is None else x + residual
        return {"none": nn.Identity(), "relu": nn.ReLU(), "gelu": nn.GELU()}[self.activation](x)


def plain(network):
    """The same network of torch's own layers."""
    copy = deepcopy(network)
    ours = {layers.Conv2d: nn.Conv2d, layers.BatchNorm2d: PlainNorm, layers.Linear: nn.Linear}
    for module in copy.modules():
        module.__class__ = ours.get(type(module), type(module))
    return copy


def learning(name):
    """A network in float64 whose batch norms have gains of both signs, and shifts."""
    torch.manual_seed(0)
    network = build_network(name, 7).double().train()
    with torch.no_grad():
        for module in network.modules():
            if isinstance(module, nn.BatchNorm2d):
                module.weight.normal_()
                module.bias.normal_()
    return network


@pytest.mark.parametrize("name", NAMES)
def test_logits_gradients_and_statistics_are_those_of_torchs_layers(name):
    network = learning(name)
    reference = plain(network)
    x = torch.randn(6, 3, 16, 16, dtype=torch.float64)
    for _ in range(2):  # steps, so that running statistics move from where they began
        logits, expected = network(x), reference(x)
        torch.testing.assert_close(logits, expected, rtol=1e-9, atol=1e-9)
        logits.square().sum().backward()
        expected.square().sum().backward()
    for (key, ours), theirs in zip(network.named_parameters(), reference.parameters(), strict=True):
        torch.testing.assert_close(ours.grad, theirs.grad, rtol=1e-7, atol=1e-7, msg=key)
    for (key, ours), theirs in zip(network.named_buffers(), reference.buffers(), strict=True):
        if not key.endswith("num_batches_tracked"):
            torch.testing.assert_close(ours, theirs, rtol=1e-9, atol=1e-9, msg=key)


@pytest.mark.parametrize(("name", "channels"), [("resnet8_half", 16), ("convnet_s", 32)])
def test_the_stem_carries_whole_vectors_while_it_learns_and_its_own_channels_when_asked(name, channels):
    network, x = learning(name), torch.randn(2, 3, 16, 16, dtype=torch.float64)
    stem = network.stem(x)
    own = network.stem[0].out_channels
    assert stem.shape[1] == channels > own
    assert not stem[:, own:].any() and stem[:, :own].any()
    assert network.eval().stem(x).shape[1] == own


@pytest.mark.parametrize("name", NAMES)
def test_features_have_the_networks_widths_while_it_learns(name):
    network, x = learning(name), torch.randn(2, 3, 16, 16, dtype=torch.float64)
    learnt = [part.shape for part in network.features(x)]
    assert learnt == [part.shape for part in network.eval().features(x)]


def test_layers_keep_the_names_and_shapes_of_torchs_weights():
    network = learning("convnet_s")
    shapes = {key: value.shape for key, value in network.state_dict().items()}
    assert shapes == {key: value.shape for key, value in plain(network).state_dict().items()}
    assert shapes["stem.0.weight"] == (24, 3, 2, 2)


def test_lent_weights_round_as_each_by_itself_and_gradients_reach_the_weights():
    network, x = learning("resnet8").float(), torch.randn(4, 3, 16, 16)
    with layers.lent(network, torch.bfloat16), torch.autocast("cpu", dtype=torch.bfloat16):
        assert network.head.lent.dtype == torch.bfloat16
        logits = network(x)
    assert network.head.lent is None
    logits.float().square().sum().backward()
    found = [weight.grad.clone() for weight in network.parameters()]
    network.zero_grad()
    fresh = learning("resnet8").float()
    with torch.autocast("cpu", dtype=torch.bfloat16):
        expected = fresh(x)
    expected.float().square().sum().backward()
    assert torch.equal(logits, expected)
    for ours, weight in zip(found, fresh.parameters(), strict=True):
        assert ours.dtype == torch.float32 and torch.equal(ours, weight.grad)
