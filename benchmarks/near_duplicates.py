"""Measure the search for near-duplicates: recall of altered copies, pairs of different images found, and time.

    python benchmarks/near_duplicates.py [--photos 300] [--images 5000 10000 25000 50000]

Uses the photographs in ../shared/data, or drawn images if it does not exist. The thresholds were chosen on one half of
the photographs (by a hash of the name). This program reports the other half, with copies from other seeds.

Copies of each kind are searched among all photographs of that half. Finally one copy of each photograph, of each kind
in turn, is searched among these photographs and the largest number of other images.
"""

import argparse
import hashlib
import io
import pickle
import resource
import tarfile
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageEnhance, ImageFont, ImageOps

from distillery.curation.duplicates.candidate_pairs import candidate_pairs
from distillery.curation.duplicates.near_duplicates import find_near_duplicates, fingerprints_of, search_pairs
from distillery.curation.thumbnails import join_thumbnails, stack_thumbnails, thumbnails_of, to_thumbnail
from distillery_demo.drawing import CLASSES, draw

DATA = Path(__file__).parents[2] / "shared" / "data"
SEED = 20_000  # of the copies; the thresholds were chosen with other seeds
Copy = Callable[[Image.Image, np.random.Generator], Image.Image]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--photos", type=int, default=300, help="number of photographs that are copied")
    sizes = {"nargs": "*", "default": [5_000, 10_000, 25_000, 50_000]}
    parser.add_argument("--images", type=int, **sizes, help="numbers of images to search")
    parser.add_argument("--processes", type=int, default=2)
    parser.add_argument("--sheet", type=Path, help="PNG to write, of the pairs found among different photographs")
    options = parser.parse_args()
    photos = photographs()
    recall(photos, options.photos)
    false_alarms(photos, options.sheet)
    for count in sorted(options.images):
        speed(count, options.processes)
    if options.images:
        recall_among(photos, max(options.images), options.processes)


def photographs() -> list[tuple[str, Image.Image]]:
    """Class and image of the photographs on which no threshold was chosen."""
    archive = DATA / "web" / "web_images.tar"
    if not archive.exists():
        print("../shared/data does not exist: using drawn images")
        return [(label, draw(label, "google", seed, 160)) for label in CLASSES for seed in range(40)]
    with tarfile.open(archive) as tar:
        names = sorted(name for name in tar.getnames() if name.endswith(".jpg"))
        reported = [name for name in names if int(hashlib.sha256(name.encode()).hexdigest(), 16) % 2]
        return [(name.split("/")[0], read_image(tar.extractfile(name).read())) for name in reported]


def read_image(data: bytes) -> Image.Image:
    return Image.open(io.BytesIO(data)).convert("RGB")


# --- copies -----------------------------------------------------------------------------------------------------------


def jpeg(image: Image.Image, quality: int) -> Image.Image:
    buffer = io.BytesIO()
    image.save(buffer, "JPEG", quality=quality)
    return read_image(buffer.getvalue())


def crop(share: float, centered: bool = False) -> Copy:
    """Keep a part of an image, `1 - share` of its width and height, at a random position or the center."""

    def copy(image, rng):
        width, height = (round(side * (1 - share)) for side in image.size)
        left, top = (image.width - width) // 2, (image.height - height) // 2
        if not centered:
            left, top = rng.integers(image.width - width + 1), rng.integers(image.height - height + 1)
        return image.crop((left, top, left + width, top + height))

    return copy


def cut(share: float) -> Copy:
    """Cut off a share of an image at one random side."""

    def copy(image, rng):
        width, height = image.size
        x, y = round(width * share), round(height * share)
        boxes = [(x, 0, width, height), (0, 0, width - x, height), (0, y, width, height), (0, 0, width, height - y)]
        return image.crop(boxes[rng.integers(4)])

    return copy


def border(share: float) -> Copy:
    """Add a frame whose width is a share of the image's shorter side."""
    return lambda image, rng: ImageOps.expand(image, round(share * min(image.size)), black_or_white(rng))


def black_or_white(rng):
    return ((0, 0, 0), (255, 255, 255))[rng.integers(2)]


