"""Make one generated image again from its provenance, and say whether it came out the same.

    PYTHONPATH=workflow/scripts python -m distillery.generation.remake resources/pools/sd2/cat.tar 0123456789abcdef

The key is the image's name in the shard. On the same machine with the same batch the bytes are the same; in a batch
of another size, or on another device, pixels may differ a little, and the command says by how much.
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

from distillery.generation.diffusion_models import DiffusionSettings, hash_model, load_pipeline
from distillery.generation.sampling import generate_images
from distillery.jobs import UserError
from distillery.storage.files import atomic_write
from distillery.storage.pools import read_pool
from distillery.storage.records import ImageRecord


@dataclass(frozen=True)
class Comparison:
    """An image made again, beside the one in the pool.

    Attributes:
        data: the new JPEG.
        same: whether its bytes are those of the pool's.
        most, mean: the pixels' absolute difference, 0 to 255, over all pixels and channels.
    """

    data: bytes
    same: bool
    most: int
    mean: float

    def __str__(self) -> str:
        if self.same:
            return "the same bytes"
        return f"other bytes: pixels differ by at most {self.most} of 255, {self.mean:.2f} on average"


def remake(shard: str | Path, key: str) -> Comparison:
    """Make an image of a pool again, alone.

    Args:
        shard: a class's `.tar`, its `.jsonl` beside it.
        key: the image's, 16 hex digits.

    Raises:
        UserError: no such pool, no such generated image in it, a local model that changed, or one that cannot be
            had; an image that fails this time.
    """
    record, before = find_image(Path(shard), key)
    pipeline = load_pipeline(settings_of(record))
    ((made, data),) = generate_images(pipeline, [record], settings_of(record))
    if data is None:
        raise UserError(f"image {key}: this time it is unusable ({made.failure}). Check the device and its drivers.")
    old, new = (np.asarray(Image.open(io.BytesIO(image)).convert("RGB"), np.int16) for image in (before, data))
    difference = np.abs(old - new)
    return Comparison(data, data == before, int(difference.max()), float(difference.mean()))


def find_image(shard: Path, key: str) -> tuple[ImageRecord, bytes]:
    """A generated image of a pool: its provenance and its bytes.

    Raises:
        UserError: there is no such pool, no such image, or it was not generated.
    """
    if not shard.exists():
        raise UserError(f"pool {shard} does not exist. Give the path of a class's .tar.")
    for record, data in read_pool(shard, shard.with_suffix(".jsonl")):
        if record.key == key and data is not None:
            if record.kind != "diffusion":
                raise UserError(f"image {key} of {shard} was not generated but comes from {record.kind}.")
            return record, data
    raise UserError(f"pool {shard} has no image {key}. `tar tf {shard}` lists the keys.")


def settings_of(record: ImageRecord) -> DiffusionSettings:
    """How an image was made, from its provenance alone.

    Raises:
        UserError: the model is a folder whose files are others now.
    """
    if Path(record.model).is_dir() and hash_model(record.model) != record.revision:
        raise UserError(f"model {record.model} is another now than {record.revision}, which made this image.")
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
    )


def main(arguments: Sequence[str] | None = None) -> None:
    """The command; see the module."""
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
