"""The library's layers compute the same as those of torch."""

from copy import deepcopy

import pytest
import torch
from torch import nn

from distillery.models import layers
from distillery.models.architectures import build_network

NAMES = ("resnet8_half", "resnet8", "convnet_s", "convnet_xl")


class PlainNorm(nn.BatchNorm2d):
    """torch's batch norm, then the addition and the activation."""

    def forward(self, x, residual=None):
        x = super().forward(x)
        x = x if residual is None else x + residual
        return {"none": nn.Identity(), "relu": nn.ReLU(), "gelu": nn.GELU()}[self.activation](x)


def plain(network):
    """The same network with torch's own layers."""
    copy = deepcopy(network)
    ours = {layers.Conv2d: nn.Conv2d, layers.BatchNorm2d: PlainNorm}
    for module in copy.modules():
        module.__class__ = ours.get(type(module), type(module))
    return copy


def training_network(name, dtype=torch.float64):
    """A network in train mode whose batch norms have scales of both signs, and shifts."""
    torch.manual_seed(0)
    network = build_network(name, 7).double().train()
    with torch.no_grad():
        for module in network.modules():
            if isinstance(module, nn.BatchNorm2d):
                module.weight.normal_()
                module.bias.normal_()
    return network.to(dtype, memory_format=torch.channels_last)


def images(dtype=torch.float64):
    rng = torch.Generator().manual_seed(1)
    x = torch.randn(6, 3, 16, 16, generator=rng, dtype=torch.float64)
    return x.to(dtype).contiguous(memory_format=torch.channels_last)


def logits_gradients_and_buffers(network, x):
    """Logits and buffers after the second of two passes, which changed the running statistics; gradients of both."""
    for _ in range(2):
        logits = network(x)
        logits.square().sum().backward()
    gradients = {name: weight.grad for name, weight in network.named_parameters()}
    return {"logits": logits.detach(), **gradients, **dict(network.named_buffers())}


def errors(found, exact):
    """The relative error of each tensor."""
    return {
        name: ((value.double() - exact[name]).norm() / exact[name].norm()).item()
        for name, value in found.items()
        if not name.endswith("num_batches_tracked")
    }


@pytest.mark.parametrize("name", NAMES)
def test_logits_gradients_and_statistics_equal_those_of_torchs_layers(name):
    network = training_network(name)
    exact = logits_gradients_and_buffers(plain(network), images())
    found = logits_gradients_and_buffers(network, images())
    assert max(errors(found, exact).values()) < 1e-9


def test_weights_have_the_names_and_shapes_of_torchs_layers():
    network = training_network("convnet_s")
    shapes = {key: value.shape for key, value in network.state_dict().items()}
    assert shapes == {key: value.shape for key, value in plain(network).state_dict().items()}
    assert shapes["stem.0.weight"] == (24, 3, 2, 2)
