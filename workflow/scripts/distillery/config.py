"""The configuration: held against its schema, defaults filled in, cross-references checked.

Each mistake ends in one line that names the key. Standard library, jsonschema and PyYAML only.
"""

from __future__ import annotations

import copy
import json
from collections.abc import Iterable, Iterator
from decimal import Decimal
from functools import cache
from math import isfinite
from pathlib import Path
from typing import Any

import yaml

from distillery.cifar10 import CIFAR10
from distillery.jobs import UserError

SCHEMA = Path(__file__).parents[2] / "schemas" / "config.schema.yaml"
LEAST_OF_CONVNETS = 9  # pixels a side that three halvings leave something of
RESERVED = {  # names that mean something else in tables and figures
    "classes": ("all",),
    "sources": ("common", "own", "own_test"),
    "arms": ("teacher", "distilled", "from_scratch"),
    "scenarios": ("teacher",),
}
WEB_SEARCHES = ("google", "bing", "openverse", "commons")


@cache
def load_schema() -> dict[str, Any]:
    """The JSON schema of the configuration; shared, so not to be changed."""
    # every job of a study reads it, and the parser in C, where PyYAML has it, saves each 0.1 s
    return yaml.load(SCHEMA.read_text(encoding="utf-8"), Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader))


def check_config(config: dict[str, Any]) -> dict[str, Any]:
    """A study's configuration, checked, with every default filled in.

    Args:
        config: as read from config.yaml; left as it is.

    Raises:
        UserError: names the first wrong key, what is wrong with it, and what would be right.
    """
    schema = load_schema()
    config = copy.deepcopy(config)
    _check_schema(config, schema)
    _fill(config, schema, schema)
    for name, settings in config["classes"].items():
        config["classes"][name] = settings or {"queries": [], "prompts": [], "subjects": [], "settings": []}
    for problem in _problems(config):
        raise _refusal(problem)
    return config


def check_own_files(config: dict[str, Any]) -> None:
    """See that what a checked configuration names of the user's own folders and lists is there.

    Apart from `check_config`: a pod of a cluster, which reads the configuration too, does not see them.

    Raises:
        UserError: names the first key whose path does not exist, or is a folder without one of the classes.
    """
    for key, path, labels, otherwise in _own_paths(config):
        if not path.exists():
            raise _refusal(f"{key}: {path} does not exist (paths are relative to the working directory)")
        missing = [label for label in labels if not (path / label).is_dir() and not (path / f"{label}.tar").is_file()]
        if path.is_dir() and missing:
            raise _refusal(f"{key}: {path} has neither a folder nor a .tar of class {', '.join(missing)}; {otherwise}")


def _own_paths(config: dict[str, Any]) -> Iterator[tuple[str, Path, Iterable[str], str]]:
    """Key, path, classes that it holds if it is a folder, and what can be done where it lacks one."""
    for name, source in config["sources"].items():
        if source["kind"] in ("folder", "urls"):
            labels = classes_of(config, name) if source["kind"] == "folder" else ()
            otherwise = f"add it, or name under sources.{name}.classes only those that are there"
            yield f"sources.{name}.path", Path(source["path"]), labels, otherwise
    data = config["teacher"]["data"]
    for key in ("path", "test_path") if data["kind"] == "folder" else ():
        yield f"teacher.data.{key}", Path(data[key]), config["classes"], "add it: the teacher learns all classes"


def _refusal(problem: str) -> UserError:
    """A mistake in one line, whatever the user's names hold."""
    return UserError(f"config: {' '.join(problem.split())}")


def load_config(path: str | Path) -> dict[str, Any]:
    """Read and check a configuration file.

    Raises:
        UserError: as `read_config` and `check_config`.
    """
    return check_config(read_config(path))


