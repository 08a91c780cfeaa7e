"""Acquire images: from searches, address lists, folders and diffusion models. A store keeps all that was retrieved."""


rule crawl:
    output:
        shard="resources/pools/{source}/{label}.tar",
        records="resources/pools/{source}/{label}.jsonl",
    log:
        "results/logs/crawl/{source}.{label}.log",
    benchmark:
        "results/benchmarks/crawl/{source}.{label}.tsv"
    wildcard_constraints:
        source=named(sources_of_kind(*WEB_SEARCHES)),
    conda:
        "../../envs/acquire.yaml"
    resources:
        **crawl_policy(),
        google_crawls=lambda w: int(study["sources"][w.source]["kind"] == "google"),
        bing_crawls=lambda w: int(study["sources"][w.source]["kind"] == "bing"),
        openverse_crawls=lambda w: int(study["sources"][w.source]["kind"] == "openverse"),
        commons_crawls=lambda w: int(study["sources"][w.source]["kind"] == "commons"),
        runtime="12h",
    params:
        source=lambda w: web_source(w.source),
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
        source=named(sources_of_kind("urls")),
    conda:
        "../../envs/acquire.yaml"
    resources:
        **crawl_policy(),
        url_crawls=1,
        runtime="12h",
    params:
        source=lambda w: web_source(w.source),
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
        source=named(sources_of_kind("folder")),
    conda:
        "../../envs/acquire.yaml"
    params:
        source=lambda w: study["sources"][w.source],
        name="{source}",
        label="{label}",
        listing=lambda w: class_listing(study["sources"][w.source]["path"], [w.label]),
    script:
        "../scripts/import_folder.py"


# one job a source: loading a model takes longer than a class's images in a small study
for source in sources_of_kind("diffusion"):

    rule:
        name:
            f"generate_{source}"
        input:
            model=model_files(source),
            shares=shares_of(source),
        output:
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
        params:
            **generation_of(source),
        script:
            "../scripts/generate.py"

    if study["sources"][source]["shards"] > 1:

        rule:
            name:
                f"generate_share_{source}"
            input:
                model=model_files(source),
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
            params:
                **generation_of(source),
                shares=study["sources"][source]["shards"],
            script:
                "../scripts/generate_share.py"
