"""Train the text-to-image model of the demo on drawn images and their captions.

    .venv/bin/python -m distillery_demo.train_model demo/model

First the autoencoder is trained, then the denoiser and the text model on its latents, then its decoder once more. The
seed decides everything. An interrupted training resumes from its last checkpoint. docs/demo_model.md has the results.
"""

from __future__ import annotations

import argparse
import math
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from distillery.jobs import log, progress, start_logging
from distillery.training.checkpoints import Checkpoint, digest
from distillery.training.ema import ModelEMA, decay_after
from distillery.training.hardware import autocast, choose_device
from distillery.training.optimizers.adam import Adam
from distillery_demo import text_to_image as model
from distillery_demo.captions import draw_captioned_set, vocabulary
from distillery_demo.drawing import CLASSES
from distillery_demo.pipelines import seeded


@dataclass(frozen=True)
class TrainingSettings:
    """How the model is trained. Steps are optimizer steps, batches are images, learning rates are Adam's."""

    seed: int = 0
    images: int = 40_000  # number of images that the autoencoder is trained on
    tidy_images: int = 30_000  # number of images without distracting shapes, which the denoiser is trained on
    autoencoder_steps: int = 1600
    autoencoder_batch: int = 32
    autoencoder_lr: float = 2e-3
    decoder_steps: int = 1200
    steps: int = 13_000
    batch: int = 32
    lr: float = 1e-3
    kl_weight: float = 1e-5  # of the divergence of the latents from a normal distribution
    caption_dropout: float = 0.1  # fraction of captions left out, for classifier-free guidance (Ho and Salimans 2021)
    latent_noise: float = 0.05  # standard deviation of noise added to latents of unit variance, for the decoder
    ema_decay: float = 0.998  # of the denoiser's moving average of weights
    checkpoint_every: int = 100  # steps


def train_model(folder: str | Path, training: TrainingSettings, state: str | Path) -> None:
    """Train a model and save it as a pipeline of diffusers.

    Args:
        folder: where the pipeline is saved.
        training: the settings.
        state: folder of checkpoints; they are removed when the model is saved.
    """
    device = choose_device(threads=torch.get_num_threads())
    pixels, _, _ = draw_captioned_set(CLASSES, training.images, model.SIZE, training.seed)
    images = torch.from_numpy(pixels).permute(0, 3, 1, 2)
    tokenizer = model.train_tokenizer(vocabulary())
    points = _checkpoints(Path(state), training)
    vae = train_autoencoder(images, training, device, points[0])
    pixels, captions, _ = draw_captioned_set(CLASSES, training.tidy_images, model.SIZE, training.seed + 1, tidy=True)
    images = torch.from_numpy(pixels).permute(0, 3, 1, 2)
    latents = encode(vae, images, device)
    vae.register_to_config(scaling_factor=round(1 / latents.std().item(), 4))
    latents *= vae.config.scaling_factor
    text, unet = train_denoiser(latents, model.tokens_of(tokenizer, captions), tokenizer, training, device, points[1])
    sharpen_decoder(vae, latents, images, training, device, points[2])
    model.save_pipeline(vae, text, tokenizer, unet, folder)
    for point in points:
        point.remove()


def _checkpoints(state: Path, training: TrainingSettings) -> list[Checkpoint]:
    """The checkpoints of the three parts. Each stays valid unless settings change that its part or an earlier uses."""
    settings = asdict(training)
    first = {key: settings[key] for key in settings if key in ("seed", "images", "kl_weight") or "autoencoder" in key}
    second = {key: settings[key] for key in settings if key not in ("decoder_steps", "latent_noise")}
    parts = {"autoencoder": first, "denoiser": second, "decoder": settings}
    return [
        Checkpoint(state / f"{part}.pt", digest(chosen), training.checkpoint_every) for part, chosen in parts.items()
    ]


