"""Images in the page: sheets, samples of sources, and test images with predictions."""

import base64
import hashlib
import io
import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from distillery.curation.decoding import to_square
from distillery.page import images
from distillery.page.script_data import script_json
from distillery.storage.records import ImageRecord
from distillery.storage.retrieved.pools import image_key, write_pool


def test_a_sheet_holds_every_image_in_its_place():
    colors = np.random.default_rng(0).integers(0, 256, (60, 1, 1, 3), dtype=np.uint8)
    sheet = images.make_sheet(np.broadcast_to(colors, (60, 16, 16, 3)))
    image = Image.open(io.BytesIO(base64.b64decode(sheet.data.partition(",")[2]))).convert("RGB")
    assert (sheet.side, sheet.columns, sheet.count) == (16, 50, 60) and image.size == (800, 32)
    for place in (0, 49, 50, 59):
        middle = image.getpixel((place % 50 * 16 + 8, place // 50 * 16 + 8))
        assert np.abs(np.array(middle) - colors[place, 0, 0]).max() < 40  # WebP is lossy
    assert images.make_sheet(np.zeros((2, 512, 512, 3), np.uint8)).side == images.MAX_SIDE
    assert images.make_sheet(np.zeros((0, 16, 16, 3), np.uint8)).count == 0


def test_a_source_sample_is_evenly_spaced_in_each_class(write_curated):
    table = write_curated("google", kept=20)
    sample = images.source_sample(table.with_suffix(".npy"), table)
    assert [item["class"] for item in sample.items] == ["cat"] * 4 + ["dog"] * 4
    assert sample.sheet.count == 8 and len({item["row"] for item in sample.items}) == 8


def test_samples_are_drawn_from_the_images_as_they_were_retrieved(write_curated, tmp_path):
    """If the pool's images are larger, the page shows more pixels than the networks see."""
    table = write_curated("google", kept=20)
    original = np.random.default_rng(1).integers(0, 256, (200, 300, 3), dtype=np.uint8)
    buffer = io.BytesIO()
    Image.fromarray(original).save(buffer, "PNG")
    rows = pd.read_parquet(table)
    sha = hashlib.sha256(buffer.getvalue()).hexdigest()
    record = ImageRecord(
        source="google", label="cat", kind="google", origin="x", key=image_key(buffer.getvalue()), sha256=sha
    )
    write_pool(tmp_path / "cat.tar", tmp_path / "cat.jsonl", [(record, buffer.getvalue())])
    rows["key"] = record.key
    rows.to_parquet(table)
    sheet = images.source_sample(table.with_suffix(".npy"), table, [tmp_path / "cat.tar"]).sheet
    assert sheet.side == images.SAMPLE_SIDE
    shown = Image.open(io.BytesIO(base64.b64decode(sheet.data.partition(",")[2]))).convert("RGB")
    first = np.asarray(shown.crop((0, 0, sheet.side, sheet.side)), dtype=float)
    expected = np.asarray(to_square(Image.fromarray(original), sheet.side), dtype=float)
    assert np.abs(first - expected).mean() < 25  # WebP is lossy


@pytest.fixture
def tested(tmp_path):
    """Four images of two sources; scenario b was only tested on one source."""
    places = [("google", 0, "cat"), ("bing", 3, "dog"), ("google", 2, "dog"), ("bing", 1, "cat")]
    rows = [
        ("a", "kd", *place, 3, i, name)
        for i, (place, name) in enumerate(zip(places, ["cat", "dog", "cat", "dog"], strict=True))
    ]
    rows += [("b", "kd", *places[1], 3, 3, "dog")]
    columns = ["scenario", "arm", "source", "row", "class", "n_seeds", "n_correct", "predicted"]
    pd.DataFrame(rows, columns=columns).to_parquet(tmp_path / "images.parquet")
    for source in ("google", "bing"):
        np.save(tmp_path / f"{source}.npy", np.zeros((4, 8, 8, 3), np.uint8))
    return tmp_path


def test_predictions_belong_to_their_images(tested, monkeypatch):
    pixels = {name: tested / f"{name}.npy" for name in ("google", "bing")}
    found = images.load_test_images(tested / "images.parquet", pixels, ["cat", "dog"])
    assert found.places == [("bing", 3, "dog"), ("bing", 1, "cat"), ("google", 0, "cat"), ("google", 2, "dog")]
    assert found.predictions == {"a": {"kd": ("1302", "1100")}, "b": {"kd": ("3---", "1---")}}
    assert {name: sheet.count for name, sheet in found.sheets.items()} == {"bing": 2, "google": 2} and found.total == 4
    monkeypatch.setattr(images, "MAX_TESTED", 2)
    fewer = images.load_test_images(tested / "images.parquet", pixels, ["cat", "dog"])
    assert len(fewer.places) == 2 and fewer.total == 4 and len(fewer.predictions["a"]["kd"][0]) == 2


def test_many_classes_stay_distinct(tested):
    classes = [f"class {i}" for i in range(300)]
    rows = {"scenario": "a", "arm": "kd", "source": "google", "row": range(300), "class": classes, "predicted": classes}
    pd.DataFrame(rows | {"n_correct": range(300)}).to_parquet(tested / "images.parquet")
    np.save(tested / "google.npy", np.zeros((300, 1, 1, 3), np.uint8))
    found = images.load_test_images(tested / "images.parquet", {"google": tested / "google.npy"}, classes)
    for text in found.predictions["a"]["kd"]:
        # as the page's script reads them: 16 bits per character
        units = np.frombuffer(json.loads(script_json(text)).encode("utf-16-le"), np.uint16)
        assert (units - ord(images.ZERO)).tolist() == list(range(300))
    script = (Path(images.__file__).parent / "script.js").read_text()
    assert f'const ZERO = "{images.ZERO}".charCodeAt(0);' in script and ord(images.UNTESTED) < ord(images.ZERO)
