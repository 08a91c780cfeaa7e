"""The files of a diffusion model that hold its denoiser's weights, which decide how long a step takes."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path

DENOISERS = ("unet", "transformer", "prior")  # folders in a pipeline
WEIGHTS = (".safetensors", ".bin")


def denoiser_sizes(files: Iterable[tuple[str, int]]) -> Iterator[int]:
    """Bytes of each file of the denoiser's weights, from all files of a model: (path within it, bytes)."""
    return (size for name, size in files if name.split("/")[0] in DENOISERS and name.endswith(WEIGHTS))


def folder_weights(folder: Path) -> list[int]:
    """Bytes of each file of the denoiser's weights of a model in a folder; none if there is no such folder."""
    files = ((path.relative_to(folder).as_posix(), path.stat().st_size) for path in folder.rglob("*.*"))
    return list(denoiser_sizes(files))
