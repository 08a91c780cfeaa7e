"""Quotas: how many images of each class a source gives to test, validation and training, and how they shrink."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

SPLITS = ("test", "val", "train")  # in the order in which they take images


@dataclass(frozen=True)
class Quota:
    """Images requested of each class of a source."""

    test: int
    val: int
    train: int  # the most that any scenario trains on


def quotas_for(wanted: Mapping[str, Mapping[str, int]], classes: Mapping[str, Sequence[str]]) -> dict[str, Quota]:
    """The quota of each source per class, from totals over its classes.

    Args:
        wanted: by split (test, val, train) the total of each source.
        classes: the classes of each source.
    """
    return {
        source: Quota(*(wanted[split].get(source, 0) // len(names) for split in SPLITS))
        for source, names in classes.items()
    }


def shrink_quota(quota: Quota, available: int) -> Quota:
    """The quota of a class that has only `available` images.

    Train shrinks first. Test and validation together keep at most a third of the available images, or their fraction of
    the requested images if that is larger. Each of the two that requests any image keeps at least one.
    """
    requested, held_out = quota.test + quota.val + quota.train, quota.test + quota.val
    if available >= requested:
        return quota
    room = max(available // 3, held_out * available // requested)
    test, val = quota.test, quota.val
    if held_out > room:
        test, val = (max(1, n * room // held_out) if n else 0 for n in (test, val))
    return Quota(test, val, max(0, available - test - val))
