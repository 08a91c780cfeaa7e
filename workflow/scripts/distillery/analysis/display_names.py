"""Arms, sources and train images as charts, text tables and sentences name them: one name a thing.

CSV tables and paths hold the configuration's keys instead, because other tables and targets are joined on them.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

ARMS = {
    "scratch": "from scratch",
    "kd": "distilled",
    # trained here with the published recipe: not to be mistaken for the numbers that were published
    "published_scratch": "published recipe, from scratch",
    "published_kd": "published recipe, distilled",
}
SOURCES = {"google": "Google", "bing": "Bing", "openverse": "Openverse", "commons": "Wikimedia Commons"}
COPIES = {"color": "color-altered", "rotation": "rotated"}


def display_name(arm: str) -> str:
    """An arm's name as people read it: `from scratch` for `scratch`; other arms keep their configured name."""
    return ARMS.get(arm, arm)


def source_title(source: str) -> str:
    """A source's name as people read it: Google, Bing, SD3 for `sd3`; others as configured, with spaces."""
    if re.fullmatch(r"[a-z]{1,3}[_-]?v?\d+", source):
        return source.replace("_", " ").upper()
    return SOURCES.get(source, source.replace("_", " "))


def train_text(counts: Mapping[str, int], augment: str = "none", copies: int | None = None) -> str:
    """Train images in words: `800 Google`, `1,000 each of Google, Bing, SD2`, `400 Google + 400 rotated`.

    Args:
        counts: images of each source, without altered copies; sources with 0 are left out.
        augment: none, color or rotation.
        copies: number of altered copies; by default one of each image.
    """
    counts = {source: int(n) for source, n in counts.items() if n}
    if len(counts) > 2 and len(set(counts.values())) == 1:
        text = f"{next(iter(counts.values())):,} each of {', '.join(map(source_title, counts))}"
    else:
        text = " + ".join(f"{n:,} {source_title(source)}" for source, n in counts.items()) or "no images"
    copies = sum(counts.values()) if copies is None else copies
    return text if augment == "none" or not copies else f"{text} + {copies:,} {COPIES.get(augment, augment)}"
