"""Each room of the library imports only the rooms above it, and nothing of the library imports the demonstration."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

SCRIPTS = Path(__file__).parents[1] / "workflow" / "scripts"
LIBRARY = SCRIPTS / "distillery"
ROOMS = (
    *("top", "storage", "config", "sources", "curation", "splits", "models", "training", "distillation"),
    *("generation", "analysis", "figures", "page", "deployment"),
)
ENTRY_POINTS = ("new.py",)  # programs of their own, which may use every room


def room_of(module: str) -> str:
    """The room of `distillery.room.module`; "top" for a module beside the rooms."""
    parts = module.split(".")
    return parts[1] if len(parts) > 1 and (LIBRARY / parts[1]).is_dir() else "top"


def imported(path: Path) -> Iterator[str]:
    """Every module of the library or the demonstration that a file imports, anywhere in it."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("distillery"):
            yield from (f"{node.module}.{alias.name}" for alias in node.names)
        elif isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names if alias.name.startswith("distillery"))


def test_every_folder_is_a_room():
    folders = {path.parent.relative_to(LIBRARY).parts[0] for path in LIBRARY.glob("*/__init__.py")}
    assert folders == set(ROOMS) - {"top"}


@pytest.mark.parametrize("room", ROOMS)
def test_a_room_imports_only_what_stands_above_it(room):
    files = LIBRARY.glob("*.py") if room == "top" else (LIBRARY / room).rglob("*.py")
    for path in files:
        if path.name in ENTRY_POINTS and room == "top":
            continue
        for module in imported(path):
            assert not module.startswith("distillery_demo"), f"{path} imports {module}"
            assert ROOMS.index(room_of(module)) <= ROOMS.index(room), f"{path} imports {module}"
