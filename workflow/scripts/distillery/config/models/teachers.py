"""Parts of the section `teacher` for teachers that the study does not train."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from distillery.config.choices import MemberKind, OnnxOutput
from distillery.config.models.fields import FullTexts, Name, Section, section

Triple = Annotated[list[float], Field(min_length=3, max_length=3)]


class CheckpointConfig(Section):
    """A classifier of your own, or one of other classes."""

    model: str = Field(
        "",
        description="The model: an .onnx file; or weights as safetensors: a file, a folder with model.safetensors, or"
        " an id on the Hugging Face hub. A file that a study wrote brings its network and classes.",
    )
    network: str = Field("", description="The network of the weights, such as timm/tf_efficientnet_lite0.")
    labels: str = Field("", description="A text file with the names of the model's classes, one a line, in order.")
    mapping: dict[Name, FullTexts] = section(
        "For classes of the study, the model's classes that they stand for: names, indices in quotes, or ranges of"
        ' indices such as "151-268". A class that is left out is the model\'s class of the same name.'
    )
    input_size: int = Field(0, ge=0, description="Pixels that the model takes; 0 for its own size.")
    mean: Triple = Field([0.485, 0.456, 0.406], description="Of an .onnx: subtracted from RGB in 0 to 1.")
    std: Triple = Field([0.229, 0.224, 0.225], description="Of an .onnx: divides after that.")
    output: OnnxOutput = Field("logits", description="What an .onnx gives.")


class ZeroShotConfig(Section):
    """A CLIP or SigLIP, which needs no labels and no training."""

    model: str = Field("", description="A CLIP or SigLIP of transformers: its id on the Hugging Face hub, or a folder.")
    prompts: dict[Name, FullTexts] = section(
        "For classes, the words that stand for them in the templates; by default the class's name."
    )
    templates: FullTexts = Field(
        ["a photo of a {}."],
        min_length=1,
        description="Sentences with {} for the class. The embeddings of all sentences of a class are averaged.",
    )
    trust_val: bool = Field(
        False,
        description="Fit the scale of the logits on the validation images of the common sources, because their labels"
        " are right. Otherwise the model's own scale stands.",
    )


class MemberConfig(Section):
    """One of several teachers."""

    kind: MemberKind = Field(
        description="train: the teacher trained as this section says. checkpoint, zero_shot: as teacher.kind."
    )
    weight: float = Field(1.0, gt=0, description="Weight of its probabilities in the average.")
    checkpoint: CheckpointConfig = section("A classifier of your own, for kind checkpoint.")
    zero_shot: ZeroShotConfig = section("A CLIP or SigLIP, for kind zero_shot.")
