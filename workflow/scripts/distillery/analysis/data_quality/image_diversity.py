"""Measures diversity: how different a source's images of a class are from each other.

Diversity is the mean cosine distance between all pairs of images in the teacher's features, the input of its last
linear layer; it is 0 if all images are the same. These features represent what distinguishes classes, so noise does not
count as diversity, as it would in pixels. Differences that the features do not represent are not measured.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa
import torch
from torch import Tensor

from distillery.jobs import UserError
from distillery.models.weights import load_weights
from distillery.splits.planned_images import open_pixels
from distillery.storage.parquet import read_parquet, write_parquet
from distillery.training.data.dataset import as_channels_last
from distillery.training.hardware import autocast, choose_device
from distillery.training.prediction import BATCH, evaluating

MAX_IMAGES = 300  # the first ones of each class and source: 44,850 pairs
SCHEMA = pa.schema(
    [
        ("source", pa.string()),
        ("class", pa.string()),
        ("generated", pa.int16()),  # 1 for images of a diffusion model
        ("images", pa.int32()),  # number of images compared
        ("distance", pa.float32()),  # mean over pairs of 1 − cosine, 0 to 2; nan for one image
        ("error", pa.float32()),  # standard error of the distance over images; nan for fewer than 3
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
    """Write the mean distance between images of each source and class.

    Args:
        pixels, tables: curated `.npy` and `.parquet` of each source, in the order of `kinds`.
        weights: the teacher's `.safetensors`.
        output: the `.parquet` to write, with the columns of `SCHEMA`.
        kinds: kind of each source, by name.
        threads: CPU threads; 0 keeps torch's default.

    Raises:
        UserError: a file is damaged, no image was kept, or the images have another size than the teacher's.
    """
    trained = load_weights(weights)
    network = trained.network.to(choose_device(threads))
    arrays = open_pixels(pixels, list(kinds))
    rows = []
    for (source, kind), path, table in zip(kinds.items(), pixels, tables, strict=True):
        if len(arrays[source]) and arrays[source].shape[1] != trained.image_size:
            raise UserError(f"{path} has images of another size than the teacher's. Delete it and run again.")
        columns = read_parquet(table, ["row", "class", "kept"])
        for name in trained.classes:
            selected = np.unique(columns["row"][columns["kept"] & (columns["class"] == name)])[:MAX_IMAGES]
            if len(selected):
                features = embed(network, as_channels_last(np.asarray(arrays[source][selected])))
                rows.append((source, name, int(kind == "diffusion"), len(selected), *mean_distance(features)))
    if not rows:
        raise UserError(f"sources {', '.join(kinds)} have no kept image. See their curated tables for the reasons.")
    write_parquet(output, dict(zip(SCHEMA.names, zip(*rows, strict=True), strict=True)), SCHEMA)


def embed(network: torch.nn.Module, pixels: Tensor) -> np.ndarray:
    """The input of a network's last linear layer, scaled to length 1; of a network without one, its outputs.

    Args:
        network: maps float32 [N, 3, S, S], 0 to 1, to logits.
        pixels: uint8 [N, 3, S, S].

    Returns:
        float64 [N, D].
    """
    device = next(network.parameters()).device
    found: list[Tensor] = []
    layers = [module for module in network.modules() if isinstance(module, torch.nn.Linear)]
    if layers:
        hook = layers[-1].register_forward_pre_hook(lambda module, inputs: found.append(inputs[0].float().cpu()))
    else:  # an ONNX file gives access to its outputs only
        hook = network.register_forward_hook(lambda module, inputs, output: found.append(output.float().cpu()))
    try:
        with evaluating(network), torch.inference_mode(), autocast(device):
            for batch in pixels.split(BATCH.get(device.type, 250)):
                network(batch.to(device).to(torch.float32, memory_format=torch.channels_last).div_(255))
    finally:
        hook.remove()
    features = torch.cat(found).double().numpy()
    return features / np.maximum(np.linalg.norm(features, axis=1, keepdims=True), 1e-12)


def mean_distance(features: np.ndarray) -> tuple[float, float]:
    """The mean of 1 − cosine over all pairs of different rows, and its standard error.

    The mean is a U-statistic of order two (Hoeffding 1948). Its variance is 4 / N times the variance over rows of each
    row's mean distance to the others.

    Args:
        features: float [N, D], rows of length 1.

    Returns:
        The mean, NaN for fewer than 2 rows, and the error, NaN for fewer than 3.
    """
    count = len(features)
    if count < 2:
        return float("nan"), float("nan")
    cosines = features @ features.T
    row_means = 1 - (cosines.sum(axis=1) - cosines.diagonal()) / (count - 1)
    error = 2 * row_means.std(ddof=1) / np.sqrt(count) if count > 2 else float("nan")
    return float(row_means.mean()), float(error)
