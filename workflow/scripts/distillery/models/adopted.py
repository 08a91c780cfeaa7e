"""Teachers that the study does not train: checkpoints of other classes, ONNX files, CLIP, SigLIP, and their averages.

Each is a module that maps RGB in [0, 1], float [B, 3, S, S] of any size S, to logits [B, C] of the study's classes. It
resizes the images to its own size with its own interpolation. It can be rebuilt from its `about` (JSON) and its
tensors, so that one safetensors file holds any of them.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from distillery.models.architectures import NormalizedModel, build_network

# smallest log-probability, also of classes that a teacher does not know, because a loss needs finite numbers
FLOOR = -30.0


class AdoptedNetwork(nn.Module):
    """What adopted networks share: resizing, normalization, and their description.

    Args:
        about: the description, JSON: type, side (pixels), interpolation (bicubic or bilinear), and the type's own keys.
        mean, std: [3], for RGB in [0, 1].
    """

    mean: Tensor
    std: Tensor

    def __init__(self, about: dict[str, Any], mean: Sequence[float] = (0, 0, 0), std: Sequence[float] = (1, 1, 1)):
        super().__init__()
        self.about = about
        self.resize: nn.Module | None = None  # replaces interpolation for the ONNX export, which lacks it
        self.register_buffer("mean", torch.tensor(mean, dtype=torch.float32).reshape(1, 3, 1, 1))
        self.register_buffer("std", torch.tensor(std, dtype=torch.float32).reshape(1, 3, 1, 1))

    def prepare(self, x: Tensor) -> Tensor:
        """Images of any size → normalized images of the network's own size."""
        side = self.about["side"]
        if x.shape[-1] != side and self.resize is not None:
            x = self.resize(x.float()).clamp(0, 1)
        elif x.shape[-1] != side:
            mode = self.about["interpolation"]
            x = F.interpolate(x.float(), (side, side), mode=mode, antialias=True).clamp(0, 1)
        return (x - self.mean) / self.std


class MappedNetwork(AdoptedNetwork):
    """A network of other classes, which are mapped to the study's.

    `about` also has: network, outputs (number of its classes), mapping and prior (see `map_logits`).
    """

    def __init__(self, about: dict[str, Any], mean: Sequence[float] = (0, 0, 0), std: Sequence[float] = (1, 1, 1)):
        super().__init__(about, mean, std)
        self.network = build_network(about["network"], about["outputs"], about["side"])

    def forward(self, x: Tensor) -> Tensor:
        return map_logits(self.network(self.prepare(x)), self.about["mapping"], self.about["prior"])


class OnnxNetwork(AdoptedNetwork):
    """An ONNX file, run by onnxruntime on the CPU.

    `about` also has: input (its name), channels_last and bytes (bool, whether the input is uint8), batch (0 for any),
    probabilities (whether the output is these instead of logits), size (bytes of the file), mapping, prior.

    Args:
        data: the file's bytes, uint8 [N].
    """

    content: Tensor

    def __init__(
        self,
        about: dict[str, Any],
        mean: Sequence[float] = (0, 0, 0),
        std: Sequence[float] = (1, 1, 1),
        data: np.ndarray | None = None,
    ):
        super().__init__(about, mean, std)
        values = torch.zeros(about["size"], dtype=torch.uint8) if data is None else torch.from_numpy(data)
        self.register_buffer("content", values)
        self.place = nn.Parameter(torch.zeros(1), requires_grad=False)  # callers read the device from a parameter
        self._session: Any = None

    def forward(self, x: Tensor) -> Tensor:
        images = self.prepare(x).float()
        if self.about["bytes"]:
            images = (images * 255).round().to(torch.uint8)
        if self.about["channels_last"]:
            images = images.permute(0, 2, 3, 1)
        entries = np.ascontiguousarray(images.cpu().numpy())
        size = self.about["batch"] or len(entries)
        parts = [self.run(entries[start : start + size], size) for start in range(0, len(entries), size)]
        outputs = torch.from_numpy(np.concatenate(parts)).to(x.device).float()
        logits = outputs.clamp_min(1e-30).log() if self.about["probabilities"] else outputs
        return map_logits(logits, self.about["mapping"], self.about["prior"])

    def run(self, images: np.ndarray, size: int) -> np.ndarray:
        """The file's outputs for prepared images, [N, K], in a batch of `size`."""
        if self._session is None:
            self._session = open_session(self.content.cpu().numpy().tobytes())
        full = np.concatenate([images, np.repeat(images[-1:], size - len(images), axis=0)])
        found = self._session.run(None, {self.about["input"]: full})[0][: len(images)]
        # [N, K, 1, 1], as convolutional classifiers give, → [N, K]
        return found.reshape(*found.shape[:2], *(size for size in found.shape[2:] if size != 1))

    def __deepcopy__(self, memo: Any) -> OnnxNetwork:
        return OnnxNetwork(
            self.about, self.mean.flatten().tolist(), self.std.flatten().tolist(), self.content.cpu().numpy()
        )


