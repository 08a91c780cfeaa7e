"""A plan's images are those that it names; damaged files and impossible plans end in one line."""

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch
from tiny_study import CLASSES, SIDE

from distillery.jobs import UserError
from distillery.splits.planned_images import read_planned_images
from distillery.training.data.dataset import ImageDataset, channel_statistics, load_teacher_data

SOURCES = ["web", "drawn"]


def test_a_plan_gives_the_pixels_it_names(study):
    planned = read_planned_images(study.plan("named", train=7, copies=2), study.pixels, SOURCES, CLASSES)
    parts = {split: ImageDataset.of(images) for split, images in planned.items()}
    web = np.load(study.pixels[0])
    train = parts["train"]
    assert {split: len(part) for split, part in parts.items()} == {"train": 27, "val": 12}
    assert train.augmented.sum() == 6
    assert train.pixels.shape == (27, 3, SIDE, SIDE) and train.pixels.is_contiguous(memory_format=torch.channels_last)
    for part in parts.values():
        for pixels, source, row, label in zip(part.pixels, part.sources, part.rows, part.labels, strict=True):
            np.testing.assert_array_equal(pixels.permute(1, 2, 0), web[row])
            assert row // 20 == label and source == "web"


def test_take_selects_the_same_images_in_every_field(study):
    train = study.dataset()
    some = train.take(np.array([25, 3]))
    assert some.rows.tolist() == [train.rows[25], train.rows[3]] and some.labels.tolist() == [2, 0]
    assert torch.equal(some.pixels, train.pixels[[25, 3]])


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ([("web", 0, 0, "val", False)], "has no train images"),
        (
            [("web", 0, 0, "train", False), ("web", 1, 1, "val", False)],
            "validation images of green, but no train images of them",
        ),
        ([("web", 999, 0, "train", False)], "source web has 60 images, but row 999 is requested"),
        ([("moon", 0, 0, "train", False)], "source moon"),
        ([("web", 0, 7, "train", False)], "labels beyond the 3 classes"),
    ],
)
def test_an_impossible_plan_gives_a_one_line_error(study, tmp_path, rows, message):
    names = ("source", "row", "label", "split", "augmented")
    columns = [pa.array(column) for column in zip(*rows, strict=True)]
    pq.write_table(pa.table(columns, names=names), tmp_path / "plan.parquet")
    with pytest.raises(UserError, match=message):
        read_planned_images(tmp_path / "plan.parquet", study.pixels, SOURCES, CLASSES)


def test_truncated_files_give_a_one_line_error(study, tmp_path):
    (tmp_path / "web.npy").write_bytes(study.pixels[0].read_bytes()[:5000])
    with pytest.raises(UserError, match=r"web\.npy are damaged .* Delete the file"):
        read_planned_images(study.plan(), [tmp_path / "web.npy", study.pixels[1]], SOURCES, CLASSES)
    (tmp_path / "data.npz").write_bytes((study.folder / "teacher.npz").read_bytes()[:5000])
    with pytest.raises(UserError, match=r"data\.npz is damaged .* Delete it"):
        load_teacher_data(tmp_path / "data.npz", CLASSES)


def test_teacher_data_of_other_classes_gives_an_error(study):
    with pytest.raises(UserError, match="has classes red, green, blue, not red, green"):
        load_teacher_data(study.folder / "teacher.npz", CLASSES[:2])


def test_channel_statistics_are_the_mean_and_standard_deviation_of_the_pixels():
    pixels = torch.randint(0, 256, (5, 3, 8, 8), generator=torch.Generator().manual_seed(0), dtype=torch.uint8)
    mean, std = channel_statistics(pixels)
    scaled = pixels.double() / 255
    torch.testing.assert_close(mean.double(), scaled.mean(dim=(0, 2, 3)), rtol=1e-6, atol=0)
    torch.testing.assert_close(std.double(), scaled.std(dim=(0, 2, 3), correction=0), rtol=1e-6, atol=0)


def test_images_of_one_color_do_not_divide_by_zero():
    _, std = channel_statistics(torch.full((2, 3, 4, 4), 9, dtype=torch.uint8))
    assert (std > 0).all()
