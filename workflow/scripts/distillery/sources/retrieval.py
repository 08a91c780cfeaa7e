"""From an address to an image in the store, or the reason why not."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from datetime import UTC, datetime

from distillery.sources.fetching import Fetcher, FetchError
from distillery.storage.pools import extension, image_key
from distillery.storage.records import ImageRecord
from distillery.storage.store import Store

IMAGES = "image/webp,image/png,image/jpeg,image/*;q=0.8"


def retrieve(record: ImageRecord, store: Store, fetcher: Fetcher) -> tuple[ImageRecord, bytes | None]:
    """A record's image, from the store or its address, with what became of it noted.

    An image is kept under its address, whatever class or query it was offered for. Failures are not kept: they may
    pass.
    """
    if (kept := store.get(record.url)) is not None:
        earlier, data = kept
        facts = {name: getattr(earlier, name) for name in ("key", "sha256", "bytes", "retrieved")}
        return replace(record, **facts), data
    try:
        answer = fetcher.fetch(record.url, accept=IMAGES)
    except FetchError as failure:
        return replace(record, failure=str(failure)), None
    if extension(answer.body) == "bin":
        kind = answer.content_type.partition(";")[0].strip().lower() or "no type given"
        return replace(record, failure=f"not an image: {kind}"), None
    record = replace(
        record,
        key=image_key(answer.body),
        sha256=hashlib.sha256(answer.body).hexdigest(),
        bytes=len(answer.body),
        retrieved=datetime.now(UTC).isoformat(timespec="seconds"),
    )
    store.put(record.url, record, answer.body)
    return record, answer.body
