"""Write the HTML page that holds the whole study in one file."""

from distillery.jobs import job
from distillery.page.cards import StudyInfo
from distillery.page.render import PageInputs, write_page

with job(snakemake) as j:
    params = j.params
    study = StudyInfo(
        params.title,
        params.label,
        params.classes,
        params.sources,
        params.scenarios,
        params.arms,
        params.titles,
        params.about,
        params.authors,
    )
    files = PageInputs(
        tables=list(j.input.tables),
        figures=list(j.input.figures),
        captions=list(j.input.captions),
        images=j.input.images,
        pixels=list(j.input.pixels),
        curated=list(j.input.curated),
        shards=list(j.input.shards),
        citation=j.input.citation,
    )
    write_page(study, files, j.output.page)
