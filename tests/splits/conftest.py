"""Curated tables of a study, and their split."""

import numpy as np
import pytest
from split_tables import CURATION, LABELS, write_pairs

from distillery.curation.curated import CURATED_SCHEMA
from distillery.splits.split import split_images
from distillery.storage.parquet import write_parquet


def add_dropped(columns, dropped):
    """Add dropped candidates to the columns of a curated table: (class, reason, how many) of each."""
    for label, reason, count in dropped:
        for name, values in columns.items():
            filler = {"class": label, "reason": reason, "kept": False, "row": -1}.get(name, values[0])
            columns[name] = [*values, *[filler] * count]


@pytest.fixture
def study(tmp_path):
    """Writes curated tables with `per_class` different images of each class and source, and splits them."""

    def make(per_class: dict[str, dict[str, int]], shortfall="error", overlap=False, dropped=(), **wanted):
        tables, hashes, rng = {}, {}, np.random.default_rng(0)
        for source, counts in per_class.items():
            names = [name for name, n in counts.items() for _ in range(n)]
            n = len(names)
            columns = {field.name: [""] * n if str(field.type) == "string" else [0] * n for field in CURATED_SCHEMA}
            columns |= {"source": [source] * n, "class": names, "kept": [True] * n, "row": range(n)}
            columns["key"] = [f"{source}{i:08d}" for i in range(n)]
            hashes[source] = rng.integers(0, 2**64, n, dtype=np.uint64)
            if overlap:  # each source's i-th images of a class are the same
                same = [names[:i].count(name) + 1000 * LABELS.index(name) for i, name in enumerate(names)]
                hashes[source] = np.random.default_rng(1).integers(0, 2**64, 3000, dtype=np.uint64)[same]
            tables[source] = tmp_path / f"{source}.parquet"
            add_dropped(columns, dropped)
            write_parquet(tables[source], columns, CURATED_SCHEMA)
        defaults = {"test": {s: 2 * len(c) for s, c in per_class.items()}, "val": {}, "train": {}}
        classes = {source: list(counts) for source, counts in per_class.items()}
        path = tmp_path / "splits.parquet"
        pairs = tmp_path / "near_duplicates.parquet"
        write_pairs(pairs, hashes)
        settings = {"seed": 0, "shortfall": shortfall, "curation": CURATION}
        split_images(tables, pairs, path, classes=classes, labels=LABELS, wanted=defaults | wanted, **settings)
        return path, classes

    return make
