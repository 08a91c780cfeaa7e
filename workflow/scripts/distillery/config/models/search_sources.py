"""Image searches, their filters, and how images are fetched from the web."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from distillery.config.choices import Unavailable
from distillery.config.models.fields import KIND, UNAVAILABLE, Section, Source, optional, section

FILTERS = "Filters of the search."
BING_SIZE_PATTERN = r"^(|large|medium|icon|wallpaper|[1-9]\d{0,4}x[1-9]\d{0,4})$"
PUBLISHED_FILTERS = "Filters of the search; by default those of the published study."

FilterType = Annotated[
    Literal["", "photo", "clipart", "lineart", "face", "animated"],
    Field(description="The search's filter by type of image; empty for none."),
]
FilterSize = Annotated[
    Literal["", "large", "medium", "icon"], Field(description="The search's filter by size; empty for none.")
]
FilterLicense = Annotated[
    Literal["", "commercial", "noncommercial"], Field(description="The search's filter by license; empty for none.")
]
FilterColor = Annotated[
    Literal["", "color", "blackandwhite", "transparent"],
    Field(description="The search's filter by color; empty for none."),
]
PerClass = Annotated[
    int,
    Field(
        ge=1, description="Images to retrieve for each class. Retrieve more than you use, since curation drops some."
    ),
]
MaxPerQuery = Annotated[int, Field(ge=1, description="Largest number of images to take from the results of one query.")]


class Fetching(Section):
    """How images are fetched from the web."""

    connections_per_host: int = Field(2, ge=1, le=4, description="Largest number of simultaneous requests to one host.")
    timeout_seconds: float = Field(
        30, gt=0, description="Time limit for one request in seconds, from its start to its last byte."
    )
    max_bytes: int = Field(20_000_000, ge=1000, description="Largest response in bytes; larger ones are not read.")
    retries: int = Field(2, ge=0, le=10, description="Further attempts if a connection fails or a server is busy.")
    max_store_bytes: int = Field(
        0, ge=0, description="Largest size in bytes of the source's folder in resources/store; 0 for no limit."
    )
    min_free_bytes: int = Field(
        1_000_000_000, ge=0, description="Bytes to leave free on the disk. Retrieval stops before it takes them."
    )
    unavailable: Unavailable = optional(UNAVAILABLE)


class SearchConfig(Source):
    """An image search."""

    per_class: PerClass
    max_per_query: MaxPerQuery = 200


class FilteredSearch(SearchConfig):
    """An image search with filters of its own."""

    filters: Section


class GoogleFilters(Section):
    type: FilterType = "photo"
    size: FilterSize = "large"
    license: Literal["", "commercial", "noncommercial", "creativecommons", "other"] = Field(
        "commercial",
        description="The search's filter by license; empty for none. Google now distinguishes only creativecommons and"
        " other, and treats commercial and noncommercial as creativecommons.",
    )
    color: FilterColor = "color"


# in this order of the bases the keys of the last one come first
class Google(Fetching, FilteredSearch):
    kind: Literal["google"] = Field(description=KIND)
    max_per_query: MaxPerQuery = 50
    filters: GoogleFilters = section(PUBLISHED_FILTERS)
    saved: str = Field(
        "",
        description="Folder of result pages that you saved: `{class}/*.html` or `{class}/*.har`. They are read instead"
        " of searching.",
    )
    browser: bool = Field(
        False,
        description="Search in a browser on this machine, with a window in which you can answer a captcha or consent"
        " page.",
    )
    headless: bool = Field(
        False,
        description="Run this browser without a window. A captcha or consent page then counts as a refusal.",
    )
    wait_minutes: float = Field(
        10.0,
        ge=0,
        description="Minutes to wait until you answer a captcha or consent page in the browser's window.",
    )


class BingFilters(Section):
    type: FilterType = "photo"
    size: str = Field(
        "",
        pattern=BING_SIZE_PATTERN,
        description="The search's filter by size: large, medium, icon, wallpaper, or the smallest width and height,"
        " such as 800x600; empty for none.",
    )
    license: Literal["", "commercial", "noncommercial", "publicdomain"] = Field(
        "commercial", description="The search's filter by license; empty for none."
    )
    color: Literal[
        "", "color", "blackandwhite", "transparent", "red", "orange", "yellow", "green", "teal", "blue", "purple",
        "pink", "brown", "black", "gray", "white",
    ] = Field("", description="The search's filter by color; empty for none.")  # fmt: skip
    aspect: Literal["", "square", "wide", "tall"] = Field(
        "", description="The search's filter by shape; empty for none."
    )
    age: Literal["", "day", "week", "month", "year"] = Field(
        "", description="The search's filter by age: images found within this time; empty for none."
    )


class Bing(Fetching, FilteredSearch):
    kind: Literal["bing"] = Field(description=KIND)
    filters: BingFilters = section(PUBLISHED_FILTERS)


class OpenverseFilters(Section):
    type: Literal["", "photo", "illustration"] = Field(
        "photo", description="The search's filter by type of image; empty for none."
    )
    size: Literal["", "large", "medium", "small"] = Field(
        "", description="The search's filter by size; empty for none."
    )
    license: Literal["", "commercial", "modification"] = Field(
        "commercial",
        description="Only images whose license allows commercial use, or modification; empty for all.",
    )


class Openverse(Fetching, FilteredSearch):
    kind: Literal["openverse"] = Field(description=KIND)
    max_per_query: int = Field(
        200,
        ge=1,
        le=240,
        description="Largest number of images to take from the results of one query. Openverse gives at most 240, even"
        " with an account.",
    )
    filters: OpenverseFilters = section(FILTERS)


class Commons(Fetching, SearchConfig):
    kind: Literal["commons"] = Field(description=KIND)


class INaturalistFilters(Section):
    license: Literal["", "commercial", "noncommercial"] = Field(
        "noncommercial",
        description="Only photos whose Creative Commons license allows commercial use (commercial) or at least"
        " noncommercial use (noncommercial); empty for all photos, including those with all rights reserved.",
    )


class INaturalist(Fetching, FilteredSearch):
    kind: Literal["inaturalist"] = Field(description=KIND)
    max_per_query: int = Field(
        200,
        ge=1,
        le=10_000,
        description="Largest number of images to take from the results of one query. iNaturalist gives at most 10,000.",
    )
    filters: INaturalistFilters = section(FILTERS)


AnySearch = Google | Bing | Openverse | Commons | INaturalist
