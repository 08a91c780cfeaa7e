"""Questions about a checked configuration: which sources, classes and settings a part of the study uses.

Each function takes the study as `reading.check_config` returns it. `targets` has the questions about files.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from distillery.config.choices import COMMIT_PATTERN, NETWORKS, WEB_SEARCHES, WITHOUT_TEACHER
from distillery.config.recipe_models import CopiesConfig, RecipeConfig
from distillery.display_names import source_titles, source_with_title
from distillery.jobs import CRAWL_POLICY_KEYS
from distillery.storage.attempts import Attempts
from distillery.storage.files import hash_listing
from distillery.storage.verdicts import LookRequest

Study = Mapping[str, Any]
OPENVERSE_PAGE, OPENVERSE_ANONYMOUS = 20, 200  # results a page; requests a day without an account
# resources, one for each search, which let one job at a time crawl it
CRAWLS = tuple(f"{kind}_crawls" for kind in WEB_SEARCHES)
# keys of a diffusion source that change no image
NOT_IN_IMAGES = ("shards", "unavailable")
CIFAR10_SIDE = 32  # pixels
MOST_OF_SMALL = 64  # pixels; up to here enlarging is usual
# kinds of the published study's sources
PUBLISHED_KINDS = {"google": "google", "bing": "bing", "sd2": "diffusion", "sd3": "diffusion"}


# --- sources and classes ----------------------------------------------------------------------------------------------


def sources_of_kind(study: Study, *kinds: str) -> list[str]:
    """The sources of one of these kinds, in the configuration's order."""
    return [name for name, source in study["sources"].items() if source["kind"] in kinds]


def parent_of(study: Study, source: str) -> str:
    """The source from whose train images a source is made; empty for all others."""
    return study["sources"][source].get("from", {}).get("source", "")


def source_of_adapter(study: Study, source: str) -> str:
    """The source on whose train images the model of another one is adapted; empty if it is not."""
    return study["sources"][source].get("adapt", {}).get("source", "")


def source_of_titles(study: Study, source: str) -> str:
    """The source whose titles are the prompts of another one; empty for prompts of the configuration."""
    return study["sources"][source].get("prompts_from", {}).get("titles", "")


def kept_by_teacher(study: Study, source: str) -> bool:
    """Whether the teacher chooses which images of a source are kept."""
    return study["sources"][source].get("keep", {}).get("by") == "teacher"


def filtered_sources(study: Study) -> list[str]:
    """The sources that the study uses and whose images are chosen (`keep`)."""
    return [name for name in used_sources(study) if "keep" in study["sources"][name]]


def parents_of_derived(study: Study, sources: Iterable[str]) -> dict[str, str]:
    """Those of some sources that are made from another one's train images, each with that parent."""
    return {name: parent for name in sources if (parent := parent_of(study, name))}


def classes_of(study: Study, source: str) -> list[str]:
    """The classes a source has images of, in the study's order; a derived source has its parent's."""
    source = parent_of(study, source) or source_of_adapter(study, source) or source
    subset = study["sources"][source].get("classes") or study["classes"]
    return [label for label in study["classes"] if label in subset]


def classes_of_sources(study: Study, sources: Iterable[str]) -> dict[str, list[str]]:
    """The classes of several sources, by source."""
    return {source: classes_of(study, source) for source in sources}


def limits_of_sources(study: Study, sources: Iterable[str]) -> dict[str, int]:
    """The key per_class of several sources, by source; those without a limit are left out."""
    limits = {source: study["sources"][source].get("per_class", 0) for source in sources}
    return {source: limit for source, limit in limits.items() if limit}


def trained_classes(study: Study, scenario: str) -> set[str]:
    """The classes that a scenario trains on."""
    return {label for source in study["scenarios"][scenario]["train"] for label in classes_of(study, source)}


def used_sources(study: Study) -> list[str]:
    """The sources that any scenario trains on or any test uses, and their parents, in the configuration's order."""
    trained = {name for scenario in study["scenarios"].values() for name in scenario["train"]}
    named = [name for name in study["sources"] if name in trained | set(study["split"]["test"])]
    others = {of(study, name) for name in named for of in (source_of_titles, source_of_adapter)}
    needed = {*named, *parents_of_derived(study, named).values(), *others}
    return [name for name in study["sources"] if name in needed]


