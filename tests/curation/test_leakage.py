"""Images of the teacher's data are found unchanged, mirrored or reduced; other images are not."""

import numpy as np
import pytest
from PIL import ImageOps

from distillery.curation.curated import CURATED_SCHEMA
from distillery.curation.decoding import to_square
from distillery.curation.leakage import find_leakage, most_alike
from distillery.jobs import UserError
from distillery.storage.parquet import read_parquet, write_parquet
from distillery_demo.drawing import draw

SIDE = 32


def write_curated(path, source, images, kept=None):
    columns = {name: [""] * len(images) for name in CURATED_SCHEMA.names}
    columns |= {
        name: [0] * len(images)
        for name in ("thumb_width", "thumb_height", "width", "height", "seed", "rank", "clip_score", "photo_score")
    }
    columns |= {"source": [source] * len(images), "class": ["frog"] * len(images), "row": list(range(len(images)))}
    columns |= {"key": [f"{source}{i}" for i in range(len(images))], "kept": kept or [True] * len(images)}
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
    find_leakage(sources, data, tmp_path / "leakage.parquet")
    columns = ("source", "row", "class", "key", "teacher_split", "teacher_row", "teacher_class", "agreement")
    found = read_parquet(tmp_path / "leakage.parquet", columns)
    rows = list(zip(*(found[name].tolist() for name in columns), strict=True))
    assert [row[:7] for row in rows] == [
        ("a", 2, "frog", "a2", "train", 20, "frog"),
        ("b", 1, "frog", "b1", "train", 21, "frog"),
        ("a", 2, "frog", "a2", "test", 0, "cat"),
    ]
    assert all(row[7] > 0.9 for row in rows)


def test_a_source_that_shares_many_of_the_teachers_train_images_gives_a_warning(tmp_path, caplog):
    images = [draw("frog", "google", seed, 160) for seed in range(44)]
    data = write_teacher(tmp_path / "data.npz", [*images[:2], *images[20:23]], images[2:20])
    sources = [
        write_curated(tmp_path / "few.parquet", "few", images[:20]),  # 2 of 20, as many as may leak; tested on others
        write_curated(tmp_path / "many.parquet", "many", images[20:]),  # 3 of 24
    ]
    find_leakage(sources, data, tmp_path / "leakage.parquet")
    (warning,) = [record.getMessage() for record in caplog.records if record.levelname == "WARNING"]
    assert warning.startswith("source many: 3 of its 24 images (12 %) are near-duplicates of the teacher's train")


@pytest.mark.parametrize("processes", [1, 2])
def test_images_that_are_not_square_are_compared_by_their_center_squares(tmp_path, processes):
    images = [draw("frog", "google", seed, 160).resize((160, 120)) for seed in range(70)]
    data = write_teacher(tmp_path / "data.npz", [ImageOps.mirror(image) for image in images[:40]], images[40:])
    source = write_curated(tmp_path / "a.parquet", "a", images)
    find_leakage([source], data, tmp_path / "leakage.parquet", processes)
    found = read_parquet(tmp_path / "leakage.parquet", ("row", "teacher_split", "teacher_row"))
    copies = {*((row, "train", row) for row in range(40)), *((row, "test", row - 40) for row in range(40, 70))}
    rows = set(zip(*(values.tolist() for values in found.values()), strict=True))
    assert copies <= rows and len(rows) <= 75  # some drawings of one outline agree at 32 pixels


def test_only_the_most_alike_image_counts():
    pairs = np.array([[0, 5], [0, 6], [2, 7], [0, 7], [2, 5]])
    alike = np.array([0.7, 0.9, 0.8, 0.9, 0.8], np.float32)
    images, others, agreement = most_alike(pairs, alike)
    assert (images.tolist(), others.tolist()) == ([0, 2], [6, 5])
    assert agreement.tolist() == pytest.approx([0.9, 0.8])
    assert [len(part) for part in most_alike(pairs[:0], alike[:0])] == [0, 0, 0]


def test_damaged_teacher_data_is_an_error(tmp_path):
    source = write_curated(tmp_path / "a.parquet", "a", [draw("frog", "google", 0, 64)])
    (tmp_path / "data.npz").write_bytes(b"PK\x03\x04 half a file")
    with pytest.raises(UserError, match="teacher's data .* is damaged"):
        find_leakage([source], tmp_path / "data.npz", tmp_path / "out.parquet")
    assert not (tmp_path / "out.parquet").exists()


def test_damaged_pixels_are_an_error(tmp_path):
    images = [draw("frog", "google", 0, 64)]
    pixels, table = write_curated(tmp_path / "a.parquet", "a", images)
    pixels.write_bytes(pixels.read_bytes()[:200])
    with pytest.raises(UserError, match="pixels .*a.npy are damaged"):
        find_leakage([(pixels, table)], write_teacher(tmp_path / "data.npz", images, images), tmp_path / "out")
