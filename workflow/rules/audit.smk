"""Which images the teacher knows already, and which labels it doubts."""


rule find_leakage:
    input:
        pixels=curated(used_sources(), "npy"),
        tables=curated(used_sources(), "parquet"),
        data="resources/teacher/data.npz",
    output:
        leakage="results/leakage.parquet",
    log:
        "results/logs/find_leakage.log",
    benchmark:
        "results/benchmarks/find_leakage.tsv"
    conda:
        "../../envs/curate.yaml"
    threads: 4
    params:
        distance=study["curation"]["duplicate_distance"],
        code=code_of("find_leakage"),
    script:
        "../scripts/find_leakage.py"


rule audit_labels:
    input:
        pixels="results/curated/{source}.npy",
        table="results/curated/{source}.parquet",
        leakage="results/leakage.parquet",
        splits="results/splits.parquet",
        weights="results/teacher/model.safetensors",
    output:
        audit="results/audit/{source}.parquet",
    log:
        "results/logs/audit_labels/{source}.log",
    benchmark:
        "results/benchmarks/audit_labels/{source}.tsv"
    conda:
        "../../envs/learning.yaml"
    threads: 4
    resources:
        gpu=1,
        mem="8GB",
    params:
        source="{source}",
        code=code_of("audit_labels"),
    script:
        "../scripts/audit_labels.py"


rule tabulate_data_quality:
    input:
        leakage="results/leakage.parquet",
        audits=expand("results/audit/{source}.parquet", source=used_sources()),
        plans=expand("results/plans/{scenario}.parquet", scenario=study["scenarios"]),
        splits="results/splits.parquet",
    output:
        leakage=report("results/tables/leakage.csv", caption="../report/table_leakage.rst", category="Tables"),
        audit=report("results/tables/audit.csv", caption="../report/table_audit.rst", category="Tables"),
    log:
        "results/logs/tabulate_data_quality.log",
    benchmark:
        "results/benchmarks/tabulate_data_quality.tsv"
    conda:
        "../../envs/report.yaml"
    params:
        label=labels_of_figures(),
        other_test_sets=other_test_sources(),
        code=code_of("tabulate_data_quality"),
    script:
        "../scripts/tabulate_data_quality.py"


rule label_issues_sheet:
    input:
        pixels="results/curated/{source}.npy",
        audit="results/audit/{source}.parquet",
    output:
        figure=report(
            "results/figures/label_issues_{source}.png", caption="../report/label_issues.rst", category="Sources"
        ),
    log:
        "results/logs/label_issues_sheet/{source}.log",
    benchmark:
        "results/benchmarks/label_issues_sheet/{source}.tsv"
    conda:
        "../../envs/report.yaml"
    params:
        source="{source}",
        title=study["title"],
        label=labels_of_figures(),
        random_weights=lambda w: w.source in untrained_sources(),
        code=code_of("label_issues_sheet"),
    script:
        "../scripts/label_issues_sheet.py"


rule duplicates_sheet:
    input:
        shards=lambda w: pools(w.source, "tar"),
        records=lambda w: pools(w.source, "jsonl"),
        table="results/curated/{source}.parquet",
    output:
        figure=report("results/figures/duplicates_{source}.png", caption="../report/duplicates.rst", category="Sources"),
    log:
        "results/logs/duplicates_sheet/{source}.log",
    benchmark:
        "results/benchmarks/duplicates_sheet/{source}.tsv"
    conda:
        "../../envs/report.yaml"
    params:
        source="{source}",
        title=study["title"],
        label=labels_of_figures(),
        random_weights=lambda w: w.source in untrained_sources(),
        side=study["image_size"],
        code=code_of("duplicates_sheet"),
    script:
        "../scripts/duplicates_sheet.py"


rule plot_acquisition:
    input:
        counts="results/tables/counts.csv",
    output:
        figure=report("results/figures/acquisition.png", caption="../report/acquisition.rst", category="Sources"),
    log:
        "results/logs/plot_acquisition.log",
    benchmark:
        "results/benchmarks/plot_acquisition.tsv"
    conda:
        "../../envs/report.yaml"
    params:
        title=study["title"],
        label=labels_of_figures(),
        untrained=untrained_sources(),
        code=code_of("plot_acquisition"),
    script:
        "../scripts/plot_acquisition.py"
