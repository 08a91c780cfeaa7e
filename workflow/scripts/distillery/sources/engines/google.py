"""Google's image search: the URL of a page of results, and a parser of that page.

Google usually answers programs with a page for browsers only, a consent page or a captcha. That raises
`SourceBlocked`: nothing here pretends to be a browser.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from urllib.parse import parse_qs, urlencode, urlsplit

from distillery.sources.engines.results import MarkupChanged, SearchResult, SourceBlocked, Tags, text, unique
from distillery.storage.urls import is_http_url

HOME = "https://www.google.com"
PAGE = 100  # results a page
STEADY = True  # a page counts as PAGE results, however many are on it
FULL_OF_IMAGES = 10  # <img> tags; a page with fewer may simply have no results
OWN_HOSTS = ("google.com", "gstatic.com", "googleusercontent.com", "ggpht.com", "googleapis.com")

FILTERS = {
    "type": {name: f"itp:{name}" for name in ("photo", "clipart", "lineart", "face", "animated")},
    "size": {"large": "isz:l", "medium": "isz:m", "icon": "isz:i"},
    "license": {"commercial": "sur:fc", "noncommercial": "sur:f"},
    "color": {"color": "ic:color", "blackandwhite": "ic:gray", "transparent": "ic:trans"},
}
BLOCKED = (  # what stands in a page or its URL, and the reason of the refusal
    ("/sorry/", "captcha"),
    ("captcha-form", "captcha"),
    ("unusual traffic from your computer network", "captcha"),
    ("consent.google.", "consent page"),
    ("enablejs", "page for browsers only"),
)

# an image in the data of a script: ["URL",height,width], where the URL may contain \u003d and \/
IN_SCRIPT = re.compile(r'\["(https?:(?:[^"\\]|\\.){5,4000})",\s*(\d{1,5}),\s*(\d{1,5})\]')
# its page and title follow: "2003":[null,"id","page","title"; its thumbnail precedes it, in the form of an image
ABOUT = re.compile(r'"2003":\[null,"(?:[^"\\]|\\.)*","((?:[^"\\]|\\.)*)","((?:[^"\\]|\\.)*)"')
NEAR = 4000  # characters between an image and its page and title, at most


def search_url(query: str, first: int, filters: Mapping[str, str], home: str = HOME) -> str:
    """The URL of a page of results.

    Args:
        query: as a person would type it.
        first: results to skip, a multiple of `PAGE`.
        filters: type, size, license, color; empty for none.
        home: start of the URL.
    """
    names = [FILTERS[key][value] for key, value in filters.items() if value]
    parameters = {"q": query, "tbm": "isch", "ijn": first // PAGE, "start": first, "hl": "en"}
    if names:
        parameters["tbs"] = ",".join(names)
    return f"{home}/search?{urlencode(parameters)}"


def parse(page: bytes, url: str = "") -> list[SearchResult]:
    """The results of a page, in order; none where the results end.

    Reads the data in every script, the JSON of older pages (`rg_meta`: ou, ru, ow, oh, pt, tu), and the links of the
    oldest (`/imgres?imgurl=…`).

    Args:
        page: the response's body, any bytes.
        url: of the response, after redirects.

    Raises:
        SourceBlocked: a captcha, a consent page, a page for browsers only.
        MarkupChanged: a page full of images without a result in one of these forms.
    """
    markup = page.decode("utf-8", "replace")
    html = Tags(markup)
    results = [result for script in html.scripts for form in _forms(script) for result in _from_script(form)]
    results += [*_from_meta(markup), *_from_links(html)]
    results = [result for result in unique(results) if not _is_own(result.url)]
    if results:
        return results
    for sign, reason in BLOCKED:
        if sign in markup or sign in url:
            raise SourceBlocked(
                f"Google answered with a {reason} instead of results, as it mostly does to programs. Remove the source,"
                " or use another (bing, urls, folder, diffusion).",
                reason,
            )
    if html.count("img") >= FULL_OF_IMAGES:
        raise MarkupChanged(
            f"Google answered with {html.count('img')} images in a markup this version cannot read. Please report"
            " it; until then use another source (bing, urls, folder, diffusion)."
        )
    return []


def _forms(script: str) -> Iterator[str]:
    """A script as it is and, where its data are a string, that string unescaped."""
    yield script
    if "\\x22http" in script or '\\"http' in script:
        yield script.replace("\\x22", '"').replace('\\"', '"').replace("\\\\", "\\")


def _from_script(script: str) -> Iterator[SearchResult]:
    """Images in a script's data: each has a thumbnail of Google's before it, and its page and title after it."""
    thumbnail = ""
    matches = list(IN_SCRIPT.finditer(script))
    for index, match in enumerate(matches):
        url = unescape(match[1])
        if not is_http_url(url):
            continue
        if _is_own(url):
            thumbnail = url
            continue
        end = matches[index + 1].start() if index + 1 < len(matches) else len(script)
        about = ABOUT.search(script, match.end(), min(end, match.end() + NEAR))
        page, title = (unescape(about[1]), unescape(about[2])) if about else ("", "")
        yield SearchResult(url, page, thumbnail, title, width=int(match[3]), height=int(match[2]))
        thumbnail = ""


def unescape(literal: str) -> str:
    """The text that the inside of a JavaScript string literal stands for; empty if it is malformed."""
    try:
        return json.loads(f'"{literal}"', strict=False)
    except ValueError:  # \x3d is JavaScript's, not JSON's
        try:
            return json.loads('"' + re.sub(r"\\x([0-9a-fA-F]{2})", r"\\u00\1", literal) + '"', strict=False)
        except ValueError:
            return ""


def _is_own(url: str) -> bool:
    host = (urlsplit(url).hostname or "").lower()
    return any(host == own or host.endswith("." + own) for own in OWN_HOSTS)


def _from_meta(markup: str) -> Iterator[SearchResult]:
    """Images of older pages: JSON objects with the key ou."""
    for match in re.finditer(r'\{[^{}<>]{0,8000}"ou":[^{}<>]{0,8000}\}', markup):
        try:
            values = json.loads(match[0])
            size = int(values.get("ow", 0)), int(values.get("oh", 0))
        except (ValueError, TypeError, RecursionError):
            continue
        if isinstance(url := values.get("ou"), str):
            page, thumbnail, title = (text(values.get(name)) for name in ("ru", "tu", "pt"))
            yield SearchResult(url, page, thumbnail, title, *size)


def _from_links(html: Tags) -> Iterator[SearchResult]:
    """Images in the links of the oldest pages, and of today's pages without scripts."""
    for tag, attributes in html.tags:
        link = attributes.get("href", "")
        if tag != "a" or "/imgres?" not in link:
            continue
        try:
            values = {name: value[0] for name, value in parse_qs(urlsplit(link).query).items()}
            size = int(values.get("w", 0)), int(values.get("h", 0))
        except ValueError:
            continue
        yield SearchResult(values.get("imgurl", ""), values.get("imgrefurl", ""), "", "", *size)
