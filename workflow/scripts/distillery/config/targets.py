"""Questions about a checked configuration: the names of the files that a part of the study reads or makes.

Each function takes the study as `reading.check_config` returns it.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from itertools import product
from pathlib import Path
from typing import Any, NamedTuple

import yaml

from distillery.config.choices import UNLABELED
from distillery.config.derived_sources import derived_sources, labels_of_pools
from distillery.config.queries import (
    Study,
    adopted_members,
    deployed_students,
    filtered_sources,
    fits_scale,
    kept_by_teacher,
    listing_of_dataset,
    other_test_sources,
    parent_of,
    settings_of_arm,
    source_of_adapter,
    source_of_titles,
    teacher_sources,
    tuning_of,
    used_sources,
    uses_teacher,
)
from distillery.storage.files import hash_listing

# in the order in which the page shows them
PAGE_TABLES = (
    "summary", "comparisons", "ranking", "test_sources", "per_class", "published", "calibration", "agreement",
    "confusion", "counts", "teacher", "leakage", "audit", "diversity", "costs", "runs", "curves", "reliability",
)  # fmt: skip
ONE_TRIAL = "lr{lr}_decay{weight_decay}_seed{seed}"
SHEETS = ("contact", "label_issues", "duplicates", "kinds")  # of a source with labels
UNAUDITED = ("contact", "duplicates", "kinds")  # of one whose labels are not audited
REJECTED = "rejected"  # of one whose images are chosen: those that were not
LEFT_OUT = "left_out"  # of one that the teacher labels: images it is unsure about


def pattern_of(names: Iterable[str]) -> str:
    """The pattern of a wildcard: one of these names, or nothing if there are none."""
    return "|".join(map(re.escape, names)) or "(?!)"


# --- acquire, curate, split -------------------------------------------------------------------------------------------


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


def chooser_files(study: Study, source: str) -> dict[str, str]:
    """The teacher, if it chooses a source's images."""
    return {"teacher": teacher_file(0)} if kept_by_teacher(study, source) else {}


def rejected_files(study: Study, source: str) -> dict[str, str]:
    """The pool of a source's images that were not chosen; none if all are kept."""
    names = {"rejected": "tar", "rejected_records": "jsonl"} if "keep" in study["sources"][source] else {}
    return {name: f"resources/rejected/{source}.{extension}" for name, extension in names.items()}


def filtered_records(study: Study) -> list[str]:
    """The records of all sources whose images are chosen."""
    return [path for source in filtered_sources(study) for path in pools(study, source, "jsonl")]


def tables_of_filters(study: Study) -> list[str]:
    """The table of how many images were chosen; none in a study without such sources."""
    return tables("acceptance") if filtered_sources(study) else []


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


# --- teach, study -----------------------------------------------------------------------------------------------------


def teacher_folders(study: Study) -> list[str]:
    """The user's own folders of images that the teacher is trained and tested on."""
    data = study["teacher"]["data"]
    return [path for path in (data["path"], data["test_path"]) if path] if data["kind"] == "folder" else []


def trained_teacher(study: Study) -> str:
    """The weights of the teacher that is trained: the teacher itself, or one of several."""
    return f"results/teacher/{'model' if study['teacher']['kind'] == 'train' else 'trained'}.safetensors"


def adopted_teacher(study: Study) -> str:
    """The weights of the teacher that is adopted: the teacher itself, or one whose scale is not fitted yet."""
    return f"results/teacher/{'unscaled' if fits_scale(study) else 'model'}.safetensors"


def files_of_adopted(study: Study) -> list[str]:
    """Files and folders of adopted teachers on this machine, each file of a folder by itself."""
    parts = [member[member["kind"]] for member in adopted_members(study).values()]
    paths = [Path(part[key]) for part in parts for key in ("model", "labels") if part.get(key)]
    found = [file for path in paths for file in (sorted(path.rglob("*")) if path.is_dir() else [path])]
    return [str(path) for path in found if path.is_file()]


def teacher_listings(study: Study) -> list[str]:
    """Hashes of what those folders, or the folder of the teacher's data set, hold."""
    data = study["teacher"]["data"]
    places = [Path(data["path"]) / data["inside"], Path(data["test_path"]) / data["test_inside"]]
    listings = [class_listing(place, study["classes"]) for place in places if data["kind"] == "folder"]
    return [*listings, *([listing_of_dataset(data)] if data["kind"] == "huggingface" else [])]


def of_deployed(study: Study, pattern: str) -> list[str]:
    """A file of each student that is exported and measured.

    Args:
        pattern: with the fields student, or scenario and arm.
    """
    names = [(student, *student.split(".", 1)) for student in deployed_students(study)]
    return [pattern.format(student=student, scenario=scenario, arm=arm) for student, scenario, arm in names]


