"""The hash that reruns a rule: over the syntax trees of its script and of every library module the script imports.

Comments, docstrings and line breaks do not count. Imports are followed wherever they stand, in functions too, but not
under `if TYPE_CHECKING:`, which never runs. Files of other kinds, such as a template, count where they lie beside a
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
# it decides which jobs and checkpoints are out of date, not what a job computes
CHANGES_NO_RESULT = True
# ctx follows from a node's place, type_comment is a comment, kind is the u of u"text"
IGNORED_FIELDS = {"ctx", "type_comment", "kind"}


class Source(NamedTuple):
    """What counts of a Python file."""

    digest: str
    imports: tuple[str, ...]  # dotted names; the last part may be a module or a name in one
    marked: bool  # changes no result


@cache
def code_hash(script: Path, library: Path, without: tuple[str, ...] = ()) -> str:
    """16 hex digits over a script and the modules it imports, directly or not.

    Each file is read once a process.

    Args:
        script: a Python file.
        library: the folder in which imports are looked up; it holds the library's packages.
        without: dotted names of packages and modules that do not count.

    Raises:
        SyntaxError: a file is not valid Python.
    """
    modules = imported_modules(script, library, without)
    parts = [("", read_source(script, "").digest)]
    parts += [(name, read_source(path, _package(name, path)).digest) for name, path in modules.items()]
    for folder in sorted({path.parent for path in modules.values()} - {library}):
        parts += [(path.relative_to(library).as_posix(), _digest(path.read_bytes())) for path in _data_files(folder)]
    return _digest(repr(parts).encode())[:16]


def imported_modules(script: Path, library: Path, without: tuple[str, ...] = ()) -> dict[str, Path]:
    """Modules of the library that count for a script, by dotted name. Arguments as of `code_hash`."""
    found: dict[str, Path] = {}
    seen: set[str] = set()
    waiting = list(read_source(script, "").imports)
    while waiting:
        for name in _with_packages(waiting.pop()):
            if name in without:
                break  # its submodules do not count either
            path = None if name in seen else _find(name, library)
            seen.add(name)
            if path and not (source := read_source(path, _package(name, path))).marked:
                found[name] = path
                waiting += source.imports
    return dict(sorted(found.items()))


@cache
def read_source(path: Path, package: str) -> Source:
    """Parse a Python file; its relative imports start from `package`, a dotted name."""
    tree = ast.parse(path.read_bytes(), filename=str(path))
    parts: list[str] = []
    imports: dict[str, None] = {}  # a set that keeps the order
    _write(tree, package, parts, imports)
    return Source(_digest(" ".join(parts).encode()), tuple(imports), any(map(_is_mark, tree.body)))


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
    for field in _fields(type(node)):
        value = getattr(node, field, None)
        if value is None or value == []:
            continue
        parts.append(field)
        for part in value if isinstance(value, list) else (value,):
            if isinstance(part, ast.AST):
                _write(part, package, parts, imports)
            else:
                parts.append(ascii(part))  # `repr` depends on Python's version of Unicode
    parts.append(")")


@cache
def _fields(kind: type[ast.AST]) -> tuple[str, ...]:
    return tuple(field for field in kind._fields if field not in IGNORED_FIELDS)


def _is_mark(node: ast.stmt) -> bool:
    named = isinstance(node, ast.Assign) and [getattr(target, "id", "") for target in node.targets] == [MARK]
    return named and getattr(node.value, "value", None) is True


def _imported(node: ast.Import | ast.ImportFrom, package: str) -> Iterator[str]:
    """Dotted names. `from a import b` gives a and a.b, since b may be a module."""
    if isinstance(node, ast.Import):
        yield from (alias.name for alias in node.names)
        return
    parents = package.split(".")
    parents = parents[: len(parents) + 1 - node.level] if node.level else []
    start = ".".join([*parents, *([node.module] if node.module else [])])
    yield from (start, *(f"{start}.{alias.name}" for alias in node.names))


def _with_packages(name: str) -> Iterator[str]:
    """Of a.b.c: a, a.b and a.b.c, the modules that Python runs in this order."""
    parts = name.split(".")
    return (".".join(parts[:end]) for end in range(1, len(parts) + 1))


@cache
def _find(name: str, library: Path) -> Path | None:
    path = library.joinpath(*name.split("."))
    return next((file for file in (path / "__init__.py", path.with_suffix(".py")) if file.is_file()), None)


def _package(name: str, path: Path) -> str:
    return name if path.name == "__init__.py" else name.rpartition(".")[0]


def _data_files(folder: Path) -> list[Path]:
    """Files that are not Python, without hidden files and an editor's backups."""
    files = (path for path in folder.iterdir() if path.is_file() and path.suffix not in (".py", ".pyc"))
    return sorted(path for path in files if not path.name.startswith(".") and not path.name.endswith("~"))


def _digest(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()
