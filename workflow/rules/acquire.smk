"""Acquire images from searches, address lists, folders and data sets. Everything retrieved is kept in a store."""


rule crawl:
    input:
        check=ancient("resources/preflight/{source}.json"),
    output:
        shard="resources/pools/{source}/{label}.tar",
        records="resources/pools/{source}/{label}.jsonl",
    log:
        "results/logs/crawl/{source}.{label}.log",
    benchmark:
        "results/benchmarks/crawl/{source}.{label}.tsv"
    wildcard_constraints:
        source=pattern_of(sources_of_kind(*WEB_SEARCHES)),
    conda:
        "../../envs/acquire.yaml"
    resources:
        **crawl_policy(),
        **crawl_counts(),
        runtime="12h",
    params:
        source=lambda w: web_source(w.source, w.label),
        name="{source}",
        label="{label}",
        queries=lambda w: study["classes"][w.label]["queries"],
        store="resources/store/{source}",
        demo=imitated_web(),
    script:
        "../scripts/crawl.py"


rule fetch_addresses:
    input:
        addresses=lambda w: local(study["sources"][w.source]["path"]),
    output:
        shard="resources/pools/{source}/{label}.tar",
        records="resources/pools/{source}/{label}.jsonl",
    log:
        "results/logs/fetch_addresses/{source}.{label}.log",
    benchmark:
        "results/benchmarks/fetch_addresses/{source}.{label}.tsv"
    wildcard_constraints:
        source=pattern_of(sources_of_kind("urls")),
    conda:
        "../../envs/acquire.yaml"
    resources:
        **crawl_policy(),
        url_crawls=1,
        runtime="12h",
    params:
        source=lambda w: web_source(w.source, w.label),
        name="{source}",
        label="{label}",
        store="resources/store/{source}",
    script:
        "../scripts/fetch_addresses.py"


rule import_folder:
    input:
        path=lambda w: own_images(study["sources"][w.source]["path"]),
    output:
        shard="resources/pools/{source}/{label}.tar",
        records="resources/pools/{source}/{label}.jsonl",
    log:
        "results/logs/import_folder/{source}.{label}.log",
    benchmark:
        "results/benchmarks/import_folder/{source}.{label}.tsv"
    wildcard_constraints:
        source=pattern_of(sources_of_kind("folder")),
    conda:
        "../../envs/acquire.yaml"
    params:
        source=lambda w: derived.import_settings(study, w.source),
        name="{source}",
        label="{label}",
        listing=lambda w: listing_of_class(w.source, w.label),
    script:
        "../scripts/import_folder.py"


rule import_dataset:
    input:
        check=ancient("resources/preflight/{source}.json"),
    output:
        shard="resources/pools/{source}/{label}.tar",
        records="resources/pools/{source}/{label}.jsonl",
    log:
        "results/logs/import_dataset/{source}.{label}.log",
    benchmark:
        "results/benchmarks/import_dataset/{source}.{label}.tsv"
    wildcard_constraints:
        source=pattern_of(sources_of_kind("huggingface")),
    conda:
        "../../envs/acquire.yaml"
    resources:
        unavailable=lambda w: unavailable_of(w.source),
        dataset_imports=1,
        runtime="12h",
    params:
        source=lambda w: web_source(w.source, w.label),
        name="{source}",
        label="{label}",
        store="resources/store/{source}",
    script:
        "../scripts/import_dataset.py"
