"""What the study's images are worth: leakage from the teacher's data, label issues, and diversity."""


rule find_leakage:
    input:
        pixels=curated(used_sources(), "npy"),
        tables=curated(used_sources(), "parquet"),
        data="resources/teacher/data.npz",
    output:
        leakage="results/leakage.parquet",
    log:
        "results/logs/find_leakage.log",
    benchmark:
        "results/benchmarks/find_leakage.tsv"
    conda:
        "../../envs/curate.yaml"
    threads: 4
    resources:
        mem=lambda w, input: memory_of_search(input.size_mb, 3 * training_queries.curated_size(study) ** 2),
    params:
        code=code_of("find_leakage"),
    script:
        "../scripts/find_leakage.py"


if derived_sources():

    # for the split of the base sources, which is made before derived sources have images
    use rule find_leakage as find_leakage_of_base with:
        input:
            pixels=curated(base_sources(), "npy"),
            tables=curated(base_sources(), "parquet"),
            data="resources/teacher/data.npz",
        output:
            leakage=base_file("leakage.parquet"),
        log:
            "results/logs/find_leakage_of_base.log",
        benchmark:
            "results/benchmarks/find_leakage_of_base.tsv"


rule audit_labels:
    input:
        pixels="results/curated/{source}.npy",
        table="results/curated/{source}.parquet",
        leakage="results/leakage.parquet",
        splits="results/splits.parquet",
        weights="results/teacher/model.safetensors",
        own_predictions="results/teacher/predictions.parquet",
    output:
        audit="results/audit/{source}.parquet",
        own_test="results/audit/{source}.own_test.parquet",
    log:
        "results/logs/audit_labels/{source}.log",
    benchmark:
        "results/benchmarks/audit_labels/{source}.tsv"
    conda:
        "../../envs/training.yaml"
    threads: 4
    resources:
        gpu=1,
        mem="8GB",
    params:
        source="{source}",
        code=code_of("audit_labels"),
    script:
        "../scripts/audit_labels.py"


rule measure_diversity:
    input:
        pixels=curated(used_sources(), "npy"),
        tables=curated(used_sources(), "parquet"),
        weights="results/teacher/model.safetensors",
    output:
        measured="results/diversity.parquet",
    log:
        "results/logs/measure_diversity.log",
    benchmark:
        "results/benchmarks/measure_diversity.tsv"
    conda:
        "../../envs/training.yaml"
    threads: 4
    resources:
        gpu=1,
        mem="8GB",
    params:
        kinds={source: study["sources"][source]["kind"] for source in used_sources()},
        code=code_of("measure_diversity"),
    script:
        "../scripts/measure_diversity.py"