def pixel_sources(study: Study, scenario: str) -> list[str]:
    """The sources whose images a training of a scenario needs: those it trains on and those that validate it."""
    validated = [name for name in study["split"]["common"] if study["split"]["val"].get(name)]
    needed = {*study["scenarios"][scenario]["train"], *validated}
    return [name for name in study["sources"] if name in needed]


def tested_sources(study: Study) -> list[str]:
    """The sources with test images: of the common test and outside it, in the configuration's order."""
    return [name for name in study["sources"] if name in study["split"]["test"]]


def generated_sources(study: Study, scenario: str) -> list[str]:
    """The diffusion sources that a scenario trains on."""
    return [name for name in sources_of_kind(study, "diffusion") if name in study["scenarios"][scenario]["train"]]


def teacher_sources(study: Study, *parts: str) -> list[str]:
    """The sources that the teacher is trained on (`train`) and tested on (`test`), if its data are sources."""
    data = study["teacher"]["data"]
    return [name for part in parts for name in data[f"{part}_sources"]] if data["kind"] == "sources" else []


def other_test_sources(study: Study) -> list[str]:
    """Sources with test images that are not in the common test."""
    split = study["split"]
    return [name for name in used_sources(study) if name in set(split["test"]) - set(split["common"])]


def untrained_sources(study: Study) -> list[str]:
    """Sources whose diffusion model has random weights: their images show nothing, and every figure says so."""
    return [name for name, source in study["sources"].items() if source.get("random_weights")]


def titles_of_sources(study: Study, sources: Iterable[str]) -> dict[str, str]:
    """The names of sources as people read them, by source; they follow the sources' kinds."""
    titles = source_titles({name: source["kind"] for name, source in study["sources"].items()})
    return {name: titles[name] for name in sources}


def name_on_sheets(study: Study, source: str) -> str:
    """A source's name on its sheets of images."""
    return source_with_title(source, titles_of_sources(study, [source]))


# --- published numbers ------------------------------------------------------------------------------------------------


def has_published_kinds(study: Study, scenario: str) -> bool:
    """Whether a scenario trains on sources of the published study's kinds alone.

    A source with the name of one of them must be of its kind; a source with another name may be of any of them.
    """
    trained = {name: study["sources"][name]["kind"] for name in study["scenarios"][scenario]["train"]}
    kinds = set(PUBLISHED_KINDS.values())
    return all(kind in kinds and PUBLISHED_KINDS.get(name, kind) == kind for name, kind in trained.items())


def scenarios_as_shown(study: Study) -> dict[str, dict[str, Any]]:
    """The scenarios, with published numbers only where these are of the same kinds of sources."""
    return {
        name: {key: value for key, value in settings.items() if key != "published" or has_published_kinds(study, name)}
        for name, settings in study["scenarios"].items()
    }


# --- retrieval --------------------------------------------------------------------------------------------------------


def web_source(study: Study, attempts: Attempts, name: str, label: str) -> dict[str, Any]:
    """The keys of a source that decide what is asked for, and how often a class of it has been asked again.

    How it is asked is in `crawl_policy`.
    """
    settings = {key: value for key, value in study["sources"][name].items() if key not in CRAWL_POLICY_KEYS}
    if saved := settings.get("saved"):  # another saved page is another question
        settings["listing"] = hash_listing([Path(saved, label), *sorted(Path(saved).glob(f"{label}.*"))])
    if settings["kind"] == "huggingface":
        settings["listing"] = listing_of_dataset(settings)
    return settings | _attempt(attempts.get(name, {}).get(label, 0))


def listing_of_dataset(settings: Mapping[str, Any]) -> str:
    """A hash of what a data set's folder holds; empty if it is on the hub."""
    path = Path(settings["dataset"])
    return hash_listing([path]) if path.exists() else ""


def look_at(study: Study, source: str, gpus: int = 1) -> LookRequest:
    """How to look at a search or a diffusion source: a search is asked the first query of its first class.

    Args:
        gpus: that the jobs of the study may use.
    """
    settings, label = study["sources"][source], classes_of(study, source)[0]
    kept = {key: value for key, value in settings.items() if key not in CRAWL_POLICY_KEYS}
    query = next(iter(study["classes"][label]["queries"]), "")
    return LookRequest(kept, label, query, study["preflight"], gpus)


