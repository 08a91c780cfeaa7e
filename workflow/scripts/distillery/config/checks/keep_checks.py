"""Checks of the key `keep` of diffusion sources, which filters generated images."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from distillery.config.queries.source_queries import kept_by_teacher, teacher_sources


def keep_problems(config: dict[str, Any]) -> Iterator[str]:
    """The problems of all keys `keep`, one line each."""
    for name, source in config["sources"].items():
        if source.get("keep", {}).get("by") == "clip" and not source["clip_scorer"]:
            yield f"sources.{name}.keep: by: clip needs the key clip_scorer, a CLIP model's id or folder; add it"
        if not kept_by_teacher(config, name):
            continue
        if name in teacher_sources(config, "train", "test"):
            yield (
                f"sources.{name}.keep: the teacher is trained or tested on {name}, so it cannot choose its images; use"
                " by: clip, or another source for the teacher"
            )
        for key in ("test", "val"):
            if name in config["split"][key]:
                yield (
                    f"split.{key}: the teacher chooses the images of {name} (keep), so they are only for training;"
                    f" remove {name} here, or use by: clip"
                )
