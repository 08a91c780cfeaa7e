"""What the models cannot check: references between sections, counts that do not add up, and names that clash."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from distillery.config.checks.comparison_checks import comparison_problems, untrained_problems
from distillery.config.checks.keep_checks import keep_problems
from distillery.config.checks.labeling_checks import labeling_problems
from distillery.config.checks.parent_checks import parent_problems
from distillery.config.checks.teacher_checks import teacher_problems
from distillery.config.checks.teacher_data_checks import teacher_data_problems
from distillery.config.choices import RESERVED_NAMES, WEB_SEARCHES
from distillery.config.queries.source_queries import classes_of, trained_classes

PHOTOGRAPH_SIDE = 96  # pixels; from this size on, view: auto means resized_crop
MIN_SIDE_OF_CONVNETS = 9  # pixels; smaller images have no pixels left after the network has halved them three times


def problems(config: dict[str, Any]) -> Iterator[str]:
    """The problems of a configuration whose sections are each valid, one line for each problem.

    Fills in the defaults that depend on other sections, such as split.common, the arms of scenarios and the
    comparisons.
    """
    yield from _name_problems(config)
    yield from parent_problems(config)
    yield from _source_problems(config)
    yield from _split_problems(config)
    yield from teacher_data_problems(config)
    yield from teacher_problems(config)
    yield from _recipe_problems(config)
    yield from _scenario_problems(config)
    yield from labeling_problems(config)
    yield from keep_problems(config)
    yield from untrained_problems(config, "deployed", config.get("deployed", ()))
    yield from _tuning_problems(config)
    yield from comparison_problems(config)
    for name in config["scenarios"]:
        trained = trained_classes(config, name)
        if len(trained) < 2:
            yield f"scenarios.{name}.train: one class alone leaves nothing to classify; add a source with other classes"
        if not any(trained & set(classes_of(config, source)) for source in config["split"]["common"]):
            yield f"scenarios.{name}.train: no source in split.common has one of its classes, so nothing can test it"


def _name_problems(config: dict) -> Iterator[str]:
    for section, reserved in RESERVED_NAMES.items():
        known: dict[str, str] = {}
        for name in config[section]:
            if name in reserved:
                yield f"{section}.{name}: the tables use this name for something else; take another"
            if (other := known.setdefault(name.lower(), name)) != name:
                yield (
                    f"{section}.{name}: the name differs from {other} only in upper and lower case, which some disks"
                    " do not distinguish; take another name"
                )


def _source_problems(config: dict) -> Iterator[str]:
    for name, source in config["sources"].items():
        for label in source.get("classes", ()):
            if label not in config["classes"]:
                yield f"sources.{name}.classes: unknown class {label}; known are {', '.join(config['classes'])}"
        wants = "queries" if source["kind"] in WEB_SEARCHES and not source.get("saved") else None
        if source.get("saved") and source.get("browser"):
            yield f"sources.{name}.browser: saved pages are read without a browser; remove saved or browser"
        if source["kind"] == "diffusion":
            uses_class_prompts = source["prompt_style"] == "published" and "prompts_from" not in source
            wants = "prompts" if uses_class_prompts else None
            yield from _guidance_problem(f"sources.{name}.guidance", source["guidance"])
        for label in classes_of(config, name) if wants else ():
            if not config["classes"][label][wants]:
                yield f"classes.{label}.{wants}: source {name} needs at least one; add some or remove the source"
        stops = source.get("unavailable", config["unavailable"]) == "stop"  # otherwise the study leaves the source out
        if source["kind"] == "commons" and not config["contact"] and stops:
            yield (
                f"contact: source {name} needs your address or page, because Wikimedia refuses programs without one;"
                " give it here"
            )


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
        yield "split.test: give at least one source and its number of test images, such as {bing: 500}"
    split.setdefault("common", list(split["test"]))
    for name in split["common"]:
        if name not in split["test"]:
            yield f"split.common: source {name} has no test images; give split.test.{name} a count"


def _recipe_problems(config: dict) -> Iterator[str]:
    side = config["teacher"].setdefault("image_size", config["image_size"])
    if side < config["image_size"]:
        yield f"teacher.image_size: {side} is less than the students' image_size, {config['image_size']}; raise it"
    for part in ("teacher", "student"):
        recipe = config[part]
        if recipe["view"] == "auto":
            recipe["view"] = "resized_crop" if side >= PHOTOGRAPH_SIDE else "pad_crop"
        if recipe["view"] == "pad_crop" and recipe["crop"] >= side:
            yield f"{part}.crop: {recipe['crop']} pixels of border need images larger than image_size, {side}; lower it"
        if recipe["cutout"] >= 2 * side:
            yield (
                f"{part}.cutout: a square of {recipe['cutout']} pixels leaves nothing of images of {side} pixels;"
                " lower it"
            )
        if recipe["optimizer"] == "muon" and (recipe["train"], recipe["body_lr"]) != ("all", 1):
            yield (
                f"{part}.optimizer: muon trains all layers with one learning rate; use sgd, or remove train: head and"
                " body_lr"
            )
        if recipe["train"] == "head" and not recipe["pretrained"]:
            yield f"{part}.train: all layers except the last one would stay random; give pretrained weights"
        seen = side if part == "teacher" else config["image_size"]
        if recipe["network"].startswith("convnet") and seen < MIN_SIDE_OF_CONVNETS:
            network = recipe["network"]
            yield f"{part}.network: {network} needs an image_size of {MIN_SIDE_OF_CONVNETS} or more, not {seen}"


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
        yield from _two_class_problems(config, name)


def _two_class_problems(config: dict, scenario: str) -> Iterator[str]:
    """Problems of kd_standardized with two classes: two standardized logits have the same two values for every image.

    So only their order carries information.
    """
    arms = config["scenarios"][scenario]["arms"]
    for arm in [arm for arm in arms if config["arms"].get(arm, {}).get("method") == "kd_standardized"]:
        if len(trained_classes(config, scenario)) == 2:
            yield (
                f"scenarios.{scenario}.arms: with two classes {arm} (kd_standardized) gets no gradient from the"
                f" teacher; remove it from this scenario's arms, or use method kd"
            )


def _tuning_problems(config: dict) -> Iterator[str]:
    if any(config["split"]["val"].get(name) for name in config["split"]["common"]):
        return
    sections = {"student": config["student"]} | {f"arms.{name}": arm for name, arm in config["arms"].items()}
    for name, section in sections.items():
        if "tune" in section:
            yield f"{name}.tune: tuning needs validation images; give split.val a source of split.common"


def _count_problem(config: dict, key: str, source: str, count: int) -> Iterator[str]:
    classes = len(classes_of(config, source))
    if count % classes and config["sources"][source].get("labels") != "none":
        nearest = classes * max(1, round(count / classes))
        yield (
            f"{key}: {count} images cannot be balanced over {classes} classes; take a multiple of {classes}, such as"
            f" {nearest}"
        )


def _pool_problem(config: dict, key: str, source: str, count: int = 0) -> Iterator[str]:
    """The problem of a source from which more images are requested than it retrieves.

    Args:
        count: train images requested, in total; those of validation and test are added.
    """
    per_class, classes = config["sources"][source]["per_class"], len(classes_of(config, source))
    split = config["split"]
    held_out = (split["test"].get(source, 0) + split["val"].get(source, 0)) // classes
    if per_class and count // classes + held_out > per_class:
        each = "images of each class"
        requested = f"{count // classes} {each} for training and {held_out}" if count else f"{held_out} {each}"
        yield (
            f"{key}: {requested} for validation and test are more than sources.{source}.per_class ({per_class});"
            " raise that, or lower this number"
        )
