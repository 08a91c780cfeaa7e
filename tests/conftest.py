"""Settings and fixtures of all tests."""

import os

import pytest
from hypothesis import settings

# torch's threads sleep while they wait for each other, so that other tests and their jobs can use the cores
os.environ.setdefault("OMP_WAIT_POLICY", "passive")

# files of tests need not survive a power failure, and waiting for the disk takes half of the time of some tests
os.fsync = lambda descriptor: None

pytest_plugins = ["made_up_tables", "tiny_study_fixture"]

# tests have no deadline: a first call that imports torch takes seconds. Only benchmarks/ measure time
settings.register_profile("distillery", deadline=None)
settings.load_profile("distillery")

# files that take minutes, the longest first, so that processes that share the tests (`make test`) end together
LONGEST_FIRST = (
    "test_study", "test_what_can_be_had", "test_shared_jobs", "test_refusals", "test_new_study", "test_faults",
    "test_teacher", "test_tuning", "test_reruns",
)  # fmt: skip


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items):
    """If several processes share the tests, run those of whole workflows first; the others keep their order."""
    if "PYTEST_XDIST_WORKER" not in os.environ:
        return
    place = {name: number for number, name in enumerate(LONGEST_FIRST)}
    items.sort(key=lambda item: (item.path.parent.name != "workflow", place.get(item.path.stem, len(place))))
