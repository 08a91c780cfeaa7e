"""Draw the summary as a figure, and typeset it in Markdown and LaTeX."""

from distillery.analysis.study_tables.typesetting import typeset_summary
from distillery.figures.registry import plot_figure
from distillery.jobs import job
from distillery.splits.refused_sources import read_refusals

with job(snakemake) as j:
    refused = read_refusals(j.input.refusals)
    outputs = [j.output.figure, j.output.svg]
    plot_figure("summary", [j.input.table], outputs, j.params.title, j.params.label, refused=refused)
    typeset_summary(j.input.table, j.output.markdown, j.output.latex, j.params.title, j.params.label)
