"""A student, with and without its export."""

import pytest
import torch
from made_up_run import Student


@pytest.fixture
def student(tmp_path):
    """A student of three of the study's five classes, not exported yet."""
    torch.set_num_threads(1)
    return Student(tmp_path).write()


@pytest.fixture(scope="session")
def exported(tmp_path_factory):
    """The same student, exported. Leave its files as they are."""
    torch.set_num_threads(1)
    return Student(tmp_path_factory.mktemp("exported")).write().export()
