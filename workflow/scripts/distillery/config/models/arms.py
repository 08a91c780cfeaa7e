"""The section `arms`: training methods under comparison, each with its authors' settings."""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal, get_args

from pydantic import Field

from distillery.config.choices import Fault, ScratchFault
from distillery.config.models.fields import UNIQUE, Section, Unique, optional
from distillery.config.models.recipes import Grid

METHOD = "The training method, which decides the loss. docs/arms.md has the formulas."
FAULTS = "Faults of the published recipe to add to this study's recipe. docs/arms.md says what each of them does."
Alpha = Annotated[
    float, Field(ge=0, le=1, description="Weight of the teacher in the loss; the weight of the labels is 1 - alpha.")
]
Temperature = Annotated[float, Field(gt=0, description="Divides the logits of student and teacher before the softmax.")]


class ArmConfig(Section):
    """A training method under comparison.

    Attributes:
        uses_teacher: whether its loss needs the teacher's outputs.
        label_free: whether its loss uses no label if alpha is 1.
    """

    uses_teacher: ClassVar[bool] = True
    label_free: ClassVar[bool] = False
    method: str


class TunableArmConfig(ArmConfig):
    """An arm that may have its own grid of hyperparameters."""

    tune: Grid = optional(
        "Chooses lr and weight_decay for this arm in each scenario: the values with the highest validation accuracy"
        " when trained with the arm's own loss. Published arms have a fixed recipe and no grid."
    )


class CrossEntropyConfig(TunableArmConfig):
    uses_teacher = False
    method: Literal["ce"] = Field(description=METHOD)


class LabelSmoothingConfig(TunableArmConfig):
    uses_teacher = False
    method: Literal["label_smoothing"] = Field(description=METHOD)
    smoothing: float = Field(
        0.1, ge=0, le=1, description="Probability that is taken from the label and spread evenly over all classes."
    )


class KDConfig(TunableArmConfig):
    label_free = True
    method: Literal["kd"] = Field(description=METHOD)
    alpha: Alpha = 0.9
    temperature: Temperature = 4.0


class DKDConfig(TunableArmConfig):
    method: Literal["dkd"] = Field(description=METHOD)
    alpha: float = Field(
        1.0,
        ge=0,
        description="Weight of the target-class part: the probability of the label against all other classes.",
    )
    beta: float = Field(
        8.0, ge=0, description="Weight of the non-target-class part: the distribution over the other classes."
    )
    temperature: Temperature = 4.0
    # the authors' 20 of 240 epochs
    warmup: float = Field(
        0.083, ge=0, le=1, description="Fraction of the steps over which the weight of the teacher rises from 0."
    )


class DISTConfig(TunableArmConfig):
    method: Literal["dist"] = Field(description=METHOD)
    # the weights in the authors' configurations
    beta: float = Field(2.0, ge=0, description="Weight of the correlation over the classes, for each image.")
    gamma: float = Field(2.0, ge=0, description="Weight of the correlation over the images, for each class.")
    # usual for CIFAR; the authors use 1 on ImageNet
    temperature: Temperature = 4.0


class KDStandardizedConfig(TunableArmConfig):
    method: Literal["kd_standardized"] = Field(description=METHOD)
    label_weight: float = Field(0.1, ge=0, description="Weight of the labels.")
    teacher_weight: float = Field(9.0, ge=0, description="Weight of the teacher.")
    temperature: Temperature = 2.0


class AttentionTransferConfig(TunableArmConfig):
    method: Literal["attention_transfer"] = Field(description=METHOD)
    beta: float = Field(
        1000.0, ge=0, description="Weight of the differences between attention maps, summed over the stages."
    )


class FitNetConfig(TunableArmConfig):
    method: Literal["fitnet"] = Field(description=METHOD)
    # the value of Tian et al. (2020)
    beta: float = Field(
        100.0, ge=0, description="Weight of the difference between the middle stages of student and teacher."
    )


class HardTeacherConfig(TunableArmConfig):
    label_free = True
    method: Literal["hard_teacher"] = Field(description=METHOD)
    alpha: Alpha = 0.9


class UniformTeacherConfig(TunableArmConfig):
    uses_teacher = False
    method: Literal["uniform_teacher"] = Field(description=METHOD)
    alpha: Alpha = 0.9
    temperature: Temperature = 4.0


class FaultyCrossEntropyConfig(TunableArmConfig):
    uses_teacher = False
    method: Literal["ce_with_faults"] = Field(description=METHOD)
    faults: Annotated[list[ScratchFault], Unique, Field(min_length=1, json_schema_extra=UNIQUE)] = Field(
        list(get_args(ScratchFault)), description=FAULTS
    )


class FaultyKDConfig(TunableArmConfig):
    method: Literal["kd_with_faults"] = Field(description=METHOD)
    alpha: Alpha = 0.9
    temperature: Temperature = 4.0
    faults: Annotated[list[Fault], Unique, Field(min_length=1, json_schema_extra=UNIQUE)] = Field(
        list(get_args(Fault)), description=FAULTS
    )


class PublishedCrossEntropyConfig(ArmConfig):
    uses_teacher = False
    method: Literal["published_ce"] = Field(description=METHOD)


class PublishedKDConfig(ArmConfig):
    method: Literal["published_kd"] = Field(description=METHOD)


AnyArm = Annotated[
    CrossEntropyConfig
    | LabelSmoothingConfig
    | KDConfig
    | DKDConfig
    | DISTConfig
    | KDStandardizedConfig
    | AttentionTransferConfig
    | FitNetConfig
    | HardTeacherConfig
    | UniformTeacherConfig
    | FaultyCrossEntropyConfig
    | FaultyKDConfig
    | PublishedCrossEntropyConfig
    | PublishedKDConfig,
    Field(discriminator="method"),
]
# method → model
ARMS: dict[str, type[ArmConfig]] = {
    get_args(model.model_fields["method"].annotation)[0]: model for model in get_args(get_args(AnyArm)[0])
}
