"""Draw the labels of one source that the teacher flags as likely errors."""

from distillery.figures.contact_sheets import label_issues_sheet
from distillery.jobs import job

with job(snakemake) as j:
    label_issues_sheet(
        j.input.pixels,
        j.input.audit,
        j.output.figure,
        source=j.params.source,
        title=j.params.title,
        label=j.params.label,
        random_weights=j.params.random_weights,
    )
