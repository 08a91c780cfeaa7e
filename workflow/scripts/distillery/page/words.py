"""Definitions of the terms that the page explains in tooltips, and the minus sign in its text."""

from __future__ import annotations

import re

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
    "Holm correction": "Keeps the chance of any false finding among the tests that are corrected together at 5 %.",
    "tie for best": "Not significantly worse than any other, by a test that allows for choosing the best of many.",
    "near-duplicate": "An image that shows the same photograph as another one: resized, recompressed, cropped or"
    " mirrored.",
    "leakage": "Images of this study that the teacher has already seen in its own training.",
    "likely label error": "An image whose label the teacher contradicts with confidence.",
    "chance": "The accuracy of guessing: 100 % divided by the number of classes.",
}  # fmt: skip


def with_minus(text: str) -> str:
    """A text with minus signs before negative numbers, in place of the hyphens of tables."""
    return HYPHEN.sub("−", text)