def read_config(path: str | Path) -> dict[str, Any]:
    """A configuration file's keys and values, as they stand there: YAML, or JSON where the name ends so.

    Raises:
        UserError: text that is neither, with the line; a key given twice, which Snakemake would not notice;
            no keys at all.
    """
    try:
        text = Path(path).read_text(encoding="utf-8")
        # YAML takes JSON too, but for tabs
        raw = json.loads(text) if Path(path).suffix == ".json" else yaml.load(text, Loader=_UniqueKeys)
    except json.JSONDecodeError as error:
        raise _refusal(f"{path}, line {error.lineno}: {error.msg}") from error
    except (OSError, UnicodeDecodeError) as error:
        raise _refusal(f"{path} cannot be read ({error})") from error
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        where = f", line {mark.line + 1}" if mark else ""
        raise _refusal(f"{path}{where}: {getattr(error, 'problem', None) or error}") from error
    if not isinstance(raw, dict):
        raise _refusal(f"{path} must hold keys and values, such as classes:, sources: and scenarios:")
    return raw


class _UniqueKeys(yaml.SafeLoader):
    """A YAML loader that refuses a key given twice: plain YAML would keep the last one without a word."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict:
        seen = set()
        for key_node, _ in node.value:
            key = self.construct_object(key_node, deep=True)
            if key_node.tag != "tag:yaml.org,2002:merge" and key in seen:
                raise yaml.constructor.ConstructorError(
                    problem=f"the name {key} is given twice; rename one", problem_mark=key_node.start_mark
                )
            seen.add(key)
        return super().construct_mapping(node, deep)


# --- the schema -------------------------------------------------------------------------------------------------------


def _check_schema(config: Any, schema: dict) -> None:
    from jsonschema import Draft202012Validator, validators

    # JSON's integers are numbers such as 6.0 too, which Python cannot count with; and YAML has .inf and .nan
    types = Draft202012Validator.TYPE_CHECKER.redefine_many(
        {
            "integer": lambda _, value: type(value) is int,
            "number": lambda _, value: type(value) is int or (type(value) is float and isfinite(value)),
        }
    )
    strict = validators.extend(Draft202012Validator, type_checker=types)
    errors = sorted(strict(schema).iter_errors(config), key=lambda error: list(map(str, error.path)))
    if errors:
        raise _refusal(_sentence(errors[0]))


def _sentence(error: Any) -> str:
    """A schema's error in one line that starts with the key."""
    where = ".".join(map(str, error.path)) or "top level"
    if error.validator == "additionalProperties":
        known = error.schema.get("properties", {})
        unknown = sorted(set(map(str, error.instance)) - set(known))
        return f"{where}: unknown key {', '.join(unknown)}; known are {', '.join(known)}"
    if error.validator == "required":
        missing = [key for key in error.validator_value if key not in error.instance]
        return f"{where}: key {', '.join(missing)} is missing"
    if error.validator == "type":
        wanted = error.validator_value if isinstance(error.validator_value, str) else " or ".join(error.validator_value)
        # YAML reads 2024 as a number and yes as a truth
        hint = "; put it in quotes" if wanted == "string" and isinstance(error.instance, int | float) else ""
        if wanted in ("number", "integer") and (meant := _meant(error.instance)) is not None:
            hint = f"; YAML takes it for text, write {meant}"
        return f"{where}: {_short(error.instance)} is not of type {wanted}{hint}"
    if error.validator == "minProperties":
        return f"{where}: {len(error.instance)} given, at least {error.validator_value} needed"
    if error.validator == "enum":
        choices = ", ".join(repr(choice) if choice == "" else str(choice) for choice in error.validator_value)
        return f"{where}: {_short(error.instance)} is not one of {choices}"
    if error.validator == "pattern":
        return f"{where}: name {_short(error.instance)} may have only a-z, A-Z, 0-9, _ and -, the first no _ or -"
    return f"{where}: {error.message}"


def _meant(text: Any) -> str | None:
    """The number that a text such as 1e-3 is, as YAML reads it; None of what is none, or none of a usual size."""
    if not isinstance(text, str):
        return None
    try:
        number = float(text)
    except ValueError:
        return None
    return f"{Decimal(repr(number)).normalize():f}" if 1e-6 <= abs(number) < 1e15 else None


