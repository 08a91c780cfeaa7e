"""Prepares the images inside the page: sample images of each source, and test images with their predictions."""

from __future__ import annotations

import base64
import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from PIL import Image

from distillery.curation.decoding import decode, to_square
from distillery.figures.sheets.contact_sheets import evenly_spaced
from distillery.storage.arrays import map_pixels
from distillery.storage.retrieved.pools import read_images

MAX_SIDE = 64  # pixels of a test image inside the page
SAMPLE_SIDE = 96  # pixels of a sample image, resized from the retrieved image
COLUMNS = 50  # images side by side in a sheet
PER_CLASS = 4  # sample images per class of a source, at most
MAX_TESTED = 4000  # test images inside the page
# numbers are encoded as one character each, so that script.js can index them: n is the n-th character after ZERO
ZERO = "0"
UNTESTED = "-"  # comes before ZERO, so it encodes no number
PROVENANCE = ("title", "creator", "license", "page", "url", "query", "prompt", "model", "origin")


@dataclass(frozen=True)
class Sheet:
    """Several square images in one image file, row by row.

    Attributes:
        data: the file as a data URL.
        side: height and width of each image, pixels.
        columns: images per row.
        count: number of images.
    """

    data: str
    side: int
    columns: int
    count: int


def make_sheet(images: np.ndarray, max_side: int = MAX_SIDE) -> Sheet:
    """Images uint8 [N, S, S, 3] as one WebP file, each shrunk to at most `max_side` × `max_side` pixels."""
    side = min(max_side, images.shape[1]) if len(images) else 1
    columns = max(1, min(COLUMNS, len(images)))
    canvas = Image.new("RGB", (columns * side, max(1, -(-len(images) // columns)) * side), "white")
    for place, pixels in enumerate(images):
        image = Image.fromarray(np.asarray(pixels))
        if image.width != side:
            image = image.resize((side, side), Image.Resampling.LANCZOS)
        canvas.paste(image, (place % columns * side, place // columns * side))
    buffer = io.BytesIO()
    canvas.save(buffer, "WEBP", quality=82, method=4)
    data = "data:image/webp;base64," + base64.b64encode(buffer.getvalue()).decode()
    return Sheet(data, side, columns, len(images))


@dataclass(frozen=True)
class SourceSample:
    """Some images of a source.

    Attributes:
        sheet: the images.
        items: for each image its class, its row in the curated pixels, and its known provenance (`PROVENANCE`).
    """

    sheet: Sheet
    items: list[dict[str, Any]]


def source_sample(pixels: str | Path, table: str | Path, shards: Sequence[str | Path] = ()) -> SourceSample:
    """Up to `PER_CLASS` kept images of each class of a source, evenly spaced in the order they were found.

    Args:
        pixels: `.npy` uint8 [N, S, S, 3].
        table: the curated `.parquet`.
        shards: the pools' `.tar`, named by class. They give the samples if `pixels` are smaller than on the page;
            without them such images are enlarged.
    """
    rows = pd.read_parquet(table)
    kept = rows[rows["kept"].astype(bool)]
    chosen: list[int] = []
    for _, group in kept.groupby("class", sort=False):
        chosen += [group.index[place] for place in evenly_spaced(list(range(len(group))), PER_CLASS)]
    kept = kept.loc[chosen]
    images = map_pixels(pixels)[kept["row"].to_numpy(dtype=int)]
    if images.shape[1] < SAMPLE_SIDE:
        images = _original_squares(images, kept, {Path(shard).stem: shard for shard in shards})
    known = [name for name in PROVENANCE if name in kept]
    items = [
        {"class": row["class"], "row": int(row["row"])} | {name: str(row[name]) for name in known if row[name]}
        for row in kept.to_dict("records")
    ]
    return SourceSample(make_sheet(images, SAMPLE_SIDE), items)


def _original_squares(images: np.ndarray, rows: pd.DataFrame, shards: Mapping[str, str | Path]) -> np.ndarray:
    """The center squares of images as they were retrieved, uint8 [N, SAMPLE_SIDE, SAMPLE_SIDE, 3].

    Args:
        images: uint8 [N, S, S, 3], enlarged if the pool lacks the original.
        rows: the curated table's rows of these images.
        shards: the pools' `.tar` by class.
    """
    squares = [to_square(Image.fromarray(image), SAMPLE_SIDE) for image in images]
    classes, keys = rows["class"].to_numpy(), rows["key"].to_numpy()
    for label, shard in shards.items():
        places = np.flatnonzero(classes == label)
        originals = read_images(shard, keys[places]) if len(places) else {}
        for place in places:
            if data := originals.get(keys[place]):
                squares[place] = to_square(decode(data, side=SAMPLE_SIDE).image, SAMPLE_SIDE)
    return np.stack(squares) if squares else np.zeros((0, SAMPLE_SIDE, SAMPLE_SIDE, 3), np.uint8)


@dataclass(frozen=True)
class TestImages:
    """The common test images, and what each scenario and arm predicted for them.

    Attributes:
        sheets: images by source.
        places: (source, row, class) of every image; predictions and the images of each sheet are in this order.
        predictions: two texts by scenario and arm, with a character per image: the number of seeds that classify it
            correctly, and the class that most of them predict (index of the study's classes). `UNTESTED` if the
            scenario was not tested on the image.
        total: number of test images; the page shows at most `MAX_TESTED` of them.
    """

    sheets: dict[str, Sheet]
    places: list[tuple[str, int, str]]
    predictions: dict[str, dict[str, tuple[str, str]]]
    total: int


def load_test_images(images: str | Path, pixels: Mapping[str, str | Path], classes: Sequence[str]) -> TestImages:
    """The common test images with their predictions.

    Args:
        images: `images.parquet`.
        pixels: `.npy` of every source.
        classes: names of the study's classes, in order.
    """
    table = pd.read_parquet(images)
    index = table.drop_duplicates(["source", "row"])[["source", "row", "class"]]
    total = len(index)
    if total > MAX_TESTED:
        index = index.iloc[evenly_spaced(list(range(total)), MAX_TESTED)]
    # sheets hold one source each
    index = index.sort_values("source", kind="stable").reset_index(drop=True)
    sheets = {
        str(source): make_sheet(map_pixels(pixels[str(source)])[group["row"].to_numpy(dtype=int)])
        for source, group in index.groupby("source", sort=False)
    }
    places = pd.MultiIndex.from_frame(index[["source", "row"]])
    predictions: dict[str, dict[str, tuple[str, str]]] = {}
    for key, rows in table.groupby(["scenario", "arm"], sort=False):
        scenario, arm = map(str, key)
        predictions.setdefault(scenario, {})[arm] = _encode(rows, places, classes)
    return TestImages(sheets, [tuple(row) for row in index.to_numpy().tolist()], predictions, total)


def _encode(table: pd.DataFrame, places: pd.MultiIndex, classes: Sequence[str]) -> tuple[str, str]:
    """The two texts of `TestImages.predictions` for one scenario and arm."""
    rows = table.set_index(["source", "row"]).reindex(places)
    label = {name: _character(i) for i, name in enumerate(classes)}
    counts = [UNTESTED if pd.isna(n) else _character(int(n)) for n in rows["n_correct"]]
    names = [label.get(name, UNTESTED) for name in rows["predicted"]]
    return "".join(counts), "".join(names)


def _character(number: int) -> str:
    return chr(ord(ZERO) + number)
