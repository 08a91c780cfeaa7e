"""Pretrained weights to start a training from: safetensors only, from the hub, a folder or a file."""

from __future__ import annotations

from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor

from distillery.jobs import UserError, one_line
from distillery.models.architectures import NormalizedModel
from distillery.models.timm_names import PREFIX, require_timm_network
from distillery.models.timm_networks import TimmNetwork
from distillery.storage.hub_access import hub_or_cache

FILE = "model.safetensors"  # the name in a folder and on the hub


def load_pretrained(network: NormalizedModel, name: str, pretrained: bool | str) -> None:
    """Load pretrained weights into a network. A last layer of another shape, for other classes, is left out.

    Args:
        network: on the CPU, just initialized.
        name: the network's name in the configuration.
        pretrained: see `pretrained_file`.

    Raises:
        UserError: there are no such weights, the file is damaged or of another network.
    """
    if not pretrained:
        return
    path = pretrained_file(name, pretrained)
    tensors = read_tensors(path)
    if "mean" in tensors and "std" in tensors:  # a file of this library
        own = tensors
    else:
        own = {f"{_prefix(network)}{key}": value for key, value in tensors.items()}
    expected = network.state_dict()
    head = {f"{_path_of_head(network)}.{part}" for part in ("weight", "bias")}
    kept = {key: value for key, value in own.items() if key not in head or _fits(value, expected.get(key))}
    missing = [key for key in expected if key not in kept and key not in head and not _optional(key)]
    foreign = [key for key, value in kept.items() if not _fits(value, expected.get(key))]
    if missing or foreign:
        what = f"lack {missing[0]}" if missing else f"have {foreign[0]} {list(kept[foreign[0]].shape)}"
        raise UserError(f"weights {path} are not of network {name}: they {what}. Name the network they are of.")
    network.load_state_dict(expected | kept)


def _optional(key: str) -> bool:
    # batch norm's counter of batches is not used here; mean and std are only in files of this library
    return key.endswith("num_batches_tracked") or key in ("mean", "std")


def _fits(value: Tensor, expected: Tensor | None) -> bool:
    return expected is not None and value.shape == expected.shape


def _prefix(network: NormalizedModel) -> str:
    return "network.model." if isinstance(network.network, TimmNetwork) else "network."


def _path_of_head(network: NormalizedModel) -> str:
    head = network.network.head
    return next(name for name, module in network.named_modules() if module is head)


def pretrained_file(name: str, pretrained: bool | str) -> Path:
    """The path of pretrained weights on this machine; downloads them if they are on the hub.

    Args:
        name: of the network.
        pretrained: true for the weights that timm names; a `.safetensors`, a folder with model.safetensors in it, or an
            id on the Hugging Face hub.

    Raises:
        UserError: there are none, or they cannot be downloaded.
    """
    if isinstance(pretrained, str) and (path := Path(pretrained)).exists():
        path = path / FILE if path.is_dir() else path
        if path.suffix != ".safetensors" or not path.is_file():
            raise UserError(
                f"{pretrained} is neither a .safetensors nor a folder with {FILE}. Other formats may run code when"
                " they are loaded; docs/teachers.md says how to convert a .pth."
            )
        return path
    if isinstance(pretrained, str) and (pretrained.endswith(".safetensors") or pretrained.count("/") != 1):
        raise UserError(f"weights {pretrained} do not exist. Give a file, a folder or an id on the hub.")
    return _from_hub(pretrained if isinstance(pretrained, str) else _hub_id(name))


def _hub_id(name: str) -> str:
    if not name.startswith(PREFIX):
        raise UserError(f"pretrained: there are no weights of {name} to download; give the path of a .safetensors")
    about = require_timm_network(name).models.get_pretrained_cfg(name.removeprefix(PREFIX))
    if not about.hf_hub_id:
        raise UserError(f"pretrained: timm names no weights of {name}; give the path of a .safetensors")
    return about.hf_hub_id


def _from_hub(model: str) -> Path:
    from huggingface_hub import hf_hub_download

    try:
        with hub_or_cache(model):
            return Path(hf_hub_download(model, FILE))
    except Exception as error:  # the hub's own errors, and those of its network client
        raise UserError(
            f"pretrained: {FILE} of {model} cannot be downloaded from the hub ({one_line(error, 120)}). Go online once,"
            " or give the path of a .safetensors."
        ) from error


def read_tensors(path: str | Path) -> dict[str, Tensor]:
    """All tensors of a safetensors file, float16 and bfloat16 ones as float32.

    Raises:
        UserError: the file does not exist or is damaged.
    """
    try:
        with safe_open(path, framework="pt") as file:
            tensors = {name: file.get_tensor(name) for name in file.keys()}
    except (SafetensorError, OSError, ValueError) as error:
        raise UserError(f"weights {path} cannot be read ({one_line(error, 120)}). Give a .safetensors file.") from error
    half = (torch.float16, torch.bfloat16)
    return {name: value.float() if value.dtype in half else value for name, value in tensors.items()}
