"""The configuration of a study as pydantic models.

The one place where a key, its type, range, default, unit and meaning live: the JSON schema, the page of the
documentation and the checks follow from here. Jobs that train or crawl never import this module; they get checked
values.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Discriminator, Field, Tag

from distillery.config.choices import Augmentation, ImageKind, Unavailable
from distillery.config.models.arms import AnyArm
from distillery.config.models.fields import (
    UNIQUE,
    Counts,
    Duplicates,
    FullTexts,
    Name,
    Names,
    PercentPair,
    Section,
    Seed,
    SomeTexts,
    Texts,
    TwoNames,
    Unique,
    optional,
    section,
)
from distillery.config.models.recipes import CopiesConfig, StudentConfig, TeacherConfig
from distillery.config.models.sources import AnySource


class Class(Section):
    """A class: its search queries and its prompts."""

    queries: FullTexts = Field([], description="Queries for the image searches, tried in this order.")
    prompts: FullTexts = Field(
        [], description="Prompts for the diffusion models; image i uses prompt i modulo their number."
    )
    subjects: FullTexts = Field(
        [],
        description="Subjects of composed prompts; if empty, the name of the class with an article, such as a cat.",
    )
    settings: Texts = Field([], description="Settings of composed prompts; if empty, compose.settings of the source.")


class Curation(Section):
    """Which images are kept."""

    min_side: int = Field(32, ge=1, description="Pixels; an image whose shorter side is less is dropped.")
    duplicates: Duplicates = Field(
        "drop",
        description="What happens to near-duplicates within a source: images that show one photograph, cropped, framed,"
        " marked, mirrored or recompressed. drop: the largest is kept; those under two classes are all dropped, unless"
        " they differ in color or are mirrored. off: all are kept. Splits keep them together in both cases.",
    )


class Split(Section):
    """Train, validation and test images."""

    seed: Seed = Field(0, description="Decides which images go where.")
    leakage: Literal["report", "drop"] = Field(
        "report",
        description="What happens to near-duplicates of the teacher's train images. report: they are listed in"
        " results/tables/leakage.csv. drop: no split uses them.",
    )
    test: Counts = Field({}, description="Test images of each source, in total.")
    val: Counts = Field({}, description="Validation images of each source, in total.")
    common: SomeTexts = optional("Sources whose test images every run is tested on; all of split.test by default.")
    draws: int = Field(
        1,
        ge=1,
        le=1000,
        description="Times that each scenario's train images are drawn from the train split: students of seed n train"
        " on draw n modulo their number, so that intervals cover another draw too. Validation and test images stay. As"
        " many as the study has seeds is best (docs/evidence.md).",
    )
    shortfall: Literal["error", "shrink"] = Field(
        "error",
        description="What happens if a source has fewer images than needed. error: the study stops. shrink: the"
        " largest balanced set is used and its true size reported.",
    )


class Published(Section):
    """What the published study reported."""

    site: PercentPair = optional("Accuracy on its website in percent: from scratch, and distilled.")
    notebook: PercentPair = optional("Accuracy printed by its notebook in percent: from scratch, and distilled.")
    test: str = Field("", description="Its test images.")
    n_train: int = optional("Number of its train images, if it is not what the scenario asks for.", ge=1)


ImageKinds = Annotated[list[ImageKind], Unique, Field(min_length=1, json_schema_extra=UNIQUE)]


class Cleaning(Section):
    """Which train images a scenario leaves out."""

    labels: bool = Field(False, description="Leave out images whose label the teacher flags.")
    kinds: ImageKinds = optional("Train on images of these kinds only; of all by default.")


def _shape_of_clean(value: Any) -> str | None:
    if isinstance(value, dict):
        return "section"
    return "all" if isinstance(value, bool) else None


Clean = Annotated[
    Annotated[bool, Tag("all")] | Annotated[Cleaning, Tag("section")],
    Discriminator(_shape_of_clean, custom_error_type="clean", custom_error_message="is not true, false or a section"),
]


class Scenario(Section):
    """A set of train images."""

    train: Counts = Field(description="Train images of each source, in total.", min_length=1)
    augment: Augmentation = Field(
        "none", description="Adds one altered copy of every train image: with other colors, or rotated."
    )
    clean: Clean = Field(
        False,
        description="Leave out train images whose label the teacher flags as an issue (confident learning, see"
        " docs/data.md): true. Or what to leave out: {kinds: [photo]} trains on photos alone, without what curation"
        " takes for a drawing, icon, text, screenshot or collage, or finds blurred, dark or of an extreme_aspect;"
        " {labels: true, kinds: [photo]} does both. Test images stay as they are.",
    )
    size: Literal["small", "medium", "large"] = Field("small", description="The group it is shown and ranked in.")
    arms: SomeTexts = optional("Arms to train; all by default.")
    published: Published = optional(
        "What the published study reported: accuracy in percent from scratch and distilled, shown beside ours."
    )


class ComparisonConfig(Section):
    """A question that is tested."""

    question: str = Field("", description="The question in words; made from the names if it is left out.")
    arms: Names = optional(
        "Two arms or more, the baseline first; each of the others is tested against it in every scenario that trains"
        " them all."
    )
    scenarios: TwoNames = optional(
        "Two scenarios of the same classes, the baseline first; tested with every arm that both train."
    )
    within: SomeTexts = optional(
        "The scenarios (for arms) or arms (for scenarios) in which it is tested; all by default."
    )


class Demo(Section):
    """What makes a study a demonstration."""

    label: str = Field("Demonstration on drawn images", description="A note on every figure.")
    seed: Seed = Field(0, description="Decides the drawn images.")
    results_per_query: int = Field(40, ge=1, description="Images that the imitated searches find for a query.")


class WithoutGpu(Section):
    """What a machine without a GPU trains instead."""

    teacher: dict[str, Any] = Field({}, description="Keys of `teacher` with their values there.")
    student: dict[str, Any] = Field({}, description="Keys of `student` with their values there.")


class Study(Section):
    """Everything a user decides. Counts are totals over the classes."""

    title: str = Field("A Distillery study", description="Name of the study, the heading of its figures.")
    about: str = Field(
        "", description="Your own text for the page: why the study was made. A blank line starts a paragraph."
    )
    authors: SomeTexts = optional("Authors of the study, shown on the page.")
    classes: dict[Name, Class | None] = Field(
        min_length=2,
        description="The classes, in the order of the labels (0, 1, …). A name is a folder's as well: a-z, A-Z, 0-9, _"
        " and -, starting with a letter or digit. Put names such as 2024 or yes in quotes.",
    )
    image_size: int = Field(32, ge=8, le=512, description="Side in pixels of the square images that networks see.")
    seeds: int = Field(
        6,
        ge=1,
        le=1000,
        description="Trainings of each scenario and arm, numbered from 0. Adding one retrains none of the others.",
    )
    seeds_per_job: Literal["all", 1] = Field(
        "all",
        description="all: the seeds of a scenario and arm share a job, and so do the trials of a grid, which saves"
        " starts of Python and PyTorch. 1: each is a job, so that more run at a time; the profiles for clusters set"
        " it. The results are the same.",
    )
    contact: str = Field(
        "",
        description="Address of a person or page, sent with every web request so that the owner of a site can ask you"
        " to stop.",
    )
    sources: dict[Name, AnySource] = Field(min_length=1, description="Where images come from, by name.")
    unavailable: Unavailable = Field(
        "stop",
        description="What happens if a source gives no images, because of a captcha, a gated model, a used-up quota,"
        " a missing connection or GPU. stop: the study stops. skip: the scenarios that need the source are left out,"
        " and every table and figure says why.",
    )
    preflight: bool = Field(
        True,
        description="Check every source once before the first crawl, and show which give images.",
    )
    curation: Curation = section("Which images are kept.")
    split: Split = section("Which images are for training, for choosing settings, and for the one final test.")
    teacher: TeacherConfig = section("The network that students are distilled from.")
    student: StudentConfig = section(
        "The small network, and how it is trained: the same for every scenario, except lr and weight_decay"
        " where they are tuned.",
    )
    without_gpu: WithoutGpu = optional(
        "Networks and steps that suit a machine without a GPU, in place of those of `teacher` and `student`. A study"
        " that was begun there keeps them. By default it trains the same everywhere."
    )
    arms: dict[Name, AnyArm] = section(
        "Training methods under comparison, by name.",
        {"scratch": {"method": "ce"}, "kd": {"method": "kd"}},
        min_length=1,
    )
    scenarios: dict[Name, Scenario] = Field(min_length=1, description="Sets of train images to compare, by name.")
    deterministic: bool = Field(
        False,
        description="On a GPU, compute the same bits every time, at the price of speed. A CPU does so in any case.",
    )
    comparisons: dict[Name, ComparisonConfig] = optional(
        "Questions that are tested, by name, declared before the results are seen; see correction."
        " By default, where the study has these arms: kd against scratch,"
        " published_kd against published_scratch, and each published arm against its corrected one; without them,"
        " every arm against the first."
    )
    correction: Literal["question", "study"] = Field(
        "question",
        description="The tests that p values are corrected for (Holm). question: those of the same question. study:"
        " those of all questions. Every table and figure with p values names it.",
    )
    deployed: SomeTexts = optional(
        "Students to export, quantize and measure in results/tables/deployment.csv, each as scenario.arm. By default"
        " those of the first scenario."
    )
    augment_seed: Seed = Field(0, description="Decides the altered copies in scenarios with an augmentation.")
    copies: CopiesConfig = section("How those copies are altered.")
    demo: Demo = optional(
        "Makes the study a demonstration: image searches are answered on this machine with images drawn by the program,"
        " and every figure says so."
    )
