"""The generated JSON schema accepts and refuses the same configurations as the program."""

from pathlib import Path

import pytest
import yaml
from jsonschema import Draft202012Validator
from test_config_mutations import everything

ROOT = Path(__file__).parents[2]
VALIDATOR = Draft202012Validator(yaml.safe_load((ROOT / "workflow" / "schemas" / "config.schema.yaml").read_text()))
CONFIGURATIONS = [ROOT / "config.yaml", ROOT / "demo" / "config.yaml", *sorted(ROOT.glob("studies/*/config.yaml"))]


def test_the_schema_is_a_schema():
    Draft202012Validator.check_schema(VALIDATOR.schema)


@pytest.mark.parametrize("path", CONFIGURATIONS, ids=lambda path: str(path.relative_to(ROOT)))
def test_the_configurations_of_the_project_are_valid(path):
    assert not list(VALIDATOR.iter_errors(yaml.safe_load(path.read_text())))


def test_the_schema_refuses_every_mutation():
    found, _ = everything()
    assert [(path, what) for path, what, study in found if VALIDATOR.is_valid(study)] == []
