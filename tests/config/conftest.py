"""The small configuration as a fixture."""

import pytest
import yaml
from small_config import STUDY


@pytest.fixture
def study():
    return yaml.safe_load(STUDY)
