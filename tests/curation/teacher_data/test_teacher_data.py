"""The teacher's data have the expected images, balanced, and labeled in the study's order of classes."""

import io
import pickle
import runpy
import subprocess
import sys
import zipfile
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pyarrow as pa
import pytest
from hub_datasets import image_bytes, write_parquet_images
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image, ImageOps

from distillery.cifar10 import CIFAR10
from distillery.curation.curated import CURATED_SCHEMA
from distillery.curation.decoding import to_square
from distillery.curation.teacher_data import cifar10_images
from distillery.curation.teacher_data.cifar10_images import load_cifar10
from distillery.curation.teacher_data.dataset_images import load_dataset
from distillery.curation.teacher_data.folder_images import load_folders
from distillery.curation.teacher_data.labeled_images import (
    LabeledImages,
    balanced_subset,
    limit_images,
    write_teacher_data,
)
from distillery.curation.teacher_data.source_images import load_sources
from distillery.curation.thumbnails import stack_thumbnails, to_thumbnail
from distillery.jobs import UserError
from distillery.storage.parquet import write_parquet
from distillery_demo.drawing import draw

SCRIPTS = Path(__file__).parents[3] / "workflow/scripts"
UNPACK = Path(__file__).parents[4] / "shared/data/cifar10/unpack.py"
labels_of = st.lists(st.integers(0, 3), min_size=1, max_size=60).map(np.array)


@given(labels_of, st.integers(0, 70), st.integers(0, 2**32))
def test_a_subset_is_balanced_and_has_no_row_twice(labels, count, seed):
    rows = balanced_subset(labels, count, seed)
    assert len(rows) == (min(count, len(labels)) if count else len(labels))
    assert (np.diff(rows) > 0).all()
    have, got = (np.bincount(x, minlength=4) for x in (labels, labels[rows]))
    # a class with enough images has at most one less than the largest class
    assert (got[got < have] >= got.max() - 1).all()


@given(labels_of, st.integers(1, 60), st.integers(1, 60), st.integers(0, 99))
def test_subsets_nest_and_come_from_the_seed(labels, a, b, seed):
    small, large = (set(balanced_subset(labels, n, seed)) for n in sorted((a, b)))
    assert small <= large
    assert set(balanced_subset(labels, a, seed)) in (small, large)


def images(labels, side=4):
    labels = np.array(labels, np.int64)
    return LabeledImages(
        np.broadcast_to(labels[:, None, None, None], (len(labels), side, side, 3)).astype(np.uint8), labels
    )


def test_limit_images_keeps_images_and_labels_aligned():
    some = limit_images(images([0, 1, 2] * 10), 7, seed=1)
    assert len(some.labels) == 7 and (some.pixels[:, 0, 0, 0] == some.labels).all()


def test_the_file_has_the_documented_arrays(tmp_path):
    write_teacher_data(tmp_path / "d.npz", images([0, 1, 1]), images([1, 0]), ["cat", "Eichhörnchen"])
    with np.load(tmp_path / "d.npz", allow_pickle=False) as data:
        assert set(data) == {"train_pixels", "train_labels", "test_pixels", "test_labels", "classes"}
        assert data["train_pixels"].shape == (3, 4, 4, 3) and data["train_pixels"].dtype == np.uint8
        assert data["test_labels"].tolist() == [1, 0] and data["test_labels"].dtype == np.int64
        assert data["classes"].tolist() == ["cat", "Eichhörnchen"]
    assert sorted(p.name for p in tmp_path.iterdir()) == [".digests", "d.npz"]


def test_the_file_has_the_same_bytes_every_time(tmp_path):
    for name in "ab":
        write_teacher_data(tmp_path / f"{name}.npz", images([0, 1]), images([1, 0]), ["cat", "dog"])
    assert (tmp_path / "a.npz").read_bytes() == (tmp_path / "b.npz").read_bytes()


def test_the_error_names_a_class_without_images(tmp_path):
    with pytest.raises(UserError, match="no test image of dog"):
        write_teacher_data(tmp_path / "d.npz", images([0, 1]), images([0]), ["cat", "dog"])
    assert not (tmp_path / "d.npz").exists()


def fake_cifar10(monkeypatch):
    """Ten images per class in CIFAR-10's layout; pixel value = 10 x label + number (train) or the label (test)."""

    def part(path, train):
        labels = np.tile(np.arange(10), 10 if train else 2)
        values = labels * 10 + np.arange(len(labels)) // 10
        return LabeledImages(
            np.broadcast_to(values[:, None, None, None], (len(labels), 32, 32, 3)).astype(np.uint8), labels
        )

    monkeypatch.setattr(cifar10_images, "_cifar10_part", part)


