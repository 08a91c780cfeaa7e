"""Check whether a text is an http(s) URL, quote it as browsers do, and read its query."""

from __future__ import annotations

import re
from urllib.parse import parse_qs, urlsplit

MAX_URL = 4000  # characters; longer ones hold data, as in data:image/png
# scheme and host, then the rest; a host has no spaces, so they are quoted in the rest alone
PARTS = re.compile(r"(https?://[^/?#\s]*)([/?#].*)?", re.IGNORECASE)
MARKUP = re.compile(r'[ "<>\\]')
QUOTED = {ord(character): f"%{ord(character):02X}" for character in ' "<>'}


def is_http_url(url: object) -> bool:
    """Whether this is an absolute http(s) URL with a host, without spaces, invisible characters or markup."""
    if not isinstance(url, str) or not 10 <= len(url) <= MAX_URL:
        return False
    if not url.isprintable() or MARKUP.search(url):
        return False
    try:
        parts = urlsplit(url)
        return parts.scheme.lower() in ("http", "https") and bool(parts.hostname) and (parts.port or 1) > 0
    except ValueError:
        return False


def quote_url(url: str) -> str:
    """A URL as a browser would send it: without spaces around it, and with spaces inside, `"`, `<` and `>` quoted.

    Any other text, and a URL without such characters, is returned unchanged.
    """
    stripped = url.strip(" \t\r\n")
    found = PARTS.fullmatch(stripped)
    return found[1] + (found[2] or "").translate(QUOTED) if found else stripped


def query_value(url: str, name: str) -> str:
    """The first value of a parameter in a URL's query; empty if it has no such parameter, or is no URL."""
    try:
        return parse_qs(urlsplit(url).query).get(name, [""])[0]
    except ValueError:  # a malformed host or port
        return ""
