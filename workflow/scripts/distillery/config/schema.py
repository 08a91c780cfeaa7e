"""Derive the configuration's JSON schema from the models: `make docs`. Editors and other programs can use it."""

from __future__ import annotations

from typing import Any

import yaml
from pydantic.json_schema import GenerateJsonSchema

from distillery.config.models.study import Study

HEADER = "# Written by `make docs` from workflow/scripts/distillery/config: change the models there, not this file.\n"


def json_schema() -> dict[str, Any]:
    """The JSON schema of a study's configuration."""
    dialect = {"$schema": "https://json-schema.org/draft/2020-12/schema"}
    return dialect | Study.model_json_schema(schema_generator=_Schema)


def schema_file() -> str:
    """The schema as the text of a YAML file."""
    return HEADER + yaml.safe_dump(json_schema(), sort_keys=False, allow_unicode=True, width=120)


class _Schema(GenerateJsonSchema):
    """Pydantic's schema, without titles that repeat names, and without a default for keys that have none."""

    def field_title_should_be_set(self, schema: Any) -> bool:
        return False

    def default_schema(self, schema: Any) -> dict[str, Any]:
        return (
            super().default_schema(schema)
            if schema.get("default") is not None
            else self.generate_inner(schema["schema"])
        )

    def dict_schema(self, schema: Any) -> dict[str, Any]:
        written = super().dict_schema(schema)
        if "patternProperties" in written:  # it would accept names that do not match the pattern
            ((pattern, values),) = written.pop("patternProperties").items()
            written |= {"propertyNames": {"pattern": pattern}, "additionalProperties": values}
        return written
