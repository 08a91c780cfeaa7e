"""Write which accuracy differences the study can detect, and what detecting smaller ones would cost."""

from distillery.analysis.designs.planning import StudyPlan, write_plan
from distillery.jobs import job

with job(snakemake) as j:
    write_plan(StudyPlan.of(j.params.study, j.params.trials), j.output.plan, j.params.benchmarks)
