"""The files of acquiring, curating and splitting images.

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
    """The pattern of a wildcard: one of these names, or nothing if there are none."""
    return "|".join(map(re.escape, names)) or "(?!)"


def verdicts(sources: Iterable[str]) -> list[str]:
    """What the look at each source found."""
    return [f"resources/preflight/{source}.json" for source in sources]


def pools(study: Study, source: str, extension: str) -> list[str]:
    """A file of every class's pool of a source."""
    return [f"resources/pools/{source}/{label}.{extension}" for label in labels_of_pools(study, source)]


def model_files(study: Study, source: str) -> list[str]:
    """The files of a source's diffusion model if it is a folder; none of a model from the hub."""
    return sorted(str(path) for path in Path(study["sources"][source]["model"]).rglob("*") if path.is_file())


def adapter_files(study: Study, source: str) -> dict[str, Any]:
    """The LoRA that the study trains for a source's model, and the split that it was trained by; else nothing."""
    if not source_of_adapter(study, source):
        return {}
    return {"adapter": f"resources/adapted/{source}.safetensors", "refusals": of_base(study, "refusals.json")}


def lora_files(study: Study, source: str) -> list[str]:
    """The LoRA of a source if it is a file here."""
    path = study["sources"][source].get("lora", {}).get("path", "")
    return [path] if path and Path(path).is_file() else []


def train_files(study: Study, source: str) -> dict[str, Any]:
    """What a source's model is adapted on: another source's images, and which of them are train images."""
    files = {"splits": of_base(study, "splits.parquet"), "refusals": of_base(study, "refusals.json")}
    return files | {"parents": pools(study, source_of_adapter(study, source), "tar")}


def collected_prompts(source: str) -> str:
    """The file of a source's prompts that were titles."""
    return f"resources/prompts/{source}.csv"


def prompt_files(study: Study, source: str) -> dict[str, str]:
    """The file of prompts that were titles, or the user's edited one; none of a source with prompts of its own."""
    if not source_of_titles(study, source):
        return {}
    edited = f"resources/prompts/{source}.edited.csv"
    return {"prompts": edited if Path(edited).exists() else collected_prompts(source)}


def rejected_files(study: Study, source: str) -> dict[str, str]:
    """The pool of a source's images that were not chosen; none if all are kept."""
    names = {"rejected": "tar", "rejected_records": "jsonl"} if "keep" in study["sources"][source] else {}
    return {name: f"resources/rejected/{source}.{extension}" for name, extension in names.items()}


def filtered_records(study: Study) -> list[str]:
    """The records of all sources whose images are chosen."""
    return [path for source in filtered_sources(study) for path in pools(study, source, "jsonl")]


def shares_of(study: Study, source: str) -> list[str]:
    """The results of the jobs that share the generation of a source; none if one job does it all."""
    shards = study["sources"][source]["shards"]
    return [f"resources/pools/{source}/shares/{share}-of-{shards}.jsonl" for share in range(shards) if shards > 1]


def curated(sources: Iterable[str], extension: str) -> list[str]:
    """A file of each source after curation."""
    return [f"results/curated/{source}.{extension}" for source in sources]


def of_base(study: Study, file: str) -> str:
    """A file about the base sources alone if the study has derived sources; else the one about all sources."""
    return f"results/{'base/' if derived_sources(study) else ''}{file}"


def split_of(study: Study, scenario: str, file: str) -> str:
    """A file of the split that a scenario is planned by: of the base sources, if it trains on them alone.

    So it waits for no derived source, and is planned the same when one joins.
    """
    if set(study["scenarios"][scenario]["train"]) & set(derived_sources(study)):
        return f"results/{file}"
    return of_base(study, file)


def parent_files(study: Study, source: str) -> dict[str, Any]:
    """What a derived source is made from: its parent's images and which of them are train images; else nothing."""
    if not (parent := parent_of(study, source)):
        return {}
    files = {"splits": of_base(study, "splits.parquet"), "refusals": of_base(study, "refusals.json")}
    return files | {"parents": pools(study, parent, "tar")}


def leakage_to_drop(study: Study, path: str = "results/leakage.parquet") -> dict[str, str]:
    """The near-duplicates of the teacher's images, if no split may use them."""
    return {"leakage": path} if study["split"]["leakage"] == "drop" else {}


def plan(scenario: str, draw: int = 0) -> str:
    """The plan of a scenario in one draw of train images."""
    return f"results/plans/{f'draw{draw}/' if draw else ''}{scenario}.parquet"


def plans(study: Study, scenarios: Iterable[str] | None = None) -> list[str]:
    """The plan of every scenario, or of some, in every draw."""
    draws, names = (
        range(min(study["split"]["draws"], study["seeds"])),
        study["scenarios"] if scenarios is None else scenarios,
    )
    return [plan(scenario, draw) for draw in draws for scenario in names]


def teacher_folders(study: Study) -> list[str]:
    """The user's own folders of images that the teacher is trained and tested on."""
    data = study["teacher"]["data"]
    return [path for path in (data["path"], data["test_path"]) if path] if data["kind"] == "folder" else []


def teacher_listings(study: Study) -> list[str]:
    """Hashes of what those folders, or the folder of the teacher's data set, hold."""
    data = study["teacher"]["data"]
    places = [Path(data["path"]) / data["inside"], Path(data["test_path"]) / data["test_inside"]]
    listings = [class_listing(place, study["classes"]) for place in places if data["kind"] == "folder"]
    return [*listings, *([listing_of_dataset(data)] if data["kind"] == "huggingface" else [])]


def class_listing(folder: str | Path, labels: Iterable[str]) -> str:
    """A hash of what a user's own folder holds of some classes: opening the folder may change its time."""
    return hash_listing(Path(folder) / f"{label}{kind}" for label in labels for kind in ("", ".tar", ".zip"))


def listing_of_class(study: Study, source: str, label: str) -> str:
    """A hash of what a folder source holds of one class."""
    settings = study["sources"][source]
    folder = Path(settings["path"]) / settings["inside"]
    return hash_listing([folder]) if label == UNLABELED else class_listing(folder, [label])
