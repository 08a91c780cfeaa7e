"""Retrieve one image from the store or its URL."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from datetime import UTC, datetime

from distillery.sources.network.failures import FetchError
from distillery.sources.network.fetching import Fetcher
from distillery.storage.records import ImageRecord
from distillery.storage.retrieved.pools import KEY_LENGTH, extension
from distillery.storage.retrieved.store import Store

ACCEPT = "image/webp,image/png,image/jpeg,image/*;q=0.8"


def retrieve(record: ImageRecord, store: Store, fetcher: Fetcher) -> tuple[ImageRecord, bytes | None]:
    """Retrieve a candidate's image.

    The store keeps an image under its URL, whatever class or query found it. Failures are not kept, since a later
    attempt may succeed.

    Returns:
        The record completed, and the image's bytes or None if the record has a failure.
    """
    if (kept := store.get(record.url)) is not None:
        earlier, data = kept
        facts = {name: getattr(earlier, name) for name in ("key", "sha256", "bytes", "retrieved")}
        return replace(record, **facts), data
    try:
        response = fetcher.fetch(record.url, accept=ACCEPT)
    except FetchError as failure:
        return replace(record, failure=str(failure)), None
    if extension(response.body) == "bin":
        kind = response.content_type.partition(";")[0].strip().lower() or "no type given"
        return replace(record, failure=f"not an image: {kind}"), None
    digest = hashlib.sha256(response.body).hexdigest()
    record = replace(
        record,
        key=digest[:KEY_LENGTH],
        sha256=digest,
        bytes=len(response.body),
        retrieved=datetime.now(UTC).isoformat(timespec="seconds"),
    )
    store.put(record.url, record, response.body)
    return record, response.body
