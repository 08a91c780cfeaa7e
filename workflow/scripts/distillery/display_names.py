"""Display names of arms, sources and train images: the same name in charts, text tables and sentences.

CSV tables and paths hold the configuration's keys instead, because other tables and targets are joined on them.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from types import MappingProxyType
from typing import Any

ARMS = {
    "scratch": "from scratch",
    "kd": "distilled",
    # trained in this study with the published recipe, so not the published numbers themselves
    "published_scratch": "published recipe, from scratch",
    "published_kd": "published recipe, distilled",
}
SEARCHES = {
    "google": "Google",
    "bing": "Bing",
    "openverse": "Openverse",
    "commons": "Wikimedia Commons",
    "inaturalist": "iNaturalist",
}
OTHER_KINDS = {"diffusion": "generated", "folder": "folder", "urls": "list of addresses", "huggingface": "data set"}
MODEL = re.compile(r"[a-z]{1,3}[_-]?v?\d+")  # names that read like a diffusion model's, such as sd3
NO_TITLES: Mapping[str, str] = MappingProxyType({})
COPIES = {"color": "color-altered", "rotation": "rotated"}


def not_run_text(reason: str) -> str:
    """The text in place of the results of a scenario that is not run: `not run: google refused (captcha)`."""
    return f"not run: {reason}"


def lacking_text(lacking: str) -> str:
    """A sentence on the images that the common test and validation sets lack because a source refused.

    Args:
        lacking: from `refused_sources.lacking_images`.
    """
    return f"Missing because the source refused: {lacking}"


def refused_note(refusals: str) -> str:
    """The note below a figure: `google refused (captcha); …`; empty if no source refused.

    Args:
        refusals: from `refused_sources.refusals_text`.
    """
    return f"{refusals}; scenarios that train on a source that refused are not run" if refusals else ""


def display_name(arm: str) -> str:
    """An arm's name as people read it: `from scratch` for `scratch`; other arms keep their configured name."""
    return ARMS.get(arm, arm)


def class_words(classes: Iterable[str], prompts: Mapping[str, Sequence[str]]) -> dict[str, list[str]]:
    """The words by which a CLIP or SigLIP knows each class: those of the key `prompts`, or else its name in words."""
    return {name: list(prompts.get(name) or [name.replace("_", " ")]) for name in classes}


def source_titles(kinds: Mapping[str, str]) -> dict[str, str]:
    """Every source's display name. It depends on the source's kind, since a source may have any name.

    A search has the name of its engine, with the source's name in parentheses if another source has the same kind.
    Other sources keep their name, with spaces; a diffusion source `sd3` is SD3. A name that reads like another kind of
    source is followed by its own kind: `google (folder)`.

    Args:
        kinds: the kind of every source of the study.
    """
    shared = [kind for kind in SEARCHES if list(kinds.values()).count(kind) > 1]
    return {source: _source_title(source, kind, kind in shared) for source, kind in kinds.items()}


def _source_title(source: str, kind: str, is_shared: bool) -> str:
    name = source.replace("_", " ")
    if kind in SEARCHES:
        return f"{SEARCHES[kind]} ({name})" if is_shared and source != kind else SEARCHES[kind]
    reads_like_model = MODEL.fullmatch(source) is not None
    if set(re.split("[_-]", source.lower())) & SEARCHES.keys() or (reads_like_model and kind != "diffusion"):
        return f"{name} ({OTHER_KINDS[kind]})"
    return name.upper() if reads_like_model else name


def source_title(source: str, titles: Mapping[str, str]) -> str:
    """A source's title from `source_titles`; if it has none, its name with spaces."""
    return titles.get(source, source.replace("_", " "))


def source_with_title(source: str, titles: Mapping[str, str]) -> str:
    """A source's name as configured, with its title if the name does not show its kind: `google (Openverse)`."""
    title, name = source_title(source, titles), source.lower().replace("_", " ")
    if title.lower() in (name, SEARCHES.get(source, "").lower()):
        return source
    return title if name in title.lower() else f"{source} ({title})"


def train_text(
    counts: Mapping[str, int], augment: str = "none", copies: int | None = None, *, titles: Mapping[str, str]
) -> str:
    """Train images in words: `800 Google`, `1,000 each of Google, Bing, SD2`, `400 Google + 400 rotated`.

    Args:
        counts: images of each source, without altered copies; sources with 0 are left out.
        augment: none, color or rotation.
        copies: number of altered copies; by default one of each image.
        titles: of the sources, from `source_titles`.
    """
    counts = {source: int(n) for source, n in counts.items() if n}
    if len(counts) > 2 and len(set(counts.values())) == 1:
        names = ", ".join(source_title(source, titles) for source in counts)
        text = f"{next(iter(counts.values())):,} each of {names}"
    else:
        text = " + ".join(f"{n:,} {source_title(source, titles)}" for source, n in counts.items()) or "no images"
    copies = sum(counts.values()) if copies is None else copies
    return text if augment == "none" or not copies else f"{text} + {copies:,} {COPIES.get(augment, augment)}"


def cleaning_text(clean: bool | Mapping[str, Any]) -> str:
    """A scenario's key `clean` in words: `yes` if flagged labels are left out, `photo only` by kind, both, or empty."""
    if not isinstance(clean, Mapping):
        return "yes" if clean else ""
    kinds = clean.get("kinds", [])
    return ", ".join(["yes"] * clean["labels"] + [f"{' or '.join(kinds)} only"] * bool(kinds))
