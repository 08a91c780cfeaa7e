"""Curate the images, split them into training, validation and test, and plan which ones each scenario uses."""


rule curate:
    input:
        shards=lambda w: pools(w.source, "tar"),
        records=lambda w: pools(w.source, "jsonl"),
    output:
        pixels="results/curated/{source}.npy",
        thumbnails="results/curated/{source}.thumbs.npy",
        table="results/curated/{source}.parquet",
    log:
        "results/logs/curate/{source}.log",
    benchmark:
        "results/benchmarks/curate/{source}.tsv"
    conda:
        "../../envs/curate.yaml"
    threads: 4
    resources:
        mem="8GB",
        runtime="4h",
    params:
        image_size=queries.curated_size(study),
        curation=study["curation"],
        code=code_of("curate"),
    script:
        "../scripts/curate.py"


rule find_near_duplicates:
    input:
        thumbnails=curated(used_sources(), "thumbs.npy"),
        tables=curated(used_sources(), "parquet"),
    output:
        pairs="results/near_duplicates.parquet",
    log:
        "results/logs/find_near_duplicates.log",
    benchmark:
        "results/benchmarks/find_near_duplicates.tsv"
    conda:
        "../../envs/curate.yaml"
    threads: 4
    resources:
        mem="8GB",
        runtime="2h",
    params:
        code=code_of("find_near_duplicates"),
    script:
        "../scripts/find_near_duplicates.py"


rule split:
    input:
        **leakage_to_drop(),
        tables=curated(used_sources(), "parquet"),
        near_duplicates="results/near_duplicates.parquet",
    output:
        splits="results/splits.parquet",
        refusals="results/refusals.json",
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
        seed=study["split"]["seed"],
        shortfall=study["split"]["shortfall"],
        curation=study["curation"],
        common=study["split"]["common"],
        tuned=any(map(is_tuned, study["scenarios"])),
        # no output, because Snakemake deletes those before the job
        assignments="results/assignments.parquet",
        code=code_of("split"),
    script:
        "../scripts/split.py"


rule plan_scenario:
    input:
        splits="results/splits.parquet",
        refusals="results/refusals.json",
        tables=lambda w: curated(study["scenarios"][w.scenario]["train"], "parquet"),
        audits=lambda w: audits_of(w.scenario),
        own_tests=lambda w: audits_of(w.scenario, own_test=True),
        pixels=lambda w: curated(pixel_sources(w.scenario), "npy"),
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
        curation=study["curation"],
        generated=lambda w: generated_sources(w.scenario),
        tuned=lambda w: is_tuned(w.scenario),
        sources=lambda w: pixel_sources(w.scenario),
        code=code_of("plan_scenario"),
    script:
        "../scripts/plan_scenario.py"


use rule plan_scenario as plan_another_draw with:
    output:
        plan="results/plans/draw{draw}/{scenario}.parquet",
    log:
        "results/logs/plan_another_draw/{scenario}.draw{draw}.log",
    benchmark:
        "results/benchmarks/plan_another_draw/{scenario}.draw{draw}.tsv"
