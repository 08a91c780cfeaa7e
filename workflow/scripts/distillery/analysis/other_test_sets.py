"""Tests students on the test images of sources that are not in the common test."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa

from distillery.jobs import log, progress
from distillery.splits.scenario_plan import not_run_reason
from distillery.storage.parquet import read_parquet, write_parquet

SCHEMA = pa.schema(
    [
        ("scenario", pa.string()),
        ("arm", pa.string()),
        ("seed", pa.int16()),
        ("source", pa.string()),
        ("row", pa.int32()),  # in the source's curated pixels
        ("label", pa.int16()),
        ("predicted", pa.int16()),
    ]
)


def predict_other_test_sets(
    weights: Iterable[str | Path],
    plan: str | Path,
    splits: str | Path,
    pixels: Sequence[str | Path],
    output: str | Path,
    *,
    sources: Sequence[str],
    classes: Sequence[str],
    threads: int = 0,
) -> None:
    """Test every student of a scenario on the test images of some sources, of the classes it was trained on.

    The table of a scenario that is not run has no rows.

    Args:
        weights: `…/{scenario}/{arm}/seed{n}/model.safetensors` of the scenario's runs.
        plan: the scenario's, for the classes that it trains on.
        splits: every image's split.
        pixels: curated `.npy` of each of `sources`.
        output: the `.parquet` to write, columns of `SCHEMA`.
        sources: names of the sources to test on.
        classes: names of the study's classes, in order.
        threads: CPU threads; 0 leaves PyTorch's default.

    Raises:
        UserError: a file is damaged.
    """
    if reason := not_run_reason(plan):
        log.info("this scenario is not run: %s", reason)
        write_parquet(output, {name: [] for name in SCHEMA.names}, SCHEMA)
        return
    # here, since the students of a scenario that is not run need no torch
    import torch

    from distillery.models.weights import load_weights
    from distillery.training.dataset import gather, open_pixels
    from distillery.training.hardware import choose_device
    from distillery.training.prediction import predict_classes

    trained = _trained_classes(plan)
    table = read_parquet(splits, ["source", "row", "label", "split"])
    here = np.isin(table["source"], list(sources)) & (table["split"] == "test") & np.isin(table["label"], trained)
    tested = {name: table[name][here] for name in ("source", "row", "label")}
    images = gather(open_pixels(pixels, sources), tested["source"], tested["row"], tested["label"])
    device = choose_device(threads)
    parts = []
    for path in progress(sorted(map(Path, weights)), label="students tested", unit="students"):
        scenario, arm, seed = path.parts[-4:-1]
        network = load_weights(path, classes).network.to(device).to(memory_format=torch.channels_last)
        _, predicted = predict_classes(network, images.pixels, torch.from_numpy(trained))
        names = {
            name: np.full(len(predicted), text, dtype=object) for name, text in (("scenario", scenario), ("arm", arm))
        }
        numbers = {"seed": np.full(len(predicted), int(seed.removeprefix("seed"))), "predicted": predicted}
        parts.append(names | tested | numbers)
    write_parquet(output, {name: np.concatenate([part[name] for part in parts]) for name in SCHEMA.names}, SCHEMA)


def _trained_classes(plan: str | Path) -> np.ndarray:
    """int64, sorted: the labels of a plan's train images."""
    table = read_parquet(plan, ["label", "split"])
    return np.unique(table["label"][table["split"] == "train"]).astype(np.int64)
