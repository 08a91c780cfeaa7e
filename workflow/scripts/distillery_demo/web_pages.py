"""Imitate the image searches: read which results a URL asks for, and write the page in the search's format.

A new search is an entry of `SEARCHES`; the server in `web.py` replies with it on the host `www.{search}.test`.
"""

from __future__ import annotations

import html
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

from distillery_demo.web_index import SIDES, WebImage

# code and version, as Openverse writes them, and name, as Wikimedia Commons writes it
LICENSES = (("by", "4.0", "CC BY 4.0"), ("by-sa", "3.0", "CC BY-SA 3.0"), ("cc0", "1.0", "CC0 1.0"))
# Openverse's filter `size` → the sides of the images that it returns
OPENVERSE_SIZES = {"small": SIDES[:1], "medium": SIDES[1:3], "large": SIDES[3:]}


@dataclass(frozen=True)
class PageRequest:
    """Which results a URL asks for."""

    query: str
    first: int  # results to skip
    count: int
    sides: Sequence[int] = SIDES  # of the images, pixels


@dataclass(frozen=True)
class ImitatedSearch:
    """An image search as the imitated web has it.

    Attributes:
        path: of its pages of results.
        request: reads the URL's parameters.
        page: the page with these results for a query.
    """

    path: str
    request: Callable[[Mapping[str, str]], PageRequest]
    page: Callable[[Sequence[WebImage], str], str]


def google_request(values: Mapping[str, str]) -> PageRequest:
    return PageRequest(values.get("q", ""), int(values.get("start", 0)), 100)


def google_page(results: Sequence[WebImage], query: str) -> str:
    """An HTML page of results like Google's: the images are in a script's data."""
    items = [
        [
            1,
            [
                0,
                f"id{image.number}-{image.form}-{image.side}",
                [_thumbnail(image, "encrypted-tbn0.gstatic.com"), 194, 259],
                [image.url, image.side, image.side],
                None,
                0,
                "rgb(9,9,9)",
            ],
            {"2000": [None, "images.test", "34KB"], "2003": [None, f"id{image.number}", *_about(image, query)]},
        ]
        for image in results
    ]
    # escapes characters that could end the script or an attribute, as Google's pages do
    data = json.dumps([31, None, items], separators=(",", ":"))
    for character in "<>=&":
        data = data.replace(character, f"\\u{ord(character):04x}")
    images = "".join(f'<img class="rg_i" data-iid="{image.number}" alt="">' for image in results)
    script = f"AF_initDataCallback({{key: 'ds:1', hash: '2', data:{data}, sideChannel: {{}}}});"
    head = f"<!doctype html><title>{html.escape(query)} - Search</title><script>var g=1;</script>"
    return f"{head}{images}<script>{script}</script>"


def bing_request(values: Mapping[str, str]) -> PageRequest:
    return PageRequest(values.get("q", ""), int(values.get("first", 1)) - 1, int(values.get("count", 35)))


def bing_page(results: Sequence[WebImage], query: str) -> str:
    """An HTML page of results like Bing's: the images are in attributes of links."""
    items = []
    for place, image in enumerate(results):
        page, title = _about(image, query)
        thumbnail = _thumbnail(image, "tse1.mm.bing.net")
        data = {
            "cid": f"c{image.number}",
            "purl": page,
            "murl": image.url,
            "turl": thumbnail,
            "t": title,
            "desc": "",
        }
        link = urlencode(
            {"view": "detailV2", "mediaurl": image.url, "exph": image.side, "expw": image.side, "q": query}
        )
        items.append(
            f'<li data-idx={place + 1}><a class="iusc" style="height:200px" m="{html.escape(json.dumps(data))}"'
            f' href="/images/search?{html.escape(link)}"><img class="mimg" src="{html.escape(thumbnail)}"></a>'
        )
    return f'<div id="mmComponent_images_1"><ul class="dgControl_list">{"".join(items)}</ul></div>'


def openverse_request(values: Mapping[str, str]) -> PageRequest:
    count, sides = int(values.get("page_size", 20)), OPENVERSE_SIZES.get(values.get("size", ""), SIDES)
    return PageRequest(values.get("q", ""), count * (int(values.get("page", 1)) - 1), count, sides)


