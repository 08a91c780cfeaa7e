"""The summary in Markdown and LaTeX."""

from distillery.analysis.study_tables.typesetting import typeset_summary
from distillery.jobs import job

with job(snakemake) as j:
    typeset_summary(j.input.summary, j.output.markdown, j.output.latex, j.params.title, j.params.label)
