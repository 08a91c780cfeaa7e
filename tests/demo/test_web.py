"""The imitated web: the seed decides the results, every fault behaves as named, one server serves all hosts."""

import hashlib
import http.client
import io
import json
from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st
from image_pairs import near_pairs_of
from PIL import Image, UnidentifiedImageError

from distillery.curation.decoding import Rejected, decode
from distillery_demo.drawing import CLASSES, STYLES
from distillery_demo.web import Server, parse_refusals, serve
from distillery_demo.web_index import FAULTS, FORMATS, SIDES, SearchIndex, WebImage
from distillery_demo.web_pages import SEARCHES
from distillery_demo.web_replies import REPLIES

QUERIES = {"frog": ["frog", "green frog", "frog on leaf"], "cat": ["cat"]}
images = st.builds(
    WebImage,
    st.sampled_from(sorted(STYLES)),
    st.sampled_from(CLASSES),
    st.integers(0, 2**40 - 1),
    st.sampled_from(sorted(REPLIES)),
    st.sampled_from(SIDES),
    st.sampled_from(sorted(FORMATS)),
)


@given(images)
def test_an_address_describes_its_image(image):
    host, _, path = image.url.removeprefix("http://").partition("/")
    assert WebImage.at("/" + path.partition("?")[0]) == image and host.endswith(".test")


@given(st.text())
def test_any_other_address_is_no_image(path):
    assert WebImage.at(path) is None or WebImage.at(path).url.partition(".test")[2].startswith(path)


@pytest.mark.parametrize("search", SEARCHES)
def test_the_seed_decides_the_results(search):
    first, again, other = (SearchIndex(QUERIES, 50, seed).find(search, "frog") for seed in (0, 0, 1))
    assert first == again and len({image.url for image in first} & {image.url for image in other}) == 0
    assert (
        SearchIndex({"frog": ["frog"]}, 50, 0).find(search, "frog") == first
    )  # queries of other classes do not matter
    assert SearchIndex(QUERIES, 50, 0).find(search, "toad") == []


def test_all_faults_of_the_web_occur():
    index = SearchIndex(QUERIES, 400, seed=0)
    found = {(search, query): index.find(search, query) for search in SEARCHES for query in index.class_of}
    every = [image for images in found.values() for image in images]
    forms = Counter(image.form for image in every)
    assert set(forms) == set(REPLIES) and forms["plain"] > 0.6 * len(every)
    frogs = [image for (_, query), images in found.items() if "frog" in query for image in images]
    wrong = sum(image.label != "frog" for image in frogs) / len(frogs)
    assert 0.01 < wrong < 2 * (FAULTS["mislabeled"] + FAULTS["conflicting"]) / 1000
    urls = {key: {image.url for image in images} for key, images in found.items()}
    assert urls["google", "frog"] & urls["google", "green frog"]  # one address for two queries
    assert urls["google", "frog"] & urls["bing", "frog"]  # for two searches
    assert urls["google", "frog"] & urls["google", "cat"]  # for two classes


IMAGE = WebImage("bing", "frog", 12345, "plain", 96, "jpg")


def reply_of(form, kind="jpg"):
    return REPLIES[form](WebImage(IMAGE.style, IMAGE.label, IMAGE.number, form, IMAGE.side, kind))


@pytest.mark.parametrize("kind", FORMATS)
def test_images_come_in_the_format_of_their_address(kind):
    reply = reply_of("plain", kind)
    with Image.open(io.BytesIO(reply.body)) as image:
        assert (image.format, image.size) == (FORMATS[kind], (96, 96))
    assert reply.content_type == f"image/{FORMATS[kind].lower()}"


def test_every_fault_is_what_its_name_says():
    plain = reply_of("plain")
    assert reply_of("twin").body == reply_of("reserved").body == plain.body
    assert reply_of("half").body == plain.body[: len(plain.body) // 2]
    with pytest.raises(Rejected, match="broken"):
        decode(reply_of("half").body)
    with pytest.raises(UnidentifiedImageError):
        Image.open(io.BytesIO(reply_of("note").body))
    with pytest.raises(Rejected, match="too small"):
        decode(reply_of("tiny").body, min_side=20)
    with pytest.raises(Rejected, match="blank"):
        decode(reply_of("blank").body)
    images = [decode(reply_of(form).body).image for form in ("plain", "copy")]
    assert reply_of("copy").body != plain.body and len(near_pairs_of(images)) == 1
    assert reply_of("gone").status == 404 and reply_of("moved").status == 302
    assert dict(reply_of("reserved").headers) == {"X-Robots-Tag": "noai, noimageai"}


def test_the_server_answers_every_host():
    server = Server(SearchIndex(QUERIES, 60, seed=0))
    with serve(server) as port:
        connection = http.client.HTTPConnection("127.0.0.1", port)

        def ask(host, path):
            connection.request("GET", path, headers={"Host": host})
            answer = connection.getresponse()
            return answer.status, answer.read()

        google = [ask("www.google.test", f"/search?q=green+frog&start={start}")[1] for start in (0, 100)]
        bing = [ask("www.bing.test", f"/images/async?q=green+frog&first={first}&count=35")[1] for first in (1, 36, 71)]
        assert [page.count(b'"2003"') for page in google] == [60, 0]
        assert [page.count(b"iusc") for page in bing] == [35, 25, 0]
        busy = WebImage("bing", "frog", 5, "busy", 96, "jpg").url.partition(".test")[2]
        assert [ask("images5.test", busy)[0] for _ in range(3)] == [503, 200, 200]
        status, body = ask("images1.test", IMAGE.url.partition(".test")[2])
        assert status == 200 and hashlib.sha256(body).digest() == hashlib.sha256(reply_of("plain").body).digest()
        for host, path in (
            ("www.google.test", "/images/async?q=frog"),
            ("a.test", "/nothing"),
            ("a.test", "/x/frog/1-plain-9.gif"),
        ):
            assert ask(host, path)[0] == 404
        connection.close()
    assert len(server.asked) == 12


def test_openverse_s_sizes_have_no_image_in_common():
    server = Server(SearchIndex(QUERIES, 40, seed=0))
    found = {}
    for size in ("", "small", "medium", "large"):
        reply = server.answer("www.openverse.test", f"/v1/images/?q=cat&page=1&page_size=40&size={size}")
        found[size] = {result["url"] for result in json.loads(reply.body)["results"]}
    server.server_close()
    sizes = [found[size] for size in ("small", "medium", "large")]
    assert all(sizes) and found[""] == set.union(*sizes)
    assert sum(map(len, sizes)) == len(found[""])


def test_searches_refuse_where_the_environment_says_so():
    text = "google: captcha, openverse: quota used up after 2,bing: consent page"
    expected = {"google": ("captcha", 0), "openverse": ("quota used up", 2), "bing": ("consent page", 0)}
    assert parse_refusals(text) == expected and parse_refusals("") == {}
    server = Server(SearchIndex(QUERIES, 60, seed=0), {"google": ("captcha", 2)})
    replies = [server.answer("www.google.test", "/search?q=frog").body for _ in range(3)]
    assert [b"captcha-form" in body for body in replies] == [False, False, True]
    assert b"iusc" in server.answer("www.bing.test", "/images/async?q=frog").body
