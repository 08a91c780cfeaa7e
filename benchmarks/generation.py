"""Measure images per second: a loop as in tutorials, with one pipeline call per prompt, against the library's batches.

    python benchmarks/generation.py                       tiny random Stable Diffusion 2 on one CPU core
    python benchmarks/generation.py --real sd2            SD 2's architecture with random weights, on a GPU
    python benchmarks/generation.py --real sd2 --compile  the same, compiled
    python benchmarks/generation.py --real sd3            SD 3-medium's architecture without T5, on a GPU

The loop runs the pipeline as diffusers loads it (float32) and encodes each image as JPEG. The library uses its own
dtype, encodes each of ten prompts once, and batches. Both take the same number of steps.

On one thread of a busy AMD EPYC with AVX-512 BF16, the tiny pipeline with 4 steps and 32 pixels generates 68 images per
second in batches of 20, 4.5 times as many as the loop (4.3-4.7, 2 pairs of 40 images); one at a time it is 1.1 times.

On one NVIDIA H200, one run with random weights (trained weights need the same arithmetic):

    images per second                         loop          one at a time   in batches     compiled
    Stable Diffusion 2, 25 steps, 768 pixels  0.41          1.14 (2.7x)     2.1 (5.1x)     3.55 (8.7x)
    Stable Diffusion 3, 28 steps, 512 pixels  0.30          1.23 (4.1x)     2.85 (9.5x)    not measured

The loop generated 3 images. Batches have 32 or 16 images. Compiling takes a minute and a half, once per job. Times of
Stable Diffusion 2 for 64 images:

    variant                                         a step of the UNet    decoding an image
    channels last, torch's own attention            546 ms                67 ms
    channels last, cuDNN's attention                515 ms
    channels first                                  410 ms                49 ms
    compiled                                        312 ms                20 ms

Uncompiled, channels last is slow, because torch's group norm converts images to channels first and back, which takes a
fifth of the time. Since then uncompiled code uses channels first; the 2.1 above was measured before. An image takes
113 TFLOP. Compiled code reaches 49 % of the GPU's peak of matrix products (827 TFLOP/s), and 53 % while sampling. A
third of the sampling time is attention over up to 9,216 positions, which reaches half of the peak.
"""

import argparse
import io
import statistics
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch.utils.flop_counter import FlopCounterMode

from distillery.config.defaults import source_defaults
from distillery.generation.image_plan import plan_image
from distillery.generation.models.diffusion_models import (
    DiffusionSettings,
    compile_parts,
    load_pipeline,
    move_to_device,
)
from distillery.generation.prompts import ImagePrompt
from distillery.generation.sampling import fitting_batch, generate_images, run_batch
from distillery.storage.records import ImageRecord
from distillery_demo import pipelines


@dataclass(frozen=True)
class Model:
    """A model to measure.

    Attributes:
        loop: the pipeline as diffusers loads it.
        library: the pipeline as the library loads it.
        settings: of the images that both generate.
        looped: number of images per measurement of the loop; few, because each takes seconds on a GPU.
    """

    loop: Any
    library: Any
    settings: DiffusionSettings
    looped: int


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--real", choices=sorted(REAL), default="", help="a real architecture; needs a GPU")
    parser.add_argument("--images", type=int, default=0, help="per measurement of the library; 0: 100, with --real 64")
    parser.add_argument("--pairs", type=int, default=0, help="alternating measurements; 0: 5, with --real 2")
    parser.add_argument("--batch", type=int, default=0, help="images; 0: 20, with --real as many as fit on the GPU")
    parser.add_argument("--compile", action="store_true", help="compile the library's pipeline; not timed")
    options = parser.parse_args()
    images = options.images or (64 if options.real else 100)
    pairs = options.pairs or (2 if options.real else 5)
    model = real(options.real, images) if options.real else tiny(images)
    batch = options.batch or (fitting_batch(model.settings.size) if options.real else 20)
    if options.compile:
        compile_parts(model.library)
    batched = f"library, {batch} at a time{', compiled' * options.compile}"
    # name → images per measurement, images generated before the first measurement, and the function that is measured
    ways = {"loop": (model.looped, 1, lambda records: loop(model.loop, records))}
    if not options.compile:  # another batch size would compile again
        ways["library, one at a time"] = (model.looped, 1, lambda records: library(model, records, 1))
    # compiling happens for a batch size, so the batch before the first measurement has that size
    ways[batched] = (images, batch if options.compile else 1, lambda records: library(model, records, batch))
    speeds = {name: [] for name in ways}
    for _, warm, way in ways.values():
        way(planned(model.settings, warm))
    for _ in range(pairs):
        for name, (number, _, way) in ways.items():
            speeds[name].append(number / clock(way, planned(model.settings, number)))
    for name, found in speeds.items():
        ratios = [one / plain for one, plain in zip(found, speeds["loop"], strict=True)]
        print(
            f"{name}: {statistics.median(found):.2f} images/s ({min(found):.2f}–{max(found):.2f}), "
            f"{statistics.median(ratios):.2f}x the loop ({min(ratios):.2f}–{max(ratios):.2f})",
            flush=True,
        )
    if options.real:
        report_limits(model, min(batch, images), statistics.median(speeds[batched]))


