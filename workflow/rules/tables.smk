"""Tables of runs, predictions, costs and images."""


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
        settings=lambda w: study["scenarios"][w.scenario],
        titles=lambda w: titles_of_sources(study["scenarios"][w.scenario]["train"]),
        code=code_of("tabulate_scenario"),
    script:
        "../scripts/tabulate_scenario.py"


rule tabulate_study:
    input:
        scenarios=expand("results/scenarios/{scenario}.csv", scenario=study["scenarios"]),
        predictions=runs_of_all("predictions.parquet"),
        plans=plans(),
        splits="results/splits.parquet",
        refusals="results/refusals.json",
        curated=curated(used_sources(), "parquet"),
        teacher="results/teacher/metrics.json",
    output:
        comparisons=in_report("results/tables/comparisons.csv"),
        ranking=in_report("results/tables/ranking.csv"),
        runs=in_report("results/tables/runs.csv"),
        summary=in_report("results/tables/summary.csv"),
        counts=in_report("results/tables/counts.csv"),
        teacher=in_report("results/tables/teacher.csv"),
    log:
        "results/logs/tabulate_study.log",
    benchmark:
        "results/benchmarks/tabulate_study.tsv"
    conda:
        "../../envs/report.yaml"
    resources:
        mem="4GB",
    params:
        scenarios=scenarios_as_shown(),
        sizes={name: scenario["size"] for name, scenario in study["scenarios"].items()},
        arms=list(study["arms"]),
        comparisons=study["comparisons"],
        correction=study["correction"],
        teachers=study["teacher"]["seeds"],
        draws=study["split"]["draws"],
        without_teacher=arms_without_teacher(),
        chosen_by_teacher=scenarios_chosen_by_teacher(),
        label=label_of_figures(),
        tested=tested_sources(),
        classes=classes_of_sources(used_sources()),
        common=study["split"]["common"],
        val=study["split"]["val"],
        untrained=untrained_sources(),
        titles=titles_of_sources(used_sources()),
        code=code_of("tabulate_study"),
    script:
        "../scripts/tabulate_study.py"


rule tabulate_breakdowns:
    input:
        predictions=runs_of_all("predictions.parquet"),
        histories=runs_of_all("history.csv"),
        other_test_sets=other_test_predictions(),
        teachers=predictions_of_teachers(),
        audits=expand("results/audit/{source}.parquet", source=audited_sources()),
    output:
        per_class=in_report("results/tables/per_class.csv"),
        test_sources=in_report("results/tables/test_sources.csv"),
        confusion=in_report("results/tables/confusion.csv"),
        calibration=in_report("results/tables/calibration.csv"),
        reliability=in_report("results/tables/reliability.csv"),
        agreement=in_report("results/tables/agreement.csv"),
        curves=in_report("results/tables/curves.csv"),
        images="results/images.parquet",
    log:
        "results/logs/tabulate_breakdowns.log",
    benchmark:
        "results/benchmarks/tabulate_breakdowns.tsv"
    conda:
        "../../envs/report.yaml"
    resources:
        mem="4GB",
    params:
        classes=list(study["classes"]),
        sources=used_sources(),
        scenarios=list(study["scenarios"]),
        arms=list(study["arms"]),
        label=label_of_figures(),
        code=code_of("tabulate_breakdowns"),
    script:
        "../scripts/tabulate_breakdowns.py"


rule tabulate_published:
    input:
        summary="results/tables/summary.csv",
        test_sources="results/tables/test_sources.csv",
    output:
        published=in_report("results/tables/published.csv"),
    log:
        "results/logs/tabulate_published.log",
    benchmark:
        "results/benchmarks/tabulate_published.tsv"
    conda:
        "../../envs/report.yaml"
    params:
        scenarios={name: {"published": settings.get("published")} for name, settings in scenarios_as_shown().items()},
        titles=titles_of_sources(used_sources()),
        label=label_of_figures(),
        code=code_of("tabulate_published"),
    script:
        "../scripts/tabulate_published.py"


rule tabulate_costs:
    input:
        runs="results/tables/runs.csv",
        counts="results/tables/counts.csv",
        # not read themselves: the benchmarks of the jobs that write them are
        others=[
            "results/teacher/metrics.json",
            "results/tables/leakage.csv",
            "results/tables/audit.csv",
            "results/diversity.parquet",
        ],
    output:
        costs=in_report("results/tables/costs.csv"),
    log:
        "results/logs/tabulate_costs.log",
    benchmark:
        "results/benchmarks/tabulate_costs.tsv"
    conda:
        "../../envs/report.yaml"
    params:
        # parameters, not inputs: a study that is copied without its benchmarks must not be trained again
        benchmarks="results/benchmarks",
        checkpoints="results/checkpoints",
        trials=names_of_trials(),
        sources={name: labels_of_pools(name) for name in [*used_sources(), *teacher_sources("train", "test")]},
        label=label_of_figures(),
        code=code_of("tabulate_costs"),
    script:
        "../scripts/tabulate_costs.py"


rule tabulate_data_quality:
    input:
        leakage="results/leakage.parquet",
        audits=expand("results/audit/{source}.parquet", source=audited_sources()),
        own_tests=expand("results/audit/{source}.own_test.parquet", source=audited_sources()),
        diversity="results/diversity.parquet",
        plans=plans(),
        splits="results/splits.parquet",
    output:
        leakage=in_report("results/tables/leakage.csv"),
        audit=in_report("results/tables/audit.csv"),
        diversity=in_report("results/tables/diversity.csv"),
    log:
        "results/logs/tabulate_data_quality.log",
    benchmark:
        "results/benchmarks/tabulate_data_quality.tsv"
    conda:
        "../../envs/report.yaml"
    params:
        label=label_of_figures(),
        tested=tested_sources(),
        cleaned=cleaned_sources(),
        code=code_of("tabulate_data_quality"),
    script:
        "../scripts/tabulate_data_quality.py"


rule tabulate_attribution:
    input:
        plans=plans(),
        splits="results/splits.parquet",
        curated=curated(used_sources(), "parquet"),
        teacher=curated(teacher_sources("train", "test"), "parquet"),
    output:
        table=in_report("results/attribution.csv"),
    log:
        "results/logs/tabulate_attribution.log",
    benchmark:
        "results/benchmarks/tabulate_attribution.tsv"
    conda:
        "../../envs/report.yaml"
    params:
        tested=tested_sources(),
        code=code_of("tabulate_attribution"),
    script:
        "../scripts/tabulate_attribution.py"


rule plan_study:
    output:
        plan=in_report("results/plan.md"),
    log:
        "results/logs/plan_study.log",
    benchmark:
        "results/benchmarks/plan_study.tsv"
    priority: 100
    conda:
        "../../envs/report.yaml"
    params:
        study=training_queries.design_of_study(study),
        trials=len(names_of_trials()),
        benchmarks="results/benchmarks",
        code=code_of("plan_study"),
    script:
        "../scripts/plan_study.py"


if filtered_sources():

    localrules:
        tabulate_acceptance,

    rule tabulate_acceptance:
        input:
            records=image_files.filtered_records(study),
        output:
            acceptance=in_report("results/tables/acceptance.csv"),
        log:
            "results/logs/tabulate_acceptance.log",
        benchmark:
            "results/benchmarks/tabulate_acceptance.tsv"
        conda:
            "../../envs/report.yaml"
        params:
            rules={source: study["sources"][source]["keep"] for source in filtered_sources()},
            label=label_of_figures(),
            code=code_of("tabulate_acceptance"),
        script:
            "../scripts/tabulate_acceptance.py"
