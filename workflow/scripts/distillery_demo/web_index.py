"""What the imitated searches find: a `WebImage` for each result, some with the faults that real results have."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from distillery_demo.drawing import CLASSES, STYLES, drawing_rng

# faults of results, and how many of a thousand results have each; the others have none
FAULTS = {
    "mislabeled": 30,  # shows another class
    "conflicting": 15,  # the address of an image that is a result of every class
    "repeated": 80,  # the address of another query's result
    "other_search": 30,  # the address of the other search's result
    "copy": 40,  # the image of the result before, smaller and compressed again, at another address
    "twin": 15,  # the same bytes as the result before, at another address
    "half": 15,  # ends in the middle
    "note": 15,  # a web page where an image should be
    "gone": 25,
    "busy": 15,  # sends the image at the second request
    "moved": 20,  # one redirect away
    "tiny": 25,
    "blank": 15,
    "reserved": 10,  # its server forbids use for training
}
SHARED_QUERY = "a query that nobody asks"  # its results are the images with conflicting labels
SIDES = (72, 80, 96, 112)  # pixels
FORMATS = {"jpg": "JPEG", "png": "PNG", "webp": "WEBP"}
ADDRESS = re.compile(
    r"/(?P<style>[a-z]+)/(?P<label>[\w-]+)/(?P<number>\d+)-(?P<form>[a-z]+)-(?P<side>\d+)\.(?P<kind>\w+)"
)


@dataclass(frozen=True)
class WebImage:
    """An image on the imitated web, or what its address serves in place of one."""

    style: str  # of the drawing
    label: str  # the class it shows
    number: int
    form: str  # plain, or the fault of its reply
    side: int  # pixels
    kind: str  # jpg, png, webp

    @property
    def url(self) -> str:
        """The full address; every third has a query string, which is part of it."""
        return f"http://images{self.number % 7}.test{self.path}" + ("?size=full&v=2" if self.number % 3 == 0 else "")

    @property
    def path(self) -> str:
        """The path of the address; `at` reads it."""
        return f"/{self.style}/{self.label}/{self.number}-{self.form}-{self.side}.{self.kind}"

    @classmethod
    def at(cls, path: str) -> WebImage | None:
        """The image that a path names, or None if it names none."""
        found = ADDRESS.fullmatch(path)
        if not found or found["label"] not in CLASSES or found["kind"] not in FORMATS:
            return None
        return cls(
            found["style"], found["label"], int(found["number"]), found["form"], int(found["side"]), found["kind"]
        )


class SearchIndex:
    """The results of every query: the same number for each, and the same results for the same seed.

    Args:
        queries: the queries of each class.
        results: the number of results of a query.
        seed: decides which images are found.
    """

    def __init__(self, queries: Mapping[str, Sequence[str]], results: int, seed: int):
        self.queries, self.results, self.seed = queries, results, seed
        self.class_of = {query: label for label, asked in queries.items() for query in asked}

    def find(self, search: str, query: str) -> list[WebImage]:
        """The results of a query in order; none for an unknown query."""
        if query not in self.class_of:
            return []
        return [self._result(search, query, place) for place in range(self.results)]

    def _result(self, search: str, query: str, place: int) -> WebImage:
        label = self.class_of[query]
        rng = drawing_rng(f"{search}/{query}", str(place), self.seed)
        fault = _draw_fault(rng) if place else "plain"  # the first result has no result before it to repeat
        if fault == "repeated" and query != self.queries[label][0]:
            return self._plain(search, self.queries[label][0], place)
        if fault == "conflicting":
            return self._plain(search, SHARED_QUERY, place % 4, shows=CLASSES[place % 4])
        if fault == "other_search":
            return self._plain("bing" if search == "google" else "google", query, place)
        if fault in ("copy", "twin"):
            return replace(self._plain(search, query, place - 1), form=fault)
        if fault == "mislabeled":
            other = [name for name in CLASSES if name != label]
            return self._plain(search, query, place, shows=other[int(rng.integers(len(other)))])
        # the first query of a class has no query before it to repeat
        return replace(self._plain(search, query, place), form="plain" if fault == "repeated" else fault)

    def _plain(self, search: str, query: str, place: int, shows: str = "") -> WebImage:
        digest = hashlib.sha256(f"{self.seed}/{search}/{query}/{place}".encode()).digest()
        number = int.from_bytes(digest[:5], "big")
        kind = ("jpg", "jpg", "jpg", "png", "webp")[digest[5] % 5]
        side = SIDES[digest[6] % len(SIDES)]
        style = search if search in STYLES else "teacher"
        return WebImage(style, shows or self.class_of[query], number, "plain", side, kind)


def _draw_fault(rng: np.random.Generator) -> str:
    left = int(rng.integers(1000))
    for fault, frequency in FAULTS.items():
        if left < frequency:
            return fault
        left -= frequency
    return "plain"
