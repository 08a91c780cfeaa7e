"""Parts of the section `teacher` for teachers that the study does not train."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from distillery.config.choices import ClassPrior, MemberKind, OnnxOutput
from distillery.config.models.fields import FullTexts, Name, Section, section

Triple = Annotated[list[float], Field(min_length=3, max_length=3)]


class CheckpointConfig(Section):
    """A trained classifier: the user's own, or a published one with other classes."""

    model: str = Field(
        "",
        description="The model: an .onnx file, or weights in safetensors format: a file, a folder with"
        " model.safetensors, or an id on the Hugging Face hub. Files that a Distillery study wrote also name their"
        " network and classes.",
    )
    network: str = Field(
        "", description="The network that the weights belong to, such as timm/tf_efficientnet_lite0. Not for .onnx."
    )
    labels: str = Field(
        "", description="A text file with the names of the model's classes, one per line, in the order of its outputs."
    )
    mapping: dict[Name, FullTexts] = section(
        "For each class of the study, the model's classes that belong to it: names, indices in quotes, or ranges of"
        ' indices such as "151-268". A class without an entry is the model\'s class of the same name.'
    )
    prior: ClassPrior = Field(
        "study",
        description="What is equally frequent: the study's classes, or the model's. A class of the study gets the mean"
        " probability of the model's classes that belong to it, or the sum.",
    )
    input_size: int = Field(0, ge=0, description="Side in pixels of the model's input; 0 for its usual size.")
    mean: Triple = Field(
        [0.485, 0.456, 0.406],
        description="For an .onnx file: mean of red, green and blue, on a scale from 0 to 1, which is subtracted from"
        " the input.",
    )
    std: Triple = Field(
        [0.229, 0.224, 0.225],
        description="For an .onnx file: standard deviation of red, green and blue, by which the input is then divided.",
    )
    output: OnnxOutput = Field("logits", description="For an .onnx file: what the model outputs.")


class ZeroShotConfig(Section):
    """A CLIP or SigLIP model, which needs neither labels nor training."""

    model: str = Field(
        "",
        description="A CLIP or SigLIP model for the library transformers: its id on the Hugging Face hub, or a folder.",
    )
    prompts: dict[Name, FullTexts] = section(
        "For each class, the words that replace {} in the templates; by default the class's name."
    )
    templates: FullTexts = Field(
        ["a photo of a {}."],
        min_length=1,
        description="Sentences with {} in place of the class. The embeddings of a class's sentences are averaged.",
    )
    fit_scale: bool = Field(
        False,
        description="Fit the scale of the logits on the validation images in split.common, whose labels must then be"
        " reliable. By default the model's own scale is used.",
    )


class MemberConfig(Section):
    """One of several teachers."""

    kind: MemberKind = Field(
        description="train: a teacher trained with the other keys of `teacher`. checkpoint and zero_shot: as in"
        " teacher.kind."
    )
    weight: float = Field(1.0, gt=0, description="Weight of its probabilities in the average.")
    checkpoint: CheckpointConfig = section("A trained classifier, for kind checkpoint.")
    zero_shot: ZeroShotConfig = section("A CLIP or SigLIP model, for kind zero_shot.")
