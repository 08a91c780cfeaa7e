"""The loss of a diffusion model's denoiser with which a LoRA is trained, for each supported architecture."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any

import numpy as np

from distillery.jobs import UserError


class Denoiser(ABC):
    """The network of a pipeline that predicts noise, and how it is trained.

    Args:
        pipeline: of diffusers.

    Attributes:
        part: the pipeline's attribute that holds the network.
        network: the network.
    """

    part: str

    def __init__(self, pipeline: Any):
        self.pipeline, self.network = pipeline, getattr(pipeline, self.part)

    @abstractmethod
    def encode_captions(self, texts: Sequence[str]) -> list[Any]:
        """The network's inputs for N captions: embeddings, each [N, …]."""

    def scale_latents(self, latents: Any) -> Any:
        """Latents of the autoencoder → input of the network, both [N, C, H, W]."""
        return latents * self.pipeline.vae.config.scaling_factor

    @abstractmethod
    def loss(self, clean: Any, captions: Sequence[Any], rng: np.random.Generator) -> Any:
        """Mean squared error [] of the network's prediction; `rng` draws the noise and its strength.

        Args:
            clean: scaled latents [B, C, H, W].
            captions: embeddings from `encode_captions`, each [B, …].
        """

    def _prompts(self, texts: Sequence[str], **others: Any) -> tuple[Any, ...]:
        return self.pipeline.encode_prompt(
            prompt=list(texts),
            device=self.pipeline.device,
            num_images_per_prompt=1,
            do_classifier_free_guidance=False,
            **others,
        )


class UNetDenoiser(Denoiser):
    """Stable Diffusion 1 and 2: the UNet predicts noise (Ho et al. 2020) or velocity (Salimans and Ho 2022)."""

    part = "unet"

    def __init__(self, pipeline: Any):
        from diffusers import DDPMScheduler

        super().__init__(pipeline)
        self.scheduler = DDPMScheduler.from_config(pipeline.scheduler.config)

    def encode_captions(self, texts: Sequence[str]) -> list[Any]:
        """The embeddings of the tokens, [N, T, D]."""
        return [self._prompts(texts)[0]]

    def loss(self, clean: Any, captions: Sequence[Any], rng: np.random.Generator) -> Any:
        """The error at uniformly drawn time steps; see `Denoiser.loss`."""
        import torch

        steps = rng.integers(self.scheduler.config.num_train_timesteps, size=len(clean))
        noise = torch.from_numpy(rng.standard_normal(tuple(clean.shape), dtype=np.float32)).to(clean)
        times = torch.from_numpy(steps).to(clean.device)
        predicted = self.network(self.scheduler.add_noise(clean, noise, times), times, captions[0]).sample
        velocity = self.scheduler.config.prediction_type == "v_prediction"
        target = self.scheduler.get_velocity(clean, noise, times) if velocity else noise
        return torch.nn.functional.mse_loss(predicted.float(), target.float())


class TransformerDenoiser(Denoiser):
    """Stable Diffusion 3: the transformer predicts the flow from image to noise (Esser et al. 2024).

    The strength of the noise has their logit-normal distribution, changed by the scheduler's shift.
    """

    part = "transformer"

    def __init__(self, pipeline: Any):
        from diffusers import FlowMatchEulerDiscreteScheduler

        super().__init__(pipeline)
        self.scheduler = FlowMatchEulerDiscreteScheduler.from_config(pipeline.scheduler.config)

    def encode_captions(self, texts: Sequence[str]) -> list[Any]:
        """The embeddings of the tokens [N, T, D], and the pooled embeddings [N, P]."""
        embeddings, _, pooled, _ = self._prompts(texts, prompt_2=None, prompt_3=None)
        return [embeddings, pooled]

    def scale_latents(self, latents: Any) -> Any:
        """See `Denoiser.scale_latents`; here the autoencoder's shift is subtracted first."""
        return super().scale_latents(latents - self.pipeline.vae.config.shift_factor)

    def loss(self, clean: Any, captions: Sequence[Any], rng: np.random.Generator) -> Any:
        """The error of the flow, noise - clean, at (1 - σ) clean + σ noise; see `Denoiser.loss`."""
        import torch

        drawn = 1 / (1 + np.exp(-rng.standard_normal(len(clean))))  # in (0, 1)
        places = torch.from_numpy((drawn * self.scheduler.config.num_train_timesteps).astype(np.int64))
        noise = torch.from_numpy(rng.standard_normal(tuple(clean.shape), dtype=np.float32)).to(clean)
        sigmas = self.scheduler.sigmas[places].to(clean)[:, None, None, None]
        predicted = self.network(
            hidden_states=(1 - sigmas) * clean + sigmas * noise,
            timestep=self.scheduler.timesteps[places].to(clean),
            encoder_hidden_states=captions[0],
            pooled_projections=captions[1],
        ).sample
        return torch.nn.functional.mse_loss(predicted.float(), (noise - clean).float())


def denoiser_of(pipeline: Any, model: str) -> Denoiser:
    """The denoiser of a pipeline.

    Args:
        pipeline: of diffusers.
        model: the model's name, for messages.

    Raises:
        UserError: the model is not Stable Diffusion 1, 2 or 3.
    """
    name = type(pipeline).__name__
    if name == "StableDiffusion3Pipeline":
        return TransformerDenoiser(pipeline)
    if name == "StableDiffusionPipeline":
        return UNetDenoiser(pipeline)
    raise UserError(f"model {model} is a {name}: only Stable Diffusion 1, 2 and 3 can be adapted. Remove adapt.")
