"""Generates images from text with a diffusion model; each can be generated again, alone, from its provenance.

Image i of a class has the prompt that `prompts.prompt_for` returns, and noise from its own generator on the CPU. The
seed of the noise is a hash of everything that determines the image. An image enters the store as soon as its batch
ends, so a job killed at any time resumes there. diffusers takes 20 s to import and is imported only if an image is
missing.

An image depends on its settings alone, not on the other images. Its bytes are the same only if the batch has the same
size: another size changes the order of computation, so that single pixels may differ by one level of 255.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import islice
from pathlib import Path
from typing import Any

from distillery.generation.image_plan import GeneratedImages, GenerationPlan
from distillery.generation.models.diffusion_models import DiffusionSettings, load_pipeline
from distillery.generation.parents import ParentImages
from distillery.generation.sampling import generate_images
from distillery.generation.scoring.clip_scorer import ClipScorer
from distillery.generation.scoring.keeping import REJECTED, KeepRule
from distillery.generation.scoring.scores import Entries, Scorer
from distillery.generation.scoring.teacher_scorer import TeacherScorer
from distillery.jobs import UserError, log, progress
from distillery.storage.records import ImageRecord
from distillery.storage.retrieved.refusals import refused_record
from distillery.storage.retrieved.store import Store
from distillery.wording import reason_kind

MAX_FAILURES = 32  # without a usable image, after which the job stops


def generate(
    source: Mapping[str, Any],
    name: str,
    classes: Mapping[str, Any],
    store: str | Path,
    seed: int,
    parents: ParentImages | None = None,
    teacher: str | Path | None = None,
) -> Iterator[tuple[str, Entries]]:
    """Generate the missing images of a source, then yield the pool of each class.

    An image that is flagged, black, flat or NaN becomes a record with the reason as its failure, and another image
    replaces it. At most a quarter more images than requested (at least 8 more) are tried. Images that `keep` rejects
    are replaced too, up to `keep.tries` times the number requested. If a class still lacks images, a warning is logged,
    and `split.shortfall` decides what follows.

    Args:
        source: the source in the configuration, of kind diffusion.
        name: the source's name.
        classes: class → {"prompts": [..]}, or for composed prompts {"subjects": [..], "settings": [..]}, or
            {"refused": True} if the source of its prompts refused it.
        store: folder of the images generated before.
        seed: the source's seed.
        parents: the images to start from, for image-to-image; classes that their source refused are refused here too.
        teacher: the teacher's weights, if it scores the images.

    Yields:
        For each class in order: its name, and its records in order, each with the JPEG's bytes or None. A rejected
        image has a failure and bytes.

    Raises:
        Refusal: access to the model is refused, or it needs a GPU and there is none.
        UserError: a class has no prompts, the model cannot be loaded or used, or all of its images fail.
    """
    settings = DiffusionSettings.of(source)
    if source["prompt_style"] == "published":
        for label, words in classes.items():
            if not (words.get("prompts") or words.get("refused")):
                raise UserError(f"source {name}: class {label} has no prompts. Add some to classes: {label}: prompts.")
    refused = refused_classes_of(classes, parents)
    classes = {label: words for label, words in classes.items() if label not in refused}
    for label in sorted(refused):
        yield label, [(refused_record(name, label, source["kind"], "parent refused"), None)]
    scorers = _scorers(source, classes, teacher)
    keep = KeepRule.of(source, scorers)
    plan, kept = _plan_and_store(settings, source, name, classes, store, seed, parents, keep)
    pipeline = None
    new: Iterable[Iterable[ImageRecord]] = [plan.attempts(label) for label in classes]
    while missing := _missing(plan, kept, scorers, new):
        log.info("source %s: %d images to generate with %s", name, len(missing), settings.model)
        pipeline = pipeline or load_pipeline(settings)
        _generate_into(kept, pipeline, missing, plan)
        new = [[record for record in missing if record.label == label] for label in classes]
    for label in classes:
        entries = plan.entries(label, kept)
        _warn_of_shortfall(plan, label, [record.failure for record, _ in entries])
        for scorer in [] if keep else scorers:  # a keep rule has scored them already
            entries = scorer.score(entries, kept.store)
        yield label, entries


def refused_classes_of(classes: Mapping[str, Any], parents: ParentImages | None) -> set[str]:
    """The classes that the source of the parents, or of the prompts, refused."""
    return {label for label, words in classes.items() if words.get("refused")} | (parents.refused if parents else set())


def _scorers(source: Mapping[str, Any], classes: Mapping[str, Any], teacher: str | Path | None) -> list[Scorer]:
    """The networks that score a source's images."""
    clip = [ClipScorer(source["clip_scorer"], list(classes))] if source["clip_scorer"] else []
    return [*clip, *([TeacherScorer(teacher, list(classes))] if teacher else [])]


