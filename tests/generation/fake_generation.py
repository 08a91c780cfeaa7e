"""A source of generated images, a pipeline in numpy, and readers of pools, for tests of generation."""

import io
from types import SimpleNamespace

import numpy as np
from PIL import Image

from distillery.config.defaults import source_defaults
from distillery.generation.diffusion import generate
from distillery.generation.prompts import ImagePrompt

CLASSES = {"cat": {"prompts": ["a cat", "a tabby cat"]}, "dog": {"prompts": ["a dog"]}}
CAT = ImagePrompt("a cat", 7.0)
DEFAULTS = source_defaults("diffusion")
SOURCE = DEFAULTS | {"model": "someone/model", "revision": "abc", "per_class": 3, "size": 16, "steps": 2}


def colored(number, side=20, step=12):
    """A PNG with a square of one color and a dark corner. The color shows the number: it changes by `step` for each."""
    pixels = np.full((side, side, 3), [40 + step * number, 220 - step * number, 128], np.uint8)
    pixels[: 3 * side // 10, : 3 * side // 10] = 0
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, format="PNG")
    return file.getvalue()


class FakePipeline:
    """A pipeline that returns noise from its generators and records its calls.

    `spoil(prompt, call)` returns a value to fill an image with, or None to keep the noise.
    """

    def __init__(self, spoil=lambda prompt, call: None):
        self.calls = []
        self.spoil = spoil

    def __call__(self, *, prompt, height, width, generator, **settings):
        import torch

        drawn = [torch.rand(height, width, 3, generator=g).numpy() for g in generator]
        for image, text in zip(drawn, prompt, strict=True):
            value = self.spoil(text, len(self.calls))
            if value is not None:
                image[:] = value
        self.calls.append((list(prompt), settings))
        return SimpleNamespace(images=np.stack(drawn), nsfw_content_detected=None)


def pools_of(store, source=SOURCE, classes=CLASSES, seed=0):
    return dict(generate(source, "sd", classes, store, seed))


def images_of(pools):
    return {(label, record.rank): data for label, entries in pools.items() for record, data in entries}
