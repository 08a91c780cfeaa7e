"""A study: which images teach a small image classifier best, and does distilling it help?"""

from snakemake.utils import min_version

min_version("9.0")


include: "workflow/rules/library.smk"


configfile: "config.yaml"


report: "workflow/report/workflow.rst"


include: "workflow/rules/common.smk"
include: "workflow/rules/acquire.smk"
include: "workflow/rules/curate.smk"
include: "workflow/rules/split.smk"
include: "workflow/rules/teach.smk"
include: "workflow/rules/study.smk"
include: "workflow/rules/audit.smk"
include: "workflow/rules/diversity.smk"
include: "workflow/rules/report.smk"
include: "workflow/rules/evidence.smk"
include: "workflow/rules/deploy.smk"


# on a cluster, where Snakemake itself runs: what needs the internet or the user's own files, and what is over sooner than
# a job is submitted
localrules:
    all,
    crawl,
    fetch_addresses,
    import_folder,
    prepare_teacher_data,
    split,
    plan_scenario,
    select_hyperparameters,
    select_arm_hyperparameters,
    tabulate_scenario,
    tabulate,
    tabulate_data_quality,
    tabulate_curves,
    tabulate_costs,
    compare,
    break_down,
    explain_published,
    typeset_summary,
    attribute,
    plot,
    plot_summary,
    plot_acquisition,
    plot_diversity,
    write_page,
    contact_sheet,
    label_issues_sheet,
    duplicates_sheet,


rule all:
    default_target: True
    input:
        "results/summary.png",
        "results/report.html",
        tables("runs", "summary", "counts", "teacher", "leakage", "audit", "diversity"),
        tables("comparisons", "ranking", "per_class", "test_sources", "confusion", "calibration", "reliability"),
        tables("agreement", "curves", "costs", "published"),
        "results/tables/summary.md",
        "results/attribution.csv",
        "results/figures/acquisition.png",
        "results/figures/diversity.png",
        figures("png", "svg"),
        sheets("contact", "label_issues", "duplicates"),
        sheets_of_teacher(),
