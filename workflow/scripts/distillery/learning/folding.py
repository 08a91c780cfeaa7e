"""A frozen network that is quicker to ask: batch norm folded into the convolutions before it.

A frozen batch norm is one multiplication and addition a channel, which a convolution can do with its weights and bias:
γ (W x − μ) / √(σ² + ε) + β = (γ / √(σ² + ε)) W x + β − γ μ / √(σ² + ε). The answers are the same up to rounding: in
bfloat16 as far from float32's as the unfolded network's, since both round after every layer.
"""

from __future__ import annotations

from copy import deepcopy

import torch
from torch import Tensor, nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

from distillery.learning import native
from distillery.learning.layers import ACTIVATIONS, BatchNorm2d, MaxPool2d
from distillery.learning.networks import BasicBlock, ConvNet, ConvNetShortcut, Normalised, ResNet


def _overwritable(x: Tensor) -> bool:
    return not x.requires_grad and native.usable(x)


class Activated(nn.Module):
    """activation(x + residual): [B, C, H, W] → [B, C, H, W]. Writes over x where it has a kernel to do so."""

    def __init__(self, activation: str):
        super().__init__()
        self.activation = activation

    def forward(self, x: Tensor, residual: Tensor | None = None) -> Tensor:
        if _overwritable(x):
            return native.activate_(x, self.activation, residual)
        return ACTIVATIONS[self.activation](x if residual is None else x + residual)


class Normed(nn.Module):
    """A frozen batch norm and its activation: [B, C, H, W] → [B, C, H, W]. Writes over x likewise."""

    def __init__(self, norm: BatchNorm2d):
        super().__init__()
        self.norm = norm
        # float32 whatever becomes of the network, as batch norm's own
        with torch.no_grad():
            scale = norm.weight.double() / (norm.running_var.double() + norm.eps).sqrt()
            self.scale, self.shift = scale.float(), (norm.bias - norm.running_mean * scale).float()

    def forward(self, x: Tensor) -> Tensor:
        if _overwritable(x):
            return native.activate_(x, self.norm.activation, None, self.scale, self.shift)
        return self.norm(x)


class Pooled(MaxPool2d):
    """Max-pooling, also while it does not learn by its kernel."""

    def forward(self, x: Tensor) -> Tensor:
        return native.max_pool(x) if native.usable(x) else super().forward(x)


class RectifiedConv(nn.Module):
    """relu(conv(x) + residual), on a GPU in one kernel of cuDNN."""

    def __init__(self, conv: nn.Conv2d):
        super().__init__()
        self.conv, self.relu = conv, Activated("relu")

    def forward(self, x: Tensor, residual: Tensor | None = None) -> Tensor:
        conv, x = self.conv, x.to(self.conv.weight.dtype)
        if not x.is_cuda:
            return self.relu(conv(x), residual)
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
        self.gelu = Activated("gelu")

    def forward(self, x: Tensor) -> Tensor:
        return self.gelu(self.second(self.gelu(self.first(x))), x)


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
            elif isinstance(layer, BatchNorm2d) and isinstance(layers[number - 1], nn.Conv2d):
                layers[number - 1] = fuse_conv_bn_eval(layers[number - 1], layer)
                layers[number] = Activated(layer.activation)
            # where pooling comes between, a channel's factor below 0 would turn its greatest value into its least
            elif isinstance(layer, BatchNorm2d):
                layers[number - 1], layers[number] = Pooled(), Normed(layer)
