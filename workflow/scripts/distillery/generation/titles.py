"""Makes prompts from the titles of a source's images, in a file that a user may edit."""

from __future__ import annotations

import csv
import html
import io
import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np

from distillery.generation.prompts import with_article
from distillery.jobs import UserError, log, one_line
from distillery.splits.refused_sources import read_refusals
from distillery.storage.files import atomic_write
from distillery.storage.parquet import read_parquet

COLUMNS = ("class", "prompt")
NO_SOURCE: Mapping[str, Any] = MappingProxyType({})
LEAST_WORDS, MOST_WORDS = 2, 30
ADDRESS = re.compile(r"(https?://|www\.)\S+|\S+\.(com|org|net|jpe?g|png|webp|gif)\b", re.IGNORECASE)
SEPARATOR = re.compile(r"\s+[-–—|·•»:]+\s+|\s*[|»]\s*")  # between a title and the name of its site
SIZE = re.compile(r"\b\d{3,5}\s*[x×]\s*\d{3,5}\b|\b(4k|8k|hd|uhd)\b|#\S+|\b\d{5,}\b", re.IGNORECASE)
# words of image shops and wallpaper sites, which do not describe the image
OF_SHOPS = re.compile(
    r"\b(royalty[- ]free|free download|stock|photos?|photography|images?|pic(ture)?s?|wallpapers?|backgrounds?|"
    r"vectors?|hi[- ]res|high[- ]resolution|getty|alamy|shutterstock|istock|pinterest)\b",
    re.IGNORECASE,
)


def clean_title(title: str, label: str) -> str:
    """A prompt from a title, without addresses, sizes, article numbers and names of sites; empty if too little is left.

    If the title lacks the class as a word, the class is put in front, since it is the image's label.
    """
    text = SIZE.sub(" ", ADDRESS.sub(" ", html.unescape(title)))
    parts = [" ".join(OF_SHOPS.sub(" ", part).split()).strip(" ,.;:-_!\"'()[]") for part in SEPARATOR.split(text)]
    longest = max((part for part in parts if part), key=lambda part: len(part.split()), default="")
    words = longest.split()
    if not LEAST_WORDS <= len(words) or not re.search(r"[^\W\d_]{3}", longest):
        return ""
    prompt = " ".join(words[:MOST_WORDS])
    name = re.escape(re.split(r"[_-]", label)[-1])
    named = re.search(rf"\b{name}(s|es)?\b", prompt, re.IGNORECASE)
    return prompt if named else f"{with_article(label)}, {prompt}"


def collect_titles(
    splits: str | Path,
    table: str | Path,
    refusals: str | Path,
    output: str | Path,
    *,
    source: str,
    labels: Sequence[str],
) -> None:
    """Write the prompts of all classes: the cleaned titles of a source's train images by rank, without duplicates.

    Args:
        splits: the base sources' splits.
        table: the source's curated table.
        refusals: the base sources' refusals.
        output: the `.csv` to write, with the columns class and prompt.
        source: its name.
        labels: the classes that need prompts.

    Raises:
        UserError: a class that the source did not refuse has no title.
    """
    known = read_parquet(splits, ("source", "class", "key", "split", "rank"))
    usable = np.flatnonzero((known["source"] == source) & (known["split"] == "train"))
    curated = read_parquet(table, ("key", "title"))
    title_of = dict(zip(curated["key"], curated["title"], strict=True))
    refused = read_refusals(refusals).get(source, {})
    rows: list[tuple[str, str]] = []
    for label in labels:
        rows_of_class = usable[known["class"][usable] == label]
        keys = known["key"][rows_of_class[np.argsort(known["rank"][rows_of_class])]]
        prompts = _each_once(clean_title(title_of.get(key, ""), label) for key in keys)
        if not prompts and label not in refused:
            raise UserError(
                f"source {source}: no image of class {label} came with a title that can be a prompt. Name another"
                " source in prompts_from.titles, or remove prompts_from."
            )
        log.info("class %s: %d prompts from the titles of %d images", label, len(prompts), len(keys))
        rows += [(label, prompt) for prompt in prompts]
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows([COLUMNS, *rows])
    atomic_write(output, text.getvalue())


def _each_once(prompts: Iterable[str]) -> list[str]:
    """The prompts in order, without duplicates; case is ignored."""
    found: dict[str, str] = {}
    for prompt in filter(None, prompts):
        found.setdefault(prompt.lower(), prompt)
    return list(found.values())


def words_of_job(
    classes: Mapping[str, Any], files: Mapping[str, Any], source: Mapping[str, Any] = NO_SOURCE
) -> dict[str, Any]:
    """The words for the prompts of each class: from the file of prompts if there is one, else as configured.

    A class without a row in that file is refused, because the source of its titles refused it. A class is also refused
    if the source on whose images the model is adapted refused it.

    Args:
        classes: as configured.
        files: of the job: `prompts` if there is a file of prompts, `refusals` if the model is adapted.
        source: as configured.

    Returns:
        Class → words, as `generate` takes them.

    Raises:
        UserError: the file cannot be read, or has other columns.
    """
    if "adapt" in source:
        refused = read_refusals(files["refusals"]).get(source["adapt"]["source"], {})
        classes = {label: {"refused": True} if label in refused else words for label, words in classes.items()}
    if not (path := files.get("prompts")):
        return dict(classes)
    try:
        with open(path, newline="", encoding="utf-8-sig") as file:
            reader = csv.DictReader(file)
            rows = [(row["class"], row["prompt"].strip()) for row in reader]
    except (UnicodeDecodeError, csv.Error, KeyError, AttributeError) as error:
        raise UserError(
            f"{path} is not a table of class and prompt ({one_line(error, 120)}). Correct it, or delete it to use the"
            " titles as they were collected."
        ) from error
    if unknown := sorted({label for label, _ in rows} - set(classes)):
        raise UserError(f"{path}: unknown class {unknown[0]}; known are {', '.join(classes)}. Correct that row.")
    prompts = {label: [prompt for name, prompt in rows if name == label and prompt] for label in classes}
    return {label: {"prompts": found} if found else {"refused": True} for label, found in prompts.items()}