def _missing(
    plan: GenerationPlan,
    kept: GeneratedImages,
    scorers: Sequence[Scorer],
    new: Iterable[Iterable[ImageRecord]],
) -> list[ImageRecord]:
    """The images still to generate. With a keep rule, new images are scored first.

    Args:
        new: for each class, the images that may have been generated since the last call.
    """
    for records in map(list, new) if kept.keep else ():
        for scorer in scorers:
            scorer.score(kept.made(records), kept.store)
    return plan.missing(kept)


def _warn_of_shortfall(plan: GenerationPlan, label: str, failures: Sequence[str]) -> None:
    """Warn of a class with too few images.

    Args:
        failures: of the images tried, empty for those that are usable.

    Raises:
        UserError: no image is usable.
    """
    count, requested = failures.count(""), plan.settings.per_class
    rejected = sum(reason_kind(failure) == REJECTED for failure in failures)
    if not count and rejected == len(failures):
        raise UserError(
            f"source {plan.name}: class {label}: keep rejected all {rejected} images (the first with"
            f" {failures[0].removeprefix(f'{REJECTED}: ')}). Lower keep.at_least, or give the class other prompts."
        )
    if not count:
        raise _no_usable_image(plan.settings, failures)
    if count < requested:
        failed, tried = len(failures) - count - rejected, len(failures)
        rest = f"{rejected} of {tried} tried were rejected (keep), {failed} failed" if rejected else "the others failed"
        log.warning("source %s: class %s has %d images, %d requested; %s", plan.name, label, count, requested, rest)


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
    """Generate the part of a source's images that falls to one of several jobs; `generate` finds them in the store.

    A share is every `shares`-th image of each class, so that any number of jobs generates the same images. `generate`
    replaces failures.

    Args:
        source, name, classes, store, seed, parents: as for `generate`.
        share: from 0 to `shares` - 1.

    Returns:
        The completed records of the share, failures included.
    """
    plan, kept = _plan_and_store(DiffusionSettings.of(source), source, name, classes, store, seed, parents)
    share_records = [
        record
        for label in classes
        if label not in refused_classes_of(classes, parents)
        for record in islice(plan.attempts(label), plan.settings.per_class)
        if record.rank % shares == share
    ]
    if missing := [record for record in share_records if kept.get(record.origin) is None]:
        _generate_into(kept, load_pipeline(plan.settings), missing, plan)
    return [kept.entry(record)[0] for record in share_records]


def _plan_and_store(
    settings: DiffusionSettings,
    source: Mapping[str, Any],
    name: str,
    classes: Mapping[str, Any],
    store: str | Path,
    seed: int,
    parents: ParentImages | None,
    keep: KeepRule | None = None,
) -> tuple[GenerationPlan, GeneratedImages]:
    """The plan of a source's images, and those generated so far; arguments as for `generate`."""
    plan = GenerationPlan(settings, name, source, classes, seed, parents, keep.tries if keep else 1)
    return plan, GeneratedImages(Store.of(store, source), keep)


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
