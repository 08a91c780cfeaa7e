"""Words that depend on numbers, for messages, figures, the page and the model card."""

from __future__ import annotations


def plural(count: int, noun: str) -> str:
    """A count with its noun: `1 image`, `1,200 images`, `10 classes`."""
    ending = "" if count == 1 else "es" if noun.endswith(("s", "x", "ch", "sh")) else "s"
    return f"{count:,} {noun}{ending}"


def reason_kind(reason: str) -> str:
    """A reason of the curated table without its details: `too small` of `too small (12 x 9)`."""
    return reason.partition(":")[0].partition("(")[0].strip()


def span(low: str, high: str) -> str:
    """A range of two numbers, given as text: `2 to 3`; just one of them if they are equal."""
    return low if low == high else f"{low} to {high}"
