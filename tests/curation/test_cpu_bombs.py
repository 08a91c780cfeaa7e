"""Small files that would take hours to decode are dropped with a reason; the other images are kept."""

import hashlib
import io

import numpy as np
import pyarrow.parquet as pq
import pytest
from PIL import Image

from distillery.curation import curated
from distillery.curation.curated import curate
from distillery.curation.decoding import Rejected, decode
from distillery.curation.jpeg_scans import MAX_SCANS, START_OF_SCAN, _count_scans, has_too_many_scans
from distillery.parallel import in_processes
from distillery.storage.records import ImageRecord
from distillery.storage.retrieved.pools import image_key, write_pool


def jpeg(seed=0, side=96, **options):
    pixels = np.random.default_rng(seed).integers(0, 256, (side // 8, side // 8, 3), dtype=np.uint8)
    buffer = io.BytesIO()
    Image.fromarray(pixels).resize((side, side)).save(buffer, "JPEG", **options)
    return buffer.getvalue()


def repeated_scans(count, side=96):
    """A progressive JPEG that repeats its last scan many times."""
    data = jpeg(side=side, progressive=True)
    last = data.rindex(START_OF_SCAN)
    return data[:last] + data[last:-2] * count + data[-2:]


def record_of(data, rank):
    digest = hashlib.sha256(data).hexdigest()
    return ImageRecord("mine", "frog", "urls", str(rank), rank, key=image_key(data), sha256=digest, bytes=len(data))


def test_scans_are_counted_as_a_decoder_does():
    for options, scans in (({}, 1), ({"progressive": True}, 10), ({"restart_marker_blocks": 1}, 1)):
        assert _count_scans(jpeg(**options)) == scans
    assert _count_scans(repeated_scans(50)) == 9 + 50


@pytest.mark.parametrize("count, rejected", [(20, False), (MAX_SCANS, True), (2000, True)])
def test_a_jpeg_of_many_scans_is_rejected(count, rejected):
    data = repeated_scans(count)
    assert has_too_many_scans(data) == rejected
    if rejected:
        with pytest.raises(Rejected, match="too many scans"):
            decode(data)
    else:
        assert decode(data).format == "JPEG"


def test_marker_bytes_in_other_segments_are_not_counted_as_scans():
    thumbnail = START_OF_SCAN * 30_000  # in a separate segment, such as a preview or a profile
    data = jpeg()
    segment = b"\xff\xe2" + (len(thumbnail) + 2).to_bytes(2) + thumbnail
    assert not has_too_many_scans(data[:2] + segment + data[2:]) and not has_too_many_scans(thumbnail)
    assert decode(data[:2] + segment + data[2:]).format == "JPEG"


@pytest.mark.parametrize("end", [b"", b"\xff", b"\xff\xda", b"\xff\xda\x00", b"\xff\xe0\xff\xff"])
def test_a_truncated_jpeg_of_many_scans_ends_the_count(end):
    assert has_too_many_scans(repeated_scans(200)[:-2] + end)


def spin(number):
    """Square a number, or work without end for one of them."""
    if number == 13:
        pixels = np.random.default_rng(0).integers(0, 256, (2000, 2000), dtype=np.uint8)
        while True:
            np.sort(pixels, axis=None)  # inside a library, where no handler of Python runs
    return number**2


@pytest.mark.parametrize("processes", [1, 2])
def test_only_the_item_that_takes_too_much_time_is_ended(processes):
    found = list(in_processes(spin, range(50), processes, 0.5, lambda number: -number))
    assert found == [-13 if number == 13 else number**2 for number in range(50)]


def raise_for_seven(number):
    if number == 7:
        raise ZeroDivisionError("seven")
    return number


def test_errors_take_the_place_of_results():
    results = in_processes(raise_for_seven, range(9), 1, 5.0, str)
    with pytest.raises(ZeroDivisionError, match="seven"):
        list(results)


def slow(entry, **settings):
    if entry[0].rank == 3:
        while True:
            sum(range(10_000))
    return REAL(entry, **settings)


REAL = curated.curate_image


def test_curation_drops_what_takes_too_long_and_keeps_the_rest(tmp_path, monkeypatch):
    monkeypatch.setattr(curated, "curate_image", slow)
    monkeypatch.setattr(curated, "DECODE_SECONDS", 0.5)
    images = [jpeg(seed) for seed in range(5)] + [repeated_scans(2000)]
    pool = tmp_path / "frog.tar", tmp_path / "frog.jsonl"
    write_pool(*pool, [(record_of(data, rank), data) for rank, data in enumerate(images)])
    curate([pool], *(tmp_path / f"a.{end}" for end in ("npy", "thumbs.npy", "parquet")), side=16, min_side=8)
    rows = pq.read_table(tmp_path / "a.parquet").to_pylist()
    assert [row["reason"] for row in rows] == ["", "", "", "too slow to decode", "", "too many scans"]
    assert len(np.load(tmp_path / "a.npy")) == 4
