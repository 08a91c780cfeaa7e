"""Types that several models of the configuration share."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field
from pydantic_core import PydanticCustomError

from distillery.config.choices import NAME_PATTERN


class Section(BaseModel):
    """A section of the configuration. Unknown keys are errors, and no value is converted to another type.

    A key whose default is None may be left out; the checked configuration then lacks it too.
    """

    # deferred, because the outermost model builds all others when it is built
    model_config = ConfigDict(strict=True, extra="forbid", allow_inf_nan=False, defer_build=True)


def _unique(values: list) -> list:
    if any(value in values[:place] for place, value in enumerate(values)):
        raise PydanticCustomError("not_unique", "the same value is given twice")
    return values


Unique = AfterValidator(_unique)
UNIQUE: dict[str, Any] = {"uniqueItems": True}

Name = Annotated[str, Field(pattern=NAME_PATTERN)]
Texts = Annotated[list[str], Unique, Field(json_schema_extra=UNIQUE)]
FullTexts = Annotated[list[Annotated[str, Field(min_length=1)]], Unique, Field(json_schema_extra=UNIQUE)]
SomeTexts = Annotated[list[str], Unique, Field(min_length=1, json_schema_extra=UNIQUE)]
Names = Annotated[list[str], Unique, Field(min_length=2, json_schema_extra=UNIQUE)]
TwoNames = Annotated[list[str], Unique, Field(min_length=2, max_length=2, json_schema_extra=UNIQUE)]
Counts = dict[str, Annotated[int, Field(ge=1)]]
Percent = Annotated[float, Field(ge=0, le=100)]
PercentPair = Annotated[list[Percent], Field(min_length=2, max_length=2)]
Seed = Annotated[int, Field(ge=0)]
Duplicates = Literal["drop", "off", False]  # YAML reads off as false

KIND = "How the images are obtained."
UNAVAILABLE = "What happens if this source gives no images; by default the value of the study's key `unavailable`."
Classes = Annotated[SomeTexts, Field(description="Classes that this source has images of; all by default.")]


class Source(Section):
    """Where images come from."""

    kind: str


class ParquetData(Section):
    """A data set on the Hugging Face hub, or a folder of parquet files like those of the hub."""

    revision: str = Field("", description="The data set's revision on the hub, preferably a commit.")
    subset: str = Field("", description="The data set's subset (the hub calls it configuration), if it has several.")
    image: str = Field("image", description="The column with the images.")
    label: str = Field("label", description="The column with the labels.")
    names: dict[str, str] = Field(
        {}, description="The data set's names of classes that have another name in the study: {cat: tabby}."
    )


def section(description: str, default: dict[str, Any] | None = None, **limits: Any) -> Any:
    """A key whose value is a section, or several sections by name. Its default is filled in where the key is absent."""
    return Field(default=default or {}, description=description, **limits)


def optional(description: str, **limits: Any) -> Any:
    """A key that may be left out. It has no default value; its description says what happens without the key."""
    return Field(default=None, description=description, **limits)
