"""Train and test the students.

A run is one (scenario, arm, seed); a trial is one training with one setting of a hyperparameter grid.

Seeds of one (scenario, arm), and trials of one grid, share a job, unless `seeds_per_job` is 1.
"""

# one rule per grid: all its trials are outputs of one job, and outputs cannot be computed from wildcards
for trial in trial_rules():

    rule:
        name:
            trial.name
        input:
            plan="results/plans/{scenario}.parquet",
            pixels=lambda w: pixels_of_plan(w.scenario),
            teacher=trial.teacher or [],
        output:
            trials=trial.trials,
        log:
            f"results/logs/{trial.folder}/{trial.job}.log",
        benchmark:
            f"results/benchmarks/{trial.folder}/{trial.job}.tsv"
        conda:
            "../../envs/training.yaml"
        threads: 1
        resources:
            gpu=1,
            mem="4GB",
            runtime=240 * len(trial.trials),
            checkpoint_every=study["student"]["checkpoint_every"],
        params:
            **changed_copies(),
            arm=trial.arm,
            recipe=recipe_of("student"),
            augment=lambda w: study["scenarios"][w.scenario]["augment"],
            sources=lambda w: pixel_sources(w.scenario),
            classes=list(study["classes"]),
            augment_seed=study["augment_seed"],
            deterministic=study["deterministic"],
            checkpoints=f"results/checkpoints/{trial.folder}",
            code=code_of("run_trial"),
        script:
            "../scripts/run_trial.py"


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
        plans=lambda w: plans_of_job(w.scenario, w),
        pixels=lambda w: pixels_of_plan(w.scenario),
        teachers=lambda w: teachers_of_job(w.arm, w),
    output:
        weights=seeds_in_job("results/runs/{scenario}/{arm}/seed{seed}/model.safetensors"),
        history=seeds_in_job("results/runs/{scenario}/{arm}/seed{seed}/history.csv"),
        training=seeds_in_job("results/runs/{scenario}/{arm}/seed{seed}/training.json"),
    log:
        f"results/logs/train_student/{name_of_training_job()}.log",
    benchmark:
        f"results/benchmarks/train_student/{name_of_training_job()}.tsv"
    conda:
        "../../envs/training.yaml"
    threads: 1
    resources:
        gpu=1,
        mem="4GB",
        runtime=240 * len(seeds_in_job("{seed}")),
        checkpoint_every=study["student"]["checkpoint_every"],
    params:
        **changed_copies(),
        arm=lambda w: settings_of_arm(w.arm),
        recipe=recipe_of("student"),
        augment=lambda w: study["scenarios"][w.scenario]["augment"],
        sources=lambda w: pixel_sources(w.scenario),
        classes=list(study["classes"]),
        augment_seed=study["augment_seed"],
        deterministic=study["deterministic"],
        checkpoints="results/checkpoints/train_student",
        code=code_of("train_student"),
    script:
        "../scripts/train_student.py"


# all seeds of an arm in one job: it takes seconds, most of which are start-up
rule evaluate_students:
    input:
        weights=all_seeds("results/runs/{scenario}/{arm}/seed{seed}/model.safetensors"),
        trainings=all_seeds("results/runs/{scenario}/{arm}/seed{seed}/training.json"),
        splits=base_file("splits.parquet"),  # which images are for testing
        pixels=curated(tested_sources(), "npy"),
    output:
        predictions=all_seeds("results/runs/{scenario}/{arm}/seed{seed}/predictions.parquet"),
        metrics=all_seeds("results/runs/{scenario}/{arm}/seed{seed}/metrics.json"),
        others="results/other_test_sets/{scenario}.{arm}.parquet",
    log:
        "results/logs/evaluate_students/{scenario}.{arm}.log",
    benchmark:
        "results/benchmarks/evaluate_students/{scenario}.{arm}.tsv"
    conda:
        "../../envs/training.yaml"
    threads: 1
    resources:
        gpu=1,
        mem="8GB",
    params:
        sources=tested_sources(),
        common=study["split"]["common"],
        classes=list(study["classes"]),
        code=code_of("evaluate_students"),
    script:
        "../scripts/evaluate_students.py"
