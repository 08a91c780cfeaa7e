"""Labels images that have no label: with the teacher's most probable class, if its probability reaches a threshold.

These are pseudo-labels as in Lee (2013) and FixMatch (Sohn et al. 2020, section 2.1). Here the teacher gives them once,
from the unchanged image.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa

from distillery.curation.curated import CURATED_SCHEMA
from distillery.curation.thumbnails import THUMBNAIL_SIDE
from distillery.jobs import OUTCOME, UserError, log
from distillery.storage.arrays import map_array, map_pixels, write_array
from distillery.storage.files import atomic_path
from distillery.storage.parquet import read_parquet, write_parquet
from distillery.wording import plural

TEACHER_UNSURE = "teacher unsure"  # reason why an image is left out
LABELS_SCHEMA = pa.schema(
    [
        ("source", pa.string()),
        ("row", pa.int32()),  # in the array of unlabeled images
        ("key", pa.string()),
        ("class", pa.string()),  # the teacher's most probable one
        ("probability", pa.float32()),  # of that class, among the source's classes
        ("kept", pa.bool_()),
    ]
)


@dataclass(frozen=True)
class LabeledPaths:
    """The files to write: a source's curated images with labels, and the teacher's label of each image."""

    pixels: str | Path
    thumbnails: str | Path
    table: str | Path
    labels: str | Path


def label_images(
    pixels: str | Path,
    thumbnails: str | Path,
    table: str | Path,
    weights: str | Path,
    outputs: LabeledPaths,
    *,
    classes: Sequence[str],
    threshold: float,
    threads: int = 0,
) -> None:
    """Label a source's curated images with the teacher, and write those above the threshold as a curated source.

    In the curated table every image has the teacher's class. One that is left out also has the reason, with the class's
    probability. Candidates that curation dropped have no class.

    Args:
        pixels, thumbnails, table: the source after curation, see `curated.curate`.
        weights: the teacher's.
        classes: of the source; the probabilities are among these alone.
        threshold: the smallest probability, 0 to 1; 0 keeps all images.
        threads: CPU threads; 0 keeps torch's default.

    Raises:
        UserError: a file is damaged, or the images have another size than the teacher's.
    """
    curated, images = read_parquet(table, CURATED_SCHEMA.names), map_pixels(pixels)
    likely, probability = _likeliest(images, weights, classes, threads)
    sure = probability >= threshold
    log.log(OUTCOME, "%s", _label_line(Counter(likely[sure]), classes, len(sure), threshold))
    places = np.flatnonzero(curated["kept"])
    rows = curated["row"][places]
    _label_rows(curated, places, likely[rows], probability[rows], sure[rows], np.cumsum(sure)[rows] - 1)
    small = map_array(thumbnails, (len(images), THUMBNAIL_SIDE, THUMBNAIL_SIDE), "thumbnails")
    with atomic_path(outputs.pixels) as whole, atomic_path(outputs.thumbnails) as gray:
        write_array(whole, images[sure])
        write_array(gray, small[sure])
    labels = {"source": curated["source"], "row": rows, "key": curated["key"]}
    labels |= {name: values[places] for name, values in labels.items() if name != "row"}
    labels |= {"class": likely[rows], "probability": probability[rows], "kept": sure[rows]}
    write_parquet(outputs.labels, labels, LABELS_SCHEMA)
    write_parquet(outputs.table, curated, CURATED_SCHEMA)


def _label_rows(
    curated: Mapping[str, np.ndarray],
    places: np.ndarray,
    likely: np.ndarray,
    probability: np.ndarray,
    sure: np.ndarray,
    rows: np.ndarray,
) -> None:
    """Write labels into a curated table, in place.

    Args:
        places: int64 [N], the table's rows with images.
        likely, probability, sure: each image's class, its probability, and whether that reaches the threshold [N].
        rows: int64 [N], the row of each sure image in the new array of pixels.
    """
    curated["class"][places] = likely
    curated["kept"][places] = sure
    curated["row"][places] = np.where(sure, rows, -1)
    for place, value, keeps in zip(places.tolist(), probability.tolist(), sure.tolist(), strict=True):
        if not keeps:
            curated["reason"][place] = f"{TEACHER_UNSURE}: {value:.3f}"


def _label_line(found: Counter[str], classes: Sequence[str], images: int, threshold: float) -> str:
    """What the labeling gave: `77 of 120 images labeled, fewest of class horse (13); unsure (below 0.9) of 43`."""
    fewest, unsure = min(classes, key=lambda label: found[label]), images - found.total()
    line = f"{found.total()} of {plural(images, 'image')} labeled, fewest of class {fewest} ({found[fewest]})"
    return line + f"; unsure (below {threshold:g}) of {unsure}" * bool(unsure)


def _likeliest(
    images: np.ndarray, weights: str | Path, classes: Sequence[str], threads: int
) -> tuple[np.ndarray, np.ndarray]:
    """The most probable class of each image, str [N], and its probability, float32 [N]."""
    if not len(images):
        return np.empty(0, dtype=object), np.empty(0, dtype=np.float32)
    # here, since a source without images needs no torch
    import torch

    from distillery.models.weights import load_weights
    from distillery.training.data.dataset import as_channels_last
    from distillery.training.hardware import choose_device
    from distillery.training.prediction import predict

    trained = load_weights(weights)
    if images.shape[1] != trained.image_size:
        raise UserError(
            f"unlabeled images have {images.shape[1]} pixels, but the teacher's {trained.image_size}. Curate again."
        )
    if unknown := [name for name in classes if name not in trained.classes]:
        raise UserError(f"labels: the teacher does not know {', '.join(unknown)}")
    network = trained.network.to(choose_device(threads)).to(memory_format=torch.channels_last)
    columns = torch.tensor([trained.classes.index(name) for name in classes])
    logits = predict(network, as_channels_last(np.array(images)))
    best = torch.softmax(logits[:, columns], dim=1).max(dim=1)
    return np.array(classes, dtype=object)[best.indices.numpy()], best.values.numpy()
