"""Write the HTML page that holds the whole study in one file."""

from distillery.jobs import job
from distillery.page.render import Files, Study, write_page

with job(snakemake) as j:
    study = Study(j.params.title, j.params.label, j.params.classes, j.params.sources, j.params.scenarios, j.params.arms)
    files = Files(
        tables=list(j.input.tables),
        figures=list(j.input.figures),
        captions=list(j.input.captions),
        images=j.input.images,
        pixels=list(j.input.pixels),
        curated=list(j.input.curated),
        citation=j.input.citation,
    )
    write_page(study, files, j.output.page)
