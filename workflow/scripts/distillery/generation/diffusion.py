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
from distillery.generation.parents import ParentImages
from distillery.generation.prompts import ImagePrompt, prompt_for
from distillery.generation.sampling import generate_images
from distillery.jobs import UserError, log, progress
from distillery.storage.records import ImageRecord
from distillery.storage.refusals import refused_record
from distillery.storage.store import Store

MAX_FAILURES = 32  # give a model up after so many failures without a usable image


def generate(
    source: Mapping[str, Any],
    name: str,
    classes: Mapping[str, Any],
    store: str | Path,
    seed: int,
    parents: ParentImages | None = None,
) -> Iterator[tuple[str, list[tuple[ImageRecord, bytes | None]]]]:
    """Generate what is missing of a source's images, then give each class its pool.

    An image that is flagged, black, flat or not a number becomes a record with the reason as its failure, and one more
    image is generated for it: up to a quarter more than requested (at least 8). A class that then still lacks images
    stays short, with a warning; the split decides how to go on (`split.shortfall`).

    Args:
        source: the source in the configuration, of kind diffusion.
        name: the source's name.
        classes: class → {"prompts": [..]}, or for composed prompts {"subjects": [..], "settings": [..]}.
        store: folder of the images generated before.
        seed: the source's seed.
        parents: the images to start from, for image-to-image; classes that their source refused are refused here too.

    Yields:
        For each class in order: its name, and its records in order, each with the JPEG's bytes or None.

    Raises:
        Refusal: the model cannot be had, or needs a GPU that is not there.
        UserError: a class has no prompts, the model cannot be loaded or used, or all of its images fail.
    """
    settings = DiffusionSettings.of(source)
    if source["prompt_style"] == "published":
        for label, words in classes.items():
            if not words.get("prompts"):
                raise UserError(f"source {name}: class {label} has no prompts. Add some to classes: {label}: prompts.")
    refused = parents.refused if parents else frozenset()
    classes = {label: words for label, words in classes.items() if label not in refused}
    for label in sorted(refused):
        yield label, [(refused_record(name, label, source["kind"], "parent refused"), None)]
    plan, kept = _plan_and_store(source, name, classes, store, seed, parents)
    clip_scorer = ClipScorer(source["clip_scorer"], list(classes)) if source["clip_scorer"] else None
    pipeline = None
    while missing := plan.missing(kept):
        log.info("source %s: %d images to generate with %s", name, len(missing), settings.model)
        pipeline = pipeline or load_pipeline(settings)
        _generate_into(kept, pipeline, missing, plan)
    for label in classes:
        entries = plan.entries(label, kept)
        count = sum(data is not None for _, data in entries)
        if not count:
            raise _no_usable_image(settings, [record.failure for record, _ in entries])
        if count < settings.per_class:
            message = "source %s: class %s has %d images, %d requested; the others failed"
            log.warning(message, name, label, count, settings.per_class)
        yield label, clip_scorer.score(entries, kept.store) if clip_scorer else entries


def generate_share(
    source: Mapping[str, Any],
    name: str,
    classes: Mapping[str, Any],
    store: str | Path,
    seed: int,
    share: int,
    shares: int,
    parents: ParentImages | None = None,
) -> list[ImageRecord]:
    """Generate one of several jobs' share of a source's images into the store, where `generate` then finds them.

    A share has every `shares`-th image of each class, so that any number of jobs makes the same images. Images that
    replace failures are left to `generate`.

    Args:
        source, name, classes, store, seed, parents: as for `generate`.
        share: from 0 to `shares` - 1.

    Returns:
        The completed records of the share, failures included.
    """
    plan, kept = _plan_and_store(source, name, classes, store, seed, parents)
    mine = [
        record
        for label in classes
        if not (parents and label in parents.refused)
        for record in islice(plan.attempts(label), plan.settings.per_class)
        if record.rank % shares == share
    ]
    if missing := [record for record in mine if kept.get(record.origin) is None]:
        _generate_into(kept, load_pipeline(plan.settings), missing, plan)
    return [kept.entry(record)[0] for record in mine]


class GeneratedImages:
    """The images of a source generated so far: its store, and failures of this job that are not yet in it.

    Failures stay in memory until this job makes its first usable image. Until then the machine may be at fault, as with
    a broken driver whose images are not a number, and stored failures would outlast the repair.
    """

    def __init__(self, store: Store):
        self.store = store
        self.failures: dict[str, ImageRecord] = {}  # by origin
        self.any_usable = False  # whether this job has made a usable image

    def get(self, origin: str) -> tuple[ImageRecord, bytes | None] | None:
        """The record and bytes of an image, or of a failure without bytes; None if it has not been tried."""
        return (self.failures[origin], None) if origin in self.failures else self.store.get(origin)

    def entry(self, record: ImageRecord) -> tuple[ImageRecord, bytes | None]:
        """The completed record of an image that was tried, and its bytes."""
        found = self.get(record.origin)
        if found is None:
            raise KeyError(record.origin)
        return found

    def put(self, record: ImageRecord, data: bytes | None) -> None:
        """Keep a completed record with its bytes, or a failure without."""
        if data is None and not self.any_usable:
            self.failures[record.origin] = record
            return
        self.store.put(record.origin, record, data)
        for failed in self.failures.values():
            self.store.put(failed.origin, failed, None)
        self.failures, self.any_usable = {}, True


