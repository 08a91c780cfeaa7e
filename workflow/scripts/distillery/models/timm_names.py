"""Names of timm's networks. Imports no torch, and timm only if one of its networks is named."""

from __future__ import annotations

from collections.abc import Sequence
from difflib import get_close_matches
from types import ModuleType

from distillery.jobs import UserError

PREFIX = "timm/"  # of the names in the configuration and in weights files


def require_timm_network(name: str) -> ModuleType:
    """timm itself, if it has a network of this name.

    Raises:
        UserError: it has none, or timm is not installed.
    """
    try:
        import timm
    except ImportError as error:
        raise UserError(f"network {name} needs timm: pip install timm") from error
    plain = name.removeprefix(PREFIX)
    if not timm.is_model(plain):
        raise UserError(f"network {name} is unknown: timm {timm.__version__} has {_alike(timm.list_models(), plain)}")
    return timm


def _alike(names: Sequence[str], wanted: str) -> str:
    found = get_close_matches(wanted, names, n=3, cutoff=0.5)
    return f"no {wanted}, but {', '.join(found)}" if found else f"no {wanted}"
