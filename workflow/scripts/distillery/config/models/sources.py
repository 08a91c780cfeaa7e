"""The section `sources`: where images come from, one model for each kind of source."""

from __future__ import annotations

from typing import Annotated, Any, Literal, get_args

from pydantic import Discriminator, Field, Tag, create_model

from distillery.config.choices import PromptStyle, Unavailable
from distillery.config.models.fields import ParquetData, Section, Seed, SomeTexts, Texts, optional, section

KIND = "How the images are obtained."
FILTERS = "Filters of the search."
UNAVAILABLE = "What happens if this source gives no images; by default the value of the study's key `unavailable`."
BING_SIZE_PATTERN = r"^(|large|medium|icon|wallpaper|[1-9]\d{0,4}x[1-9]\d{0,4})$"
PUBLISHED_FILTERS = "Filters of the search; by default those of the published study."

FilterType = Annotated[
    Literal["", "photo", "clipart", "lineart", "face", "animated"],
    Field(description="The search's filter by type of image; empty for none."),
]
FilterSize = Annotated[
    Literal["", "large", "medium", "icon"], Field(description="The search's filter by size; empty for none.")
]
FilterLicense = Annotated[
    Literal["", "commercial", "noncommercial"], Field(description="The search's filter by license; empty for none.")
]
FilterColor = Annotated[
    Literal["", "color", "blackandwhite", "transparent"],
    Field(description="The search's filter by color; empty for none."),
]
PerClass = Annotated[
    int,
    Field(
        ge=1, description="Images to retrieve for each class. Retrieve more than you use, since curation drops some."
    ),
]
MaxPerQuery = Annotated[int, Field(ge=1, description="Largest number of images to take from the results of one query.")]
Classes = Annotated[SomeTexts, Field(description="Classes that this source has images of; all by default.")]


class Source(Section):
    """Where images come from."""

    kind: str


class Fetching(Section):
    """How images are fetched from the web."""

    connections_per_host: int = Field(2, ge=1, le=4, description="Largest number of simultaneous requests to one host.")
    timeout_seconds: float = Field(
        30, gt=0, description="Time limit for one request in seconds, from its start to its last byte."
    )
    max_bytes: int = Field(20_000_000, ge=1000, description="Largest response in bytes; larger ones are not read.")
    retries: int = Field(2, ge=0, le=10, description="Further attempts if a connection fails or a server is busy.")
    max_store_bytes: int = Field(
        0, ge=0, description="Largest size in bytes of the source's folder in resources/store; 0 for no limit."
    )
    min_free_bytes: int = Field(
        1_000_000_000, ge=0, description="Bytes to leave free on the disk. Retrieval stops before it takes them."
    )
    unavailable: Unavailable = optional(UNAVAILABLE)


class SearchConfig(Source):
    """An image search."""

    per_class: PerClass
    max_per_query: MaxPerQuery = 200


class FilteredSearch(SearchConfig):
    """An image search with filters of its own."""

    filters: Section


class GoogleFilters(Section):
    type: FilterType = "photo"
    size: FilterSize = "large"
    license: Literal["", "commercial", "noncommercial", "creativecommons", "other"] = Field(
        "commercial",
        description="The search's filter by license; empty for none. Google now distinguishes only creativecommons and"
        " other, and treats commercial and noncommercial as creativecommons.",
    )
    color: FilterColor = "color"


# in this order of the bases the keys of the last one come first
class Google(Fetching, FilteredSearch):
    kind: Literal["google"] = Field(description=KIND)
    max_per_query: MaxPerQuery = 50
    filters: GoogleFilters = section(PUBLISHED_FILTERS)
    saved: str = Field(
        "",
        description="Folder of result pages that you saved: `{class}/*.html` or `{class}/*.har`. They are read instead"
        " of searching.",
    )
    browser: bool = Field(
        False,
        description="Search in a browser on this machine, with a window in which you can answer a captcha or consent"
        " page.",
    )
    headless: bool = Field(
        False,
        description="Run this browser without a window. A captcha or consent page then counts as a refusal.",
    )
    wait_minutes: float = Field(
        10.0,
        ge=0,
        description="Minutes to wait until you answer a captcha or consent page in the browser's window.",
    )


