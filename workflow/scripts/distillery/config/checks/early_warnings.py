"""Warnings before the first job: settings that are valid but probably not what the user wants.

Each function takes the study as `reading.check_config` returns it.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from pathlib import Path

from distillery.config.choices import COMMIT_PATTERN
from distillery.config.queries.report_queries import has_published_kinds
from distillery.config.queries.retrieval_queries import preflight_sources
from distillery.config.queries.source_queries import Study, classes_of, sources_of_kind, trained_classes
from distillery.config.queries.training_queries import curated_size

OPENVERSE_PAGE, OPENVERSE_ANONYMOUS = 20, 200  # results a page; requests a day without an account
CIFAR10_SIDE = 32  # pixels
MOST_OF_SMALL = 64  # pixels; up to this size it is usual to enlarge smaller images


def _quota_warnings(study: Study) -> list[str]:
    """A warning if the study sends more requests to Openverse than it answers in a day without an account."""
    pages = sum(
        -(-study["sources"][name]["per_class"] // OPENVERSE_PAGE) * len(classes_of(study, name))
        for name in sources_of_kind(study, "openverse")
        if name in preflight_sources(study)
    )
    if pages <= OPENVERSE_ANONYMOUS or os.environ.get("OPENVERSE_CLIENT_ID"):
        return []
    return [
        f"Openverse: the study needs about {pages} requests, but without an account Openverse answers"
        f" {OPENVERSE_ANONYMOUS} a day. Set OPENVERSE_CLIENT_ID and OPENVERSE_CLIENT_SECRET (docs/sources.md), or run"
        " the study again on the next days"
    ]


def study_warnings(study: Study) -> list[str]:
    """All early warnings of a study, one line each."""
    hidden = [
        name
        for name, scenario in study["scenarios"].items()
        if scenario.get("published") and not has_published_kinds(study, name)
    ]
    usual = [_two_class_warnings(study), _size_warnings(study), _quota_warnings(study), _revision_warnings(study)]
    return [line for lines in usual for line in lines] + [
        f"scenarios {', '.join(hidden)}: their published results are not shown, because they train on another kind of"
        " source than the published study"
    ] * bool(hidden)


def _revision_warnings(study: Study) -> Iterator[str]:
    """A warning if a diffusion model of the hub is not pinned to a commit."""
    used = [name for name in sources_of_kind(study, "diffusion") if name in preflight_sources(study)]
    settings = {name: study["sources"][name] for name in used}
    unpinned = [
        name
        for name, source in settings.items()
        if not Path(source["model"]).is_dir() and not re.fullmatch(COMMIT_PATTERN, source["revision"])
    ]
    if unpinned:
        yield (
            f"sources {', '.join(unpinned)}: their models are not pinned to a commit, so they may change on the hub;"
            " give each a commit as revision (the log of check_model names the present one)"
        )


def _size_warnings(study: Study) -> Iterator[str]:
    """Warnings if small images are enlarged for large networks."""
    side, least = curated_size(study), study["curation"]["min_side"]
    if study["teacher"]["data"]["kind"] == "cifar10" and side > CIFAR10_SIDE:
        yield (
            f"teacher.data: CIFAR-10's images have {CIFAR10_SIDE} pixels and are enlarged to {side}, so the teacher"
            " trains on blurred images; use a pretrained teacher, or kind: folder with your own images"
        )
    if side > MOST_OF_SMALL and least < side:
        yield f"curation.min_side: images from {least} pixels are kept and enlarged to {side}; raise it to {side}"


def _two_class_warnings(study: Study) -> Iterator[str]:
    """Warnings for methods of which a part has no effect with two classes."""
    lost = {
        "dkd": "DKD's part among the other classes is zero",
        "dist": "DIST's correlation over the classes has no gradient",
    }
    for method, what in lost.items():
        arms = [name for name, arm in study["arms"].items() if arm["method"] == method]
        where = [
            f"{name}.{arm}"
            for name, scenario in study["scenarios"].items()
            for arm in arms
            if arm in scenario["arms"] and len(trained_classes(study, name)) == 2
        ]
        if where:
            yield f"{', '.join(where)}: with two classes {what}; kd has no such gap"
