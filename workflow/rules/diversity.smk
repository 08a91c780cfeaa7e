"""How different the images of each source are, real against generated."""


rule measure_diversity:
    input:
        pixels=curated(used_sources(), "npy"),
        tables=curated(used_sources(), "parquet"),
        weights="results/teacher/model.safetensors",
    output:
        measured="results/diversity.parquet",
    log:
        "results/logs/measure_diversity.log",
    benchmark:
        "results/benchmarks/measure_diversity.tsv"
    conda:
        "../../envs/learning.yaml"
    threads: 4
    resources:
        gpu=1,
        mem="8GB",
    params:
        kinds={source: study["sources"][source]["kind"] for source in used_sources()},
        code=code_of("measure_diversity"),
    script:
        "../scripts/measure_diversity.py"


rule plot_diversity:
    input:
        measured="results/diversity.parquet",
    output:
        table=report("results/tables/diversity.csv", caption="../report/table_diversity.rst", category="Tables"),
        figure=report("results/figures/diversity.png", caption="../report/diversity.rst", category="Sources"),
    log:
        "results/logs/plot_diversity.log",
    benchmark:
        "results/benchmarks/plot_diversity.tsv"
    conda:
        "../../envs/report.yaml"
    params:
        title=study["title"],
        label=labels_of_figures(),
        untrained=untrained_sources(),
        code=code_of("plot_diversity"),
    script:
        "../scripts/plot_diversity.py"
