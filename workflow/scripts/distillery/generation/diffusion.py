"""Images generated from text by a diffusion model; each can be made again, alone, from its provenance.

Image i of a class has the prompt that `prompts.prompt_for` returns, and noise from its own generator on the CPU. The
seed of the noise is a hash of everything that decides the image. An image enters the store as soon as its batch ends,
so a job killed at any time resumes there. diffusers takes 20 s to import and is imported only if an image is missing.

The same settings give the same image, whatever else is generated. The bytes are the same too if the batches are: a
batch of another size computes in another order, and single pixels may then differ by one level of 255.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

from distillery.generation.clip_scorer import ClipScorer
from distillery.generation.diffusion_models import DiffusionSettings, load_pipeline
from distillery.generation.prompts import ImagePrompt, prompt_for
from distillery.generation.sampling import generate_images
from distillery.jobs import UserError, log, progress
from distillery.storage.records import ImageRecord
from distillery.storage.store import Store

MAX_FAILURES = 32  # images that have to fail, none having succeeded, to give a model up


def generate(
    source: Mapping[str, Any], name: str, classes: Mapping[str, Any], store: str | Path, seed: int
) -> Iterator[tuple[str, list[tuple[ImageRecord, bytes | None]]]]:
    """Generate what is missing of a source's images, then give each class its pool.

    An image that is flagged, black, flat or not a number is a record with the reason as its failure, and the next
    number takes its place, up to a quarter more than asked for (at least 8). A class still short then is short, with
    a warning: how to go on is the split's decision (`shortfall`).

    Args:
        source: the source in the configuration, of kind diffusion.
        name: the source's name.
        classes: class → {"prompts": [..]}, or for composed prompts {"subjects": [..], "settings": [..]}.
        store: folder of what was generated before.
        seed: the source's seed.

    Yields:
        For each class in order, its name and every record in order, with the JPEG's bytes if there is one.

    Raises:
        UserError: a class without prompts; a model that cannot be had or used; a model all of whose images fail.
    """
    settings = DiffusionSettings.of(source)
    if source["prompt_style"] == "published":
        for label, words in classes.items():
            if not words.get("prompts"):
                raise UserError(f"source {name}: class {label} has no prompts. Add some to classes: {label}: prompts.")
    if not settings.revision:
        log.info("source %s: %s has no revision; name a commit to get the same images for ever", name, settings.model)
    plan, kept = GenerationPlan(settings, name, source, classes, seed), GeneratedImages(Store.of(store, source))
    clip_scorer = ClipScorer(source["clip_scorer"], list(classes)) if source["clip_scorer"] else None
    pipeline = None
    while missing := plan.missing(kept):
        log.info("source %s: %d images to generate with %s", name, len(missing), settings.model)
        pipeline = pipeline or load_pipeline(settings)
        _generate_into(kept, pipeline, missing, settings, name)
    for label in classes:
        entries = plan.entries(label, kept)
        count = sum(data is not None for _, data in entries)
        if not count:
            raise _hopeless(settings, [record.failure for record, _ in entries])
        if count < settings.per_class:
            message = "source %s: class %s has %d images, %d asked; the others failed"
            log.warning(message, name, label, count, settings.per_class)
        yield label, clip_scorer.clip_scorer(entries, kept.store) if clip_scorer else entries


def generate_share(
    source: Mapping[str, Any],
    name: str,
    classes: Mapping[str, Any],
    store: str | Path,
    seed: int,
    share: int,
    shares: int,
) -> list[ImageRecord]:
    """Generate into the store one of several jobs' share of a source's images; `generate` then finds them there.

    The share has every `shares`-th image of each class, so that any number of jobs makes the same images. Those
    that replace failures are left to `generate`.

    Args:
        source, name, classes, store, seed: as for `generate`.
        share: from 0 to `shares` - 1.

    Returns:
        The share's records, complete, failures too.
    """
    settings = DiffusionSettings.of(source)
    plan, kept = GenerationPlan(settings, name, source, classes, seed), GeneratedImages(Store.of(store, source))
    mine = [
        record
        for label in classes
        for record in islice(plan.attempts(label), settings.per_class)
        if record.rank % shares == share
    ]
    if missing := [record for record in mine if kept.get(record.origin) is None]:
        _generate_into(kept, load_pipeline(settings), missing, settings, name)
    return [kept.get(record.origin)[0] for record in mine]


class GeneratedImages:
    """What a source has, in its store; failures of this job wait in memory for the first image that succeeds.

    Until then they may be the machine's, as a broken driver's images that are not a number: in the store they would
    outlive its repair.
    """

    def __init__(self, store: Store):
        self.store = store
        self.failures: dict[str, ImageRecord] = {}  # by origin
        self.made = False  # an image, by this job

    def get(self, origin: str) -> tuple[ImageRecord, bytes | None] | None:
        """An image or failure known; None if it is to be made."""
        return (self.failures[origin], None) if origin in self.failures else self.store.get(origin)

    def put(self, record: ImageRecord, data: bytes | None) -> None:
        """Keep what became of a record."""
        if data is None and not self.made:
            self.failures[record.origin] = record
            return
        self.store.put(record.origin, record, data)
        for failed in self.failures.values():
            self.store.put(failed.origin, failed, None)
        self.failures, self.made = {}, True


def _generate_into(
    kept: GeneratedImages, pipeline: Any, missing: Sequence[ImageRecord], settings: DiffusionSettings, name: str
) -> None:
    """Generate images and keep each, failures too, until all are made or none of the first ones is any good."""
    made, failures = 0, []
    images = generate_images(pipeline, missing, settings)
    for record, data in progress(images, len(missing), f"source {name}", "images"):
        kept.put(record, data)
        made += data is not None
        failures += [record.failure] if data is None else []
        if len(failures) >= MAX_FAILURES and not made:
            raise _hopeless(settings, failures)


def _hopeless(settings: DiffusionSettings, failures: Sequence[str]) -> UserError:
    reason = max(set(failures), key=failures.count)
    return UserError(
        f"model {settings.model}: none of {len(failures)} images can be used, mostly because: {reason}. "
        f"Try another dtype (now {settings.dtype}), size (now {settings.size}) or model."
    )


@dataclass(frozen=True)
class GenerationPlan:
    """The images of a source, before they are made; see `generate` for its parts."""

    settings: DiffusionSettings
    name: str
    source: Mapping[str, Any]
    classes: Mapping[str, Any]
    seed: int

    def attempts(self, label: str) -> Iterator[ImageRecord]:
        """Every image that may be tried for a class, in order."""
        for index in range(self.settings.per_class + max(8, self.settings.per_class // 4)):
            asked = prompt_for(self.source, label, self.classes[label], index, self.seed)
            yield plan_image(self.settings, self.name, label, asked, index, self.seed)

    def missing(self, kept: GeneratedImages) -> list[ImageRecord]:
        """What the store lacks to give every class its images, replacements of known failures included."""
        missing = []
        for label in self.classes:
            good = 0
            for record in self.attempts(label):
                entry = kept.get(record.origin)
                good += entry is None or entry[1] is not None
                missing += [record] if entry is None else []
                if good == self.settings.per_class:
                    break
        return missing

    def entries(self, label: str, kept: GeneratedImages) -> list[tuple[ImageRecord, bytes | None]]:
        """A class's records in order, up to the last image asked for."""
        entries, good = [], 0
        for record in self.attempts(label):
            entries.append(kept.get(record.origin))
            good += entries[-1][1] is not None
            if good == self.settings.per_class:
                break
        return entries


