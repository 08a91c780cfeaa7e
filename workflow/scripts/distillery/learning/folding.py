"""A frozen network that is quicker to ask: batch norm folded into the convolutions before it, ReLU done by them.

A frozen batch norm is one multiplication and addition a channel, which a convolution can do with its weights and bias:
γ (W x − μ) / √(σ² + ε) + β = (γ / √(σ² + ε)) W x + β − γ μ / √(σ² + ε). The answers are the same up to rounding: in
bfloat16 as far from float32's as the unfolded network's, since both round after every layer.
"""

from __future__ import annotations

from copy import deepcopy

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

from distillery.learning.networks import BasicBlock, ConvNet, ConvNetShortcut, Normalised, ResNet


class RectifiedConv(nn.Module):
    """relu(conv(x) + residual) in one kernel of cuDNN; on a processor one after the other."""

    def __init__(self, conv: nn.Conv2d):
        super().__init__()
        self.conv = conv

    def forward(self, x: Tensor, residual: Tensor | None = None) -> Tensor:
        conv, x = self.conv, x.to(self.conv.weight.dtype)
        if not x.is_cuda:
            return F.relu(conv(x) if residual is None else conv(x) + residual)
        window = (conv.stride, conv.padding, conv.dilation, conv.groups)
        if residual is None:
            return torch.cudnn_convolution_relu(x, conv.weight, conv.bias, *window)
        return torch.cudnn_convolution_add_relu(x, conv.weight, residual, 1.0, conv.bias, *window)


class FoldedBlock(nn.Module):
    """A basic block, its batch norms folded."""

    def __init__(self, block: BasicBlock):
        super().__init__()
        self.first = RectifiedConv(fuse_conv_bn_eval(block.conv1, block.norm1))
        self.second = RectifiedConv(fuse_conv_bn_eval(block.conv2, block.norm2))
        projects = isinstance(block.shortcut, nn.Sequential)
        self.shortcut = fuse_conv_bn_eval(*block.shortcut) if projects else nn.Identity()

    def forward(self, x: Tensor) -> Tensor:
        return self.second(self.first(x), self.shortcut(x))


def folded(network: Normalised, dtype: torch.dtype) -> Normalised:
    """A copy for prediction alone, its convolutions in `dtype`.

    Args:
        network: in eval mode.
    """
    copy = deepcopy(network)
    {ResNet: _fold_resnet, ConvNet: _fold_convnet}[type(copy.network)](copy.network)
    copy.network.to(dtype)
    return copy.requires_grad_(False).eval()


def _fold_resnet(network: ResNet) -> None:
    conv, norm, _ = network.stem
    network.stem = nn.Sequential(RectifiedConv(fuse_conv_bn_eval(conv, norm)))
    network.stages = nn.Sequential(*map(FoldedBlock, network.stages))


def _fold_convnet(network: ConvNet) -> None:
    shortcuts = [module.layers for module in network.blocks if isinstance(module, ConvNetShortcut)]
    for layers in (network.stem, network.blocks, *shortcuts):
        for number, (layer, norm) in enumerate(zip(layers, layers[1:], strict=False)):
            # where pooling comes between, a channel's factor below 0 would turn its greatest value into its least
            if isinstance(layer, nn.Conv2d) and isinstance(norm, nn.BatchNorm2d):
                layers[number], layers[number + 1] = fuse_conv_bn_eval(layer, norm), nn.Identity()
