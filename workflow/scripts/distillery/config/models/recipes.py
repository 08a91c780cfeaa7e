"""The sections `teacher` and `student`: a network, and how it is trained."""

from __future__ import annotations

import re
from typing import Annotated, Any

from pydantic import AfterValidator, Discriminator, Field, Tag
from pydantic_core import PydanticCustomError

from distillery.config.choices import (
    NETWORKS,
    TIMM_PATTERN,
    Fill,
    Optimizer,
    Schedule,
    TeacherDataKind,
    TeacherKind,
    TrainedPart,
    View,
)
from distillery.config.models.fields import UNIQUE, Name, ParquetData, Section, Seed, Texts, Unique, optional, section
from distillery.config.models.teachers import CheckpointConfig, MemberConfig, ZeroShotConfig


def _known_network(name: str) -> str:
    if name not in NETWORKS and not re.fullmatch(TIMM_PATTERN, name):
        raise PydanticCustomError(
            "network", f"is not one of {', '.join(NETWORKS)}, nor one of timm's, such as timm/mobilenetv3_small_100"
        )
    return name


def _shape_of_pretrained(value: Any) -> str | None:
    return {bool: "boolean", str: "text"}.get(type(value))


# with their range and description, because teacher and student have defaults of their own
NetworkName = Annotated[
    str,
    AfterValidator(_known_network),
    Field(
        json_schema_extra={"pattern": f"^({'|'.join(NETWORKS)}|{TIMM_PATTERN})$"},
        description="Residual networks with a stem for small images (resnet8_half has 20 thousand parameters, resnet8"
        " 78, resnet20 272, resnet8x4 1,200, resnet18 11,200) and plain convolutional networks that train faster"
        " (convnet_s 150, convnet_m 500, convnet_l 2,000, convnet_xl 12,700), for small images; or `timm/` and the name"
        " of a network of timm, such as timm/mobilenetv3_small_100, for 96 pixels and more.",
    ),
]
Pretrained = Annotated[
    Annotated[bool, Tag("boolean")] | Annotated[str, Field(min_length=1), Tag("text")],
    Discriminator(
        _shape_of_pretrained, custom_error_type="pretrained", custom_error_message="is not true, false or a text"
    ),
]
Steps = Annotated[int, Field(ge=1, description="Optimizer steps, the same for every number of images.")]
Batch = Annotated[int, Field(ge=2, description="Images per step. Batch normalization needs at least two.")]
LearningRate = Annotated[float, Field(gt=0, description="Highest learning rate.")]


class Grid(Section):
    """A grid of settings, of which the best is chosen."""

    lr: Annotated[list[Annotated[float, Field(gt=0)]], Unique] = Field(
        description="Highest learning rates to try.", min_length=1, json_schema_extra=UNIQUE
    )
    weight_decay: Annotated[list[Annotated[float, Field(ge=0)]], Unique] = Field(
        description="L2 weight decays to try with each learning rate.", min_length=1, json_schema_extra=UNIQUE
    )
    seeds: int = Field(1, ge=1, description="Trainings of each setting.")


class CopiesConfig(Section):
    """How the augmented copies of scenarios with `augment` are altered, once, at the size of the curated images."""

    jitter: float = Field(
        0.4,
        ge=0,
        le=1,
        description="For augment: color. Factors of brightness, contrast and saturation are drawn from 1 ± this.",
    )
    hue: float = Field(
        0.1, ge=0, le=0.5, description="For augment: color. The largest change of hue in turns, in either direction."
    )
    degrees: float = Field(
        30.0, ge=0, le=180, description="For augment: rotation. The largest rotation, in either direction."
    )
    fill: Fill = Field(
        "reflect",
        description="For augment: rotation. What lies beyond the border of a rotated image: its reflection, its edge"
        " repeated, or gray.",
    )


class RecipeConfig(Section):
    """The training recipe: what decides a training, besides data, loss and seed."""

    network: NetworkName
    pretrained: Pretrained = Field(
        False,
        description="Weights to start from, always safetensors: true for those that timm names (downloaded once), the"
        " path of a file or of a folder with model.safetensors, or an id on the Hugging Face hub. The last layer starts"
        " anew where the weights are of other classes.",
    )
    train: TrainedPart = Field(
        "all", description="Layers that are trained: all, or the head (the last one) alone, as when labels are few."
    )
    body_lr: float = Field(
        1.0,
        gt=0,
        description="Learning rate of all layers but the head, relative to lr; 0.1 is usual for pretrained weights.",
    )
    steps: Steps
    batch: Batch
    lr: LearningRate
    optimizer: Optimizer = Field(
        "sgd",
        description="Stochastic gradient descent with Nesterov momentum, or Muon (Jordan et al. 2024) for convolutions,"
        " which takes an lr of about 0.24 and a momentum of about 0.6.",
    )
    momentum: float = Field(0.9, ge=0, lt=1, description="Nesterov momentum.")
    weight_decay: float = Field(
        0.0005, ge=0, description="L2 penalty on the weights of convolutions and linear layers."
    )
    schedule: Schedule = Field("cosine", description="How the learning rate falls after the warm-up.")
    warmup: float = Field(
        0.05, ge=0, le=1, description="Fraction of the steps in which the learning rate rises from 0."
    )
    view: View = Field(
        "auto",
        description="How a view is cut from an image. pad_crop: shifted by up to crop pixels. resized_crop: a random"
        " square part, enlarged, with other brightness, contrast and saturation, as usual for photographs. auto:"
        " resized_crop at 96 pixels and more.",
    )
    area: float = Field(
        0.35, gt=0, le=1, description="Smallest part of the image that a resized crop shows, as a fraction of its area."
    )
    jitter: float = Field(
        0.2,
        ge=0,
        lt=1,
        description="Factors of brightness, contrast and saturation of a resized crop are drawn from 1 ± this.",
    )
    crop: int = Field(
        4,
        ge=0,
        description="Pixels of reflected border from which a view is cropped at random (pad_crop); 0 for none. Counted"
        " in the larger image, if teacher.image_size is larger.",
    )
    flip: bool = Field(True, description="Mirror half of the views.")
    cutout: int = Field(
        0,
        ge=0,
        description="Side in pixels of a gray square placed at random on every view (DeVries and Taylor 2017);"
        " 0 for none.",
    )
    mixup: float = Field(
        0.0, ge=0, description="Parameter of the Beta distribution that mixes pairs of images; 0 for none."
    )
    ema: float = Field(
        0.0,
        ge=0,
        lt=1,
        description="Decay of a moving average of the weights. The average is what is saved and tested; 0 for the"
        " weights of the last step.",
    )
    checkpoint_every: int = Field(
        500,
        ge=0,
        description="Steps between checkpoints, from which an interrupted training resumes; 0 for none before the end."
        " A change retrains nothing.",
    )


