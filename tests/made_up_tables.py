"""Made-up runs, plans, curated tables and teachers, with the keys and columns of real ones."""

import json

import numpy as np
import pandas as pd
import pytest

CLASSES = ["airplane", "automobile", "bird", "cat", "deer", "dog", "frog"]


@pytest.fixture
def write_run(tmp_path):
    """Writes a run's metrics.json and returns its path."""

    def write(scenario, arm, seed, accuracy, n_test=200, n_train=800, n_classes=10, **other):
        metrics = {
            "scenario": scenario, "arm": arm, "seed": seed, "network": "resnet8", "parameters": 78042, "steps": 400,
            "batch": 128, "lr": 0.1, "weight_decay": 0.0005, "augment": "none", "n_train": n_train,
            "n_train_unique": n_train, "n_classes": n_classes, "n_test": n_test, "accuracy": accuracy,
            "val_accuracy": None,
            "by_source": {"google": {"accuracy": accuracy, "n": n_test}}, "per_class": {"airplane": accuracy},
        } | other  # fmt: skip
        path = tmp_path / "runs" / scenario / arm / f"seed{seed}" / "metrics.json"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(metrics))
        return path

    return write


@pytest.fixture
def write_plan(tmp_path):
    """Writes a scenario's plan from {source: train images}; the first 10 kept images of each source are test images."""

    def write(scenario, counts, augmented=False, test=10):
        rows = []
        for source, count in counts.items():
            rows += [(source, test + i, i % 2, "train", False) for i in range(count)]
            rows += [(source, test + i, i % 2, "train", True) for i in range(count if augmented else 0)]
        path = tmp_path / "plans" / f"{scenario}.parquet"
        path.parent.mkdir(exist_ok=True)
        table = pd.DataFrame(rows, columns=["source", "row", "label", "split", "augmented"])
        table.astype({"row": "int32", "label": "int16"}).to_parquet(path, index=False)
        return path

    return write


@pytest.fixture
def write_splits(tmp_path):
    """Writes the split of all images: 10 test images of each source, then train images, with labels 0, 1, … in turn."""

    def write(sources, rows=20, labels=2):
        table = [
            (source, row, row % labels, "test" if row < 10 else "train") for source in sources for row in range(rows)
        ]
        table = pd.DataFrame(table, columns=["source", "row", "label", "split"])
        table.astype({"row": "int32", "label": "int16"}).to_parquet(tmp_path / "splits.parquet", index=False)
        return tmp_path / "splits.parquet"

    return write


@pytest.fixture
def write_curated(tmp_path):
    """Writes a source's curated table and pixels: `kept` images of each class, and dropped ones with reasons."""

    def write(source, classes=("cat", "dog"), kept=20, reasons=("too small", "not retrieved: HTTP 404"), size=8):
        rows, pixels = [], []
        rng = np.random.default_rng(0)
        for rank in range(kept + len(reasons)):
            for name in classes:
                reason = "" if rank < kept else reasons[rank - kept]
                row = len(pixels) if not reason else -1
                sha = "" if reason.startswith("not retrieved") else f"{source}{name}{rank}"
                kind = "photo" if sha else ""
                rows.append((source, name, sha[:16], not reason, reason, row, sha, rank, kind))
                if not reason:
                    pixels.append(rng.integers(0, 256, (size, size, 3), dtype=np.uint8))
        path = tmp_path / "curated" / f"{source}.parquet"
        path.parent.mkdir(exist_ok=True)
        columns = ["source", "class", "key", "kept", "reason", "row", "sha256", "rank", "image_kind"]
        pd.DataFrame(rows, columns=columns).astype({"row": "int32"}).to_parquet(path, index=False)
        np.save(path.with_suffix(".npy"), np.array(pixels, dtype=np.uint8).reshape(-1, size, size, 3))
        return path

    return write


@pytest.fixture
def teacher(tmp_path):
    """A teacher's metrics.json."""
    metrics = {
        "network": "resnet20", "parameters": 272474, "steps": 4000, "own_test": {"accuracy": 0.9123, "n": 10000},
        "sources": {"google": {"accuracy": 0.75, "n": 200, "per_class": {"cat": 0.5, "dog": 1.0}}},
    }  # fmt: skip
    path = tmp_path / "teacher.json"
    path.write_text(json.dumps(metrics))
    return path
