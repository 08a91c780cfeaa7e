"""Output shapes, parameter counts, gradients and initialization of the networks."""

import pytest
import torch

from distillery.config.choices import NETWORKS
from distillery.jobs import UserError
from distillery.models.architectures import NormalizedModel, build_network


@pytest.mark.parametrize("name", NETWORKS)
@pytest.mark.parametrize("side", [24, 32])
def test_logits_have_the_right_shape_for_several_image_sizes(name, side):
    network = build_network(name, classes=7).eval()
    with torch.inference_mode():
        assert network(torch.zeros(2, 3, side, side)).shape == (2, 7)


@pytest.mark.parametrize(
    ("name", "parameters"),
    [
        ("resnet18", 11_173_962),
        ("resnet8", 78_042),
        ("convnet_s", 146_778),
        ("convnet_m", 498_138),
        ("convnet_xl", 12_721_242),
    ],
)
def test_parameter_counts(name, parameters):
    assert sum(weight.numel() for weight in build_network(name, 10).parameters()) == parameters


@pytest.mark.parametrize("name", ["resnet20", "convnet_s"])
def test_every_weight_gets_a_gradient(name):
    network = build_network(name, 10)
    network(torch.randn(4, 3, 32, 32)).square().sum().backward()
    assert all(weight.grad is not None and weight.grad.abs().sum() > 0 for weight in network.parameters())


@pytest.mark.parametrize(("name", "shapes"), [
    ("resnet20", [(16, 32), (32, 16), (64, 8)]),
    ("resnet18", [(64, 32), (128, 16), (256, 8), (512, 4)]),
    ("convnet_s", [(32, 15), (64, 7), (64, 3)]),
    ("convnet_xl", [(128, 15), (512, 7), (512, 3)]),
])  # fmt: skip
def test_features_are_the_activations_of_each_stage_and_the_last_gives_the_logits(name, shapes):
    network = NormalizedModel(build_network(name, 7).eval(), torch.zeros(3), torch.ones(3))
    x = torch.rand(2, 3, 32, 32)
    with torch.inference_mode():
        logits, features = network.outputs(x)
        assert [tuple(stage.shape) for stage in features] == [(2, width, side, side) for width, side in shapes]
        assert torch.equal(logits, network(x)) and torch.equal(network.network.classify(features[-1]), logits)


def test_an_unknown_network_gives_a_one_line_error_with_the_choices():
    with pytest.raises(UserError, match="'vgg' is unknown; choose one of .*resnet18"):
        build_network("vgg", 10)


def test_the_first_channels_of_a_convnets_convolution_start_as_the_identity():
    convolution = build_network("convnet_s", 10).blocks[0]
    x = torch.rand(1, convolution.in_channels, 8, 8)
    assert torch.equal(convolution(x)[:, : convolution.in_channels], x)


def test_a_normalized_model_normalizes_its_input_and_saves_mean_and_std():
    mean, std = torch.tensor([0.2, 0.4, 0.6]), torch.tensor([0.1, 0.2, 0.3])
    inner = build_network("resnet8_half", 7).eval()
    network = NormalizedModel(inner, mean, std)
    x = torch.rand(2, 3, 8, 8)
    torch.testing.assert_close(network(x), inner((x - mean[:, None, None]) / std[:, None, None]))
    assert {"mean", "std"} < set(network.state_dict())
