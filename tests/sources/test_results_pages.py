"""Pages of the image searches, whatever their bytes, give all results or a refusal with its reason."""

import gzip
import html
import json
from pathlib import Path
from typing import get_args
from urllib.parse import parse_qs, urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st

from distillery.config.models.sources import SOURCES
from distillery.sources.engines import ENGINES, bing, google, inaturalist, openverse
from distillery.sources.engines.results import MarkupChanged, SearchResult, SourceBlocked, UnrelatedResults, unique
from distillery.storage.texts import clean_text
from distillery.storage.urls import MAX_URL, is_http_url
from distillery_demo.web_index import SearchIndex, WebImage
from distillery_demo.web_pages import SEARCHES

PAGES = Path(__file__).parents[3] / "shared/data/pages"
needs_pages = pytest.mark.skipif(not PAGES.exists(), reason="the saved pages of ../shared/data are missing")

# --- real pages -------------------------------------------------------------------------------------------------------


@needs_pages
@pytest.mark.parametrize("name", ["bing_async_2020_excerpt.html", "bing_async_recent_excerpt.html"])
def test_bing_s_own_markup_is_read(name):
    page = (PAGES / name).read_bytes()
    records = bing.parse(page)
    # counted independently: the JSON keys in the page's text
    assert len(records) == len(set(page.decode().split("murl&quot;:&quot;")[1:])) > 0
    for record in records:
        assert record.width > 100 and record.height > 100
        assert record.page.startswith("http") and record.title and "bing" in urlsplit(record.thumbnail).netloc
        assert html.escape(record.url) in page.decode()


@needs_pages
def test_bing_s_urls_keep_their_strange_endings():
    urls = [record.url for record in bing.parse((PAGES / "bing_async_recent_excerpt.html").read_bytes())]
    assert any(url.endswith(".png!qt1024_2") for url in urls)


@needs_pages
def test_google_s_page_of_2015_gives_its_hundred_results_or_a_refusal():
    page = gzip.decompress((PAGES / "google_images_2015.html.gz").read_bytes())
    try:
        records = google.parse(page)
    except MarkupChanged as refusal:
        assert "markup" in str(refusal)
    else:
        assert len(records) == 100 and all("gstatic" not in record.url for record in records)


# --- pages of the imitated searches -----------------------------------------------------------------------------------


CREATIVE_COMMONS = {"CC BY 4.0", "CC BY-SA 3.0", "CC0 1.0"}
# of the results of each imitated search; none if it states no license
LICENSES = {
    **{"google": set(), "bing": set(), "openverse": CREATIVE_COMMONS, "commons": CREATIVE_COMMONS},
    "inaturalist": {"CC BY", "CC BY-SA", "CC0"},
}


@pytest.mark.parametrize("search", SEARCHES)
def test_every_result_of_the_imitated_search_is_read(search):
    shots = SearchIndex({"frog": ["frog", "cat & <dog>"]}, 100, seed=3).find(search, "cat & <dog>")
    records = ENGINES[search].parse(SEARCHES[search].page(shots, "cat & <dog>").encode())
    assert [record.url for record in records] == list(dict.fromkeys(shot.url for shot in shots))
    assert all("cat & <dog>" in record.title and record.page.startswith("http://pages.test/") for record in records)
    sides = {shot.url: shot.side for shot in reversed(shots)}
    assert all(record.width == record.height == sides[record.url] for record in records)
    assert {record.license for record in records} == (LICENSES[search] or {""})
    if LICENSES[search]:
        assert all(record.creator.startswith("Ada & ") for record in records)
    if search in ("google", "bing"):
        assert all(record.thumbnail.startswith("https://") for record in records)


texts = st.text(st.characters(exclude_categories=["Cs", "Cc"]), max_size=40)


@pytest.mark.parametrize("search", SEARCHES)
@given(query=texts, places=st.lists(st.integers(0, 2**40), unique=True, min_size=1, max_size=5))
def test_no_query_breaks_a_page(search, query, places):
    shots = [WebImage("bing", "frog", number, "plain", 80, "webp") for number in places]
    records = ENGINES[search].parse(SEARCHES[search].page(shots, query).encode())
    assert [record.url for record in records] == [shot.url for shot in shots]
    for record, shot in zip(records, shots, strict=True):
        title = clean_text(f"{query} – no. {shot.number % 1000}", 500)
        assert record.title.split() == title.split() if search == "commons" else record.title in (title, query)


@pytest.mark.parametrize("search", SEARCHES)
def test_a_page_after_the_last_result_has_no_results(search):
    assert ENGINES[search].parse(SEARCHES[search].page([], "frog").encode()) == []


