"""No two public classes or functions of the library share a name, so a name is clear without its module."""

import ast
from collections import defaultdict
from pathlib import Path

SCRIPTS = Path(__file__).parents[1] / "workflow" / "scripts"
SHARED = {
    "main": "entry point of a program",
    "parse": "each search engine's reader of a page of results, called as engine.parse",
    "search_url": "each search engine's address of a page of results, called as engine.search_url",
}


def public_names() -> dict[str, list[str]]:
    """The names of public top-level classes and functions of library and demonstration → the files that define them."""
    found = defaultdict(list)
    for path in sorted(path for name in ("distillery", "distillery_demo") for path in (SCRIPTS / name).rglob("*.py")):
        for node in ast.parse(path.read_text()).body:
            if isinstance(node, ast.ClassDef | ast.FunctionDef) and not node.name.startswith("_"):
                found[node.name].append(path.relative_to(SCRIPTS).as_posix())
    return found


def test_no_two_public_definitions_share_a_name():
    shared = {name: files for name, files in public_names().items() if len(files) > 1}
    assert {name: files for name, files in shared.items() if name not in SHARED} == {}


def test_every_exception_is_needed():
    names = public_names()
    assert all(len(names[name]) > 1 for name in SHARED)
