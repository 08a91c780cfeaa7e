"""What the predictions say: comparisons, breakdowns, costs, and why the published numbers differ."""


rule predict_other_test_sets:
    input:
        weights=lambda w: runs_of(w.scenario, "model.safetensors"),
        plan="results/plans/{scenario}.parquet",
        splits="results/splits.parquet",
        pixels=curated(other_test_sources(), "npy"),
    output:
        predictions="results/other_test_sets/{scenario}.parquet",
    log:
        "results/logs/predict_other_test_sets/{scenario}.log",
    benchmark:
        "results/benchmarks/predict_other_test_sets/{scenario}.tsv"
    conda:
        "../../envs/learning.yaml"
    threads: 4
    resources:
        gpu=1,
        mem="8GB",
    params:
        sources=other_test_sources(),
        classes=list(study["classes"]),
        code=code_of("predict_other_test_sets"),
    script:
        "../scripts/predict_other_test_sets.py"


rule compare:
    input:
        predictions=runs_of_all("predictions.parquet"),
        splits="results/splits.parquet",
    output:
        comparisons=report(
            "results/tables/comparisons.csv", caption="../report/table_comparisons.rst", category="Tables"
        ),
        ranking=report("results/tables/ranking.csv", caption="../report/table_ranking.rst", category="Tables"),
    log:
        "results/logs/compare.log",
    benchmark:
        "results/benchmarks/compare.tsv"
    conda:
        "../../envs/report.yaml"
    resources:
        mem="4GB",
    params:
        comparisons=study["comparisons"],
        sizes={name: scenario["size"] for name, scenario in study["scenarios"].items()},
        arms=list(study["arms"]),
        label=labels_of_figures(),
        code=code_of("compare"),
    script:
        "../scripts/compare.py"


rule break_down:
    input:
        predictions=runs_of_all("predictions.parquet"),
        other_test_sets=expand(
            "results/other_test_sets/{scenario}.parquet", scenario=study["scenarios"] if other_test_sources() else []
        ),
        teacher="results/teacher/predictions.parquet",
    output:
        per_class=report("results/tables/per_class.csv", caption="../report/table_per_class.rst", category="Tables"),
        test_sources=report(
            "results/tables/test_sources.csv", caption="../report/table_test_sources.rst", category="Tables"
        ),
        confusion=report("results/tables/confusion.csv", caption="../report/table_confusion.rst", category="Tables"),
        calibration=report(
            "results/tables/calibration.csv", caption="../report/table_calibration.rst", category="Tables"
        ),
        reliability=report(
            "results/tables/reliability.csv", caption="../report/table_reliability.rst", category="Tables"
        ),
        agreement=report("results/tables/agreement.csv", caption="../report/table_agreement.rst", category="Tables"),
        images="results/images.parquet",
    log:
        "results/logs/break_down.log",
    benchmark:
        "results/benchmarks/break_down.tsv"
    conda:
        "../../envs/report.yaml"
    resources:
        mem="4GB",
    params:
        classes=list(study["classes"]),
        sources=used_sources(),
        scenarios=list(study["scenarios"]),
        arms=list(study["arms"]),
        label=labels_of_figures(),
        code=code_of("break_down"),
    script:
        "../scripts/break_down.py"


rule tabulate_curves:
    input:
        histories=runs_of_all("history.csv"),
    output:
        curves=report("results/tables/curves.csv", caption="../report/table_curves.rst", category="Tables"),
    log:
        "results/logs/tabulate_curves.log",
    benchmark:
        "results/benchmarks/tabulate_curves.tsv"
    conda:
        "../../envs/report.yaml"
    params:
        scenarios=list(study["scenarios"]),
        arms=list(study["arms"]),
        label=labels_of_figures(),
        code=code_of("tabulate_curves"),
    script:
        "../scripts/tabulate_curves.py"


rule tabulate_costs:
    input:
        runs="results/tables/runs.csv",
        counts="results/tables/counts.csv",
        # measured jobs that these do not wait for
        others=[
            "results/teacher/metrics.json",
            "results/tables/leakage.csv",
            "results/tables/audit.csv",
            "results/diversity.parquet",
        ],
    output:
        costs=report("results/tables/costs.csv", caption="../report/table_costs.rst", category="Tables"),
    log:
        "results/logs/tabulate_costs.log",
    benchmark:
        "results/benchmarks/tabulate_costs.tsv"
    conda:
        "../../envs/report.yaml"
    params:
        # no inputs: a study copied without its benchmarks must not be trained again for them
        benchmarks="results/benchmarks",
        checkpoints="results/checkpoints",
        trials=names_of_trials(),
        sources=classes_of_sources([*used_sources(), *teacher_sources("train", "test")]),
        label=labels_of_figures(),
        code=code_of("tabulate_costs"),
    script:
        "../scripts/tabulate_costs.py"


rule explain_published:
    input:
        summary="results/tables/summary.csv",
        test_sources="results/tables/test_sources.csv",
    output:
        published=report("results/tables/published.csv", caption="../report/table_published.rst", category="Tables"),
    log:
        "results/logs/explain_published.log",
    benchmark:
        "results/benchmarks/explain_published.tsv"
    conda:
        "../../envs/report.yaml"
    params:
        scenarios={name: {"published": settings.get("published")} for name, settings in study["scenarios"].items()},
        label=labels_of_figures(),
        code=code_of("explain_published"),
    script:
        "../scripts/explain_published.py"


rule typeset_summary:
    input:
        summary="results/tables/summary.csv",
    output:
        markdown="results/tables/summary.md",
        latex="results/tables/summary.tex",
    log:
        "results/logs/typeset_summary.log",
    benchmark:
        "results/benchmarks/typeset_summary.tsv"
    conda:
        "../../envs/report.yaml"
    params:
        title=study["title"],
        label=labels_of_figures(),
        code=code_of("typeset_summary"),
    script:
        "../scripts/typeset_summary.py"
