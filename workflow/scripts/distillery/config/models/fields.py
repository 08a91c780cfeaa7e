"""Types that several models of the configuration share."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field
from pydantic_core import PydanticCustomError

from distillery.config.choices import NAME_PATTERN


class Section(BaseModel):
    """A part of the configuration: keys and values, no others, and no value converted to another type.

    A key whose default is None may be left out, and is then absent from the checked configuration.
    """

    # deferred: the outermost model builds all the others with itself, once
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


class ParquetData(Section):
    """A data set in the form of the Hugging Face hub."""

    revision: str = Field("", description="The data set's revision on the hub, preferably a commit.")
    subset: str = Field("", description="The subset (configuration) of a data set that has several.")
    image: str = Field("image", description="The column of images.")
    label: str = Field("label", description="The column of labels.")
    names: dict[str, str] = Field(
        {}, description="What the data set calls a class, where it is not the class's name: {cat: tabby}."
    )


def section(description: str, default: dict[str, Any] | None = None, **limits: Any) -> Any:
    """A key whose value is a section, or sections by name. The default is filled in as if the user had written it."""
    return Field(default=default or {}, description=description, **limits)


def optional(description: str, **limits: Any) -> Any:
    """A key that may be left out: it has no default, and what its absence means stands in its description."""
    return Field(default=None, description=description, **limits)
