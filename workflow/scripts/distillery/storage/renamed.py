"""Read records of version 0.1, since stores and pools may hold hours of crawling. Old names are never written."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

OLD_NAMES = {"also": "duplicate_queries", "judge": "clip_scorer", "judged": "clip_score"}
OLD_REASON, REASON = "not a picture", "not an image"  # start of a failure, which the tables show


def in_new_words(record: Mapping[str, Any]) -> dict[str, Any]:
    """A record's fields with today's names and reasons."""
    values = {OLD_NAMES.get(name, name): value for name, value in record.items()}
    if isinstance(failure := values.get("failure"), str) and failure.startswith(OLD_REASON):
        values["failure"] = REASON + failure.removeprefix(OLD_REASON)
    return values