def openverse_page(results: Sequence[WebImage], query: str) -> str:
    """A JSON reply like Openverse's."""
    items = []
    for image in results:
        page, title = _about(image, query)
        code, version, _ = LICENSES[image.number % len(LICENSES)]
        about = {"id": str(image.number), "title": title, "creator": _creator(image), "mature": False}
        about |= {"license": code, "license_version": version, "foreign_landing_url": page}
        items.append(about | {"url": image.url, "width": image.side, "height": image.side, "thumbnail": None})
    return json.dumps({"result_count": len(items), "page_count": 1, "page": 1, "results": items})


def commons_request(values: Mapping[str, str]) -> PageRequest:
    query = values.get("gsrsearch", "").removesuffix(" filetype:bitmap")
    return PageRequest(query, int(values.get("gsroffset", 0)), int(values.get("gsrlimit", 10)))


def commons_page(results: Sequence[WebImage], query: str) -> str:
    """A JSON reply like Wikimedia Commons's: pages ordered by id, each with its position among the results."""
    if not results:
        return json.dumps({"batchcomplete": True})
    pages: list[dict[str, Any]] = []
    for place, image in enumerate(results):
        page, title = _about(image, query)
        metadata = {
            "Artist": f'<a href="//x.test/u"><b>{html.escape(_creator(image))}</b></a>',
            "ObjectName": html.escape(title),
        }
        metadata["LicenseShortName"] = LICENSES[image.number % len(LICENSES)][2]
        info: dict[str, Any] = {
            "thumburl": image.url,
            "thumbwidth": image.side,
            "thumbheight": image.side,
            "url": "http://full.test/x.jpg",
        }
        info |= {"width": 9000, "height": 9000, "descriptionurl": page}
        info["extmetadata"] = {name: {"value": value, "source": "x"} for name, value in metadata.items()}
        pages.append({"pageid": image.number, "ns": 6, "title": "File:x.jpg", "index": place + 1, "imageinfo": [info]})
    pages.sort(key=lambda found: found["pageid"])
    return json.dumps({"batchcomplete": True, "query": {"pages": pages}})


def inaturalist_request(values: Mapping[str, str]) -> PageRequest:
    count = int(values.get("per_page", 30))
    return PageRequest(values.get("q", ""), count * (int(values.get("page", 1)) - 1), count)


def inaturalist_page(results: Sequence[WebImage], query: str) -> str:
    """A JSON reply like iNaturalist's: observations, each with its photos."""
    items = []
    for image in results:
        page, title = _about(image, query)
        code, _, _ = LICENSES[image.number % len(LICENSES)]
        name = _creator(image)
        photo = {"id": image.number, "url": image.url, "license_code": code if code == "cc0" else f"cc-{code}"}
        photo |= {"attribution": f"(c) {name}, some rights reserved (CC BY)"}
        photo |= {"original_dimensions": {"width": image.side, "height": image.side}}
        taxon = {"name": title, "preferred_common_name": ""}
        items.append({"id": image.number, "quality_grade": "research", "uri": page, "taxon": taxon, "photos": [photo]})
    return json.dumps({"total_results": len(items), "page": 1, "per_page": 200, "results": items})


SEARCHES = {
    "google": ImitatedSearch("/search", google_request, google_page),
    "bing": ImitatedSearch("/images/async", bing_request, bing_page),
    "openverse": ImitatedSearch("/v1/images/", openverse_request, openverse_page),
    "commons": ImitatedSearch("/w/api.php", commons_request, commons_page),
    "inaturalist": ImitatedSearch("/v1/observations", inaturalist_request, inaturalist_page),
}


def _creator(image: WebImage) -> str:
    return f"Ada & {image.number % 97}"


def _thumbnail(image: WebImage, host: str) -> str:
    return f"https://{host}/th?q=tbn:{image.number}&s=10"


def _about(image: WebImage, query: str) -> tuple[str, str]:
    """The address of the page that shows an image, and the title of the image."""
    page = f"http://pages.test/{image.label}/{image.number}?from=search"
    return page, f"{query} \u2013 no. {image.number % 1000}"
