"""Training on images that do not fit into memory has the same bits: batches are read from the file, one ahead."""

import logging
from dataclasses import replace

import numpy as np
import pytest
import torch
from tiny_study import CLASSES, RECIPE, SOURCES

from distillery.distillation.methods.losses import cross_entropy
from distillery.jobs import UserError, log
from distillery.splits import planned_images
from distillery.training import loop
from distillery.training.data.augmentation import augment_copies
from distillery.training.data.batches import rows_of_step
from distillery.training.data.dataset import ImageDataset, channel_statistics
from distillery.training.data.prefetch import fits_device, prefetch_batches
from distillery.training.loop import optimizer_of, start_network, train

CPU = torch.device("cpu")


@pytest.fixture
def no_memory(monkeypatch):
    monkeypatch.setattr(planned_images, "free_memory", lambda: 1000)


def trained(images, recipe):
    network = start_network(recipe, 3, images, 0, CPU)
    history = train(
        network,
        images,
        recipe,
        lambda network, batch: cross_entropy(network(batch.views), batch.targets),
        optimizer_of(recipe, network),
        seed=0,
        classes=3,
    )
    return history, network.state_dict()


def test_images_in_a_file_are_the_same_images(study, no_memory, caplog, monkeypatch):
    monkeypatch.setattr(log, "propagate", True)
    plan = study.plan(copies=3)
    with caplog.at_level(logging.INFO):
        mapped = study.dataset(plan)
    assert mapped.in_file and "GB of images are read from a file" in caplog.text
    assert [path.name for path in study.folder.iterdir() if path.name.startswith(".images")] == []
    monkeypatch.undo()
    resident = study.dataset(plan)
    assert not resident.in_file and torch.equal(mapped.pixels, resident.pixels)
    for one, other in zip(channel_statistics(mapped.pixels), channel_statistics(resident.pixels), strict=True):
        assert torch.equal(one, other)
    assert torch.equal(augment_copies(mapped, "color", 0).pixels, augment_copies(resident, "color", 0).pixels)
    assert fits_device(resident, CPU) and not fits_device(mapped, CPU)


@pytest.mark.parametrize(
    "changes", [{}, {"view": "resized_crop", "mixup": 0.2}, {"crop": 0, "cutout": 4, "batch": 50, "image_size": 8}]
)
def test_a_training_of_mapped_images_has_the_same_bits(study, changes, no_memory, monkeypatch):
    recipe = replace(RECIPE, steps=6, **changes)
    mapped = trained(study.dataset(), recipe)
    monkeypatch.undo()
    resident = trained(study.dataset(), recipe)
    assert mapped[0] == resident[0]
    assert all(torch.equal(mapped[1][name], value) for name, value in resident[1].items())


def test_a_resumed_training_reads_on_at_its_step():
    pixels = torch.arange(40, dtype=torch.uint8).reshape(40, 1, 1, 1).expand(40, 3, 2, 2)
    batches = list(prefetch_batches(pixels, 16, 5, range(3, 7), CPU))
    assert [batch[:, 0, 0, 0].tolist() for batch in batches] == [
        rows_of_step(40, 16, step, 5).tolist() for step in range(3, 7)
    ]
    assert list(prefetch_batches(pixels, 16, 5, range(0), CPU)) == []


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
def test_batches_reach_a_gpu_whole_while_others_are_read():
    pixels = torch.randint(0, 256, (64, 3, 96, 96), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    batches = list(prefetch_batches(pixels, 32, 0, range(20), torch.device("cuda")))  # no batch may be overwritten
    for step, batch in enumerate(batches):
        assert torch.equal(batch.cpu(), pixels[torch.from_numpy(rows_of_step(64, 32, step, 0))])


def test_one_thread_reads_one_batch_ahead(study):
    images, read = study.dataset(), []

    class Watched:
        def __len__(self):
            return len(images)

        def __getitem__(self, rows):
            read.append(len(rows))
            return images.pixels[rows]

    batches = prefetch_batches(Watched(), 8, 0, range(10), CPU)
    next(batches)
    next(batches)
    assert 2 <= len(read) <= 3
    batches.close()


def test_an_error_of_the_reading_thread_ends_the_training(study, monkeypatch):
    def broken(*arguments):
        raise UserError("the file is gone")
        yield

    monkeypatch.setattr(loop, "fits_device", lambda *_: False)
    monkeypatch.setattr(loop, "prefetch_batches", broken)
    with pytest.raises(UserError, match="the file is gone"):
        trained(study.dataset(), replace(RECIPE, steps=2))


def test_a_full_disk_is_one_line(study, no_memory, monkeypatch):
    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(planned_images.os, "posix_fallocate", full, raising=False)
    with pytest.raises(UserError, match="fit neither into the free memory nor into .* .No space left"):
        study.images()


def test_images_that_are_not_from_files_stay_in_memory(no_memory):
    pixels = {"web": np.zeros((200, 4, 4, 3), np.uint8)}
    rows = np.arange(200)
    found = planned_images.gather_images(pixels, np.full(200, "web", object), rows, rows % len(CLASSES))
    assert not ImageDataset.of(found).in_file and SOURCES
