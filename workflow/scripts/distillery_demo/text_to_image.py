"""Build the text-to-image model of the demo: the parts of Stable Diffusion 2, small enough for two CPU cores.

It has an autoencoder that reduces 32 x 32 pixels to 8 x 8 latents of 8 channels, a CLIP text model of two layers, and a
UNet with cross-attention at its lower level: 3.6 million weights in all. It predicts the velocity v (Salimans and Ho
2022) with the cosine noise schedule (Nichol and Dhariwal 2021), and samples with DPM-Solver++ (Lu et al. 2022).
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable
from itertools import pairwise
from pathlib import Path
from typing import Any

import torch
from torch import nn

SIZE = 32  # pixels a side
LATENTS = (8, 8, 8)  # channels, height, width
TOKENS = 32  # of a prompt; further tokens are cut off
WIDTH = 96  # channels of the text model's embeddings
TRAINED_STEPS = 1000  # of the noise schedule


def autoencoder() -> Any:
    """An `AutoencoderKL` of diffusers between pixels [B, 3, 32, 32] in -1 to 1 and latents [B, 8, 8, 8]."""
    from diffusers import AutoencoderKL

    return AutoencoderKL(
        block_out_channels=(24, 32, 48),
        down_block_types=("DownEncoderBlock2D",) * 3,
        up_block_types=("UpDecoderBlock2D",) * 3,
        layers_per_block=1,
        latent_channels=LATENTS[0],
        norm_num_groups=8,
        sample_size=SIZE,
    )


def denoiser() -> Any:
    """A `UNet2DConditionModel` of diffusers that predicts the velocity of noisy latents from them, step and text."""
    from diffusers import UNet2DConditionModel

    return UNet2DConditionModel(
        sample_size=LATENTS[1],
        in_channels=LATENTS[0],
        out_channels=LATENTS[0],
        layers_per_block=1,
        block_out_channels=(80, 96),
        down_block_types=("DownBlock2D", "CrossAttnDownBlock2D"),
        up_block_types=("CrossAttnUpBlock2D", "UpBlock2D"),
        cross_attention_dim=WIDTH,
        # An embedding of the whole text is added to that of the step, so that it reaches every block. This trains far
        # faster than cross-attention alone.
        addition_embed_type="text",
        addition_embed_type_num_heads=4,
        attention_head_dim=4,  # despite its name, the number of heads
        norm_num_groups=16,
        use_linear_projection=True,
    )


def text_model(tokenizer: Any) -> nn.Module:
    """A CLIP text model that maps tokens [B, 32] to embeddings [B, 32, 96]."""
    from transformers import CLIPTextConfig, CLIPTextModel

    return CLIPTextModel(
        CLIPTextConfig(
            vocab_size=len(tokenizer),
            hidden_size=WIDTH,
            intermediate_size=2 * WIDTH,
            num_hidden_layers=2,
            num_attention_heads=4,
            max_position_embeddings=TOKENS,
            bos_token_id=tokenizer.bos_token_id,
            eos_token_id=tokenizer.eos_token_id,
            pad_token_id=tokenizer.pad_token_id,
        )
    )


def train_tokenizer(texts: Iterable[str]) -> Any:
    """A CLIP tokenizer in which every word of `texts` is one token; other words are spelled in bytes."""
    from transformers import CLIPTokenizer
    from transformers.convert_slow_tokenizer import bytes_to_unicode

    letters = sorted(bytes_to_unicode().values())
    merges = byte_pair_merges({word for text in texts for word in re.findall(r"\w+|[^\w\s]+", text.lower())})
    known = [*letters, *(letter + "</w>" for letter in letters)]
    known += sorted({left + right for left, right in merges} - set(known))
    known += ["<|startoftext|>", "<|endoftext|>"]
    pairs: Any = merges  # transformers annotates strings, but the tokenizer takes pairs
    return CLIPTokenizer(vocab={token: i for i, token in enumerate(known)}, merges=pairs, model_max_length=TOKENS)


def byte_pair_merges(words: Iterable[str]) -> list[tuple[str, str]]:
    """The merges of byte-pair encoding (Sennrich et al. 2016, algorithm 1) until each ASCII word is one token.

    This is not left to a library, because the usual one orders equally frequent pairs differently from run to run.
    """
    spelled = [[*word[:-1], word[-1] + "</w>"] for word in sorted(words)]
    merges = []
    while pairs := Counter(pair for parts in spelled for pair in pairwise(parts)):
        merges.append(min(pairs, key=lambda pair: (-pairs[pair], pair)))
        spelled = [_merged(parts, merges[-1]) for parts in spelled]
    return merges


def _merged(parts: list[str], pair: tuple[str, str]) -> list[str]:
    """The parts of a word with every occurrence of a pair joined."""
    found: list[str] = []
    for part in parts:
        if found and (found[-1], part) == pair:
            found[-1] += part
        else:
            found.append(part)
    return found


def tokens_of(tokenizer: Any, captions: list[str]) -> torch.Tensor:
    """Captions as token indices int64 [N, 32], padded and truncated as by the pipeline."""
    return tokenizer(captions, padding="max_length", truncation=True, return_tensors="pt").input_ids


def noise_schedule() -> Any:
    """The scheduler of diffusers, which defines the noise of each step and the sampler."""
    from diffusers import DPMSolverMultistepScheduler

    return DPMSolverMultistepScheduler(
        num_train_timesteps=TRAINED_STEPS,
        beta_schedule="squaredcos_cap_v2",
        prediction_type="v_prediction",
        steps_offset=1,
        lambda_min_clipped=-5.1,  # the cosine schedule ends without signal: log(signal / noise) would be infinite
    )


def save_pipeline(vae: nn.Module, text: nn.Module, tokenizer: Any, unet: nn.Module, folder: str | Path) -> None:
    """Write a pipeline that diffusers loads. Weights are float16, which halves the files and is precise enough."""
    from diffusers import StableDiffusionPipeline

    pipeline: Any = StableDiffusionPipeline(
        vae=vae,
        text_encoder=text,
        tokenizer=tokenizer,
        unet=unet,
        scheduler=noise_schedule(),
        safety_checker=None,
        feature_extractor=None,
        requires_safety_checker=False,
    )
    pipeline.to(dtype=torch.float16)
    pipeline.save_pretrained(folder, safe_serialization=True)
