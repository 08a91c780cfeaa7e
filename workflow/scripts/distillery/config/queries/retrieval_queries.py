"""Read a checked configuration for retrieval: what is requested from each source, how, and how many images.

Each function takes the study as `reading.check_config` returns it.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from distillery.config.choices import WEB_SEARCHES
from distillery.config.queries.source_queries import (
    Study,
    classes_of,
    source_of_titles,
    sources_of_kind,
    teacher_sources,
    used_sources,
)
from distillery.jobs import CRAWL_POLICY_KEYS
from distillery.storage.files import hash_listing
from distillery.storage.retrieved.attempts import Attempts
from distillery.storage.retrieved.source_checks import CheckRequest

# names of Snakemake resources, one for each image search, so that only one job at a time crawls it
CRAWLS = tuple(f"{kind}_crawls" for kind in WEB_SEARCHES)
# keys of a diffusion source that do not change its images
NOT_IN_IMAGES = ("shards", "unavailable")


def web_source(study: Study, attempts: Attempts, name: str, label: str) -> dict[str, Any]:
    """The settings that decide which images a source gives for a class; if they change, the class is retrieved again.

    The settings of politeness and disk are in `crawl_policy`.

    Args:
        attempts: how often each class of each source has been requested again.
        name: of the source.
        label: the class.
    """
    settings = {key: value for key, value in study["sources"][name].items() if key not in CRAWL_POLICY_KEYS}
    if saved := settings.get("saved"):  # a new saved page may give other images
        settings["listing"] = hash_listing([Path(saved, label), *sorted(Path(saved).glob(f"{label}.*"))])
    if settings["kind"] == "huggingface":
        settings["listing"] = listing_of_dataset(settings)
    return settings | _attempt(attempts.get(name, {}).get(label, 0))


def listing_of_dataset(settings: Mapping[str, Any]) -> str:
    """A hash of the content of a data set's folder; empty if the data set is on the hub."""
    path = Path(settings["dataset"])
    return hash_listing([path]) if path.exists() else ""


def check_request(study: Study, source: str, gpus: int = 1) -> CheckRequest:
    """The request for the preflight check of a search or diffusion source.

    A search is checked with the first query of its first class.

    Args:
        gpus: number of GPUs that the study's jobs may use.
    """
    settings, label = study["sources"][source], classes_of(study, source)[0]
    kept = {key: value for key, value in settings.items() if key not in CRAWL_POLICY_KEYS}
    query = next(iter(study["classes"][label]["queries"]), "")
    return CheckRequest(kept, label, query, study["preflight"], gpus)


def preflight_sources(study: Study) -> list[str]:
    """The searches, hub data sets and diffusion sources that the study uses, for students or the teacher."""
    needed = {*used_sources(study), *teacher_sources(study, "train", "test")}
    return [name for name in sources_of_kind(study, *WEB_SEARCHES, "huggingface", "diffusion") if name in needed]


def _attempt(number: int) -> dict[str, int]:
    """The key `attempt` of a source's settings; no key for the first attempt.

    So pools that were retrieved before this key existed stay valid.
    """
    return {"attempt": number} if number else {}


def unavailable_of(study: Study, source: str) -> str:
    """What happens if a source gives no images: "stop" or "skip"."""
    return study["sources"][source].get("unavailable", study["unavailable"])


def crawl_policy(study: Study, source: str) -> dict[str, Any]:
    """How politely a web source is crawled, and how much disk it may use. A change of these repeats no request."""
    values = {"contact": study["contact"], "unavailable": study["unavailable"]} | study["sources"][source]
    return {key: values[key] for key in CRAWL_POLICY_KEYS}


def imitated_web(study: Study) -> dict[str, Any]:
    """The settings of a demonstration's imitated searches; empty if the study is no demonstration."""
    return {key: study["demo"][key] for key in ("results_per_query", "seed")} if "demo" in study else {}


def crawl_counts(study: Study, source: str) -> dict[str, int]:
    """How much of each resource in `CRAWLS` a job of this source uses: 1 of its own search's, 0 of the others."""
    kind = study["sources"][source]["kind"]
    return {name: int(name == f"{kind}_crawls") for name in CRAWLS}


def resource_limits(gpus: int) -> dict[str, int]:
    """How many jobs may use each limited resource at a time; `--resources` and profiles can raise it.

    Args:
        gpus: number of GPUs of this machine. Without a GPU only the number of cores is a limit.
    """
    limits = dict.fromkeys((*CRAWLS, "url_crawls", "dataset_imports"), 1)
    return limits | ({"gpu": gpus} if gpus else {})


def words_of(study: Study, source: str) -> dict[str, dict[str, list[str]]]:
    """The texts from which a diffusion source's prompts are made, by class: only those that its prompt style uses."""
    published = study["sources"][source]["prompt_style"] == "published"
    parts: tuple[str, ...] = ("prompts",) if published else ("subjects", "settings")
    if source_of_titles(study, source):
        parts = ()
    return {label: {part: study["classes"][label][part] for part in parts} for label in classes_of(study, source)}


def generation_of(study: Study, attempts: Attempts, source: str) -> dict[str, Any]:
    """The settings that decide a source's generated images, and where they are stored.

    The number of jobs that share the work is not among them.
    """
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
    """The keys of a source that decide the LoRA that the study trains for its model."""
    keys = ("kind", "model", "revision", "size", "dtype", "components", "seed", "adapt")
    return {key: study["sources"][source][key] for key in keys}


def wanted_images(study: Study) -> dict[str, dict[str, int]]:
    """By split (test, val, train) the number of images requested from each source, in total.

    For train it is the largest number that any scenario uses.
    """
    train: dict[str, int] = {}
    for scenario in study["scenarios"].values():
        for source, count in scenario["train"].items():
            train[source] = max(count, train.get(source, 0))
    return {"test": study["split"]["test"], "val": study["split"]["val"], "train": train}


def images_requested(study: Study, source: str) -> dict[str, int]:
    """`wanted_images` of one source, for each class: the number of images by split."""
    classes = len(classes_of(study, source))
    return {part: totals.get(source, 0) // classes for part, totals in wanted_images(study).items()}
