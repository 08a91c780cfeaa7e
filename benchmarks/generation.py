"""Pictures a second: the tutorials' loop, a call of the pipeline for each prompt, against the library's batches.

    python benchmarks/generation.py                         tiny random Stable Diffusion 2 on one CPU core
    python benchmarks/generation.py --real --pictures 32    SD 2's real architecture with random weights, on the GPU

The loop runs the pipeline as diffusers loads it (float32) and saves each picture; the library has its own dtype,
encodes each of ten prompts once, and batches; both take the same number of steps.

On one thread of a busy AMD EPYC with AVX-512 BF16, the tiny pipeline, 4 steps, 32 pixels: 68 pictures a second in
batches of 20, 4.5 times the loop (40 pictures, 2 pairs, 4.3-4.7; one at a time 1.1 times). Nothing has been measured on
a GPU yet.
"""

import argparse
import io
import statistics
import sys
import tempfile
import time
from dataclasses import replace
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "workflow" / "scripts"))

import torch

from distillery.pools import Offer
from distillery.sources.diffusion import plan_picture
from distillery.sources.diffusion_models import Settings, load_pipeline
from distillery.sources.prompts import Asked
from distillery.sources.sampling import fitting_batch, generate_pictures


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--real", action="store_true", help="the real architecture, 768 pixels; needs a GPU")
    parser.add_argument("--pictures", type=int, default=100, help="pictures a measurement")
    parser.add_argument("--pairs", type=int, default=5, help="measurements of each, taken in turns")
    parser.add_argument("--batch", type=int, default=0, help="0: what fits on a GPU, 20 for the tiny pipeline")
    options = parser.parse_args()
    torch.set_num_threads(torch.get_num_threads() if options.real else 1)
    size, steps = (768, 25) if options.real else (32, 4)
    batch = options.batch or (fitting_batch(size) if options.real else 20)
    with tempfile.TemporaryDirectory() as folder:
        settings = Settings(folder, per_class=options.pictures, size=size, steps=steps)
        build(folder, options.real)
        ours, plain = load_pipeline(settings), load_pipeline(replace(settings, dtype="float32"))
    ways = {
        "loop": lambda offers: loop(plain, offers),
        "library, one at a time": lambda offers: library(ours, offers, replace(settings, batch=1)),
        f"library, {batch} at a time": lambda offers: library(ours, offers, replace(settings, batch=batch)),
    }
    speeds = {name: [] for name in ways}
    for way in ways.values():
        way(wishes(settings, batch))  # warm up
    for _ in range(options.pairs):
        for name, way in ways.items():
            offers = wishes(settings, options.pictures)
            started = time.perf_counter()
            way(offers)
            speeds[name].append(options.pictures / (time.perf_counter() - started))
    for name, found in speeds.items():
        ratios = [one / plain for one, plain in zip(found, speeds["loop"], strict=True)]
        print(
            f"{name}: {statistics.median(found):.1f} pictures/s ({min(found):.1f}–{max(found):.1f}), "
            f"{statistics.median(ratios):.2f}x the loop ({min(ratios):.2f}–{max(ratios):.2f})"
        )


def wishes(settings: Settings, pictures: int) -> list[Offer]:
    """Offers with ten prompts in turn, as the published study's."""
    asked = [Asked(f"a photo of a cat {i}", 2.0) for i in range(10)]
    return [plan_picture(settings, "sd", "cat", asked[i % 10], i, seed=0) for i in range(pictures)]


def loop(pipeline, offers: list[Offer]) -> None:
    """A call and a JPEG for each picture."""
    for offer in offers:
        given = {"height": offer.size, "width": offer.size, "guidance_scale": offer.guidance}
        picture = pipeline(offer.prompt, num_inference_steps=offer.steps, **given).images[0]
        picture.save(io.BytesIO(), format="JPEG", quality=95)


def library(pipeline, offers: list[Offer], settings: Settings) -> None:
    """All pictures, JPEG included."""
    for _ in generate_pictures(pipeline, offers, settings):
        pass


def build(folder: str, real: bool) -> None:
    """Save a pipeline with random weights: tiny, or of Stable Diffusion 2.1's published configuration."""
    from distillery.demo import pipelines

    if not real:
        pipelines.build_stable_diffusion_2(folder, seed=0, size=32)
        return
    from diffusers import AutoencoderKL, DDIMScheduler, StableDiffusionPipeline, UNet2DConditionModel
    from transformers import CLIPTextConfig, CLIPTextModel

    tokenizer = pipelines.byte_tokenizer()
    text = CLIPTextConfig(
        vocab_size=len(tokenizer),
        hidden_size=1024,
        intermediate_size=4096,
        num_hidden_layers=23,
        num_attention_heads=16,
        hidden_act="gelu",
        bos_token_id=tokenizer.bos_token_id,
        eos_token_id=tokenizer.eos_token_id,
        pad_token_id=tokenizer.pad_token_id,
    )
    unet = UNet2DConditionModel(
        sample_size=96, cross_attention_dim=1024, attention_head_dim=(5, 10, 20, 20), use_linear_projection=True
    )
    vae = AutoencoderKL(
        block_out_channels=(128, 256, 512, 512),
        down_block_types=("DownEncoderBlock2D",) * 4,
        up_block_types=("UpDecoderBlock2D",) * 4,
        layers_per_block=2,
        sample_size=768,
    )
    pipelines.save(
        StableDiffusionPipeline(
            vae=vae,
            text_encoder=CLIPTextModel(text),
            tokenizer=tokenizer,
            unet=unet,
            scheduler=DDIMScheduler(beta_start=0.00085, beta_end=0.012, beta_schedule="scaled_linear"),
            safety_checker=None,
            feature_extractor=None,
            requires_safety_checker=False,
        ),
        folder,
    )


if __name__ == "__main__":
    main()
