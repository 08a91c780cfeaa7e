"""Measure curation: the search for similar hashes against other methods, and one image against a plain script.

    pip install faiss-cpu==1.15.1 pybktree==1.1    # other methods to compare with; a study does not need them
    python benchmarks/curation.py

On an AMD EPYC with AVX-512 (median of 5 pairs, smallest and largest):

* All pairs of 50,000 hashes within 8 bits take 0.16 s on one core. Comparing all pairs in numpy takes 5.9 times as long
  (4.9-5.9), faiss's range search 4.7 times (3.8-4.8), a BK-tree about 6,600 times. 500,000 hashes take 7.3 s.
* One image, in CPU time, against a script that decodes it, computes imagehash's pHash and resizes it. Ours also rejects
  blank and malicious files, converts color spaces, and detects corners, by which cropped copies are found. For 200
  photographs of 600-1400 pixels it takes 0.35 times as long as the script (0.34-0.37), because it decodes JPEGs at a
  reduced size. For 202 web JPEGs of at most 160 pixels it takes 1.96 times as long: 0.5 of 1.3 ms are for corners.
* The whole job for 2,219 such JPEGs takes 3.1 s for the images and 0.7 s to find 19 near-duplicates. The script takes
  1.7 s, and 4.8 s to compare all pairs of hashes, which grows with the square of the number of images.
"""

import argparse
import io
import statistics
import tarfile
import time
from pathlib import Path

import imagehash
import numpy as np
from PIL import Image, ImageOps

from distillery.curation.curated import curate_image, drop_near_duplicates
from distillery.curation.duplicates.near_hashes import near_hash_pairs
from distillery.storage.records import ImageRecord
from distillery_demo.drawing import CLASSES, draw

DISTANCE = 8


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--hashes", type=int, default=50_000)
    parser.add_argument("--images", type=int, default=200)
    parser.add_argument("--pairs", type=int, default=5, help="measurements of each method, alternating")
    options = parser.parse_args()
    search(options.hashes, options.pairs)
    images(options.images, options.pairs)
    whole_job(11 * options.images)


# --- all pairs --------------------------------------------------------------------------------------------------------


