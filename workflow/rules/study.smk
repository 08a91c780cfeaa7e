"""Train the students: one run is one (scenario, arm, seed)."""


rule train_student:
    input:
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
        checkpoints="results/checkpoints/{scenario}.{arm}.seed{seed}",
        code=code_of("learning", "arrays.py"),
    script:
        "../scripts/train_student.py"
