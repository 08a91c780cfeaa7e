"""Which sources are derived: their images or labels come from the teacher, or from train images of another source.

All other sources are base sources. They are split first, as if there were no derived sources. A second split then adds
the derived sources, which have only train images. So no test or validation image can get into a derived source, and a
new derived source does not change the base split.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

from distillery.config.choices import UNLABELED
from distillery.config.queries.retrieval_queries import wanted_images
from distillery.config.queries.source_queries import (
    Study,
    classes_of,
    generated_sources,
    kept_by_teacher,
    parent_of,
    parents_of_derived,
    source_of_adapter,
    source_of_titles,
    used_sources,
)

OF_LABELING = ("labels", "threshold")  # keys of a source that do not change which images are imported


def unlabeled_sources(study: Study) -> list[str]:
    """The sources without labels of their own, in the configuration's order."""
    return [name for name, source in study["sources"].items() if source.get("labels")]


def kinds_on_card(study: Study, scenario: str) -> dict[str, str]:
    """Kind of each source that a scenario trains on; `labels: teacher` or `labels: none` if it has no labels."""
    kinds = {name: study["sources"][name]["kind"] for name in study["scenarios"][scenario]["train"]}
    unlabeled = [name for name in unlabeled_sources(study) if name in kinds]
    return kinds | {name: f"labels: {study['sources'][name]['labels']}" for name in unlabeled}


def is_made_from_others(study: Study, source: str) -> bool:
    """Whether a source is made from another source's train images or titles, or chosen by the teacher."""
    others = parent_of(study, source) or source_of_titles(study, source) or source_of_adapter(study, source)
    return bool(others) or kept_by_teacher(study, source)


def derived_sources(study: Study) -> list[str]:
    """The derived sources that the study uses, in the configuration's order."""
    unlabeled = unlabeled_sources(study)
    return [name for name in used_sources(study) if name in unlabeled or is_made_from_others(study, name)]


def base_sources(study: Study) -> list[str]:
    """The sources that the study uses and that are split first: all except derived ones."""
    derived = derived_sources(study)
    return [name for name in used_sources(study) if name not in derived]


def audited_sources(study: Study) -> list[str]:
    """The sources that the study uses and whose labels the teacher can audit: those with labels of their own."""
    unlabeled = unlabeled_sources(study)
    return [name for name in used_sources(study) if name not in unlabeled]


def labels_of_pools(study: Study, source: str) -> list[str]:
    """The names of a source's pools: its classes, or `unlabeled`."""
    return [UNLABELED] if study["sources"][source].get("labels") else classes_of(study, source)


def import_settings(study: Study, source: str) -> dict[str, Any]:
    """The keys of a folder source that decide which images are imported."""
    return {key: value for key, value in study["sources"][source].items() if key not in OF_LABELING}


def records_of_children(study: Study) -> list[str]:
    """The files of records of all images made from other images; each record names the parent image."""
    children = parents_of_derived(study, used_sources(study))
    return [f"resources/pools/{name}/{label}.jsonl" for name in children for label in classes_of(study, name)]


def wanted_base_images(study: Study) -> dict[str, dict[str, int]]:
    """`wanted_images` of base sources only."""
    derived = derived_sources(study)
    return {
        part: {source: count for source, count in counts.items() if source not in derived}
        for part, counts in wanted_images(study).items()
    }


def unlabeled_and_generated(study: Study, scenario: str) -> list[str]:
    """A scenario's sources whose images are left out if they are near-duplicates of images of its other sources.

    These are the sources without labels and the generated ones.
    """
    unlabeled = [name for name in unlabeled_sources(study) if name in study["scenarios"][scenario]["train"]]
    return [*unlabeled, *generated_sources(study, scenario)]


def sources_of_any_class(study: Study, scenario: str) -> list[str]:
    """A scenario's sources with `labels: none`, whose images are taken regardless of class."""
    return [name for name in study["scenarios"][scenario]["train"] if study["sources"][name].get("labels") == "none"]


def folders_of_unlabeled(study: Study) -> Iterable[tuple[str, Path]]:
    """The sources without labels, each with its folder or archive."""
    return [(name, Path(study["sources"][name]["path"])) for name in unlabeled_sources(study)]