# --- anything at all --------------------------------------------------------------------------------------------------

marks = [
    b'<a class="iusc" m="',
    b"{&quot;murl&quot;:&quot;http://a.b/c",
    b'&quot;}">',
    b"<script>",
    b"</script>",
    b"<img>",
]
marks += [
    b'["http://a.bc/d",1,2]',
    b'"2003":[null,"x","http://p.q/r","t"',
    b"/imgres?imgurl=http://a.b/c&w=x",
    b"<![",
    b"\xff",
]
marks += [
    b'{"ou":"http://a.b/c","ow":"x"}',
    b'<a href="/imgres?imgurl=http%3A%2F%2Fa.bc%2Fd">',
    b"\\u003d",
    b"\\x22http",
    b"captcha",
]


@pytest.mark.parametrize("search", SEARCHES)
@given(st.lists(st.sampled_from(marks) | st.binary(max_size=12), max_size=40).map(b"".join))
def test_any_bytes_give_results_with_urls_or_a_refusal(search, page):
    try:
        records = ENGINES[search].parse(page)
    except (SourceBlocked, MarkupChanged) as refusal:
        assert "\n" not in str(refusal)
        return
    assert all(is_http_url(record.url) for record in records)
    assert len({record.url for record in records}) == len(records)


@pytest.mark.parametrize(
    "page, address, what",
    [
        ("<form id='captcha-form'>", "", "a captcha"),
        ("Our systems have detected unusual traffic from your computer network.", "", "a captcha"),
        ("", "https://www.google.com/sorry/index?continue=x", "a captcha"),
        ("", "https://consent.google.com/ml?continue=x", "a consent page"),
        (
            "<noscript><meta content='0;url=/httpservice/retry/enablejs?sei=x'></noscript>",
            "",
            "a page for browsers only",
        ),
    ],
)
def test_google_s_refusals_are_recognized(page, address, what):
    with pytest.raises(SourceBlocked, match=what):
        google.parse(page.encode(), address)


def test_bing_s_refusal_is_recognized():
    with pytest.raises(SourceBlocked, match="proof that a person"):
        bing.parse(b"<div id='b_captcha'>Verify you are a human</div>")


@pytest.mark.parametrize("search", ["google", "bing"])
def test_a_page_full_of_images_that_cannot_be_read(search):
    with pytest.raises(MarkupChanged, match="12 images in a markup"):
        ENGINES[search].parse(b"<img src=x>" * 12)
    assert ENGINES[search].parse(b"<img src=x>" * 3) == []


@pytest.mark.parametrize(
    "value", ["[]", "{", '{"murl": 3}', '{"murl": "ftp://a.b/c"}', '{"purl": "http://a.b/c"}', "null"]
)
def test_a_link_of_bing_s_without_a_url_is_skipped(value):
    good = html.escape(json.dumps({"murl": "http://a.bc/d?e=f&g=h"}))
    page = f'<a class="iusc" m="{html.escape(value)}"></a><a class="x iusc" m="{good}" href="?expw=q"></a>'
    assert bing.parse(page.encode()) == [SearchResult("http://a.bc/d?e=f&g=h")]


@pytest.mark.parametrize(
    "script",
    [
        r'["http://a.bc/d?e\u003df\u0026g\u003dh",20,30]',
        r'["http:\/\/a.bc\/d?e=f&g=h",20,30]',
        r"var x = '[\x22http://a.bc/d?e\x3df\x26g\x3dh\x22,20,30]';",
        r'"[\"http://a.bc/d?e=f&g=h\",20,30]"',
    ],
)
def test_every_way_google_writes_a_url(script):
    page = f"<script>first()</script><script>{script}</script>"
    assert google.parse(page.encode()) == [SearchResult("http://a.bc/d?e=f&g=h", width=30, height=20)]


def test_older_pages_of_google_s_are_read():
    meta = '<div class="rg_meta">{"ou":"http://a.bc/d","ow":30,"oh":20,"ru":"http://p.q/r","pt":"t","tu":"http://t.u/v"}</div>'
    assert google.parse(meta.encode()) == [SearchResult("http://a.bc/d", "http://p.q/r", "http://t.u/v", "t", 30, 20)]
    link = '<a href="/imgres?imgurl=http://a.bc/d&amp;imgrefurl=http://p.q/r&amp;w=30&amp;h=20">'
    assert google.parse(link.encode()) == [SearchResult("http://a.bc/d", "http://p.q/r", width=30, height=20)]


