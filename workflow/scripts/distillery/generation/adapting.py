"""Adapts a diffusion model to a source by training a LoRA on its train images, as the example scripts of diffusers do.

A LoRA is low-rank matrices beside the projections of the attention layers (Hu et al. 2022). They are trained to predict
the noise that was added to the images' latents; `denoisers` has the loss. The caption of an image is `a photo of` its
class. The random draws of a step depend on seed and step alone, so that a killed training resumes from its last
checkpoint and ends with the same weights.
"""

from __future__ import annotations

import hashlib
import io
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from distillery.generation.denoisers import Denoiser, denoiser_of
from distillery.generation.models.diffusion_models import DiffusionSettings, load_pipeline
from distillery.generation.parents import ParentImages, read_starts
from distillery.generation.prompts import with_article
from distillery.jobs import log, progress
from distillery.storage.files import atomic_path, atomic_write
from distillery.storage.records import ImageRecord
from distillery.storage.retrieved.refusals import Refusal
from distillery.storage.retrieved.refused_pools import SourceRequest

TARGETS = ["to_k", "to_q", "to_v", "to_out.0"]  # projections of the attention
ENCODED = 16  # images encoded at a time
WEIGHT_DECAY = 0.01
# settings of sampling, which `DiffusionSettings` requires but a training does not use
OF_SAMPLING: dict[str, Any] = {"per_class": 1, "steps": 1, "scheduler": "", "negative_prompt": ""}
OF_SAMPLING |= {"batch": 0, "quality": 95, "compile": False}


@dataclass(frozen=True)
class AdapterRecipe:
    """How a LoRA is trained: the keys of `adapt`, and the source's seed."""

    steps: int
    rank: int
    batch: int
    lr: float
    seed: int

    @classmethod
    def of(cls, source: Mapping[str, Any]) -> AdapterRecipe:
        """The recipe of a configured source."""
        keys = ("steps", "rank", "batch", "lr")
        return cls(**{key: source["adapt"][key] for key in keys}, seed=source["seed"])


def train_adapter(
    source: Mapping[str, Any],
    images: ParentImages,
    output: str | Path,
    *,
    checkpoints: str | Path,
    checkpoint_every: int = 100,
) -> None:
    """Train a LoRA on a source's train images and write it; resumes from its last checkpoint.

    Args:
        source: the diffusion source whose model is adapted, with `adapt`.
        images: to train on.
        output: the `.safetensors` to write, in the format of diffusers. It has no weights if there are no images,
            because their source refused.
        checkpoints: a folder outside the workflow's outputs.
        checkpoint_every: steps between two checkpoints.

    Raises:
        UserError: the model cannot be loaded, or is neither Stable Diffusion 1, 2 nor 3.
    """
    settings, recipe = DiffusionSettings.of({**OF_SAMPLING, **source}), AdapterRecipe.of(source)
    pairs = [(label, key) for label, keys in images.keys.items() for key in keys]
    if not pairs:
        write_weights({}, output)
        return
    denoiser = denoiser_of(load_pipeline(settings), settings.model)
    log.info("adapting %s to %d train images of %s", settings.model, len(pairs), images.source)
    path = Path(checkpoints) / f"{_digest(settings, recipe, pairs)}.pt"
    state = _trained(denoiser, pairs, images, settings.size, recipe, path, checkpoint_every)
    write_weights(state, output)
    path.unlink(missing_ok=True)


def write_weights(weights: Mapping[str, Any], output: str | Path) -> None:
    """Write the tensors of a LoRA, by name, as a safetensors file, atomically."""
    from safetensors.torch import save_file

    with atomic_path(output) as temporary:
        save_file(dict(weights), temporary, metadata={"format": "pt"})


def adapt_unless_refused(request: SourceRequest, output: str | Path, train: Callable[[], None]) -> None:
    """Adapt a model. If it is refused and the request says `skip`, write a LoRA without weights instead.

    The images of such a source are then refused too.

    Args:
        request: of the source whose model is adapted.
        output: the `.safetensors` that `train` writes.
        train: trains the LoRA and writes it.

    Raises:
        Refusal: the model is refused, and the request says `stop`.
    """
    try:
        if request.skip and (known := request.remembered()):
            raise known
        train()
    except Refusal as refusal:
        if not request.skip:
            raise
        request.remember(refusal)
        log.warning("%s Source %s is left out.", refusal, request.source)
        write_weights({}, output)


