"""Train the students: one run is one (scenario, arm, seed)."""


rule try_settings:
    input:
        plan="results/plans/{scenario}.parquet",
        pixels=lambda w: curated(pixel_sources(w.scenario), "npy"),
    output:
        trial="results/tuning/{scenario}/lr{lr}_decay{weight_decay}_seed{seed}.json",
    log:
        "results/logs/try_settings/{scenario}.lr{lr}_decay{weight_decay}_seed{seed}.log",
    benchmark:
        "results/benchmarks/try_settings/{scenario}.lr{lr}_decay{weight_decay}_seed{seed}.tsv"
    conda:
        "../../envs/learning.yaml"
    threads: 1
    resources:
        gpu=1,
        mem="4GB",
        runtime="4h",
    params:
        recipe=recipe_of("student"),
        augment=lambda w: study["scenarios"][w.scenario]["augment"],
        sources=lambda w: pixel_sources(w.scenario),
        classes=list(study["classes"]),
        augment_seed=study["augment_seed"],
        deterministic=study["deterministic"],
        checkpoints="results/checkpoints/tuning.{scenario}.lr{lr}_decay{weight_decay}_seed{seed}",
        code=code_of("learning", "arrays.py"),
    script:
        "../scripts/try_settings.py"


rule tune:
    input:
        trials=lambda w: trials_of(w.scenario),
    output:
        choice="results/tuning/{scenario}.json",
    log:
        "results/logs/tune/{scenario}.log",
    benchmark:
        "results/benchmarks/tune/{scenario}.tsv"
    conda:
        "../../envs/learning.yaml"
    params:
        code=code_of("learning/tuning.py"),
    script:
        "../scripts/tune.py"


rule train_student:
    input:
        **chosen_settings(),
        plan="results/plans/{scenario}.parquet",
        pixels=lambda w: curated(pixel_sources(w.scenario), "npy"),
        teacher="results/teacher/model.safetensors",
    output:
        weights="results/runs/{scenario}/{arm}/seed{seed}/model.safetensors",
        history="results/runs/{scenario}/{arm}/seed{seed}/history.csv",
        predictions="results/runs/{scenario}/{arm}/seed{seed}/predictions.parquet",
        metrics="results/runs/{scenario}/{arm}/seed{seed}/metrics.json",
    log:
        "results/logs/train_student/{scenario}.{arm}.seed{seed}.log",
    benchmark:
        "results/benchmarks/train_student/{scenario}.{arm}.seed{seed}.tsv"
    conda:
        "../../envs/learning.yaml"
    threads: 1
    resources:
        gpu=1,
        mem="4GB",
        runtime="4h",
    params:
        scenario="{scenario}",
        arm_name="{arm}",
        arm=lambda w: study["arms"][w.arm],
        recipe=recipe_of("student"),
        augment=lambda w: study["scenarios"][w.scenario]["augment"],
        sources=lambda w: pixel_sources(w.scenario),
        classes=list(study["classes"]),
        augment_seed=study["augment_seed"],
        deterministic=study["deterministic"],
        checkpoints="results/checkpoints/{scenario}.{arm}.seed{seed}",
        code=code_of("learning", "arrays.py"),
    script:
        "../scripts/train_student.py"