def train_autoencoder(images: Tensor, training: TrainingSettings, device: torch.device, point: Checkpoint) -> Any:
    """Train an autoencoder of `images` (uint8 [N, 3, 32, 32]) with `reconstruction_loss` and KL divergence."""
    vae = seeded(training.seed, model.autoencoder).to(device, memory_format=torch.channels_last).train()

    def loss(step: int) -> Tensor:
        rng = np.random.default_rng((training.seed, 1, step))
        wanted = scaled(images[rng.integers(len(images), size=training.autoencoder_batch)], device)
        latents = vae.encode(wanted).latent_dist
        noise = torch.from_numpy(rng.standard_normal(latents.mean.shape, np.float32)).to(device)
        made = vae.decode(latents.mean + latents.std * noise).sample
        return reconstruction_loss(made, wanted) + training.kl_weight * latents.kl().mean()

    _optimize(vae, loss, training.autoencoder_steps, training.autoencoder_lr, device, point, "autoencoder")
    return vae.eval()


def sharpen_decoder(
    vae: Any, latents: Tensor, images: Tensor, training: TrainingSettings, device: torch.device, point: Checkpoint
) -> None:
    """Train only the decoder further, on latents with a little noise, like those that the denoiser generates.

    Args:
        vae: the trained autoencoder, changed in place.
        latents: float [N, 8, 8, 8] of unit variance, of `images`.
        images: uint8 [N, 3, 32, 32].
        training: the settings.
        device: where to train.
        point: the checkpoint of this part.
    """
    parts = nn.ModuleDict({"in": vae.post_quant_conv, "decoder": vae.decoder}).train()

    def loss(step: int) -> Tensor:
        rng = np.random.default_rng((training.seed, 3, step))
        rows = rng.integers(len(images), size=training.autoencoder_batch)
        noise = torch.from_numpy(rng.standard_normal((len(rows), *model.LATENTS), np.float32))
        noisy = (latents[rows] + training.latent_noise * noise) / vae.config.scaling_factor
        return reconstruction_loss(vae.decode(noisy.to(device)).sample, scaled(images[rows], device))

    _optimize(parts, loss, training.decoder_steps, training.autoencoder_lr / 2, device, point, "decoder")
    vae.eval()


def reconstruction_loss(made: Tensor, wanted: Tensor) -> Tensor:
    """Mean absolute error of pixels [B, C, H, W], plus that of the differences between neighboring pixels.

    The differences keep edges sharp, to which people and classifiers are sensitive.
    """
    error = made.float() - wanted.float()
    return error.abs().mean() + error.diff(dim=2).abs().mean() + error.diff(dim=3).abs().mean()


def train_denoiser(
    latents: Tensor, tokens: Tensor, tokenizer: Any, training: TrainingSettings, device: torch.device, point: Checkpoint
) -> tuple[nn.Module, nn.Module]:
    """Train text model and denoiser to predict the velocity of noisy latents.

    Args:
        latents: float [N, 8, 8, 8] of unit variance.
        tokens: int64 [N, 32], the captions of the latents' images.
        tokenizer: that made the tokens.
        training: the settings.
        device: where to train.
        point: the checkpoint of this part.

    Returns:
        Text model and denoiser with moving averages of their weights.
    """

    def build() -> nn.ModuleDict:
        return nn.ModuleDict({"text": model.text_model(tokenizer), "unet": model.denoiser()})

    parts: Any = seeded(training.seed, build).to(device, memory_format=torch.channels_last).train()
    signal = model.noise_schedule().alphas_cumprod
    empty = model.tokens_of(tokenizer, [""])[0]

    def loss(step: int) -> Tensor:
        rng = np.random.default_rng((training.seed, 2, step))
        rows = rng.integers(len(latents), size=training.batch)
        clean = latents[rows]
        noise = torch.from_numpy(rng.standard_normal(clean.shape, np.float32))
        times = torch.from_numpy(rng.integers(model.TRAINED_STEPS, size=training.batch))
        dropped = torch.from_numpy(rng.random(training.batch) < training.caption_dropout)
        words = torch.where(dropped[:, None], empty, tokens[rows]).to(device)
        noisy, wanted = diffuse(clean, noise, signal[times])
        made = parts["unet"](noisy.to(device), times.to(device), parts["text"](words).last_hidden_state).sample
        return F.mse_loss(made.float(), wanted.to(device))

    ema = ModelEMA(parts)
    _optimize(parts, loss, training.steps, training.lr, device, point, "denoiser", ema, training.ema_decay)
    ema.apply()
    return parts["text"].eval(), parts["unet"].eval()


