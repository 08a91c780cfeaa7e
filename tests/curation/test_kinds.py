"""Kinds of images: what the statistics measure, how the classifier decides, and how accurate it is on new images."""

import csv
import hashlib
import tarfile
from pathlib import Path

import numpy as np
import pytest
from matplotlib.cbook import get_sample_data
from PIL import Image, ImageFilter

from distillery.curation.decoding import center, decode, to_square
from distillery.curation.kinds.classifier import DRAWN, KINDS, KindModel, expanded, find_kinds, kind_model
from distillery.curation.kinds.statistics import NAMES, image_statistics
from distillery.curation.thumbnails import to_thumbnail
from distillery_demo.kinds import draw_kind

ROOT = Path(__file__).parents[2]
WEB = ROOT.parent / "shared" / "data" / "web" / "web_images.tar"


def statistics_of(image):
    return image_statistics(to_thumbnail(image), to_square(center(image), 32))


def named(gray, square=None):
    """Statistics of a gray image, by name."""
    square = np.zeros((32, 32, 3), np.uint8) if square is None else square
    return dict(zip(NAMES, image_statistics(gray, square), strict=True))


@pytest.fixture(scope="module")
def photo():
    with get_sample_data("grace_hopper.jpg") as file:
        return Image.open(file).convert("RGB")


def kinds_of(images):
    kinds, scores = find_kinds(np.array([statistics_of(image) for image in images]), [image.size for image in images])
    assert set(kinds) <= set(KINDS) and ((scores >= 0) & (scores <= 1)).all()
    return kinds


def test_the_statistics_of_a_line_on_white():
    gray = np.full((61, 90), 255, np.uint8)
    gray[31:] = 55
    found = named(gray)
    assert found["up_to_1"] == found["up_to_96"] == pytest.approx(1 - 1 / 30, abs=0.01)  # of every second row of steps
    assert found["row_line"] > 10 * found["column_line"] and found["column_line"] == 0
    assert found["white"] == pytest.approx(0.5, abs=0.02) and found["black"] == 0
    assert (found["dark"], found["bright"]) == (pytest.approx(55 / 255), 1)
    gray[:, 60:] = 55  # the line ends inside the image
    assert named(gray)["row_line"] == 0 and named(gray)["column_line"] == 0


def test_the_border_and_the_colors():
    gray = np.random.default_rng(0).integers(0, 256, (80, 80), dtype=np.uint8)
    gray[:2], gray[-2:], gray[:, :2], gray[:, -2:] = 201, 200, 202, 200
    found = named(gray)
    assert found["same_border"] == 1 and found["border"] == pytest.approx(200 / 255, abs=0.01)
    square = np.zeros((32, 32, 3), np.uint8)
    square[:8], square[8:10] = (255, 0, 0), (0, 0, 255)
    for size in (32, 64):  # larger squares are reduced
        found = named(gray, np.repeat(np.repeat(square, size // 32, 0), size // 32, 1))
        assert found["top_color"] == 22 / 32 and found["top_colors"] == 1 and found["colors"] == 3 / 64


def test_probabilities_are_those_of_the_formula_for_any_number_of_images():
    rng = np.random.default_rng(0)
    features = len(NAMES)
    products = features + features * (features + 1) // 2
    model = KindModel(
        rng.normal(size=features), rng.uniform(1, 2, features), rng.normal(size=(products, 6)), rng.normal(size=6)
    )
    statistics = rng.normal(size=(50, features)) * 3
    found = model.probabilities(statistics)
    for row, probabilities in zip(statistics, found, strict=True):
        z = np.clip((row - model.mean) / model.scale, -4, 4)
        products = [z[i] * z[j] for i in range(features) for j in range(i, features)]
        odds = np.exp(np.concatenate([z, products]) @ model.weights + model.bias - 50)
        assert probabilities == pytest.approx(odds / odds.sum(), abs=1e-9)
        assert np.array_equal(model.probabilities(row[None])[0], probabilities)
    assert expanded(np.zeros((0, 3))).shape == (0, 9)


def test_drawn_kinds_are_distinguished_from_photos(photo):
    corners = [(0, 0), (120, 0), (60, 150), (0, 250), (150, 200)]
    photos = [photo.crop((x, y, x + 300, y + 300)) for x, y in corners]
    assert kinds_of([photo, *photos, photo.convert("L").convert("RGB")]) == ["photo"] * 7
    rng = np.random.default_rng(7)
    for kind, least in (("icon", 18), ("text", 19), ("screenshot", 6)):
        found = kinds_of([draw_kind(kind, rng, photos) for _ in range(20)])
        assert np.isin(found, DRAWN).sum() >= least and found.count(kind) >= least - 2
    for kind in ("drawing", "collage"):
        assert np.isin(kinds_of([draw_kind(kind, rng, photos) for _ in range(20)]), DRAWN).any()


def test_dark_blurred_and_long_photos_have_these_kinds(photo):
    dark = photo.point(lambda level: level * 0.25)
    blurred = photo.filter(ImageFilter.GaussianBlur(0.05 * max(photo.size)))
    long = photo.crop((0, 0, photo.width, photo.width // 5))
    assert kinds_of([dark, blurred, long]) == ["dark", "blurred", "extreme_aspect"]


def test_no_images_have_no_kinds():
    kinds, scores = find_kinds(np.empty((0, len(NAMES))), [])
    assert kinds == [] and len(scores) == 0


def test_the_model_was_trained_on_these_statistics():
    model = kind_model()
    assert model.weights.shape == (expanded(np.zeros((1, len(NAMES)))).shape[1], 1 + len(DRAWN))


@pytest.mark.skipif(not WEB.exists(), reason="the web images in ../shared are missing")
def test_on_web_images_that_it_was_not_trained_on():
    labels = {}
    with open(ROOT / "benchmarks" / "image_kinds_labels.csv", newline="") as file:
        labels = {row["sha256"]: row["kind"] for row in csv.DictReader(file)}
    found, truth = [], []
    with tarfile.open(WEB) as tar:
        for member in sorted(tar.getmembers(), key=lambda each: each.name):
            data = tar.extractfile(member).read() if member.name.endswith(".jpg") else b""
            key = hashlib.sha256(data).hexdigest()
            kind = labels.get(key[:16], "photo")
            # from the half that the classifier did not train on: all drawings, and every eighth photo
            if data and int(key[0], 16) % 2 and (kind == "drawing" or (kind == "photo" and int(key[1], 16) < 2)):
                found.append(statistics_of(decode(data, side=32).image))
                truth.append(kind)
    kinds, _ = find_kinds(np.array(found), [(1, 1)] * len(found))
    taken, drawn = np.isin(kinds, DRAWN), np.array(truth) == "drawing"
    assert drawn.sum() == 38 and (~drawn).sum() > 100
    assert taken[drawn].mean() > 0.3 and taken[~drawn].mean() < 0.03
