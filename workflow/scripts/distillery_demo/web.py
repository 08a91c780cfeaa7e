"""A web in small on this machine: four image searches, and sites with drawn images and all that goes wrong there.

One HTTP server stands for every host under .test. `www.google.test`, `www.bing.test`, `www.openverse.test` and
`www.commons.test` answer as those searches do; every other host serves images. What an image shows stands in its
address, so that the server remembers nothing but which addresses were busy once.
"""

from __future__ import annotations

import hashlib
import html
import io
import json
import re
import sys
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlencode, urlsplit

import numpy as np
from PIL import Image

from distillery_demo.drawing import CLASSES, STYLES, draw, generator

# what becomes of a result, and how often of a thousand; the rest are as they should be
FAULTS = {
    "mislabeled": 30,  # shows another class
    "disputed": 15,  # the address of an image that is offered for every class
    "again": 80,  # the address of another query's result
    "other_search": 30,  # the address of the other search's result
    "copy": 40,  # the image of the result before, smaller and compressed again, at another address
    "twin": 15,  # the very bytes of the result before, at another address
    "half": 15,  # ends in the middle
    "note": 15,  # a web page where an image should be
    "gone": 25,
    "busy": 15,  # answers at the second request
    "moved": 20,  # one redirect away
    "tiny": 25,
    "blank": 15,
    "reserved": 10,  # its server forbids use for training
}
DISPUTED = "a query that nobody asks"
SIDES = (72, 80, 96, 112)  # pixels
FORMATS = {"jpg": "JPEG", "png": "PNG", "webp": "WEBP"}
ADDRESS = re.compile(
    r"/(?P<style>[a-z]+)/(?P<label>[\w-]+)/(?P<number>\d+)-(?P<form>[a-z]+)-(?P<side>\d+)\.(?P<kind>\w+)"
)


@dataclass(frozen=True)
class Shot:
    """An image on the imitated web, or what stands in its place."""

    style: str  # of the drawing
    label: str  # the class it shows
    number: int
    form: str  # plain, or a fault that lies in the answer itself
    side: int  # pixels
    kind: str  # jpg, png, webp

    @property
    def url(self) -> str:
        """Its address; some have a query string, which belongs to it."""
        return f"http://images{self.number % 7}.test{self.path}" + ("?size=full&v=2" if self.number % 3 == 0 else "")

    @property
    def path(self) -> str:
        """Its address's path, as `at` reads it."""
        return f"/{self.style}/{self.label}/{self.number}-{self.form}-{self.side}.{self.kind}"

    @classmethod
    def at(cls, path: str) -> Shot | None:
        """The image at an address's path, None if there is none."""
        found = ADDRESS.fullmatch(path)
        if not found or found["label"] not in CLASSES or found["kind"] not in FORMATS:
            return None
        return cls(
            found["style"], found["label"], int(found["number"]), found["form"], int(found["side"]), found["kind"]
        )


# --- what the searches find -------------------------------------------------------------------------------------------


