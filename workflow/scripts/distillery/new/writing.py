"""Write a configuration: checked names of classes, and YAML of texts and counts."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping, Sequence
from pathlib import Path

import yaml

from distillery.config.choices import NAME_PATTERN, RESERVED_NAMES
from distillery.jobs import UserError
from distillery.storage.files import atomic_write


def write_configuration(path: Path, text: str) -> Path:
    """Write a configuration, unless there is one; returns its path."""
    try:
        if path.exists():
            raise UserError(f"{path} exists already. Edit it, delete it, or name another folder.")
        path.parent.mkdir(parents=True, exist_ok=True)
        atomic_write(path, text)
    except (FileExistsError, NotADirectoryError):
        raise UserError(f"{path.parent} is a file. Name a folder for the study.") from None
    except OSError as error:
        raise UserError(f"{path} cannot be written ({error.strerror}). Name a folder that you may write to.") from None
    return path


def in_words(name: str) -> str:
    """A name in words: without the characters between them."""
    return " ".join(re.split(r"[\W_]+", name)).strip()


def require_classes(classes: Sequence[str], taken: Sequence[str] = ()) -> None:
    """Raise a `UserError` for fewer than two classes, or a name that is invalid, `taken`, or differs only in case."""
    reserved = (*RESERVED_NAMES["classes"], *taken)
    if len(classes) < 2:
        raise UserError(
            "A study needs at least two classes: python -m distillery.new tomatoes ripe rotten. With your own images:"
            " --images and a folder that holds one folder for each class."
        )
    seen: dict[str, str] = {}
    for name in classes:
        if not re.fullmatch(NAME_PATTERN, name) or name in reserved:
            raise UserError(
                f"class {name!r} is not a valid name{_such_as(name)}. Use a-z, A-Z, 0-9, _ and -, at most 100, begin"
                f" with a letter or digit, and do not use {', '.join(reserved)}. Queries and prompts"
                " can be any text."
            )
        if (other := seen.setdefault(name.lower(), name)) != name or list(classes).count(name) > 1:
            raise UserError(f"classes {other} and {name} would share their files on some disks. Rename one.")


def _such_as(name: str) -> str:
    """A valid name like one that is not, for a message; empty if there is none."""
    letters = unicodedata.normalize("NFKD", name).encode("ascii", "ignore").decode()
    alike = re.sub(r"[^A-Za-z0-9-]+", "_", letters).strip("_-")[:100]
    return f"; rename it, such as {alike}" if alike and alike not in RESERVED_NAMES["classes"] else ""


def counts_text(counts: Mapping[str, int]) -> str:
    """Numbers of images as YAML, such as `{ bing: 100, openverse: 100 }`."""
    return f"{{ {', '.join(f'{name}: {count}' for name, count in counts.items())} }}"


def scalar(text: str) -> str:
    """Text as YAML, in quotes where YAML would not read it as text, such as 2024 or yes."""
    if not text:
        return '""'
    return yaml.safe_dump([text], allow_unicode=True, default_flow_style=True, width=10_000)[1:-2]
