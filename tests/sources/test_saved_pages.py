"""Saved pages give all results in every form, or the error says what they contain instead and what to do."""

import gzip
import json
import plistlib
import runpy
from pathlib import Path
from types import SimpleNamespace

import google_forms as forms
import pytest
from hypothesis import given
from hypothesis import strategies as st

from distillery.config.defaults import source_defaults
from distillery.config.queries.retrieval_queries import web_source
from distillery.jobs import UserError
from distillery.sources import inspect
from distillery.sources.engines.google import parse, results_in
from distillery.sources.pages.retrieving import retrieve_class
from distillery.sources.pages.saved import PageText, page_texts, query_of, saved_files, saved_results
from distillery.sources.search import search_of
from distillery.storage.retrieved.pools import read_pool
from distillery.storage.retrieved.refusals import Refusal
from distillery.storage.retrieved.store import Store
from distillery_demo.web import Server, serve
from distillery_demo.web_index import SearchIndex, WebImage
from distillery_demo.web_pages import SEARCHES

SCRIPTS = Path(__file__).parents[2] / "workflow" / "scripts"
REAL = Path(__file__).parents[3] / "shared/data/pages/google_images_2015.html.gz"
EXPECTED = [(url, width, height) for url, width, height in forms.IMAGES]


def shown(results):
    results = [result[1] if isinstance(result, tuple) else result for result in results]
    return [(result.url, result.width, result.height) for result in results]


@pytest.mark.parametrize("form", forms.FORMS)
def test_every_form_of_a_record_is_read(form):
    results = parse(forms.FORMS[form]().encode())
    assert shown(results) == EXPECTED
    if form != "hexadecimal":
        assert [result.page for result in results] == [f"http://pages.test/{number}" for number in range(6)]
    if form not in ("links", "old_meta", "hexadecimal"):
        assert [result.title for result in results] == [f'A "cat", no. {number}' for number in range(6)]
    assert not any("gstatic" in result.url for result in results)


def test_the_creator_is_kept_where_a_form_states_it():
    assert {result.creator for result in parse(forms.ischj().encode())} == {"Ada, Bob"}


def test_a_document_counts_once():
    """A page contains the same record several times, sometimes with addresses that differ only in the query."""
    twice = forms.inline() + forms.once_more([(url + "&again=1", *size) for url, *size in forms.IMAGES]) + forms.links()
    assert shown(parse(twice.encode())) == EXPECTED


def test_the_opened_panel_s_image_is_read():
    page = '<img class="sFlh5c iPVvYb" src="http://a.test/big.jpg?a=1&amp;b=2" alt="A cat">'
    assert [(result.url, result.title) for result in results_in(page)] == [("http://a.test/big.jpg?a=1&b=2", "A cat")]


def test_enablejs_in_a_good_page_is_no_refusal():
    page = "<noscript><meta content='0;url=/httpservice/retry/enablejs'></noscript>" + forms.inline()
    assert shown(parse(page.encode())) == EXPECTED


@given(
    st.lists(
        st.sampled_from([*(make()[:3000] for make in forms.FORMS.values()), "<", '"', "\\", "{", "["])
        | st.text(max_size=9),
        max_size=6,
    )
)
def test_any_mixture_is_read_without_an_exception(parts):
    results_in("".join(parts))


