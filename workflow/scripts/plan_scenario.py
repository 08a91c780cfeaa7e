"""Choose the images that one scenario trains on and is validated on."""

from pathlib import Path

from distillery.jobs import job
from distillery.splits.scenario_plan import plan_scenario

with job(snakemake) as j:
    plan_scenario(
        j.input.splits,
        j.output.plan,
        scenario=j.wildcards.scenario,
        train=j.params.train,
        classes=j.params.classes,
        common=j.params.common,
        augmented=j.params.augmented,
        shortfall=j.params.shortfall,
        generated=j.params.generated,
        audits=j.input.get("audits", []),
        own_tests={Path(path).name.split(".")[0]: path for path in j.input.get("own_tests", [])},
        kinds=j.params.kinds,
        tables=j.input.tables,
        curation=j.params.curation,
        refusals=j.input.refusals,
        tuned=j.params.tuned,
        pixels=dict(zip(j.params.sources, j.input.pixels, strict=True)),
        limits=j.params.limits,
        parents=j.params.get("parents", {}),
        draw=int(j.wildcards.get("draw", 0)),
        any_class=j.params.get("any_class", []),
    )
