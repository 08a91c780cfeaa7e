"""LoRA: low-rank weights added to a diffusion model, from a file or the hub. Only safetensors are loaded."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from distillery.file_digests import sha256_of
from distillery.generation.models.hub import commit_of
from distillery.jobs import UserError, one_line


@dataclass(frozen=True)
class Lora:
    """LoRA weights, and the factor by which they are multiplied.

    Attributes:
        path: a `.safetensors` file, or an id on the Hugging Face hub.
        file: the file's name on the hub; empty if the id has only one.
        revision: for a file its hash, `sha256:` and 16 hex digits; for an id the revision on the hub.
        weight: the factor; 1 uses the weights as they were trained.
    """

    path: str
    file: str
    revision: str
    weight: float

    @classmethod
    def of(cls, source: Mapping[str, Any]) -> Lora | None:
        """The weights of a configured source; None if it has none."""
        if not (lora := source.get("lora")):
            return None
        path = Path(lora["path"])
        revision = hash_lora(path) if path.is_file() else lora.get("revision", "")
        return cls(lora["path"], lora.get("file", ""), revision, lora["weight"])

    @property
    def identity(self) -> str:
        """The hash of a file, or id, revision and file name on the hub; part of the seed of an image's noise."""
        return self.revision if Path(self.path).suffix == ".safetensors" else f"{self.path}@{self.revision}/{self.file}"

    @property
    def loaded_revision(self) -> str:
        """The revision for the provenance: of a branch on the hub, the commit that was loaded."""
        return self.revision if Path(self.path).is_file() else commit_of(self.path, self.revision) or self.revision


def hash_lora(path: str | Path) -> str:
    """Hash of a LoRA file: `sha256:` and 16 hex digits."""
    return f"sha256:{sha256_of(path)[:16]}"


def apply_lora(pipeline: Any, lora: Lora) -> None:
    """Add LoRA weights to those of a diffusers pipeline.

    Raises:
        UserError: they cannot be loaded, or belong to another model.
    """
    path = Path(lora.path)
    if path.is_file() and not _names(path):
        raise UserError(f"lora {path} has no weights, since the model was refused when it was trained. Delete it.")
    place, name = (str(path.parent), path.name) if path.is_file() else (lora.path, lora.file)
    options: dict[str, Any] = {"weight_name": name} if name else {}
    if not path.is_file() and lora.revision:
        options["revision"] = lora.revision
    from diffusers.utils import logging as diffusers_logging

    verbosity = diffusers_logging.get_verbosity()
    diffusers_logging.set_verbosity_error()  # it warns of each part of the model that the LoRA does not change
    try:
        pipeline.load_lora_weights(place, use_safetensors=True, local_files_only=path.is_file(), **options)
        if not pipeline.get_list_adapters():  # diffusers ignores weights of another model
            raise ValueError("no part of the model has such weights")
        pipeline.fuse_lora(lora_scale=lora.weight)
        pipeline.unload_lora_weights()  # frees the separate copies; the model keeps the sum
    except Exception as error:  # the hub, diffusers and peft share no type of error
        raise UserError(
            f"lora {lora.path} cannot be loaded ({one_line(error, 200)}). Check that it is a .safetensors file made for"
            " this model."
        ) from error
    finally:
        diffusers_logging.set_verbosity(verbosity)


def _names(path: Path) -> list[str]:
    """The names of the tensors in a file.

    Raises:
        UserError: the file is not a safetensors file.
    """
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, framework="pt") as file:
            return list(file.keys())
    except (SafetensorError, OSError) as error:
        raise UserError(f"lora {path} is no safetensors file ({one_line(error, 120)}). Give another one.") from error


def with_adapter(source: Mapping[str, Any], files: Mapping[str, Any]) -> dict[str, Any]:
    """A configured source, in which the LoRA that the study trained replaces the key `adapt`.

    Args:
        source: the source in the configuration.
        files: of the job; `adapter` is the LoRA's file, if the study trained one.
    """
    settings = {key: value for key, value in source.items() if key != "adapt"}
    if not (path := files.get("adapter")):
        return settings
    return settings | {"lora": {"path": str(path), "weight": source["adapt"]["weight"]}}