@pytest.mark.parametrize("side", [32, 24, 40])
def test_cifar10_is_relabeled_in_the_studys_order_and_resized(monkeypatch, side):
    fake_cifar10(monkeypatch)
    classes = ["truck", "cat", "airplane"]
    train, test = load_cifar10("nowhere", classes, side, (12, 0), seed=3)
    assert train.pixels.shape == (12, side, side, 3) and test.pixels.shape == (6, side, side, 3)
    assert np.bincount(train.labels).tolist() == [4, 4, 4]
    for part in (train, test):
        for image, label in zip(part.pixels, part.labels, strict=True):
            assert CIFAR10[image[0, 0, 0] // 10] == classes[label]


def test_the_error_names_a_class_that_cifar10_lacks():
    with pytest.raises(UserError, match="no class unicorn, only airplane"):
        load_cifar10("nowhere", ["cat", "unicorn"], 32, (0, 0), 0)


def test_a_failed_download_ends_in_one_line(monkeypatch, tmp_path):
    def fail(*args, **kwargs):
        raise RuntimeError("no\nnetwork")

    # a stand-in: importing torchvision takes seconds
    monkeypatch.setitem(sys.modules, "torchvision", SimpleNamespace())
    monkeypatch.setitem(sys.modules, "torchvision.datasets", SimpleNamespace(CIFAR10=fail))
    with pytest.raises(UserError, match=r"\(no network\)") as error:
        load_cifar10(tmp_path / "cifar10", ["cat"], 32, (0, 0), 0)
    assert "\n" not in str(error.value) and str(tmp_path) in str(error.value)


def png(value: int, size=(20, 10)) -> bytes:
    pixels = np.random.default_rng(value).integers(0, 256, (size[1], size[0], 3)).astype(np.uint8)
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "PNG")
    return file.getvalue()


def make_folders(root: Path, count: int = 4) -> tuple[Path, Path]:
    for part, first in (("train", 0), ("test", 100)):
        for label, name in enumerate(("cat", "dog")):
            folder = root / part / name
            folder.mkdir(parents=True)
            for k in range(count):
                (folder / f"{k}.png").write_bytes(png(first + 10 * label + k))
    return root / "train", root / "test"


def test_images_of_folders_become_squares(tmp_path):
    path, test_path = make_folders(tmp_path)
    (path / "dog/broken.png").write_bytes(png(7)[:60])
    train, test = load_folders(path, test_path, ["dog", "cat"], 8, (0, 2), seed=0)
    assert train.pixels.shape == (8, 8, 8, 3) and train.pixels.dtype == np.uint8
    assert np.bincount(train.labels).tolist() == [4, 4]  # the broken one is left out
    assert sorted(test.labels.tolist()) == [0, 1]
    train_set, test_set = ({p.tobytes() for p in part.pixels} for part in (train, test))
    assert not train_set & test_set


