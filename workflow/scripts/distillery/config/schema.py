"""The JSON schema of the configuration, written from the models: `make docs`. Editors and other programs may use it."""

from __future__ import annotations

from typing import Any

import yaml
from pydantic.json_schema import GenerateJsonSchema

from distillery.config.models.study import Study

HEADER = "# Written by `make docs` from workflow/scripts/distillery/config: change the models there, not this file.\n"


def json_schema() -> dict[str, Any]:
    """The schema of a study."""
    dialect = {"$schema": "https://json-schema.org/draft/2020-12/schema"}
    return dialect | Study.model_json_schema(schema_generator=_Schema)


def schema_file() -> str:
    """The schema as the text of a YAML file."""
    return HEADER + yaml.safe_dump(json_schema(), sort_keys=False, allow_unicode=True, width=120)


class _Schema(GenerateJsonSchema):
    """Pydantic's schema without titles made from names; a key that may be left out has no default."""

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
        if "patternProperties" in written:  # which would admit any other name
            ((pattern, values),) = written.pop("patternProperties").items()
            written |= {"propertyNames": {"pattern": pattern}, "additionalProperties": values}
        return written
