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


# types with range and description, because teacher and student have different defaults
NetworkName = Annotated[
    str,
    AfterValidator(_known_network),
    Field(
        json_schema_extra={"pattern": f"^({'|'.join(NETWORKS)}|{TIMM_PATTERN})$"},
        description="The network. For small images, a residual network (thousands of parameters: resnet8_half 20,"
        " resnet8 78, resnet20 272, resnet8x4 1,200, resnet18 11,200) or a plain convolutional network, which trains"
        " faster (convnet_s 150, convnet_m 500, convnet_l 2,000, convnet_xl 12,700). For images of 96 pixels and more,"
        " `timm/` and the name of one of timm's networks, such as timm/mobilenetv3_small_100.",
    ),
]
Pretrained = Annotated[
    Annotated[bool, Tag("boolean")] | Annotated[str, Field(min_length=1), Tag("text")],
    Discriminator(
        _shape_of_pretrained, custom_error_type="pretrained", custom_error_message="is not true, false or a text"
    ),
]
Steps = Annotated[int, Field(ge=1, description="Optimizer steps, however many train images there are.")]
Batch = Annotated[int, Field(ge=2, description="Images per step. Batch normalization needs at least two.")]
LearningRate = Annotated[float, Field(gt=0, description="Highest learning rate of the schedule.")]


class Grid(Section):
    """A grid of hyperparameters, from which trials choose the best combination."""

    lr: Annotated[list[Annotated[float, Field(gt=0)]], Unique] = Field(
        description="Values of lr to try.", min_length=1, json_schema_extra=UNIQUE
    )
    weight_decay: Annotated[list[Annotated[float, Field(ge=0)]], Unique] = Field(
        description="Values of weight_decay to try with each lr.", min_length=1, json_schema_extra=UNIQUE
    )
    seeds: int = Field(1, ge=1, description="Trainings with each combination of lr and weight_decay.")


class CopiesConfig(Section):
    """How the copies in scenarios with `augment` are altered: once, at the size of the curated images."""

    jitter: float = Field(
        0.4,
        ge=0,
        le=1,
        description="For augment: color. Factors of brightness, contrast and saturation are drawn from 1 ± this.",
    )
    hue: float = Field(
        0.1,
        ge=0,
        le=0.5,
        description="For augment: color. Largest change of hue in either direction, in turns of the color circle.",
    )
    degrees: float = Field(
        30.0, ge=0, le=180, description="For augment: rotation. Largest rotation in either direction, in degrees."
    )
    fill: Fill = Field(
        "reflect",
        description="For augment: rotation. What fills the corners of a rotated image: the reflected image, its"
        " repeated edge pixels, or gray.",
    )


class RecipeConfig(Section):
    """The training recipe: everything that decides a training except data, loss and seed."""

    network: NetworkName
    pretrained: Pretrained = Field(
        False,
        description="Weights to start from, in safetensors format. true: timm's weights for the network, downloaded"
        " once. Otherwise the path of a file or of a folder with model.safetensors, or an id on the Hugging Face hub."
        " If the weights are for other classes, the last layer starts from random weights.",
    )
    train: TrainedPart = Field(
        "all", description="Layers to train: all of them, or only the last one (head), which suits few train images."
    )
    body_lr: float = Field(
        1.0,
        gt=0,
        description="Learning rate of all layers except the last one, as a multiple of lr. 0.1 is usual for pretrained"
        " weights.",
    )
    steps: Steps
    batch: Batch
    lr: LearningRate
    optimizer: Optimizer = Field(
        "sgd",
        description="sgd: stochastic gradient descent with Nesterov momentum. muon: Muon (Jordan et al. 2024)"
        " for the convolutions; it needs an lr of 0.1 to 0.24 and a momentum of about 0.6.",
    )
    momentum: float = Field(0.9, ge=0, lt=1, description="Nesterov momentum.")
    weight_decay: float = Field(
        0.0005, ge=0, description="L2 penalty on the weights of convolutions and linear layers."
    )
    schedule: Schedule = Field("cosine", description="How the learning rate falls after the warm-up.")
    warmup: float = Field(
        0.05, ge=0, le=1, description="Fraction of the steps over which the learning rate rises from 0."
    )
    view: View = Field(
        "auto",
        description="How a random view of a train image is made. pad_crop: the image, shifted by up to crop pixels."
        " resized_crop: a random square part of it, enlarged, with changed brightness, contrast and saturation, as"
        " usual for photographs. auto: resized_crop for images of 96 pixels and more, else pad_crop.",
    )
    area: float = Field(
        0.35,
        gt=0,
        le=1,
        description="For resized_crop: smallest part of the image that a view shows, as a fraction of the image's"
        " area.",
    )
    jitter: float = Field(
        0.2,
        ge=0,
        lt=1,
        description="For resized_crop: factors of brightness, contrast and saturation are drawn from 1 ± this.",
    )
    crop: int = Field(
        4,
        ge=0,
        description="For pad_crop: width in pixels of the reflected border that is added before a view is cropped at"
        " random; 0 for none. If teacher.image_size is larger than image_size, these are pixels of the larger image.",
    )
    flip: bool = Field(True, description="Mirror views at random, half of them on average.")
    cutout: int = Field(
        0,
        ge=0,
        description="Cutout (DeVries and Taylor 2017): side in pixels of a gray square at a random place of every view;"
        " 0 for none.",
    )
    mixup: float = Field(
        0.0,
        ge=0,
        description="Mixup (Zhang et al. 2018): parameter alpha of the Beta distribution from which the weight of a"
        " mixed pair of images is drawn; 0 for none.",
    )
    ema: float = Field(
        0.0,
        ge=0,
        lt=1,
        description="Decay of the exponential moving average (EMA) of the weights, which is then saved and tested;"
        " 0 to save and test the weights of the last step.",
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
        "Chooses lr and weight_decay for each scenario: the values with the highest validation accuracy when trained"
        " with cross-entropy on the labels. They apply to all arms except published arms and arms with their own tune."
        " Without this key, all scenarios use lr and weight_decay as given."
    )


