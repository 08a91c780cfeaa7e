"""Checks a model on the Hugging Face hub without loading it: whether access is granted, and whether it needs a GPU."""

from __future__ import annotations

import re
from pathlib import Path

from distillery.config.choices import COMMIT_PATTERN
from distillery.jobs import one_line
from distillery.storage.denoiser_weights import denoiser_sizes, folder_weights
from distillery.storage.hub_access import ask_hub
from distillery.storage.hub_errors import hub_error, model_name
from distillery.storage.retrieved.refusals import Refusal

# size in bytes of a denoiser's weights file above which a CPU is too slow for a study. Stable Diffusion 2 has 1.7 GB in
# half precision; the model of the demonstration has 14 MB.
GPU_BYTES = 1_000_000_000


def is_cached(model: str, revision: str) -> bool:
    """Whether the hub's cache on this machine has the files of a model, so that no access is needed."""
    return _cached(model, revision) is not None


def _cached(model: str, revision: str) -> Path | None:
    from huggingface_hub import snapshot_download

    try:
        return Path(snapshot_download(model, revision=revision or None, local_files_only=True))
    except Exception:  # not in the cache; the library raises several types for that
        return None


def commit_of(model: str, revision: str) -> str:
    """The commit of a model's files in the hub's cache on this machine; empty for a folder or a model not in the cache.

    It says which commit of a branch was loaded.
    """
    if Path(model).is_dir() or (folder := _cached(model, revision)) is None:
        return ""
    return folder.name if re.fullmatch(COMMIT_PATTERN, folder.name) else ""


def check_access(model: str, revision: str) -> str:
    """Check with the hub whether this machine may download a model.

    Returns:
        The commit to which the revision points now; empty if the hub does not say.

    Raises:
        Refusal: the model is gated, or the hub does not answer.
        UserError: there is no such model or revision.
    """
    from huggingface_hub import HfApi

    hub = HfApi()
    try:
        found = ask_hub(lambda: hub.model_info(model, revision=revision or None))
        ask_hub(lambda: hub.auth_check(model))
        return getattr(found, "sha", None) or ""
    except Exception as error:  # the hub's own errors, and those of its network client
        raise hub_error(model, revision, error) or Refusal(
            f"{model_name(model, revision)}: the hub cannot be reached ({one_line(error, 120)}). Go online and run"
            " again.",
            "unreachable",
        ) from error


def require_gpu(model: str, revision: str) -> None:
    """Refuse a model that is too large for a CPU; call it on a machine without a GPU.

    Raises:
        Refusal: a file of the denoiser's weights is larger than `GPU_BYTES`. A model of unknown size is not refused.
    """
    largest = max(_weights(model, revision), default=0)
    if largest > GPU_BYTES:
        raise Refusal(
            f"{model_name(model, revision)} needs a GPU: its denoiser has {largest / 1e9:.1f} GB of weights,"
            " too much for a CPU. Run on a machine with a GPU, or take a smaller model.",
            "no GPU",
        )


def _weights(model: str, revision: str) -> list[int]:
    """Bytes of each file of a denoiser's weights: in the folder, in the hub's cache here, or according to the hub."""
    from huggingface_hub import HfApi

    folder = Path(model) if Path(model).is_dir() else _cached(model, revision)
    if folder is None:
        try:
            found = ask_hub(lambda: HfApi().model_info(model, revision=revision or None, files_metadata=True))
        except Exception:  # offline, gated or missing: loading the model will report it
            return []
        return list(denoiser_sizes((file.rfilename, file.size or 0) for file in found.siblings or ()))
    return folder_weights(folder)
