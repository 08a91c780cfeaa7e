"""Figures, sheets of images, and the page."""


# all figures in one job, because its start-up takes longer than drawing them
rule plot:
    input:
        tables=tables(*tables_of_figures()),
        refusals="results/refusals.json",
    output:
        list(map(in_report, figures("png", "svg"))),
    log:
        "results/logs/plot.log",
    benchmark:
        "results/benchmarks/plot.tsv"
    conda:
        "../../envs/report.yaml"
    params:
        figures={name: FIGURES[name]["tables"] for name in shown_figures},
        headings={name: heading_of_figure(FIGURES[name]) for name in shown_figures},
        label=label_of_figures(),
        untrained=untrained_sources(),
        titles=titles_of_sources(used_sources()),
        code=code_of("plot"),
    script:
        "../scripts/plot.py"


rule plot_summary:
    input:
        table="results/tables/summary.csv",
        preflight=ancient("resources/preflight/table.txt"),  # not drawn: an input so that every study shows it on the terminal
        refusals="results/refusals.json",
    output:
        figure=in_report("results/summary.png"),
        svg=in_report("results/summary.svg"),
        markdown="results/tables/summary.md",
        latex="results/tables/summary.tex",
    log:
        "results/logs/plot_summary.log",
    benchmark:
        "results/benchmarks/plot_summary.tsv"
    conda:
        "../../envs/report.yaml"
    params:
        title=study["title"],
        label=label_of_figures(),
        code=code_of("plot_summary"),
    script:
        "../scripts/plot_summary.py"


rule draw_sheet:
    input:
        unpack(lambda w: sheet_inputs(w.kind, w.source)),
    output:
        figure=in_report("results/figures/{kind}_{source}.png"),
    log:
        "results/logs/draw_sheet/{kind}_{source}.log",
    benchmark:
        "results/benchmarks/draw_sheet/{kind}_{source}.tsv"
    conda:
        "../../envs/report.yaml"
    params:
        kind="{kind}",
        source=lambda w: name_on_sheets(w.source),
        title=study["title"],
        label=label_of_figures(),
        side=training_queries.curated_size(study),
        random_weights=lambda w: w.source in untrained_sources(),
        code=code_of("draw_sheet"),
    script:
        "../scripts/draw_sheet.py"


rule write_page:
    input:
        tables=[*tables(*report_files.PAGE_TABLES), *report_files.tables_of_filters(study)],
        figures=["results/summary.png", *figures("png")],
        captions=captions_of_figures(),
        images="results/images.parquet",
        pixels=curated(used_sources(), "npy"),
        curated=curated(used_sources(), "parquet"),
        shards=[shard for source in used_sources() for shard in pools(source, "tar")],
        citation=shipped(REPORT.parents[1], "CITATION.cff")[0],
    output:
        page=in_report("results/report.html"),
    log:
        "results/logs/write_page.log",
    benchmark:
        "results/benchmarks/write_page.tsv"
    conda:
        "../../envs/report.yaml"
    resources:
        mem="4GB",
    params:
        title=study["title"],
        label=label_of_figures(),
        classes=study["classes"],
        sources={name: study["sources"][name] for name in used_sources()},
        scenarios=scenarios_as_shown(),
        arms=study["arms"],
        titles=titles_of_sources(used_sources()),
        about=study["about"],
        authors=study.get("authors", []),
        code=code_of("write_page"),
    script:
        "../scripts/write_page.py"