def clock(way: Callable[[list[ImageRecord]], None], records: list[ImageRecord]) -> float:
    """Seconds until the last JPEG is encoded."""
    started = time.perf_counter()
    way(records)
    return time.perf_counter() - started


def report_limits(model: Model, batch: int, speed: float) -> None:
    """Print the milliseconds of each part of an image, and the fraction of the GPU's peak of matrix products."""
    settings = model.settings
    fewer = replace(settings, steps=5)
    whole, part = (
        clock(lambda records: library(model, records, batch), planned(s, batch)) / batch for s in (settings, fewer)
    )
    step = (whole - part) / (settings.steps - fewer.steps)
    print(f"  {1000 * step:.1f} ms a step, {1000 * (whole - settings.steps * step):.0f} ms for decoding and saving")
    one, two = (operations(model.loop, replace(settings, steps=steps)) for steps in (2, 3))  # never compiled
    total = one + (settings.steps - 2) * (two - one)
    side = 8192
    a = torch.rand(side, side, device="cuda", dtype=torch.bfloat16)
    peak = max(2 * side**3 / timed(lambda: a @ a) for _ in range(5))
    print(
        f"  {total / 1e12:.0f} TFLOP an image, {(two - one) / 1e12:.2f} a step: {100 * speed * total / peak:.0f} % of"
        f" the {peak / 1e12:.0f} TFLOP/s of matrix products; the steps alone {100 * (two - one) / step / peak:.0f} %"
    )


def timed(action: Callable[[], object]) -> float:
    """Seconds of an action, until the GPU has finished it."""
    torch.cuda.synchronize()
    started = time.perf_counter()
    action()
    torch.cuda.synchronize()
    return time.perf_counter() - started


def operations(pipeline: Any, settings: DiffusionSettings) -> float:
    """Floating-point operations of one image."""
    with FlopCounterMode(display=False) as counter:
        run_batch(pipeline, planned(settings, 1))
    return counter.get_total_flops()


def planned(settings: DiffusionSettings, images: int) -> list[ImageRecord]:
    """Records of images that use ten prompts in turn, as in the published study."""
    prompts = [ImagePrompt(f"a photo of a cat {i}", 2.0) for i in range(10)]
    return [plan_image(settings, "sd", "cat", prompts[i % 10], i, seed=0) for i in range(images)]


def loop(pipeline, records: list[ImageRecord]) -> None:
    """Generate each image with one pipeline call, and encode it as JPEG."""
    for record in records:
        options = {"height": record.size, "width": record.size, "guidance_scale": record.guidance}
        image = pipeline(record.prompt, num_inference_steps=record.steps, **options).images[0]
        image.save(io.BytesIO(), format="JPEG", quality=95)


def library(model: Model, records: list[ImageRecord], batch: int) -> None:
    """Generate all images in batches with the library, and encode them as JPEG."""
    for _ in generate_images(model.library, records, replace(model.settings, batch=batch)):
        pass


# --- models -----------------------------------------------------------------------------------------------------------


def tiny(images: int) -> Model:
    """A tiny Stable Diffusion 2, loaded from disk, on one thread."""
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as folder:
        settings = DiffusionSettings.of(DEFAULTS | {"model": folder, "per_class": images, "size": 32, "steps": 4})
        pipelines.build_stable_diffusion_2(folder, seed=0, size=32)
        return Model(load_pipeline(replace(settings, dtype="float32")), load_pipeline(settings), settings, images)


