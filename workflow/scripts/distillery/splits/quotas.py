"""How many images of each class a source gives to test, validation and training, and what happens if it has fewer."""

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
    """Quotas of each class, from totals.

    Args:
        wanted: for test, val and train the total of each source.
        classes: the classes of each source.
    """
    return {
        source: Quota(*(wanted[split].get(source, 0) // len(names) for split in SPLITS))
        for source, names in classes.items()
    }


def shrink_quota(quota: Quota, available: int) -> Quota:
    """A quota for a class that has fewer images than requested.

    Train shrinks first. Test and validation shrink too if they would take more than a third of the available images,
    or more than their fraction of the quota if that is larger. At least one image remains for each of the two that
    wants any.
    """
    asked, held_out = quota.test + quota.val + quota.train, quota.test + quota.val
    if available >= asked:
        return quota
    room = max(available // 3, held_out * available // asked)
    test, val = quota.test, quota.val
    if held_out > room:
        test, val = (max(1, n * room // held_out) if n else 0 for n in (test, val))
    return Quota(test, val, max(0, available - test - val))
