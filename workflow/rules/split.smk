"""Which images are for training, validation and test; groups of near-duplicates are never split."""


rule split:
    input:
        **leakage_to_drop(),
        tables=curated(used_sources(), "parquet"),
    output:
        splits="results/splits.parquet",
    log:
        "results/logs/split.log",
    benchmark:
        "results/benchmarks/split.tsv"
    conda:
        "../../envs/curate.yaml"
    params:
        classes=classes_of_sources(used_sources()),
        labels=list(study["classes"]),
        wanted=wanted_images(),
        group_distance=study["split"]["group_distance"],
        seed=study["split"]["seed"],
        shortfall=study["split"]["shortfall"],
        code=code_of("split"),
    script:
        "../scripts/split.py"


rule plan_scenario:
    input:
        splits="results/splits.parquet",
        audits=lambda w: audits_of(w.scenario),
    output:
        plan="results/plans/{scenario}.parquet",
    log:
        "results/logs/plan_scenario/{scenario}.log",
    benchmark:
        "results/benchmarks/plan_scenario/{scenario}.tsv"
    conda:
        "../../envs/curate.yaml"
    params:
        train=lambda w: study["scenarios"][w.scenario]["train"],
        classes=lambda w: classes_of_sources(study["scenarios"][w.scenario]["train"]),
        common=study["split"]["common"],
        augmented=lambda w: study["scenarios"][w.scenario]["augment"] != "none",
        shortfall=study["split"]["shortfall"],
        generated=lambda w: generated_sources(w.scenario),
        code=code_of("plan_scenario"),
    script:
        "../scripts/plan_scenario.py"