def class_listing(folder: str | Path, labels: Iterable[str]) -> str:
    """A hash of what a user's own folder holds of some classes: opening the folder may change its time."""
    return hash_listing(Path(folder) / f"{label}{kind}" for label in labels for kind in ("", ".tar", ".zip"))


def listing_of_class(study: Study, source: str, label: str) -> str:
    """A hash of what a folder source holds of one class."""
    settings = study["sources"][source]
    folder = Path(settings["path"]) / settings["inside"]
    return hash_listing([folder]) if label == UNLABELED else class_listing(folder, [label])


def all_seeds(study: Study, pattern: str) -> list[str]:
    """The files of all seeds, from a pattern with `{seed}`."""
    return [pattern.replace("{seed}", str(seed)) for seed in range(study["seeds"])]


def seeds_in_job(study: Study, pattern: str) -> list[str]:
    """The files that one job makes for a pattern with `{seed}`: those of all seeds, or of the one of its wildcard."""
    return [pattern] if study["seeds_per_job"] == 1 else all_seeds(study, pattern)


def plans_of_job(study: Study, scenario: str, wildcards: Any) -> list[str]:
    """The plans that a job trains students by, of each draw or of its seed's: seed n has draw n modulo their number."""
    return [plan(scenario, draw) for draw in _numbers_of_job(study, study["split"]["draws"], wildcards)]


def _numbers_of_job(study: Study, count: int, wildcards: Any) -> list[int]:
    """The numbers modulo `count` of the seeds that a job trains, in order."""
    seeds = [int(wildcards.seed)] if "seed" in wildcards.keys() else range(study["seeds"])  # noqa: SIM118, no mapping
    return list(dict.fromkeys(seed % count for seed in seeds))


def name_of_training_job(study: Study) -> str:
    """The pattern of the name of the log and benchmark of a job that trains students."""
    return "{scenario}.{arm}" + (".seed{seed}" if study["seeds_per_job"] == 1 else "")


def teacher_file(number: int, file: str = "model.safetensors") -> str:
    """A file of one of the teachers."""
    return f"results/teacher/{f'seed{number}/' if number else ''}{file}"


def teacher_of(study: Study, arm: str, number: int = 0) -> str:
    """The weights of one of the teachers, if the method of an arm asks the teacher; else empty."""
    return teacher_file(number) if uses_teacher(study, arm) else ""


def teachers_of_job(study: Study, arm: str, wildcards: Any) -> list[str]:
    """The teachers of a job that trains students, as in `plans_of_job`; none if the arm asks none."""
    numbers = _numbers_of_job(study, study["teacher"]["seeds"], wildcards)
    return [teacher_of(study, arm, number) for number in numbers if uses_teacher(study, arm)]


def predictions_of_teachers(study: Study) -> list[str]:
    """The predictions of every teacher."""
    return [
        teacher_file(number, "predictions.parquet") for number in range(min(study["teacher"]["seeds"], study["seeds"]))
    ]


def trials_of(tuned: str, grid: Mapping[str, Any]) -> list[str]:
    """The trials of a scenario, or of one of its arms: a training with every setting of a grid.

    Args:
        tuned: `{scenario}[.{arm}]`.
        grid: lists `lr` and `weight_decay`, and the number of `seeds`.
    """
    settings = product(grid["lr"], grid["weight_decay"], range(grid["seeds"]))
    return [f"results/tuning/{tuned}/lr{lr}_decay{decay}_seed{seed}.json" for lr, decay, seed in settings]


class TrialRule(NamedTuple):
    """A rule that makes the trials of one grid. Patterns have the wildcard `{scenario}`.

    Attributes:
        name: of the rule.
        folder: of its logs, benchmarks and checkpoints.
        job: pattern of the name of a job's log and benchmark.
        trials: patterns of the files that one job makes: all of the grid, or the one of its wildcards.
        arm: the method and its settings.
        teacher: see `teacher_of`.
    """

    name: str
    folder: str
    job: str
    trials: list[str]
    arm: dict[str, Any]
    teacher: str


def trial_rules(study: Study) -> list[TrialRule]:
    """The rules that make trials: of the student's grid, which trains from scratch, and of each arm's own grid."""
    own = {name: arm["tune"] for name, arm in study["arms"].items() if "tune" in arm}
    rules = []
    if "tune" in study["student"]:
        found = _job_and_trials(study, "{scenario}", study["student"]["tune"])
        rules.append(TrialRule("run_trial", "run_trial", *found, {"method": "ce"}, ""))
    for arm, grid in own.items():
        found = _job_and_trials(study, f"{{scenario}}.{arm}", grid)
        settings = settings_of_arm(study, arm)
        rules.append(TrialRule(f"run_arm_trial_{arm}", "run_arm_trial", *found, settings, teacher_of(study, arm)))
    return rules


