"""Generates one image again from its provenance, and reports whether it is the same.

    .venv/bin/python -m distillery.generation.remake resources/pools/sd2/cat.tar 0123456789abcdef

The key is the image's name in the shard. The bytes are the same on the same machine with the same batch size. With
another batch size or device, pixels may differ slightly; the command reports by how much. If the image started from
another one, that image's pool must still be in its place.
"""

from __future__ import annotations

import argparse
import io
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

from distillery.generation.models.diffusion_models import DiffusionSettings, hash_model, load_pipeline
from distillery.generation.models.lora import Lora, hash_lora
from distillery.generation.sampling import generate_images
from distillery.jobs import UserError
from distillery.storage.files import atomic_write
from distillery.storage.records import ImageRecord
from distillery.storage.retrieved.pools import read_pool


@dataclass(frozen=True)
class RemakeResult:
    """An image generated again, compared with the one in the pool.

    Attributes:
        data: the new JPEG.
        same: whether the bytes equal those in the pool.
        most, mean: largest and mean absolute difference over all pixels and channels, 0 to 255.
    """

    data: bytes
    same: bool
    most: int
    mean: float

    def __str__(self) -> str:
        if self.same:
            return "the same bytes"
        return f"other bytes: pixels differ by at most {self.most} of 255, {self.mean:.2f} on average"


def remake(shard: str | Path, key: str) -> RemakeResult:
    """Generate an image of a pool again, in a batch of one.

    Args:
        shard: the `.tar` of a class, its `.jsonl` beside it.
        key: of the image, 16 hex digits.

    Raises:
        UserError: the pool or the generated image does not exist, a local model has changed, a model cannot be loaded,
            or the image fails this time.
    """
    record, before = find_image(Path(shard), key)
    pipeline = load_pipeline(settings_of(record))
    shards = {record.label: shard_of_parent(Path(shard), record)} if record.parent else {}
    ((made, data),) = generate_images(pipeline, [record], settings_of(record), shards)
    if data is None:
        raise UserError(f"image {key}: this time it is unusable ({made.failure}). Check the device and its drivers.")
    old, new = (np.asarray(Image.open(io.BytesIO(image)).convert("RGB"), np.int16) for image in (before, data))
    difference = np.abs(old - new)
    return RemakeResult(data, data == before, int(difference.max()), float(difference.mean()))


def find_image(shard: Path, key: str) -> tuple[ImageRecord, bytes]:
    """The provenance and the bytes of a generated image of a pool.

    Raises:
        UserError: the pool or the image does not exist, or it was not generated.
    """
    if not shard.exists():
        raise UserError(f"pool {shard} does not exist. Give the path of a class's .tar.")
    for record, data in read_pool(shard, shard.with_suffix(".jsonl")):
        if record.key == key and data is not None:
            if record.kind != "diffusion":
                raise UserError(f"image {key} of {shard} was not generated but comes from {record.kind}.")
            return record, data
    raise UserError(f"pool {shard} has no image {key}. `tar tf {shard}` lists the keys.")


def shard_of_parent(shard: Path, record: ImageRecord) -> Path:
    """The pool of the image from which a generated one started; its source's folder is beside that of the shard."""
    return shard.absolute().parent.parent / record.parent_source / f"{record.label}.tar"


def settings_of(record: ImageRecord) -> DiffusionSettings:
    """The settings with which an image was generated, from its provenance alone.

    Raises:
        UserError: the model is a folder whose files have changed.
    """
    if Path(record.model).is_dir() and hash_model(record.model) != record.revision:
        raise UserError(f"model {record.model} has changed: this image was made with {record.revision}.")
    return DiffusionSettings(
        record.model,
        per_class=1,
        revision=record.revision,
        steps=record.steps,
        size=record.size,
        scheduler=record.scheduler,
        dtype=record.dtype or "auto",
        negative_prompt=record.negative_prompt,
        components=record.components,
        batch=1,
        quality=record.quality,
        compile=False,
        from_images=bool(record.parent),
        lora=lora_of(record),
    )


def lora_of(record: ImageRecord) -> Lora | None:
    """The LoRA with which an image was generated; None if there was none.

    Raises:
        UserError: it was a file, which has changed or no longer exists.
    """
    if not record.lora:
        return None
    path = Path(record.lora)
    if record.lora_revision.startswith("sha256:") and not (path.is_file() and hash_lora(path) == record.lora_revision):
        raise UserError(f"lora {path} has changed or is gone: this image was made with {record.lora_revision}.")
    return Lora(record.lora, record.lora_file, record.lora_revision, record.lora_weight)


def main(arguments: Sequence[str] | None = None) -> None:
    """The command line; see the module's docstring."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("shard", help="a class's pool, such as resources/pools/sd2/cat.tar")
    parser.add_argument("key", help="the image's name there, without .jpg")
    parser.add_argument("--output", help="where to write the new image")
    options = parser.parse_args(arguments)
    try:
        found = remake(options.shard, options.key)
    except UserError as error:
        sys.exit(str(error))
    if options.output:
        atomic_write(options.output, found.data)
    print(f"{options.key}: {found}")


if __name__ == "__main__":
    main()