def plan_image(
    settings: DiffusionSettings, name: str, label: str, asked: ImagePrompt, index: int, seed: int
) -> ImageRecord:
    """The record of a class's image number `index`, before it is made: its noise's seed and its identity.

    The noise depends on model, class, prompts, size, steps, guidance, scheduler, the source's seed and the number; the
    identity (`origin`) also on how it is computed and stored, so that a changed setting makes new images.
    """
    facts = {
        "model": settings.model,
        "revision": settings.revision,
        "class": label,
        "prompt": asked.prompt,
        "negative_prompt": settings.negative_prompt,
        "size": settings.size,
        "steps": settings.steps,
        "guidance": asked.guidance,
        "scheduler": settings.scheduler,
        "seed": seed,
        "index": index,
    }
    made_so = {"dtype": settings.dtype, "components": sorted(settings.components), "quality": settings.quality}
    return ImageRecord(
        source=name,
        label=label,
        kind="diffusion",
        origin=_digest(facts | made_so).hex()[:32],
        rank=index,
        prompt=asked.prompt,
        negative_prompt=settings.negative_prompt,
        model=settings.model,
        revision=settings.revision,
        seed=int.from_bytes(_digest(facts)[:8]) >> 1,  # fits an int64 column
        steps=settings.steps,
        guidance=asked.guidance,
        size=settings.size,
        scheduler=settings.scheduler,
        dtype=settings.dtype,
        components=settings.components,
        quality=settings.quality,
    )


def _digest(facts: Mapping[str, Any]) -> bytes:
    return hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).digest()
