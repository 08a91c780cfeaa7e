"""Two hundred random mistakes over the whole schema: each is one line that names its place in the configuration."""

import copy
import random
import re

import pytest
import yaml
from small_config import STUDY

from distillery.config.reading import check_config, load_config
from distillery.config.schema import json_schema
from distillery.jobs import UserError
from distillery.sources.own_files import check_own_files

WRONG = {
    "string": [1], "integer": "three", "number": "much", "boolean": "perhaps", "array": 7, "object": "text",
}  # fmt: skip
MORE = """
comparisons:
  distilled: {arms: [scratch, kd]}
arms:
  scratch: {method: ce}
  kd: {method: kd, tune: {lr: [0.1, 0.2], weight_decay: [0.001]}}
  soft: {method: label_smoothing}
  decoupled: {method: dkd}
  relations: {method: dist}
  standard: {method: kd_standardized}
  attention: {method: attention_transfer}
  hints: {method: fitnet}
  hard: {method: hard_teacher}
  uniform: {method: uniform_teacher}
student: {tune: {lr: [0.1, 0.2], weight_decay: [0.001]}}
demo: {seed: 1}
"""


def resolved(part, value, schema):
    """A part of the schema for a value, with references resolved."""
    part = dict(part)
    if "$ref" in part:
        part |= {k: v for k, v in schema["$defs"][part["$ref"].rsplit("/", 1)[1]].items() if k not in part}
    if "discriminator" in part:
        key = part["discriminator"]["propertyName"]
        choices = [resolved(choice, value, schema) for choice in part["oneOf"]]
        (part,) = [choice for choice in choices if choice["properties"][key]["const"] == value[key]]
        names = [choice["properties"][key]["const"] for choice in choices]
        part["properties"] = part["properties"] | {key: {"type": "string", "enum": names}}
    return resolved(part["anyOf"][0], value, schema) if "anyOf" in part else part


def places(value, part, schema, path=()):
    """Every value in a configuration, with its path and its part of the schema."""
    part = resolved(part, value, schema)
    yield path, value, part
    if isinstance(value, dict):
        for key, below in value.items():
            of_key = part.get("properties", {}).get(key, part.get("additionalProperties"))
            if isinstance(of_key, dict):
                yield from places(below, of_key, schema, (*path, key))


def mutations(value, part):
    """Invalid values for a place in the configuration: (what is wrong, the value)."""
    kind = part.get("type")
    kind = kind[0] if isinstance(kind, list) else kind
    if kind in WRONG and not isinstance(part.get("type"), list):
        yield "type", WRONG[kind]
    if "enum" in part:
        yield "choice", "nonsense"
    for bound, beyond in (("minimum", -1), ("exclusiveMinimum", 0), ("maximum", 1), ("exclusiveMaximum", 0)):
        if bound in part and isinstance(value, int | float):
            yield "range", part[bound] + beyond
    if isinstance(value, list) and value and part.get("uniqueItems"):
        yield "twice", [*value, value[0]]
    if isinstance(value, list) and part.get("minItems"):
        yield "too few", value[: part["minItems"] - 1]
    if isinstance(value, dict):
        if part.get("additionalProperties") is False:
            yield "extra", value | {"unheard_of": 1}
        for key in set(part.get("required", ())) & set(value):
            yield "missing", {name: below for name, below in value.items() if name != key}
        if "propertyNames" in part:
            yield "name", value | {"no good name": next(iter(value.values()), {})}


def dangling():
    """Names that refer to nothing."""
    yield ("scenarios", "one", "train"), {"nowhere": 80}
    yield ("scenarios", "one", "arms"), ["nobody"]
    yield ("split", "test"), {"nowhere": 20}
    yield ("split", "val"), {"nowhere": 20}
    yield ("split", "common"), ["nowhere"]
    yield ("sources", "mine", "classes"), ["unicorn"]
    yield ("sources", "mine", "path"), "no/such/folder"
    yield ("comparisons", "distilled", "arms"), ["scratch", "nobody"]


def changed(study, path, value):
    study = copy.deepcopy(study)
    if not path:
        return value
    inner = study
    for key in path[:-1]:
        inner = inner[key]
    inner[path[-1]] = value
    return study


def everything():
    schema = json_schema()
    study = yaml.safe_load(STUDY) | yaml.safe_load(MORE)
    study["split"]["val"] = {"google": 10}
    study["scenarios"]["one"]["arms"] = [arm for arm in study["arms"] if arm != "standard"]  # of two classes
    study = check_config(study)  # with every key filled in
    found = [
        (path, what, changed(study, path, wrong))
        for path, value, part in places(study, schema, schema)
        for what, wrong in mutations(value, part)
    ]
    return found, [(path, "dangling", changed(study, path, wrong)) for path, wrong in dangling()]


def test_two_hundred_mistakes_are_two_hundred_lines():
    found, names = everything()
    assert len(found) > 300 and {what for _, what, _ in found} == {
        "type", "choice", "range", "twice", "too few", "extra", "missing", "name",
    }  # fmt: skip
    chosen = [*names, *random.Random(0).sample(found, 200 - len(names))]
    for path, what, study in chosen:
        with pytest.raises(UserError) as error:
            check_own_files(check_config(study))
            pytest.fail(f"accepted: {path}, {what}")
        line = str(error.value)
        assert line.startswith("config: ") and "\n" not in line, (path, what, line)
        assert not path or re.search(re.escape(path[-1]), line) or path[-2] in line, (path, what, line)


@pytest.mark.parametrize("section", ["classes", "sources", "scenarios", "arms"])
def test_a_name_given_twice_is_one_line(tmp_path, section):
    text = STUDY + MORE
    block = re.search(rf"^{section}:\n( +\w+: .*\n)", text, flags=re.M)
    (tmp_path / "config.yaml").write_text(text.replace(block[1], block[1] * 2, 1))
    with pytest.raises(UserError, match=r"config\.yaml, line \d+: the name \w+ is given twice; rename one"):
        load_config(tmp_path / "config.yaml")
