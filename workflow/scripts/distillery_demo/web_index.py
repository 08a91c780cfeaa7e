"""Results of the imitated searches: a `WebImage` for each, some with the faults that real results have."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from distillery_demo.drawing import CLASSES, STYLES, drawing_rng

# fault → how many of a thousand results have it; the other results have no fault
FAULTS = {
    "mislabeled": 30,  # shows another class
    "conflicting": 15,  # an address that is a result of every class
    "repeated": 80,  # the address of a result of another query of the class
    "other_search": 30,  # the address of another search's result
    "copy": 40,  # the image of the previous result, smaller and recompressed, at another address
    "twin": 15,  # the same bytes as the previous result, at another address
    "half": 15,  # the file ends in the middle
    "note": 15,  # a web page instead of an image
    "gone": 25,  # not found
    "busy": 15,  # a busy server, which sends the image at the second request
    "moved": 20,  # a redirect to the image
    "tiny": 25,  # an icon
    "blank": 15,  # one color
    "reserved": 10,  # a header that forbids training on the image
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

    style: str  # a key of `drawing.STYLES`
    label: str  # the class that it shows
    number: int  # the seed of the drawing
    form: str  # "plain", or the fault of the reply, a key of `REPLIES`
    side: int  # pixels
    kind: str  # file extension: jpg, png or webp

    @property
    def url(self) -> str:
        """The full address; every third one has a query string."""
        return f"http://images{self.number % 7}.test{self.path}" + ("?size=full&v=2" if self.number % 3 == 0 else "")

    @property
    def path(self) -> str:
        """The path of the address; `at` reads it."""
        return f"/{self.style}/{self.label}/{self.number}-{self.form}-{self.side}.{self.kind}"

    @classmethod
    def at(cls, path: str) -> WebImage | None:
        """The image at a path, or None if there is none."""
        found = ADDRESS.fullmatch(path)
        if not found or found["label"] not in CLASSES or found["kind"] not in FORMATS:
            return None
        return cls(
            found["style"], found["label"], int(found["number"]), found["form"], int(found["side"]), found["kind"]
        )


class SearchIndex:
    """The results of all queries: each has the same number of results, and the seed decides which.

    Args:
        queries: class → its queries.
        results: number of results per query.
        seed: decides which images are found.
    """

    def __init__(self, queries: Mapping[str, Sequence[str]], results: int, seed: int):
        self.queries, self.results, self.seed = queries, results, seed
        self.class_of = {query: label for label, own_queries in queries.items() for query in own_queries}

    def find(self, search: str, query: str) -> list[WebImage]:
        """The results of a query in order; none for an unknown query."""
        if query not in self.class_of:
            return []
        return [self._result(search, query, place) for place in range(self.results)]

    def _result(self, search: str, query: str, place: int) -> WebImage:
        label = self.class_of[query]
        rng = drawing_rng(f"{search}/{query}", str(place), self.seed)
        fault = _draw_fault(rng) if place else "plain"  # the first result has no previous result to copy
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
        # the first query of a class has no earlier query whose result it could repeat
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
