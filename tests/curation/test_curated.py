"""Curation of whole pools: every candidate has a row, and every dropped candidate a reason."""

import io
import tarfile
import tracemalloc
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st
from matplotlib.cbook import get_sample_data
from PIL import Image, ImageDraw, ImageOps

from distillery.curation.curated import CURATED_SCHEMA, curate
from distillery.curation.decoding import to_square
from distillery.curation.losses import warn_of_dropped
from distillery.jobs import UserError
from distillery.parallel import batched, ordered
from distillery.storage.records import ImageRecord
from distillery.storage.retrieved.pools import image_key, write_pool


def photo(seed: int, side: int = 96) -> Image.Image:
    """A smooth random image; images of different seeds have very different hashes."""
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
    def curated(entries, duplicates="drop", processes=1):
        pools = []
        for label in dict.fromkeys(record.label for record, _ in entries):
            paths = (tmp_path / f"{label}.tar", tmp_path / f"{label}.jsonl")
            write_pool(*paths, [(record, data) for record, data in entries if record.label == label])
            pools.append(paths)
        files = tmp_path / "web.npy", tmp_path / "web.thumbs.npy", tmp_path / "web.parquet"
        curate(pools, *files, side=16, min_side=32, duplicates=duplicates, processes=processes)
        return np.load(files[0]), pq.read_table(files[2]).to_pylist()

    return curated


def test_resized_images_do_not_stay_in_memory(tmp_path):
    noise = np.random.default_rng(0)
    shard, records = tmp_path / "cat.tar", tmp_path / "cat.jsonl"
    images = (Image.fromarray(noise.integers(0, 256, (128, 128, 3), dtype=np.uint8)) for _ in range(400))
    write_pool(shard, records, [entry("cat", i, encode(image, "JPEG")) for i, image in enumerate(images)])
    files = tmp_path / "web.npy", tmp_path / "web.thumbs.npy", tmp_path / "web.parquet"
    tracemalloc.start()
    curate([(shard, records)], *files, side=128, min_side=32, duplicates="off")
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert np.load(files[0], mmap_mode="r").shape == (400, 128, 128, 3)
    assert peak < 400 * 128 * 128 * 3, "all images at once"
    assert sorted(path.name for path in tmp_path.iterdir() if path.is_file()) == sorted(
        [shard.name, records.name, *(path.name for path in files)]
    )


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


def test_the_kind_of_every_decoded_image_is_in_the_table(run):
    with get_sample_data("grace_hopper.jpg") as file:
        real = file.read()
    icon = Image.new("RGB", (120, 120), "white")
    icon.paste((200, 30, 30), (30, 30, 90, 90))
    _, rows = run([entry("cat", 0, real), entry("cat", 1, encode(icon)), entry("cat", 2, real[:500])])
    assert [row["image_kind"] for row in rows] == ["photo", "icon", ""]
    assert rows[0]["photo_score"] > 0.5 > 0.2 >= rows[1]["photo_score"] >= 0 and rows[2]["photo_score"] == -1


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
        files = tmp_path / "a.npy", tmp_path / "a.thumbs.npy", tmp_path / "a.parquet"
        curate([(shard, records)], *files, side=16, min_side=32)
    assert not any(file.exists() for file in files)
    assert tarfile.is_tarfile(shard)  # its first header is intact, so only reading the whole file shows the damage


@given(st.lists(st.integers(), max_size=50), st.integers(1, 7), st.integers(1, 5))
def test_batches_and_executor_keep_the_order(items, size, ahead):
    assert [x for batch in batched(items, size) for x in batch] == items
    with ThreadPoolExecutor(3) as executor:
        assert list(ordered(executor, abs, items, ahead)) == [abs(item) for item in items]


def fruit(color: str) -> Image.Image:
    """A round fruit with a stem; fruits differ only in color."""
    image = Image.new("RGB", (120, 120), (235, 235, 225))
    pen = ImageDraw.Draw(image)
    pen.ellipse((25, 30, 95, 100), fill=color)
    pen.rectangle((57, 12, 63, 34), fill=(90, 60, 30))
    pen.polygon([(63, 25), (90, 12), (80, 30)], fill=(40, 120, 40))
    for x, y in ((40, 50), (70, 80), (80, 55), (50, 75)):
        pen.ellipse((x, y, x + 5, y + 5), fill=(250, 250, 200))
    return image


