"""Classes, a writer and a reader of tables, for the tests of splits and of scenarios' plans."""

import pyarrow.parquet as pq

from distillery.curation.curated import CURATED_SCHEMA
from distillery.storage.parquet import write_parquet

LABELS = ["cat", "dog", "frog"]
CURATION = {"min_side": 32, "duplicate_distance": 4}


def rows_of(path):
    return pq.read_table(path).to_pylist()


def write_curated(path, source, images, refused=()):
    """Write a curated table.

    Args:
        images: (class, key, hash) of each; the hash of its mirror image has the other bits.
        refused: classes that the source refused.
    """
    n, m = len(images), len(refused)
    columns = {field.name: [""] * (n + m) if str(field.type) == "string" else [0] * (n + m) for field in CURATED_SCHEMA}
    names, keys, hashes = zip(*images, strict=True) if images else ((), (), ())
    columns |= {"source": [source] * (n + m), "class": [*names, *refused], "key": [*keys, *[""] * m]}
    columns |= {"kept": [True] * n + [False] * m, "row": [*range(n), *[-1] * m]}
    columns["reason"] = [""] * n + ["refused: captcha"] * m
    columns["phash"] = [*hashes, *[0] * m]
    columns["phash_mirror"] = [value ^ (2**64 - 1) for value in columns["phash"]]
    write_parquet(path, columns, CURATED_SCHEMA)
