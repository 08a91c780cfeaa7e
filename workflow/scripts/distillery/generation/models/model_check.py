"""Check a diffusion model before its first image, without loading it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from distillery.config.choices import COMMIT_PATTERN
from distillery.generation.models.diffusion_models import available_model
from distillery.generation.models.hub import check_access, commit_of, is_cached, require_gpu
from distillery.jobs import log
from distillery.storage.hub_errors import model_name
from distillery.storage.retrieved.source_checks import SourceCheck, now


def check_model(source: Mapping[str, Any], name: str, gpus: int = 1) -> SourceCheck:
    """Query the hub for access to a source's model, if it is neither a folder nor in the hub's cache on this machine.

    Args:
        source: the configured source.
        name: of the source.
        gpus: number of GPUs that the study's jobs may use, on this machine or a cluster.

    Raises:
        Refusal: access is refused now, or the model needs a GPU and there is none.
        UserError: there is no such model or revision.
    """
    model, revision = available_model(source["model"]), source.get("revision", "")
    if not Path(model).is_dir():
        commit = commit_of(model, revision) if is_cached(model, revision) else check_access(model, revision)
        _warn_if_unpinned(name, model, revision, commit)
    if not gpus and source.get("unavailable") == "skip":
        require_gpu(model, revision)
    return SourceCheck(name, "ok", when=now())


def _warn_if_unpinned(name: str, model: str, revision: str, commit: str) -> None:
    """Warn of a model whose revision is a branch or tag, which may change, and name the commit to write instead."""
    if re.fullmatch(COMMIT_PATTERN, revision):
        return
    what = f"branch or tag {revision}" if revision else "newest commit of its main branch"
    remedy = f"Write revision: {commit}" if commit else "Write a commit in revision"
    log.warning(
        "source %s: %s is not pinned but the %s, which may change. %s to get the same model every time",
        *(name, model_name(model, ""), what, remedy),
    )
