"""Curation of whole pools: every candidate has a row, and every dropped one a reason."""

import io
import tarfile
import tracemalloc
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageOps

from distillery.curation.curated import CURATED_SCHEMA, Candidate, curate, drop_near_duplicates
from distillery.curation.decoding import to_square
from distillery.curation.duplicates import near_duplicate_pairs
from distillery.jobs import UserError
from distillery.parallel import batched, ordered
from distillery.storage.pools import image_key, write_pool
from distillery.storage.records import ImageRecord


def photo(seed: int, side: int = 96) -> Image.Image:
    """A smooth random image: pHashes of different seeds are far apart."""
    grid = np.random.default_rng(seed).integers(0, 256, (7, 7, 3), dtype=np.uint8)
    return Image.fromarray(grid).resize((side, side), Image.Resampling.BICUBIC)


def encode(image: Image.Image, form: str = "PNG", **options) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, form, **options)
    return buffer.getvalue()


def entry(label: str, rank: int, data: bytes | None, failure: str = "") -> tuple[ImageRecord, bytes | None]:
    import hashlib

    sha = hashlib.sha256(data).hexdigest() if data else ""
    key = image_key(data) if data else ""
    url = f"https://example.org/{label}/{rank}"
    return ImageRecord(
        "web", label, "bing", url, rank=rank, key=key, sha256=sha, failure=failure, url=url, query=f"{label} q",
        license="CC0", creator="someone", title="a title", page="https://example.org",
    ), data  # fmt: skip


@pytest.fixture
def run(tmp_path):
    def curated(entries, distance=4, processes=1):
        pools = []
        for label in dict.fromkeys(record.label for record, _ in entries):
            paths = (tmp_path / f"{label}.tar", tmp_path / f"{label}.jsonl")
            write_pool(*paths, [(record, data) for record, data in entries if record.label == label])
            pools.append(paths)
        files = tmp_path / "web.npy", tmp_path / "web.parquet"
        sizes = {"side": 16, "min_side": 32, "duplicate_distance": distance}
        curate(pools, *files, **sizes, processes=processes)
        return np.load(files[0]), pq.read_table(files[1]).to_pylist()

    return curated


