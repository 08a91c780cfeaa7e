"""Small networks for small images, all with the CIFAR stem (3x3, stride 1, no pooling).

The stem matters more than the distillation method: a ResNet-18 reaches 94.9 % with it and 87.7 % with the ImageNet
stem.
"""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor, nn

from distillery.jobs import UserError
from distillery.models.layers import BatchNorm2d, Conv2d
from distillery.models.reduction import Reduction
from distillery.models.timm_names import PREFIX
from distillery.models.timm_networks import TimmNetwork


class BasicBlock(nn.Module):
    """Two 3x3 convolutions and a shortcut (He et al. 2016, fig. 2): [B, inputs, H, W] → [B, width, H/s, W/s]."""

    def __init__(self, inputs: int, width: int, stride: int):
        super().__init__()
        self.conv1 = Conv2d(inputs, width, 3, stride, 1)
        self.norm1 = BatchNorm2d(width, "relu")
        self.conv2 = Conv2d(width, width, 3, 1, 1)
        self.norm2 = BatchNorm2d(width, "relu")
        self.shortcut: nn.Module = nn.Identity()
        if stride != 1 or inputs != width:
            self.shortcut = nn.Sequential(Conv2d(inputs, width, 1, stride), BatchNorm2d(width))

    def forward(self, x: Tensor) -> Tensor:
        inner = self.norm1(self.conv1(x))
        return self.norm2(self.conv2(inner), self.shortcut(x))


class ResNet(nn.Module):
    """A stem, stages of basic blocks, average pooling and a linear layer. Each stage after the first halves H and W.

    Args:
        stem: channels of the stem.
        widths: channels of each stage.
        blocks: blocks in each stage.
        classes: C.
    """

    def __init__(self, stem: int, widths: Sequence[int], blocks: int, classes: int):
        super().__init__()
        self.blocks = blocks
        self.stem = nn.Sequential(Conv2d(3, stem, 3, 1, 1), BatchNorm2d(stem, "relu"))
        stages, inputs = [], stem
        for number, width in enumerate(widths):
            for block in range(blocks):
                stages.append(BasicBlock(inputs, width, stride=2 if number and not block else 1))
                inputs = width
        self.stages = nn.Sequential(*stages)
        self.head = nn.Linear(inputs, classes)
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")

    def features(self, x: Tensor) -> list[Tensor]:
        """Normalized images [B, 3, H, W] → the activations of each stage [B, width, h, w]."""
        return stage_outputs(self.stem(x), self.stages, self.blocks)

    def classify(self, last: Tensor) -> Tensor:
        """The last stage's activations → logits [B, C]."""
        return self.head(last.mean(dim=(2, 3)))

    def outputs(self, x: Tensor) -> tuple[Tensor, list[Tensor]]:
        """Normalized images [B, 3, H, W] → logits [B, C] and `features`."""
        stages = self.features(x)
        return self.classify(stages[-1]), stages

    def forward(self, x: Tensor) -> Tensor:
        """Normalized images [B, 3, H, W] → logits [B, C]."""
        return self.classify(self.features(x)[-1])


class ConvNetShortcut(nn.Module):
    """Two 3x3 convolutions and a shortcut, with batch norm and GELU: [B, width, H, W] → [B, width, H, W]."""

    def __init__(self, width: int):
        super().__init__()
        self.conv1 = Conv2d(width, width, 3, padding=1)
        self.norm1 = BatchNorm2d(width, "gelu")
        self.conv2 = Conv2d(width, width, 3, padding=1)
        self.norm2 = BatchNorm2d(width, "gelu")

    def forward(self, x: Tensor) -> Tensor:
        inner = self.norm1(self.conv1(x))
        return self.norm2(self.conv2(inner), x)


class ConvNet(nn.Module):
    """Plain 3x3 convolutions, batch norm, GELU and max-pooling, after the airbench networks (Jordan 2024, section 3).

    After a minute on one CPU it is more accurate on CIFAR-10 than any ResNet here. airbench initializes the stem to
    whiten image patches. Here the stem is trained, so that the initialization needs no images.

    Args:
        widths: channels of each of the blocks; each block halves the image.
        deep: each block has three convolutions, the last two with a shortcut (as airbench96), instead of two.
        classes: C.
    """

    STEM = 24  # channels, as airbench

    def __init__(self, widths: Sequence[int], deep: bool, classes: int):
        super().__init__()
        self.layers = 4 if deep else 5  # in each block
        self.stem = nn.Sequential(Conv2d(3, self.STEM, 2), BatchNorm2d(self.STEM, "gelu"))
        blocks, inputs = [], self.STEM
        for width in widths:
            blocks += [Conv2d(inputs, width, 3, padding=1), nn.MaxPool2d(2), BatchNorm2d(width, "gelu")]
            if deep:
                blocks.append(ConvNetShortcut(width))
            else:
                blocks += [Conv2d(width, width, 3, padding=1), BatchNorm2d(width, "gelu")]
            inputs = width
        self.blocks = nn.Sequential(*blocks)
        self.head = nn.Linear(inputs, classes)
        for module in self.blocks.modules():
            if isinstance(module, nn.Conv2d):  # its first channels start as the identity, as in airbench
                nn.init.dirac_(module.weight[: module.in_channels].detach())

    def features(self, x: Tensor) -> list[Tensor]:
        """Normalized images [B, 3, H, W], H and W at least 9 → the activations of each block [B, width, h, w]."""
        return stage_outputs(self.stem(x), self.blocks, self.layers)

    def classify(self, last: Tensor) -> Tensor:
        """The last block's activations → logits [B, C]."""
        return self.head(last.amax(dim=(2, 3)))

    def outputs(self, x: Tensor) -> tuple[Tensor, list[Tensor]]:
        """Normalized images [B, 3, H, W] → logits [B, C] and `features`."""
        stages = self.features(x)
        return self.classify(stages[-1]), stages

    def forward(self, x: Tensor) -> Tensor:
        """Normalized images [B, 3, H, W] → logits [B, C]."""
        return self.classify(self.features(x)[-1])