class Index:
    """What the searches know: so many results for every query, the same ones for the same seed.

    Args:
        queries: of each class.
        results: of a query.
        seed: decides the images.
    """

    def __init__(self, queries: Mapping[str, Sequence[str]], results: int, seed: int):
        self.queries, self.results, self.seed = queries, results, seed
        self.class_of = {query: label for label, asked in queries.items() for query in asked}

    def find(self, search: str, query: str) -> list[Shot]:
        """The results of a query, in order; none for one it does not know."""
        if query not in self.class_of:
            return []
        return [self._result(search, query, place) for place in range(self.results)]

    def _result(self, search: str, query: str, place: int) -> Shot:
        label = self.class_of[query]
        chance = generator(f"{search}/{query}", str(place), self.seed)
        fault = _fault(chance) if place else "plain"  # the first result has no result before it
        if fault == "again" and query != self.queries[label][0]:
            return self._plain(search, self.queries[label][0], place)
        if fault == "disputed":
            return self._plain(search, DISPUTED, place % 4, shows=CLASSES[place % 4])
        if fault == "other_search":
            return self._plain("bing" if search == "google" else "google", query, place)
        if fault in ("copy", "twin"):
            return replace(self._plain(search, query, place - 1), form=fault)
        if fault == "mislabeled":
            other = [name for name in CLASSES if name != label]
            return self._plain(search, query, place, shows=other[int(chance.integers(len(other)))])
        return replace(self._plain(search, query, place), form=fault if fault in ANSWERS else "plain")

    def _plain(self, search: str, query: str, place: int, shows: str = "") -> Shot:
        digest = hashlib.sha256(f"{self.seed}/{search}/{query}/{place}".encode()).digest()
        number = int.from_bytes(digest[:5], "big")
        kind = ("jpg", "jpg", "jpg", "png", "webp")[digest[5] % 5]
        side = SIDES[digest[6] % len(SIDES)]
        style = search if search in STYLES else "teacher"
        return Shot(style, shows or self.class_of[query], number, "plain", side, kind)


def _fault(chance: np.random.Generator) -> str:
    left = int(chance.integers(1000))
    for fault, often in FAULTS.items():
        if left < often:
            return fault
        left -= often
    return "plain"


# --- what the searches answer -----------------------------------------------------------------------------------------


def google_page(shots: Sequence[Shot], query: str) -> str:
    """A page of results as Google's, its images in the data of a script."""
    items = [
        [
            1,
            [
                0,
                f"id{shot.number}",
                [_thumbnail(shot, "encrypted-tbn0.gstatic.com"), 194, 259],
                [shot.url, shot.side, shot.side],
                None,
                0,
                "rgb(9,9,9)",
            ],
            {"2000": [None, "images.test", "34KB"], "2003": [None, f"id{shot.number}", *_about(shot, query)]},
        ]
        for shot in shots
    ]
    # as JavaScript that is safe inside a page: what could end the script, or an attribute, is escaped
    data = json.dumps([31, None, items], separators=(",", ":"))
    for character in "<>=&":
        data = data.replace(character, f"\\u{ord(character):04x}")
    images = "".join(f'<img class="rg_i" data-iid="{shot.number}" alt="">' for shot in shots)
    script = f"AF_initDataCallback({{key: 'ds:1', hash: '2', data:{data}, sideChannel: {{}}}});"
    head = f"<!doctype html><title>{html.escape(query)} - Search</title><script>var g=1;</script>"
    return f"{head}{images}<script>{script}</script>"


def bing_page(shots: Sequence[Shot], query: str) -> str:
    """A page of results as Bing's, its images in the attributes of links."""
    items = []
    for place, shot in enumerate(shots):
        page, title = _about(shot, query)
        thumbnail = _thumbnail(shot, "tse1.mm.bing.net")
        data = {
            "cid": f"c{shot.number}",
            "purl": page,
            "murl": shot.url,
            "turl": thumbnail,
            "t": title,
            "desc": "",
        }
        link = urlencode({"view": "detailV2", "mediaurl": shot.url, "exph": shot.side, "expw": shot.side, "q": query})
        items.append(
            f'<li data-idx={place + 1}><a class="iusc" style="height:200px" m="{html.escape(json.dumps(data))}"'
            f' href="/images/search?{html.escape(link)}"><img class="mimg" src="{html.escape(thumbnail)}"></a>'
        )
    return f'<div id="mmComponent_images_1"><ul class="dgControl_list">{"".join(items)}</ul></div>'


def openverse_page(shots: Sequence[Shot], query: str) -> str:
    """An answer as Openverse's."""
    results = []
    for shot in shots:
        page, title = _about(shot, query)
        code, version, _ = LICENSES[shot.number % len(LICENSES)]
        about = {"id": str(shot.number), "title": title, "creator": _creator(shot), "mature": False}
        about |= {"license": code, "license_version": version, "foreign_landing_url": page}
        results.append(about | {"url": shot.url, "width": shot.side, "height": shot.side, "thumbnail": None})
    return json.dumps({"result_count": len(results), "page_count": 1, "page": 1, "results": results})


