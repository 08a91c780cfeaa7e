"""Define refusals: typed reasons why a source gives no images, which a pool can hold in place of images.

With `unavailable: skip`, a refusal is a result: the pool of the class has an empty shard, and one record whose failure
names the reason. Curation, the split and the tables read it there.
"""

from __future__ import annotations

from distillery.jobs import UserError
from distillery.storage.records import ImageRecord

REFUSALS = (
    "captcha",
    "consent page",
    "page for browsers only",  # the search sends programs a page that only a browser can read
    "unreadable page",  # the search has changed the format of its responses
    "unrelated results",  # the search sends programs images of something else
    "no saved pages",  # the user has saved no page of results for a class
    "no browser",  # this machine has no browser that a program can open, or no screen for its window
    "window closed",  # the user closed the browser's window
    "gated",  # this account has not accepted the model's license
    "no token",  # the model is gated, and this machine has no token of the Hugging Face hub
    "no contact",  # the site refuses programs that name no contact
    "unreachable",
    "quota used up",
    "nothing found",
    "no GPU",  # the model needs one
    "parent refused",  # the source whose images the generation starts from refused the class
)
PREFIX = "refused: "


class Refusal(UserError):
    """A source gives no images, for a reason that is not an error in the configuration.

    Args:
        message: one line: what is wrong, where, and what to do.
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
