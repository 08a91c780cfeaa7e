"""A folded network says what the network says."""

import pytest
import torch
from torch import nn

from distillery.config.choices import NETWORKS
from distillery.models.architectures import NormalizedModel, build_network
from distillery.models.batchnorm_folding import fold_batchnorm
from distillery.training.hardware import autocast

gpu = pytest.mark.skipif(not torch.cuda.is_available(), reason="no GPU")


def trained(name, device="cpu"):
    """A network whose batch norms have statistics, gains of both signs, and shifts."""
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
    network = trained(name).double()
    copy = fold_batchnorm(network, torch.float64)
    x = images().double()
    torch.testing.assert_close(copy(x), network(x), rtol=1e-9, atol=1e-9)
    for ours, theirs in zip(copy.features(x), network.features(x), strict=True):
        torch.testing.assert_close(ours, theirs, rtol=1e-9, atol=1e-9)


def test_the_network_itself_is_left_alone_and_the_copy_is_frozen():
    network = trained("resnet8").train()
    before = {name: value.clone() for name, value in network.state_dict().items()}
    copy = fold_batchnorm(network.eval(), torch.float32)
    copy(images())
    assert all(torch.equal(before[name], value) for name, value in network.state_dict().items())
    assert not copy.training and not any(weight.requires_grad for weight in copy.parameters())


@pytest.mark.parametrize("name", ["resnet8", "convnet_s"])
def test_gradients_of_the_images_are_the_networks(name):
    network, x = trained(name), images().contiguous(memory_format=torch.channels_last).requires_grad_()
    theirs, ours = (
        torch.autograd.grad(answer(x).sum(), x)[0] for answer in (network, fold_batchnorm(network, torch.float32))
    )
    torch.testing.assert_close(ours, theirs, rtol=1e-3, atol=1e-3 * theirs.abs().max().item())


@pytest.mark.parametrize("name", ["resnet18", "convnet_l", "convnet_xl"])
def test_no_batch_norm_is_left_but_those_behind_pooling(name):
    left = [
        module
        for module in fold_batchnorm(trained(name), torch.float32).modules()
        if isinstance(module, nn.BatchNorm2d)
    ]
    assert len(left) == {"resnet18": 0, "convnet_l": 3, "convnet_xl": 3}[name]


@pytest.mark.parametrize(("dtype", "share"), [(torch.float32, 1e-5), (torch.bfloat16, 0.05)], ids=str)
@pytest.mark.parametrize("name", NETWORKS)
def test_on_a_processor_it_is_near_to_float64(name, dtype, share):
    network, x = trained(name), images().contiguous(memory_format=torch.channels_last)
    copy, before = fold_batchnorm(network, dtype), x.clone()
    with torch.no_grad(), torch.autocast("cpu", dtype=torch.bfloat16, enabled=dtype == torch.bfloat16):
        answers = [*copy.features(x), copy(x)]
    exact = network.double()
    for ours, theirs in zip(answers, [*exact.features(x.double()), exact(x.double())], strict=True):
        assert (ours.double() - theirs).norm() < share * theirs.norm()
    assert torch.equal(x, before)


@gpu
@pytest.mark.parametrize("name", NETWORKS)
def test_on_a_gpu_in_bfloat16_it_is_as_near_to_float32_as_the_network(name):
    network, x = trained(name, "cuda"), images("cuda")
    exact = network.cpu().double()(x.cpu().double()).float()
    network.cuda().float()
    with autocast(torch.device("cuda")):
        errors = [
            (answer(x).float().cpu() - exact).norm() / exact.norm()
            for answer in (network, fold_batchnorm(network, torch.bfloat16))
        ]
    assert errors[1] < 0.05 and errors[1] < 3 * errors[0]
