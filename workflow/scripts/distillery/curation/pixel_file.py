"""A temporary file for the resized images of a source, which may not fit into memory."""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryFile

import numpy as np


class PixelFile:
    """Images in a temporary file, which is deleted when it is closed or when the process ends.

    Args:
        folder: in which to create the file.
        side: S, the images' side in pixels.
    """

    def __init__(self, folder: Path, side: int) -> None:
        self.side, self.count = side, 0
        self.file = TemporaryFile(dir=folder)  # noqa: SIM115, closed in __exit__

    def __enter__(self) -> PixelFile:
        return self

    def __exit__(self, *_: object) -> None:
        self.file.close()

    def append(self, pixels: np.ndarray) -> int:
        """Write an image, uint8 [S, S, 3]; returns its index."""
        self.file.write(np.ascontiguousarray(pixels).data)
        self.count += 1
        return self.count - 1

    def read(self) -> np.ndarray:
        """All images, uint8 [N, S, S, 3], mapped from the file."""
        shape = (self.count, self.side, self.side, 3)
        if not self.count:  # an empty file cannot be mapped
            return np.empty(shape, np.uint8)
        self.file.flush()
        return np.asarray(np.memmap(self.file, np.uint8, "r", shape=shape))  # images of a plain array cost less to take
