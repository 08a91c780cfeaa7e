"""Check each source before its first image, and time the study's training."""

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
