"""Train and test the students: a run is one (scenario, arm, seed), a trial one training with one setting of a grid."""


rule run_trial:
    input:
        plan="results/plans/{scenario}.parquet",
        pixels=lambda w: curated(pixel_sources(w.scenario), "npy"),
    output:
        trial="results/tuning/{scenario}/lr{lr}_decay{weight_decay}_seed{seed}.json",
    log:
        "results/logs/run_trial/{scenario}.lr{lr}_decay{weight_decay}_seed{seed}.log",
    benchmark:
        "results/benchmarks/run_trial/{scenario}.lr{lr}_decay{weight_decay}_seed{seed}.tsv"
    conda:
        "../../envs/training.yaml"
    threads: 1
    resources:
        gpu=1,
        mem="4GB",
        runtime="4h",
        checkpoint_every=study["student"]["checkpoint_every"],
    params:
        arm={"method": "ce"},
        recipe=recipe_of("student"),
        augment=lambda w: study["scenarios"][w.scenario]["augment"],
        sources=lambda w: pixel_sources(w.scenario),
        classes=list(study["classes"]),
        augment_seed=study["augment_seed"],
        deterministic=study["deterministic"],
        checkpoints="results/checkpoints/run_trial/{scenario}.lr{lr}_decay{weight_decay}_seed{seed}",
        code=code_of("run_trial"),
    script:
        "../scripts/run_trial.py"


use rule run_trial as run_arm_trial with:
    input:
        plan="results/plans/{scenario}.parquet",
        pixels=lambda w: curated(pixel_sources(w.scenario), "npy"),
        teacher="results/teacher/model.safetensors",
    output:
        trial="results/tuning/{scenario}.{arm}/lr{lr}_decay{weight_decay}_seed{seed}.json",
    log:
        "results/logs/run_arm_trial/{scenario}.{arm}.lr{lr}_decay{weight_decay}_seed{seed}.log",
    benchmark:
        "results/benchmarks/run_arm_trial/{scenario}.{arm}.lr{lr}_decay{weight_decay}_seed{seed}.tsv"
    params:
        arm=lambda w: settings_of_arm(w.arm),
        checkpoints="results/checkpoints/run_arm_trial/{scenario}.{arm}.lr{lr}_decay{weight_decay}_seed{seed}",


rule select_hyperparameters:
    input:
        trials=lambda w: trials_of(w.scenario, study["student"]["tune"]),
    output:
        choice="results/tuning/{scenario}.json",
    log:
        "results/logs/select_hyperparameters/{scenario}.log",
    benchmark:
        "results/benchmarks/select_hyperparameters/{scenario}.tsv"
    conda:
        "../../envs/training.yaml"
    params:
        grid="student.tune",
        code=code_of("select_hyperparameters"),
    script:
        "../scripts/select_hyperparameters.py"


use rule select_hyperparameters as select_arm_hyperparameters with:
    input:
        trials=lambda w: trials_of(f"{w.scenario}.{w.arm}", study["arms"][w.arm]["tune"]),
    output:
        choice="results/tuning/{scenario}.{arm}.json",
    log:
        "results/logs/select_arm_hyperparameters/{scenario}.{arm}.log",
    benchmark:
        "results/benchmarks/select_arm_hyperparameters/{scenario}.{arm}.tsv"
    params:
        grid="arms.{arm}.tune",


rule train_student:
    input:
        choice=lambda w: chosen_settings(w.scenario, w.arm) or [],
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
        "../../envs/training.yaml"
    threads: 1
    resources:
        gpu=1,
        mem="4GB",
        runtime="4h",
        checkpoint_every=study["student"]["checkpoint_every"],
    params:
        scenario="{scenario}",
        arm_name="{arm}",
        arm=lambda w: settings_of_arm(w.arm),
        recipe=recipe_of("student"),
        augment=lambda w: study["scenarios"][w.scenario]["augment"],
        sources=lambda w: pixel_sources(w.scenario),
        classes=list(study["classes"]),
        augment_seed=study["augment_seed"],
        deterministic=study["deterministic"],
        checkpoints="results/checkpoints/train_student/{scenario}.{arm}.seed{seed}",
        code=code_of("train_student"),
    script:
        "../scripts/train_student.py"


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
        "../../envs/training.yaml"
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
