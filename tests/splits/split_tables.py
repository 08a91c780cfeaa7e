"""Classes and a reader of tables, for the tests of splits and of scenarios' plans."""

import pyarrow.parquet as pq

LABELS = ["cat", "dog", "frog"]
CURATION = {"min_side": 32, "duplicate_distance": 4}


def rows_of(path):
    return pq.read_table(path).to_pylist()
