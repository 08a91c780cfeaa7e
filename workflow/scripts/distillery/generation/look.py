"""Check a diffusion model before its first image, without loading it."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from distillery.generation.diffusion_models import available_model
from distillery.generation.hub import check_access, is_cached, require_gpu
from distillery.storage.verdicts import Verdict, now


def look_at_model(source: Mapping[str, Any], name: str, gpus: int = 1) -> Verdict:
    """Query the hub for access to a source's model, if it is neither a folder nor in the hub's cache on this machine.

    Args:
        source: the configured source.
        name: of the source.
        gpus: that the jobs of the study may use, on this machine or a cluster.

    Raises:
        Refusal: the model cannot be had now, or needs a GPU and there is none.
        UserError: there is no such model or revision.
    """
    model, revision = available_model(source["model"]), source.get("revision", "")
    if not Path(model).is_dir() and not is_cached(model, revision):
        check_access(model, revision)
    if not gpus and source.get("unavailable") == "skip":
        require_gpu(model, revision)
    return Verdict(name, "ok", when=now())