def _short(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 60 else text[:57] + "..."


def _fill(value: Any, schema: dict, root: dict) -> None:
    """Put the schema's defaults where a key is missing, in place and at every depth."""
    for part in _schemas_of(value, schema, root):
        if isinstance(value, dict):
            properties = part.get("properties", {})
            for key, below in properties.items():
                if key not in value and "default" in below:
                    value[key] = copy.deepcopy(below["default"])
            others = part.get("additionalProperties")
            for key, child in value.items():
                below = properties.get(key, others)
                if isinstance(below, dict):
                    _fill(child, below, root)


def _schemas_of(value: Any, schema: dict, root: dict) -> Iterator[dict]:
    """A schema, what it refers to, and those of its conditions that hold."""
    from jsonschema import Draft202012Validator

    yield schema
    if "$ref" in schema:
        yield from _schemas_of(value, root["$defs"][schema["$ref"].rsplit("/", 1)[1]], root)
    for branch in schema.get("allOf", ()):
        if "if" in branch and Draft202012Validator(branch["if"]).is_valid(value):
            yield from _schemas_of(value, branch["then"], root)


# --- what a schema cannot say -----------------------------------------------------------------------------------------


def _problems(config: dict) -> Iterator[str]:
    yield from _name_problems(config)
    yield from _source_problems(config)
    yield from _split_problems(config)
    yield from _teacher_problems(config)
    yield from _recipe_problems(config)
    yield from _scenario_problems(config)
    yield from _tuning_problems(config)
    yield from _comparison_problems(config)
    for name in config["scenarios"]:
        trained = _trained_classes(config, name)
        if len(trained) < 2:
            yield f"scenarios.{name}.train: one class alone leaves nothing to tell apart; add a source of others"
        if not any(trained & set(classes_of(config, source)) for source in config["split"]["common"]):
            yield f"scenarios.{name}.train: no source of split.common has any of its classes, so nothing tests it"


def _name_problems(config: dict) -> Iterator[str]:
    for section, reserved in RESERVED.items():
        known: dict[str, str] = {}
        for name in config[section]:
            if name in reserved:
                yield f"{section}.{name}: the tables use this name for something else; take another"
            if (other := known.setdefault(name.lower(), name)) != name:
                yield f"{section}.{name}: the name is {other} in other letters; on some disks both have the same files"


def _source_problems(config: dict) -> Iterator[str]:
    for name, source in config["sources"].items():
        for label in source.get("classes", ()):
            if label not in config["classes"]:
                yield f"sources.{name}.classes: unknown class {label}; known are {', '.join(config['classes'])}"
        wants = "queries" if source["kind"] in WEB_SEARCHES else None
        if source["kind"] == "diffusion":
            wants = "prompts" if source["prompt_style"] == "published" else None
            yield from _guidance_problem(f"sources.{name}.guidance", source["guidance"])
        for label in classes_of(config, name) if wants else ():
            if not config["classes"][label][wants]:
                yield f"classes.{label}.{wants}: source {name} needs at least one; add some or remove the source"
        if source["kind"] == "commons" and not config["contact"]:
            yield f"contact: source {name} needs your address or page; Wikimedia refuses programs that do not give one"


def _guidance_problem(key: str, guidance: float | list[float]) -> Iterator[str]:
    if isinstance(guidance, list) and guidance[0] > guidance[1]:
        yield f"{key}: {guidance[0]} is more than {guidance[1]}; give the lowest guidance first"


def _split_problems(config: dict) -> Iterator[str]:
    split, sources = config["split"], config["sources"]
    for key in ("test", "val"):
        for name in split[key]:
            if name not in sources:
                yield f"split.{key}: unknown source {name}; known are {', '.join(sources)}"
            else:
                yield from _count_problem(config, f"split.{key}.{name}", name, split[key][name])
                yield from _pool_problem(config, f"split.{key}.{name}", name)
    if not split["test"]:
        yield "split.test: name at least one source and how many of its images are for testing"
    split.setdefault("common", list(split["test"]))
    for name in split["common"]:
        if name not in split["test"]:
            yield f"split.common: source {name} has no test images; give split.test.{name} a count"


def _teacher_problems(config: dict) -> Iterator[str]:
    data, unknown = config["teacher"]["data"], [name for name in config["classes"] if name not in CIFAR10]
    if data["kind"] == "cifar10" and unknown:
        yield (
            f"teacher.data: CIFAR-10 has no class {', '.join(unknown)}, only {', '.join(CIFAR10)};"
            " take kind: folder, or kind: sources, for other classes"
        )
    if (data["kind"] == "drawn" or "demo" in config) and unknown:
        yield (
            f"classes: {', '.join(unknown)} cannot be drawn, only {', '.join(CIFAR10)};"
            " for a study of your own take demo: out and another teacher.data.kind than drawn"
        )
    for key in ("train", "test"):
        if 0 < data[key] < len(config["classes"]):
            yield f"teacher.data.{key}: {data[key]} images are too few for {len(config['classes'])} classes"
    same = not data["test_path"] or Path(data["test_path"]).resolve() == Path(data["path"]).resolve()
    if data["kind"] == "folder" and same:
        yield "teacher.data.test_path: name another folder than path, or the teacher is tested on what it trained"
    if data["kind"] == "sources":
        yield from _teacher_source_problems(config, data)


def _teacher_source_problems(config: dict, data: dict) -> Iterator[str]:
    of_students = used_sources(config)
    for key in ("train_sources", "test_sources"):
        known = [name for name in data[key] if name in config["sources"]]
        for name in data[key]:
            if name not in known:
                yield f"teacher.data.{key}: unknown source {name}; known are {', '.join(config['sources'])}"
            elif name in of_students:
                yield f"teacher.data.{key}: students learn from {name} or are tested on it; take a source of its own"
            elif key == "test_sources" and name in data["train_sources"]:
                yield f"teacher.data.{key}: {name} is trained on already; take another source"
        covered = {label for name in known for label in classes_of(config, name)}
        if missing := [label for label in config["classes"] if label not in covered]:
            yield f"teacher.data.{key}: no source of class {', '.join(missing)}; name sources that have all classes"


def _recipe_problems(config: dict) -> Iterator[str]:
    side = config["image_size"]
    for part in ("teacher", "student"):
        recipe = config[part]
        if recipe["crop"] >= side:
            yield f"{part}.crop: {recipe['crop']} pixels of border need images larger than image_size, {side}"
        if recipe["cutout"] >= 2 * side:
            yield f"{part}.cutout: a square of {recipe['cutout']} pixels leaves nothing of images of {side}"
        if recipe["network"].startswith("convnet") and side < LEAST_OF_CONVNETS:
            yield f"{part}.network: {recipe['network']} needs an image_size of {LEAST_OF_CONVNETS} or more, not {side}"


def _scenario_problems(config: dict) -> Iterator[str]:
    for name, scenario in config["scenarios"].items():
        key = f"scenarios.{name}"
        for source, count in scenario["train"].items():
            if source not in config["sources"]:
                yield f"{key}.train: unknown source {source}; known are {', '.join(config['sources'])}"
                continue
            yield from _count_problem(config, f"{key}.train.{source}", source, count)
            yield from _pool_problem(config, f"{key}.train.{source}", source, count)
        scenario.setdefault("arms", list(config["arms"]))
        for arm in scenario["arms"]:
            if arm not in config["arms"]:
                yield f"{key}.arms: unknown arm {arm}; known are {', '.join(config['arms'])}"


def _tuning_problems(config: dict) -> Iterator[str]:
    if any(config["split"]["val"].get(name) for name in config["split"]["common"]):
        return
    sections = {"student": config["student"]} | {f"arms.{name}": arm for name, arm in config["arms"].items()}
    for name, section in sections.items():
        if "tune" in section:
            yield f"{name}.tune: split.val has no images of the common sources to choose by; give it counts"


def _comparison_problems(config: dict) -> Iterator[str]:
    config.setdefault("comparisons", _usual_comparisons(config))
    for name, declared in config["comparisons"].items():
        key = f"comparisons.{name}"
        kinds = [kind for kind in ("arms", "scenarios") if kind in declared]
        if len(kinds) != 1:
            yield f"{key}: give two arms or two scenarios, such as arms: [scratch, kd]"
            continue
        kind = kinds[0]
        for each in declared[kind]:
            if each not in config[kind]:
                yield f"{key}.{kind}: unknown {kind[:-1]} {each}; known are {', '.join(config[kind])}"
                return
        before, after = declared[kind]
        declared["question"] = declared["question"] or f"Is {after} better than {before}?"
        if kind == "scenarios" and _trained_classes(config, before) != _trained_classes(config, after):
            yield f"{key}.scenarios: {before} and {after} train on other classes; compare scenarios of the same ones"
        places = _places_of_both(config, kind, before, after)
        for place in declared.setdefault("within", places):
            if place not in places:
                yield f"{key}.within: {place} does not train both {before} and {after}; {_said(places)}"
        if not places:
            yield f"{key}.{kind}: nothing trains both {before} and {after}; take the comparison out or add one of them"


def _said(places: list[str]) -> str:
    return f"those that do are {', '.join(places)}" if places else "nothing does"


def _usual_comparisons(config: dict) -> dict[str, dict[str, Any]]:
    """Of a study that declares none: what distilling does, and what the published recipe's faults do."""
    usual = [("scratch", "kd"), ("published_scratch", "published_kd"), ("published_scratch", "scratch")]
    pairs = [pair for pair in (*usual, ("published_kd", "kd")) if set(pair) <= set(config["arms"])]
    first, *others = config["arms"]
    declared = {f"{after}_against_{before}": (before, after) for before, after in pairs or [(first, o) for o in others]}
    return {
        name: {"question": "", "arms": list(pair)}
        for name, pair in declared.items()
        if _places_of_both(config, "arms", *pair)
    }


def _places_of_both(config: dict, kind: str, before: str, after: str) -> list[str]:
    """The scenarios that train both arms, or the arms that both scenarios train."""
    scenarios = config["scenarios"]
    if kind == "arms":
        return [name for name, scenario in scenarios.items() if {before, after} <= set(scenario["arms"])]
    return [arm for arm in config["arms"] if all(arm in scenarios[name]["arms"] for name in (before, after))]


def _trained_classes(config: dict, scenario: str) -> set[str]:
    return {label for source in config["scenarios"][scenario]["train"] for label in classes_of(config, source)}


def _count_problem(config: dict, key: str, source: str, count: int) -> Iterator[str]:
    classes = len(classes_of(config, source))
    if count % classes:
        yield f"{key}: {count} images cannot be balanced over {classes} classes; take a multiple of {classes}"


def _pool_problem(config: dict, key: str, source: str, count: int = 0) -> Iterator[str]:
    """No more can be trained on (`count`), held out for validation and tested on than the source is to retrieve."""
    per_class, classes = config["sources"][source]["per_class"], len(classes_of(config, source))
    split = config["split"]
    held_out = (split["test"].get(source, 0) + split["val"].get(source, 0)) // classes
    if per_class and count // classes + held_out > per_class:
        wanted = f"{count // classes} images a class and {held_out}" if count else f"{held_out} images a class"
        yield (
            f"{key}: {wanted} for validation and test are more than the {per_class} that"
            f" sources.{source}.per_class retrieves; raise it or lower the count"
        )


# --- questions the rules ask ------------------------------------------------------------------------------------------


def classes_of(config: dict, source: str) -> list[str]:
    """The classes a source has images of, in the study's order."""
    subset = config["sources"][source].get("classes") or config["classes"]
    return [label for label in config["classes"] if label in subset]


def words_of(config: dict, source: str) -> dict[str, dict[str, list[str]]]:
    """What a diffusion source's prompts are made of, by class: no more of a class than its style uses."""
    published = config["sources"][source]["prompt_style"] == "published"
    parts = ("prompts",) if published else ("subjects", "settings")
    return {label: {part: config["classes"][label][part] for part in parts} for label in classes_of(config, source)}


def pixel_sources(config: dict, scenario: str) -> list[str]:
    """The sources whose images a run of a scenario needs: those it trains on and those of the common test."""
    needed = {*config["scenarios"][scenario]["train"], *config["split"]["common"]}
    return [name for name in config["sources"] if name in needed]


def used_sources(config: dict) -> list[str]:
    """The sources that any scenario trains on or any test uses, in the configuration's order."""
    trained = {name for scenario in config["scenarios"].values() for name in scenario["train"]}
    return [name for name in config["sources"] if name in trained | set(config["split"]["test"])]


def teacher_sources(config: dict, part: str) -> list[str]:
    """The sources that are the teacher's to train on or to test on (part `train` or `test`), if its data are such."""
    data = config["teacher"]["data"]
    return data[f"{part}_sources"] if data["kind"] == "sources" else []
