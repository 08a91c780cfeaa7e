"""Refusals: why a source gives no images, as a typed reason that a pool can hold in place of images.

With `unavailable: skip` a refusal is a result: the class gets an empty shard, and one record whose failure names the
reason. Curation, the split and the tables read it there.
"""

from __future__ import annotations

from distillery.jobs import UserError
from distillery.storage.records import ImageRecord

REFUSALS = (
    "captcha",
    "consent page",
    "page for browsers only",  # the search answers programs with a page that only a browser can read
    "unreadable page",  # the search has changed the form of its answers
    "unrelated results",  # the search answers programs with images of something else
    "no saved pages",  # the user has saved no page of results for a class
    "no browser",  # this machine has none that a program can open, or no screen for its window
    "window closed",  # the person closed the browser's window
    "gated",  # the model's license is not accepted by this account
    "no token",  # the model is gated, and this machine has no token of the Hugging Face hub
    "no contact",  # the site refuses programs that do not say whose they are
    "unreachable",
    "quota used up",
    "nothing found",
    "no GPU",  # for a model that needs one
    "parent refused",  # the source whose images it would be made from refused the class
)
PREFIX = "refused: "


class Refusal(UserError):
    """A source gives no images for a reason that is not a mistake of the configuration.

    Args:
        message: one line with what, where and the remedy.
        reason: one of `REFUSALS`.
    """

    def __init__(self, message: str, reason: str):
        if reason not in REFUSALS:
            raise ValueError(f"unknown reason {reason!r}")
        super().__init__(message)
        self.reason = reason


def refused_record(source: str, label: str, kind: str, reason: str) -> ImageRecord:
    """The only record of a class whose source refused; `reason` is one of `REFUSALS`."""
    if reason not in REFUSALS:
        raise ValueError(f"unknown reason {reason!r}")
    return ImageRecord(source, label, kind, origin="", failure=PREFIX + reason)


def refusal_of(failure: str) -> str:
    """The reason of a refusal, from a record's failure or a curated table; empty if the failure is no refusal."""
    return failure.removeprefix(PREFIX) if failure.startswith(PREFIX) else ""
