"""Check the configuration, and bind the library's queries to it, so that rules call them without it."""

from functools import partial

from distillery.code_hash import code_hash
from distillery import retry
from distillery.config.queries import derived_sources as derived
from distillery.config.choices import UNLABELED
from distillery.config.queries.study_work import speed_request_of, work_of
from distillery.devices import EXPECTED_GPUS, count_gpus
from distillery.models.timm_names import require_timm_network
from distillery.storage.host import machine
from distillery.storage.retrieved.attempts import read_attempts

REPORT = Path(workflow.basedir) / "workflow" / "report"
FIGURES = report_files.read_figures(REPORT / "figures.yaml")
PLACES = report_files.read_figures(REPORT / "places.yaml")

gpus_here = count_gpus()
for resource, limit in retrieval_queries.resource_limits(gpus_here).items():
    workflow.global_resources.setdefault(resource, limit)

# how many GPUs the study's jobs may use, here or on a cluster; job processes read it from the environment
if workflow.is_main_process:
    environ[EXPECTED_GPUS] = str(workflow.global_resources["gpu"].value if "gpu" in workflow.global_resources else 0)
    if "without_gpu" in config:
        machine.begin(gpus=int(environ[EXPECTED_GPUS]), dryrun=workflow.output_settings.dryrun)
gpus = int(environ.get(EXPECTED_GPUS, gpus_here))

try:
    study = reading.check_config(config)
    if without_gpu := "without_gpu" in study and machine.begun_without_gpu():
        study = reading.check_config(config, without_gpu=True)
    if workflow.is_main_process:
        for path in workflow.configfiles:
            if Path(path).resolve() != CONFIG_FILE.resolve():  # given on the command line
                reading.read_config(path)
        if without_gpu:
            print(machine.machine_note(gpus, study["teacher"]["network"], study["student"]["network"]), file=sys.stderr)
        for warning in [*early_warnings.study_warnings(study), *own_files.check_own_files(study)]:
            print(f"WARNING: {warning}", file=sys.stderr)
        from distillery.analysis.designs.planning import (
            StudyPlan,
        )  # imported here: it needs numpy, and jobs read this file too

        print(StudyPlan.of(study, len(training_files.names_of_trials(study))).line(), file=sys.stderr)
        for name in training_queries.timm_networks(study):
            require_timm_network(name)
except UserError as error:
    sys.exit(str(error))

if workflow.is_main_process:
    for line in retry.old_refusals():
        print(line, file=sys.stderr)
attempts = read_attempts()


def code_of(script):
    """A hash of a script and of all modules that it imports: a changed module reruns the jobs that import it.

    Returns a function that Snakemake calls only for jobs that need the hash. The process of every job reads all rules,
    so computing all hashes here would slow down every job.
    """
    # prepare_teacher_data imports the code that draws images, but uses it only for drawn data
    without = () if study["teacher"]["data"]["kind"] == "drawn" else ("distillery_demo",)
    scripts = LIBRARY.parent
    return lambda _: code_hash(scripts / f"{script}.py", scripts, without)


def shipped(folder, *names):
    """Files that come with the workflow. They are local, also if the study's files are in an object store."""
    return [local(str(folder / name)) for name in names]


def own_images(path):
    """The user's own folder or tar archive. It is local, also if the study's files are in an object store.

    Opening a folder may change its modification time, so that is ignored: `class_listing` notices changed images.
    """
    return ancient(local(path)) if Path(path).is_dir() else local(path)


def teacher_folders():
    """The user's folders of images that the teacher is trained and tested on."""
    return [own_images(path) for path in image_files.teacher_folders(study)]


def pixels_of_plan(scenario):
    """The files with the pixels of a scenario's images, as inputs whose modification time is ignored.

    These files also change with images that the scenario does not use. The plan has a hash of the pixels that it does
    use, so trainings depend on the plan.
    """
    return [ancient(path) for path in curated(pixel_sources(scenario), "npy")]


def any_class_in_plans():
    """The parameter of plans that names the scenario's sources that are used without labels.

    Empty, so no parameter, if the study has no such source.
    """
    if not any(study["sources"][source].get("labels") == "none" for source in unlabeled_sources()):
        return {}
    return {"any_class": lambda w: derived.sources_of_any_class(study, w.scenario)}


def in_report(path):
    """Mark an output for Snakemake's report, with its caption and category."""
    return report(path, **report_places.place_in_report(path, FIGURES, PLACES))


def tables_of_figures():
    """The tables that the study's figures are drawn from, each once."""
    return list(dict.fromkeys(table for name in shown_figures for table in FIGURES[name]["tables"]))


def captions_of_figures():
    """The titles and captions of all figures."""
    return shipped(REPORT, "figures.yaml", "summary.rst", *(f"figure_{name}.rst" for name in FIGURES))


def parents_in_plans():
    """The parameter of plans that names the parents of the scenario's sources.

    Empty, so no parameter, if no source of the study has a parent.
    """
    if not source_queries.parents_of_derived(study, used_sources()):
        return {}
    return {"parents": lambda w: source_queries.parents_of_derived(study, study["scenarios"][w.scenario]["train"])}


def crawl_policy():
    """The crawl policy as resources of the rules that crawl: unlike changed parameters, they repeat no crawl."""
    return {key: lambda w, key=key: retrieval_queries.crawl_policy(study, w.source)[key] for key in CRAWL_POLICY_KEYS}