def commons_page(shots: Sequence[Shot], query: str) -> str:
    """An answer as Wikimedia Commons's: pages by number, with their place among the results."""
    if not shots:
        return json.dumps({"batchcomplete": True})
    pages = []
    for place, shot in enumerate(shots):
        page, title = _about(shot, query)
        said = {
            "Artist": f'<a href="//x.test/u"><b>{html.escape(_creator(shot))}</b></a>',
            "ObjectName": html.escape(title),
        }
        said["LicenseShortName"] = LICENSES[shot.number % len(LICENSES)][2]
        info = {
            "thumburl": shot.url,
            "thumbwidth": shot.side,
            "thumbheight": shot.side,
            "url": "http://full.test/x.jpg",
        }
        info |= {"width": 9000, "height": 9000, "descriptionurl": page}
        info["extmetadata"] = {name: {"value": value, "source": "x"} for name, value in said.items()}
        pages.append({"pageid": shot.number, "ns": 6, "title": "File:x.jpg", "index": place + 1, "imageinfo": [info]})
    pages.sort(key=lambda found: found["pageid"])
    return json.dumps({"batchcomplete": True, "query": {"pages": pages}})


# as Openverse writes them, and as Wikimedia Commons does
LICENSES = (("by", "4.0", "CC BY 4.0"), ("by-sa", "3.0", "CC BY-SA 3.0"), ("cc0", "1.0", "CC0 1.0"))


def _creator(shot: Shot) -> str:
    return f"Ada & {shot.number % 97}"


PAGES = {"google": google_page, "bing": bing_page, "openverse": openverse_page, "commons": commons_page}
SEARCHES = tuple(PAGES)


def _thumbnail(shot: Shot, host: str) -> str:
    return f"https://{host}/th?q=tbn:{shot.number}&s=10"


def _about(shot: Shot, query: str) -> tuple[str, str]:
    """The page an image stands on, and its title."""
    return f"http://pages.test/{shot.label}/{shot.number}?from=search", f"{query} \u2013 no. {shot.number % 1000}"


# --- what the sites answer --------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Reply:
    """An HTTP answer."""

    body: bytes = b""
    content_type: str = "text/html; charset=utf-8"
    status: int = 200
    headers: tuple[tuple[str, str], ...] = ()


def encode(shot: Shot, image: Image.Image, quality: int = 90) -> Reply:
    """An image in the format of its address."""
    buffer = io.BytesIO()
    image.save(buffer, FORMATS[shot.kind], quality=quality)
    return Reply(buffer.getvalue(), f"image/{FORMATS[shot.kind].lower()}")


def plain(shot: Shot) -> Reply:
    """The image as it should be."""
    return encode(shot, draw(shot.label, shot.style, shot.number, shot.side))


def copy(shot: Shot) -> Reply:
    """The same image, smaller and compressed again."""
    side = shot.side * 3 // 4
    return encode(shot, draw(shot.label, shot.style, shot.number, shot.side).resize((side, side)), quality=75)


