"""A frozen network that is quicker to ask: batch norm folded into the convolutions before it.

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

from distillery.models.architectures import BasicBlock, ConvNet, ConvNetShortcut, NormalizedModel, ResNet
from distillery.models.layers import ACTIVATIONS, BatchNorm2d


class Activation(nn.Module):
    """An activation by its name: [B, C, H, W] → [B, C, H, W]."""

    def __init__(self, name: str):
        super().__init__()
        self.name = name

    def forward(self, x: Tensor) -> Tensor:
        return ACTIVATIONS[self.name](x)


class FoldedBlock(nn.Module):
    """A basic block, its batch norms folded."""

    def __init__(self, block: BasicBlock):
        super().__init__()
        self.first = fuse_conv_bn_eval(block.conv1, block.norm1)
        self.second = fuse_conv_bn_eval(block.conv2, block.norm2)
        projects = isinstance(block.shortcut, nn.Sequential)
        self.shortcut = fuse_conv_bn_eval(*block.shortcut) if projects else nn.Identity()

    def forward(self, x: Tensor) -> Tensor:
        inner = F.relu(self.first(x), inplace=True)
        return F.relu(self.second(inner) + self.shortcut(x), inplace=True)


class FoldedShortcut(nn.Module):
    """A ConvNet's block with a shortcut, its batch norms folded."""

    def __init__(self, block: ConvNetShortcut):
        super().__init__()
        self.first = fuse_conv_bn_eval(block.conv1, block.norm1)
        self.second = fuse_conv_bn_eval(block.conv2, block.norm2)

    def forward(self, x: Tensor) -> Tensor:
        return F.gelu(self.second(F.gelu(self.first(x))) + x)


def fold_batchnorm(network: NormalizedModel, dtype: torch.dtype) -> NormalizedModel:
    """A copy for prediction alone, its convolutions in `dtype`.

    Args:
        network: in eval mode.
    """
    copy = deepcopy(network)
    {ResNet: _fold_resnet, ConvNet: _fold_convnet}[type(copy.network)](copy.network)
    copy.network.to(dtype)
    return copy.requires_grad_(False).eval()


def _fold_resnet(network: ResNet) -> None:
    network.stem = nn.Sequential(fuse_conv_bn_eval(*network.stem), nn.ReLU(inplace=True))
    network.stages = nn.Sequential(*map(FoldedBlock, network.stages))


def _fold_convnet(network: ConvNet) -> None:
    for layers in (network.stem, network.blocks):
        for number, layer in enumerate(layers):
            if isinstance(layer, ConvNetShortcut):
                layers[number] = FoldedShortcut(layer)
            elif isinstance(layer, BatchNorm2d) and isinstance(layers[number - 1], nn.Conv2d):
                layers[number - 1] = fuse_conv_bn_eval(layers[number - 1], layer)
                layers[number] = Activation(layer.activation)
            # a batch norm behind pooling stays: a channel's factor below 0 would turn its greatest value into its least
