"""Draw a sheet of one source's images: those kept, those whose label is flagged, or near-duplicates."""

from distillery.figures.sheets.drawing import draw_sheet
from distillery.jobs import job

with job(snakemake) as j:
    draw_sheet(
        j.params.kind,
        dict(j.input.items()),
        j.output.figure,
        side=j.params.side,
        source=j.params.source,
        title=j.params.title,
        label=j.params.label,
        random_weights=j.params.random_weights,
    )
