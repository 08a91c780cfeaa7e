"""The checked configuration, and the questions that rules ask about it."""

import re
import sys
from pathlib import Path

import yaml

LIBRARY = Path(workflow.basedir) / "workflow" / "scripts" / "distillery"
sys.path.insert(0, str(LIBRARY.parent))

from distillery import config as configuration
from distillery.devices import count_gpus
from distillery.files import hash_files
from distillery.jobs import StudyError

REPORT = Path(workflow.basedir) / "workflow" / "report"
FIGURES = yaml.safe_load((REPORT / "figures.yaml").read_text())
# in the order in which the page shows them
PAGE_TABLES = (
    *("summary", "comparisons", "ranking", "test_sources", "per_class", "published", "calibration", "agreement"),
    *("confusion", "counts", "teacher", "leakage", "audit", "diversity", "costs", "runs", "curves", "reliability"),
)
# a limit of its own for each kind of scarce thing; --resources and profiles may raise them
UNLIMITED = 10_000  # without a GPU the cores are the limit
LIMITS = {"gpu": 1 if count_gpus() else UNLIMITED, "url_crawls": 1}
LIMITS |= {f"{kind}_crawls": 1 for kind in configuration.WEB_SEARCHES}
for resource, limit in LIMITS.items():
    workflow.global_resources.setdefault(resource, limit)

try:
    for path in workflow.configfiles:
        configuration.check_unique_names(path)
    study = configuration.check_config(config)
except StudyError as error:
    sys.exit(str(error))  # a WorkflowError would add a file and a line that are not the user's


def code_of(*parts):
    """A hash of parts of the library: a changed library reruns what it changes."""
    return hash_files(LIBRARY / part for part in parts)


def shipped(folder, *names):
    """Files that come with the workflow, wherever the study's files lie."""
    return [local(str(folder / name)) for name in names]


def named(names):
    """A wildcard's pattern: one of these names, or nothing if there are none."""
    return "|".join(map(re.escape, names)) or "(?!)"


def sources_of_kind(*kinds):
    return [name for name, source in study["sources"].items() if source["kind"] in kinds]


def classes_of(source):
    return configuration.classes_of(study, source)


def classes_of_sources(names):
    return {name: classes_of(name) for name in names}


def used_sources():
    return configuration.used_sources(study)


def pixel_sources(scenario):
    return configuration.pixel_sources(study, scenario)


def pools(source, extension):
    return expand(
        "resources/pools/{source}/{label}.{extension}", source=source, label=classes_of(source), extension=extension
    )


def curated(sources, extension):
    return expand("results/curated/{source}.{extension}", source=sources, extension=extension)


def leakage_to_drop():
    """What the split leaves out, where the configuration wants it to."""
    return {"leakage": "results/leakage.parquet"} if study["split"]["leakage"] == "drop" else {}


def audits_of(scenario):
    """What the teacher says of the labels, for a scenario that trains on none that it doubts."""
    settings = study["scenarios"][scenario]
    return expand("results/audit/{source}.parquet", source=settings["train"]) if settings["clean"] else []


def web_source(name):
    """A source as its crawl sees it."""
    return study["sources"][name] | {"contact": study["contact"]}


def imitated_web():
    """What decides the imitated searches of a demonstration; nothing for a study."""
    return {key: study["demo"][key] for key in ("results_per_query", "seed")} if "demo" in study else {}


def built_model(source):
    """What has to be made before a source can generate: the demonstration's model, where it uses it."""
    built = "resources/demo-pipeline"
    return [f"{built}/model_index.json"] if study["sources"][source]["model"] == built else []


def teacher_folders():
    """The user's folders of pictures that the teacher learns from; here, wherever the study's files lie."""
    data = study["teacher"]["data"]
    return [local(path) for path in (data["path"], data["test_path"]) if path] if data["kind"] == "folder" else []


def labels_of_figures():
    """What stands on every figure of a demonstration; empty for a study."""
    return study["demo"]["label"] if "demo" in study else ""


def untrained_sources():
    """Sources whose diffusion model has random weights: their pictures show nothing, and every figure says so."""
    return [name for name, source in study["sources"].items() if source.get("random_weights")]


def recipe_of(part):
    """How the teacher or the student is trained: the keys of the training recipe."""
    return {key: value for key, value in study[part].items() if key not in ("data", "seed", "tune")}


def trials_of(scenario):
    """A training for every setting of the tuning's grid."""
    grid = study["student"]["tune"]
    return expand(
        "results/tuning/{scenario}/lr{lr}_decay{weight_decay}_seed{seed}.json",
        scenario=scenario,
        lr=grid["lr"],
        weight_decay=grid["weight_decay"],
        seed=range(grid["seeds"]),
    )


def chosen_settings():
    """The learning rate and weight decay chosen for a scenario, where the configuration has them chosen."""
    return {"choice": "results/tuning/{scenario}.json"} if "tune" in study["student"] else {}


def wanted_pictures():
    """For every split the total of each source; of train the most that any scenario uses."""
    train = {}
    for scenario in study["scenarios"].values():
        for source, count in scenario["train"].items():
            train[source] = max(count, train.get(source, 0))
    return {"test": study["split"]["test"], "val": study["split"]["val"], "train": train}


def runs_of(scenario, file="metrics.json"):
    """One file of every run of a scenario."""
    return expand(
        "results/runs/{scenario}/{arm}/seed{seed}/{file}",
        scenario=scenario,
        arm=study["scenarios"][scenario]["arms"],
        seed=range(study["seeds"]),
        file=file,
    )


def runs_of_all(file):
    """One file of every run of the study."""
    return [path for scenario in study["scenarios"] for path in runs_of(scenario, file)]


def sources_elsewhere():
    """Sources with test pictures that are not in the common test."""
    return [name for name in used_sources() if name in set(study["split"]["test"]) - set(study["split"]["common"])]


def evidence(*names):
    """Modules of the library's evidence, as `code_of` takes them."""
    return [f"evidence/{name}.py" for name in names]


def figures_of_study():
    """The figures drawn from tables alone that have something to show in this study."""
    arms = [set(scenario["arms"]) for scenario in study["scenarios"].values()]
    unneeded = set() if study["comparisons"] else {"comparisons"}
    if not any(f"published_{arm}" in names for names in arms for arm in names):
        unneeded.add("faults")
    usual = {"scratch", "kd", "published_scratch", "published_kd"}
    if not any(scenario.get("published") and usual & set(scenario["arms"]) for scenario in study["scenarios"].values()):
        unneeded.add("published")
    return [name for name in FIGURES if name not in unneeded]


def figures(*formats):
    return expand("results/figures/{name}.{format}", name=figures_of_study(), format=formats)


def tables(*names):
    return expand("results/tables/{name}.csv", name=names)


def sheets(*kinds):
    return expand("results/figures/{kind}_{source}.png", kind=kinds, source=used_sources())


wildcard_constraints:
    source=named(study["sources"]),
    label=named(study["classes"]),
    scenario=named(study["scenarios"]),
    arm=named(study["arms"]),
    seed=r"\d+",
    lr=r"[\d.e-]+",
    weight_decay=r"[\d.e-]+",
    figure=named(FIGURES),
