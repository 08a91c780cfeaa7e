"""Draw images with captions that read like prompts, to train the text-to-image model of the demo.

A caption has a subject, and perhaps a medium, a setting, a viewpoint and a light: `a photo of a tabby cat in a meadow,
close-up, at night`. The setting decides the scene, and the other parts decide how the image looks, so a model that
trains on captions has to use every word. Each part is chosen independently, as in composed prompts.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from distillery.generation.prompts import compose
from distillery_demo.drawing import STYLES, Style, draw_in_style
from distillery_demo.pen import pick

SUBJECTS = {
    "airplane": ("an airplane", "a passenger airplane", "a glider", "a jet", "a small propeller plane"),
    "automobile": ("an automobile", "a car", "a sleek sports car", "an old classic car", "a sedan"),
    "bird": ("a bird", "a colorful parrot", "a seagull", "a small songbird", "a flying bird"),
    "cat": ("a cat", "a tabby cat", "a house cat", "a kitten", "a cat sleeping"),
    "deer": ("a deer", "a young fawn", "a stag with antlers", "a wild deer", "a deer grazing"),
    "dog": ("a dog", "a husky", "a small puppy", "a dog running", "a terrier"),
    "frog": ("a frog", "a tree frog", "a frog sitting", "a bullfrog", "a toad"),
    "horse": ("a horse", "a wild horse", "a pony", "a foal", "a stallion"),
    "ship": ("a ship", "a cargo ship", "a sailing ship with tall masts", "a fishing boat", "a cruise ship"),
    "truck": ("a truck", "a big rig", "a vintage pickup truck", "a delivery truck", "a dump truck"),
}
# setting → the scenes (keys of `drawing.SCENES`) that may show it; an empty tuple is a plain background
SETTINGS: dict[str, tuple[str, ...]] = {
    "in the sky": ("sky",),
    "flying above the clouds": ("sky",),
    "soaring over a canyon": ("sky",),
    "flying over the ocean": ("sky", "water"),
    "in a meadow": ("grass",),
    "grazing in a meadow": ("grass",),
    "on a leaf": ("grass",),
    "by a barn": ("grass",),
    "at sea": ("water",),
    "in a port": ("water",),
    "on a lily pad": ("water",),
    "on a highway": ("road",),
    "on a coastal highway": ("road",),
    "beside a road": ("road",),
    "running across a desert": ("sand",),
    "on a beach": ("sand",),
    "standing in a misty forest": ("wood",),
    "climbing a tree": ("wood",),
    "on a branch": ("wood",),
    "napping in a sunny window": ("indoor",),
    "in a blanket": ("indoor",),
    "on a carpet": ("indoor",),
    "on a plain background": (),
    "running through snow": (),
}
# how the other parts of a caption change fields of `drawing.Style`
VIEWPOINTS: dict[str, dict[str, Any]] = {
    "close-up": {"scale": (0.50, 0.58)},
    "seen from afar": {"scale": (0.29, 0.34)},
    "seen from the side": {},
}
LIGHTS: dict[str, dict[str, Any]] = {
    "at night": {"light": (0.50, 0.65)},
    "in bright sunlight": {"light": (1.12, 1.25)},
    "in soft daylight": {},
}
MEDIA: dict[str, dict[str, Any]] = {
    "a photo of": {},
    "a faded photo of": {"color": (0.4, 0.55)},
    "a colorful painting of": {"color": (1.5, 1.8)},
}
OMIT_PROBABILITY = {"medium": 0.5, "setting": 0.1, "viewpoint": 0.7, "light": 0.7}


def draw_captioned(label: str, rng: np.random.Generator, size: int, tidy: bool = False) -> tuple[np.ndarray, str]:
    """Draw an image of a class and compose its caption.

    Args:
        label: one of `drawing.CLASSES`.
        rng: generator for both image and caption.
        size: pixels a side, at least 8.
        tidy: leave out the distracting shapes, which captions do not mention.

    Returns:
        uint8 [size, size, 3], and the caption.
    """
    medium, setting, viewpoint, light = (
        "" if rng.random() < OMIT_PROBABILITY[part] else pick(rng, tuple(choices))
        for part, choices in (("medium", MEDIA), ("setting", SETTINGS), ("viewpoint", VIEWPOINTS), ("light", LIGHTS))
    )
    style = _style_of(medium, setting, viewpoint, light)
    style = replace(style, clutter=(0, 0)) if tidy else style
    text = compose(medium, pick(rng, SUBJECTS[label]), setting, viewpoint, light)
    return np.asarray(draw_in_style(label, style, rng, size)), text


def vocabulary() -> list[str]:
    """All texts that captions are composed of."""
    subjects = [subject for subjects in SUBJECTS.values() for subject in subjects]
    return [*subjects, *SETTINGS, *VIEWPOINTS, *LIGHTS, *MEDIA]


def draw_captioned_set(
    classes: Sequence[str], count: int, size: int, seed: int, tidy: bool = False
) -> tuple[np.ndarray, list[str], np.ndarray]:
    """Draw images with captions and labels; the classes take turns, and each row depends only on seed and row number.

    Args:
        classes: names among `drawing.CLASSES`; a label is an index into them.
        count: number of images.
        size: pixels a side, at least 8.
        seed: decides all images and captions.
        tidy: leave out the distracting shapes, which captions do not mention.

    Returns:
        Pixels uint8 [count, size, size, 3], captions [count], and labels int64 [count].
    """
    pixels = np.empty((count, size, size, 3), np.uint8)
    captions: list[str] = []
    labels = np.arange(count, dtype=np.int64) % len(classes)
    for row, label in enumerate(labels.tolist()):
        pixels[row], caption = draw_captioned(classes[label], np.random.default_rng((seed, row)), size, tidy)
        captions.append(caption)
    return pixels, captions, labels


def _style_of(medium: str, setting: str, viewpoint: str, light: str) -> Style:
    """The style that the parts of a caption describe."""
    changes: dict[str, Any] = {}
    for part, choices in ((medium, MEDIA), (viewpoint, VIEWPOINTS), (light, LIGHTS)):
        changes |= choices[part] if part else {}
    if setting:
        scenes = SETTINGS[setting]
        changes |= {"scenes": scenes, "plain": 0.0, "fitting": 1.0} if scenes else {"plain": 1.0}
    return replace(STYLES["generated"], **changes)
