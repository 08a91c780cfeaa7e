"""Which texts are URLs that may be fetched."""

from __future__ import annotations

from urllib.parse import urlsplit

MAX_URL = 4000  # characters; longer ones hold data, as in data:image/png


def is_http_url(url: object) -> bool:
    """Whether this is an absolute http(s) URL with a host, without spaces, half characters or markup."""
    if not isinstance(url, str) or not 10 <= len(url) <= MAX_URL:
        return False
    if any(c <= " " or c in '"<>\\\x7f' or "\ud800" <= c <= "\udfff" for c in url):
        return False
    try:
        parts = urlsplit(url)
        return parts.scheme.lower() in ("http", "https") and bool(parts.hostname) and (parts.port or 1) > 0
    except ValueError:
        return False
