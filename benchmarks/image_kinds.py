"""Measure the classifier of kinds of images (`curation/kinds`) on web images that it was not trained on, or train it.

    python benchmarks/image_kinds.py web_images.tar            # measures
    python benchmarks/image_kinds.py web_images.tar --train    # trains first, and writes coefficients.json

The archive contains 2,219 images from the web, `class/file.jpg`, of at most 160 pixels. One rater labeled them by eye
on 17 contact sheets of 108 to 216, and looked at 150 doubtful ones again at 160 pixels. `image_kinds_labels.csv` lists
those that are not plain photos, by the first 16 hex digits of their SHA-256. A poster is a photo with much text on it;
it counts as a photo. The 20 images that the rater could not decide on (`unsure`) are ignored.

The classifier trains on images whose hash starts with an even digit, on a darker, duller or softer copy of each photo
among these, and on 2,100 images that `distillery_demo.kinds` draws, some of them from these photos. Regularization and
threshold were chosen by cross-validation within that half. docs/data.md has the results.
"""

import argparse
import csv
import hashlib
import io
import json
import tarfile
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from PIL import Image, ImageEnhance, ImageFilter
from scipy.optimize import minimize

from distillery.curation.decoding import Rejected, center, decode, to_square
from distillery.curation.kinds.classifier import COEFFICIENTS, DRAWN, PHOTO, KindModel, expanded, find_kinds, kind_model
from distillery.curation.kinds.statistics import NAMES, image_statistics
from distillery.curation.thumbnails import to_thumbnail
from distillery_demo.kinds import draw_kind

LABELS = Path(__file__).with_name("image_kinds_labels.csv")
SIDE = 32  # pixels, of the study
DRAWN_OF_EACH = {"drawing": 900, "icon": 300, "text": 300, "screenshot": 300, "collage": 300}
TESTED = 100_000  # drawn images with seeds from here on are only for testing
REGULARIZATION, WEIGHT_OF_REAL, WEIGHT_OF_DRAWN = 0.03, 5.0, 0.3


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("archive")
    parser.add_argument("--train", action="store_true")
    options = parser.parse_args()
    web = read_web(options.archive)
    photos = [Image.open(io.BytesIO(data)).convert("RGB") for data, label, trained in web if trained and label == PHOTO]
    if options.train:
        model = train(web, photos)
        COEFFICIENTS.write_text(as_json(model), encoding="utf-8")
        kind_model.cache_clear()
    report_web([(data, label) for data, label, trained in web if not trained])
    report_drawn(photos)
    report_blurred([data for data, label, trained in web if not trained and label == PHOTO])


def read_web(archive: str) -> list[tuple[bytes, str, bool]]:
    """The bytes and label of each image, and whether the classifier trains on it."""
    with open(LABELS, newline="", encoding="utf-8") as file:
        labels = {row["sha256"]: row["kind"] for row in csv.DictReader(file)}
    found = []
    with tarfile.open(archive) as tar:
        for member in sorted(tar.getmembers(), key=lambda each: each.name):
            if member.name.endswith(".jpg"):
                data = tar.extractfile(member).read()
                key = hashlib.sha256(data).hexdigest()
                found.append((data, labels.get(key[:16], PHOTO), int(key[0], 16) % 2 == 0))
    return found


def statistics_of(data: bytes) -> tuple[np.ndarray, tuple[int, int]]:
    image = decode(data, side=SIDE)
    square = to_square(center(image.image), SIDE)
    return image_statistics(to_thumbnail(image.image), square), (image.width, image.height)


def encoded(image: Image.Image, quality: int) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, "JPEG", quality=quality)
    return buffer.getvalue()


def draw_all(photos: list[Image.Image], first_seed: int, share: float = 1.0) -> list[tuple[bytes, str]]:
    found = []
    for kind, count in DRAWN_OF_EACH.items():
        for seed in range(first_seed, first_seed + round(share * count)):
            rng = np.random.default_rng([seed, len(kind)])
            found.append((encoded(draw_kind(kind, rng, photos), int(rng.integers(50, 96))), kind))
    return found


def altered(photo: Image.Image, seed: int) -> bytes:
    """A photo as a worse camera or worse light would show it, as JPEG: blurred, darker, duller or gray."""
    rng = np.random.default_rng(seed)
    if rng.random() < 0.5:
        photo = photo.filter(ImageFilter.GaussianBlur(rng.uniform(0, 1.5) * max(photo.size) / 96))
    photo = ImageEnhance.Brightness(photo).enhance(rng.uniform(0.35, 1.2))
    photo = ImageEnhance.Contrast(photo).enhance(rng.uniform(0.5, 1.1))
    if rng.random() < 0.2:
        photo = photo.convert("L").convert("RGB")
    return encoded(photo, int(rng.integers(50, 96)))


