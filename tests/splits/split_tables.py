"""Classes, and functions that write and read tables, for tests of splits and of scenarios' plans."""

import numpy as np
import pyarrow.parquet as pq

from distillery.curation.curated import CURATED_SCHEMA
from distillery.curation.duplicates.near_hashes import near_hash_pairs
from distillery.curation.duplicates.pair_table import NEAR_DUPLICATES_SCHEMA
from distillery.storage.parquet import write_parquet

LABELS = ["cat", "dog", "frog"]
CURATION = {"min_side": 32, "duplicates": "drop"}


def rows_of(path):
    return pq.read_table(path).to_pylist()


def write_curated(path, source, images, refused=()):
    """Write a curated table.

    Args:
        images: (class, key, hash) of each, see `near_pairs`.
        refused: classes that the source refused.
    """
    n, m = len(images), len(refused)
    columns = {field.name: [""] * (n + m) if str(field.type) == "string" else [0] * (n + m) for field in CURATED_SCHEMA}
    names, keys, _ = zip(*images, strict=True) if images else ((), (), ())
    columns |= {"source": [source] * (n + m), "class": [*names, *refused], "key": [*keys, *[""] * m]}
    columns |= {"kept": [True] * n + [False] * m, "row": [*range(n), *[-1] * m]}
    columns["reason"] = [""] * n + ["refused: captcha"] * m
    write_parquet(path, columns, CURATED_SCHEMA)


def near_pairs(hashes, distance=4):
    """Pairs that count as near-duplicates in tests: hashes differ in few bits, or in nearly all (mirrored)."""
    hashes = np.array(hashes, dtype=np.uint64)
    pairs = near_hash_pairs(np.concatenate([hashes, ~hashes]), distance) % max(len(hashes), 1)
    return np.unique(np.sort(pairs[pairs[:, 0] != pairs[:, 1]], axis=1), axis=0)


def write_pairs(path, hashes):
    """Write the table of near-duplicates.

    Args:
        hashes: source → hash of each of its images, in the order of their rows.
    """
    places = [(source, row) for source, values in hashes.items() for row in range(len(values))]
    pairs = [(*places[one], *places[other]) for one, other in near_pairs([h for each in hashes.values() for h in each])]
    write_parquet(
        path,
        dict(zip(NEAR_DUPLICATES_SCHEMA.names, zip(*pairs, strict=True), strict=True))
        if pairs
        else dict.fromkeys(NEAR_DUPLICATES_SCHEMA.names, []),
        NEAR_DUPLICATES_SCHEMA,
    )