def bar(share: float, added: bool) -> Copy:
    """Put a bar with text at the top or bottom: over the image, or added to its height."""

    def copy(image, rng):
        width, height = image.size
        tall, color, at_top = round(height * share), black_or_white(rng), bool(rng.integers(2))
        canvas = Image.new("RGB", (width, height + tall * added))
        canvas.paste(image, (0, tall * (added and at_top)))
        top = 0 if at_top else canvas.height - tall
        pen = ImageDraw.Draw(canvas)
        pen.rectangle((0, top, width, top + tall - 1), fill=color)
        text, size = f"SALE No. {rng.integers(1000)}", max(6, round(tall * 0.5))
        pen.text((4, top + tall // 5), text, fill=tuple(255 - v for v in color), font=ImageFont.load_default(size))
        return canvas

    return copy


def turn(degrees: float, expand: bool) -> Copy:
    """Rotate clockwise or counterclockwise; empty corners are filled (`expand`) or cropped."""

    def copy(image, rng):
        angle = degrees * (1 if rng.integers(2) else -1)
        turned = image.rotate(angle, Image.Resampling.BICUBIC, expand=expand, fillcolor=black_or_white(rng))
        if expand:
            return turned
        slope = np.tan(np.radians(degrees)) / 2
        x, y = round(image.height * slope) + 1, round(image.width * slope) + 1
        return turned.crop((x, y, image.width - x, image.height - y))

    return copy


def watermark(lines: int) -> Copy:
    """Write half-transparent text over an image."""

    def copy(image, rng):
        layer = Image.new("RGBA", image.size)
        pen, font = ImageDraw.Draw(layer), ImageFont.load_default(max(8, image.width // 7))
        for line in range(lines):
            y = image.height * (line + 0.5) / lines - image.width / 14
            pen.text((image.width * 0.08, y), "stock photo", fill=(255, 255, 255, 120), font=font)
        return Image.alpha_composite(image.convert("RGBA"), layer).convert("RGB")

    return copy


def scaled_channels(image: Image.Image, factors: tuple[float, float, float]) -> Image.Image:
    return Image.fromarray((np.asarray(image, float) * factors).clip(0, 255).astype(np.uint8))


COPIES: dict[str, Copy] = {
    "JPEG quality 50": lambda image, rng: jpeg(image, 50),
    "half the size": lambda image, rng: image.reduce(2),
    "mirrored": lambda image, rng: ImageOps.mirror(image),
    "grayscale": lambda image, rng: image.convert("L").convert("RGB"),
    "warmer": lambda image, rng: scaled_channels(image, (1.15, 1, 0.8)),
    "more contrast": lambda image, rng: ImageEnhance.Contrast(image).enhance(1.4),
    "center square": lambda image, rng: ImageOps.fit(image, (min(image.size),) * 2),
    **{f"crop {share:.0%}, centered": crop(share, True) for share in (0.05, 0.1, 0.2, 0.25)},
    **{f"crop {share:.0%}, anywhere": crop(share) for share in (0.05, 0.1, 0.2, 0.25)},
    **{f"one side cut by {share:.0%}": cut(share) for share in (0.1, 0.2, 0.25)},
    "mirrored, one side cut by 20%": lambda image, rng: ImageOps.mirror(cut(0.2)(image, rng)),
    **{f"border of {share:.0%}": border(share) for share in (0.05, 0.1)},
    **{f"text bar over {share:.0%}": bar(share, False) for share in (0.1, 0.2, 0.25)},
    **{f"text bar added, {share:.0%}": bar(share, True) for share in (0.1, 0.25)},
    **{f"turned by {degrees}°, corners filled": turn(degrees, True) for degrees in (2, 5)},
    **{f"turned by {degrees}°, cropped": turn(degrees, False) for degrees in (2, 5)},
    "watermark, one line": watermark(1),
    "watermark, three lines": watermark(3),
}


# --- measurements -----------------------------------------------------------------------------------------------------


def recall(photos: list[tuple[str, Image.Image]], count: int) -> None:
    """Print, for each kind of copy, the fraction that become candidate pairs and the fraction that are found."""
    chosen = np.random.default_rng(SEED).permutation(len(photos))[:count].tolist()
    own = [to_thumbnail(image) for _, image in photos]
    prints = fingerprints_of(stack_thumbnails(own))
    print(f"{len(chosen)} copies of each kind among {len(photos)} images\n{'copy':34}candidates  found")
    for name, copy in COPIES.items():
        copies = [to_thumbnail(copy_of(photos[place][1], copy, place)) for place in chosen]
        wanted = {(place, len(own) + number) for number, place in enumerate(chosen)}
        thumbnails = stack_thumbnails([*own, *copies])
        all_prints = [*prints, *fingerprints_of(stack_thumbnails(copies))]
        candidates = len(wanted & set(map(tuple, candidate_pairs(all_prints).pairs.tolist())))
        found = len(wanted & set(map(tuple, find_near_duplicates(thumbnails, all_prints).pairs.tolist())))
        print(f"{name:34}{candidates / len(chosen):9.1%}  {found / len(chosen):6.1%}", flush=True)


def copy_of(image: Image.Image, copy: Copy, place: int) -> Image.Image:
    """A copy of an image, saved as JPEG of quality 85; `place` seeds its random changes."""
    return jpeg(copy(image, np.random.default_rng((SEED, place))), 85)


def recall_among(photos: list[tuple[str, Image.Image]], others: int, processes: int) -> None:
    """Print the fraction of copies found, one copy of each photograph, among many other images."""
    kinds = list(COPIES.values())
    copies = [copy_of(image, kinds[place % len(kinds)], place) for place, (_, image) in enumerate(photos)]
    small = [to_thumbnail(image) for image in [*(image for _, image in photos), *copies]]
    thumbnails = join_thumbnails([stack_thumbnails(small), thumbnails_of(many_images(others))])
    prints = fingerprints_of(thumbnails, processes)
    pairs = set(map(tuple, find_near_duplicates(thumbnails, prints, processes=processes).pairs.tolist()))
    found = sum((place, place + len(photos)) in pairs for place in range(len(photos)))
    print(f"one copy of each photograph, among {len(thumbnails):,} images: {found / len(photos):.1%} found")


def false_alarms(photos: list[tuple[str, Image.Image]], sheet: Path | None) -> None:
    """Print how many pairs are found among the photographs themselves; whether they are copies, a person must judge."""
    thumbnails = stack_thumbnails([to_thumbnail(image) for _, image in photos])
    pairs = search_pairs(thumbnails)
    labels = [label for label, _ in photos]
    of_one_class = sum(count * (count - 1) // 2 for count in Counter(labels).values())
    within = sum(labels[one] == labels[other] for one, other in pairs)
    print(f"\n{len(photos)} photographs: {within} pairs found of {of_one_class:,} of one class, {len(pairs)} in all")
    if sheet and len(pairs):
        draw_pairs([(photos[one][1], photos[other][1]) for one, other in pairs], sheet)


def draw_pairs(pairs: list[tuple[Image.Image, Image.Image]], path: Path, columns: int = 5, side: int = 120) -> None:
    canvas = Image.new("RGB", (columns * (2 * side + 20), -(-len(pairs) // columns) * (side + 8)), "white")
    for place, pair in enumerate(pairs):
        for which, image in enumerate(pair):
            small = ImageOps.contain(image, (side, side))
            canvas.paste(small, (place % columns * (2 * side + 20) + which * side, place // columns * (side + 8)))
    canvas.save(path)


def speed(count: int, processes: int) -> None:
    """Print the seconds of the whole search, and of finding corners."""
    thumbnails = thumbnails_of(many_images(count))
    started, before = time.perf_counter(), cpu_seconds()
    prints = fingerprints_of(thumbnails, processes)
    corners, corners_cpu = time.perf_counter(), cpu_seconds()
    found = find_near_duplicates(thumbnails, prints, processes=processes)
    ended, after = time.perf_counter(), cpu_seconds()
    print(
        f"{len(thumbnails):,} images, {processes} processes: {ended - started:.0f} s ({corners - started:.0f} s to find"
        f" corners), {after - before:.0f} s of CPU ({corners_cpu - before:.0f} s), {len(found.pairs):,} pairs found",
        flush=True,
    )


def cpu_seconds() -> float:
    usage = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(each.ru_utime + each.ru_stime for each in usage)


def many_images(count: int) -> np.ndarray:
    """Images of CIFAR-10 (train images first) if a folder contains them, or smooth random images."""
    folders = [DATA / "cifar10" / "cifar-10-batches-py", Path("resources/cifar10/cifar-10-batches-py")]
    for folder in folders:
        if folder.exists():
            names = [*(f"data_batch_{number}" for number in range(1, 6)), "test_batch"]
            parts = [pickle.loads((folder / name).read_bytes(), encoding="bytes")[b"data"] for name in names]
            return np.concatenate(parts).reshape(-1, 3, 32, 32).transpose(0, 2, 3, 1)[:count]
    print("CIFAR-10 is not unpacked: using smooth random images")
    coarse = np.random.default_rng(0).integers(0, 256, (count, 9, 9, 3), dtype=np.uint8)
    return np.stack([np.asarray(Image.fromarray(c).resize((64, 64), Image.Resampling.BICUBIC)) for c in coarse])


if __name__ == "__main__":
    main()
