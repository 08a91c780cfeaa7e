"""The section `sources`: where images come from, one model for each kind of source."""

from __future__ import annotations

from typing import Annotated, Literal, get_args

from pydantic import Field

from distillery.config.choices import Unavailable
from distillery.config.models.diffusion_source import Diffusion
from distillery.config.models.fields import KIND, UNAVAILABLE, Classes, ParquetData, Source, optional
from distillery.config.models.search_sources import AnySearch, Fetching


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


AnySource = Annotated[
    AnySearch | Urls | Folder | HuggingFace | Diffusion,
    Field(discriminator="kind"),
]
# kind → model
SOURCES: dict[str, type[Source]] = {
    get_args(model.model_fields["kind"].annotation)[0]: model for model in get_args(get_args(AnySource)[0])
}
