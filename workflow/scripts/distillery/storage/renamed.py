"""Words of version 0.1 in stores and pools, which may hold hours of crawling: they are read, never written."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

OLD_NAMES = {"also": "duplicate_queries", "judge": "clip_scorer", "judged": "clip_score"}
OLD_REASON, REASON = "not a picture", "not an image"  # start of a failure, which stands in the tables


def in_new_words(record: Mapping[str, Any]) -> dict[str, Any]:
    """A record's fields with today's names and reasons."""
    values = {OLD_NAMES.get(name, name): value for name, value in record.items()}
    if isinstance(failure := values.get("failure"), str) and failure.startswith(OLD_REASON):
        values["failure"] = REASON + failure.removeprefix(OLD_REASON)
    return values