def _job_and_trials(study: Study, tuned: str, grid: Mapping[str, Any]) -> tuple[str, list[str]]:
    """`job` and `trials` of a `TrialRule`."""
    if study["seeds_per_job"] == 1:
        return f"{tuned}.{ONE_TRIAL}", [f"results/tuning/{tuned}/{ONE_TRIAL}.json"]
    return tuned, trials_of(tuned, grid)


def names_of_trials(study: Study) -> list[str]:
    """Every trial as its benchmark is named: `{scenario}[.{arm}].lr…`."""
    grids = dict(
        found
        for scenario, settings in study["scenarios"].items()
        for arm in settings["arms"]
        if (found := tuning_of(study, scenario, arm))
    )
    return [f"{tuned}.{Path(path).stem}" for tuned, grid in grids.items() for path in trials_of(tuned, grid)]


def chosen_settings(study: Study, scenario: str, arm: str) -> str | None:
    """The file of the settings chosen for a run; None if they are given."""
    found = tuning_of(study, scenario, arm)
    return f"results/tuning/{found[0]}.json" if found else None


def runs_of(study: Study, scenario: str, file: str = "metrics.json") -> list[str]:
    """One file of every run of a scenario."""
    runs = product(study["scenarios"][scenario]["arms"], range(study["seeds"]))
    return [f"results/runs/{scenario}/{arm}/seed{seed}/{file}" for arm, seed in runs]


def other_test_predictions(study: Study) -> list[str]:
    """The predictions of all students for test images outside the common test; none if all are common."""
    shown = study["scenarios"].items() if other_test_sources(study) else ()
    return [f"results/other_test_sets/{name}.{arm}.parquet" for name, scenario in shown for arm in scenario["arms"]]


def runs_of_all(study: Study, file: str) -> list[str]:
    """One file of every run of the study."""
    return [path for scenario in study["scenarios"] for path in runs_of(study, scenario, file)]


# --- report -----------------------------------------------------------------------------------------------------------


def read_figures(path: str | Path) -> dict[str, dict[str, Any]]:
    """The figures that `plot` draws into results/figures: by name the title, category and tables."""
    return yaml.safe_load(Path(path).read_text(encoding="utf-8"))


def figures(names: Iterable[str], *formats: str) -> list[str]:
    """Figures in each format."""
    return [f"results/figures/{name}.{extension}" for name, extension in product(names, formats)]


def tables(*names: str) -> list[str]:
    """Tables by name."""
    return [f"results/tables/{name}.csv" for name in names]


def sheets(study: Study) -> list[str]:
    """Every kind of sheet of every source's images."""
    pairs = product((*SHEETS, LEFT_OUT, REJECTED), used_sources(study))
    return [f"results/figures/{kind}_{source}.png" for kind, source in pairs if kind in _kinds_of(study, source)]


def _kinds_of(study: Study, source: str) -> tuple[str, ...]:
    """The kinds of sheets of a source: labels that the teacher gave are not audited by it."""
    labels = study["sources"][source].get("labels")
    if "keep" in study["sources"][source]:
        return (*SHEETS, REJECTED)
    return {"teacher": (*UNAUDITED, LEFT_OUT), "none": UNAUDITED}.get(labels, SHEETS)


def sheet_inputs(study: Study, kind: str, source: str) -> dict[str, str | list[str]]:
    """What a sheet of a source's images is drawn from."""
    if kind == "duplicates":  # dropped images are in the pools alone
        shards, records = pools(study, source, "tar"), pools(study, source, "jsonl")
        return {"shards": shards, "records": records, "table": f"results/curated/{source}.parquet"}
    if kind == REJECTED:
        return {**rejected_files(study, source), "records": pools(study, source, "jsonl")}
    if kind == LEFT_OUT:
        return {"pixels": f"results/unlabeled/{source}.npy", "table": f"results/labels/{source}.parquet"}
    pixels = f"results/curated/{source}.npy"
    if kind == "label_issues":
        audit = f"results/audit/{source}"
        return {"pixels": pixels, "table": f"{audit}.parquet", "own_test": f"{audit}.own_test.parquet"}
    return {"pixels": pixels, "table": f"results/curated/{source}.parquet"}


def sheets_of_teacher(study: Study) -> list[str]:
    """Sheets of the teacher's own sources, whose labels are only as good as the search."""
    shown = product(UNAUDITED, teacher_sources(study, "train", "test"))
    return [f"results/figures/{kind}_{source}.png" for kind, source in shown]
