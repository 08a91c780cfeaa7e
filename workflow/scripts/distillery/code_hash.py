"""Hash the code behind a rule, so that Snakemake reruns the rule when that code changes.

The hash covers the syntax trees of the rule's script and of every library module that the script imports. Comments,
docstrings and line breaks do not count. Imports are followed wherever they stand, in functions too, but not under
`if TYPE_CHECKING:`, which never runs. Files of other kinds, such as a template, count if they lie in the folder of a
module that counts. A module with the line `CHANGES_NO_RESULT = True` (log, progress, messages) does not count, and its
imports are not followed.

Standard library only. The hash is the same on every supported Python; `ast.dump` differs from version to version.
"""

from __future__ import annotations

import ast
import hashlib
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import NamedTuple

MARK = "CHANGES_NO_RESULT"
# this module decides which jobs and checkpoints are out of date, not what a job computes
CHANGES_NO_RESULT = True
# ctx follows from the node's position, type_comment is a comment, kind is the u of u"text"
IGNORED_FIELDS = {"ctx", "type_comment", "kind"}


class ParsedModule(NamedTuple):
    """The parts of a Python file that matter for a hash."""

    digest: str
    imports: tuple[str, ...]  # dotted names; the last part may be a module or a name in one
    marked: bool  # has the line CHANGES_NO_RESULT = True


@cache
def code_hash(script: Path, library: Path, without: tuple[str, ...] = ()) -> str:
    """16 hex digits over a script and the modules it imports, directly or not.

    A process reads each file once.

    Args:
        script: a Python file.
        library: the folder in which imports are looked up; it holds the library's packages.
        without: dotted names of packages and modules to leave out.

    Raises:
        SyntaxError: a file is not valid Python.
    """
    modules = imported_modules(script, library, without)
    parts = [("", parse_module(script, "").digest)]
    parts += [(name, parse_module(path, _package(name, path)).digest) for name, path in modules.items()]
    for folder in sorted({path.parent for path in modules.values()} - {library}):
        parts += [(path.relative_to(library).as_posix(), _digest(path.read_bytes())) for path in _data_files(folder)]
    return _digest(repr(parts).encode())[:16]


def imported_modules(script: Path, library: Path, without: tuple[str, ...] = ()) -> dict[str, Path]:
    """The modules of the library that count for a script, by dotted name. Arguments as in `code_hash`."""
    found: dict[str, Path] = {}
    seen: set[str] = set()
    waiting = list(parse_module(script, "").imports)
    while waiting:
        for name in _with_packages(waiting.pop()):
            if name in without:
                break  # its submodules do not count either
            path = None if name in seen else _find(name, library)
            seen.add(name)
            if path and not (module := parse_module(path, _package(name, path))).marked:
                found[name] = path
                waiting += module.imports
    return dict(sorted(found.items()))


@cache
def parse_module(path: Path, package: str) -> ParsedModule:
    """Parse a Python file whose relative imports start from `package`, a dotted name."""
    tree = ast.parse(path.read_bytes(), filename=str(path))
    parts: list[str] = []
    imports: dict[str, None] = {}  # a set that keeps the order
    _write(tree, package, parts, imports)
    return ParsedModule(_digest(" ".join(parts).encode()), tuple(imports), any(map(_is_mark, tree.body)))


def _write(node: ast.AST, package: str, parts: list[str], imports: dict[str, None]) -> None:
    """Append a node as text to `parts` and the names it imports to `imports`.

    Empty fields are left out, since newer versions of Python add fields and older ones do not have them.
    """
    if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str):
        return  # a docstring, or another string without effect
    if isinstance(node, ast.If) and getattr(node.test, "id", getattr(node.test, "attr", "")) == "TYPE_CHECKING":
        for statement in node.orelse:
            _write(statement, package, parts, imports)
        return
    if isinstance(node, ast.Import | ast.ImportFrom):
        imports.update(dict.fromkeys(_imported(node, package)))
    if isinstance(node, ast.JoinedStr):  # Python 3.12 adds empty strings to some
        node.values = [part for part in node.values if getattr(part, "value", None) != ""]
    parts += (type(node).__name__, "(")
    for field in node._fields:
        value = getattr(node, field, None)
        if field in IGNORED_FIELDS or value is None or value == []:
            continue
        parts.append(field)
        for part in value if isinstance(value, list) else (value,):
            if isinstance(part, ast.AST):
                _write(part, package, parts, imports)
            else:
                parts.append(ascii(part))  # `repr` depends on Python's version of Unicode
    parts.append(")")


def _is_mark(node: ast.stmt) -> bool:
    if not isinstance(node, ast.Assign) or [getattr(target, "id", "") for target in node.targets] != [MARK]:
        return False
    return getattr(node.value, "value", None) is True


def _imported(node: ast.Import | ast.ImportFrom, package: str) -> Iterator[str]:
    """Dotted names that a statement imports. `from a import b` gives a and a.b, since b may be a module."""
    if isinstance(node, ast.Import):
        yield from (alias.name for alias in node.names)
        return
    parents = package.split(".")
    parents = parents[: len(parents) + 1 - node.level] if node.level else []
    start = ".".join([*parents, *([node.module] if node.module else [])])
    yield from (start, *(f"{start}.{alias.name}" for alias in node.names))


def _with_packages(name: str) -> Iterator[str]:
    """For a.b.c: a, a.b and a.b.c, which Python runs in this order."""
    parts = name.split(".")
    return (".".join(parts[:end]) for end in range(1, len(parts) + 1))


@cache
def _find(name: str, library: Path) -> Path | None:
    path = library.joinpath(*name.split("."))
    return next((file for file in (path / "__init__.py", path.with_suffix(".py")) if file.is_file()), None)


def _package(name: str, path: Path) -> str:
    return name if path.name == "__init__.py" else name.rpartition(".")[0]


def _data_files(folder: Path) -> list[Path]:
    """Files that are not Python, except hidden files and an editor's backups."""
    files = (path for path in folder.iterdir() if path.is_file() and path.suffix not in (".py", ".pyc"))
    return sorted(path for path in files if not path.name.startswith(".") and not path.name.endswith("~"))


def _digest(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()
