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

from distillery.learning.layers import BatchNorm2d
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


class FoldedShortcut(nn.Module):
    """A ConvNet's block with a shortcut, its batch norms folded."""

    def __init__(self, block: ConvNetShortcut):
        super().__init__()
        self.first = fuse_conv_bn_eval(block.conv1, block.norm1)
        self.second = fuse_conv_bn_eval(block.conv2, block.norm2)

    def forward(self, x: Tensor) -> Tensor:
        return F.gelu(self.second(F.gelu(self.first(x))) + x)


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
    network.stem = nn.Sequential(RectifiedConv(fuse_conv_bn_eval(*network.stem)))
    network.stages = nn.Sequential(*map(FoldedBlock, network.stages))


def _fold_convnet(network: ConvNet) -> None:
    for layers in (network.stem, network.blocks):
        for number, layer in enumerate(layers):
            if isinstance(layer, ConvNetShortcut):
                layers[number] = FoldedShortcut(layer)
            # where pooling comes between, a channel's factor below 0 would turn its greatest value into its least
            elif isinstance(layer, BatchNorm2d) and isinstance(layers[number - 1], nn.Conv2d):
                layers[number - 1], layers[number] = fuse_conv_bn_eval(layers[number - 1], layer), nn.GELU()
