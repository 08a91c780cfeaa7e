"""Trained networks as safetensors: weights, normalization and metadata in one file, whose bytes are reproducible."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save

from distillery.jobs import UserError, one_line, require_whole
from distillery.models.adopted import AdoptedNetwork, AveragedNetwork, build_adopted
from distillery.models.architectures import NormalizedModel, build_network
from distillery.models.reduction import Reduction
from distillery.storage.files import atomic_write

AnyNetwork = NormalizedModel | AdoptedNetwork | AveragedNetwork


@dataclass(frozen=True)
class TrainedNetwork:
    """A network with its metadata.

    Attributes:
        network: RGB in [0, 1], float [B, 3, S, S] → logits [B, C]; on the CPU when loaded.
        name: the argument of `build_network`; for an adopted teacher, a description.
        classes: C names, in the order of the logits.
        image_size: S, in pixels. The network may reduce the images to a smaller size itself.
        kind: teacher or student.
        steps: optimizer steps it was trained for.
    """

    network: AnyNetwork
    name: str
    classes: tuple[str, ...]
    image_size: int
    kind: str
    steps: int


def save_weights(path: str | Path, trained: TrainedNetwork) -> None:
    """Write a network atomically."""
    tensors = {name: value.detach().cpu().contiguous() for name, value in trained.network.state_dict().items()}
    metadata = {
        "network": trained.name,
        "classes": json.dumps(list(trained.classes)),
        "image_size": str(trained.image_size),
        "kind": trained.kind,
        "steps": str(trained.steps),
    }
    if isinstance(trained.network, NormalizedModel) and trained.network.reduction:
        metadata["network_size"] = str(len(trained.network.reduction.matrix))
    if not isinstance(trained.network, NormalizedModel):
        metadata["adopted"] = json.dumps(trained.network.about, sort_keys=True)
    atomic_write(path, sort_header(save(tensors, metadata)), digest=True)


def sort_header(data: bytes) -> bytes:
    """Sort the keys of a safetensors file's header, because safetensors writes metadata in varying order."""
    length = int.from_bytes(data[:8], "little")
    header = json.dumps(json.loads(data[8 : 8 + length]), sort_keys=True, separators=(",", ":")).encode()
    header += b" " * (-len(header) % 8)  # tensors start at a multiple of 8 bytes; their offsets count from there
    return len(header).to_bytes(8, "little") + header + data[8 + length :]


def load_weights(path: str | Path, classes: Sequence[str] | None = None) -> TrainedNetwork:
    """Read a network that `save_weights` wrote, onto the CPU.

    Args:
        classes: the classes it must have, in this order; None accepts any.

    Raises:
        UserError: the file is damaged, is not a weights file of this library, or has other classes.
    """
    require_whole([path])
    try:
        with safe_open(path, framework="pt") as file:
            metadata = file.metadata() or {}
            tensors = {name: file.get_tensor(name) for name in file.keys()}
        found = tuple(json.loads(metadata["classes"]))
        size, steps = int(metadata["image_size"]), int(metadata["steps"])
        network = _empty(metadata, len(found), size)
        network.load_state_dict(tensors)
        trained = TrainedNetwork(network, metadata["network"], found, size, metadata["kind"], steps)
    except FileNotFoundError:
        raise
    except (SafetensorError, KeyError, ValueError, RuntimeError, OSError, TypeError, UserError) as error:
        reason = f"no {error}" if isinstance(error, KeyError) else one_line(error, 120)
        raise UserError(
            f"weights {path} are damaged or not this study's ({reason}). Delete it and run again."
        ) from error
    if classes is not None and found != tuple(classes):
        raise UserError(
            f"weights {path} are for classes {', '.join(found)}, not {', '.join(classes)}. Delete it and run again."
        )
    return trained


def _empty(metadata: Mapping[str, str], classes: int, size: int) -> AnyNetwork:
    """The network that a file's metadata describes; its tensors are loaded afterwards."""
    if "adopted" in metadata:
        return build_adopted(json.loads(metadata["adopted"]))
    own = int(metadata.get("network_size", size))
    reduction = Reduction(size, own) if own != size else None
    return NormalizedModel(build_network(metadata["network"], classes, own), torch.zeros(3), torch.ones(3), reduction)