class ZeroShotNetwork(AdoptedNetwork):
    """The image part of a CLIP or SigLIP, and embeddings of the classes' prompts (Radford et al. 2021, section 3.1).

    Logits are the scale times the cosines of image and class. `about` also has: family (clip or siglip), config (of the
    image part, for transformers), classes (their number) and width (of the embeddings).

    Args:
        text: float [C, D], one embedding of length 1 for each class.
        scale: above 0.
    """

    text: Tensor
    scale: Tensor

    def __init__(
        self,
        about: dict[str, Any],
        mean: Sequence[float] = (0, 0, 0),
        std: Sequence[float] = (1, 1, 1),
        text: Tensor | None = None,
        scale: float = 1.0,
    ):
        super().__init__(about, mean, std)
        self.vision = vision_model(about)
        self.register_buffer("text", torch.zeros(about["classes"], about["width"]) if text is None else text)
        self.register_buffer("scale", torch.tensor(scale))

    def forward(self, x: Tensor) -> Tensor:
        found = self.vision(pixel_values=self.prepare(x))
        image = found.image_embeds if self.about["family"] == "clip" else found.pooler_output
        with torch.autocast(x.device.type, enabled=False):  # bfloat16 rounds cosines by up to 0.002, times 100
            return self.scale * (F.normalize(image.float(), dim=1) @ self.text.T)


class AveragedNetwork(nn.Module):
    """Several teachers: the log of their weighted mean probability.

    Args:
        about: type, names, weights (relative) and members (their descriptions).
        members: the teachers.
    """

    def __init__(self, about: dict[str, Any], members: Sequence[nn.Module]):
        super().__init__()
        self.about = about
        self.members = nn.ModuleList(members)

    def forward(self, x: Tensor) -> Tensor:
        total = sum(self.about["weights"])
        parts = [
            F.log_softmax(member(x).float(), dim=1) + float(np.log(weight / total))
            for member, weight in zip(self.members, self.about["weights"], strict=True)
        ]
        return torch.stack(parts).logsumexp(dim=0).clamp_min(FLOOR)


def map_logits(logits: Tensor, mapping: Sequence[Sequence[int]], prior: str) -> Tensor:
    """Logits of other classes → log-probabilities of the study's.

    With prior `model`, the probability of a study's class is the sum over the classes that it maps to. The model takes
    each of its own classes to be equally frequent, so a study's class of 118 of these is 118 times as likely before the
    image is seen as a class of one. With prior `study`, each of the study's classes is equally likely, and its
    probability is the mean (Saerens et al. 2002, equation 2.4). Both are renormalized over all classes of the study
    that map to any.

    Args:
        logits: [B, K].
        mapping: for each of the study's C classes the indices of its classes, 0 to K − 1; may be empty.
        prior: study or model.

    Returns:
        float32 [B, C], at least `FLOOR`.
    """
    whole = F.log_softmax(logits.float(), dim=1)
    nothing = torch.full_like(whole[:, 0], -torch.inf)
    found = [
        whole[:, list(part)].logsumexp(dim=1) - (math.log(len(part)) if prior == "study" else 0) if part else nothing
        for part in mapping
    ]
    return F.log_softmax(torch.stack(found, dim=1), dim=1).clamp_min(FLOOR)


def vision_model(about: dict[str, Any]) -> nn.Module:
    """The image part of a CLIP or SigLIP of transformers, with random weights."""
    import transformers

    if about["family"] == "clip":
        return transformers.CLIPVisionModelWithProjection(transformers.CLIPVisionConfig(**about["config"]))
    return transformers.SiglipVisionModel(transformers.SiglipVisionConfig(**about["config"]))


def open_session(data: bytes) -> Any:
    """An ONNX file's session on the CPU, with as many threads as torch has."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    options.intra_op_num_threads = torch.get_num_threads()
    return onnxruntime.InferenceSession(data, options, providers=["CPUExecutionProvider"])


def runs_on_cpu(network: nn.Module) -> bool:
    """Whether a part of a network, an ONNX file, always runs on the CPU."""
    return any(isinstance(module, OnnxNetwork) for module in network.modules())


TYPES: dict[str, type[AdoptedNetwork]] = {
    "checkpoint": MappedNetwork,
    "onnx": OnnxNetwork,
    "zero_shot": ZeroShotNetwork,
}


def build_adopted(about: dict[str, Any]) -> Any:
    """Build an adopted network from its description; its tensors are loaded afterwards."""
    if about["type"] == "trained":
        inner = build_network(about["network"], about["classes"], about["side"])
        return NormalizedModel(inner, torch.zeros(3), torch.ones(3))
    if about["type"] == "average":
        return AveragedNetwork(about, [build_adopted(member) for member in about["members"]])
    return TYPES[about["type"]](about)
