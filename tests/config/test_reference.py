"""The schema and the reference page describe every key."""

from pathlib import Path

from distillery.config.models.arms import ARMS
from distillery.config.models.sources import SOURCES
from distillery.config.reference import reference
from distillery.config.schema import json_schema, schema_file

ROOT = Path(__file__).parents[2]


def test_every_key_of_the_schema_is_described_and_has_a_default_or_is_required():
    def walk(part, path):
        for key, below in part.get("properties", {}).items():
            target = resolved(below)
            where = f"{path}.{key}"
            assert "description" in below or "description" in target or "const" in below, where
            optional = key not in part.get("required", ()) and "const" not in below
            if optional and where not in without_default:
                assert "default" in below, where
            walk(target, where)
            named = target.get("additionalProperties")
            for each in named.get("oneOf", named.get("anyOf", [named])) if isinstance(named, dict) else ():
                inner = resolved(each)
                walk(inner, f".{inner['properties'][key]['const']}" if (key := choices.get(where)) else where)

    def resolved(part):
        return schema["$defs"][part["$ref"].rsplit("/", 1)[1]] if "$ref" in part else part

    schema, choices = json_schema(), {".sources": "kind", ".arms": "method"}
    # These have no default value, but a meaning if left out: all sources, all arms, nothing published, no demo, the
    # default comparisons, no tuning, the study's setting for refusals, images that start from noise
    without_default = {".split.common", ".scenarios.arms", ".scenarios.published", ".demo", ".student.tune"}
    without_default |= {".teacher.data.kind", ".teacher.image_size", ".authors", ".deployed"}
    without_default |= {f".diffusion.{key}" for key in ("from", "keep", "prompts_from", "lora", "adapt")}
    without_default |= {f".{method}.tune" for method in ARMS}
    without_default |= {".without_gpu"}
    without_default |= {".comparisons", ".comparisons.arms", ".comparisons.scenarios", ".comparisons.within"}
    without_default |= {".comparisons.students"}
    without_default |= {f".scenarios.published.{key}" for key in ("site", "notebook", "n_train")}
    without_default |= {f".{kind}.classes" for kind in ("urls", "folder", "huggingface")}
    without_default |= {".folder.labels", ".folder.threshold"}
    without_default |= {f".{kind}.unavailable" for kind in SOURCES if kind != "folder"}
    walk(schema, "")


def test_the_reference_page_and_the_schema_are_in_step_with_the_models():
    assert (ROOT / "docs" / "configuration.md").read_text() == reference(), "run `make docs`"
    assert (ROOT / "workflow" / "schemas" / "config.schema.yaml").read_text() == schema_file(), "run `make docs`"
