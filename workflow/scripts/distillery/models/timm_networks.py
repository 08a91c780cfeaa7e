"""Networks of timm (PyTorch Image Models). timm is imported only if one of them is built."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from distillery.jobs import UserError
from distillery.models.timm_names import PREFIX, require_timm_network


class TimmNetwork(nn.Module):
    """A network of timm without dropout and drop-path, so that its training needs no random generator.

    Args:
        name: with the prefix, such as timm/mobilenetv3_small_100.
        classes: C.
        side: of the images in pixels; only networks of a fixed size depend on it.

    Raises:
        UserError: timm is not installed, has no such network, or cannot build it for this size.
    """

    def __init__(self, name: str, classes: int, side: int):
        super().__init__()
        timm = require_timm_network(name)
        plain = name.removeprefix(PREFIX)
        sizes = {"img_size": side} if timm.models.get_pretrained_cfg(plain).fixed_input_size else {}
        try:
            self.model = timm.create_model(plain, num_classes=classes, drop_rate=0.0, **sizes)
        except (AssertionError, TypeError, ValueError, RuntimeError) as error:
            reason = " ".join(str(error).split())[:120]
            raise UserError(f"network {name} cannot be built for images of {side} pixels ({reason}).") from error

    @property
    def statistics(self) -> tuple[Tensor, Tensor]:
        """Mean and standard deviation, float32 [3] each, by which this network normalizes RGB in [0, 1]."""
        about = self.model.pretrained_cfg
        return torch.tensor(about["mean"]), torch.tensor(about["std"])

    @property
    def head(self) -> nn.Module:
        """The last layer, from features to logits."""
        return self.model.get_classifier()

    def outputs(self, x: Tensor) -> tuple[Tensor, list[Tensor]]:
        """Normalized images [B, 3, H, W] → logits [B, C] and the activations of each stage [B, width, h, w]."""
        last, stages = self.model.forward_intermediates(x, output_fmt="NCHW")
        return self.model.forward_head(last), stages

    def forward(self, x: Tensor) -> Tensor:
        """Normalized images [B, 3, H, W] → logits [B, C]."""
        return self.model(x)
