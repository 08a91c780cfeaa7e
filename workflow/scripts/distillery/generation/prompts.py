"""The prompt, the guidance and, for image-to-image, the strength of each generated image.

There are two prompt styles. `published` uses the prompts of a class in turn. `composed` draws subject, setting,
viewpoint, light and medium, each from its own list, so that 8,000 images do not share ten prompts. For training, images
from varied prompts at low guidance are better than prettier ones ("When Pretty Isn't Useful"). The prompt and the
guidance of image i of a class depend on the source's seed, the class and i alone.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

PROMPT_PARTS = ("media", "settings", "viewpoints", "lights")  # lists of `compose`; a class may have its own settings
LEVELS = 6  # values in a range of guidance or strength; few, because all images of a batch share them


@dataclass(frozen=True)
class ImagePrompt:
    """A prompt, the scale of classifier-free guidance, and the strength of the noise added to a parent, 0 to 1.

    The strength is −1 without a parent.
    """

    prompt: str
    guidance: float
    strength: float = -1.0


def prompt_for(source: Mapping[str, Any], label: str, words: Mapping[str, Any], index: int, seed: int) -> ImagePrompt:
    """The prompt, the guidance and the strength of an image of a class.

    Args:
        source: the source in the configuration; `prompt_style`, `guidance`, for composed prompts `compose`, and for
            image-to-image `from`.
        label: the class.
        words: the class in the configuration: `prompts`, or `subjects` and optionally `settings`.
        index: the image's number, from 0.
        seed: the source's seed.
    """
    rng = np.random.default_rng([seed, index, *label.encode()])
    # one number for each part, so that a longer list of one part changes no other part
    drawn = (*PROMPT_PARTS, "subjects", "guidance", "strength")
    draws = dict(zip(drawn, rng.random(len(drawn)), strict=True))
    guidance = _level(source["guidance"], draws["guidance"])
    strength = _level(source["from"]["strength"], draws["strength"]) if "from" in source else -1.0
    if source["prompt_style"] == "published":
        return ImagePrompt(words["prompts"][index % len(words["prompts"])], guidance, strength)
    lists = dict(source["compose"])
    lists["settings"] = words.get("settings") or lists["settings"]
    lists["subjects"] = words.get("subjects") or [with_article(label)]
    parts = {name: _choose(options, draws[name]) for name, options in lists.items()}
    text = compose(parts["media"], parts["subjects"], parts["settings"], parts["viewpoints"], parts["lights"])
    return ImagePrompt(text, guidance, strength)


def compose(medium: str, subject: str, setting: str, viewpoint: str, light: str) -> str:
    """Join the parts to one phrase, `a photo of a cat in a meadow, close-up, at night`; empty parts are left out."""
    phrase = " ".join(filter(None, (medium, subject, setting)))
    return ", ".join(filter(None, (phrase, viewpoint, light)))


def with_article(label: str) -> str:
    """The name of a class with its article: `a cat`, `an old truck`."""
    words = label.replace("_", " ").replace("-", " ")
    return f"{'an' if words[:1].lower() in 'aeiou' else 'a'} {words}"


def _choose(options: Sequence[str], draw: float) -> str:
    """The option that a number in [0, 1) selects; empty if there are none."""
    return options[int(draw * len(options))] if options else ""


def _level(value: float | Sequence[float], draw: float) -> float:
    """A fixed value, or one of `LEVELS` values over [low, high], ends included; a number in [0, 1) selects it."""
    if isinstance(value, int | float):
        return float(value)
    low, high = value
    return round(float(np.linspace(low, high, LEVELS)[int(draw * LEVELS)]), 4)
