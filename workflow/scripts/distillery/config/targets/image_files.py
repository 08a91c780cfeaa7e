"""The names of the files for acquiring, curating and splitting images.

Each function takes the study as `reading.check_config` returns it.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from distillery.config.choices import UNLABELED
from distillery.config.queries.derived_sources import derived_sources, labels_of_pools
from distillery.config.queries.retrieval_queries import listing_of_dataset
from distillery.config.queries.source_queries import (
    Study,
    filtered_sources,
    parent_of,
    source_of_adapter,
    source_of_titles,
)
from distillery.storage.files import hash_listing


def pattern_of(names: Iterable[str]) -> str:
    """A regular expression that matches exactly these names, for a wildcard; without names it matches nothing."""
    return "|".join(map(re.escape, names)) or "(?!)"


def source_checks(sources: Iterable[str]) -> list[str]:
    """The files with the results of the preflight checks."""
    return [f"resources/preflight/{source}.json" for source in sources]


def pools(study: Study, source: str, extension: str) -> list[str]:
    """The file with this extension (tar or jsonl) of each of a source's pools."""
    return [f"resources/pools/{source}/{label}.{extension}" for label in labels_of_pools(study, source)]


def model_files(study: Study, source: str) -> list[str]:
    """The files of a source's diffusion model if it is a local folder; none if it is on the hub."""
    return sorted(str(path) for path in Path(study["sources"][source]["model"]).rglob("*") if path.is_file())


def adapter_files(study: Study, source: str) -> dict[str, Any]:
    """The LoRA that the study trains for a source's model, and the refusals of the base split; empty without a LoRA."""
    if not source_of_adapter(study, source):
        return {}
    return {"adapter": f"resources/adapted/{source}.safetensors", "refusals": base_file(study, "refusals.json")}


def lora_files(study: Study, source: str) -> list[str]:
    """The LoRA of a source, if it is a local file."""
    path = study["sources"][source].get("lora", {}).get("path", "")
    return [path] if path and Path(path).is_file() else []


def train_files(study: Study, source: str) -> dict[str, Any]:
    """The inputs for adapting a source's model: another source's images, and which of them are train images."""
    files = {"splits": base_file(study, "splits.parquet"), "refusals": base_file(study, "refusals.json")}
    return files | {"parents": pools(study, source_of_adapter(study, source), "tar")}


def collected_prompts(source: str) -> str:
    """The file of prompts that are another source's titles."""
    return f"resources/prompts/{source}.csv"


def prompt_files(study: Study, source: str) -> dict[str, str]:
    """The file of prompts that are titles, or the user's edited copy; empty if the prompts are configured."""
    if not source_of_titles(study, source):
        return {}
    edited = f"resources/prompts/{source}.edited.csv"
    return {"prompts": edited if Path(edited).exists() else collected_prompts(source)}


def rejected_files(study: Study, source: str) -> dict[str, str]:
    """The pool of a source's generated images that its filter rejected; empty if all are kept."""
    names = {"rejected": "tar", "rejected_records": "jsonl"} if "keep" in study["sources"][source] else {}
    return {name: f"resources/rejected/{source}.{extension}" for name, extension in names.items()}


def filtered_records(study: Study) -> list[str]:
    """The records of all sources whose generated images are filtered."""
    return [path for source in filtered_sources(study) for path in pools(study, source, "jsonl")]


def shares_of(study: Study, source: str) -> list[str]:
    """The outputs of the jobs that share the generation of a source; empty if one job generates all images."""
    shards = study["sources"][source]["shards"]
    return [f"resources/pools/{source}/shares/{share}-of-{shards}.jsonl" for share in range(shards) if shards > 1]


def curated(sources: Iterable[str], extension: str) -> list[str]:
    """The curated file with this extension of each source."""
    return [f"results/curated/{source}.{extension}" for source in sources]


def base_file(study: Study, file: str) -> str:
    """The path of a file about base sources only; if no source is derived, it is the file about all sources."""
    return f"results/{'base/' if derived_sources(study) else ''}{file}"


def split_of(study: Study, scenario: str, file: str) -> str:
    """The path of a file of the split from which a scenario is planned.

    A scenario that trains only on base sources uses the base split. So it does not wait for derived sources, and its
    plan stays the same when one is added.
    """
    if set(study["scenarios"][scenario]["train"]) & set(derived_sources(study)):
        return f"results/{file}"
    return base_file(study, file)


def parent_files(study: Study, source: str) -> dict[str, Any]:
    """The inputs of a source that varies another one: the parent's images, and which of them are train images.

    Empty for all other sources.
    """
    if not (parent := parent_of(study, source)):
        return {}
    files = {"splits": base_file(study, "splits.parquet"), "refusals": base_file(study, "refusals.json")}
    return files | {"parents": pools(study, parent, "tar")}


def leakage_to_drop(study: Study, path: str = "results/leakage.parquet") -> dict[str, str]:
    """The table of near-duplicates of the teacher's images, if the split leaves these out; else empty."""
    return {"leakage": path} if study["split"]["leakage"] == "drop" else {}


def plan(scenario: str, draw: int = 0) -> str:
    """The plan of a scenario for one draw of train images."""
    return f"results/plans/{f'draw{draw}/' if draw else ''}{scenario}.parquet"


def plans(study: Study, scenarios: Iterable[str] | None = None) -> list[str]:
    """The plans of the given scenarios (all by default) for every draw."""
    draws = min(study["split"]["draws"], study["seeds"])
    names = study["scenarios"] if scenarios is None else scenarios
    return [plan(scenario, draw) for draw in range(draws) for scenario in names]


def teacher_folders(study: Study) -> list[str]:
    """The user's folders with the images that the teacher is trained and tested on, for teacher.data.kind folder."""
    data = study["teacher"]["data"]
    return [path for path in (data["path"], data["test_path"]) if path] if data["kind"] == "folder" else []


def teacher_listings(study: Study) -> list[str]:
    """Hashes of the content of the teacher's folders, or of the folder of its data set."""
    data = study["teacher"]["data"]
    places = [Path(data["path"]) / data["inside"], Path(data["test_path"]) / data["test_inside"]]
    listings = [class_listing(place, study["classes"]) for place in places if data["kind"] == "folder"]
    return [*listings, *([listing_of_dataset(data)] if data["kind"] == "huggingface" else [])]


def class_listing(folder: str | Path, labels: Iterable[str]) -> str:
    """A hash of a user's folder, for some classes. The folder's own time is no input, as opening it may change that."""
    return hash_listing(Path(folder) / f"{label}{kind}" for label in labels for kind in ("", ".tar", ".zip"))


def listing_of_class(study: Study, source: str, label: str) -> str:
    """A hash of what a folder source has for one class."""
    settings = study["sources"][source]
    folder = Path(settings["path"]) / settings["inside"]
    return hash_listing([folder]) if label == UNLABELED else class_listing(folder, [label])
