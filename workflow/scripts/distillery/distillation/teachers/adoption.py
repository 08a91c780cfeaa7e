"""Adopt a teacher that the study does not train: read it, map its classes, and write it as one weights file."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors import safe_open
from torch import Tensor, nn

from distillery.distillation.teachers.zero_shot import load_zero_shot
from distillery.jobs import UserError, log, one_line
from distillery.models.adopted import AdoptedNetwork, AveragedNetwork, MappedNetwork, OnnxNetwork, open_session
from distillery.models.architectures import NormalizedModel
from distillery.models.pretrained import pretrained_file, read_tensors
from distillery.models.timm_names import PREFIX
from distillery.models.timm_networks import TimmNetwork
from distillery.models.weights import AnyNetwork, TrainedNetwork, load_weights
from distillery.storage.onnx_digest import onnx_is_whole

SHOWN = 3  # classes of a mapping that the log names


def adopt_teacher(
    settings: Mapping[str, Any], classes: Sequence[str], side: int, trained: str | Path
) -> TrainedNetwork:
    """Read the teacher that section `teacher` describes, if its kind is not `train`.

    Args:
        settings: the keys kind, checkpoint, zero_shot and members of the section.
        classes: of the study.
        side: of the study's images in pixels.
        trained: weights of the trained member, if there is one.

    Raises:
        UserError: a file is missing, damaged or of another kind, or knows fewer than two of the study's classes.
    """
    if settings["kind"] != "several":
        network, name, _ = _member("teacher", settings, classes, trained)
        return TrainedNetwork(network, name, tuple(classes), side, "teacher", 0)
    parts = [_member(f"teacher.members.{key}", part, classes, trained) for key, part in settings["members"].items()]
    about = {
        "type": "average",
        "names": list(settings["members"]),
        "weights": [member["weight"] for member in settings["members"].values()],
        "members": [member_about for _, _, member_about in parts],
    }
    average = AveragedNetwork(about, [network for network, _, _ in parts])
    return TrainedNetwork(average, " + ".join(name for _, name, _ in parts), tuple(classes), side, "teacher", 0)


def _member(
    key: str, settings: Mapping[str, Any], classes: Sequence[str], trained: str | Path
) -> tuple[AnyNetwork, str, dict[str, Any]]:
    """A teacher, its name and its description `about`."""
    if settings["kind"] == "train":
        found = load_weights(trained, classes)
        about = {"type": "trained", "network": found.name, "classes": len(classes), "side": found.image_size}
        return found.network, found.name, about
    network: AdoptedNetwork
    part = settings[settings["kind"]]
    if settings["kind"] == "zero_shot":
        network, name = load_zero_shot(f"{key}.zero_shot", part, classes)
    elif part["model"].endswith(".onnx"):
        network, name = _onnx(f"{key}.checkpoint", part, classes)
    else:
        network, name = _weights(f"{key}.checkpoint", part, classes)
    return network, name, network.about


# --- weights ----------------------------------------------------------------------------------------------------------


def _weights(key: str, settings: Mapping[str, Any], classes: Sequence[str]) -> tuple[AdoptedNetwork, str]:
    path = pretrained_file(settings["network"], settings["model"])
    if "classes" in _metadata(path):
        return _study_weights(key, settings, classes, path)
    if not settings["network"].startswith(PREFIX):
        raise UserError(f"{key}.network: name the network that {path} has the weights of, such as timm/resnet50")
    tensors, names = read_tensors(path), _read_labels(key, settings)
    probe = TimmNetwork(settings["network"], len(names) or 1000, settings["input_size"] or 224)
    own = probe.model.pretrained_cfg
    outputs = _outputs_of(tensors, own) or len(names) or own["num_classes"]
    _require_names(key, settings, names, path, outputs)
    side = settings["input_size"] or own["input_size"][-1]
    about = {
        "type": "checkpoint",
        "network": settings["network"],
        "outputs": outputs,
        "side": side,
        "interpolation": own["interpolation"] if own["interpolation"] in ("bilinear", "bicubic") else "bicubic",
    }
    about["mapping"] = map_classes(key, classes, names, about["outputs"], settings["mapping"])
    about["prior"] = settings["prior"]
    network = MappedNetwork(about, *(part.tolist() for part in probe.statistics))
    _load(network.network, {f"model.{name}": value for name, value in tensors.items()}, path, settings["network"])
    return network, settings["network"]


def _outputs_of(tensors: Mapping[str, Tensor], about: Mapping[str, Any]) -> int:
    """The number of classes that timm weights have, by their last layer; 0 if its name is not known."""
    last = about.get("classifier") or ""
    weight = tensors.get(f"{last if isinstance(last, str) else last[0]}.weight")
    return 0 if weight is None else len(weight)


def _study_weights(
    key: str, settings: Mapping[str, Any], classes: Sequence[str], path: Path
) -> tuple[AdoptedNetwork, str]:
    found = load_weights(path)
    if not isinstance(found.network, NormalizedModel):
        raise UserError(f"{key}.model: {path} is an adopted teacher; give the files that it was made from")
    about = {
        "type": "checkpoint",
        "network": found.name,
        "outputs": len(found.classes),
        "side": settings["input_size"] or found.image_size,
        "interpolation": "bicubic",
        "mapping": map_classes(key, classes, found.classes, len(found.classes), settings["mapping"]),
        "prior": settings["prior"],
    }
    network = MappedNetwork(about, found.network.mean.flatten().tolist(), found.network.std.flatten().tolist())
    network.network.load_state_dict(found.network.network.state_dict())
    return network, found.name


def _metadata(path: Path) -> dict[str, str]:
    try:
        with safe_open(path, framework="pt") as file:
            return file.metadata() or {}
    except Exception as error:  # safetensors' own error, and those of the system
        raise UserError(f"weights {path} cannot be read ({one_line(error, 120)}). Give a .safetensors file.") from error


def _load(network: nn.Module, tensors: dict[str, Tensor], path: Path, name: str) -> None:
    expected = network.state_dict()
    counters = {key: value for key, value in expected.items() if key.endswith("num_batches_tracked")}
    try:
        network.load_state_dict(counters | tensors)
    except RuntimeError as error:
        reason = one_line(error, 160)
        raise UserError(
            f"weights {path} are not of network {name} ({reason}). Name the network they are of."
        ) from error


# --- ONNX -------------------------------------------------------------------------------------------------------------


def _onnx(key: str, settings: Mapping[str, Any], classes: Sequence[str]) -> tuple[AdoptedNetwork, str]:
    path = Path(settings["model"])
    if not path.is_file():
        raise UserError(f"{key}.model: {path} does not exist")
    data = path.read_bytes()
    if not onnx_is_whole(data):
        raise UserError(f"{key}.model: {path} is damaged: its bytes are not those that were written. Export it again.")
    try:
        session = open_session(data)
        (entry,), output = session.get_inputs(), session.get_outputs()[0]
    except Exception as error:  # the runtime's errors share no narrower base class; or there are several inputs
        raise UserError(f"{key}.model: {path} is not an ONNX file with one input ({one_line(error, 120)})") from error
    metadata = session.get_modelmeta().custom_metadata_map
    from_distillery = entry.name == "images" and output.name == "probabilities" and "classes" in metadata
    shape = [size if isinstance(size, int) else 0 for size in entry.shape]
    if len(shape) != 4 or 3 not in (shape[1], shape[3]):
        raise UserError(f"{key}.model: {path} takes {entry.shape}, not images [N, 3, S, S] or [N, S, S, 3]")
    last = shape[3] == 3 and shape[1] != 3
    side = settings["input_size"] or shape[1 if last else 2]
    if not side:
        raise UserError(f"{key}.input_size: {path} takes images of any size; give the size that it was trained on")
    names = json.loads(metadata["classes"]) if from_distillery else _read_labels(key, settings)
    about = {
        "type": "onnx",
        "input": entry.name,
        "channels_last": last,
        "bytes": entry.type == "tensor(uint8)",
        "batch": shape[0],
        "probabilities": from_distillery or settings["output"] == "probabilities",
        "side": side,
        "interpolation": "bicubic",
        "size": len(data),
    }
    mean, std = ([0.0] * 3, [1.0] * 3) if about["bytes"] else (settings["mean"], settings["std"])
    network = OnnxNetwork(about, mean, std, np.frombuffer(data, np.uint8).copy())
    outputs = _check_onnx(key, network, path)
    _require_names(key, settings, names, path, outputs)
    about["mapping"] = map_classes(key, classes, names, outputs, settings["mapping"])
    about["prior"] = settings["prior"]
    return network, path.name


def _check_onnx(key: str, network: OnnxNetwork, path: Path) -> int:
    """The number of the file's classes. Raise unless it runs, and its output is what the configuration says: logits or
    probabilities."""
    views = torch.rand(2, 3, 32, 32, generator=torch.Generator().manual_seed(0))
    side, about = network.about["side"], network.about
    try:
        images = network.prepare(views).numpy().astype(np.uint8 if about["bytes"] else np.float32)
        images = images.transpose(0, 2, 3, 1) if about["channels_last"] else images
        found = network.run(np.ascontiguousarray(images[: about["batch"] or 2]), about["batch"] or 2)
    except Exception as error:
        raise UserError(
            f"{key}.model: {path} does not run on images of {side} pixels ({one_line(error, 160)})"
        ) from error
    if found.ndim != 2:
        raise UserError(f"{key}.model: {path} gives {list(found.shape[1:])} numbers an image, not one for each class")
    sums_to_one = bool((found >= 0).all() and np.allclose(found.sum(axis=1), 1, atol=1e-3))
    if sums_to_one != about["probabilities"]:
        found_output = "probabilities" if sums_to_one else "logits"
        raise UserError(f"{key}.output: {path} gives {found_output}; set output: {found_output}")
    return found.shape[1]


# --- classes ----------------------------------------------------------------------------------------------------------


def _read_labels(key: str, settings: Mapping[str, Any]) -> list[str]:
    if not settings["labels"]:
        return []
    try:
        text = Path(settings["labels"]).read_text(encoding="utf-8-sig")  # some editors begin a file with a mark
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(f"{key}.labels: {settings['labels']} cannot be read ({one_line(error, 80)})") from error
    names = [line.strip() for line in text.rstrip().splitlines()]
    if "" in names:
        line = names.index("") + 1
        raise UserError(f"{key}.labels: line {line} of {settings['labels']} is empty; a line is a class, in order")
    return names


def _require_names(key: str, settings: Mapping[str, Any], names: Sequence[str], path: Path, outputs: int) -> None:
    """Raise if there are names, but not as many as the model's classes: they would be another class's."""
    if names and len(names) != outputs:
        place = f"{key}.labels: {settings['labels']}" if settings["labels"] else f"{key}.model: {path}"
        raise UserError(
            f"{place} names {len(names)} classes, but {path} has {outputs}; give one name a line, in the model's order"
        )


def map_classes(
    key: str, classes: Sequence[str], names: Sequence[str], count: int, table: Mapping[str, Sequence[str]]
) -> list[list[int]]:
    """Map each class of the study to classes of the model.

    A class in the table maps to the table's entries. Any other class maps to the model's class of the same name, where
    case, spaces and underscores are ignored. Nothing else is guessed, and the log has one line for each class.

    Args:
        key: the configuration's key, for messages.
        classes: of the study.
        names: of the model's classes; empty if they are not known.
        count: number of the model's classes.
        table: class of the study → names, indices, or ranges of indices such as 151-268.

    Returns:
        For each class of the study the sorted indices of the model's classes, 0 to count − 1.

    Raises:
        UserError: the table names a class that the model lacks, two classes map to the same one, or fewer than two
            classes map to any.
    """
    by_name: dict[str, list[int]] = {}
    for index, name in enumerate(names):
        by_name.setdefault(_plain(name), []).append(index)
    mapping: list[list[int]] = []
    owner: dict[int, str] = {}
    for label in classes:
        found = [
            index
            for entry in table.get(label, ())
            for index in _indices(f"{key}.mapping.{label}", entry, by_name, count)
        ] or ([] if label in table else by_name.get(_plain(label), []))
        for index in found:
            if owner.setdefault(index, label) != label:
                raise UserError(f"{key}.mapping: {owner[index]} and {label} both map to the model's class {index}")
        mapping.append(sorted(set(found)))
        shown = [names[index] if names else str(index) for index in mapping[-1][:SHOWN]]
        more = f" and {len(mapping[-1]) - SHOWN} more" if len(mapping[-1]) > SHOWN else ""
        log.info("class %s maps to %s%s", label, ", ".join(shown) or "no class of the model", more)
    lacking = [label for label, found in zip(classes, mapping, strict=True) if not found]
    if len(lacking) > len(classes) - 2:
        raise UserError(
            f"{key}.mapping: the model knows only {len(classes) - len(lacking)} of the study's classes; map at least"
            f" two of {', '.join(lacking)} to its classes, and give labels where you map by name"
        )
    if lacking:
        log.warning("%s: the teacher does not know %s and gives these classes no probability", key, ", ".join(lacking))
    return mapping


def _indices(key: str, entry: str, by_name: Mapping[str, list[int]], count: int) -> list[int]:
    if match := re.fullmatch(r"(\d+)(?:-(\d+))?", entry.strip()):
        first, last = int(match[1]), int(match[2] or match[1])
        if not first <= last < count:
            raise UserError(f"{key}: {entry} is outside the model's classes, 0 to {count - 1}")
        return list(range(first, last + 1))
    if _plain(entry) not in by_name:
        reason = "the model has no such class" if by_name else "labels is not set"
        raise UserError(f"{key}: {entry!r} is unknown, {reason}")
    return by_name[_plain(entry)]


def _plain(name: str) -> str:
    return " ".join(name.lower().replace("_", " ").split())
