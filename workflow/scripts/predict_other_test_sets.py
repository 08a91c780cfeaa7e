"""Test the students of one scenario on the test images of sources that are not in the common test."""

from distillery.analysis.other_test_sets import predict_other_test_sets
from distillery.jobs import job

with job(snakemake) as j:
    predict_other_test_sets(
        list(j.input.weights),
        j.input.plan,
        j.input.splits,
        list(j.input.pixels),
        j.output.predictions,
        sources=list(j.params.sources),
        classes=list(j.params.classes),
        threads=j.threads,
    )
