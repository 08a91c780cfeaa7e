"""The workflow: checks the configuration, includes the rules, and names the targets of a study.

A study compares sources of images for training a small image classifier, from scratch and distilled from a teacher.
"""

from snakemake.utils import min_version

min_version("9.0")


include: "workflow/rules/library.smk"


configfile: "config.yaml"


# used only with `--sdm apptainer`; see docs/cluster.md
container: environ.get("DISTILLERY_IMAGE", "docker://example/distillery:0.2.0")


report: "workflow/report/workflow.rst"


include: "workflow/rules/common.smk"
include: "workflow/rules/preflight.smk"
include: "workflow/rules/acquire.smk"
include: "workflow/rules/generate.smk"
include: "workflow/rules/curate.smk"
include: "workflow/rules/teach.smk"
include: "workflow/rules/audit.smk"
include: "workflow/rules/study.smk"
include: "workflow/rules/tables.smk"
include: "workflow/rules/figures.smk"
include: "workflow/rules/export.smk"


# On a cluster these run where Snakemake itself runs: they need the internet or the user's own files, or take less time
# than submitting a job.
localrules:
    all,
    check_search,
    check_model,
    check_dataset,
    show_preflight,
    crawl,
    fetch_addresses,
    import_folder,
    import_dataset,
    prepare_teacher_data,
    split,
    plan_scenario,
    plan_another_draw,
    plan_study,
    select_hyperparameters,
    select_arm_hyperparameters,
    tabulate_scenario,
    tabulate_study,
    tabulate_breakdowns,
    tabulate_published,
    tabulate_costs,
    tabulate_data_quality,
    tabulate_attribution,
    plot,
    plot_summary,
    draw_sheet,
    write_page,


rule all:
    default_target: True
    input:
        "results/summary.png",
        "results/report.html",
        "results/plan.md",
        tables(*report_files.PAGE_TABLES),
        report_files.tables_of_filters(study),
        "results/tables/summary.md",
        "results/attribution.csv",
        figures("png", "svg"),
        sheets(),
        sheets_of_teacher(),


onsuccess:
    if terminal:
        terminal.end(run_digest(), log, success=True)


onerror:
    if terminal:
        terminal.end(run_digest(), log, success=False)
