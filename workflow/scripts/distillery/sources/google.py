"""Google's image search: the address of a page of results, and the records on it.

Google usually answers programs with a page for browsers only, a consent page or a captcha. That is reported as
`SourceBlocked`: nothing here pretends to be a browser.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from urllib.parse import parse_qs, urlencode, urlsplit

from distillery.sources.results import MarkupChanged, SearchResult, SourceBlocked, Tags, is_address, unique

HOME = "https://www.google.com"
PAGE = 100  # results a page
STEADY = True  # a page counts PAGE results, whatever is on it
FULL_OF_IMAGES = 10  # <img> tags; a page with fewer may simply have no results
OWN_HOSTS = ("google.com", "gstatic.com", "googleusercontent.com", "ggpht.com", "googleapis.com")

FILTERS = {
    "type": {name: f"itp:{name}" for name in ("photo", "clipart", "lineart", "face", "animated")},
    "size": {"large": "isz:l", "medium": "isz:m", "icon": "isz:i"},
    "license": {"commercial": "sur:fc", "noncommercial": "sur:f"},
    "color": {"color": "ic:color", "blackandwhite": "ic:gray", "transparent": "ic:trans"},
}
BLOCKED = (
    ("/sorry/", "a captcha"),
    ("captcha-form", "a captcha"),
    ("unusual traffic from your computer network", "a captcha"),
    ("consent.google.", "a consent page"),
    ("enablejs", "a page for browsers only"),
)

# an image in the data of a script: ["address",height,width], where the address may hold \u003d and \/
IN_SCRIPT = re.compile(r'\["(https?:(?:[^"\\]|\\.){5,4000})",\s*(\d{1,5}),\s*(\d{1,5})\]')
# what follows it about its page: "2003":[null,"id","page","title", and before it, in the same form, the thumbnail
ABOUT = re.compile(r'"2003":\[null,"(?:[^"\\]|\\.)*","((?:[^"\\]|\\.)*)","((?:[^"\\]|\\.)*)"')
NEAR = 4000  # characters between an image and what is said about it


def search_url(query: str, first: int, filters: Mapping[str, str], home: str = HOME) -> str:
    """The address of a page of results.

    Args:
        query: as a person would type it.
        first: results to skip, a multiple of `PAGE`.
        filters: type, size, license, color; empty for none.
        home: where the search answers.
    """
    names = [FILTERS[key][value] for key, value in filters.items() if value]
    parameters = {"q": query, "tbm": "isch", "ijn": first // PAGE, "start": first, "hl": "en"}
    if names:
        parameters["tbs"] = ",".join(names)
    return f"{home}/search?{urlencode(parameters)}"


def parse(page: bytes, address: str = "") -> list[SearchResult]:
    """The records of a page of results, in order; empty where the results end.

    Reads the data in every script, the JSON of older pages (`rg_meta`: ou, ru, ow, oh, pt, tu), and the links of the
    oldest (`/imgres?imgurl=…`).

    Args:
        page: the answer's body, whatever it holds.
        address: where the answer came from in the end.

    Raises:
        SourceBlocked: a captcha, a consent page, a page for browsers only.
        MarkupChanged: a page full of images and no result in a form known.
    """
    text = page.decode("utf-8", "replace")
    found = Tags(text)
    records = [record for script in found.scripts for form in _forms(script) for record in _from_script(form)]
    records += [*_from_meta(text), *_from_links(found)]
    records = [record for record in unique(records) if not _is_own(record.url)]
    if records:
        return records
    for sign, what in BLOCKED:
        if sign in text or sign in address:
            raise SourceBlocked(
                f"Google answered with {what} instead of results, as it mostly does to programs. Remove the source, or"
                " use another (bing, urls, folder, diffusion)."
            )
    if found.count("img") >= FULL_OF_IMAGES:
        raise MarkupChanged(
            f"Google answered with {found.count('img')} images in a markup this version cannot read. Please report"
            " it; until then use another source (bing, urls, folder, diffusion)."
        )
    return []


def _forms(script: str) -> Iterator[str]:
    """A script as it stands, and as it reads where its data are themselves a string."""
    yield script
    if "\\x22http" in script or '\\"http' in script:
        yield script.replace("\\x22", '"').replace('\\"', '"').replace("\\\\", "\\")


def _from_script(script: str) -> Iterator[SearchResult]:
    """Images in a script's data: a thumbnail of Google's own, then the image, then what is said about it."""
    thumbnail = ""
    matches = list(IN_SCRIPT.finditer(script))
    for index, match in enumerate(matches):
        url = unescape(match[1])
        if not is_address(url):
            continue
        if _is_own(url):
            thumbnail = url
            continue
        end = matches[index + 1].start() if index + 1 < len(matches) else len(script)
        said = ABOUT.search(script, match.end(), min(end, match.end() + NEAR))
        page, title = (unescape(said[1]), unescape(said[2])) if said else ("", "")
        yield SearchResult(url, page, thumbnail, title, width=int(match[3]), height=int(match[2]))
        thumbnail = ""


def unescape(text: str) -> str:
    """The text of a JavaScript string literal's inside."""
    try:
        return json.loads(f'"{text}"', strict=False)
    except ValueError:  # \x3d is JavaScript's, not JSON's
        try:
            return json.loads('"' + re.sub(r"\\x([0-9a-fA-F]{2})", r"\\u00\1", text) + '"', strict=False)
        except ValueError:
            return ""


def _is_own(url: str) -> bool:
    host = (urlsplit(url).hostname or "").lower()
    return any(host == own or host.endswith("." + own) for own in OWN_HOSTS)


def _from_meta(text: str) -> Iterator[SearchResult]:
    """Images of the older pages' JSON objects with the key ou."""
    for match in re.finditer(r'\{[^{}<>]{0,8000}"ou":[^{}<>]{0,8000}\}', text):
        try:
            said = json.loads(match[0])
            size = int(said.get("ow", 0)), int(said.get("oh", 0))
        except (ValueError, TypeError, RecursionError):
            continue
        texts = [said.get(name) for name in ("ou", "ru", "tu", "pt")]
        if isinstance(texts[0], str):
            yield SearchResult(*(value if isinstance(value, str) else "" for value in texts), *size)


def _from_links(found: Tags) -> Iterator[SearchResult]:
    """Images of the oldest pages' links, and of today's pages without scripts."""
    for tag, attributes in found.tags:
        link = attributes.get("href", "")
        if tag != "a" or "/imgres?" not in link:
            continue
        try:
            values = {name: value[0] for name, value in parse_qs(urlsplit(link).query).items()}
            size = int(values.get("w", 0)), int(values.get("h", 0))
        except ValueError:
            continue
        yield SearchResult(values.get("imgurl", ""), values.get("imgrefurl", ""), "", "", *size)
