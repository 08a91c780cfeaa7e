"""Muon: updates are approximately orthogonal, and filters keep their norm."""

import pytest
import torch

from distillery.models.architectures import build_network
from distillery.training.optimizers.muon import Muon, orthogonalize
from distillery.training.optimizers.sgd import SGD


@pytest.mark.parametrize("shape", [(16, 48), (48, 16), (1, 9), (32, 32)])
def test_orthogonalize_keeps_the_singular_vectors_and_brings_the_singular_values_near_1(shape):
    matrix = torch.randn(shape, generator=torch.Generator().manual_seed(0))
    u, s, v = torch.linalg.svd(matrix, full_matrices=False)
    matrix = u * torch.linspace(1, 3, len(s)) @ v  # a spread that three iterations can handle
    found = orthogonalize(matrix).float()
    values = torch.linalg.svdvals(found)
    assert values.min() > 0.6 and values.max() < 1.3
    along = torch.linalg.multi_dot([u.T, found, v.T]) if min(shape) > 1 else u.T @ found @ v.T
    assert (along - torch.diag(along.diagonal())).abs().max() < 0.05  # bfloat16
    assert torch.equal(orthogonalize(torch.zeros(shape)).float(), torch.zeros(shape))


def test_muon_changes_the_filters_and_sgd_all_other_weights():
    network, twin = build_network("convnet_s", 3), build_network("convnet_s", 3)
    twin.load_state_dict(network.state_dict())
    optimizer = Muon(network, 0.6, 0.1)
    assert all(weight.dim() == 4 for weight in optimizer.filters)
    x = torch.rand(8, 3, 16, 16, generator=torch.Generator().manual_seed(1))
    for net in (network, twin):
        net(x).square().mean().backward()
    rest = [weight for weight in twin.parameters() if weight.dim() != 4 and weight is not twin.head.weight]
    SGD([twin.head.weight], rest, 0.6, 0.1).step(0.2)
    optimizer.step(0.2)
    for (name, ours), theirs in zip(network.named_parameters(), twin.parameters(), strict=True):
        assert torch.equal(ours, theirs) == (ours.dim() != 4), name
    assert all(weight.grad is None for weight in network.parameters())


def test_filters_are_scaled_to_the_norm_of_orthogonal_rows_before_each_step():
    network = build_network("resnet8_half", 3)
    optimizer = Muon(network, 0.0, 0.0)
    network(torch.rand(8, 3, 16, 16)).square().mean().backward()
    optimizer.step(0.0)
    for weight in optimizer.filters:
        assert weight.norm().item() == pytest.approx(len(weight) ** 0.5, rel=1e-5)
