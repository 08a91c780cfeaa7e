"""The configuration of a study as pydantic models.

They are the only place that defines a key, its type, range, default, unit and meaning. The JSON schema,
docs/configuration.md and the checks are derived from them. Jobs that train or crawl never import this module: they get
checked values.
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
    """A class of images: its search queries and its prompts."""

    queries: FullTexts = Field(
        [],
        description="Queries for the image searches. They take turns in this order, each with an equal part of the"
        " images.",
    )
    prompts: FullTexts = Field(
        [], description="Prompts for the diffusion models. Image i uses prompt i modulo the number of prompts."
    )
    subjects: FullTexts = Field(
        [],
        description="Subjects for composed prompts (key prompt_style of a source); if empty, the class's name with an"
        " article, such as a cat.",
    )
    settings: Texts = Field(
        [], description="Settings for composed prompts, such as by a lake; if empty, the source's compose.settings."
    )


class Curation(Section):
    """Which images are kept."""

    min_side: int = Field(
        32, ge=1, description="Smallest shorter side of an image, in pixels. Smaller images are dropped."
    )
    duplicates: Duplicates = Field(
        "drop",
        description="What happens to near-duplicates within a source: images that show the same photograph, cropped,"
        " framed, watermarked, mirrored or recompressed. drop: the largest is kept; near-duplicates in two classes are"
        " all dropped, unless they differ in color or are mirrored. off: all are kept. In both cases near-duplicates"
        " are never in different splits.",
    )


class Split(Section):
    """How images are divided into train, validation and test images."""

    seed: Seed = Field(0, description="Random seed of the division.")
    leakage: Literal["report", "drop"] = Field(
        "report",
        description="What happens to near-duplicates of the teacher's train images. report: they are listed in"
        " results/tables/leakage.csv. drop: no split uses them.",
    )
    test: Counts = Field({}, description="Number of test images of each source: {bing: 500}.")
    val: Counts = Field({}, description="Number of validation images of each source: {bing: 100}.")
    common: SomeTexts = optional(
        "Sources whose test images are the common test set, on which every student is tested. By default all sources in"
        " split.test."
    )
    draws: int = Field(
        1,
        ge=1,
        le=1000,
        description="How often each scenario's train images are drawn from the train split. The students of seed n"
        " train on draw n modulo this number, so that confidence intervals include the variation between draws."
        " Validation and test images are the same in all draws. Best: as many draws as seeds (docs/evidence.md).",
    )
    shortfall: Literal["error", "shrink"] = Field(
        "error",
        description="What happens if a source has fewer images than needed. error: the study stops. shrink: it uses"
        " the largest balanced set and reports its size.",
    )


class Published(Section):
    """What the published study reported for a scenario."""

    site: PercentPair = optional("Accuracies on its website, in percent: [from scratch, distilled].")
    notebook: PercentPair = optional("Accuracies printed by its notebook, in percent: [from scratch, distilled].")
    test: str = Field("", description="Its test images in words, such as 200 Bing.")
    n_train: int = optional("Number of its train images, if it differs from the scenario's.", ge=1)


ImageKinds = Annotated[list[ImageKind], Unique, Field(min_length=1, json_schema_extra=UNIQUE)]


class Cleaning(Section):
    """Which train images a scenario leaves out."""

    labels: bool = Field(False, description="Leave out images whose label the teacher flags as probably wrong.")
    kinds: ImageKinds = optional("Kinds of images to train on; all by default.")


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

    train: Counts = Field(description="Number of train images of each source: {bing: 1000}.", min_length=1)
    augment: Augmentation = Field(
        "none", description="Adds one altered copy of every train image. color: its colors change. rotation: it turns."
    )
    clean: Clean = Field(
        False,
        description="Which train images to leave out. true: those whose label the teacher flags as probably wrong"
        " (confident learning, see docs/data.md). {kinds: [photo]}: those that curation does not classify as photos,"
        " so drawings, icons, text, screenshots and collages, and images that are blurred, dark or of an"
        " extreme_aspect. {labels: true, kinds: [photo]}: both. Test images are never left out.",
    )
    size: Literal["small", "medium", "large"] = Field(
        "small", description="The group in which figures and rankings show the scenario."
    )
    arms: SomeTexts = optional("Names of the arms to train; all by default.")
    published: Published = optional("What the published study reported for this scenario, shown beside our results.")


class ComparisonConfig(Section):
    """A question that the study tests."""

    question: str = Field("", description="The question in words; by default composed of the names.")
    arms: Names = optional(
        "Two or more arms, the baseline first. Each other arm is tested against the baseline in every scenario that"
        " trains all of them."
    )
    scenarios: TwoNames = optional(
        "Two scenarios with the same classes, the baseline first. They are tested with every arm that both train."
    )
    students: TwoNames = optional(
        "Two students as scenario.arm, the baseline first: [web.scratch, web_and_phone.kd]. Their scenarios have the"
        " same classes."
    )
    within: SomeTexts = optional(
        "Limits the tests to these scenarios (if arms are compared) or arms (if scenarios are); all by default. Not"
        " with students."
    )


class Demo(Section):
    """What makes a study a demonstration."""

    label: str = Field("Demonstration on drawn images", description="Note on every figure.")
    seed: Seed = Field(0, description="Random seed of the drawn images.")
    results_per_query: int = Field(40, ge=1, description="Images that an imitated search finds for each query.")


class WithoutGpu(Section):
    """What a machine without a GPU trains instead."""

    teacher: dict[str, Any] = Field({}, description="Keys of `teacher` whose values differ without a GPU.")
    student: dict[str, Any] = Field({}, description="Keys of `student` whose values differ without a GPU.")


class Study(Section):
    """Everything that a user decides. Counts are totals over the classes."""

    title: str = Field("A Distillery study", description="Title of the study, on its page and figures.")
    about: str = Field(
        "", description="Your own text on the page: why the study was made. A blank line starts a paragraph."
    )
    authors: SomeTexts = optional("Authors of the study, shown on the page.")
    classes: dict[Name, Class | None] = Field(
        min_length=2,
        description="The classes by name, in the order of the labels (0, 1, …). Names are also folder names, so they"
        " consist of a-z, A-Z, 0-9, _ and -, and start with a letter or digit. Put names such as 2024 or yes in"
        " quotes.",
    )
    image_size: int = Field(
        32,
        ge=8,
        le=512,
        description="Side in pixels of the square images that students see, and the teacher, unless"
        " teacher.image_size is larger.",
    )
    seeds: int = Field(
        6,
        ge=1,
        le=1000,
        description="Number of students of each scenario and arm, trained with the seeds 0, 1, …. Another seed retrains"
        " no existing student.",
    )
    seeds_per_job: Literal["all", 1] = Field(
        "all",
        description="all: one job trains all seeds of a scenario and arm, and one job runs all trials of a grid, so"
        " that Python and PyTorch start less often. 1: each training is a job of its own, so that more of them run in"
        " parallel; the profiles for clusters set this. The results are the same.",
    )
    contact: str = Field(
        "",
        description="Your email address or web page. It is sent with every web request, so that the owner of a site can"
        " ask you to stop.",
    )
    sources: dict[Name, AnySource] = Field(min_length=1, description="Where images come from, by name.")
    unavailable: Unavailable = Field(
        "stop",
        description="What happens if a source gives no images, for example because of a captcha, a gated model, a"
        " used-up quota, or a missing connection or GPU. stop: the study stops. skip: it leaves out the scenarios that"
        " need the source, and every table and figure says why.",
    )
    preflight: bool = Field(
        True,
        description="Check every source once before the first crawl, and show which sources give images.",
    )
    curation: Curation = section("Which images are kept.")
    split: Split = section("Which images are for training, for validation, and for the final test.")
    teacher: TeacherConfig = section("The network that students are distilled from.")
    student: StudentConfig = section(
        "The small network and its training: the same in every scenario, except for lr and weight_decay if they are"
        " tuned.",
    )
    without_gpu: WithoutGpu = optional(
        "Values of `teacher` and `student` for machines without a GPU, such as smaller networks and fewer steps. A"
        " study that began without a GPU keeps these values on any machine. By default every machine trains the same."
    )
    arms: dict[Name, AnyArm] = section(
        "Training methods under comparison, by name.",
        {"scratch": {"method": "ce"}, "kd": {"method": "kd"}},
        min_length=1,
    )
    scenarios: dict[Name, Scenario] = Field(min_length=1, description="Sets of train images to compare, by name.")
    deterministic: bool = Field(
        False,
        description="Make trainings on a GPU repeatable to the last bit, at the price of speed. Trainings on a CPU"
        " always are.",
    )
    comparisons: dict[Name, ComparisonConfig] = optional(
        "Questions that the study tests, by name. Declare them before you see results; their p values are corrected"
        " together, see correction. By default the questions are, as far as the study has these arms: kd against"
        " scratch, published_kd against published_scratch, scratch against published_scratch, and kd against"
        " published_kd. If it has none of these pairs, every arm is tested against the first."
    )
    correction: Literal["question", "study"] = Field(
        "question",
        description="Tests whose p values are corrected together (Holm). question: those of one question. study: those"
        " of all questions. Every table and figure with p values names the choice.",
    )
    deployed: SomeTexts = optional(
        "Students to export, quantize and measure for results/tables/deployment.csv, each as scenario.arm. By default"
        " those of the first scenario."
    )
    augment_seed: Seed = Field(0, description="Random seed of the altered copies in scenarios with the key augment.")
    copies: CopiesConfig = section("How these copies are altered.")
    demo: Demo = optional(
        "Makes the study a demonstration: a server on this machine imitates the image searches and answers with images"
        " drawn by the program. Every figure says so."
    )
