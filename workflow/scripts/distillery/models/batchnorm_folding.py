"""Faster inference: the batch norms of a frozen network are folded into the convolutions before them.

A frozen batch norm multiplies each channel by a constant and adds another. A convolution can do both with its weights
and bias:
γ (W x − μ) / √(σ² + ε) + β = (γ / √(σ² + ε)) W x + β − γ μ / √(σ² + ε). The logits are the same up to
rounding. In bfloat16 the folded network is about as far from float32 as the unfolded one, since both round after every
layer.
"""

from __future__ import annotations

from copy import deepcopy
from typing import cast

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
    """A basic block with folded batch norms."""

    def __init__(self, block: BasicBlock):
        super().__init__()
        self.first = fuse_conv_bn_eval(block.conv1, block.norm1)
        self.second = fuse_conv_bn_eval(block.conv2, block.norm2)
        shortcut = block.shortcut
        self.shortcut = _fuse(*shortcut) if isinstance(shortcut, nn.Sequential) else nn.Identity()

    def forward(self, x: Tensor) -> Tensor:
        inner = F.relu(self.first(x), inplace=True)
        return F.relu(self.second(inner) + self.shortcut(x), inplace=True)


class FoldedShortcut(nn.Module):
    """The shortcut block of a ConvNet with folded batch norms."""

    def __init__(self, block: ConvNetShortcut):
        super().__init__()
        self.first = fuse_conv_bn_eval(block.conv1, block.norm1)
        self.second = fuse_conv_bn_eval(block.conv2, block.norm2)

    def forward(self, x: Tensor) -> Tensor:
        return F.gelu(self.second(F.gelu(self.first(x))) + x)


def fold_batchnorm(network: NormalizedModel, dtype: torch.dtype) -> NormalizedModel:
    """A frozen copy for inference with folded batch norms; a network of timm keeps its own.

    Args:
        network: in eval mode.
        dtype: of the copy's weights.
    """
    copy = deepcopy(network)
    if isinstance(copy.network, ResNet):
        _fold_resnet(copy.network)
    elif isinstance(copy.network, ConvNet):
        _fold_convnet(copy.network)
    else:  # a network of timm keeps its batch norms, which need float32
        return copy.requires_grad_(False).eval()
    copy.network.to(dtype)
    return copy.requires_grad_(False).eval()


def _fuse(convolution: nn.Module, norm: nn.Module) -> nn.Module:
    assert isinstance(convolution, nn.Conv2d) and isinstance(norm, nn.BatchNorm2d)
    return fuse_conv_bn_eval(convolution, norm)


def _fold_resnet(network: ResNet) -> None:
    network.stem = nn.Sequential(_fuse(*network.stem), nn.ReLU(inplace=True))
    network.stages = nn.Sequential(*(FoldedBlock(cast(BasicBlock, block)) for block in network.stages))


def _fold_convnet(network: ConvNet) -> None:
    for layers in (network.stem, network.blocks):
        for number, layer in enumerate(layers):
            if isinstance(layer, ConvNetShortcut):
                layers[number] = FoldedShortcut(layer)
            elif isinstance(layer, BatchNorm2d) and isinstance(layers[number - 1], nn.Conv2d):
                layers[number - 1] = _fuse(layers[number - 1], layer)
                layers[number] = Activation(layer.activation)
            # a batch norm after max-pooling stays: with a negative factor the maximum would become the minimum
