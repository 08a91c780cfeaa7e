"""Text from outside, made harmless where it enters: one line, of limited length, without invisible characters.

Titles, creators and addresses of web pages are written by strangers, and end in tables, on the page and on a terminal.
"""

from __future__ import annotations

import unicodedata

from distillery.storage.urls import is_http_url, quote_url

JOINERS = "\u200c\u200d"  # invisible, but part of emoji and of words in Persian and Hindi
FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r")  # what a spreadsheet takes for the start of a formula


def clean_text(text: str, length: int) -> str:
    """Text in one line: spaces for control characters and line breaks, no invisible and bidirectional marks.

    Half a character, from JSON cut inside one or a Latin-1 file name, becomes `?`.

    Args:
        text: any text.
        length: the longest result, in characters.
    """
    if len(text) <= length and text.isprintable():
        return text
    # each character becomes at most one: what lies far beyond the limit need not be looked at
    kept = "".join(map(_cleaned, text[: 4 * length]))
    return " ".join(kept.split())[:length].rstrip()


def _cleaned(character: str) -> str:
    if character.isprintable() or character in JOINERS:
        return character
    match unicodedata.category(character):
        case "Cc" | "Zl" | "Zp" | "Zs":
            return " "
        case "Cf":
            return ""
        case "Cs":
            return "?"
    return character  # a character newer than this Python


def clean_address(text: str) -> str:
    """Text that should be a URL as a browser would send it, or "" if it is none."""
    if not text or is_http_url(text):
        return text
    quoted = quote_url(text)
    return quoted if is_http_url(quoted) else ""


def as_cell(text: str) -> str:
    """Text that no spreadsheet takes for a formula: one that begins like a formula, but is no number, gets a `'`."""
    if not text.startswith(FORMULA_STARTS):
        return text
    try:
        float(text)
    except ValueError:
        return f"'{text}"
    return text