def preflight_sources(study: Study) -> list[str]:
    """The searches and diffusion sources that the study uses, for students or the teacher."""
    needed = {*used_sources(study), *teacher_sources(study, "train", "test")}
    return [name for name in sources_of_kind(study, *WEB_SEARCHES, "huggingface", "diffusion") if name in needed]


def _attempt(number: int) -> dict[str, int]:
    """A key of a source's settings; left out at first, so that what was retrieved before there were attempts stays."""
    return {"attempt": number} if number else {}


def unavailable_of(study: Study, source: str) -> str:
    """What happens if a source gives no images: "stop" or "skip"."""
    return study["sources"][source].get("unavailable", study["unavailable"])


def crawl_policy(study: Study, source: str) -> dict[str, Any]:
    """How politely a web source is crawled, and how much disk it may use: a change of these repeats no request."""
    values = {"contact": study["contact"], "unavailable": study["unavailable"]} | study["sources"][source]
    return {key: values[key] for key in CRAWL_POLICY_KEYS}


def imitated_web(study: Study) -> dict[str, Any]:
    """What decides the imitated searches of a demonstration; empty for a study."""
    return {key: study["demo"][key] for key in ("results_per_query", "seed")} if "demo" in study else {}


def crawl_counts(study: Study, source: str) -> dict[str, int]:
    """How many crawls of each search a job of this source is: 1 of its own, 0 of the others."""
    kind = study["sources"][source]["kind"]
    return {name: int(name == f"{kind}_crawls") for name in CRAWLS}


def resource_limits(gpus: int) -> dict[str, int]:
    """How many jobs may use each scarce thing at a time; `--resources` and profiles may raise it.

    Args:
        gpus: of this machine. Without a GPU the cores are the limit.
    """
    limits = dict.fromkeys((*CRAWLS, "url_crawls", "dataset_imports"), 1)
    return limits | ({"gpu": gpus} if gpus else {})


def words_of(study: Study, source: str) -> dict[str, dict[str, list[str]]]:
    """What the prompts of a diffusion source are made of, by class: only what its prompt style uses."""
    published = study["sources"][source]["prompt_style"] == "published"
    parts: tuple[str, ...] = ("prompts",) if published else ("subjects", "settings")
    if source_of_titles(study, source):
        parts = ()
    return {label: {part: study["classes"][label][part] for part in parts} for label in classes_of(study, source)}


def generation_of(study: Study, attempts: Attempts, source: str) -> dict[str, Any]:
    """What decides a source's generated images, and where they are kept; not how many jobs share the work."""
    settings = study["sources"][source]
    return {
        "source": {key: value for key, value in settings.items() if key not in NOT_IN_IMAGES}
        | _attempt(sum(attempts.get(source, {}).values())),
        "name": source,
        "classes": words_of(study, source),
        "store": f"resources/store/{source}",
        "seed": settings["seed"],
    }


def adaptation_of(study: Study, source: str) -> dict[str, Any]:
    """The keys of a source that decide the LoRA that is trained for its model."""
    keys = ("kind", "model", "revision", "size", "dtype", "components", "seed", "adapt")
    return {key: study["sources"][source][key] for key in keys}


def wanted_images(study: Study) -> dict[str, dict[str, int]]:
    """The total of each source for test, validation and training; for training, the most that any scenario uses."""
    train: dict[str, int] = {}
    for scenario in study["scenarios"].values():
        for source, count in scenario["train"].items():
            train[source] = max(count, train.get(source, 0))
    return {"test": study["split"]["test"], "val": study["split"]["val"], "train": train}