def train(web: list[tuple[bytes, str, bool]], photos: list[Image.Image]) -> KindModel:
    kinds = [PHOTO, *DRAWN]
    as_photo = {"poster": PHOTO, "blurred": PHOTO}
    real = [(data, as_photo.get(label, label)) for data, label, trained in web if trained and label != "unsure"]
    rows, targets, weights = [], [], []
    for data, kind, weight in [
        *((data, kind, 1.0 if kind == PHOTO else WEIGHT_OF_REAL) for data, kind in real),
        *((altered(photo, seed), PHOTO, WEIGHT_OF_DRAWN) for seed, photo in enumerate(photos)),
        *((data, kind, WEIGHT_OF_DRAWN) for data, kind in draw_all(photos, 0)),
    ]:
        try:
            rows.append(statistics_of(data)[0])
        except Rejected:  # blank
            continue
        targets.append(kinds.index(kind))
        weights.append(weight)
    statistics, weight = np.array(rows), np.array(weights) / sum(weights)
    mean, scale = statistics.mean(axis=0), statistics.std(axis=0) + 1e-6
    features, truth = expanded((statistics - mean) / scale), np.eye(len(kinds))[targets]
    shape = features.shape[1], len(kinds)

    def loss(parameters: np.ndarray) -> tuple[float, np.ndarray]:
        matrix, bias = parameters[: -shape[1]].reshape(shape), parameters[-shape[1] :]
        logits = features @ matrix + bias
        logits -= logits.max(axis=1, keepdims=True)
        found = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
        residual = (found - truth) * weight[:, None]
        value = -(weight * np.log((found * truth).sum(axis=1) + 1e-12)).sum() + REGULARIZATION * (matrix**2).sum()
        gradient = features.T @ residual + 2 * REGULARIZATION * matrix
        return float(value), np.concatenate([gradient.ravel(), residual.sum(axis=0)])

    best = minimize(loss, np.zeros((shape[0] + 1) * shape[1]), jac=True, method="L-BFGS-B", options={"maxiter": 400}).x
    return KindModel(mean, scale, best[: -shape[1]].reshape(shape), best[-shape[1] :])


def as_json(model: KindModel) -> str:
    parts = {name: getattr(model, name).round(5).tolist() for name in ("mean", "scale", "weights", "bias")}
    rows = ",\n".join(f"  {json.dumps(row)}" for row in parts.pop("weights"))
    head = json.dumps({"statistics": list(NAMES), "kinds": [PHOTO, *DRAWN], **parts}, indent=0)
    return head[:-2] + f',\n"weights": [\n{rows}\n]\n}}\n'


def report_web(tested: list[tuple[bytes, str]]) -> None:
    """Print precision and recall for images that are not photos, on web images that the classifier did not train on."""
    counted = [(data, label) for data, label in tested if label != "unsure"]
    statistics, sizes = zip(*(statistics_of(data) for data, _ in counted), strict=True)
    kinds, _ = find_kinds(np.array(statistics), sizes)
    labels = [label for _, label in counted]
    print(f"{len(labels)} web images: {dict(Counter(labels))}; found {dict(Counter(kinds))}")
    for label in dict.fromkeys(labels):
        print(f"  labeled {label}: {dict(Counter(kinds_with_label(kinds, labels, label)))}")
    found, drawn = np.isin(kinds, DRAWN), np.isin(labels, ("drawing", "collage"))
    hits = (found & drawn).sum()
    print(f"  not a photo: precision {hits} of {found.sum()}, recall {hits} of {drawn.sum()}")


def kinds_with_label(kinds: Sequence[str], labels: Sequence[str], label: str) -> list[str]:
    """The predicted kinds of the images with a label."""
    return [kind for kind, own_label in zip(kinds, labels, strict=True) if own_label == label]


def report_drawn(photos: list[Image.Image]) -> None:
    """Print the recall on drawn images with seeds that the classifier did not train on."""
    statistics, sizes, labels = [], [], []
    for data, label in draw_all(photos, TESTED, 1 / 3):
        try:
            found = statistics_of(data)
        except Rejected:
            continue
        statistics.append(found[0])
        sizes.append(found[1])
        labels.append(label)
    kinds, _ = find_kinds(np.array(statistics), sizes)
    for label in dict.fromkeys(labels):
        predicted = kinds_with_label(kinds, labels, label)
        recall = np.isin(predicted, DRAWN).mean()
        print(f"drawn {label}: {len(predicted)}, not a photo {recall:.2f}, {dict(Counter(predicted))}")


def report_blurred(photos: list[bytes]) -> None:
    """Print the kinds found among photos that are blurred or darkened."""
    for sigma in (2, 3, 4):  # pixels, if the longer side has 96
        changed = []
        for data in photos[::7]:
            image = Image.open(io.BytesIO(data)).convert("RGB")
            changed.append(encoded(image.filter(ImageFilter.GaussianBlur(sigma * max(image.size) / 96)), 90))
        statistics, sizes = zip(*map(statistics_of, changed), strict=True)
        print(f"blurred by {sigma} of 96 pixels: {dict(Counter(find_kinds(np.array(statistics), sizes)[0]))}")
    dark = [encoded(Image.open(io.BytesIO(data)).convert("RGB").point(lambda v: v * 0.25), 90) for data in photos[::7]]
    statistics, sizes = zip(*map(statistics_of, dark), strict=True)
    print(f"darkened to a quarter: {dict(Counter(find_kinds(np.array(statistics), sizes)[0]))}")


if __name__ == "__main__":
    main()