def search(count: int, repeats: int) -> None:
    hashes = np.random.default_rng(0).integers(0, 2**64, count, dtype=np.uint64)
    hashes[: count // 50] = hashes[count // 50 : 2 * (count // 50)] ^ np.uint64(0b10001)
    ways = {"ours": lambda: len(near_hash_pairs(hashes, DISTANCE)), "naive": lambda: naive(hashes)}
    try:
        ways["faiss range search"] = faiss_search(hashes)
    except ImportError:
        print("faiss is not installed: left out")
    compare(ways, repeats, f"all pairs of {count:,} hashes within {DISTANCE} bits")
    bk_tree(hashes)
    million = np.random.default_rng(1).integers(0, 2**64, 500_000, dtype=np.uint64)
    started = time.perf_counter()
    near_hash_pairs(million, DISTANCE)
    print(f"  ours, 500,000 hashes: {time.perf_counter() - started:.1f} s")


def naive(hashes: np.ndarray) -> int:
    """Compare all pairs in numpy, one hash with all later ones at a time."""
    return sum(int((np.bitwise_count(hashes[i + 1 :] ^ hashes[i]) <= DISTANCE).sum()) for i in range(len(hashes) - 1))


def faiss_search(hashes: np.ndarray):
    import faiss

    faiss.omp_set_num_threads(1)
    rows = hashes.view(np.uint8).reshape(-1, 8)

    def run() -> int:
        index = faiss.IndexBinaryFlat(64)
        index.add(rows)
        limits, _, _ = index.range_search(rows, DISTANCE + 1)
        return int(limits[-1] - len(rows)) // 2

    return run


def bk_tree(hashes: np.ndarray, queries: int = 200) -> None:
    """Time some queries of a BK-tree and scale the time to all, which would take too long."""
    try:
        import pybktree
    except ImportError:
        print("pybktree is not installed: left out")
        return
    started = time.perf_counter()
    tree = pybktree.BKTree(pybktree.hamming_distance, hashes.tolist())
    built = time.perf_counter() - started
    started = time.perf_counter()
    for value in hashes[:queries].tolist():
        tree.find(value, DISTANCE)
    whole = built + (time.perf_counter() - started) * len(hashes) / queries
    started = time.perf_counter()
    near_hash_pairs(hashes, DISTANCE)
    print(f"  BK-tree, from {queries} queries: {whole:.0f} s, {whole / (time.perf_counter() - started):,.0f}x ours")


# --- one image ------------------------------------------------------------------------------------------------------


def photograph(seed: int) -> bytes:
    rng = np.random.default_rng(seed)
    width, height = rng.integers(600, 1400, 2)
    coarse = Image.fromarray(rng.integers(0, 256, (14, 18, 3), dtype=np.uint8))
    smooth = np.asarray(coarse.resize((width, height), Image.Resampling.BICUBIC), float)
    noisy = (smooth + rng.normal(0, 5, (height, width, 1))).clip(0, 255).astype(np.uint8)
    buffer = io.BytesIO()
    Image.fromarray(noisy).save(buffer, "JPEG", quality=90)
    return buffer.getvalue()


def plain(data: bytes) -> tuple[imagehash.ImageHash, np.ndarray]:
    """The least that a script does: decode, hash, resize."""
    image = Image.open(io.BytesIO(data)).convert("RGB")
    return imagehash.phash(image), np.asarray(ImageOps.fit(image, (32, 32), Image.Resampling.LANCZOS))


def images(count: int, repeats: int) -> None:
    record = ImageRecord("s", "c", "urls", "x")
    sets = {
        "JPEGs of at most 160 pixels": small_files(count),
        "photographs of 600-1400 pixels": [photograph(seed) for seed in range(count)],
    }
    for what, files in sets.items():
        ways = {
            "ours": lambda files=files: len([curate_image((record, data), 32, 32) for data in files]),
            "a plain script": lambda files=files: len([plain(data) for data in files]),
            "decoding alone": lambda files=files: len([Image.open(io.BytesIO(data)).load() for data in files]),
        }
        compare(ways, repeats, f"{len(files)} {what}", time.process_time)


def whole_job(count: int) -> None:
    """Print the CPU seconds to process all images, and to find the near-duplicates among them."""
    files, record = small_files(count), ImageRecord("s", "c", "urls", "x")
    times = [time.process_time()]
    hashes = [plain(data)[0] for data in files]
    times.append(time.process_time())
    same = sum(hashes[one] - hashes[other] <= 4 for one in range(len(hashes)) for other in range(one))
    times.append(time.process_time())
    candidates = [curate_image((record, data), 32, 32) for data in files]
    times.append(time.process_time())
    drop_near_duplicates(candidates)
    times.append(time.process_time())
    dropped = sum(candidate.reason == "near-duplicate" for candidate in candidates)
    each, pairs, ours, search = np.diff(times)
    print(f"{len(files)} JPEGs of at most 160 pixels, images and then duplicates, in CPU seconds")
    print(f"  a plain script: {each:.2f} + {pairs:.2f} ({same} pairs within 4 bits)")
    print(f"  ours: {ours:.2f} + {search:.2f} ({dropped} near-duplicates dropped)")


def small_files(count: int) -> list[bytes]:
    """Web photographs from ../shared/data, or drawn images if it does not exist."""
    archive = Path(__file__).parents[2] / "shared" / "data" / "web" / "web_images.tar"
    if archive.exists():
        with tarfile.open(archive) as tar:
            names = sorted(name for name in tar.getnames() if name.endswith(".jpg"))
            return [tar.extractfile(name).read() for name in names[:: max(1, len(names) // count)]]
    print("../shared/data does not exist: using drawn images")
    buffers = [io.BytesIO() for _ in range(count)]
    for seed, buffer in enumerate(buffers):
        draw(CLASSES[seed % len(CLASSES)], "google", seed, 160).save(buffer, "JPEG", quality=85)
    return [buffer.getvalue() for buffer in buffers]


def compare(ways, repeats: int, what: str, clock=time.perf_counter) -> None:
    print(what)
    seconds = {name: [] for name in ways}
    for _ in range(repeats):
        results = set()
        for name, way in ways.items():
            started = clock()
            results.add(way())
            seconds[name].append(clock() - started)
        assert len(results) == 1, results  # all methods have the same result
    for name, found in seconds.items():
        ratios = [other / ours for other, ours in zip(found, seconds["ours"], strict=True)]
        print(
            f"  {name}: {statistics.median(found):.3f} s, {statistics.median(ratios):.2f}x ours"
            f" ({min(ratios):.2f}-{max(ratios):.2f}, {repeats} pairs)"
        )


if __name__ == "__main__":
    main()