@pytest.mark.parametrize("count", [0, 4, 6])
def test_train_counts_images_not_files(tmp_path, count):
    """Broken files and duplicates are replaced by other images of their class."""
    path, test_path = make_folders(tmp_path)
    whole, _ = load_folders(path, test_path, ["dog", "cat"], 8, (count, 0), seed=0)
    for number in range(6):
        (path / f"dog/broken{number}.png").write_bytes(png(7)[:60])
        (path / f"dog/again{number}.png").write_bytes((path / "dog/0.png").read_bytes())
    train, _ = load_folders(path, test_path, ["dog", "cat"], 8, (count, 0), seed=0)
    assert np.bincount(train.labels).tolist() == np.bincount(whole.labels).tolist() == [(count or 8) // 2] * 2
    assert len({image.tobytes() for image in train.pixels}) == len(train.pixels)


def test_train_and_test_may_be_two_folders_of_one_archive(tmp_path):
    path, _ = make_folders(tmp_path)
    with zipfile.ZipFile(tmp_path / "set.zip", "w") as archive:
        for file in path.parent.rglob("*.png"):
            archive.write(file, f"set/{file.relative_to(path.parent)}")
    place = tmp_path / "set.zip"
    train, test = load_folders(place, place, ["dog", "cat"], 8, (0, 0), 0, ("train", "test"))
    whole = load_folders(path, path.parent / "test", ["dog", "cat"], 8, (0, 0), 0)
    assert np.array_equal(train.pixels, whole[0].pixels) and np.array_equal(test.pixels, whole[1].pixels)
    with pytest.raises(UserError, match="test_path must be another folder"):
        load_folders(place, place, ["dog", "cat"], 8, (0, 0), 0, ("train", "train"))
    with pytest.raises(UserError, match=r"in several folders of the archive \(set/test/, set/train/\)"):
        load_folders(place, path, ["dog"], 8, (0, 0), 0)


def test_the_test_folder_must_not_be_the_train_folder(tmp_path):
    path, _ = make_folders(tmp_path)
    for test_path in ("", path, str(path) + "/../train"):
        with pytest.raises(UserError, match="test_path must be another folder"):
            load_folders(path, test_path, ["cat"], 8, (0, 0), 0)


def test_the_error_names_a_class_without_a_folder(tmp_path):
    with pytest.raises(
        UserError,
        match=r"teacher.data: .*neither a folder ship nor a file ship.tar or ship.zip. Add one\. It has cat, dog\.$",
    ):
        load_folders(*make_folders(tmp_path), ["cat", "ship"], 8, (0, 0), 0)


def curated(
    folder: Path, name: str, labels: list[str], images: list[Image.Image], unkept: int = 0
) -> tuple[Path, Path, Path]:
    """Write a source as curation does: all pixels of image i are i, and `unkept` rows are dropped."""
    count = len(labels)
    files = [folder / f"{name}.{end}" for end in ("npy", "thumbs.npy", "parquet")]
    np.save(files[0], np.stack([np.full((4, 4, 3), i, np.uint8) for i in range(count)]))
    thumbnails = stack_thumbnails([to_thumbnail(image) for image in images])
    np.save(files[1], thumbnails.pixels)
    columns = {
        key: [type_default(field.type)] * (count + unkept)
        for key, field in zip(CURATED_SCHEMA.names, CURATED_SCHEMA, strict=True)
    }
    columns |= {
        "source": [name] * (count + unkept),
        "class": labels + ["cat"] * unkept,
        "kept": [True] * count + [False] * unkept,
        "row": [*range(count), *[-1] * unkept],
        "thumb_height": [*thumbnails.sizes[:, 0].tolist(), *[0] * unkept],
        "thumb_width": [*thumbnails.sizes[:, 1].tolist(), *[0] * unkept],
    }
    write_parquet(files[2], columns, CURATED_SCHEMA)
    return files[0], files[1], files[2]


def type_default(kind: pa.DataType) -> object:
    return "" if pa.types.is_string(kind) else 0


def test_sources_give_kept_images_and_no_test_image_is_a_near_duplicate_of_a_train_image(tmp_path):
    photos = [draw("frog", "google", seed, 120) for seed in range(8)]
    some = curated(tmp_path, "some", ["cat", "dog"], photos[:2], unkept=2)
    more = curated(tmp_path, "more", ["dog", "cat", "dog"], photos[2:5])
    cropped = photos[0].crop((10, 10, 120, 120))
    other = curated(tmp_path, "other", ["cat", "dog", "dog"], [cropped, *photos[5:7]])
    train, test = load_sources([some, more], [other], ["cat", "dog"], (0, 0), seed=0)
    assert train.labels.tolist() == [0, 1, 1, 0, 1] and train.pixels[:, 0, 0, 0].tolist() == [0, 1, 0, 1, 2]
    assert test.labels.tolist() == [1, 1] and test.pixels[:, 0, 0, 0].tolist() == [1, 2]  # the first is a crop
    mirrored = curated(tmp_path, "mirrored", ["cat"], [ImageOps.mirror(photos[1])])
    _, test = load_sources([some], [other, mirrored], ["cat", "dog"], (0, 0), seed=0)
    assert len(test.labels) == 2
    train, test = load_sources([some, more], [other], ["cat", "dog"], (2, 1), seed=0)
    assert sorted(train.labels) == [0, 1] and len(test.labels) == 1


@pytest.mark.parametrize(("place", "name"), [(0, "pixels"), (1, "thumbnails")])
def test_a_damaged_source_ends_in_one_line(tmp_path, place, name):
    some, other = (
        curated(tmp_path, source, ["cat"], [draw("frog", "google", seed, 64)])
        for seed, source in enumerate(("some", "other"))
    )
    some[place].write_bytes(some[place].read_bytes()[:-20])
    with pytest.raises(UserError, match=f"{name} .*some.*npy are damaged .* Delete the file"):
        load_sources([some], [other], ["cat"], (0, 0), seed=0)


def run_script(output: Path, data: dict, classes: list[str], side: int = 16) -> dict:
    params = SimpleNamespace(data=data, classes=classes, image_size=side, seed=1)
    job = SimpleNamespace(log=[], input=SimpleNamespace(), output=SimpleNamespace(data=str(output)), params=params)
    runpy.run_path(str(SCRIPTS / "prepare_teacher_data.py"), init_globals={"snakemake": job})
    with np.load(output, allow_pickle=False) as written:
        return dict(written)


def test_the_script_writes_every_kind_of_data(tmp_path):
    path, test_path = make_folders(tmp_path)
    folder = {"kind": "folder", "path": str(path), "test_path": str(test_path), "train": 0, "test": 2}
    drawn = {"kind": "drawn", "path": "", "test_path": "", "train": 6, "test": 2}
    for data, n_train in ((folder, 8), (drawn, 6)):
        written = run_script(tmp_path / "data.npz", data, ["dog", "cat"])
        assert written["train_pixels"].shape == (n_train, 16, 16, 3) and written["test_pixels"].shape == (2, 16, 16, 3)
        assert np.bincount(written["train_labels"]).tolist() == [n_train // 2] * 2
        assert written["classes"].tolist() == ["dog", "cat"]


def test_an_unknown_class_ends_the_script_in_one_line(tmp_path, capsys):
    drawn = {"kind": "drawn", "path": "", "test_path": "", "train": 2, "test": 2}
    with pytest.raises(SystemExit):
        run_script(tmp_path / "data.npz", drawn, ["cat", "unicorn"])
    assert len(capsys.readouterr().err.splitlines()) == 1
    assert not (tmp_path / "data.npz").exists()


def test_importing_the_modules_loads_neither_torch_nor_the_demo():
    code = (
        "import sys; from distillery.curation.teacher_data import cifar10_images, dataset_images, folder_images,"
        " source_images; print('torch' in sys.modules, 'distillery_demo' in sys.modules)"
    )
    out = subprocess.run(
        [sys.executable, "-c", code], env={"PYTHONPATH": str(SCRIPTS)}, capture_output=True, text=True, check=True
    )
    assert out.stdout.split() == ["False", "False"]


@pytest.mark.slow
@pytest.mark.skipif(not UNPACK.exists(), reason="the shared CIFAR-10 is missing")
def test_the_real_cifar10(tmp_path):
    subprocess.run([sys.executable, str(UNPACK), str(tmp_path)], check=True, capture_output=True)
    train, test = load_cifar10(tmp_path, ["ship", "frog"], 32, (1000, 0), seed=1)
    assert np.bincount(train.labels).tolist() == [500, 500] and np.bincount(test.labels).tolist() == [1000, 1000]
    batch = pickle.loads((tmp_path / "cifar-10-batches-py/test_batch").read_bytes(), encoding="bytes")
    official = batch[b"data"].reshape(-1, 3, 32, 32).transpose(0, 2, 3, 1)[np.array(batch[b"labels"]) == 6]
    assert (test.pixels[test.labels == 1] == official).all()


# --- a data set -------------------------------------------------------------------------------------------------------


def dataset_settings(path, **changes):
    known = {"dataset": str(path), "revision": "", "subset": "", "split": "train", "test_split": "test"}
    return (
        known
        | {"image": "image", "label": "label", "names": {}, "train": 0, "test": 0, "kind": "huggingface"}
        | changes
    )


def make_dataset(folder: Path, data: dict | None = None) -> Path:
    write_parquet_images(folder / "train-0.parquet", [0, 1] * 10 + [2] * 3, data=data)
    write_parquet_images(folder / "train-1.parquet", [1, 0] * 10, first=100)
    write_parquet_images(folder / "test-0.parquet", [0, 1, 0, 1, 2], first=200)
    return folder


def test_a_data_set_s_splits_become_squares(tmp_path):
    train, test = load_dataset(dataset_settings(make_dataset(tmp_path)), ["dog", "cat"], 8, (0, 2), seed=0)
    assert train.pixels.shape == (40, 8, 8, 3) and np.bincount(train.labels).tolist() == [20, 20]
    assert sorted(test.labels.tolist()) == [0, 1]
    first = to_square(Image.open(io.BytesIO(image_bytes(0))), 8)
    assert np.array_equal(train.pixels[0], first) and train.labels[0] == 1  # the first row is a cat


def test_a_data_set_s_count_is_of_images(tmp_path):
    """Broken images and duplicates are replaced; the others stay the same."""
    whole, _ = load_dataset(dataset_settings(make_dataset(tmp_path / "whole")), ["cat", "dog"], 8, (12, 0), seed=3)
    data = {row: image_bytes(row)[:70] for row in (0, 1, 2, 3)} | {4: image_bytes(6)}
    path = make_dataset(tmp_path / "broken", data)
    train, _ = load_dataset(dataset_settings(path), ["cat", "dog"], 8, (12, 0), seed=3)
    assert np.bincount(train.labels).tolist() == np.bincount(whole.labels).tolist() == [6, 6]
    assert len({image.tobytes() for image in train.pixels}) == 12


def test_a_class_that_a_data_set_lacks_is_named(tmp_path):
    with pytest.raises(UserError, match="teacher.data: no image has the label frog; labels are cat, dog, ship"):
        load_dataset(dataset_settings(make_dataset(tmp_path)), ["cat", "frog"], 8, (0, 0), seed=0)


def test_the_script_reads_a_data_set(tmp_path):
    written = run_script(
        tmp_path / "data.npz", dataset_settings(make_dataset(tmp_path / "set"), train=10), ["cat", "dog"]
    )
    assert written["train_pixels"].shape == (10, 16, 16, 3) and len(written["test_labels"]) == 4
