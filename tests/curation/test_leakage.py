"""Images of the teacher's data are found as they are, mirrored or reduced; other images are not."""

import tracemalloc

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import ImageOps

from distillery.curation.curated import CURATED_SCHEMA
from distillery.curation.decoding import to_square
from distillery.curation.duplicates import perceptual_hashes
from distillery.curation.leakage import find_leakage, nearest
from distillery.jobs import UserError
from distillery.storage.parquet import read_parquet, write_parquet
from distillery_demo.drawing import draw

SIDE = 32


def write_curated(path, source, images, kept=None):
    hashes = [perceptual_hashes(image) for image in images]
    columns = {name: [""] * len(images) for name in CURATED_SCHEMA.names}
    columns |= {name: [0] * len(images) for name in ("width", "height", "seed", "rank", "clip_score")}
    columns |= {"source": [source] * len(images), "class": ["frog"] * len(images), "row": list(range(len(images)))}
    columns |= {"key": [f"{source}{i}" for i in range(len(images))], "kept": kept or [True] * len(images)}
    columns |= {"phash": [own for own, _ in hashes], "phash_mirror": [mirror for _, mirror in hashes]}
    write_parquet(path, columns, CURATED_SCHEMA)
    squares = [to_square(image, SIDE) for image, keep in zip(images, columns["kept"], strict=True) if keep]
    np.save(path.with_suffix(".npy"), np.stack(squares))
    return path.with_suffix(".npy"), path


def write_teacher(path, train, test):
    np.savez(
        path,
        train_pixels=np.stack([to_square(image, SIDE) for image in train]),
        train_labels=np.array([1] * len(train)),
        test_pixels=np.stack([to_square(image, SIDE) for image in test]),
        test_labels=np.array([0] * len(test)),
        classes=np.array(["cat", "frog"]),
    )
    return path


def test_near_duplicates_of_the_teachers_images_are_found(tmp_path):
    images = [draw("frog", "google", seed, 160) for seed in range(8)]
    teacher = [draw("frog", "teacher", seed, 96) for seed in range(20)]
    data = write_teacher(
        tmp_path / "data.npz", [*teacher, images[2], ImageOps.mirror(images[5])], [images[2], *teacher]
    )
    sources = [
        write_curated(tmp_path / "a.parquet", "a", images[:4]),
        write_curated(tmp_path / "b.parquet", "b", images[4:], kept=[True, True, True, False]),
    ]
    find_leakage(sources, data, tmp_path / "leakage.parquet", distance=4)
    columns = ("source", "row", "class", "key", "teacher_split", "teacher_row", "teacher_class", "distance")
    found = read_parquet(tmp_path / "leakage.parquet", columns)
    rows = list(zip(*(found[name].tolist() for name in columns), strict=True))
    assert [row[:7] for row in rows] == [
        ("a", 2, "frog", "a2", "train", 20, "frog"),
        ("b", 1, "frog", "b1", "train", 21, "frog"),
        ("a", 2, "frog", "a2", "test", 0, "cat"),
    ]
    assert all(row[7] <= 4 for row in rows)


def test_a_source_that_shares_many_images_with_the_teacher_is_told(tmp_path, caplog):
    images = [draw("frog", "google", seed, 160) for seed in range(44)]
    data = write_teacher(tmp_path / "data.npz", [*images[:2], *images[20:23]], [images[0], images[21]])
    sources = [
        write_curated(tmp_path / "few.parquet", "few", images[:20]),  # 2 of 20: as many as may leak
        write_curated(tmp_path / "many.parquet", "many", images[20:]),  # 3 of 24
    ]
    find_leakage(sources, data, tmp_path / "leakage.parquet", distance=0)
    (warning,) = [record.getMessage() for record in caplog.records if record.levelname == "WARNING"]
    assert warning.startswith("source many: 3 of its 24 images (12 %) are near-duplicates of the teacher's images. Un")


@pytest.mark.parametrize("processes", [1, 2])
def test_images_that_are_not_square_are_compared_by_their_center_squares(tmp_path, processes):
    images = [draw("frog", "google", seed, 160).resize((160, 120)) for seed in range(70)]
    data = write_teacher(tmp_path / "data.npz", [ImageOps.mirror(image) for image in images[:40]], images[40:])
    source = write_curated(tmp_path / "a.parquet", "a", images)
    find_leakage([source], data, tmp_path / "leakage.parquet", 4, processes)
    found = read_parquet(tmp_path / "leakage.parquet", ("row", "teacher_split"))
    assert found["row"].tolist() == list(range(70))
    assert found["teacher_split"].tolist() == ["train"] * 40 + ["test"] * 30


def test_only_the_nearest_image_counts():
    views = np.array([0b0, 0b1111_0000, 2**60, 2**63 - 1], dtype=np.uint64)  # two images, then their mirrors
    hashes = np.array([0b111, 0b1, 0b1, 2**60 + 1], dtype=np.uint64)
    images, others, bits = nearest(views, hashes, 3)
    assert (images.tolist(), others.tolist(), bits.tolist()) == ([0], [1], [1])
    assert [len(part) for part in nearest(views[:0], hashes, 3)] == [0, 0, 0]


hashes_nearby = st.builds(
    lambda base, flips: base ^ (flips & flips >> 7), st.sampled_from([0, 2**63, 5**27]), st.integers(0, 2**12)
)


@given(
    st.lists(st.tuples(hashes_nearby, hashes_nearby), max_size=12),
    st.lists(hashes_nearby, max_size=12),
    st.integers(0, 6),
)
def test_nearest_agrees_with_a_search_of_all_pairs(images, hashes, distance):
    views = np.array([own for own, _ in images] + [mirror for _, mirror in images], dtype=np.uint64)
    expected = []
    for place, both in enumerate(images):
        near = (
            min((min((view ^ h).bit_count() for view in both), j) for j, h in enumerate(hashes)) if hashes else (99, 0)
        )
        if near[0] <= distance:
            expected.append((place, near[1], near[0]))
    found = nearest(views, np.array(hashes, dtype=np.uint64), distance)
    assert list(zip(*(part.tolist() for part in found), strict=True)) == expected


def test_many_frames_of_one_scene_in_the_teachers_data_need_little_memory():
    scene = np.uint64(5**27) ^ (np.uint64(1) << np.arange(64, dtype=np.uint64))  # all within 2 bits of each other
    hashes = (scene[:, None] ^ (np.arange(64, dtype=np.uint64) << np.uint64(32))).ravel()
    tracemalloc.start()
    nearest(np.array([1, 2], dtype=np.uint64), hashes, 8)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 5_000_000


def test_damaged_teacher_data_is_an_error(tmp_path):
    source = write_curated(tmp_path / "a.parquet", "a", [draw("frog", "google", 0, 64)])
    (tmp_path / "data.npz").write_bytes(b"PK\x03\x04 half a file")
    with pytest.raises(UserError, match="teacher's data .* is damaged"):
        find_leakage([source], tmp_path / "data.npz", tmp_path / "out.parquet", 4)
    assert not (tmp_path / "out.parquet").exists()


def test_damaged_pixels_are_an_error(tmp_path):
    images = [draw("frog", "google", 0, 64)]
    pixels, table = write_curated(tmp_path / "a.parquet", "a", images)
    pixels.write_bytes(pixels.read_bytes()[:200])
    with pytest.raises(UserError, match="pixels .*a.npy are damaged"):
        find_leakage([(pixels, table)], write_teacher(tmp_path / "data.npz", images, images), tmp_path / "out", 4)
