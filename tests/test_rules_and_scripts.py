"""A rule, its script and the function that the script calls agree on the names of what they pass on."""

import ast
import re
from pathlib import Path

import pytest

from distillery.config.models.study import Curation

WORKFLOW = Path(__file__).parents[1] / "workflow"
SCRIPTS = WORKFLOW / "scripts"
SECTION = re.compile(r"^( *)(\w+):(.*)$")
NOT_PASSED = {"code", "listing", "listings"}  # parameters that only decide what runs again


def rules():
    """(name of the script, section → the names in it) of every rule with a script; "**" is any name."""
    for path in sorted((WORKFLOW / "rules").glob("*.smk")):
        text = path.read_text()
        for body in re.split(r"(?m)^ *(?:use )?rule\b", text)[1:]:
            sections, inside = {}, ""
            for line in body.splitlines()[1:]:
                found = SECTION.match(line)
                if found and not found[3].strip():
                    inside = found[2]
                    sections.setdefault(inside, set())
                elif inside and (name := re.match(r" +(?:(\*\*)|(\w+)=)", line)):
                    sections[inside].add(name[1] or name[2])
            if script := re.search(r'"../scripts/(\w+)\.py"', body):
                yield script[1], sections


RULES = list(rules())


def names_used(script, section):
    """The names of a section that a script needs, and those that it takes if they are there."""
    tree = ast.parse((SCRIPTS / f"{script}.py").read_text())
    aliases = {f"j.{section}"}  # also `params` after `params = j.params`, or in a tuple of assignments
    for node in (node for node in ast.walk(tree) if isinstance(node, ast.Assign)):
        targets, values = (getattr(side, "elts", [side]) for side in (node.targets[0], node.value))
        aliases |= {ast.unparse(target) for target, value in zip(targets, values, strict=False)
                    if ast.unparse(value) == f"j.{section}"}  # fmt: skip
    read = [node for node in ast.walk(tree) if isinstance(node, ast.Attribute) and ast.unparse(node.value) in aliases]
    got = [node for node in ast.walk(tree) if isinstance(node, ast.Call) and node.func in read]
    optional = {call.args[0].value for call in got if call.func.attr == "get"}
    by_policy = {"source"} if section == "params" and "with_crawl_policy(j)" in ast.unparse(tree) else set()
    return {node.attr for node in read} - {"get", "items"} | by_policy, optional


@pytest.mark.parametrize("section", ["input", "output", "params"])
def test_a_script_reads_names_that_its_rule_gives(section):
    missing = {}
    for script, sections in RULES:
        given, (needed, _) = sections.get(section, set()), names_used(script, section)
        if "**" not in given and not needed <= given:
            missing[script] = needed - given
    assert missing == {}, f"names in {section} that the rule does not give"


def test_a_parameter_of_a_rule_is_read_by_its_script():
    assert len(RULES) > 40
    unread = {}
    for script, sections in RULES:
        needed, optional = names_used(script, "params")
        if left := sections.get("params", set()) - needed - optional - NOT_PASSED - {"**"}:
            unread[script] = left
    assert unread == {}


def library_functions(tree):
    """Functions and dataclasses of the library that a script imports, by name."""
    for node in tree.body:
        if isinstance(node, ast.ImportFrom) and node.module.startswith("distillery."):
            file = SCRIPTS / (node.module.replace(".", "/") + ".py")
            body = ast.parse(file.read_text()).body if file.exists() else []
            for name in {alias.name for alias in node.names}:
                yield from ((name, each) for each in body if getattr(each, "name", "") == name)


def arguments(definition):
    """All arguments of a function or dataclass in order, and those that a call must give."""
    if isinstance(definition, ast.ClassDef):
        fields = [each for each in definition.body if isinstance(each, ast.AnnAssign)]
        return [each.target.id for each in fields], {each.target.id for each in fields if each.value is None}
    positional, only = definition.args.args, definition.args.kwonlyargs
    required = positional[: len(positional) - len(definition.args.defaults)]
    required += [each for each, default in zip(only, definition.args.kw_defaults, strict=True) if default is None]
    return [each.arg for each in (*positional, *only)], {each.arg for each in required}


@pytest.mark.parametrize("script", sorted({script for script, _ in RULES}))
def test_a_script_gives_the_arguments_of_the_functions_that_it_calls(script):
    tree = ast.parse((SCRIPTS / f"{script}.py").read_text())
    definitions = dict(library_functions(tree))
    for call in (node for node in ast.walk(tree) if isinstance(node, ast.Call)):
        definition = definitions.get(ast.unparse(call.func))
        if definition is None or getattr(getattr(definition, "args", None), "kwarg", None):
            continue
        known, required = arguments(definition)
        named = {keyword.arg for keyword in call.keywords}
        assert named - {None} <= set(known), f"{definition.name} has no argument {', '.join(named - set(known))}"
        if None not in named and not any(isinstance(each, ast.Starred) for each in call.args):
            missing = required - named - set(known[: len(call.args)])
            assert not missing, f"{definition.name} needs {', '.join(missing)}"


def test_a_key_of_curation_is_an_argument_of_curate():
    definition = next(
        each
        for each in ast.parse((SCRIPTS / "distillery" / "curation" / "curated.py").read_text()).body
        if getattr(each, "name", "") == "curate"
    )
    assert set(Curation.model_fields) <= set(arguments(definition)[0])