def real(name: str, images: int) -> Model:
    """A published architecture with random weights, built on the GPU."""
    build, size, steps = REAL[name]
    plain, ours = build(), build()
    plain.set_progress_bar_config(disable=True)
    plain.to("cuda")
    ours.to(torch.bfloat16)
    move_to_device(ours, "cuda")
    settings = DiffusionSettings.of(DEFAULTS | {"model": name, "per_class": images, "size": size, "steps": steps})
    return Model(plain, ours, settings, looped=3)


def stable_diffusion_2() -> Any:
    """Stable Diffusion 2.1, 768 pixels."""
    from diffusers import AutoencoderKL, DDIMScheduler, StableDiffusionPipeline, UNet2DConditionModel
    from transformers import CLIPTextModel

    tokenizer = pipelines.byte_tokenizer()
    with torch.device("cuda"):
        text = CLIPTextModel(clip(tokenizer, width=1024, layers=23, heads=16))
        unet = UNet2DConditionModel(
            sample_size=96, cross_attention_dim=1024, attention_head_dim=(5, 10, 20, 20), use_linear_projection=True
        )
        vae = AutoencoderKL(**VAE, sample_size=768)
    return StableDiffusionPipeline(
        vae=vae.eval(),
        text_encoder=text.eval(),
        tokenizer=tokenizer,
        unet=unet.eval(),
        scheduler=DDIMScheduler(beta_start=0.00085, beta_end=0.012, beta_schedule="scaled_linear"),
        safety_checker=None,
        feature_extractor=None,
        requires_safety_checker=False,
    )


def stable_diffusion_3() -> Any:
    """Stable Diffusion 3-medium without T5."""
    from diffusers import (
        AutoencoderKL,
        FlowMatchEulerDiscreteScheduler,
        SD3Transformer2DModel,
        StableDiffusion3Pipeline,
    )
    from transformers import CLIPTextModelWithProjection

    tokenizer = pipelines.byte_tokenizer()
    with torch.device("cuda"):
        small = CLIPTextModelWithProjection(clip(tokenizer, width=768, layers=12, heads=12))
        large = CLIPTextModelWithProjection(clip(tokenizer, width=1280, layers=32, heads=20))
        transformer = SD3Transformer2DModel(
            sample_size=128,
            patch_size=2,
            in_channels=16,
            out_channels=16,
            num_layers=24,
            attention_head_dim=64,
            num_attention_heads=24,
            joint_attention_dim=4096,
            caption_projection_dim=1536,
            pooled_projection_dim=2048,
            pos_embed_max_size=192,
        )
        latents = {"latent_channels": 16, "scaling_factor": 1.5305, "shift_factor": 0.0609}
        vae = AutoencoderKL(**VAE, **latents, use_quant_conv=False, use_post_quant_conv=False)
    return StableDiffusion3Pipeline(
        transformer=transformer.eval(),
        scheduler=FlowMatchEulerDiscreteScheduler(shift=3.0),
        vae=vae.eval(),
        text_encoder=small.eval(),
        tokenizer=tokenizer,
        text_encoder_2=large.eval(),
        tokenizer_2=tokenizer,
        text_encoder_3=None,
        tokenizer_3=None,
    )


def clip(tokenizer: Any, width: int, layers: int, heads: int) -> Any:
    """A configuration of CLIP's text model."""
    from transformers import CLIPTextConfig

    return CLIPTextConfig(
        vocab_size=len(tokenizer),
        hidden_size=width,
        intermediate_size=4 * width,
        num_hidden_layers=layers,
        num_attention_heads=heads,
        projection_dim=width,
        bos_token_id=tokenizer.bos_token_id,
        eos_token_id=tokenizer.eos_token_id,
        pad_token_id=tokenizer.pad_token_id,
    )


DEFAULTS = source_defaults("diffusion")
VAE = {
    "block_out_channels": (128, 256, 512, 512),
    "down_block_types": ("DownEncoderBlock2D",) * 4,
    "up_block_types": ("UpDecoderBlock2D",) * 4,
    "layers_per_block": 2,
}
REAL = {"sd2": (stable_diffusion_2, 768, 25), "sd3": (stable_diffusion_3, 512, 28)}  # pixels a side, steps


if __name__ == "__main__":
    main()
