"""Decode, clip_scorer and resize; every candidate has a row, with the reason if it is not kept."""


rule curate:
    input:
        shards=lambda w: pools(w.source, "tar"),
        records=lambda w: pools(w.source, "jsonl"),
    output:
        pixels="results/curated/{source}.npy",
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
        image_size=study["image_size"],
        curation=study["curation"],
        code=code_of("curate"),
    script:
        "../scripts/curate.py"