class StudentConfig(RecipeConfig):
    """The student, and how it is trained."""

    network: NetworkName = "resnet8x4"
    steps: Steps = 3000
    batch: Batch = 128
    lr: LearningRate = 0.1
    tune: Grid = optional(
        "Chooses lr and weight_decay for each scenario by the validation accuracy of training on the labels alone. All"
        " arms use the choice, except the published ones and those with a grid of their own. Without it, lr and"
        " weight_decay are as given."
    )


class TeacherData(ParquetData):
    """The images that the teacher is trained and tested on."""

    kind: TeacherDataKind = optional(
        "cifar10: CIFAR-10, downloaded if absent. folder: folders of labeled images by class. huggingface: a data set"
        " of the Hugging Face hub. sources: sources that no student is trained or tested on, if you have no labeled"
        " images. drawn: images drawn by the program, for demonstrations. none: no images of its own, for a teacher"
        " that is not trained here. By default cifar10 if a teacher is trained, else none.",
    )
    path: str = Field(
        "resources/cifar10",
        description="Folder of CIFAR-10, or of the train images: a folder or archive as for a source of kind folder.",
    )
    inside: str = Field(
        "", description="The folder below `path` that holds the class folders, such as train; empty to find it."
    )
    test_path: str = Field("", description="Folder of the test images, for kind folder.")
    test_inside: str = Field(
        "", description="The folder below `test_path` that holds the class folders, such as test; empty to find it."
    )
    dataset: str = Field(
        "",
        description="A data set, for kind huggingface: its id on the hub, or a folder of parquet files of the same"
        " form.",
    )
    split: str = Field("train", description="The data set's split to train on, for kind huggingface.")
    test_split: str = Field("test", description="The data set's split to test on, for kind huggingface.")
    train_sources: Texts = Field([], description="Names of the sources to train on, for kind sources.")
    test_sources: Texts = Field(
        [],
        description="Names of other sources to test on, for kind sources. Near-duplicates of train images are left"
        " out.",
    )
    train: int = Field(0, ge=0, description="Train images in total; 0 for all there are.")
    test: int = Field(0, ge=0, description="Test images in total; 0 for all there are.")


class TeacherOnly(Section):
    """Keys of the section `teacher` that `student` does not have."""

    kind: TeacherKind = Field(
        "train",
        description="train: trained on its own labeled images. checkpoint: a classifier of your own, or one of other"
        " classes. zero_shot: a CLIP or SigLIP, without labels. several: the mean probability of several teachers.",
    )
    image_size: int = optional(
        "Side in pixels of the images that the teacher sees, at least image_size, which is the default. Images are"
        " curated and views made at this size; students see the same views, reduced.",
        ge=8,
        le=512,
    )
    checkpoint: CheckpointConfig = section("A classifier of your own, for kind checkpoint.")
    zero_shot: ZeroShotConfig = section("A CLIP or SigLIP, for kind zero_shot.")
    members: dict[Name, MemberConfig] = section("The teachers by name, for kind several.")
    data: TeacherData = section("The images the teacher is trained and tested on.")
    seed: Seed = Field(
        0,
        description="Decides initialization, image order and views. Students have the seeds 0, 1, …: if the teacher has"
        " their network, give it a seed that no student has.",
    )
    seeds: int = Field(
        1,
        ge=1,
        le=1000,
        description="Teachers that are trained, with seed, seed + 1, …: students of seed n are distilled from teacher n"
        " modulo their number, so that intervals cover another teacher too. As many as the study has seeds is best"
        " (docs/evidence.md). Tables of the teacher alone are of the first.",
    )
    threads: int = Field(
        8,
        ge=1,
        description="CPU threads, at most. Without a GPU, another number changes the last digits of results.",
    )


class TeacherConfig(RecipeConfig, TeacherOnly):  # in this order the keys of TeacherOnly come first
    """The teacher, its data, and how it is trained."""

    network: NetworkName = "resnet18"
    steps: Steps = 9750
    batch: Batch = 256
    lr: LearningRate = 0.2
