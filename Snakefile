"""A study: which pictures teach a small image classifier best, and does distilling it help?"""

from snakemake.utils import min_version

min_version("9.0")


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


localrules:
    all,


rule all:
    default_target: True
    input:
        "results/summary.png",
        tables("runs", "summary", "counts", "teacher", "leakage", "audit", "diversity"),
        "results/attribution.csv",
        "results/figures/acquisition.png",
        "results/figures/diversity.png",
        sheets("contact", "suspects", "duplicates"),
