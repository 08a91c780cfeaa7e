"""Read the response headers that a polite client obeys."""

from __future__ import annotations

import time
from collections.abc import Mapping
from email.message import Message
from email.utils import parsedate_to_datetime

FORBIDDEN_USES = ("noai", "noimageai", "noindex", "noimageindex", "none")
# parts of X-Robots-Tag with a colon that does not follow a robot's name
SETTINGS = ("max-snippet", "max-image-preview", "max-video-preview", "unavailable_after")


def whole_number(digits: str) -> float | None:
    """A header's ASCII digits as a number, infinite if it is too large; None if it holds anything else."""
    return float(digits) if digits.isascii() and digits.isdigit() else None


def retry_after(headers: Mapping[str, str] | Message) -> float | None:
    """Seconds to wait, from a Retry-After header with a number or a date (RFC 9110, 10.2.3); None without one.

    A date is compared with the Date header if there is one, since this machine's clock may be wrong.
    """
    value = headers.get("retry-after", "").strip()
    if (seconds := whole_number(value)) is not None:
        return seconds
    try:
        until = parsedate_to_datetime(value).timestamp()
    except (ValueError, TypeError, OverflowError):
        return None
    try:
        now = parsedate_to_datetime(headers.get("date", "")).timestamp()
    except (ValueError, TypeError, OverflowError):
        now = time.time()
    return max(0.0, until - now)


def forbidden_use(header: str) -> str:
    """The first word of an X-Robots-Tag header that forbids use as a training image; empty if none does.

    A part may begin with a robot's name ("otherbot: noindex"), which holds for the parts after it too. Parts for other
    robots do not count.
    """
    robot = ""
    for part in header.lower().split(","):
        name, colon, rest = part.partition(":")
        if colon and name.strip() not in SETTINGS:
            robot, part = name.strip(), rest
        if robot in ("", "*", "distillery") and part.strip() in FORBIDDEN_USES:
            return part.strip()
    return ""
