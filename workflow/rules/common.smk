"""The checked configuration, and the questions that rules ask about it."""

import re

import yaml

from distillery.code_hash import code_hash
from distillery.devices import count_gpus
from distillery.storage.files import hash_listing
from distillery.training.recipe import NOT_RECIPE

REPORT = Path(workflow.basedir) / "workflow" / "report"
FIGURES = yaml.safe_load((REPORT / "figures.yaml").read_text())
# in the order in which the page shows them
PAGE_TABLES = (
    *("summary", "comparisons", "ranking", "test_sources", "per_class", "published", "calibration", "agreement"),
    *("confusion", "counts", "teacher", "leakage", "audit", "diversity", "costs", "runs", "curves", "reliability"),
)
# a limit of its own for each kind of scarce thing; --resources and profiles may raise them
UNLIMITED = 10_000  # without a GPU the cores are the limit
LIMITS = {"gpu": count_gpus() or UNLIMITED, "url_crawls": 1}
LIMITS |= {f"{kind}_crawls": 1 for kind in configuration.WEB_SEARCHES}
for resource, limit in LIMITS.items():
    workflow.global_resources.setdefault(resource, limit)

try:
    study = configuration.check_config(config)
    if workflow.is_main_process:
        for path in workflow.configfiles:
            if Path(path).resolve() != OWN.resolve():  # given on the command line
                configuration.read_config(path)
        configuration.check_own_files(study)
except UserError as error:
    sys.exit(str(error))


def code_of(script):
    """A hash of a script and of all it imports: a changed library reruns what it changes.

    Computed when a job needs it, since the process of every job reads every rule.
    """
    # one script prepares the teacher's data of every kind, and imports the drawing for drawn data alone
    without = () if study["teacher"]["data"]["kind"] == "drawn" else ("distillery_demo",)
    scripts = LIBRARY.parent
    return lambda _: code_hash(scripts / f"{script}.py", scripts, without)


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


def teacher_sources(*parts):
    """The sources that the teacher learns from (`train`) and is tested on (`test`), where its data are sources."""
    return [name for part in parts for name in configuration.teacher_sources(study, part)]


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
    """What of a source decides what is asked for; how it is asked, and when the disk is full, is in `crawl_policy`."""
    return {key: value for key, value in study["sources"][name].items() if key not in CRAWL_POLICY_KEYS}


def crawl_policy():
    """Resources of the rules that ask the web: a change of them asks nothing again."""

    def of(name):
        return lambda w: study["contact"] if name == "contact" else study["sources"][w.source][name]

    return {name: of(name) for name in CRAWL_POLICY_KEYS}


def imitated_web():
    """What decides the imitated searches of a demonstration; nothing for a study."""
    return {key: study["demo"][key] for key in ("results_per_query", "seed")} if "demo" in study else {}


def model_files(source):
    """The files of a source's diffusion model, where it is a folder; none of one from the hub."""
    return sorted(str(path) for path in Path(study["sources"][source]["model"]).rglob("*") if path.is_file())


def generation_of(source):
    """What decides a source's generated images, and where they are kept; not how many jobs share them."""
    settings = study["sources"][source]
    return {
        "source": {key: value for key, value in settings.items() if key != "shards"},
        "name": source,
        "classes": configuration.words_of(study, source),
        "store": f"resources/store/{source}",
        "seed": settings["seed"],
    }


def shares_of(source):
    """What the jobs of a source that is generated by several have to finish first."""
    shards = study["sources"][source]["shards"]
    return [f"resources/pools/{source}/shares/{share}-of-{shards}.jsonl" for share in range(shards) if shards > 1]


def own_images(path):
    """The user's own folder or tar; here, wherever the study's files lie. Of a folder not its time: see `listing_of`."""
    return ancient(local(path)) if Path(path).is_dir() else local(path)


def teacher_folders():
    """The user's folders of images that the teacher learns from."""
    data = study["teacher"]["data"]
    return [own_images(path) for path in (data["path"], data["test_path"]) if path] if data["kind"] == "folder" else []


def listing_of(folder, labels):
    """What the user's own folder holds of some classes. Its time says less, and more: a look at it may change that."""
    return hash_listing(Path(folder) / name for label in labels for name in (label, f"{label}.tar"))


def listings_of_teacher():
    """The same of the folders that the teacher learns from."""
    return [listing_of(folder, study["classes"]) for folder in teacher_folders()]


def labels_of_figures():
    """What stands on every figure of a demonstration; empty for a study."""
    return study["demo"]["label"] if "demo" in study else ""


def untrained_sources():
    """Sources whose diffusion model has random weights: their images show nothing, and every figure says so."""
    return [name for name, source in study["sources"].items() if source.get("random_weights")]


def recipe_of(part):
    """How the teacher or the student is trained: the keys of the training recipe that change a result.

    How often its state is kept is a resource of the rule: changed resources make nothing again.
    """
    return {key: value for key, value in study[part].items() if key not in (*NOT_RECIPE, "checkpoint_every")}


def settings_of_arm(arm):
    """An arm's method and what belongs to it, the defaults too, in one order; how it is tuned is another matter."""
    return {key: value for key, value in sorted(study["arms"][arm].items()) if key != "tune"}


def trials_of(tuned, grid):
    """A training of a scenario, or of one of its arms, for every setting of a grid."""
    return expand(
        "results/tuning/{tuned}/lr{lr}_decay{weight_decay}_seed{seed}.json",
        tuned=tuned,
        lr=grid["lr"],
        weight_decay=grid["weight_decay"],
        seed=range(grid["seeds"]),
    )


def tuning_of(scenario, arm):
    """Where an arm's learning rate and weight decay are chosen, {scenario}[.{arm}], and its grid; None where given."""
    if "tune" in study["arms"][arm]:
        return f"{scenario}.{arm}", study["arms"][arm]["tune"]
    published = study["arms"][arm]["method"].startswith("published")  # with settings of its own
    return (scenario, study["student"]["tune"]) if "tune" in study["student"] and not published else None


def names_of_trials():
    """Of every setting that the configuration tries, as benchmarks are named: {scenario}[.{arm}].lr…"""
    grids = dict(
        found
        for scenario, settings in study["scenarios"].items()
        for arm in settings["arms"]
        if (found := tuning_of(scenario, arm))
    )
    return [f"{tuned}.{Path(path).stem}" for tuned, grid in grids.items() for path in trials_of(tuned, grid)]


def chosen_settings(wildcards):
    """The file of what was chosen for a run, where the configuration has it chosen."""
    found = tuning_of(wildcards.scenario, wildcards.arm)
    return f"results/tuning/{found[0]}.json" if found else []


def wanted_images():
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


def other_test_sources():
    """Sources with test images that are not in the common test."""
    return [name for name in used_sources() if name in set(study["split"]["test"]) - set(study["split"]["common"])]


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


def sheets_of_teacher():
    """What the teacher's own sources gave, to be looked at: their labels are as good as the search."""
    shown = teacher_sources("train", "test")
    return expand("results/figures/{kind}_{source}.png", kind=("contact", "duplicates"), source=shown)


wildcard_constraints:
    source=named(study["sources"]),
    label=named(study["classes"]),
    scenario=named(study["scenarios"]),
    arm=named(study["arms"]),
    seed=r"\d+",
    lr=r"[\d.e-]+",
    weight_decay=r"[\d.e-]+",
    figure=named(FIGURES),