def crawl_counts():
    """Resources of `crawl`, one for each search, so that only one job crawls a search at a time."""
    return {
        name: lambda w, name=name: retrieval_queries.crawl_counts(study, w.source)[name]
        for name in retrieval_queries.CRAWLS
    }


# --- the library's queries, bound to this study ----------------------------------------------------------------------

sources_of_kind = partial(source_queries.sources_of_kind, study)
classes_of_sources = partial(source_queries.classes_of_sources, study)
limits_of_sources = partial(source_queries.limits_of_sources, study)
used_sources = partial(source_queries.used_sources, study)
source_of_adapter = partial(source_queries.source_of_adapter, study)
lora_files = partial(image_files.lora_files, study)
source_of_titles = partial(source_queries.source_of_titles, study)
filtered_sources = partial(source_queries.filtered_sources, study)
pixel_sources = partial(source_queries.pixel_sources, study)
base_sources = partial(derived.base_sources, study)
derived_sources = partial(derived.derived_sources, study)
kinds_on_card = partial(derived.kinds_on_card, study)
unlabeled_sources = partial(derived.unlabeled_sources, study)
audited_sources = partial(derived.audited_sources, study)
unlabeled_and_generated = partial(derived.unlabeled_and_generated, study)
labels_of_pools = partial(derived.labels_of_pools, study)
teacher_sources = partial(source_queries.teacher_sources, study)
other_test_sources = partial(source_queries.other_test_sources, study)
tested_sources = partial(source_queries.tested_sources, study)
untrained_sources = partial(source_queries.untrained_sources, study)
titles_of_sources = partial(source_queries.titles_of_sources, study)
name_on_sheets = partial(source_queries.name_on_sheets, study)
scenarios_as_shown = partial(report_queries.scenarios_as_shown, study)
web_source = partial(retrieval_queries.web_source, study, attempts)
imitated_web = partial(retrieval_queries.imitated_web, study)
check_request = partial(retrieval_queries.check_request, study, gpus=gpus)
preflight_sources = partial(retrieval_queries.preflight_sources, study)
unavailable_of = partial(retrieval_queries.unavailable_of, study)
generation_of = partial(retrieval_queries.generation_of, study, attempts)
wanted_base_images = partial(derived.wanted_base_images, study)
changed_copies = partial(training_queries.changed_copies, study)
recipe_of = partial(training_queries.recipe_of, study)
settings_of_arm = partial(training_queries.settings_of_arm, study)
is_tuned = partial(training_queries.is_tuned, study)
label_of_figures = partial(report_queries.label_of_figures, study)
heading_of_figure = partial(report_queries.heading_of_figure, study)

pattern_of = image_files.pattern_of
source_checks = image_files.source_checks
class_listing = image_files.class_listing
listing_of_class = partial(image_files.listing_of_class, study)
pools = partial(image_files.pools, study)
model_files = partial(image_files.model_files, study)
shares_of = partial(image_files.shares_of, study)
curated = image_files.curated
base_file = partial(image_files.base_file, study)
split_of = partial(image_files.split_of, study)
records_of_children = partial(derived.records_of_children, study)
leakage_to_drop = partial(image_files.leakage_to_drop, study)
audits_of = partial(cleaning.audits_of, study)
cleaned_sources = partial(cleaning.cleaned_sources, study)
kinds_trained_on = partial(cleaning.kinds_trained_on, study)
chosen_settings = partial(training_files.chosen_settings, study)
trials_of = training_files.trials_of
trial_rules = partial(training_files.trial_rules, study)
all_seeds = partial(training_files.all_seeds, study)
seeds_in_job = partial(training_files.seeds_in_job, study)
name_of_training_job = partial(training_files.name_of_training_job, study)
teacher_of = partial(training_files.teacher_of, study)
teachers_of_job = partial(training_files.teachers_of_job, study)
plans_of_job = partial(training_files.plans_of_job, study)
plans = partial(image_files.plans, study)
predictions_of_teachers = partial(training_files.predictions_of_teachers, study)
arms_without_teacher = partial(training_queries.arms_without_teacher, study)
scenarios_chosen_by_teacher = partial(training_queries.scenarios_chosen_by_teacher, study)
names_of_trials = partial(training_files.names_of_trials, study)
runs_of = partial(training_files.runs_of, study)
runs_of_all = partial(training_files.runs_of_all, study)
other_test_predictions = partial(training_files.other_test_predictions, study)
shown_figures = report_queries.figures_of_study(study, FIGURES)
figures = partial(report_files.figures, shown_figures)
tables = report_files.tables
sheets = partial(report_files.sheets, study)
sheet_inputs = partial(report_files.sheet_inputs, study)
sheets_of_teacher = partial(report_files.sheets_of_teacher, study)


wildcard_constraints:
    source=pattern_of(study["sources"]),
    label=pattern_of([*study["classes"], UNLABELED]),
    scenario=pattern_of(study["scenarios"]),
    arm=pattern_of(study["arms"]),
    seed=r"\d+",
    draw=r"\d+",
    teacher=r"\d+",
    lr=r"[\d.e-]+",
    weight_decay=r"[\d.e-]+",
    kind=pattern_of([*report_files.SHEETS, report_files.REJECTED, report_files.LEFT_OUT]),