# --- Bing -------------------------------------------------------------------------------------------------------------


def bing_card(number, link="", text="", title="A frog"):
    values = {"murl": f"http://a.test/{number}.jpg", "purl": "http://p.test/x", "t": title}
    info = f'<span class="nowrap">{text}</span>' if text else ""
    return f'<li><a class="iusc" m="{html.escape(json.dumps(values))}" href="?{link}"></a>{info}</li>'


def test_bing_s_sizes_come_from_the_link_or_the_card_s_text():
    cards = [
        bing_card(1, "expw=30&amp;exph=20", "3200 × 2400 · jpeg"),
        bing_card(2, "q=x", "3200 × 2400 · jpeg"),
        bing_card(3, "q=x"),
        bing_card(4, "q=x", "640 x 480 &#183; png"),
        bing_card(5, "q=x", "no size"),
        bing_card(6, "q=x", "12&#215;9"),
    ]
    found = [(result.width, result.height) for result in bing.parse("".join(cards).encode())]
    assert found == [(30, 20), (3200, 2400), (0, 0), (640, 480), (0, 0), (12, 9)]


def test_a_result_s_address_with_spaces_is_quoted():
    page = bing_card("my cat of mine")
    assert [result.url for result in bing.parse(page.encode())] == ["http://a.test/my%20cat%20of%20mine.jpg"]


@needs_pages
def test_bing_s_own_cards_state_the_same_size_in_their_text():
    page = (PAGES / "bing_async_2020_excerpt.html").read_text()
    stated = [(result.width, result.height) for result in bing.parse(page.encode())]
    without = [(result.width, result.height) for result in bing.parse(page.replace("expw=", "x=").encode())]
    assert without[0] == stated[0] == (3442, 2972)


@pytest.mark.parametrize(
    "filters, name",
    [
        ({"aspect": "tall"}, "aspect-tall"),
        ({"age": "week"}, "age-lt10080"),
        ({"size": "wallpaper"}, "imagesize-wallpaper"),
        ({"size": "800x600"}, "imagesize-custom_800_600"),
        ({"color": "red"}, "color2-FGcls_RED"),
        ({"license": "publicdomain"}, "license-L1"),
    ],
)
def test_bing_s_filters(filters, name):
    values = parse_qs(urlsplit(bing.search_url("frog", 0, filters)).query)
    assert values["qft"] == [f"+filterui:{name}"] and values["first"] == ["1"]


def test_every_filter_of_the_configuration_has_a_value_in_the_address():
    for kind in SEARCHES:
        filters = SOURCES[kind].model_fields.get("filters")
        for key, field in filters.annotation.model_fields.items() if filters else ():
            for value in get_args(field.annotation):
                assert not value or ENGINES[kind].search_url("frog", 0, {key: value}), (kind, key, value)


@pytest.mark.parametrize("query", ["frogs", "green frog", "FROG!", "蛙", "ox frog"])
def test_related_results_are_results(query):
    page = "".join(bing_card(number, title="A green frog, 蛙" if number == 7 else "x") for number in range(12))
    assert len(bing.parse(page.encode(), bing.search_url(query, 0, {}))) == 12


def test_a_page_of_results_without_a_word_of_the_query_is_an_error():
    page = "".join(bing_card(number, title="A cheap flight") for number in range(12)).encode()
    with pytest.raises(
        UnrelatedResults, match="'green toad' with 12 results, none of which contains a word of it"
    ) as refusal:
        bing.parse(page, bing.search_url("green toad", 0, {}))
    assert refusal.value.reason == "unrelated results"
    assert len(bing.parse(page)) == 12  # the query of the page is unknown
    few = "".join(bing_card(number, title="A cheap flight") for number in range(3)).encode()
    assert len(bing.parse(few, bing.search_url("green toad", 0, {}))) == 3


# --- URLs -------------------------------------------------------------------------------------------------------------


EXPECTED = {
    "google": {"start": "200", "udm": "2", "hl": "en", "tbs": "itp:photo,isz:l,il:cl,ic:color"},
    "bing": {
        "first": "201",
        "qft": "+filterui:photo-photo+filterui:imagesize-large+filterui:license-L2_L3_L4+filterui:color2-color",
    },
    "openverse": {"page": "11", "category": "photograph", "size": "large", "license_type": "commercial"},
    "commons": {"gsroffset": "200", "gsrnamespace": "6", "format": "json"},
    "inaturalist": {"page": "2", "photos": "true", "quality_grade": "research", "photo_license": "cc0,cc-by,cc-by-sa"},
}


