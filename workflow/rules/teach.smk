"""The teacher: its data, its training and its tests."""


rule prepare_teacher_data:
    input:
        folders=teacher_folders(),
        train_pixels=curated(teacher_sources("train"), "npy"),
        train_thumbnails=curated(teacher_sources("train"), "thumbs.npy"),
        train_tables=curated(teacher_sources("train"), "parquet"),
        test_pixels=curated(teacher_sources("test"), "npy"),
        test_thumbnails=curated(teacher_sources("test"), "thumbs.npy"),
        test_tables=curated(teacher_sources("test"), "parquet"),
    output:
        data="resources/teacher/data.npz",
    log:
        "results/logs/prepare_teacher_data.log",
    benchmark:
        "results/benchmarks/prepare_teacher_data.tsv"
    conda:
        "../../envs/training.yaml"
    resources:
        mem="8GB",
        runtime="2h",
    params:
        data=study["teacher"]["data"],
        classes=list(study["classes"]),
        image_size=training_queries.curated_size(study),
        seed=study["teacher"]["seed"],
        listings=image_files.teacher_listings(study),
        code=code_of("prepare_teacher_data"),
    script:
        "../scripts/prepare_teacher_data.py"


rule train_teacher:
    input:
        data="resources/teacher/data.npz",
    output:
        weights=training_files.trained_teacher(study),
        history="results/teacher/history.csv",
    log:
        "results/logs/train_teacher.log",
    benchmark:
        "results/benchmarks/train_teacher.tsv"
    conda:
        "../../envs/training.yaml"
    threads: study["teacher"]["threads"]
    resources:
        gpu=1,
        mem="16GB",
        runtime="12h",
        checkpoint_every=study["teacher"]["checkpoint_every"],
    params:
        recipe=recipe_of("teacher"),
        seed=study["teacher"]["seed"],
        classes=list(study["classes"]),
        deterministic=study["deterministic"],
        checkpoints="results/checkpoints/train_teacher",
        code=code_of("train_teacher"),
    script:
        "../scripts/train_teacher.py"


use rule train_teacher as train_another_teacher with:
    output:
        weights="results/teacher/seed{teacher}/model.safetensors",
        history="results/teacher/seed{teacher}/history.csv",
    log:
        "results/logs/train_another_teacher/seed{teacher}.log",
    benchmark:
        "results/benchmarks/train_another_teacher/seed{teacher}.tsv"
    params:
        seed=lambda w: study["teacher"]["seed"] + int(w.teacher),
        checkpoints="results/checkpoints/train_another_teacher/seed{teacher}",


rule adopt_teacher:
    input:
        files=[local(path) for path in training_files.files_of_adopted(study)],
        trained=[training_files.trained_teacher(study)] * ("train" in training_queries.kinds_of_teacher(study)),
    output:
        weights=(
            training_files.adopted_teacher(study) if study["teacher"]["kind"] != "train" else "results/teacher/adopted"
        ),
    log:
        "results/logs/adopt_teacher.log",
    benchmark:
        "results/benchmarks/adopt_teacher.tsv"
    priority: 2  # shows first that a model cannot be had
    conda:
        "../../envs/training.yaml"
    resources:
        mem="8GB",
        runtime="2h",
    params:
        settings=training_queries.adoption_of(study),
        classes=list(study["classes"]),
        image_size=training_queries.curated_size(study),
        code=code_of("adopt_teacher"),
    script:
        "../scripts/adopt_teacher.py"


rule fit_teacher_scale:
    input:
        weights="results/teacher/unscaled.safetensors",
        splits=base_file("splits.parquet"),  # which images are for validation
        pixels=curated(study["split"]["common"], "npy"),
    output:
        weights="results/teacher/model.safetensors" if training_queries.fits_scale(study) else "results/teacher/scaled",
    log:
        "results/logs/fit_teacher_scale.log",
    benchmark:
        "results/benchmarks/fit_teacher_scale.tsv"
    conda:
        "../../envs/training.yaml"
    threads: 4
    resources:
        gpu=1,
        mem="8GB",
    params:
        sources=study["split"]["common"],
        code=code_of("fit_teacher_scale"),
    script:
        "../scripts/fit_teacher_scale.py"


rule evaluate_teacher:
    input:
        data="resources/teacher/data.npz",
        weights="results/teacher/model.safetensors",
        splits=base_file("splits.parquet"),
        pixels=curated(base_sources(), "npy"),
    output:
        metrics="results/teacher/metrics.json",
        predictions="results/teacher/predictions.parquet",
    log:
        "results/logs/evaluate_teacher.log",
    benchmark:
        "results/benchmarks/evaluate_teacher.tsv"
    priority: 1  # shows a bad teacher before students train
    conda:
        "../../envs/training.yaml"
    threads: 4
    resources:
        gpu=1,
        mem="8GB",
    params:
        sources=base_sources(),
        code=code_of("evaluate_teacher"),
    script:
        "../scripts/evaluate_teacher.py"


use rule evaluate_teacher as evaluate_another_teacher with:
    input:
        data="resources/teacher/data.npz",
        weights="results/teacher/seed{teacher}/model.safetensors",
        splits=base_file("splits.parquet"),
        pixels=curated(base_sources(), "npy"),
    output:
        metrics="results/teacher/seed{teacher}/metrics.json",
        predictions="results/teacher/seed{teacher}/predictions.parquet",
    log:
        "results/logs/evaluate_another_teacher/seed{teacher}.log",
    benchmark:
        "results/benchmarks/evaluate_another_teacher/seed{teacher}.tsv"