def stage_outputs(x: Tensor, layers: nn.Sequential, every: int) -> list[Tensor]:
    """The output of every `every`-th layer. The number of layers is a multiple of `every`."""
    outputs = []
    for number, layer in enumerate(layers, start=1):
        x = layer(x)
        if number % every == 0:
            outputs.append(x)
    return outputs


class NormalizedModel(nn.Module):
    """A network and the normalization of its input in one module, so that the weights file holds both.

    Args:
        network: takes normalized images.
        mean, std: float [3], of the channels of the train images in [0, 1], or those that the network was trained with.
        reduction: reduces larger images to the network's size first; None if they have its size.
    """

    mean: Tensor
    std: Tensor
    head_only = False  # whether only the last layer is trained; all others then stay in eval mode

    def __init__(
        self, network: ResNet | ConvNet | TimmNetwork, mean: Tensor, std: Tensor, reduction: Reduction | None = None
    ):
        super().__init__()
        self.network = network
        self.reduction = reduction
        self.register_buffer("mean", mean.reshape(1, 3, 1, 1).float().clone())
        self.register_buffer("std", std.reshape(1, 3, 1, 1).float().clone())

    def outputs(self, x: Tensor) -> tuple[Tensor, list[Tensor]]:
        """RGB in [0, 1], float [B, 3, H, W] → logits [B, C] and the activations of each stage [B, width, h, w]."""
        return self.network.outputs(self._prepare(x))

    def forward(self, x: Tensor) -> Tensor:
        """RGB in [0, 1], float [B, 3, H, W] → logits [B, C]."""
        return self.network(self._prepare(x))

    def _prepare(self, x: Tensor) -> Tensor:
        return ((self.reduction(x) if self.reduction else x) - self.mean) / self.std

    def train(self, mode: bool = True) -> NormalizedModel:
        """As `nn.Module.train`; see `head_only`."""
        super().train(mode)
        if self.head_only:
            self.network.eval()
            self.network.head.train(mode)
        return self


# name → (stem, widths, blocks a stage)
RESNETS = {
    "resnet8_half": (8, (8, 16, 32), 1),  # 20 thousand parameters: the student of the demo
    "resnet8": (16, (16, 32, 64), 1),  # 78 thousand
    "resnet20": (16, (16, 32, 64), 3),  # 272 thousand
    "resnet8x4": (32, (64, 128, 256), 1),  # 1.2 million
    "resnet18": (64, (64, 128, 256, 512), 2),  # 11.2 million: the teacher
}
# name → widths, blocks of three convolutions
CONVNETS = {
    "convnet_s": ((32, 64, 64), False),  # 0.15 million parameters
    "convnet_m": ((32, 128, 128), False),  # 0.5 million: a teacher for machines without a GPU
    "convnet_l": ((64, 256, 256), False),  # 2.0 million: the widths of airbench94
    "convnet_xl": ((128, 512, 512), True),  # 12.7 million: the widths of airbench96; the best teacher here
}


def build_network(name: str, classes: int, side: int = 0) -> ResNet | ConvNet | TimmNetwork:
    """A network by name, with weights drawn from torch's global generator.

    Args:
        name: a key of `RESNETS` or `CONVNETS`, or `timm/` and the name of a network of timm.
        classes: C.
        side: of the images in pixels, for networks of timm that depend on it.

    Raises:
        UserError: no network of that name.
    """
    if name.startswith(PREFIX):
        return TimmNetwork(name, classes, side)
    if name in CONVNETS:
        return ConvNet(*CONVNETS[name], classes)
    if name not in RESNETS:
        raise UserError(
            f"network {name!r} is unknown; choose one of {', '.join((*RESNETS, *CONVNETS))}, or one of timm's"
        )
    stem, widths, blocks = RESNETS[name]
    return ResNet(stem, widths, blocks, classes)
