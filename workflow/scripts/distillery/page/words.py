"""Definitions of the terms that the page explains in tooltips, and signs in its text that tables write otherwise."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

from markupsafe import Markup, escape

HYPHEN = re.compile(r"(?<![\w.,-])-(?=\d)")

TERMS = {
    "scenario": "A set of train images to compare, such as 800 images of one search engine.",
    "arm": "A training method under comparison, such as training from scratch or distilling.",
    "from scratch": "Trained on the labels alone, without a teacher.",
    "distilled": "Trained on the labels and on the probabilities that the teacher gives for the same images.",
    "teacher": "The larger network whose predictions a distilled student imitates.",
    "student": "The small network that is trained, compared and exported.",
    "seed": "The number that decides one training's initial weights, image order and augmentation. Every scenario and"
    " arm is trained once per seed.",
    "95 % interval": "The range of means that are compatible with the data: 19 of 20 such ranges hold the true mean.",
    "Holm": "Holm's correction keeps the chance of any false finding among the tests that are corrected together at"
    " 5 %.",
    "tie for best": "Not significantly worse than any other, by a test that allows for choosing the best of many.",
    "near-duplicate": "An image that shows the same photograph as another one: resized, recompressed, cropped or"
    " mirrored.",
    "leakage": "Images of this study that the teacher has already seen in its own training.",
    "likely label error": "An image whose label the teacher contradicts with confidence.",
    "chance": "The accuracy of guessing: 100 % divided by the number of classes.",
}  # fmt: skip


LONGEST_FIRST = sorted(map(re.escape, TERMS), key=len, reverse=True)
ANY_TERM = re.compile(rf"\b({'|'.join(LONGEST_FIRST)})s?\b", re.IGNORECASE)
KEYS = {word.lower(): word for word in TERMS}


def typeset(text: str) -> str:
    """A text with minus signs before negative numbers, and without a line break between a number and its %."""
    return HYPHEN.sub("−", text).replace(" %", "\N{NO-BREAK SPACE}%")


def explained(word: str, shown: str = "") -> Markup:
    """A term with its definition as a tooltip.

    Args:
        word: a key of `TERMS`.
        shown: the text on the page, by default the word.
    """
    tag = Markup('<dfn class="term" tabindex="0" data-meaning="{}">{}</dfn>')
    return tag.format(TERMS[word], shown or word)


def with_terms(texts: Iterable[str]) -> Iterator[Markup]:
    """The texts as HTML; the first occurrence of each term in any of them has its definition as a tooltip."""
    seen: set[str] = set()

    def tooltip(found: re.Match[str]) -> Markup:
        word = KEYS[found[1].lower()]
        if word in seen:
            return escape(found[0])
        seen.add(word)
        return explained(word, found[0])

    for text in texts:
        end = 0
        parts: list[Markup] = []
        for found in ANY_TERM.finditer(text):
            parts += [escape(text[end : found.start()]), tooltip(found)]
            end = found.end()
        yield Markup("").join([*parts, escape(text[end:])])
