"""The images inside the page: galleries of the sources, and the test images with what was said of them."""

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

from distillery.figures.contact_sheets import evenly_spaced

LARGEST = 64  # pixels a side inside the page
COLUMNS = 50  # images side by side in a sheet
PER_CLASS = 8  # of a gallery
MOST = 4000  # test images inside the page
ZERO = "0"  # one character a number, counted from here, however many classes: as script.js reads them
UNTESTED = "-"  # before ZERO, so no number
TOLD = ("title", "creator", "license", "page", "url", "query", "prompt", "model", "origin")


@dataclass(frozen=True)
class Sheet:
    """Images of one size in one image, row by row.

    Attributes:
        data: a data URL.
        side: pixels of an image.
        columns: images in a row.
        count: of images.
    """

    data: str
    side: int
    columns: int
    count: int


def sheet(images: np.ndarray) -> Sheet:
    """Images uint8 [N, S, S, 3] as one WebP, shrunk to at most `LARGEST` pixels a side."""
    side = min(LARGEST, images.shape[1]) if len(images) else 1
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


def gallery(pixels: str | Path, table: str | Path) -> dict[str, Any]:
    """Some kept images of a source, evenly over each class's order, with their provenance.

    Args:
        pixels: `.npy` uint8 [N, S, S, 3].
        table: the curated `.parquet`.
    """
    rows = pd.read_parquet(table)
    kept = rows[rows["kept"].astype(bool)]
    chosen: list[int] = []
    for _, mine in kept.groupby("class", sort=False):
        chosen += [mine.index[place] for place in evenly_spaced(list(range(len(mine))), PER_CLASS)]
    kept = kept.loc[chosen]
    images = np.load(pixels, mmap_mode="r")
    told = [name for name in TOLD if name in kept]
    items = [
        {"class": row["class"], "row": int(row["row"])} | {name: str(row[name]) for name in told if row[name]}
        for row in kept.to_dict("records")
    ]
    return {"sheet": sheet(images[kept["row"].to_numpy(dtype=int)]), "items": items}


@dataclass(frozen=True)
class Tests:
    """The common test images, and for each scenario and arm what was said of them.

    Attributes:
        sheets: by source.
        places: (source, row, class) of every image, in the order of the texts below; sheets are in the same order.
        said: by scenario and arm two texts, a character an image: how many seeds told it right, and which class most
            of them said (of `classes`); `UNTESTED` where the scenario was not tested on it.
        total: of test images; more than `places` where they are too many for a page.
    """

    sheets: dict[str, Sheet]
    places: list[tuple[str, int, str]]
    said: dict[str, dict[str, tuple[str, str]]]
    total: int


def tests(images: str | Path, pixels: Mapping[str, str | Path], classes: Sequence[str]) -> Tests:
    """See `Tests`.

    Args:
        images: `images.parquet`.
        pixels: `.npy` of every source.
        classes: the study's.
    """
    table = pd.read_parquet(images)
    index = table.drop_duplicates(["source", "row"])[["source", "row", "class"]]
    total = len(index)
    if total > MOST:
        index = index.iloc[evenly_spaced(list(range(total)), MOST)]
    # sheets hold one source each
    index = index.sort_values("source", kind="stable").reset_index(drop=True)
    sheets = {
        str(source): sheet(np.load(pixels[source], mmap_mode="r")[mine["row"].to_numpy(dtype=int)])
        for source, mine in index.groupby("source", sort=False)
    }
    places = pd.MultiIndex.from_frame(index[["source", "row"]])
    said: dict[str, dict[str, tuple[str, str]]] = {}
    for (scenario, arm), mine in table.groupby(["scenario", "arm"], sort=False):
        said.setdefault(str(scenario), {})[str(arm)] = _said(mine, places, classes)
    return Tests(sheets, [tuple(row) for row in index.to_numpy().tolist()], said, total)


def _said(table: pd.DataFrame, places: pd.MultiIndex, classes: Sequence[str]) -> tuple[str, str]:
    mine = table.set_index(["source", "row"]).reindex(places)
    label = {name: _character(i) for i, name in enumerate(classes)}
    counts = [UNTESTED if pd.isna(n) else _character(int(n)) for n in mine["n_correct"]]
    names = [label.get(name, UNTESTED) for name in mine["predicted"]]
    return "".join(counts), "".join(names)


def _character(number: int) -> str:
    return chr(ord(ZERO) + number)
