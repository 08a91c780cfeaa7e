"""The provenance record of one image: its query or prompt, its origin, and whether it was retrieved."""

from __future__ import annotations

import builtins
import json
from collections.abc import Callable
from dataclasses import dataclass, fields
from functools import partial

from distillery.jobs import UserError, one_line
from distillery.storage.renamed import in_new_words
from distillery.storage.texts import clean_address, clean_text
from distillery.storage.urls import MAX_URL

# field → characters at most
TEXT_LENGTHS = dict.fromkeys(("source", "label", "kind", "retrieved", "scheduler", "dtype", "parent_source"), 300)
TEXT_LENGTHS |= dict.fromkeys(("clip_scorer", "teacher_scorer"), 300)
TEXT_LENGTHS |= dict.fromkeys(("title", "license", "creator", "model", "revision"), 500)
TEXT_LENGTHS |= dict.fromkeys(("lora", "lora_file", "lora_revision"), 500)
TEXT_LENGTHS |= {"key": 64, "sha256": 64, "parent": 64, "failure": 200, "query": 1000, "origin": MAX_URL}
ADDRESSES = ("url", "page", "thumbnail")
LISTS = ("duplicate_queries", "components")
PROMPTS = ("prompt", "negative_prompt")
PROMPT_LENGTH = 20_000  # characters
LINE_ENDS = {ord(character): " " for character in "\n\r\t"}
MOST_TEXTS = 1000  # items of a list; the others are cut off


@dataclass(frozen=True)
class ImageRecord:
    """One candidate image for a class, retrieved or not.

    `origin` identifies it within its source: a URL, a path, or the hash of the generation parameters. `failure` is the
    reason if the image was not retrieved, else empty; `key`, `sha256` and `bytes` then describe the image.

    The constructor cleans all texts (`distillery.storage.texts`): `page`, `thumbnail` and `url` are URLs or empty, and
    other texts are one line of limited length. Prompts are kept unchanged up to `PROMPT_LENGTH` characters, so that an
    image can be generated again.
    """

    source: str
    label: str  # the class it was retrieved for
    kind: str  # of the source, such as bing, folder or diffusion
    origin: str
    rank: int = -1  # position among the source's candidates of the class, from 0
    key: str = ""
    sha256: str = ""
    bytes: int = 0
    failure: str = ""
    retrieved: str = ""  # UTC, ISO 8601
    # found on the web
    query: str = ""
    url: str = ""
    page: str = ""
    thumbnail: str = ""
    title: str = ""
    declared_width: int = 0  # pixels, as the search states; 0 if it does not
    declared_height: int = 0
    license: str = ""
    creator: str = ""
    duplicate_queries: tuple[str, ...] = ()  # "class: query" of every other query that found the same URL
    # generated
    prompt: str = ""
    negative_prompt: str = ""
    model: str = ""
    revision: str = ""
    seed: int = -1
    steps: int = -1
    guidance: float = -1.0
    size: int = -1  # pixels a side, as generated
    scheduler: str = ""  # empty for the model's own
    dtype: str = ""  # of the computation
    components: tuple[str, ...] = ()  # parts of the pipeline left out
    quality: int = -1  # of the JPEG
    lora: str = ""  # weights that changed the model: a file, or an id of the hub
    lora_file: str = ""  # which file, for an id of the hub
    lora_revision: str = ""  # a hash of the file, or the revision on the hub
    lora_weight: float = -1.0  # how strongly the weights changed the model
    parent_source: str = ""  # source of the image that the generation started from, if any
    parent: str = ""  # key of that image
    strength: float = -1.0  # share of noise added to that image at the start, 0 to 1
    clip_scorer: str = ""  # the CLIP model that scored it, and among which classes
    clip_score: float = -1.0  # its probability of the label, 0 to 1
    teacher_scorer: str = ""  # the teacher that scored it, by a hash of its weights, and among which classes
    teacher_score: float = -1.0  # its probability of the label, 0 to 1

    def __post_init__(self) -> None:
        for name, length in TEXT_LENGTHS.items():
            self._clean(name, partial(clean_text, length=length))
        for name in ADDRESSES:
            self._clean(name, clean_address)
        for name in PROMPTS:
            self._clean(name, _clean_prompt)
        for name in LISTS:
            if texts := getattr(self, name):
                cleaned = tuple(clean_text(text, TEXT_LENGTHS["query"]) for text in texts[:MOST_TEXTS])
                object.__setattr__(self, name, cleaned)

    def _clean(self, name: str, clean: Callable[[str], str]) -> None:
        # `from_json` reports values of other types
        if isinstance(text := getattr(self, name), str) and (cleaned := clean(text)) != text:
            object.__setattr__(self, name, cleaned)  # the record is frozen

    @classmethod
    def from_json(cls, text: str | builtins.bytes) -> ImageRecord:
        """Read one record; also reads the form of version 0.1.

        Raises:
            UserError: a field is unknown; to ignore it would lose it.
            TypeError: it is not a JSON object, or a value has the wrong type.
            ValueError: the text is not JSON, or a number is too large for a table.
        """
        try:
            found = json.loads(text)
        except RecursionError:
            raise ValueError("provenance is nested too deeply") from None
        if not isinstance(found, dict):
            raise TypeError("provenance is not a JSON object")
        values = in_new_words(found)
        if unknown := set(values) - set(TYPES):
            named = one_line(sorted(unknown), 200)
            raise UserError(f"provenance has unknown fields {named}; it was written by another version")
        for name, value in values.items():  # missing fields get their defaults
            if isinstance(value, bool) or not isinstance(value, TYPES[name]):
                raise TypeError(f"provenance: {name} is {one_line(repr(value), 80)}")
            if isinstance(value, int | float) and not LARGEST.get(name, 2**31) > value >= -(2**31):  # NaN too
                raise ValueError(f"provenance: {name} is {one_line(value, 80)}")
        lists = {name: tuple(values.get(name, ())) for name in LISTS}
        if any(not isinstance(text, str) for texts in lists.values() for text in texts):
            raise TypeError(f"provenance: {' or '.join(LISTS)} holds something other than text")
        return cls(**{**values, **lists})

    def to_json(self) -> str:
        """The record as one line of JSON, without fields that have their default value, to keep it readable."""
        values = {name: value for name, default in DEFAULTS if (value := getattr(self, name)) != default}
        return json.dumps(values, ensure_ascii=False, sort_keys=True)


_CHECKS: dict[str, tuple[type, ...]] = {"str": (str,), "int": (int,), "float": (int, float)}
# field → types that its value may have in JSON
TYPES = {field.name: _CHECKS.get(str(field.type), (list,)) for field in fields(ImageRecord)}
DEFAULTS = [(field.name, field.default) for field in fields(ImageRecord)]
LARGEST = {"seed": 2**63, "bytes": 2**63}  # exclusive, by the types of columns in the tables; 2**31 for other fields


def _clean_prompt(prompt: str) -> str:
    if len(prompt) <= PROMPT_LENGTH and prompt.translate(LINE_ENDS).isprintable():
        return prompt
    return clean_text(prompt, PROMPT_LENGTH)