def diffuse(clean: Tensor, noise: Tensor, signal: Tensor) -> tuple[Tensor, Tensor]:
    """Noisy latents x and their velocity v, [B, C, H, W] each (Salimans and Ho 2022, section 4 and appendix D).

    x = sqrt(a) clean + sqrt(1 - a) noise and v = sqrt(a) noise - sqrt(1 - a) clean, with a the `signal` [B], 0 to 1.
    """
    signal = signal[:, None, None, None]
    keep, spoil = signal.sqrt(), (1 - signal).sqrt()
    return keep * clean + spoil * noise, keep * noise - spoil * clean


def scaled(images: Tensor, device: torch.device) -> Tensor:
    """Images uint8 scaled to -1 to 1, the range of the autoencoder, as float32 and channels last."""
    return (images.to(device).float() / 127.5 - 1).contiguous(memory_format=torch.channels_last)


@torch.no_grad()
def encode(vae: Any, images: Tensor, device: torch.device, batch: int = 200) -> Tensor:
    """The autoencoder's mean latents, float [N, 8, 8, 8], of images uint8 [N, 3, 32, 32]."""
    found = []
    for part in progress(images.split(batch), label="latents", unit="batches"):
        with autocast(device):
            found.append(vae.encode(scaled(part, device)).latent_dist.mean.float().cpu())
    return torch.cat(found).contiguous()


def _optimize(
    network: nn.Module,
    loss_of: Callable[[int], Tensor],
    steps: int,
    lr: float,
    device: torch.device,
    point: Checkpoint,
    name: str,
    ema: ModelEMA | None = None,
    decay: float = 0.0,
) -> None:
    """Minimize a loss with Adam, from the checkpoint if there is one; gradients are clipped to a norm of 1.

    Args:
        network: the weights to train, in place.
        loss_of: the scalar loss of a step, by its number.
        steps: at which the training ends.
        lr: the peak of the learning rate.
        device: of the network.
        point: where checkpoints are loaded and saved.
        name: of the part, for the log.
        ema: a moving average of the weights, or None.
        decay: of `ema`.
    """
    weights = [weight for weight in network.parameters() if weight.requires_grad]
    optimizer, first = Adam(weights), 0
    losses: list[float] = []
    if state := point.load(device):
        network.load_state_dict(state["network"])
        optimizer.restore(state["optimizer"])
        if ema:
            ema.restore(state["ema"])
        first, losses = state["step"], state["history"]
    for step in progress(range(first, steps), label=name, unit="steps"):
        with autocast(device):
            loss = loss_of(step)
        loss.backward()
        nn.utils.clip_grad_norm_(weights, 1.0)
        optimizer.step(lr * rate(step, steps))
        if ema:
            ema.update(decay_after(step, decay))
        losses.append(loss.item())
        if (step + 1) % point.every == 0:
            log.info("%s: step %d, loss %.4f", name, step + 1, np.mean(losses[-point.every :]))
            point.save(step + 1, network, ema, optimizer, losses[-point.every :], loss.detach())


def rate(step: int, steps: int, warm: int = 100) -> float:
    """The learning rate as a fraction of its peak: a linear rise over `warm` steps times half a cosine down to zero."""
    return min((step + 1) / warm, 1.0) * 0.5 * (1 + math.cos(math.pi * step / steps))


def main(arguments: list[str] | None = None) -> None:
    """Run the command line that the module's docstring describes."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", help="where the pipeline is saved")
    parser.add_argument("--state", default="results/demo-model", help="folder of checkpoints and of the log")
    options = parser.parse_args(arguments)
    start_logging(str(Path(options.state) / "training.log"))
    train_model(options.folder, TrainingSettings(), options.state)


if __name__ == "__main__":
    main()
