"""Each package of the library imports only those above it, and nothing of the library imports the demonstration."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

SCRIPTS = Path(__file__).parents[1] / "workflow" / "scripts"
LIBRARY = SCRIPTS / "distillery"
PACKAGES = (
    *(
        "top",
        "storage",
        "config",
        "terminal",
        "sources",
        "new",
        "curation",
        "splits",
        "models",
        "training",
        "distillation",
    ),
    *("generation", "analysis", "figures", "page", "deployment"),
)
ENTRY_POINTS = ("licenses.py", "retry.py")  # programs, which may use every package


def package_of(module: str) -> str:
    """The package of `distillery.package.module`; "top" for a module outside packages."""
    parts = module.split(".")
    return parts[1] if len(parts) > 1 and (LIBRARY / parts[1]).is_dir() else "top"


def imported(path: Path) -> Iterator[str]:
    """All modules of the library or the demonstration that a file imports, also inside functions."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("distillery"):
            yield from (f"{node.module}.{alias.name}" for alias in node.names)
        elif isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names if alias.name.startswith("distillery"))


def test_every_folder_is_a_package_of_the_list():
    folders = {path.parent.relative_to(LIBRARY).parts[0] for path in LIBRARY.glob("*/__init__.py")}
    assert folders == set(PACKAGES) - {"top"}


@pytest.mark.parametrize("package", PACKAGES)
def test_a_package_imports_only_what_stands_above_it(package):
    files = LIBRARY.glob("*.py") if package == "top" else (LIBRARY / package).rglob("*.py")
    for path in files:
        if path.name in ENTRY_POINTS and package == "top":
            continue
        for module in imported(path):
            assert not module.startswith("distillery_demo"), f"{path} imports {module}"
            assert PACKAGES.index(package_of(module)) <= PACKAGES.index(package), f"{path} imports {module}"