class BingFilters(Section):
    type: FilterType = "photo"
    size: str = Field(
        "",
        pattern=BING_SIZE_PATTERN,
        description="The search's filter by size: large, medium, icon, wallpaper, or the smallest width and height,"
        " such as 800x600; empty for none.",
    )
    license: Literal["", "commercial", "noncommercial", "publicdomain"] = Field(
        "commercial", description="The search's filter by license; empty for none."
    )
    color: Literal[
        "", "color", "blackandwhite", "transparent", "red", "orange", "yellow", "green", "teal", "blue", "purple",
        "pink", "brown", "black", "gray", "white",
    ] = Field("", description="The search's filter by color; empty for none.")  # fmt: skip
    aspect: Literal["", "square", "wide", "tall"] = Field(
        "", description="The search's filter by shape; empty for none."
    )
    age: Literal["", "day", "week", "month", "year"] = Field(
        "", description="The search's filter by age: images found within this time; empty for none."
    )


class Bing(Fetching, FilteredSearch):
    kind: Literal["bing"] = Field(description=KIND)
    filters: BingFilters = section(PUBLISHED_FILTERS)


class OpenverseFilters(Section):
    type: Literal["", "photo", "illustration"] = Field(
        "photo", description="The search's filter by type of image; empty for none."
    )
    size: Literal["", "large", "medium", "small"] = Field(
        "", description="The search's filter by size; empty for none."
    )
    license: Literal["", "commercial", "modification"] = Field(
        "commercial",
        description="Only images whose license allows commercial use, or modification; empty for all.",
    )


class Openverse(Fetching, FilteredSearch):
    kind: Literal["openverse"] = Field(description=KIND)
    max_per_query: int = Field(
        200,
        ge=1,
        le=240,
        description="Largest number of images to take from the results of one query. Openverse gives at most 240, even"
        " with an account.",
    )
    filters: OpenverseFilters = section(FILTERS)


class Commons(Fetching, SearchConfig):
    kind: Literal["commons"] = Field(description=KIND)


class INaturalistFilters(Section):
    license: Literal["", "commercial", "noncommercial"] = Field(
        "noncommercial",
        description="Only photos whose Creative Commons license allows commercial use (commercial) or at least"
        " noncommercial use (noncommercial); empty for all photos, including those with all rights reserved.",
    )


class INaturalist(Fetching, FilteredSearch):
    kind: Literal["inaturalist"] = Field(description=KIND)
    max_per_query: int = Field(
        200,
        ge=1,
        le=10_000,
        description="Largest number of images to take from the results of one query. iNaturalist gives at most 10,000.",
    )
    filters: INaturalistFilters = section(FILTERS)


class Files(Source):
    """A list or folder that the user supplies."""

    path: str
    per_class: int = Field(0, ge=0, description="Largest number of images to take of each class; 0 for all.")
    classes: Classes = optional("Classes that this source has images of; all by default.")


class Urls(Fetching, Files):
    kind: Literal["urls"] = Field(description=KIND)
    path: str = Field(
        description="A .csv file with the columns class and url and, optionally, page, title, license and creator; or"
        " a .txt file with a class and a URL on each line."
    )


class Folder(Files):
    kind: Literal["folder"] = Field(description=KIND)
    path: str = Field(
        description="A folder with a subfolder, a .tar or a .zip for each class; or one .tar or .zip with a folder for"
        " each class, which may be inside other folders."
    )
    inside: str = Field(
        "",
        description="The folder below `path` that holds the class folders, such as train; empty to find it.",
    )
    labels: Literal["teacher", "none"] = optional(
        "For images without labels: all images in `path` and its subfolders are taken. teacher: each image gets the"
        " class that the teacher finds most probable, and is left out if that probability is below `threshold`. none:"
        " images have no label, and only arms that need none can use them (kd or hard_teacher with alpha: 1). Such"
        " images are only for training. By default the folder's name is the label."
    )
    threshold: float = optional(
        "For labels: teacher. Lowest probability of the teacher's class with which an image is kept; 0.9 by default.",
        ge=0,
        lt=1,
    )


class HuggingFace(ParquetData, Source):
    kind: Literal["huggingface"] = Field(description=KIND)
    dataset: str = Field(
        min_length=1,
        description="The data set: its id on the Hugging Face hub, or a folder of parquet files like those of the hub.",
    )
    split: str = Field("train", min_length=1, description="The data set's split to take images from.")
    per_class: int = Field(0, ge=0, description="Largest number of images to take of each class; 0 for all.")
    classes: Classes = optional("Classes that this source has images of; all by default.")
    unavailable: Unavailable = optional(UNAVAILABLE)


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


AnySource = Annotated[
    Google | Bing | Openverse | Commons | INaturalist | Urls | Folder | HuggingFace | Diffusion,
    Field(discriminator="kind"),
]
# kind → model
SOURCES: dict[str, type[Source]] = {
    get_args(model.model_fields["kind"].annotation)[0]: model for model in get_args(get_args(AnySource)[0])
}
