"""Generate images with diffusion models, which may be adapted first. Everything generated is kept in a store."""

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
