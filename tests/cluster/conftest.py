"""A Slurm cluster for all tests of a session."""

import os

import pytest
import slurm


@pytest.fixture(scope="session")
def running_slurm(tmp_path_factory):
    if not os.environ.get("DISTILLERY_CLUSTER"):
        pytest.skip("takes some minutes and starts daemons as root: make test-slurm")
    if reason := slurm.missing():
        pytest.skip(reason)
    with slurm.cluster(tmp_path_factory.mktemp("slurm")):
        yield slurm
