"""Build tiny text-to-image pipelines with random weights, with which studies and tests generate offline in seconds.

They have the architectures of Stable Diffusion 2 (UNet) and 3 (transformer, without T5), and load with the same calls.
They are not trained: their images are colored noise, and every figure that shows these has to say so.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from torch import nn

CONTRAST = 0.25  # standard deviation of the decoder's output, whose range is -1 to 1


def build_stable_diffusion_2(folder: str | Path, seed: int, size: int = 32) -> None:
    """Save a pipeline of Stable Diffusion 2's architecture: about 0.5 M parameters, three files of weights.

    Args:
        folder: where to save the pipeline; `folder/model_index.json` is written last.
        seed: decides every weight.
        size: pixels a side of its images, a multiple of 8.
    """
    from diffusers import AutoencoderKL, DDIMScheduler, StableDiffusionPipeline, UNet2DConditionModel

    def build() -> StableDiffusionPipeline:
        tokenizer = byte_tokenizer()
        unet = UNet2DConditionModel(
            sample_size=size // 4,
            in_channels=4,
            out_channels=4,
            layers_per_block=1,
            block_out_channels=(32, 64),
            down_block_types=("DownBlock2D", "CrossAttnDownBlock2D"),
            up_block_types=("CrossAttnUpBlock2D", "UpBlock2D"),
            cross_attention_dim=32,
            attention_head_dim=(4, 8),
            use_linear_projection=True,  # as in Stable Diffusion 2, unlike 1
        )
        vae = AutoencoderKL(
            block_out_channels=(16, 32, 32),
            down_block_types=("DownEncoderBlock2D",) * 3,
            up_block_types=("UpDecoderBlock2D",) * 3,
            layers_per_block=1,
            latent_channels=4,
            norm_num_groups=8,
            sample_size=size,
        )
        scheduler = DDIMScheduler(
            beta_start=0.00085,
            beta_end=0.012,
            beta_schedule="scaled_linear",
            clip_sample=False,
            set_alpha_to_one=False,
            steps_offset=1,
            prediction_type="v_prediction",
        )
        return StableDiffusionPipeline(
            vae=raise_contrast(vae, size),
            text_encoder=text_encoder(tokenizer),
            tokenizer=tokenizer,
            unet=unet,
            scheduler=scheduler,
            safety_checker=None,
            feature_extractor=None,
            requires_safety_checker=False,
        )

    save(seeded(seed, build), folder)


def build_stable_diffusion_3(folder: str | Path, seed: int, size: int = 32) -> None:
    """Save a pipeline of Stable Diffusion 3's architecture without T5.

    To load it, leave out `text_encoder_3` and `tokenizer_3`, as for the real one without T5.

    Args:
        folder: where to save the pipeline; `folder/model_index.json` is written last.
        seed: decides every weight.
        size: pixels a side of its images, a multiple of 8.
    """
    from diffusers import (
        AutoencoderKL,
        FlowMatchEulerDiscreteScheduler,
        SD3Transformer2DModel,
        StableDiffusion3Pipeline,
    )

    def build() -> StableDiffusion3Pipeline:
        tokenizer = byte_tokenizer()
        transformer = SD3Transformer2DModel(
            sample_size=size // 4,
            patch_size=1,
            in_channels=4,
            out_channels=4,
            num_layers=1,
            attention_head_dim=8,
            num_attention_heads=4,
            caption_projection_dim=32,
            joint_attention_dim=32,
            pooled_projection_dim=64,
            pos_embed_max_size=size // 4,
        )
        vae = AutoencoderKL(
            block_out_channels=(16, 32, 32),
            down_block_types=("DownEncoderBlock2D",) * 3,
            up_block_types=("UpDecoderBlock2D",) * 3,
            layers_per_block=1,
            latent_channels=4,
            norm_num_groups=8,
            sample_size=size,
            use_quant_conv=False,
            use_post_quant_conv=False,
            shift_factor=0.0609,
            scaling_factor=1.5035,
        )
        return StableDiffusion3Pipeline(
            transformer=transformer,
            scheduler=FlowMatchEulerDiscreteScheduler(shift=3.0),
            vae=raise_contrast(vae, size),
            text_encoder=text_encoder(tokenizer, projection=True),
            tokenizer=tokenizer,
            text_encoder_2=text_encoder(tokenizer, projection=True),
            tokenizer_2=byte_tokenizer(),
            text_encoder_3=None,
            tokenizer_3=None,
        )

    save(seeded(seed, build), folder)


def seeded(seed: int, build: Callable[[], Any]) -> Any:
    """Call `build` with torch's global random state seeded, from which modules draw their weights; then restore it."""
    with torch.random.fork_rng(devices=[]):
        torch.random.default_generator.manual_seed(seed)
        return build()


def save(pipeline: Any, folder: str | Path) -> None:
    """Write a pipeline as safetensors and configuration files."""
    pipeline.save_pretrained(folder, safe_serialization=True)


def byte_tokenizer() -> Any:
    """A CLIP tokenizer of 514 tokens: each byte within a word, each byte at the end of one, start and end of text."""
    from transformers import CLIPTokenizer
    from transformers.convert_slow_tokenizer import bytes_to_unicode

    letters = list(bytes_to_unicode().values())
    words = letters + [letter + "</w>" for letter in letters] + ["<|startoftext|>", "<|endoftext|>"]
    return CLIPTokenizer(vocab={word: i for i, word in enumerate(words)}, merges=[], model_max_length=77)


def text_encoder(tokenizer: Any, projection: bool = False) -> nn.Module:
    """A CLIP text model of two layers and width 32 for a tokenizer; `projection` adds the layer that pools the text."""
    from transformers import CLIPTextConfig, CLIPTextModel, CLIPTextModelWithProjection

    config = CLIPTextConfig(
        vocab_size=len(tokenizer),
        hidden_size=32,
        intermediate_size=64,
        num_hidden_layers=2,
        num_attention_heads=4,
        projection_dim=32,
        max_position_embeddings=tokenizer.model_max_length,
        bos_token_id=tokenizer.bos_token_id,
        eos_token_id=tokenizer.eos_token_id,
        pad_token_id=tokenizer.pad_token_id,
    )
    return (CLIPTextModelWithProjection if projection else CLIPTextModel)(config).eval()


@torch.no_grad()
def raise_contrast(vae: Any, size: int) -> Any:
    """Scale the decoder's last layer so that noise decodes to images with visible contrast, not flat gray.

    Args:
        vae: an `AutoencoderKL` of diffusers, changed in place and returned.
        size: pixels a side of its images.
    """
    latents = torch.randn(16, vae.config.latent_channels, size // 4, size // 4)
    images = vae.eval().decode(latents / vae.config.scaling_factor).sample
    last = vae.decoder.conv_out
    last.weight.mul_(CONTRAST / images.std())
    last.bias.zero_()
    return vae
