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
    wildcard_constraints:
        source=pattern_of(set(study["sources"]) - set(unlabeled_sources())),
    conda:
        "../../envs/curate.yaml"
    threads: 4
    resources:
        mem="8GB",
        runtime="4h",
    params:
        image_size=training_queries.curated_size(study),
        curation=study["curation"],
        code=code_of("curate"),
    script:
        "../scripts/curate.py"


if unlabeled_sources():

    use rule curate as curate_unlabeled with:
        output:
            pixels="results/unlabeled/{source}.npy",
            thumbnails="results/unlabeled/{source}.thumbs.npy",
            table="results/unlabeled/{source}.parquet",
        log:
            "results/logs/curate_unlabeled/{source}.log",
        benchmark:
            "results/benchmarks/curate_unlabeled/{source}.tsv"
        wildcard_constraints:
            source=pattern_of(unlabeled_sources()),

    rule label_images:
        input:
            pixels="results/unlabeled/{source}.npy",
            thumbnails="results/unlabeled/{source}.thumbs.npy",
            table="results/unlabeled/{source}.parquet",
            weights="results/teacher/model.safetensors",
        output:
            pixels="results/curated/{source}.npy",
            thumbnails="results/curated/{source}.thumbs.npy",
            table="results/curated/{source}.parquet",
            labels="results/labels/{source}.parquet",
        log:
            "results/logs/label_images/{source}.log",
        benchmark:
            "results/benchmarks/label_images/{source}.tsv"
        wildcard_constraints:
            source=pattern_of(unlabeled_sources()),
        conda:
            "../../envs/training.yaml"
        threads: 4
        resources:
            gpu=1,
            mem="8GB",
        params:
            classes=lambda w: classes_of_sources([w.source])[w.source],
            threshold=lambda w: study["sources"][w.source].get("threshold", 0.0),
            code=code_of("label_images"),
        script:
            "../scripts/label_images.py"


rule find_near_duplicates:
    input:
        thumbnails=curated(base_sources(), "thumbs.npy"),
        tables=curated(base_sources(), "parquet"),
    output:
        pairs=base_file("near_duplicates.parquet"),
    log:
        "results/logs/find_near_duplicates.log",
    benchmark:
        "results/benchmarks/find_near_duplicates.tsv"
    conda:
        "../../envs/curate.yaml"
    threads: 4
    resources:
        mem=lambda w, input: memory_of_search(input.size_mb),
        runtime="2h",
    params:
        code=code_of("find_near_duplicates"),
    script:
        "../scripts/find_near_duplicates.py"


rule split:
    input:
        **leakage_to_drop(base_file("leakage.parquet")),
        tables=curated(base_sources(), "parquet"),
        near_duplicates=base_file("near_duplicates.parquet"),
    output:
        splits=base_file("splits.parquet"),
        refusals=base_file("refusals.json"),
    log:
        "results/logs/split.log",
    benchmark:
        "results/benchmarks/split.tsv"
    conda:
        "../../envs/curate.yaml"
    params:
        classes=classes_of_sources(base_sources()),
        labels=list(study["classes"]),
        wanted=wanted_base_images(),
        seed=study["split"]["seed"],
        shortfall=study["split"]["shortfall"],
        curation=study["curation"],
        limits=limits_of_sources(base_sources()),
        common=study["split"]["common"],
        tuned=any(map(is_tuned, study["scenarios"])),
        # a parameter, not an output: it must outlive the job, and Snakemake deletes outputs before a job runs
        assignments="results/assignments.parquet",
        code=code_of("split"),
    script:
        "../scripts/split.py"


# Base sources are split as if there were no derived ones. Images of derived sources are then used only for training.
if derived_sources():

    localrules:
        split_derived,

    use rule find_near_duplicates as find_near_duplicates_of_derived with:
        input:
            thumbnails=curated(used_sources(), "thumbs.npy"),
            tables=curated(used_sources(), "parquet"),
        output:
            pairs="results/near_duplicates.parquet",
        log:
            "results/logs/find_near_duplicates_of_derived.log",
        benchmark:
            "results/benchmarks/find_near_duplicates_of_derived.tsv"

    rule split_derived:
        input:
            **leakage_to_drop(),
            base=base_file("splits.parquet"),
            base_refusals=base_file("refusals.json"),
            tables=curated(derived_sources(), "parquet"),
            records=records_of_children(),
            near_duplicates="results/near_duplicates.parquet",
        output:
            splits="results/splits.parquet",
            refusals="results/refusals.json",
        log:
            "results/logs/split_derived.log",
        benchmark:
            "results/benchmarks/split_derived.tsv"
        conda:
            "../../envs/curate.yaml"
        params:
            sources=derived_sources(),
            labels=list(study["classes"]),
            seed=study["split"]["seed"],
            assignments="results/assignments_of_derived.parquet",
            code=code_of("split_derived"),
        script:
            "../scripts/split_derived.py"


rule plan_scenario:
    input:
        splits=lambda w: split_of(w.scenario, "splits.parquet"),
        refusals=lambda w: split_of(w.scenario, "refusals.json"),
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
        **any_class_in_plans(),
        **parents_in_plans(),
        train=lambda w: study["scenarios"][w.scenario]["train"],
        classes=lambda w: classes_of_sources(study["scenarios"][w.scenario]["train"]),
        common=study["split"]["common"],
        augmented=lambda w: study["scenarios"][w.scenario]["augment"] != "none",
        shortfall=study["split"]["shortfall"],
        curation=study["curation"],
        limits=lambda w: limits_of_sources(study["scenarios"][w.scenario]["train"]),
        generated=lambda w: unlabeled_and_generated(w.scenario),
        tuned=lambda w: is_tuned(w.scenario),
        kinds=lambda w: kinds_trained_on(w.scenario),
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
