"""JSON responses of Openverse and Wikimedia Commons give all results, or a refusal with its reason."""

import json

import pytest

from distillery.sources.engines import commons, openverse
from distillery.sources.engines.results import MarkupChanged, SearchResult

OPENVERSE = {
    "id": "1", "title": "A frog", "url": "http://a.bc/d?e=f", "foreign_landing_url": "http://p.q/r", "creator": "Ada",
    "license": "by-sa", "license_version": "2.0", "width": 30, "height": 20, "thumbnail": "http://t.u/v",
}  # fmt: skip
COMMONS = {
    "pageid": 5, "ns": 6, "title": "File:Frog 1.jpg", "index": 1,
    "imageinfo": [{
        "thumburl": "http://a.bc/960px-d", "thumbwidth": 960, "thumbheight": 640, "url": "http://a.bc/d", "width": 9000,
        "height": 6000, "descriptionurl": "http://p.q/r",
        "extmetadata": {
            "Artist": {"value": '<a href="//x"><b>Ada</b> &amp;\n Co</a>'},
            "LicenseShortName": {"value": "CC BY-SA 4.0"},
        },
    }],
}  # fmt: skip


def test_openverse_s_documented_response_is_read():
    page = json.dumps({"result_count": 2, "results": [OPENVERSE, {"url": None}, OPENVERSE]}).encode()
    expected = SearchResult(
        "http://a.bc/d?e=f", "http://p.q/r", "http://t.u/v", "A frog", 30, 20, "CC BY-SA 2.0", "Ada"
    )
    assert openverse.parse(page) == [expected]


@pytest.mark.parametrize(
    "code, version, name",
    [
        ("by", "4.0", "CC BY 4.0"),
        ("cc0", "1.0", "CC0 1.0"),
        ("pdm", "1.0", "Public Domain Mark 1.0"),
        ("", "", ""),
        ("x", "", "x"),
    ],
)
def test_licenses_have_names(code, version, name):
    assert openverse.license_name(code, version) == name


def test_commons_s_documented_response_is_read():
    second = COMMONS | {"pageid": 4, "index": 2, "imageinfo": [{"url": "http://a.bc/e", "width": 3, "height": 2}]}
    page = json.dumps({"batchcomplete": True, "query": {"pages": [second, COMMONS, {"title": "File:x"}]}}).encode()
    first = SearchResult("http://a.bc/960px-d", "http://p.q/r", "", "Frog 1.jpg", 960, 640, "CC BY-SA 4.0", "Ada & Co")
    assert commons.parse(page) == [first, SearchResult("http://a.bc/e", title="Frog 1.jpg", width=3, height=2)]
    assert commons.parse(b'{"batchcomplete": true}') == []


@pytest.mark.parametrize(
    "page, reason",
    [
        (b"<html>", "not JSON"),
        (b"", "not JSON"),
        (b"[" * 100_000, "not JSON"),
        (b"[1]", "no list"),
        (b"null", "no list"),
        (b'{"results": {}, "query": {"pages": {}}}', "no list"),
        (b'{"detail": "Authentication\\nneeded"}', "Authentication needed"),
        (b'{"error": {"code": "x", "info": "Too many"}}', "Too many"),
    ],
)
@pytest.mark.parametrize("engine", [openverse, commons])
def test_a_response_of_another_form_is_refused_with_the_reason(engine, page, reason):
    with pytest.raises(MarkupChanged, match=f"form this version cannot read: {reason}"):
        engine.parse(page)
