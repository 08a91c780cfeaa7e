"""The names of arms and sources as charts, tables of text and sentences show them: one name a thing.

CSV tables and paths hold the configuration's keys instead, because other tables and targets are joined on them.
"""

from __future__ import annotations

import re

ARMS = {
    "scratch": "from scratch",
    "kd": "distilled",
    # trained here with the published recipe: not to be mistaken for the numbers that were published
    "published_scratch": "published recipe, from scratch",
    "published_kd": "published recipe, distilled",
}
SOURCES = {"google": "Google", "bing": "Bing", "openverse": "Openverse", "commons": "Wikimedia Commons"}


def display_name(arm: str) -> str:
    """An arm's name as people read it: `from scratch` for `scratch`; other arms keep their configured name."""
    return ARMS.get(arm, arm)


def source_title(source: str) -> str:
    """A source's name as people read it: Google, Bing, SD3 for `sd3`; others as configured, with spaces."""
    if re.fullmatch(r"[a-z]{1,3}[_-]?v?\d+", source):
        return source.replace("_", " ").upper()
    return SOURCES.get(source, source.replace("_", " "))