@pytest.mark.parametrize("search", SEARCHES)
@given(query=texts)
def test_a_query_arrives_as_it_was_typed(search, query):
    filters = {"type": "photo", "size": "large", "license": "commercial", "color": "color"}
    engine = ENGINES[search]
    known = {key: value for key, value in filters.items() if key in engine.FILTERS}
    parts = urlsplit(engine.search_url(query, 200, known))
    values = {name: value[0] for name, value in parse_qs(parts.query, keep_blank_values=True).items()}
    assert values["gsrsearch" if search == "commons" else "q"] == query + " filetype:bitmap" * (search == "commons")
    assert EXPECTED[search].items() <= values.items() and parts.scheme == "https"


def test_an_empty_filter_adds_nothing_to_the_address():
    for engine in ENGINES.values():
        assert not {"tbs", "qft", "category", "size", "license_type"} & set(
            parse_qs(urlsplit(engine.search_url("a", 0, {"type": ""})).query)
        )


NOT = [None, 3, "", "ftp://a.bc/d", "//a.bc/d", "http://", "http://a b.c/d", "http://a.bc:99999/", 'http://a.bc/"']
NOT += ["http://a.bc/\n", "data:image/png;base64,AAAA", "http://a.bc/" + "x" * MAX_URL, "http://a.bc/\ud83d"]


@pytest.mark.parametrize("url", NOT)
def test_texts_that_are_not_urls(url):
    assert not is_http_url(url)


def test_the_first_result_of_a_url_counts():
    records = [
        SearchResult("http://a.bc/d", title="one"),
        SearchResult("http://a.bc/e"),
        SearchResult("http://a.bc/d", title="two"),
    ]
    assert unique(records) == records[:2]


def test_half_a_character_is_replaced():
    """A title that is cut inside an emoji can be written in JSON, but not in a UTF-8 file."""
    attribute = {
        "murl": "http://a.bc/d.jpg",
        "purl": "http://a.bc/\ud83d",
        "turl": "http://a.bc/\udc00",
        "t": "a cat \ud83d",
    }
    page = f'<a class="iusc" m="{html.escape(json.dumps(attribute))}">'.encode()
    assert bing.parse(page) == [SearchResult("http://a.bc/d.jpg", title="a cat ?")]
    found = {"url": "http://a.bc/d.jpg", "title": "a cat \ud83d", "creator": "\ud83dAda", "license": "cc0"}
    [record] = openverse.parse(json.dumps({"results": [found]}).encode())
    assert (record.title, record.creator, record.license) == ("a cat ?", "?Ada", "CC0")


# --- iNaturalist ------------------------------------------------------------------------------------------------------


def observation(**photo):
    known = {
        "url": "https://inaturalist-open-data.s3.amazonaws.com/photos/1/square.jpeg?17",
        "license_code": "cc-by-nc",
    }
    known |= {"attribution": "(c) Ada L., some rights reserved (CC BY-NC)"}
    known |= {"original_dimensions": {"width": 2048, "height": 1536}}
    others = [{"url": "https://inaturalist-open-data.s3.amazonaws.com/photos/2/square.jpeg"}]
    taxon = {"name": "Rana temporaria", "preferred_common_name": "Common Frog"}
    user = {"login": "ada", "name": "Ada"}
    return {"uri": "https://www.inaturalist.org/observations/7", "taxon": taxon, "user": user} | {
        "photos": [known | photo, *others]
    }


def test_a_photo_of_inaturalist_is_of_medium_size_and_the_first_of_its_observation():
    [result] = inaturalist.parse(json.dumps({"results": [observation()]}).encode())
    assert result.url == "https://inaturalist-open-data.s3.amazonaws.com/photos/1/medium.jpeg?17"
    assert (result.width, result.height, result.title) == (500, 375, "Common Frog, Rana temporaria")
    assert (result.license, result.creator) == ("CC BY-NC", "Ada L.")
    assert result.page == "https://www.inaturalist.org/observations/7"


@pytest.mark.parametrize(
    "photo, license, creator",
    [
        ({"license_code": None, "attribution": "(c) Bob, all rights reserved"}, "all rights reserved", "Bob"),
        ({"license_code": "cc0", "attribution": "no rights reserved"}, "CC0", "Ada"),
        ({"license_code": "cc-by-sa", "attribution": None}, "CC BY-SA", "Ada"),
    ],
)
def test_license_and_creator_of_a_photo(photo, license, creator):
    [result] = inaturalist.parse(json.dumps({"results": [observation(**photo)]}).encode())
    assert (result.license, result.creator) == (license, creator)