@pytest.mark.parametrize(
    "attack", ['{"ou":', '["http:\\\\', "<a data-ou=", '"2003":[null,"', "<img class=", "\\", '"ischj":{', "&quot;http"]
)
def test_repetitive_text_takes_linear_time(attack):
    """All regular expressions take linear time; a quadratic one would take minutes for these 400 kB."""
    results_in(attack * (400_000 // len(attack)))


# --- files ------------------------------------------------------------------------------------------------------------


def save(folder, data, name="1.html", label="cat"):
    path = folder / label / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data if isinstance(data, bytes) else data.encode())
    return path


HALVES = forms.IMAGES[:3], forms.IMAGES[3:]


@pytest.mark.parametrize(
    "name, data",
    [
        ("1.html", forms.inline()),
        ("1.html", "\ufeff" + forms.inline()),
        ("1.htm", forms.inline().encode("utf-16")),
        ("1.html.gz", gzip.compress(forms.inline().encode())),
        ("1.mhtml", forms.mhtml(forms.inline())),
        ("1.har", forms.har(forms.inline(HALVES[0]), forms.once_more(HALVES[1]))),
        ("1.har", forms.har(forms.inline(HALVES[0]), forms.attributes_in_json(HALVES[1]), coded=True)),
        ("1.har", forms.har(forms.inline(HALVES[0]), forms.once_more(HALVES[1]), "{}")[:-200]),  # cut short
        ("1.txt", forms.twice_more()),
    ],
)
def test_every_kind_of_file_is_read(tmp_path, name, data):
    save(tmp_path, data, name)
    assert shown(saved_results(tmp_path, "google", "cat")) == EXPECTED


def test_all_files_of_a_class_are_read_and_no_others(tmp_path):
    save(tmp_path, forms.inline(HALVES[1]), "b.html")
    save(tmp_path, forms.inline(HALVES[0]), "a.har")
    save(tmp_path, forms.inline(), "b_files/saved_resource.html")  # what a browser saves beside a complete page
    save(tmp_path, forms.inline(), "c.html", label="dog")
    (tmp_path / "cat.html").write_text(forms.links())
    assert [path.name for path in saved_files(tmp_path, "cat")] == ["a.har", "b.html", "cat.html"]
    assert shown(saved_results(tmp_path, "google", "cat")) == EXPECTED


@pytest.mark.parametrize(
    "data, reason",
    [
        (forms.cards(), "1.html has 6 result cards without an address of an image: open the browser's network panel"),
        ("<form id='captcha-form'>", "1.html is a captcha: open the search in your browser"),
        ('<button id="L2AGLb">', "1.html is a consent page: open"),
        ("<noscript>enablejs</noscript>", "1.html was saved before its scripts had run: open"),
        ("<p>hello</p>", "1.html has no results of an image search: save the page whose address has udm=2"),
        ("<img>" * 12, "has 12 images in a markup this version cannot read"),
        (json.dumps({"log": {"entries": [{"response": {"content": {"size": 9}}}]}}), r"a HAR without content\?"),
    ],
)
def test_a_page_without_results_says_what_it_has_and_what_to_do(tmp_path, data, reason):
    path = save(tmp_path, data)
    with pytest.raises(Refusal, match=reason) as refusal:
        saved_results(tmp_path, "google", "cat")
    assert refusal.value.reason == "unreadable page" and "\n" not in str(refusal.value)
    assert f"python -m distillery.sources.inspect {path}" in str(refusal.value)


def test_a_class_without_a_saved_page_is_a_refusal(tmp_path):
    save(tmp_path, forms.inline())
    with pytest.raises(Refusal, match=r"has no saved page. Save one as .*/dog/1\.html or \.har") as refusal:
        saved_results(tmp_path, "google", "dog")
    assert refusal.value.reason == "no saved pages"


@given(st.binary(max_size=300) | st.builds(lambda cut: forms.har(forms.inline())[:cut].encode(), st.integers(0, 5000)))
def test_any_file_gives_texts_or_one_line(tmp_path_factory, data):
    path = tmp_path_factory.mktemp("saved", numbered=True) / "1.har"
    path.write_bytes(data)
    try:
        assert all(isinstance(text.markup, str) for text in page_texts(path))
        inspect.describe(path)
    except UserError as error:
        assert str(path) in str(error)


# --- retrieving -------------------------------------------------------------------------------------------------------


def test_saved_pages_give_a_pool_as_a_crawl_does(tmp_path):
    """A saved page of the imitated Google gives the same images as a crawl, with the same fetcher."""
    index = SearchIndex({"frog": ["frog"]}, 30, seed=0)
    shots = index.find("google", "frog")
    save(tmp_path / "pages", forms.har(SEARCHES["google"].page(shots, "frog")), "1.har", label="frog")
    source = source_defaults("google") | {
        "kind": "google",
        "per_class": 10,
        "contact": "",
        "saved": str(tmp_path / "pages"),
    }
    server = Server(index)
    with serve(server) as port:
        search = search_of(source, "google", "frog", ["frog"], imitated=True)
        entries = list(retrieve_class(source, search, Store(tmp_path / "store"), port))
    urls = list(dict.fromkeys(shot.url for shot in shots))
    assert [record.url for record, _ in entries] == urls[: len(entries)]
    assert len({record.sha256 for record, data in entries if data}) == 10
    first = entries[0][0]
    assert (first.kind, first.query, first.title, first.page[:18]) == (
        "google",
        "grumpy cats",
        "frog – no. " + first.title[11:],
        "http://pages.test/",
    )
    assert first.declared_width == WebImage.at(first.url.partition(".test")[2].partition("?")[0]).side
    assert not any("/search" in asked for asked in server.asked)


def test_the_script_crawls_saved_pages(tmp_path):
    save(tmp_path / "pages", forms.cards(), label="cat")
    source = source_defaults("google") | {"kind": "google", "per_class": 10, "saved": str(tmp_path / "pages")}
    params = SimpleNamespace(
        source=source, name="google", label="cat", queries=[], store=str(tmp_path / "store"), demo={}
    )
    output = SimpleNamespace(shard=str(tmp_path / "cat.tar"), records=str(tmp_path / "cat.jsonl"))
    policy = {
        "contact": "",
        "connections_per_host": 2,
        "max_store_bytes": 0,
        "min_free_bytes": 0,
        "unavailable": "skip",
    }
    job = SimpleNamespace(params=params, output=output, input=SimpleNamespace(check=""), resources=policy, log=[])
    runpy.run_path(str(SCRIPTS / "crawl.py"), init_globals={"snakemake": job})
    [(record, data)] = read_pool(output.shard, output.records)
    assert (record.failure, data) == ("refused: unreadable page", None)


def test_another_saved_page_is_noticed(tmp_path):
    study = {"sources": {"google": {"kind": "google", "saved": str(tmp_path)}}}
    seen = []
    for name, label in (("1.html", "cat"), ("2.html", "cat"), ("3.html", "dog")):
        save(tmp_path, name * 9, name, label)
        seen.append(web_source(study, {}, "google", "cat")["listing"])
    assert seen[0] != seen[1] == seen[2]


def web_archive(body, kind="text/html"):
    """A page as Safari saves it, together with an image and the body of a request."""
    image = {"WebResourceData": b"\x89PNG", "WebResourceMIMEType": "image/png", "WebResourceURL": "http://a.test/1"}
    url = "https://www.google.com/search?q=grumpy+cats&udm=2"
    main = {"WebResourceData": body.encode(), "WebResourceMIMEType": kind, "WebResourceURL": url}
    return plistlib.dumps({"WebMainResource": main, "WebSubresources": [image, 1]}, fmt=plistlib.FMT_BINARY)


def test_a_web_archive_of_safari_is_read(tmp_path):
    path = tmp_path / "cat/1.webarchive"
    path.parent.mkdir()
    path.write_bytes(web_archive(forms.inline()))
    assert shown(saved_results(tmp_path, "google", "cat")) == EXPECTED
    assert {query for query, _ in saved_results(tmp_path, "google", "cat")} == {"grumpy cats"}
    for damaged in (b"bplist00" + bytes(9), path.read_bytes()[:-40]):
        path.write_bytes(damaged)
        with pytest.raises(UserError, match=r"1.webarchive is damaged \(.*Save the page again") as error:
            saved_results(tmp_path, "google", "cat")
        assert "\n" not in str(error.value)
    path.write_bytes(plistlib.dumps([1], fmt=plistlib.FMT_BINARY))
    with pytest.raises(Refusal, match="1.webarchive holds no text of a page"):
        saved_results(tmp_path, "google", "cat")


def test_a_file_that_is_no_saved_page_is_named(tmp_path):
    (tmp_path / "cat").mkdir()
    for name in ("a.pdf", "b.png", "c.docx", "d.pdf"):
        (tmp_path / "cat" / name).write_bytes(b"x")
    with pytest.raises(Refusal, match="has no saved page but a.pdf, b.png, c.docx, …. Save one as"):
        saved_results(tmp_path, "google", "cat")
    (tmp_path / "cat/1.html").write_text(" \n")
    with pytest.raises(Refusal, match="1.html is empty: save it again once the page has its images"):
        saved_results(tmp_path, "google", "cat")


# --- inspect ----------------------------------------------------------------------------------------------------------


def test_inspect_names_every_record_and_its_form(tmp_path, capsys):
    own = [("https://lh3.googleusercontent.com/a", 9, 9)]
    path = save(
        tmp_path,
        forms.har(forms.inline(HALVES[0]) + forms.cards(), forms.once_more(HALVES[1]), forms.links(own + HALVES[0])),
        "1.har",
    )
    assert inspect.main([str(path)]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.strip() for line in lines if line.startswith("  results")] == ["results: 6 (6 script)"]
    for url, width, height in forms.IMAGES:
        [line] = [line for line in lines if url in line and "result:" in line]
        assert f"script, {width}x{height}" in line and 'A "cat", no.' in line
    assert sum("left out (Google's own host)" in line for line in lines) == 1
    assert sum("left out (seen before)" in line for line in lines) == 3
    assert "request 2 (https://www.google.com/search?q=grumpy+cats&udm=2&start=0)" in lines[1]
    assert "3 records, 6 result cards" in lines[1]


def test_inspect_says_why_nothing_came(tmp_path, capsys):
    paths = [
        str(save(tmp_path, forms.cards(), "1.html")),
        str(save(tmp_path, forms.inline(), "2.html")),
        str(tmp_path / "none"),
    ]
    assert inspect.main(paths) == 1
    out, err = capsys.readouterr()
    assert "1.html has 6 result cards without an address of an image: open the browser's network panel" in out
    assert "results: 6 (6 script)" in out
    assert "none cannot be read" in err and len(err.splitlines()) == 1


@pytest.mark.skipif(not REAL.exists(), reason="the saved pages of ../shared/data are missing")
def test_a_real_page_of_2015(tmp_path):
    save(tmp_path, REAL.read_bytes(), "1.html.gz")
    assert len(saved_results(tmp_path, "google", "cat")) == 100


def test_inspect_reads_the_pages_of_a_folder(tmp_path, capsys):
    for name in ("cat/1.html", "dog/1.html", "dog/1_files/x.html"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(forms.inline())
    assert inspect.main([str(tmp_path)]) == 0
    assert capsys.readouterr().out.count("  results: 6") == 2


def test_an_invalid_address_gives_no_query():
    """Found by tests/faults/fuzz.py, input 11865 of the parsers."""
    assert query_of(PageText("1.har", "", "https://[::1?q=frog")) == ""
    assert query_of(PageText("1.har", "", "https://www.google.com/search?q=a+frog")) == "a frog"
