"""Export a trained student, quantize it, and measure it. No target of the study includes these files: name them."""


rule export_student:
    input:
        # always seed 0: the seed with the best test accuracy would have an accuracy that is biased upward
        weights="results/runs/{scenario}/{arm}/seed0/model.safetensors",
        metrics="results/runs/{scenario}/{arm}/seed0/metrics.json",
        predictions="results/runs/{scenario}/{arm}/seed0/predictions.parquet",
        runs="results/scenarios/{scenario}.csv",
        plan="results/plans/{scenario}.parquet",
        attribution=ancient("results/attribution.csv"),  # the model card refers to it
    output:
        model="results/models/{scenario}.{arm}.onnx",
        card="results/models/{scenario}.{arm}.md",
    log:
        "results/logs/export_student/{scenario}.{arm}.log",
    benchmark:
        "results/benchmarks/export_student/{scenario}.{arm}.tsv"
    conda:
        "../../envs/deployment.yaml"
    resources:
        mem="4GB",
    params:
        title=study["title"],
        label=label_of_figures(),
        arm=lambda w: settings_of_arm(w.arm),
        kinds=lambda w: kinds_on_card(w.scenario),
        untrained=untrained_sources(),
        titles=lambda w: titles_of_sources(pixel_sources(w.scenario)),
        code=code_of("export_student"),
    script:
        "../scripts/export_student.py"


rule quantize_student:
    input:
        model="results/models/{scenario}.{arm}.onnx",
        plan="results/plans/{scenario}.parquet",
        pixels=lambda w: curated(pixel_sources(w.scenario), "npy"),
    output:
        model="results/models/{scenario}.{arm}.int8.onnx",
    log:
        "results/logs/quantize_student/{scenario}.{arm}.log",
    benchmark:
        "results/benchmarks/quantize_student/{scenario}.{arm}.tsv"
    conda:
        "../../envs/deployment.yaml"
    resources:
        mem="4GB",
    params:
        sources=lambda w: pixel_sources(w.scenario),
        classes=list(study["classes"]),
        code=code_of("quantize_student"),
    script:
        "../scripts/quantize_student.py"


rule tabulate_deployment:
    input:
        models=training_files.of_deployed(study, "results/models/{student}.onnx"),
        int8=training_files.of_deployed(study, "results/models/{student}.int8.onnx"),
        weights=training_files.of_deployed(study, "results/runs/{scenario}/{arm}/seed0/model.safetensors"),
        predictions=training_files.of_deployed(study, "results/runs/{scenario}/{arm}/seed0/predictions.parquet"),
        teacher="results/teacher/model.safetensors",
        pixels=curated(study["split"]["common"], "npy"),
    output:
        table="results/tables/deployment.csv",
    log:
        "results/logs/tabulate_deployment.log",
    benchmark:
        "results/benchmarks/tabulate_deployment.tsv"
    conda:
        "../../envs/deployment.yaml"
    threads: 2
    resources:
        mem="4GB",
    params:
        students=training_queries.deployed_students(study),
        sources=study["split"]["common"],
        label=label_of_figures(),
        code=code_of("tabulate_deployment"),
    script:
        "../scripts/tabulate_deployment.py"


rule plot_deployment:
    input:
        table="results/tables/deployment.csv",
    output:
        png="results/figures/deployment.png",
        svg="results/figures/deployment.svg",
    log:
        "results/logs/plot_deployment.log",
    benchmark:
        "results/benchmarks/plot_deployment.tsv"
    conda:
        "../../envs/report.yaml"
    params:
        title=f"Accuracy against size: {study['title']}",
        label=label_of_figures(),
        code=code_of("plot_deployment"),
    script:
        "../scripts/plot_deployment.py"
