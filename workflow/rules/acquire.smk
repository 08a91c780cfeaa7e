"""Acquire images from searches, address lists, folders, data sets and diffusion models.

Everything retrieved is kept in a store.
"""

# Each source is checked before its first image: a search with one query, a model or data set with a request to the hub.
# Jobs that retrieve take the results as `ancient`, so that a repeated check repeats no retrieval. A check is repeated
# only if the file of its result is missing.


rule check_search:
    output:
        "resources/preflight/{source}.json",
    log:
        "results/logs/check_search/{source}.log",
    wildcard_constraints:
        source=pattern_of(sources_of_kind(*WEB_SEARCHES)),
    priority: 100
    conda:
        "../../envs/acquire.yaml"
    resources:
        **crawl_policy(),
    params:
        check=lambda w: check_request(w.source),
        name="{source}",
        store="resources/store/{source}",
        demo=imitated_web(),
    script:
        "../scripts/check_search.py"


rule check_model:
    output:
        "resources/preflight/{source}.json",
    log:
        "results/logs/check_model/{source}.log",
    wildcard_constraints:
        source=pattern_of(sources_of_kind("diffusion")),
    priority: 100
    conda:
        "../../envs/generate.yaml"
    resources:
        unavailable=lambda w: unavailable_of(w.source),
    params:
        check=lambda w: check_request(w.source),
        name="{source}",
        store="resources/store/{source}",
    script:
        "../scripts/check_model.py"


rule check_dataset:
    output:
        "resources/preflight/{source}.json",
    log:
        "results/logs/check_dataset/{source}.log",
    wildcard_constraints:
        source=pattern_of(sources_of_kind("huggingface")),
    priority: 100
    conda:
        "../../envs/acquire.yaml"
    resources:
        unavailable=lambda w: unavailable_of(w.source),
    params:
        check=lambda w: check_request(w.source),
        name="{source}",
        store="resources/store/{source}",
    script:
        "../scripts/check_dataset.py"


# times a few training steps, once; imports torch
rule time_training:
    output:
        "resources/preflight/speed.json",
    log:
        "results/logs/time_training.log",
    priority: 100
    conda:
        "../../envs/training.yaml"
    resources:
        gpu=1,
        mem="4GB",
        runtime="10m",
    params:
        request=speed_request_of(study),
    script:
        "../scripts/time_training.py"


rule show_preflight:
    input:
        checks=source_checks(preflight_sources()),
        speed="resources/preflight/speed.json",
    output:
        "resources/preflight/table.txt",
    log:
        "results/logs/show_preflight.log",
    priority: 100
    conda:
        "../../envs/acquire.yaml"
    params:
        work=work_of(study, gpus=gpus, without_gpu=without_gpu),
    script:
        "../scripts/show_preflight.py"


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


# Collects the titles of a source's train images as prompts. If the user saved an edited copy, that is used instead.
for source in filter(source_of_titles, sources_of_kind("diffusion")):

    rule:
        name:
            f"collect_titles_{source}"
        input:
            splits=base_file("splits.parquet"),
            refusals=base_file("refusals.json"),
            table=curated([source_of_titles(source)], "parquet")[0],
        output:
            prompts=image_files.collected_prompts(source),
        log:
            f"results/logs/collect_titles/{source}.log",
        localrule: True
        conda:
            "../../envs/acquire.yaml"
        params:
            source=source_of_titles(source),
            labels=classes_of_sources([source])[source],
        script:
            "../scripts/collect_titles.py"


for source in filter(source_of_adapter, sources_of_kind("diffusion")):

    rule:
        name:
            f"adapt_model_{source}"
        input:
            **image_files.train_files(study, source),
            check=ancient(f"resources/preflight/{source}.json"),
            model=model_files(source),
        output:
            adapter=image_files.adapter_files(study, source)["adapter"],
        log:
            f"results/logs/adapt_model/{source}.log",
        benchmark:
            f"results/benchmarks/adapt_model/{source}.tsv"
        conda:
            "../../envs/generate.yaml"
        resources:
            gpu=1,
            mem="24GB",
            runtime="24h",
            checkpoint_every=100,
            unavailable=unavailable_of(source),
        params:
            source=retrieval_queries.adaptation_of(study, source),
            name=source,
            store=f"resources/store/{source}",
            labels=classes_of_sources([source])[source],
            checkpoints=f"results/checkpoints/adapt_model/{source}",
        script:
            "../scripts/adapt_model.py"


# one job per source, not per class: in a small study, loading the model takes longer than generating a class's images
for source in sources_of_kind("diffusion"):

    rule:
        name:
            f"generate_{source}"
        input:
            **image_files.parent_files(study, source),
            **image_files.prompt_files(study, source),
            **image_files.adapter_files(study, source),
            **training_files.filter_teacher_files(study, source),
            check=ancient(f"resources/preflight/{source}.json"),
            model=[*model_files(source), *lora_files(source)],
            shares=shares_of(source),
        output:
            **image_files.rejected_files(study, source),
            shards=pools(source, "tar"),
            records=pools(source, "jsonl"),
        log:
            f"results/logs/generate/{source}.log",
        benchmark:
            f"results/benchmarks/generate/{source}.tsv"
        conda:
            "../../envs/generate.yaml"
        resources:
            gpu=1,
            mem="24GB",
            runtime="24h",
            unavailable=unavailable_of(source),
        params:
            **generation_of(source),
        script:
            "../scripts/generate.py"

    if study["sources"][source]["shards"] > 1:

        rule:
            name:
                f"generate_share_{source}"
            input:
                **image_files.parent_files(study, source),
                **image_files.prompt_files(study, source),
                **image_files.adapter_files(study, source),
                check=ancient(f"resources/preflight/{source}.json"),
                model=[*model_files(source), *lora_files(source)],
            output:
                records=f"resources/pools/{source}/shares/{{share}}-of-{study['sources'][source]['shards']}.jsonl",
            log:
                f"results/logs/generate_share/{source}.{{share}}.log",
            benchmark:
                f"results/benchmarks/generate_share/{source}.{{share}}.tsv"
            conda:
                "../../envs/generate.yaml"
            resources:
                gpu=1,
                mem="24GB",
                runtime="24h",
                unavailable=unavailable_of(source),
            params:
                **generation_of(source),
                shares=study["sources"][source]["shards"],
            script:
                "../scripts/generate_share.py"
