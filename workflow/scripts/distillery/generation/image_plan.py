"""The plan of a source's images: the record, seed and identity of each before it is generated."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

from distillery.generation.models.diffusion_models import DiffusionSettings
from distillery.generation.parents import ParentImages
from distillery.generation.prompts import ImagePrompt, prompt_for
from distillery.generation.scoring.keeping import KeepRule
from distillery.generation.scoring.scores import Entries
from distillery.storage.records import ImageRecord
from distillery.storage.retrieved.store import Store

LEAST_SHARE = 0.25  # smallest fraction kept that is expected: a round has at most four times the missing images


class GeneratedImages:
    """The images of a source generated so far: its store, and failures of this job that are not yet in it.

    Failures stay in memory until this job generates its first usable image. Until then the machine may be at fault, for
    example with a broken driver that gives NaN, and stored failures would remain after its repair.

    Args:
        store: of the source.
        keep: which images are kept; the others get the reason as their failure. None keeps all.
    """

    def __init__(self, store: Store, keep: KeepRule | None = None):
        self.store, self.keep = store, keep
        self.failures: dict[str, ImageRecord] = {}  # by origin
        self.any_usable = False  # whether this job has generated a usable image

    def get(self, origin: str) -> tuple[ImageRecord, bytes | None] | None:
        """The record and bytes of an image, or of a failure without bytes; None if it has not been tried.

        A rejected image has a failure and bytes.
        """
        found = (self.failures[origin], None) if origin in self.failures else self.store.get(origin)
        if found and found[1] is not None and self.keep and (reason := self.keep.rejection(found[0])):
            return replace(found[0], failure=reason), found[1]
        return found

    def entry(self, record: ImageRecord) -> tuple[ImageRecord, bytes | None]:
        """The completed record of an image that was tried, and its bytes."""
        found = self.get(record.origin)
        if found is None:
            raise KeyError(record.origin)
        return found

    def made(self, records: Iterable[ImageRecord]) -> Entries:
        """Those of some images that were generated so far and not rejected, with their bytes."""
        found = (self.get(record.origin) for record in records)
        return [entry for entry in found if entry and entry[1] is not None and not entry[0].failure]

    def put(self, record: ImageRecord, data: bytes | None) -> None:
        """Store a completed record with its bytes, or a failure without bytes."""
        if data is None and not self.any_usable:
            self.failures[record.origin] = record
            return
        self.store.put(record.origin, record, data)
        for failed in self.failures.values():
            self.store.put(failed.origin, failed, None)
        self.failures, self.any_usable = {}, True


@dataclass(frozen=True)
class GenerationPlan:
    """The records of all images that a source needs, before they are generated.

    Attributes:
        settings, name, source, classes, seed, parents: as for `generate`.
        tries: maximum of images tried for each one requested. A quarter more than requested, at least 8 more, are
            tried in any case.
    """

    settings: DiffusionSettings
    name: str
    source: Mapping[str, Any]
    classes: Mapping[str, Any]
    seed: int
    parents: ParentImages | None = None
    tries: int = 1

    def attempts(self, label: str) -> Iterator[ImageRecord]:
        """The images that may be tried for a class, in order, replacements of failures included."""
        requested = self.settings.per_class
        for index in range(max(requested * self.tries, requested + max(8, requested // 4))):
            prompt = prompt_for(self.source, label, self.classes[label], index, self.seed)
            parent = (self.parents.source, self.parents.key_of(label, index)) if self.parents else None
            yield plan_image(self.settings, self.name, label, prompt, index, self.seed, parent)

    def missing(self, kept: GeneratedImages) -> list[ImageRecord]:
        """The images to generate next, so that every class gets its number; failures are replaced.

        With a keep rule some of them will be rejected. So more are generated, by the fraction kept so far. Otherwise
        the last missing images would take many rounds, each with a batch for a single image.
        """
        missing: list[ImageRecord] = []
        for label in self.classes:
            new: list[ImageRecord] = []
            tried = usable = 0
            for record in self.attempts(label):
                entry = kept.get(record.origin)
                if entry is None:
                    new.append(record)
                else:
                    tried, usable = tried + 1, usable + (not entry[0].failure)
                share = max(usable / tried, LEAST_SHARE) if tried and kept.keep else 1.0
                if usable + round(len(new) * share) >= self.settings.per_class:
                    break
            missing += new
        return missing

    def entries(self, label: str, kept: GeneratedImages) -> Entries:
        """The completed records of a class with their bytes, in order, up to the last image that it needs."""
        entries, usable = [], 0
        for record in self.attempts(label):
            entries.append(kept.entry(record))
            usable += not entries[-1][0].failure
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

    The seed depends on model, LoRA, class, prompts, size, steps, guidance, scheduler, the source's seed, the index, and
    the parent with its strength. The identity (`origin`) also depends on how the image is computed and stored, so that
    a changed setting gives a new image.

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
    if parent:  # an image without a parent has no such keys, so that its seed stays as it was before they existed
        facts |= {"parent": parent[1], "strength": prompt.strength}
    if lora := settings.lora:
        facts |= {"lora": lora.identity, "lora_weight": lora.weight}
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
        lora=lora.path if lora else "",
        lora_file=lora.file if lora else "",
        lora_revision=lora.revision if lora else "",
        lora_weight=lora.weight if lora else -1.0,
        parent_source=parent[0] if parent else "",
        parent=parent[1] if parent else "",
        strength=prompt.strength if parent else -1.0,
    )


def _digest(facts: Mapping[str, Any]) -> bytes:
    return hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).digest()
