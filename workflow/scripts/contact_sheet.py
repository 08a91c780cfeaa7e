"""Draw a contact sheet of one source: its kept images by class, and why others were dropped."""

from distillery.figures.contact_sheets import contact_sheet
from distillery.jobs import job

with job(snakemake) as j:
    contact_sheet(
        j.input.pixels,
        j.input.table,
        j.output.figure,
        source=j.params.source,
        title=j.params.title,
        label=j.params.label,
        random_weights=j.params.random_weights,
    )
