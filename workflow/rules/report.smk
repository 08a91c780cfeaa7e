"""From runs to tables and figures."""


rule tabulate_scenario:
    input:
        metrics=lambda w: runs_of(w.scenario),
    output:
        table="results/scenarios/{scenario}.csv",
    log:
        "results/logs/tabulate_scenario/{scenario}.log",
    benchmark:
        "results/benchmarks/tabulate_scenario/{scenario}.tsv"
    conda:
        "../../envs/report.yaml"
    params:
        scenario="{scenario}",
        settings=lambda w: study["scenarios"][w.scenario],
        code=code_of("tabulate_scenario"),
    script:
        "../scripts/tabulate_scenario.py"


rule tabulate:
    input:
        scenarios=expand("results/scenarios/{scenario}.csv", scenario=study["scenarios"]),
        plans=expand("results/plans/{scenario}.parquet", scenario=study["scenarios"]),
        splits="results/splits.parquet",
        curated=curated(used_sources(), "parquet"),
        teacher="results/teacher/metrics.json",
    output:
        runs=report("results/tables/runs.csv", caption="../report/table_runs.rst", category="Tables"),
        summary=report("results/tables/summary.csv", caption="../report/table_summary.rst", category="Tables"),
        counts=report("results/tables/counts.csv", caption="../report/table_counts.rst", category="Tables"),
        teacher=report("results/tables/teacher.csv", caption="../report/table_teacher.rst", category="Tables"),
    log:
        "results/logs/tabulate.log",
    benchmark:
        "results/benchmarks/tabulate.tsv"
    conda:
        "../../envs/report.yaml"
    params:
        scenarios=study["scenarios"],
        label=labels_of_figures(),
        other_test_sets=other_test_sources(),
        untrained=untrained_sources(),
        code=code_of("tabulate_study"),
    script:
        "../scripts/tabulate_study.py"


rule attribute:
    input:
        plans=expand("results/plans/{scenario}.parquet", scenario=study["scenarios"]),
        splits="results/splits.parquet",
        curated=curated(used_sources(), "parquet"),
        teacher=curated(teacher_sources("train", "test"), "parquet"),
    output:
        table=report("results/attribution.csv", caption="../report/attribution.rst", category="Sources"),
    log:
        "results/logs/attribute.log",
    benchmark:
        "results/benchmarks/attribute.tsv"
    conda:
        "../../envs/report.yaml"
    params:
        other_test_sets=other_test_sources(),
        code=code_of("attribute"),
    script:
        "../scripts/attribute.py"


rule plot_summary:
    input:
        summary="results/tables/summary.csv",
    output:
        figure=report("results/summary.png", caption="../report/summary.rst", category="Results"),
    log:
        "results/logs/plot_summary.log",
    benchmark:
        "results/benchmarks/plot_summary.tsv"
    conda:
        "../../envs/report.yaml"
    params:
        title=study["title"],
        label=labels_of_figures(),
        code=code_of("plot_summary"),
    script:
        "../scripts/plot_summary.py"


rule contact_sheet:
    input:
        pixels="results/curated/{source}.npy",
        table="results/curated/{source}.parquet",
    output:
        figure=report("results/figures/contact_{source}.png", caption="../report/contact_sheet.rst", category="Sources"),
    log:
        "results/logs/contact_sheet/{source}.log",
    benchmark:
        "results/benchmarks/contact_sheet/{source}.tsv"
    conda:
        "../../envs/report.yaml"
    params:
        source="{source}",
        title=study["title"],
        label=labels_of_figures(),
        random_weights=lambda w: w.source in untrained_sources(),
        code=code_of("contact_sheet"),
    script:
        "../scripts/contact_sheet.py"


rule plot:
    input:
        tables=lambda w: tables(*FIGURES[w.figure]["tables"]),
    output:
        png=report(
            "results/figures/{figure}.png",
            caption="../report/figure.rst",
            category="Results",
            labels={"figure": "{figure}", "format": "PNG"},
        ),
        svg=report(
            "results/figures/{figure}.svg",
            caption="../report/figure.rst",
            category="Results",
            labels={"figure": "{figure}", "format": "SVG"},
        ),
    log:
        "results/logs/plot/{figure}.log",
    benchmark:
        "results/benchmarks/plot/{figure}.tsv"
    conda:
        "../../envs/report.yaml"
    params:
        figure="{figure}",
        caption=lambda w: FIGURES[w.figure]["caption"],
        title=lambda w: f"{FIGURES[w.figure]['title']}: {study['title']}",
        label=labels_of_figures(),
        code=code_of("plot_figure"),
    script:
        "../scripts/plot_figure.py"


rule write_page:
    input:
        tables=tables(*PAGE_TABLES),
        figures=[
            "results/summary.png",
            *figures("png"),
            "results/figures/acquisition.png",
            "results/figures/diversity.png",
        ],
        captions=shipped(REPORT, "figures.yaml", "summary.rst", "acquisition.rst", "diversity.rst"),
        images="results/images.parquet",
        pixels=curated(used_sources(), "npy"),
        curated=curated(used_sources(), "parquet"),
        citation=shipped(REPORT.parents[1], "CITATION.cff")[0],
    output:
        page=report("results/report.html", caption="../report/page.rst", category="Page"),
    log:
        "results/logs/write_page.log",
    benchmark:
        "results/benchmarks/write_page.tsv"
    conda:
        "../../envs/report.yaml"
    resources:
        mem="4GB",
    params:
        title=study["title"],
        label=labels_of_figures(),
        classes=study["classes"],
        sources={name: study["sources"][name] for name in used_sources()},
        scenarios=study["scenarios"],
        arms=study["arms"],
        code=code_of("write_page"),
    script:
        "../scripts/write_page.py"