def half(shot: Shot) -> Reply:
    """The first half of a file, sent as if it were whole."""
    whole = plain(shot)
    return Reply(whole.body[: len(whole.body) // 2], whole.content_type)


def note(shot: Shot) -> Reply:
    """A web page that says it is an image."""
    return Reply(b"<html><body>Please sign in to see this image.</body></html>", "image/jpeg")


def gone(shot: Shot) -> Reply:
    """Nothing any more."""
    return Reply(b"not here", "text/plain", 404)


def moved(shot: Shot) -> Reply:
    """Elsewhere on the same host."""
    return Reply(status=302, headers=(("Location", replace(shot, form="plain").path),))


def tiny(shot: Shot) -> Reply:
    """An icon."""
    return encode(shot, draw(shot.label, shot.style, shot.number, 16))


def blank(shot: Shot) -> Reply:
    """One color, as placeholders are."""
    return encode(shot, Image.new("RGB", (shot.side, shot.side), (shot.number % 256, 190, 190)))


def reserved(shot: Shot) -> Reply:
    """The image, with the wish that no model be trained on it."""
    image = plain(shot)
    return Reply(image.body, image.content_type, headers=(("X-Robots-Tag", "noai, noimageai"),))


ANSWERS = {
    "plain": plain,
    "twin": plain,
    "busy": plain,  # the second time
    "copy": copy,
    "half": half,
    "note": note,
    "gone": gone,
    "moved": moved,
    "tiny": tiny,
    "blank": blank,
    "reserved": reserved,
}


class Server(ThreadingHTTPServer):
    """Answers for every host.

    Args:
        index: what the searches know.
    """

    daemon_threads = True
    block_on_close = False

    def __init__(self, index: Index):
        self.index = index
        self.asked: list[str] = []  # every address requested, in order
        self._busy: set[str] = set()
        self._lock = threading.Lock()
        super().__init__(("127.0.0.1", 0), _Handler)

    def answer(self, host: str, path: str) -> Reply:
        """The answer to one request.

        Args:
            host: as the client names it.
            path: with the query string.
        """
        with self._lock:
            self.asked.append(f"http://{host}{path}")
        parts = urlsplit(path)
        values = {name: value[0] for name, value in parse_qs(parts.query).items()}
        where = (host.partition(":")[0], parts.path)
        if where == ("www.google.test", "/search"):
            return self._results("google", values.get("q", ""), int(values.get("start", 0)), 100)
        if where == ("www.bing.test", "/images/async"):
            return self._results("bing", values.get("q", ""), int(values.get("first", 0)), int(values.get("count", 35)))
        if where == ("www.openverse.test", "/v1/images/"):
            count = int(values.get("page_size", 20))
            return self._results("openverse", values.get("q", ""), count * (int(values.get("page", 1)) - 1), count)
        if where == ("www.commons.test", "/w/api.php"):
            query, first = values.get("gsrsearch", "").removesuffix(" filetype:bitmap"), int(values.get("gsroffset", 0))
            return self._results("commons", query, first, int(values.get("gsrlimit", 10)))
        shot = Shot.at(parts.path)
        if shot is None or shot.form not in ANSWERS:
            return Reply(b"not here", "text/plain", 404)
        if shot.form == "busy" and self._first_time(parts.path):
            return Reply(b"busy", "text/plain", 503, (("Retry-After", "0"),))
        return ANSWERS[shot.form](shot)

    def handle_error(self, request: object, client_address: object) -> None:
        """Say nothing of clients that hang up, as a crawl does when it has enough."""
        if not isinstance(sys.exception(), ConnectionError):
            super().handle_error(request, client_address)

    def _results(self, search: str, query: str, first: int, count: int) -> Reply:
        shots = self.index.find(search, query)[first : first + count]
        return Reply(PAGES[search](shots, query).encode())

    def _first_time(self, path: str) -> bool:
        with self._lock:
            known = path in self._busy
            self._busy.add(path)
            return not known


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"  # connections are kept
    server: Server

    def do_GET(self) -> None:
        reply = self.server.answer(self.headers.get("Host", ""), self.path)
        self.send_response(reply.status)
        for name, value in (("Content-Type", reply.content_type), ("Content-Length", str(len(reply.body)))):
            self.send_header(name, value)
        for name, value in reply.headers:
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(reply.body)

    def log_message(self, *args: object) -> None:
        """Say nothing: the crawl has its own log."""


@contextmanager
def serve(server: Server) -> Iterator[int]:
    """Let a server answer in a thread of its own; gives its port."""
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield server.server_address[1]
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@contextmanager
def imitate_web(queries: Mapping[str, Sequence[str]], results: int, seed: int) -> Iterator[int]:
    """The imitated web for as long as it is needed; see `Index`. Gives the port, for `Fetcher`."""
    with serve(Server(Index(queries, results, seed))) as port:
        yield port
