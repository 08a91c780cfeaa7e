"""Questions about derived sources: those whose images or labels follow from the teacher, or from other sources' split.

Base sources are split first, as if there were no derived ones. Then a second split adds derived sources, which have
train images alone. So no test or validation image can reach a derived one, and the base split stays when one joins.
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

OF_LABELING = ("labels", "threshold")  # keys of a source that change no imported image


def unlabeled_sources(study: Study) -> list[str]:
    """The sources without labels of their own, in the configuration's order."""
    return [name for name, source in study["sources"].items() if source.get("labels")]


def is_made_from_others(study: Study, source: str) -> bool:
    """Whether a source's images follow from another one's train images or titles, or from the teacher's choice."""
    others = parent_of(study, source) or source_of_titles(study, source) or source_of_adapter(study, source)
    return bool(others) or kept_by_teacher(study, source)


def derived_sources(study: Study) -> list[str]:
    """The derived sources that the study uses: without labels, made from others' images, or the teacher's choice."""
    unlabeled = unlabeled_sources(study)
    return [name for name in used_sources(study) if name in unlabeled or is_made_from_others(study, name)]


def base_sources(study: Study) -> list[str]:
    """The sources that the study uses and that are split first: all but the derived ones."""
    derived = derived_sources(study)
    return [name for name in used_sources(study) if name not in derived]


def audited_sources(study: Study) -> list[str]:
    """The used sources whose labels the teacher can audit: not those that it labeled itself."""
    unlabeled = unlabeled_sources(study)
    return [name for name in used_sources(study) if name not in unlabeled]


def labels_of_pools(study: Study, source: str) -> list[str]:
    """What the pools of a source are named by: its classes, or `unlabeled`."""
    return [UNLABELED] if study["sources"][source].get("labels") else classes_of(study, source)


def import_settings(study: Study, source: str) -> dict[str, Any]:
    """The keys of a folder source that decide what is imported."""
    return {key: value for key, value in study["sources"][source].items() if key not in OF_LABELING}


def records_of_children(study: Study) -> list[str]:
    """The records of all images made from others, which name their parents."""
    children = parents_of_derived(study, used_sources(study))
    return [f"resources/pools/{name}/{label}.jsonl" for name in children for label in classes_of(study, name)]


def wanted_of_base(study: Study) -> dict[str, dict[str, int]]:
    """As `wanted_images`, of base sources."""
    derived = derived_sources(study)
    return {
        part: {source: count for source, count in counts.items() if source not in derived}
        for part, counts in wanted_images(study).items()
    }


def yielding_sources(study: Study, scenario: str) -> list[str]:
    """Sources of a scenario that yield to near-duplicates in its others: generated ones, and those without labels."""
    unlabeled = [name for name in unlabeled_sources(study) if name in study["scenarios"][scenario]["train"]]
    return [*unlabeled, *generated_sources(study, scenario)]


def used_as_they_are(study: Study, scenario: str) -> list[str]:
    """The sources of a scenario whose images are taken whatever their class."""
    return [name for name in study["scenarios"][scenario]["train"] if study["sources"][name].get("labels") == "none"]


def folders_of_unlabeled(study: Study) -> Iterable[tuple[str, Path]]:
    """The unlabeled sources with their folder or archive."""
    return [(name, Path(study["sources"][name]["path"])) for name in unlabeled_sources(study)]
