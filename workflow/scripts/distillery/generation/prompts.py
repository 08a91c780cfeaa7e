"""What a diffusion model is asked for, image by image.

`published`: a class's prompts as they are, in turn. `composed`: subject, setting, viewpoint, light and medium, each
drawn from a list by itself, so that 8,000 images do not share ten prompts: varied prompts and a low guidance teach
better than pretty images ("When Pretty Isn't Useful"). The prompt and the guidance of image i of a class follow
from the source's seed, the class and i alone, whatever else is generated.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

PROMPT_PARTS = ("media", "settings", "viewpoints", "lights")  # of `compose`; a class may have settings of its own
LEVELS = 6  # of guidance in a range: images made together share theirs, so few levels make large batches


@dataclass(frozen=True)
class ImagePrompt:
    """What decides the image besides its noise: prompt, and scale of classifier-free guidance."""

    prompt: str
    guidance: float


def prompt_for(source: Mapping[str, Any], label: str, words: Mapping[str, Any], index: int, seed: int) -> ImagePrompt:
    """Prompt and guidance of a class's image.

    Args:
        source: the source in the configuration; `prompt_style`, `guidance`, and for composed prompts `compose`.
        label: the class.
        words: the class in the configuration: `prompts`, or `subjects` and perhaps `settings`.
        index: the image's number, from 0.
        seed: the source's seed.
    """
    rng = np.random.default_rng([seed, index, *label.encode()])
    # every part has a number of its own, so that a longer list of one changes no other
    shares = dict(zip((*PROMPT_PARTS, "subjects", "guidance"), rng.random(len(PROMPT_PARTS) + 2), strict=True))
    guidance = _level(source["guidance"], shares["guidance"])
    if source["prompt_style"] == "published":
        return ImagePrompt(words["prompts"][index % len(words["prompts"])], guidance)
    lists = dict(source["compose"])
    lists["settings"] = words.get("settings") or lists["settings"]
    lists["subjects"] = words.get("subjects") or [with_article(label)]
    parts = {name: _choose(options, shares[name]) for name, options in lists.items()}
    return ImagePrompt(
        compose(parts["media"], parts["subjects"], parts["settings"], parts["viewpoints"], parts["lights"]), guidance
    )


def compose(medium: str, subject: str, setting: str, viewpoint: str, light: str) -> str:
    """The parts as one phrase, `a photo of a cat in a meadow, close-up, at night`; an empty part is left out."""
    phrase = " ".join(filter(None, (medium, subject, setting)))
    return ", ".join(filter(None, (phrase, viewpoint, light)))


def with_article(label: str) -> str:
    """A class's name as a subject: `a cat`, `an old truck`."""
    words = label.replace("_", " ").replace("-", " ")
    return f"{'an' if words[:1].lower() in 'aeiou' else 'a'} {words}"


def _choose(options: Sequence[str], share: float) -> str:
    return options[int(share * len(options))] if options else ""


def _level(guidance: float | Sequence[float], share: float) -> float:
    """A guidance, or one of `LEVELS` values evenly spaced over a range [low, high], its ends included."""
    if isinstance(guidance, int | float):
        return float(guidance)
    return round(float(np.linspace(*guidance, LEVELS)[int(share * LEVELS)]), 4)