def images_requested(study: Study, source: str) -> dict[str, int]:
    """Images of each class that the study requests of a source, by split; for train the most that any scenario uses."""
    classes = len(classes_of(study, source))
    return {part: totals.get(source, 0) // classes for part, totals in wanted_images(study).items()}


def _quota_warnings(study: Study) -> list[str]:
    """A line if the study needs more requests of Openverse than it answers in a day without an account."""
    pages = sum(
        -(-study["sources"][name]["per_class"] // OPENVERSE_PAGE) * len(classes_of(study, name))
        for name in sources_of_kind(study, "openverse")
        if name in preflight_sources(study)
    )
    if pages <= OPENVERSE_ANONYMOUS or os.environ.get("OPENVERSE_CLIENT_ID"):
        return []
    return [
        f"Openverse: the study needs about {pages} requests, and it answers {OPENVERSE_ANONYMOUS} a day without an"
        " account. Set OPENVERSE_CLIENT_ID and OPENVERSE_CLIENT_SECRET (docs/sources.md), or run again on other days"
    ]


def study_warnings(study: Study) -> list[str]:
    """What a user should know before the first job although it is no mistake; a line each."""
    hidden = [
        name
        for name, scenario in study["scenarios"].items()
        if scenario.get("published") and not has_published_kinds(study, name)
    ]
    usual = [_two_class_warnings(study), _size_warnings(study), _quota_warnings(study), _revision_warnings(study)]
    return [line for lines in usual for line in lines] + [
        f"scenarios {', '.join(hidden)}: their published numbers are left out, because a source is of another kind than"
        " the published study's"
    ] * bool(hidden)


def _revision_warnings(study: Study) -> Iterator[str]:
    """A line if models of the hub are at a branch, so that they may change while the study stands."""
    used = [name for name in sources_of_kind(study, "diffusion") if name in preflight_sources(study)]
    settings = {name: study["sources"][name] for name in used}
    unpinned = [
        name
        for name, source in settings.items()
        if not Path(source["model"]).is_dir() and not re.fullmatch(COMMIT_PATTERN, source["revision"])
    ]
    if unpinned:
        yield (
            f"sources {', '.join(unpinned)}: their models are not pinned, a branch of the hub may change; give each a"
            " commit as revision (the log of look_at_model names today's)"
        )


def _size_warnings(study: Study) -> Iterator[str]:
    side, least = curated_size(study), study["curation"]["min_side"]
    if study["teacher"]["data"]["kind"] == "cifar10" and side > CIFAR10_SIDE:
        yield (
            f"teacher.data: CIFAR-10's images have {CIFAR10_SIDE} pixels and are enlarged to {side}: the teacher learns"
            " what enlarged images look like; take a pretrained teacher, or kind: folder with your own images"
        )
    if side > MOST_OF_SMALL and least < side:
        yield f"curation.min_side: images from {least} pixels are kept and enlarged to {side}; raise it to {side}"


def _two_class_warnings(study: Study) -> Iterator[str]:
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
            yield f"{', '.join(where)}: with two classes {what}; kd keeps all of what the teacher says"


# --- training ---------------------------------------------------------------------------------------------------------


def recipe_of(study: Study, part: str) -> dict[str, Any]:
    """The training recipe of the teacher or the student: the keys that change a result.

    How often a checkpoint is written is a resource of the rule, because changed resources retrain nothing.
    """
    keys = set(RecipeConfig.model_fields) - {"checkpoint_every"}
    recipe = {key: value for key, value in study[part].items() if key in keys}
    return recipe | {"image_size": study["image_size"] if part == "student" else curated_size(study)}


def changed_copies(study: Study) -> dict[str, dict[str, Any]]:
    """As a parameter, how copies are altered where that is not the usual way; else no parameter."""
    usual = {name: field.default for name, field in CopiesConfig.model_fields.items()}
    changed = {name: value for name, value in study["copies"].items() if value != usual[name]}
    return {"copies": changed} if changed else {}


def curated_size(study: Study) -> int:
    """Side in pixels at which images are curated and views made: the larger one of teacher and students."""
    return max(study["image_size"], study["teacher"]["image_size"])


def timm_networks(study: Study) -> list[str]:
    """The networks of timm that the study names."""
    trained = {study["student"]["network"]}
    trained |= {study["teacher"]["network"]} if "train" in kinds_of_teacher(study) else set()
    adopted = {member["checkpoint"]["network"] for member in adopted_members(study).values()}
    return sorted((trained | adopted) - {*NETWORKS, ""})


def kinds_of_teacher(study: Study) -> list[str]:
    """The kind of the teacher, or those of several."""
    teacher = study["teacher"]
    several = teacher["kind"] == "several"
    return [member["kind"] for member in teacher["members"].values()] if several else [teacher["kind"]]


def adopted_members(study: Study) -> dict[str, dict[str, Any]]:
    """The teachers that the study does not train, by their key in the configuration."""
    teacher = study["teacher"]
    members = {f"teacher.members.{name}": member for name, member in teacher["members"].items()}
    found = members if teacher["kind"] == "several" else {"teacher": teacher}
    return {key: member for key, member in found.items() if member["kind"] in ("checkpoint", "zero_shot")}


def adoption_of(study: Study) -> dict[str, Any]:
    """What decides an adopted teacher: of each only the keys of its kind."""
    teacher = study["teacher"]

    def of(member: Mapping[str, Any]) -> dict[str, Any]:
        return {key: member[key] for key in ("kind", "weight", member["kind"]) if key in member}

    if teacher["kind"] == "several":
        return {"kind": "several", "members": {name: of(member) for name, member in teacher["members"].items()}}
    return of(teacher)


def fits_scale(study: Study) -> bool:
    """Whether the scale of a zero-shot teacher is fitted on validation images."""
    return study["teacher"]["kind"] == "zero_shot" and study["teacher"]["zero_shot"]["trust_val"]


def settings_of_arm(study: Study, arm: str) -> dict[str, Any]:
    """An arm's method and its settings, sorted by key; without its grid."""
    return {key: value for key, value in sorted(study["arms"][arm].items()) if key != "tune"}


def uses_teacher(study: Study, arm: str) -> bool:
    """Whether the method of an arm asks the teacher."""
    return study["arms"][arm]["method"] not in WITHOUT_TEACHER


def arms_without_teacher(study: Study) -> list[str]:
    """The arms whose method does not ask the teacher."""
    return [arm for arm in study["arms"] if not uses_teacher(study, arm)]


def design_of_study(study: Study) -> dict[str, Any]:
    """What of the configuration decides how small a difference the study finds."""
    return {
        "seeds": study["seeds"],
        "correction": study["correction"],
        "comparisons": {
            name: {key: one[key] for key in ("arms", "within") if key in one}
            for name, one in study["comparisons"].items()
        },
        "scenarios": {name: {"arms": one["arms"]} for name, one in study["scenarios"].items()},
        "split": {key: study["split"][key] for key in ("test", "common", "draws")},
        "teacher": {"seeds": study["teacher"]["seeds"]},
    }


def tuning_of(study: Study, scenario: str, arm: str) -> tuple[str, dict[str, Any]] | None:
    """Where an arm's learning rate and weight decay are chosen, `{scenario}[.{arm}]`, and the grid; None if given."""
    settings = study["arms"][arm]
    if "tune" in settings:
        return f"{scenario}.{arm}", settings["tune"]
    published = settings["method"].startswith("published")  # with settings of its own
    return (scenario, study["student"]["tune"]) if "tune" in study["student"] and not published else None


def is_tuned(study: Study, scenario: str) -> bool:
    """Whether trials choose the learning rate and weight decay of any arm of a scenario."""
    return any(tuning_of(study, scenario, arm) for arm in study["scenarios"][scenario]["arms"])


def deployed_students(study: Study) -> list[str]:
    """Students to export and measure on request, as scenario.arm; by default those of the first scenario."""
    first = next(iter(study["scenarios"]))
    return study.get("deployed") or [f"{first}.{arm}" for arm in study["scenarios"][first]["arms"]]


# --- figures ----------------------------------------------------------------------------------------------------------


def label_of_figures(study: Study) -> str:
    """The label on every figure of a demonstration; empty for a study."""
    return study["demo"]["label"] if "demo" in study else ""


def figures_of_study(study: Study, figures: Iterable[str]) -> list[str]:
    """Those of the figures drawn from tables alone that have something to show in this study."""
    arms = [set(scenario["arms"]) for scenario in study["scenarios"].values()]
    empty = set() if study["comparisons"] else {"comparisons"}
    if not any(f"published_{arm}" in names for names in arms for arm in names):
        empty.add("faults")
    usual = {"scratch", "kd", "published_scratch", "published_kd"}
    shown = scenarios_as_shown(study).values()
    if not any(scenario.get("published") and usual & set(scenario["arms"]) for scenario in shown):
        empty.add("published")
    return [name for name in figures if name not in empty]


def heading_of_figure(study: Study, about: Mapping[str, Any]) -> str:
    """The heading: what the figure shows, then the study's title.

    Args:
        about: the figure's entry in figures.yaml.
    """
    return f"{about['title']}: {study['title']}"
