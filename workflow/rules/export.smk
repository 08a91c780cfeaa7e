"""Export a trained model. Nothing of the study waits for it: ask for the file by its name."""


rule export_student:
    input:
        # not the seed that tests best: choosing by the test would flatter it
        weights="results/runs/{scenario}/{arm}/seed0/model.safetensors",
        metrics="results/runs/{scenario}/{arm}/seed0/metrics.json",
        predictions="results/runs/{scenario}/{arm}/seed0/predictions.parquet",
        runs="results/scenarios/{scenario}.csv",
        plan="results/plans/{scenario}.parquet",
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
        kinds=lambda w: {name: study["sources"][name]["kind"] for name in study["scenarios"][w.scenario]["train"]},
        untrained=untrained_sources(),
        titles=lambda w: titles_of_sources(pixel_sources(w.scenario)),
        code=code_of("export_student"),
    script:
        "../scripts/export_student.py"