class TeacherData(ParquetData):
    """The images that the teacher is trained and tested on."""

    kind: TeacherDataKind = optional(
        "cifar10: CIFAR-10, downloaded if absent. folder: labeled images in one folder per class. huggingface: a data"
        " set of the Hugging Face hub. sources: sources of this study that no student is trained or tested on, if you"
        " have no labeled images. drawn: images drawn by the program, for demonstrations. none: no images, for a"
        " teacher that this study does not train. By default cifar10 if it trains the teacher, else none.",
    )
    path: str = Field(
        "resources/cifar10",
        description="For kind cifar10: folder of CIFAR-10. For kind folder: folder or archive of the train images,"
        " arranged as for a source of kind folder.",
    )
    inside: str = Field(
        "", description="The folder below `path` that holds the class folders, such as train; empty to find it."
    )
    test_path: str = Field("", description="For kind folder: folder or archive of the test images.")
    test_inside: str = Field(
        "", description="The folder below `test_path` that holds the class folders, such as test; empty to find it."
    )
    dataset: str = Field(
        "",
        description="For kind huggingface: the data set's id on the hub, or a folder of parquet files like those of the"
        " hub.",
    )
    split: str = Field("train", description="For kind huggingface: the data set's split to train on.")
    test_split: str = Field("test", description="For kind huggingface: the data set's split to test on.")
    train_sources: Texts = Field([], description="For kind sources: names of the sources to train on.")
    test_sources: Texts = Field(
        [],
        description="For kind sources: names of other sources to test on. Their near-duplicates of train images are"
        " left out.",
    )
    train: int = Field(0, ge=0, description="Number of train images; 0 for all.")
    test: int = Field(0, ge=0, description="Number of test images; 0 for all.")


class TeacherOnly(Section):
    """Keys of the section `teacher` that `student` does not have."""

    kind: TeacherKind = Field(
        "train",
        description="train: a network that this study trains on teacher.data. checkpoint: a trained classifier, your"
        " own or a published one with other classes. zero_shot: a CLIP or SigLIP model, which needs no labels. several:"
        " several teachers, whose probabilities are averaged.",
    )
    image_size: int = optional(
        "Side in pixels of the images that the teacher sees; at least image_size, which is the default. Images are"
        " curated at this size, and views are made at it. Students see the same views, scaled down to image_size.",
        ge=8,
        le=512,
    )
    checkpoint: CheckpointConfig = section("The trained classifier, for kind checkpoint.")
    zero_shot: ZeroShotConfig = section("The CLIP or SigLIP model, for kind zero_shot.")
    members: dict[Name, MemberConfig] = section("The teachers by name, for kind several.")
    data: TeacherData = section("The images that the teacher is trained and tested on.")
    seed: Seed = Field(
        0,
        description="Random seed of initialization, image order and views. Students have the seeds 0, 1, …. If the"
        " teacher has the same network, give it a seed that no student has.",
    )
    seeds: int = Field(
        1,
        ge=1,
        le=1000,
        description="Number of teachers to train, with the seeds seed, seed + 1, …. The students of seed n are"
        " distilled from teacher n modulo this number, so that confidence intervals include the variation between"
        " teachers. Best: as many teachers as seeds (docs/evidence.md). Tables about the teacher alone show the first.",
    )
    threads: int = Field(
        8,
        ge=1,
        description="Largest number of CPU threads for training the teacher. Without a GPU, another number changes the"
        " last digits of results.",
    )


class TeacherConfig(RecipeConfig, TeacherOnly):  # in this order the keys of TeacherOnly come first
    """The teacher, its data, and how it is trained."""

    network: NetworkName = "resnet18"
    steps: Steps = 9750
    batch: Batch = 256
    lr: LearningRate = 0.2
