"""A network with folded batch norms gives the same outputs as the original."""

import pytest
import torch
from torch import nn

from distillery.config.choices import NETWORKS
from distillery.models.architectures import NormalizedModel, build_network
from distillery.models.batchnorm_folding import fold_batchnorm
from distillery.training.hardware import autocast

gpu = pytest.mark.skipif(not torch.cuda.is_available(), reason="no GPU")


def frozen_network(name, device="cpu"):
    """A network whose batch norms have random statistics, shifts, and scales of both signs."""
    torch.manual_seed(0)
    network = NormalizedModel(build_network(name, 7), torch.full([3], 0.4), torch.full([3], 0.2))
    with torch.no_grad():
        for module in network.modules():
            if isinstance(module, nn.BatchNorm2d):
                module.weight.normal_()
                module.bias.normal_()
                module.running_mean.normal_()
                module.running_var.uniform_(0.5, 2)
    return network.to(device, memory_format=torch.channels_last).requires_grad_(False).eval()


def images(device="cpu"):
    return torch.rand(8, 3, 16, 16, generator=torch.Generator().manual_seed(1)).to(device)


@pytest.mark.parametrize("name", NETWORKS)
def test_a_folded_network_gives_the_same_activations_and_logits(name):
    network = frozen_network(name).double()
    copy = fold_batchnorm(network, torch.float64)
    x = images().double()
    torch.testing.assert_close(copy(x), network(x), rtol=1e-9, atol=1e-9)
    for found, expected in zip(copy.outputs(x)[1], network.outputs(x)[1], strict=True):
        torch.testing.assert_close(found, expected, rtol=1e-9, atol=1e-9)


def test_folding_leaves_the_network_unchanged_and_returns_a_frozen_copy():
    network = frozen_network("resnet8").train()
    before = {name: value.clone() for name, value in network.state_dict().items()}
    copy = fold_batchnorm(network.eval(), torch.float32)
    copy(images())
    assert all(torch.equal(before[name], value) for name, value in network.state_dict().items())
    assert not copy.training and not any(weight.requires_grad for weight in copy.parameters())


@pytest.mark.parametrize("name", ["resnet8", "convnet_s"])
def test_a_folded_network_has_the_same_gradients_with_respect_to_the_images(name):
    network, x = frozen_network(name), images().contiguous(memory_format=torch.channels_last).requires_grad_()
    expected, found = (
        torch.autograd.grad(model(x).sum(), x)[0] for model in (network, fold_batchnorm(network, torch.float32))
    )
    torch.testing.assert_close(found, expected, rtol=1e-3, atol=1e-3 * expected.abs().max().item())


@pytest.mark.parametrize("name", ["resnet18", "convnet_l", "convnet_xl"])
def test_only_batch_norms_after_pooling_are_left(name):
    left = [
        module
        for module in fold_batchnorm(frozen_network(name), torch.float32).modules()
        if isinstance(module, nn.BatchNorm2d)
    ]
    assert len(left) == {"resnet18": 0, "convnet_l": 3, "convnet_xl": 3}[name]


@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float32, 1e-5), (torch.bfloat16, 0.05)], ids=str)
@pytest.mark.parametrize("name", NETWORKS)
def test_on_a_cpu_a_folded_network_is_close_to_float64(name, dtype, tolerance):
    network, x = frozen_network(name), images().contiguous(memory_format=torch.channels_last)
    copy, before = fold_batchnorm(network, dtype), x.clone()
    with torch.no_grad(), torch.autocast("cpu", dtype=torch.bfloat16, enabled=dtype == torch.bfloat16):
        outputs = [*copy.outputs(x)[1], copy(x)]
    exact = network.double()
    for found, expected in zip(outputs, [*exact.outputs(x.double())[1], exact(x.double())], strict=True):
        assert (found.double() - expected).norm() < tolerance * expected.norm()
    assert torch.equal(x, before)


@gpu
@pytest.mark.parametrize("name", NETWORKS)
def test_on_a_gpu_in_bfloat16_a_folded_network_is_about_as_exact_as_the_network(name):
    network, x = frozen_network(name, "cuda"), images("cuda")
    exact = network.cpu().double()(x.cpu().double()).float()
    network.cuda().float()
    with autocast(torch.device("cuda")):
        errors = [
            (model(x).float().cpu() - exact).norm() / exact.norm()
            for model in (network, fold_batchnorm(network, torch.bfloat16))
        ]
    assert errors[1] < 0.05 and errors[1] < 3 * errors[0]