def _plan_and_store(
    source: Mapping[str, Any],
    name: str,
    classes: Mapping[str, Any],
    store: str | Path,
    seed: int,
    parents: ParentImages | None,
) -> tuple[GenerationPlan, GeneratedImages]:
    """The plan of a source's images, and those generated so far; arguments as for `generate`."""
    plan = GenerationPlan(DiffusionSettings.of(source), name, source, classes, seed, parents)
    return plan, GeneratedImages(Store.of(store, source))


def _generate_into(kept: GeneratedImages, pipeline: Any, missing: Sequence[ImageRecord], plan: GenerationPlan) -> None:
    """Generate images and keep them, failures included.

    Raises:
        UserError: the first `MAX_FAILURES` images all failed.
    """
    usable = 0
    failures: list[str] = []
    shards = plan.parents.shards if plan.parents else {}
    images = generate_images(pipeline, missing, plan.settings, shards)
    for record, data in progress(images, len(missing), f"source {plan.name}", "images"):
        kept.put(record, data)
        usable += data is not None
        failures += [record.failure] if data is None else []
        if len(failures) >= MAX_FAILURES and not usable:
            raise _no_usable_image(plan.settings, failures)


def _no_usable_image(settings: DiffusionSettings, failures: Sequence[str]) -> UserError:
    """The error for a model whose images all failed; it names the most frequent reason."""
    reason = max(set(failures), key=failures.count)
    return UserError(
        f"model {settings.model}: none of {len(failures)} images can be used, mostly because: {reason}. "
        f"Try another dtype (now {settings.dtype}), size (now {settings.size}) or model."
    )


@dataclass(frozen=True)
class GenerationPlan:
    """The records of all images that a source needs, before they are generated; fields as for `generate`."""

    settings: DiffusionSettings
    name: str
    source: Mapping[str, Any]
    classes: Mapping[str, Any]
    seed: int
    parents: ParentImages | None = None

    def attempts(self, label: str) -> Iterator[ImageRecord]:
        """The images that may be tried for a class, in order, replacements of failures included."""
        for index in range(self.settings.per_class + max(8, self.settings.per_class // 4)):
            prompt = prompt_for(self.source, label, self.classes[label], index, self.seed)
            parent = (self.parents.source, self.parents.key_of(label, index)) if self.parents else None
            yield plan_image(self.settings, self.name, label, prompt, index, self.seed, parent)

    def missing(self, kept: GeneratedImages) -> list[ImageRecord]:
        """The images still to generate so that every class gets its number, replacements of known failures included."""
        missing: list[ImageRecord] = []
        for label in self.classes:
            usable = 0
            for record in self.attempts(label):
                entry = kept.get(record.origin)
                usable += entry is None or entry[1] is not None
                missing += [record] if entry is None else []
                if usable == self.settings.per_class:
                    break
        return missing

    def entries(self, label: str, kept: GeneratedImages) -> list[tuple[ImageRecord, bytes | None]]:
        """The completed records of a class with their bytes, in order, up to the last image that it needs."""
        entries, usable = [], 0
        for record in self.attempts(label):
            entries.append(kept.entry(record))
            usable += entries[-1][1] is not None
            if usable == self.settings.per_class:
                break
        return entries


def plan_image(
    settings: DiffusionSettings,
    name: str,
    label: str,
    prompt: ImagePrompt,
    index: int,
    seed: int,
    parent: tuple[str, str] | None = None,
) -> ImageRecord:
    """The record of an image before it is generated, with the seed of its noise and its identity.

    The seed depends on model, class, prompts, size, steps, guidance, scheduler, the source's seed, the number, and the
    parent with its strength. The identity (`origin`) also depends on how the image is computed and stored, so that a
    changed setting makes a new one.

    Args:
        parent: source and key of the image to start from; None to start from noise alone.
    """
    facts = {
        "model": settings.model,
        "revision": settings.revision,
        "class": label,
        "prompt": prompt.prompt,
        "negative_prompt": settings.negative_prompt,
        "size": settings.size,
        "steps": settings.steps,
        "guidance": prompt.guidance,
        "scheduler": settings.scheduler,
        "seed": seed,
        "index": index,
    }
    if parent:  # no key where there is none, so that images of before keep their seeds
        facts |= {"parent": parent[1], "strength": prompt.strength}
    computed = {"dtype": settings.dtype, "components": sorted(settings.components), "quality": settings.quality}
    return ImageRecord(
        source=name,
        label=label,
        kind="diffusion",
        origin=_digest(facts | computed).hex()[:32],
        rank=index,
        prompt=prompt.prompt,
        negative_prompt=settings.negative_prompt,
        model=settings.model,
        revision=settings.revision,
        seed=int.from_bytes(_digest(facts)[:8]) >> 1,  # fits an int64 column
        steps=settings.steps,
        guidance=prompt.guidance,
        size=settings.size,
        scheduler=settings.scheduler,
        dtype=settings.dtype,
        components=settings.components,
        quality=settings.quality,
        parent_source=parent[0] if parent else "",
        parent=parent[1] if parent else "",
        strength=prompt.strength if parent else -1.0,
    )


def _digest(facts: Mapping[str, Any]) -> bytes:
    return hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).digest()