def _digest(settings: DiffusionSettings, recipe: AdapterRecipe, pairs: Sequence[tuple[str, str]]) -> str:
    """A hash of everything that determines the training; it names the checkpoint."""
    facts = [settings.model, settings.revision, settings.size, list(settings.components), vars(recipe), list(pairs)]
    return hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()[:16]


def _trained(
    denoiser: Denoiser,
    pairs: Sequence[tuple[str, str]],
    images: ParentImages,
    size: int,
    recipe: AdapterRecipe,
    path: Path,
    checkpoint_every: int,
) -> dict[str, Any]:
    """The trained weights by name, in the format of diffusers, on the CPU."""
    import torch
    from diffusers.utils import convert_state_dict_to_diffusers
    from peft import LoraConfig
    from peft.utils import get_peft_model_state_dict, set_peft_model_state_dict

    network = denoiser.network.requires_grad_(False)
    latents, captions = _encoded(denoiser, pairs, images, size)
    torch.manual_seed(recipe.seed)  # initializes the matrices
    network.add_adapter(LoraConfig(r=recipe.rank, lora_alpha=recipe.rank, target_modules=TARGETS))
    weights = [parameter for parameter in network.parameters() if parameter.requires_grad]
    for parameter in weights:
        parameter.data = parameter.data.float()
    optimizer = torch.optim.AdamW(weights, lr=recipe.lr, weight_decay=WEIGHT_DECAY)
    start = 0
    if path.exists():
        state = torch.load(path, weights_only=True, map_location="cpu")
        set_peft_model_state_dict(network, state["weights"])
        optimizer.load_state_dict(state["optimizer"])
        start = state["step"]
        log.info("resuming after step %d", start)
    network.train()
    for step in progress(range(start, recipe.steps), label="adapting", unit="steps"):
        loss = _loss(denoiser, latents, captions, np.random.default_rng([recipe.seed, step]), recipe.batch)
        loss.backward()
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)
        if checkpoint_every and (step + 1) % checkpoint_every == 0:
            file = io.BytesIO()
            found = {
                "weights": get_peft_model_state_dict(network),
                "optimizer": optimizer.state_dict(),
                "step": step + 1,
            }
            torch.save(found, file)
            atomic_write(path, file.getvalue())
    layers = convert_state_dict_to_diffusers(get_peft_model_state_dict(network))
    found = type(denoiser.pipeline).pack_weights(layers, denoiser.part)
    return {name: tensor.detach().float().cpu().contiguous() for name, tensor in found.items()}


def _encoded(
    denoiser: Denoiser, pairs: Sequence[tuple[str, str]], images: ParentImages, size: int
) -> tuple[Any, list[Any]]:
    """Latents [N, C, H, W] of the images, and the embeddings of their captions, each [N, …]; on the device."""
    import torch

    pipeline, parts = denoiser.pipeline, []
    with torch.inference_mode():
        for start in range(0, len(pairs), ENCODED):
            some = [
                ImageRecord("", label, "diffusion", "", size=size, parent=key)
                for label, key in pairs[start : start + ENCODED]
            ]
            pixels = np.stack([np.asarray(image) for image in read_starts(some, images.shards)])
            views = torch.from_numpy(pixels).permute(0, 3, 1, 2).to(pipeline.device, pipeline.vae.dtype) / 127.5 - 1
            parts.append(denoiser.scale_latents(pipeline.vae.encode(views).latent_dist.mean))
        labels = list(images.keys)
        by_class = denoiser.encode_captions([f"a photo of {with_article(label)}" for label in labels])
    rows = torch.tensor([labels.index(label) for label, _ in pairs], device=pipeline.device)
    # clones, because tensors of inference mode cannot take part in a training
    return torch.cat(parts).clone(), [each.clone()[rows] for each in by_class]


def _loss(denoiser: Denoiser, latents: Any, captions: Sequence[Any], rng: np.random.Generator, batch: int) -> Any:
    """The loss [] for a random batch of images; `rng` draws the images and the noise."""
    import torch

    chosen = torch.from_numpy(rng.integers(len(latents), size=batch)).to(latents.device)
    return denoiser.loss(latents[chosen], [each[chosen] for each in captions], rng)
