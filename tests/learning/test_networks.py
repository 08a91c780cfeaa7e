"""Networks have the shapes and sizes their names promise."""

import pytest
import torch

from distillery.jobs import StudyError
from distillery.learning.networks import RESNETS, build_network


@pytest.mark.parametrize("name", RESNETS)
@pytest.mark.parametrize("side", [24, 32])
def test_pictures_of_any_side_become_logits(name, side):
    network = build_network(name, classes=7).eval()
    with torch.inference_mode():
        assert network(torch.zeros(2, 3, side, side)).shape == (2, 7)


@pytest.mark.parametrize(("name", "parameters"), [("resnet18", 11_173_962), ("resnet8", 78_042)])
def test_parameter_counts(name, parameters):
    assert sum(weight.numel() for weight in build_network(name, 10).parameters()) == parameters


def test_every_weight_gets_a_gradient():
    network = build_network("resnet20", 10)
    network(torch.randn(4, 3, 32, 32)).square().sum().backward()
    assert all(weight.grad is not None and weight.grad.abs().sum() > 0 for weight in network.parameters())


def test_an_unknown_network_is_one_line_with_the_choices():
    with pytest.raises(StudyError, match="'vgg' is unknown; choose one of .*resnet18"):
        build_network("vgg", 10)
