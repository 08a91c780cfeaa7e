"""Sources of generated images: the model, its prompts, what its images start from, and which of them are kept."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Discriminator, Field, Tag, create_model

from distillery.config.choices import PromptStyle, Unavailable
from distillery.config.models.fields import KIND, UNAVAILABLE, Section, Seed, Source, Texts, optional, section


class Compose(Section):
    """Lists of phrases from which composed prompts are drawn."""

    media: Texts = Field(
        ["a photo of", "a candid snapshot of", "a close-up photo of", "a blurry phone photo of", ""],
        description="Phrases before the subject: how it is depicted.",
    )
    settings: Texts = Field(
        ["in a field", "in a city", "by the water", "in the mountains", "on a plain background", "among trees",
         "in a village", ""],
        description="Phrases after the subject: where it is. A class may have its own (classes.{name}.settings).",
    )  # fmt: skip
    viewpoints: Texts = Field(
        ["seen from the side", "seen from the front", "seen from behind", "seen from above", "seen from afar",
         "partly hidden", ""],
        description="Phrases for the viewpoint.",
    )  # fmt: skip
    lights: Texts = Field(
        ["in bright sunlight", "at dusk", "at night", "in fog", "in the rain", "on a cloudy day", "in winter", ""],
        description="Phrases for light and weather.",
    )


def _shape_of_guidance(value: Any) -> str | None:
    if isinstance(value, list):
        return "range"
    return "number" if isinstance(value, int | float | str) else None


Scale = Annotated[float, Field(ge=0)]
Guidance = Annotated[
    Annotated[Scale, Tag("number")] | Annotated[list[Scale], Field(min_length=2, max_length=2), Tag("range")],
    Discriminator(_shape_of_guidance, custom_error_type="guidance", custom_error_message="is not a number or a list"),
]


Strength = Annotated[float, Field(gt=0, le=1)]
Strengths = Annotated[
    Annotated[Strength, Tag("number")] | Annotated[list[Strength], Field(min_length=2, max_length=2), Tag("range")],
    Discriminator(_shape_of_guidance, custom_error_type="guidance", custom_error_message="is not a number or a list"),
]


class ImageToImage(Section):
    """The images that generated images start from."""

    source: str = Field(
        min_length=1,
        description="The source whose train images are varied. None of them is a near-duplicate of a test or validation"
        " image.",
    )
    strength: Strengths = Field(
        [0.4, 0.8],
        description="Strength of the change: near 0 the image stays as it is, at 1 it is replaced by noise, so that"
        " only the prompt counts. Two numbers, lowest first: each image's strength is drawn from six evenly spaced"
        " values between them.",
    )


class LoraConfig(Section):
    """A LoRA (low-rank adaptation): small weights that change a model."""

    path: str = Field(
        min_length=1,
        description="A .safetensors file, or the id of a LoRA on the Hugging Face hub. Other formats are not loaded.",
    )
    file: str = Field("", description="Name of the .safetensors file on the hub, if there are several.")
    revision: str = Field("", description="The LoRA's revision on the hub; a commit pins it.")
    weight: float = Field(1.0, gt=0, le=2, description="Factor of its effect on the model; 1 as it was trained.")


class Adaptation(Section):
    """A LoRA (low-rank adaptation) that the study trains."""

    source: str = Field(min_length=1, description="The source whose train images it is trained on.")
    steps: int = Field(500, ge=1, description="Training steps.")
    rank: int = Field(8, ge=1, le=256, description="Rank of its matrices; a higher rank can memorize more.")
    batch: int = Field(4, ge=1, description="Images per step.")
    lr: float = Field(0.0001, gt=0, description="Learning rate of AdamW.")
    weight: float = Field(1.0, gt=0, le=2, description="Factor of its effect on the model; 1 as it was trained.")


class TitlePrompts(Section):
    """Titles as prompts."""

    titles: str = Field(
        min_length=1,
        description="The source, such as bing, whose train images' titles become the prompts. The cleaned titles are"
        " in resources/prompts/{name}.csv. To edit them, copy this file to {name}.edited.csv in the same folder, which"
        " is then used instead.",
    )


class Keep(Section):
    """Which generated images are kept."""

    by: Literal["clip", "teacher"] = Field(
        description="The classifier that gives an image the probability of its class, among the source's classes. clip:"
        " the model in `clip_scorer`. teacher: the study's teacher; the source's images are then only for training."
    )
    at_least: float = Field(
        0.5, gt=0, le=1, description="Lowest probability with which an image is kept. Others are dropped and replaced."
    )
    tries: int = Field(
        3,
        ge=1,
        le=100,
        description="Largest number of images to generate for each requested one. A class may then have fewer than"
        " requested.",
    )


# built by create_model, because `from` is a keyword of Python
_FROM: Any = {
    "from": (
        ImageToImage,
        optional(
            "Generate variations of another source's train images (image-to-image) instead of starting from noise."
            " Image i of a class starts from the class's train image i modulo their number, which its record names."
        ),
    )
}
_WithFrom: Any = create_model("_WithFrom", __base__=Source, **_FROM)


class Diffusion(_WithFrom):
    kind: Literal["diffusion"] = Field(description=KIND)
    per_class: int = Field(
        ge=1, description="Images to generate for each class. Generate more than you use, since curation drops some."
    )
    model: str = Field(
        min_length=1,
        description="A text-to-image model: its id on the Hugging Face hub, or a folder that holds one.",
    )
    revision: str = Field(
        "",
        description="The model's revision on the hub. A commit pins it. A branch may change, so the study warns of it.",
    )
    steps: int = Field(28, ge=1, description="Denoising steps.")
    guidance: Guidance = Field(
        7.0,
        description="Scale of classifier-free guidance; 1 and below for none. Two numbers, lowest first: each image's"
        " scale is drawn from six evenly spaced values between them.",
    )
    prompt_style: PromptStyle = Field(
        "published",
        description="published: the prompts of the classes, in turn. composed: every prompt combines a medium, subject,"
        " setting, viewpoint and light, drawn from the classes' subjects and settings and from `compose`.",
    )
    prompts_from: TitlePrompts = optional(
        "Use the titles of another source's images as prompts, in turn, instead of the prompts of the classes."
    )
    compose: Compose = section(
        "Lists of phrases for composed prompts, such as a photo of a cat in a meadow, seen from the side, at dusk."
        " Each phrase is drawn independently; an empty one leaves its part out.",
    )
    size: int = Field(512, ge=8, multiple_of=8, description="Side in pixels of a generated image; a multiple of 8.")
    lora: LoraConfig = optional("A LoRA (low-rank adaptation): trained weights that change the model.")
    adapt: Adaptation = optional(
        "Train a LoRA on another source's train images first, of Stable Diffusion 1, 2 or 3. Classes that the other"
        " source lacks are not generated."
    )
    scheduler: str = Field("", description="Name of a scheduler class of diffusers; empty for the model's own.")
    dtype: Literal["auto", "float32", "bfloat16", "float16"] = Field(
        "auto", description="Floating-point type; auto is bfloat16 on a GPU and float32 on a CPU."
    )
    negative_prompt: str = Field("", description="What the images should not show.")
    components: list[str] = Field(
        [],
        description="Components of the model to leave out, such as text_encoder_3 and tokenizer_3 of Stable"
        " Diffusion 3.",
    )
    batch: int = Field(0, ge=0, description="Images per batch; 0 for as many as fit into memory.")
    quality: int = Field(95, ge=50, le=100, description="JPEG quality of the stored images.")
    compile: bool = Field(
        False,
        description="Compile the model before the first batch. This takes one or two minutes; an image of Stable"
        " Diffusion 2 then takes a quarter less time. It pays off for a thousand images or more on a GPU. It needs a C"
        " compiler; without one the model runs uncompiled, with a warning.",
    )
    shards: int = Field(
        1, ge=1, description="Number of jobs that share the generation, each on its own GPU if there are several."
    )
    clip_scorer: str = Field(
        "",
        description="A CLIP model: its id on the Hugging Face hub, or a folder. The probability that it gives to the"
        " intended class is recorded for every image; empty for none.",
    )
    keep: Keep = optional(
        "Keep only images with a high probability of the intended class; by default all that can be decoded."
    )
    random_weights: bool = Field(
        False,
        description="Whether the model was never trained. Its images then show nothing, and every figure with them"
        " says so.",
    )
    seed: Seed = Field(
        0, description="Random seed of the images, together with class, model, prompt and the image's number."
    )
    unavailable: Unavailable = optional(UNAVAILABLE)
