"""Keys and values that have been renamed or removed, and what to write instead."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

# path of the old key (* stands for any name) → its new name
KEYS = {
    ("teacher", "optimiser"): "optimizer",
    ("student", "optimiser"): "optimizer",
    ("sources", "*", "judge"): "clip_scorer",
    ("teacher", "zero_shot", "trust_val"): "fit_scale",
    ("teacher", "members", "*", "zero_shot", "trust_val"): "fit_scale",
}
# path of the old key → what to do instead
OBSOLETE = {
    ("curation", "duplicate_distance"): "near-duplicates are found by their content now; remove it, or set"
    " curation.duplicates: off to keep them all",
    ("split", "group_distance"): "near-duplicates are found by their content now; remove it",
}
# path of a key → old value → new value
VALUES = {
    ("arms", "*", "method"): {"kd_standardised": "kd_standardized"},
    ("scenarios", "*", "augment"): {"colour": "color"},
}


def renamed(config: dict[str, Any]) -> str | None:
    """The first old key or value of a configuration and what to write instead, as a message; None if there is none."""
    for old, new in KEYS.items():
        for path, _ in _found(config, old):
            return f"{path} is now {path.rpartition('.')[0]}.{new}"
    for obsolete, advice in OBSOLETE.items():
        for path, _ in _found(config, obsolete):
            return f"{path} is obsolete: {advice}"
    for key, names in VALUES.items():
        for path, value in _found(config, key):
            if isinstance(value, str) and value in names:
                return f"{path}: {value} is now {names[value]}"
    return None


def _found(section: Any, path: tuple[str, ...], before: str = "") -> Iterator[tuple[str, Any]]:
    """Each value that matches a path, with the path to it as text, such as `sources.bing.judge`."""
    if not path:
        yield before, section
    elif isinstance(section, dict):
        for key in section if path[0] == "*" else [path[0]] if path[0] in section else []:
            yield from _found(section[key], path[1:], f"{before}.{key}" if before else str(key))
