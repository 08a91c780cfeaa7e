"""Clean text from outside: one line, of limited length, without invisible characters.

Strangers write the titles, creators and URLs of images on the web, which appear in tables, reports and terminals.
"""

from __future__ import annotations

import unicodedata

from distillery.storage.urls import is_http_url, quote_url

JOINERS = "\u200c\u200d"  # invisible, but part of emoji and of words in Persian and Hindi
FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r")  # a spreadsheet may read text that starts so as a formula


def clean_text(text: str, length: int) -> str:
    """Text in one line: spaces for control characters and line breaks, no invisible and bidirectional marks.

    A lone surrogate, from JSON cut inside a character or from a Latin-1 file name, becomes `?`.

    Args:
        text: any text.
        length: maximum length of the result, in characters.
    """
    if len(text) <= length and text.isprintable():
        return text
    # bounds the work on a very long text; four times the length leaves room for characters that are removed
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
    """A URL as a browser would send it; empty if the text is no URL."""
    if not text or is_http_url(text):
        return text
    quoted = quote_url(text)
    return quoted if is_http_url(quoted) else ""


def as_cell(text: str) -> str:
    """Text that no spreadsheet reads as a formula: one that starts like a formula, and is no number, gets a `'`."""
    if not text.startswith(FORMULA_STARTS):
        return text
    try:
        float(text)
    except ValueError:
        return f"'{text}"
    return text
