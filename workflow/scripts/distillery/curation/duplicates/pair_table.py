"""Read the table of near-duplicates among the kept images of all sources."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa

from distillery.storage.parquet import read_parquet

NEAR_DUPLICATES_SCHEMA = pa.schema(
    [
        ("source", pa.string()),
        ("row", pa.int32()),  # in the source's array of images
        ("other_source", pa.string()),
        ("other_row", pa.int32()),
    ]
)


def read_pairs(path: str | Path, source: np.ndarray, row: np.ndarray) -> np.ndarray:
    """The pairs of near-duplicates among the given images.

    Args:
        path: of the table, written by `tabulate_near_duplicates`.
        source, row: of the N images, [N] each. Pairs with other images are left out.

    Returns:
        int64 [P, 2], indices into the N images.
    """
    place = {key: index for index, key in enumerate(zip(source.tolist(), row.tolist(), strict=True))}
    columns = [values.tolist() for values in read_parquet(path, NEAR_DUPLICATES_SCHEMA.names).values()]
    found = [
        (place.get((one, one_row), -1), place.get((other, other_row), -1))
        for one, one_row, other, other_row in zip(*columns, strict=True)
    ]
    pairs = np.array(found, dtype=np.int64).reshape(-1, 2)
    return pairs[(pairs >= 0).all(axis=1)]
