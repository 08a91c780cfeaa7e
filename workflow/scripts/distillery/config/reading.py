"""Read a configuration, check it, and fill in its defaults. A mistake raises an error of one line with the key."""

from __future__ import annotations

import copy
import json
from collections.abc import Hashable
from pathlib import Path
from typing import Any

import yaml
from pydantic import ValidationError

from distillery.config.checks.study_checks import problems
from distillery.config.defaults import fill_defaults
from distillery.config.models.study import Study
from distillery.config.problems import first_problem
from distillery.config.renamed import renamed
from distillery.config.yaml_errors import explain_yaml_error
from distillery.jobs import UserError, one_line


def load_config(path: str | Path) -> dict[str, Any]:
    """Read and check a configuration file.

    Raises:
        UserError: as `read_config` and `check_config`.
    """
    return check_config(read_config(path))


def read_config(path: str | Path) -> dict[str, Any]:
    """Read the keys and values of a configuration file: YAML, or JSON if its name ends in .json. Checks no values.

    Raises:
        UserError: the file cannot be read or has a syntax error (the message names the line); a key occurs twice,
            which Snakemake would not notice; or the file has no keys.
    """
    try:
        text = Path(path).read_text(encoding="utf-8")
        # YAML takes JSON too, except tabs
        raw = json.loads(text) if Path(path).suffix == ".json" else yaml.load(text, Loader=_UniqueKeys)
    except json.JSONDecodeError as error:
        raise config_error(f"{path}, line {error.lineno}: {error.msg}") from error
    except (OSError, UnicodeDecodeError) as error:
        raise config_error(f"{path} cannot be read ({error})") from error
    except RecursionError:
        raise config_error(f"{path} is nested too deeply: hundreds of brackets or levels") from None
    except yaml.YAMLError as error:
        raise config_error(f"{path}, {explain_yaml_error(text, error)}") from error
    if isinstance(raw, str):
        raise config_error(f"{path}, line 1 has no colon; a configuration is keys and values, such as title: My study")
    if not isinstance(raw, dict):
        raise config_error(f"{path} must hold keys and values, such as classes:, sources: and scenarios:")
    return raw


def check_config(config: dict[str, Any], *, without_gpu: bool = False) -> dict[str, Any]:
    """Check a study's configuration and fill in every default.

    Args:
        config: as read from config.yaml; not changed.
        without_gpu: use the values of the section `without_gpu`.

    Returns:
        A copy of plain dicts, lists and values.

    Raises:
        UserError: names the first wrong key, what is wrong with it, and what to write instead.
    """
    if advice := renamed(config):
        raise config_error(advice)
    try:
        Study.model_validate(config)
    except ValidationError as error:
        raise config_error(first_problem(config, error)) from None
    if changes := config.get("without_gpu"):
        smaller = config | {part: {**(config.get(part) or {}), **keys} for part, keys in changes.items()}
        try:
            Study.model_validate(smaller)
        except ValidationError as error:
            raise config_error(f"without_gpu: {first_problem(smaller, error)}") from None
        config = smaller if without_gpu else config
    config = copy.deepcopy(config)
    # a class may have a name without any keys
    config["classes"] = {name: words or {} for name, words in config["classes"].items()}
    fill_defaults(config)
    for problem in problems(config):
        raise config_error(problem)
    return config


def config_error(problem: str) -> UserError:
    """The error for a mistake in the configuration, in one line even if a name contains line breaks."""
    return UserError(f"config: {one_line(problem)}")


class _UniqueKeys(yaml.SafeLoader):
    """A YAML loader that raises an error if a key occurs twice; PyYAML's own would silently keep the last value."""

    def construct_object(self, node: yaml.Node, deep: bool = False) -> Any:
        try:
            return super().construct_object(node, deep)
        except yaml.YAMLError:
            raise
        # such as a date with month 13, or a value that does not fit its tag (`!!int`, `!!bool`, `!!timestamp`)
        except (ValueError, LookupError, AttributeError, TypeError, ArithmeticError) as error:
            reason = f" ({one_line(error, 120)})" if type(error) is ValueError else ""
            problem = f"{str(node.value)[:60]} cannot be read{reason}; put it in quotes"
            raise yaml.constructor.ConstructorError(problem=problem, problem_mark=node.start_mark) from error

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict:
        seen = set()
        for key_node, _ in node.value if isinstance(node, yaml.MappingNode) else ():  # super() raises for other nodes
            if key_node.tag == "tag:yaml.org,2002:merge":  # `<<: *anchor`, whose keys may be given again
                continue
            key = self.construct_object(key_node, deep=True)
            if not isinstance(key, Hashable):
                continue  # super() raises for it
            if key in seen:
                raise yaml.constructor.ConstructorError(
                    problem=f"the name {key} is given twice; rename one", problem_mark=key_node.start_mark
                )
            seen.add(key)
        return super().construct_mapping(node, deep)
