"""Write pages of results in the formats of the image searches."""

from __future__ import annotations

import html
import json
from collections.abc import Sequence
from typing import Any
from urllib.parse import urlencode

from distillery_demo.web_index import WebImage

# code and version, as Openverse writes them, and name, as Wikimedia Commons writes it
LICENSES = (("by", "4.0", "CC BY 4.0"), ("by-sa", "3.0", "CC BY-SA 3.0"), ("cc0", "1.0", "CC0 1.0"))


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


PAGES = {
    "google": google_page,
    "bing": bing_page,
    "openverse": openverse_page,
    "commons": commons_page,
    "inaturalist": inaturalist_page,
}
SEARCHES = tuple(PAGES)


def _creator(image: WebImage) -> str:
    return f"Ada & {image.number % 97}"


def _thumbnail(image: WebImage, host: str) -> str:
    return f"https://{host}/th?q=tbn:{image.number}&s=10"


def _about(image: WebImage, query: str) -> tuple[str, str]:
    """The address of the page that shows an image, and the title of the image."""
    page = f"http://pages.test/{image.label}/{image.number}?from=search"
    return page, f"{query} \u2013 no. {image.number % 1000}"
