"""Write the pools of a source that may refuse: with `unavailable: skip`, they then hold the refusal.

If the refusal concerns the whole source, a note in the source's store records it, so that no other class requests the
source again. `python -m distillery.retry` removes the note.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, TypeVar

from distillery.file_digests import is_whole
from distillery.jobs import OUTCOME, log
from distillery.storage.files import atomic_write
from distillery.storage.records import ImageRecord
from distillery.storage.retrieved.pools import write_pool
from distillery.storage.retrieved.refusals import Refusal, refused_record
from distillery.storage.retrieved.source_checks import HOLDS, SourceCheck, now, read_check

T = TypeVar("T")
Entries = Iterable[tuple[ImageRecord, bytes | None]]
NOTE = "refused.json"
# reasons that concern a whole source, not one of its classes or one moment
OF_THE_SOURCE = (
    "captcha",
    "consent page",
    "page for browsers only",
    "quota used up",
    "gated",
    "no token",
    "no GPU",
    "no browser",
    "no contact",
)


@dataclass(frozen=True)
class SourceRequest:
    """A job's request for images of a source.

    Attributes:
        source: its name.
        kind: of the source.
        asked: kind, and model, data set and revision if the source has them; a note about another value is ignored.
        store: the source's folder of retrieved images.
        skip: whether a refusal is a result, and not an error.
        check: file with the result of the source's preflight check; empty if it had none.
    """

    source: str
    kind: str
    asked: str
    store: Path
    skip: bool
    check: str | Path = ""

    @classmethod
    def of(cls, name: str, settings: Mapping[str, Any], store: str | Path, check: str | Path = "") -> SourceRequest:
        """The request for a configured source; its key `unavailable` is skip, or by default stop."""
        kind = settings["kind"]
        asked = " ".join(filter(None, (kind, settings.get("model"), settings.get("dataset"), settings.get("revision"))))
        return cls(name, kind, asked, Path(store), settings.get("unavailable", "stop") == "skip", check)

    def remembered(self) -> Refusal | None:
        """The refusal in the check's result or in the store's note for this request, if it is less than a day old."""
        check = read_check(self.check) if self.check else None
        if check and not check.expired() and (refusal := check.refusal()):
            return refusal
        try:
            if not is_whole(self.store / NOTE):
                return None
            note = json.loads((self.store / NOTE).read_text(encoding="utf-8"))
            age = datetime.now(UTC) - datetime.fromisoformat(note["time"])
            holds = note["asked"] == self.asked and abs(age) < HOLDS
            return Refusal(note["message"], note["reason"]) if holds else None
        except (OSError, ValueError, TypeError, KeyError):
            return None  # no note, or a damaged one

    def remember(self, refusal: Refusal) -> None:
        """Write the note if the refusal concerns the whole source."""
        if refusal.reason in OF_THE_SOURCE:
            note = {"reason": refusal.reason, "message": str(refusal), "asked": self.asked, "time": now()}
            atomic_write(self.store / NOTE, json.dumps(note, indent=1) + "\n", digest=True)


def noted_refusal(folder: str | Path, source: str) -> str:
    """The message of the note in a source's store, whatever its age; empty if there is none.

    Args:
        folder: of the study.
        source: its name.
    """
    try:
        note = json.loads(Path(folder, "resources", "store", source, NOTE).read_text(encoding="utf-8"))
        return str(note["message"])
    except (OSError, ValueError, TypeError, KeyError):
        return ""


def write_pools(
    request: SourceRequest,
    pools: Mapping[str, tuple[str, str]],
    retrieve: Callable[[], Iterable[tuple[str, Entries]]],
) -> None:
    """Write the pools of classes; with `skip`, the pools of a source that refuses hold the refusal.

    Args:
        request: see `SourceRequest`.
        pools: class → paths of its shard and its records.
        retrieve: gives each class with the entries of its pool; not called if the source has refused before.

    Raises:
        Refusal: the source refuses, and `skip` is not set.
        UserError: any other error.
    """

    def write() -> None:
        for label, entries in retrieve():
            write_pool(*pools[label], entries)

    def write_refused(refusal: Refusal) -> None:
        for label, (shard, records) in pools.items():
            write_pool(shard, records, [(refused_record(request.source, label, request.kind, refusal.reason), None)])

    _unless_refused(request, write, write_refused)


def records_unless_refused(
    request: SourceRequest, labels: Iterable[str], retrieve: Callable[[], list[ImageRecord]]
) -> list[ImageRecord]:
    """Retrieved records; with `skip`, if the source refuses, a record of the refusal for each class.

    Args:
        request: see `SourceRequest`.
        labels: the classes.
        retrieve: gives the records; not called if the source has refused before.

    Raises:
        Refusal: the source refuses, and `skip` is not set.
    """

    def refused(refusal: Refusal) -> list[ImageRecord]:
        return [refused_record(request.source, label, request.kind, refusal.reason) for label in labels]

    return _unless_refused(request, retrieve, refused)


def run_check(request: SourceRequest, preflight: bool, check: Callable[[], SourceCheck]) -> SourceCheck:
    """Run a source's preflight check; with `skip`, a refusal is a result too.

    Args:
        request: see `SourceRequest`.
        preflight: whether to check at all; the result is unknown if not.
        check: the check itself.

    Raises:
        Refusal: the source refuses, and `skip` is not set.
        UserError: any other error.
    """
    if not preflight:
        return SourceCheck(request.source, "unknown", "not asked", when=now())
    try:
        return check()
    except Refusal as refusal:
        if not request.skip:
            raise
        log.log(OUTCOME, "refused: %s", refusal)
        return SourceCheck(request.source, "refused", refusal.reason, str(refusal), now())


def _unless_refused(request: SourceRequest, retrieve: Callable[[], T], refused: Callable[[Refusal], T]) -> T:
    known = request.remembered() if request.skip else None
    try:
        if known:
            raise known
        return retrieve()
    except Refusal as refusal:
        if not request.skip:
            raise
        if known:
            log.info("source %s refused before and is not requested again: %s", request.source, refusal)
            return refused(refusal)
        request.remember(refusal)
        log.warning(
            "%s The scenarios that need source %s are left out. Once it is available: python -m distillery.retry",
            *(refusal, request.source),
        )
        return refused(refusal)
