"""Read the sources of a checked configuration, and their classes.

Each function takes the study as `reading.check_config` returns it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from distillery.display_names import source_titles, source_with_title

Study = Mapping[str, Any]


def sources_of_kind(study: Study, *kinds: str) -> list[str]:
    """The sources of one of these kinds, in the configuration's order."""
    return [name for name, source in study["sources"].items() if source["kind"] in kinds]


def parent_of(study: Study, source: str) -> str:
    """The source whose train images a source varies (key `from`); empty if it varies none."""
    return study["sources"][source].get("from", {}).get("source", "")


def source_of_adapter(study: Study, source: str) -> str:
    """The source on whose train images a source's model is adapted (key `adapt`); empty if it is not adapted."""
    return study["sources"][source].get("adapt", {}).get("source", "")


def source_of_titles(study: Study, source: str) -> str:
    """The source whose titles are a source's prompts (key `prompts_from`); empty if its prompts are configured."""
    return study["sources"][source].get("prompts_from", {}).get("titles", "")


def kept_by_teacher(study: Study, source: str) -> bool:
    """Whether the teacher chooses which images of a source are kept."""
    return study["sources"][source].get("keep", {}).get("by") == "teacher"


def filtered_sources(study: Study) -> list[str]:
    """The sources that the study uses and whose generated images are filtered (key `keep`)."""
    return [name for name in used_sources(study) if "keep" in study["sources"][name]]


def parents_of_derived(study: Study, sources: Iterable[str]) -> dict[str, str]:
    """Those of the given sources that vary another source's train images, each with that parent."""
    return {name: parent for name in sources if (parent := parent_of(study, name))}


def classes_of(study: Study, source: str) -> list[str]:
    """The classes that a source has images of, in the study's order; a derived source has its parent's classes."""
    source = parent_of(study, source) or source_of_adapter(study, source) or source
    subset = study["sources"][source].get("classes") or study["classes"]
    return [label for label in study["classes"] if label in subset]


def classes_of_sources(study: Study, sources: Iterable[str]) -> dict[str, list[str]]:
    """The classes of several sources, by source."""
    return {source: classes_of(study, source) for source in sources}


def limits_of_sources(study: Study, sources: Iterable[str]) -> dict[str, int]:
    """The key per_class of several sources, by source; sources without a limit are left out."""
    limits = {source: study["sources"][source].get("per_class", 0) for source in sources}
    return {source: limit for source, limit in limits.items() if limit}


def trained_classes(study: Study, scenario: str) -> set[str]:
    """The classes that a scenario trains on."""
    return {label for source in study["scenarios"][scenario]["train"] for label in classes_of(study, source)}


def used_sources(study: Study) -> list[str]:
    """The sources that scenarios train on or that have test images, and the sources that these are made from.

    In the configuration's order.
    """
    trained = {name for scenario in study["scenarios"].values() for name in scenario["train"]}
    named = [name for name in study["sources"] if name in trained | set(study["split"]["test"])]
    others = {find(study, name) for name in named for find in (source_of_titles, source_of_adapter)}
    needed = {*named, *parents_of_derived(study, named).values(), *others}
    return [name for name in study["sources"] if name in needed]


def pixel_sources(study: Study, scenario: str) -> list[str]:
    """The sources whose images a training of a scenario needs, for training or validation."""
    validated = [name for name in study["split"]["common"] if study["split"]["val"].get(name)]
    needed = {*study["scenarios"][scenario]["train"], *validated}
    return [name for name in study["sources"] if name in needed]


def tested_sources(study: Study) -> list[str]:
    """The sources with test images, in the common test set or outside it, in the configuration's order."""
    return [name for name in study["sources"] if name in study["split"]["test"]]


def generated_sources(study: Study, scenario: str) -> list[str]:
    """The diffusion sources that a scenario trains on."""
    return [name for name in sources_of_kind(study, "diffusion") if name in study["scenarios"][scenario]["train"]]


def teacher_sources(study: Study, *parts: str) -> list[str]:
    """The sources that the teacher is trained or tested on; none if its data are of another kind than sources.

    Args:
        parts: `train`, `test` or both.
    """
    data = study["teacher"]["data"]
    return [name for part in parts for name in data[f"{part}_sources"]] if data["kind"] == "sources" else []


def other_test_sources(study: Study) -> list[str]:
    """The sources with test images outside the common test set."""
    split = study["split"]
    return [name for name in used_sources(study) if name in set(split["test"]) - set(split["common"])]


def untrained_sources(study: Study) -> list[str]:
    """The sources whose diffusion model was never trained: their images show nothing, and every figure says so."""
    return [name for name, source in study["sources"].items() if source.get("random_weights")]


def titles_of_sources(study: Study, sources: Iterable[str]) -> dict[str, str]:
    """The display name of each source, which follows from its kind."""
    titles = source_titles({name: source["kind"] for name, source in study["sources"].items()})
    return {name: titles[name] for name in sources}


def name_on_sheets(study: Study, source: str) -> str:
    """A source's name on its sheets of images."""
    return source_with_title(source, titles_of_sources(study, [source]))
