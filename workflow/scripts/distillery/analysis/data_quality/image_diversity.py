"""How different a source's images of a class are from each other, real against generated.

The mean distance of pairs in the teacher's features, the layer before its logits: 0 for one image again and again.
A teacher's features tell apart what matters for the classes, so that noise does not count as diversity as it would in
pixels; but the measure is the teacher's, and says nothing of what the teacher does not see.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa
import torch
from torch import Tensor

from distillery.jobs import UserError
from distillery.models.architectures import NormalizedModel
from distillery.models.weights import load_weights
from distillery.storage.parquet import read_parquet, write_parquet
from distillery.training.dataset import as_channels_last, open_pixels
from distillery.training.hardware import autocast, choose_device
from distillery.training.prediction import BATCH, evaluating

MOST = 300  # images of a class and source, the first ones: 44,850 pairs
SCHEMA = pa.schema(
    [
        ("source", pa.string()),
        ("class", pa.string()),
        ("generated", pa.int16()),  # 1 for images of a diffusion model
        ("images", pa.int32()),  # compared
        ("distance", pa.float32()),  # mean over pairs of 1 - cosine
        ("error", pa.float32()),  # its standard error over images; nan for fewer than 3
    ]
)


def measure_diversity(
    pixels: Sequence[str | Path],
    tables: Sequence[str | Path],
    weights: str | Path,
    output: str | Path,
    *,
    kinds: Mapping[str, str],
    threads: int = 0,
) -> None:
    """Write the mean distance of pairs of each source and class.

    Args:
        pixels, tables: each source's curated images.
        weights: the teacher's.
        output: the `.parquet` to write, with the columns of `SCHEMA`.
        kinds: source → its kind in the configuration, in the order of `pixels`.
        threads: of the CPU.

    Raises:
        UserError: a file is damaged, or the images are of another size than the teacher's.
    """
    trained = load_weights(weights)
    network = trained.network.to(choose_device(threads))
    arrays = open_pixels(pixels, list(kinds))
    rows = []
    for (source, kind), table in zip(kinds.items(), tables, strict=True):
        if len(arrays[source]) and arrays[source].shape[1] != trained.image_size:
            raise UserError(f"source {source} has images of another size than the teacher's. Curate again.")
        columns = read_parquet(table, ["row", "class", "kept"])
        for name in trained.classes:
            here = np.unique(columns["row"][columns["kept"] & (columns["class"] == name)])[:MOST]
            if len(here):
                features = embed(network, as_channels_last(np.asarray(arrays[source][here])))
                rows.append((source, name, int(kind == "diffusion"), len(here), *mean_distance(features)))
    if not rows:
        raise UserError(f"sources {', '.join(kinds)} have no image that was kept. See their curated tables for why.")
    write_parquet(output, dict(zip(SCHEMA.names, zip(*rows, strict=True), strict=True)), SCHEMA)


def embed(network: NormalizedModel, pixels: Tensor) -> np.ndarray:
    """What the last linear layer is given, scaled to length 1: float64 [N, D] of images uint8 [N, 3, S, S]."""
    device = next(network.parameters()).device
    found: list[Tensor] = []
    head = [module for module in network.modules() if isinstance(module, torch.nn.Linear)][-1]
    hook = head.register_forward_pre_hook(lambda module, given: found.append(given[0].float().cpu()))
    try:
        with evaluating(network), torch.inference_mode(), autocast(device):
            for batch in pixels.split(BATCH.get(device.type, 250)):
                network(batch.to(device).to(torch.float32, memory_format=torch.channels_last).div_(255))
    finally:
        hook.remove()
    features = torch.cat(found).double().numpy()
    return features / np.maximum(np.linalg.norm(features, axis=1, keepdims=True), 1e-12)


def mean_distance(features: np.ndarray) -> tuple[float, float]:
    """The mean of 1 - cosine over all pairs of different rows, and its standard error; nan for fewer rows than 2 and 3.

    A U-statistic of order two (Hoeffding 1948): its variance is that of the rows' own means, times four over their
    number.

    Args:
        features: float [N, D] of length 1.
    """
    count = len(features)
    if count < 2:
        return float("nan"), float("nan")
    cosines = features @ features.T
    own = 1 - (cosines.sum(axis=1) - cosines.diagonal()) / (count - 1)
    error = 2 * own.std(ddof=1) / np.sqrt(count) if count > 2 else float("nan")
    return float(own.mean()), float(error)