def test_classes_that_differ_in_color_alone_are_kept(run):
    # of equal brightness, so that they differ only in color
    entries = [entry("red", 0, encode(fruit("#c02020"))), entry("green", 0, encode(fruit("#147a14")))]
    assert [row["kept"] for row in run(entries)[1]] == [True, True]
    entries.append(entry("green", 1, encode(fruit("#c02020").resize((200, 200)))))
    reasons = [row["reason"] for row in run(entries)[1]]
    assert reasons == [
        "conflicting labels: near-duplicate under green", "", "conflicting labels: near-duplicate under red",
    ]  # fmt: skip


def test_classes_that_are_mirror_images_are_kept(run):
    entries = [entry("left", 0, encode(photo(1))), entry("right", 0, encode(ImageOps.mirror(photo(1))))]
    assert [row["kept"] for row in run(entries)[1]] == [True, True]
    entries.append(entry("left", 1, encode(ImageOps.mirror(photo(1, 64)))))  # within a class, mirrors are duplicates
    assert [row["kept"] for row in run(entries)[1]].count(True) <= 1


@pytest.mark.parametrize("off", ["off", False])  # YAML reads off as false
def test_near_duplicates_are_kept_if_dropping_them_is_off(run, off):
    entries = [
        entry("cat", 0, encode(photo(1))),
        entry("cat", 1, encode(photo(1, 64))),
        entry("cat", 2, encode(photo(1))),
    ]
    assert [row["reason"] for row in run(entries, duplicates=off)[1]] == ["", "", "exact duplicate"]


def test_a_class_that_loses_half_of_its_images_as_near_duplicates_gives_a_warning(run, caplog):
    run([entry("cat", i, encode(photo(i % 2, 64 + i))) for i in range(4)] + [entry("dog", 0, encode(photo(9)))])
    (told,) = [record.getMessage() for record in caplog.records if record.levelname == "WARNING"]
    assert told.startswith("class cat of source web loses 2 of its 4 images as near-duplicates")
    assert "curation.duplicates: off" in told


def test_images_that_were_replaced_before_curation_give_no_warning(caplog):
    reasons = ["", "", *["rejected: teacher 0.100, at least 0.5"] * 6, *["not retrieved: HTTP 404"] * 3]
    warn_of_dropped("sd", ["cat"] * len(reasons), reasons)
    assert not caplog.records
    warn_of_dropped("sd", ["cat"] * 5, ["", "", "blank", "blank", "rejected: teacher 0.100, at least 0.5"])
    assert "class cat of source sd keeps 2 of its 4 images: 2 blank" in caplog.text


def test_a_warning_and_the_terminal_say_why_images_were_dropped(run, caplog):
    """A class that loses half of its images for other reasons gives a warning; the terminal always gets one line."""
    caplog.set_level("INFO", logger="distillery")
    both = encode(photo(5))
    cats = [entry("cat", 0, both), entry("cat", 1, encode(photo(1))[:300]), entry("cat", 2, encode(photo(2)))]
    failed = [entry("cat", 3, None, "not retrieved: HTTP 404") for _ in range(9)]
    run([*cats, *failed, entry("dog", 0, both), entry("dog", 1, encode(photo(7))), entry("dog", 2, encode(photo(8)))])
    (told,) = [record.getMessage() for record in caplog.records if record.levelname == "WARNING"]
    assert told == (
        "class cat of source web keeps 1 of its 3 images: 1 broken, 1 conflicting labels. Each image's reason is in"
        " results/curated/web.parquet"
    )
    (line,) = [record.getMessage() for record in caplog.records if record.levelname == "OUTCOME"]
    assert line == "3 of 15 candidates kept, fewest of class cat (1); 9 not retrieved, 2 conflicting labels, 1 broken"