def test_every_candidate_has_a_row_with_its_reason(run):
    whole = encode(photo(1))
    jpeg = encode(photo(2), "JPEG")
    entries = [
        entry("cat", 0, whole),
        entry("cat", 1, None, "not retrieved: HTTP 404"),
        entry("cat", 2, whole),
        entry("cat", 3, jpeg[: len(jpeg) // 2]),
        entry("cat", 4, encode(photo(3, 20))),
        entry("cat", 5, b"<html>moved</html>"),
        entry("cat", 6, encode(Image.new("RGB", (64, 64), (200, 10, 10)))),
        entry("dog", 0, encode(photo(4))),
    ]
    pixels, rows = run(entries)
    assert [row["reason"] for row in rows] == [
        "", "not retrieved: HTTP 404", "exact duplicate", "broken", "too small", "not an image", "blank", "",
    ]  # fmt: skip
    assert [row["row"] for row in rows] == [0, -1, -1, -1, -1, -1, -1, 1]
    assert rows[2]["duplicate_of"] == rows[0]["key"]
    assert pixels.dtype == np.uint8 and pixels.shape == (2, 16, 16, 3)
    np.testing.assert_array_equal(pixels[1], to_square(photo(4), 16))


def test_the_table_has_the_provenance(run):
    _, (row,) = run([entry("cat", 7, encode(photo(1)))])
    assert set(row) == set(CURATED_SCHEMA.names)
    expected = {"source": "web", "class": "cat", "kind": "bing", "rank": 7, "license": "CC0", "creator": "someone"}
    expected |= {"query": "cat q", "url": "https://example.org/cat/7", "title": "a title", "width": 96, "format": "PNG"}
    assert {name: row[name] for name in expected} == expected


def test_an_image_and_its_square_crop_are_near_duplicates(run):
    whole = photo(1, 128).resize((192, 128))
    wide = Image.new("RGB", (192, 128), "red")  # with other margins
    wide.paste(whole.crop((32, 0, 160, 128)), (32, 0))
    squares = [whole.crop((32, 0, 160, 128)), whole.crop((32, 0, 160, 128)).resize((64, 64))]
    _, rows = run([entry("cat", i, encode(image)) for i, image in enumerate([whole, wide, *squares])])
    assert [row["reason"] for row in rows] == ["", *["near-duplicate"] * 3]


def test_a_banner_with_a_blank_center_is_blank(run):
    banner = Image.new("RGB", (400, 100), "white")
    banner.paste(photo(1, 100), (0, 0))
    assert run([entry("cat", 0, encode(banner))])[1][0]["reason"] == "blank"


def test_the_largest_of_near_duplicates_is_kept_or_else_the_first(run):
    small, large = photo(1, 64), photo(1, 128)
    entries = [
        entry("cat", 0, encode(small)),
        entry("cat", 1, encode(large, "JPEG", quality=80)),
        entry("cat", 2, encode(ImageOps.mirror(large))),
        entry("cat", 3, encode(photo(2))),
        entry("cat", 4, encode(photo(2), "JPEG", quality=80)),
    ]
    _, rows = run(entries)
    assert [row["kept"] for row in rows] == [False, True, False, True, False]
    assert {row["reason"] for row in rows if not row["kept"]} == {"near-duplicate"}
    assert [rows[i]["duplicate_of"] for i in (0, 2, 4)] == [rows[i]["key"] for i in (1, 1, 3)]


def test_an_image_with_conflicting_labels_is_dropped_from_both(run):
    same, near = encode(photo(1)), encode(photo(2))
    entries = [
        entry("cat", 0, same),
        entry("cat", 1, near),
        entry("cat", 2, encode(photo(3))),
        entry("dog", 0, same),
        entry("dog", 1, encode(photo(2, 192), "JPEG")),
    ]
    _, rows = run(entries)
    assert [row["reason"] for row in rows] == [
        "conflicting labels: cat, dog",
        "conflicting labels: near-duplicate under dog",
        "",
        "conflicting labels: cat, dog",
        "conflicting labels: near-duplicate under cat",
    ]


def drop_by_all_pairs(candidates, distance):
    """A reference for `drop_near_duplicates` that lists all pairs, quadratic in frames of one scene."""
    usable = [candidate for candidate in candidates if not candidate.reason]
    views = np.array([(c.phash, c.phash_mirror) for c in usable], dtype=np.uint64).reshape(-1, 2)
    neighbors: dict[int, list[int]] = {}
    for first, second in near_duplicate_pairs(*views.T, distance).tolist():
        neighbors.setdefault(first, []).append(second)
        neighbors.setdefault(second, []).append(first)
    for index, others in neighbors.items():
        rivals = [other for other in others if usable[other].record.label != usable[index].record.label]
        if rivals:
            usable[index].reason = f"conflicting labels: near-duplicate under {usable[rivals[0]].record.label}"
            usable[index].duplicate_of = usable[rivals[0]].record.key
    kept: set[int] = set()
    for index in sorted(neighbors, key=lambda i: (-usable[i].width * usable[i].height, i)):
        if usable[index].reason:
            continue
        better = next((other for other in neighbors[index] if other in kept), None)
        if better is None:
            kept.add(index)
        else:
            usable[index].reason = "near-duplicate"
            usable[index].duplicate_of = usable[better].record.key


def candidate(index, label, phash, mirror, side, reason=""):
    record = ImageRecord("web", label, "folder", str(index), index, key=f"k{index}")
    return Candidate(record, reason=reason, phash=phash, phash_mirror=mirror, width=side, height=side)


# few scenes with few bits flipped: they form chains, where a neighbor of a neighbor is no neighbor
near_hashes = st.builds(lambda scene, bits: scene ^ bits, st.sampled_from([0, 2**64 - 1, 5**27]), st.integers(0, 255))
candidates = st.tuples(
    st.sampled_from(["cat", "cat", "cat", "dog", "frog"]), near_hashes, near_hashes, st.integers(1, 3),
    st.sampled_from(["", "", "", "broken"]),
)  # fmt: skip


@settings(deadline=None, max_examples=300)
@given(st.lists(candidates, max_size=30), st.integers(0, 6), st.booleans())
def test_dropping_near_duplicates_agrees_with_a_search_of_all_pairs(some, distance, one_class):
    some = [("cat", *rest) if one_class else (label, *rest) for label, *rest in some]
    ours, expected = ([candidate(index, *each) for index, each in enumerate(some)] for _ in range(2))
    drop_near_duplicates(ours, distance)
    drop_by_all_pairs(expected, distance)
    assert [(c.reason, c.duplicate_of) for c in ours] == [(c.reason, c.duplicate_of) for c in expected]


@pytest.mark.parametrize("classes", [["cat"], ["cat", "dog"]])
def test_many_frames_of_one_scene_need_little_memory(classes):
    rng = np.random.default_rng(0)
    frames = [
        candidate(i, label, *(5**27 ^ 1 << int(bit) for bit in rng.integers(0, 64, 2)), 64)
        for i, label in enumerate(sorted(classes * 1000))
    ]
    tracemalloc.start()
    drop_near_duplicates(frames, 4)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 5_000_000 and sum(not frame.reason for frame in frames) == (len(classes) == 1)


def test_the_number_of_processes_changes_nothing(run):
    entries = [entry("cat", i, encode(photo(i % 60))) for i in range(80)]
    one, two = run(entries), run(entries, processes=2)
    np.testing.assert_array_equal(one[0], two[0])
    assert one[1] == two[1] and len(one[0]) == 60


def test_a_source_without_images_gives_an_empty_array(run):
    pixels, rows = run([entry("cat", 0, None, "not retrieved: timed out")])
    assert pixels.shape == (0, 16, 16, 3) and len(rows) == 1


def test_the_error_names_a_truncated_shard(tmp_path):
    shard, records = tmp_path / "cat.tar", tmp_path / "cat.jsonl"
    write_pool(shard, records, [entry("cat", 0, encode(photo(1)))])
    shard.write_bytes(shard.read_bytes()[:1000])
    with pytest.raises(UserError, match="cat.tar.*Delete"):
        sizes = {"side": 16, "min_side": 32, "duplicate_distance": 4}
        curate([(shard, records)], tmp_path / "a.npy", tmp_path / "a.parquet", **sizes)
    assert not (tmp_path / "a.npy").exists() and not (tmp_path / "a.parquet").exists()
    assert tarfile.is_tarfile(shard)  # its first header is intact: only reading all of it shows the damage


@given(st.lists(st.integers(), max_size=50), st.integers(1, 7), st.integers(1, 5))
def test_batches_and_executor_keep_the_order(items, size, ahead):
    assert [x for batch in batched(items, size) for x in batch] == items
    with ThreadPoolExecutor(3) as executor:
        assert list(ordered(executor, abs, items, ahead)) == [abs(item) for item in items]
