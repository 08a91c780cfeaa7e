"""Lists of addresses: their forms, their mistakes, and what is fetched from them."""

import csv
import io
import runpy
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from subprocess import PIPE
from types import SimpleNamespace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from distillery.config.defaults import source_defaults
from distillery.jobs import UserError
from distillery.sources.address_lists import fetch_addresses, read_addresses
from distillery.sources.urls import is_http_url
from distillery.storage.refusals import Refusal
from distillery.storage.store import Store
from distillery_demo.web import Server, serve
from distillery_demo.web_index import SearchIndex, WebImage

DEFAULTS = source_defaults("urls") | {"contact": ""}
SCRIPTS = Path(__file__).parents[2] / "workflow" / "scripts"
SHOTS = [WebImage("google", "frog", number, "gone" if number % 4 == 1 else "plain", 80, "jpg") for number in range(30)]


def write(folder, text, name="list.csv"):
    (folder / name).write_text(text, encoding="utf-8")
    return folder / name


def test_a_csv_with_all_columns_is_read(tmp_path):
    text = (
        "\ufeffurl,class,license,creator,title,page,mine\nhttp://a.bc/d?e=f,frog,CC BY 4.0,Ada,A frog,http://p.q/r,x\n"
    )
    text += 'http://a.bc/e,cat,,,,,\nhttp://a.bc/f,frog,"CC0, 1.0",,,,\n\nhttp://a.bc/d?e=f,frog,other,,,,\n'
    first, second = read_addresses(write(tmp_path, text), "mine", "frog")
    assert (first.url, first.origin, first.rank) == ("http://a.bc/d?e=f", "http://a.bc/d?e=f", 0)
    texts = (first.license, first.creator, first.title, first.page)
    assert texts == ("CC BY 4.0", "Ada", "A frog", "http://p.q/r")  # the first line of a URL counts
    assert (second.url, second.license, second.rank) == ("http://a.bc/f", "CC0, 1.0", 1)
    assert (first.source, first.label, first.kind) == ("mine", "frog", "urls")


def test_a_text_file_is_read(tmp_path):
    path = write(tmp_path, "# my list\nfrog http://a.bc/d\n\n  cat   http://a.bc/e  \nfrog http://a.bc/f\n", "list.txt")
    assert [record.url for record in read_addresses(path, "mine", "frog")] == ["http://a.bc/d", "http://a.bc/f"]
    assert [record.url for record in read_addresses(path, "mine", "cat")] == ["http://a.bc/e"]


@pytest.mark.parametrize(
    "name, text, message",
    [
        ("list.csv", "class,address\nfrog,http://a.bc/d\n", "no column url"),
        ("list.csv", "", "no column class, url"),
        ("list.csv", "class,url\nfrog,http://a.bc/d\nfrog,a.bc/e\n", "line 3: 'a.bc/e' is no http address"),
        ("list.csv", "class,url\nfrog\n", "line 2: '' is no http address"),
        ("list.csv", "class,url\ncat,http://a.bc/d\n", "no address of class frog, but of cat"),
        ("list.txt", "frog\n", "line 1: give a class, a space and a URL"),
        ("list.txt", "", "no address of class frog, but of nothing"),
        ("none.txt", None, "cannot be read"),
    ],
)
def test_a_mistake_is_one_line(tmp_path, name, text, message):
    if text is not None:
        write(tmp_path, text, name)
    with pytest.raises(UserError) as error:
        read_addresses(tmp_path / name, "mine", "frog")
    assert message in str(error.value) and "\n" not in str(error.value)


@given(st.binary(max_size=200) | st.text(max_size=200).map(str.encode), st.sampled_from(["a.csv", "a.txt"]))
def test_any_file_gives_addresses_or_one_line(tmp_path_factory, data, name):
    path = tmp_path_factory.mktemp("list", numbered=True) / name
    path.write_bytes(data)
    try:
        assert all(is_http_url(record.url) for record in read_addresses(path, "mine", "frog"))
    except UserError as error:
        assert str(path) in str(error)


urls = st.lists(st.integers(0, 10**6).map("http://a.bc/{}?d=e,f".format), min_size=1, max_size=20)


@given(urls, st.lists(st.sampled_from(["frog", "cat"]), min_size=20, max_size=20))
def test_the_urls_of_a_class_are_read_in_order(tmp_path_factory, urls, labels):
    table = io.StringIO()
    csv.writer(table).writerows([("class", "url"), *zip(labels, urls, strict=False)])
    path = write(tmp_path_factory.mktemp("list", numbered=True), table.getvalue())
    mine = list(dict.fromkeys(url for label, url in zip(labels, urls, strict=False) if label == "frog"))
    if mine:
        assert [record.url for record in read_addresses(path, "mine", "frog")] == mine


@pytest.fixture
def web():
    server = Server(SearchIndex({}, 0, 0))
    with serve(server):
        yield server


def fetched(web, folder, per_class=0, shots=SHOTS):
    path = write(folder, "".join(f"frog {shot.url}\n" for shot in shots), "list.txt")
    source = DEFAULTS | {"path": path, "per_class": per_class, "timeout_seconds": 5, "retries": 0}
    return list(fetch_addresses(source, "mine", "frog", Store(folder / "store"), web.server_address[1]))


def test_all_urls_are_fetched_in_the_order_of_the_list(web, tmp_path):
    entries = fetched(web, tmp_path)
    assert [record.url for record, _ in entries] == [shot.url for shot in SHOTS]
    assert [record.failure for record, _ in entries] == [
        "not retrieved: HTTP 404" if shot.form == "gone" else "" for shot in SHOTS
    ]
    web.asked.clear()
    assert fetched(web, tmp_path) == entries and len(web.asked) == sum(shot.form == "gone" for shot in SHOTS)


def test_no_more_images_than_wanted_are_fetched(web, tmp_path):
    entries = fetched(web, tmp_path, per_class=8)
    assert sum(not record.failure for record, _ in entries) == 8 and not entries[-1][0].failure
    assert len(web.asked) < len(SHOTS)


SILENT = """
import sys
from types import SimpleNamespace as Space
sys.path.insert(0, {scripts!r})
from distillery.jobs import job
from distillery.storage.pools import write_pool
from distillery.storage.store import Store
from distillery.sources.address_lists import fetch_addresses
source = {defaults!r} | {{"path": {folder!r} + "/list.txt", "per_class": {wanted}}}
with job(Space(log=[])):
    entries = fetch_addresses(source, "mine", "frog", Store({folder!r} + "/store"), {port})
    print(write_pool({folder!r} + "/frog.tar", {folder!r} + "/frog.jsonl", entries))
"""


@pytest.fixture
def silent():
    """A server that never answers for a path with the word silent."""
    server = Silent(SearchIndex({}, 0, 0))
    with serve(server):
        yield server
        server.end.set()


class Silent(Server):
    def __init__(self, index):
        super().__init__(index)
        self.end = threading.Event()

    def answer(self, host, path):
        reply = super().answer(host, path)
        if "silent" in path:
            self.end.wait(60)
        return reply


def started(folder, server, wanted, urls):
    write(folder, "".join(f"frog {url}\n" for url in urls), "list.txt")
    known = {"scripts": str(SCRIPTS), "folder": str(folder), "port": server.server_address[1], "wanted": wanted}
    known["defaults"] = DEFAULTS
    return subprocess.Popen(
        [sys.executable, "-c", SILENT.format(**known)],
        stderr=PIPE,
        stdout=PIPE,
        text=True,
        # a test started in a shell's background ignores Ctrl-C, and would hand that on
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
    )


def test_ctrl_c_waits_for_no_server(tmp_path, silent):
    process = started(tmp_path, silent, 20, [f"http://h{number}.test/silent{number}.jpg" for number in range(40)])
    while len(silent.asked) < 8:
        assert process.poll() is None, process.communicate()
        time.sleep(0.01)
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=10)
    assert process.returncode == 130 and errors.startswith("ERROR: interrupted") and len(silent.asked) < 20


def test_with_enough_images_no_server_is_waited_for(tmp_path, silent):
    good = [shot.url for shot in SHOTS if shot.form == "plain"][:3]
    others = [f"http://h{number}.test/silent{number}.jpg" for number in range(40)]
    process = started(tmp_path, silent, 3, good + others)
    wrote, _ = process.communicate(timeout=20)
    assert process.returncode == 0 and wrote == "3\n"


def test_no_image_at_all_is_a_refusal(web, tmp_path):
    with pytest.raises(Refusal, match="none of 3 addresses gave an image") as refusal:
        fetched(web, tmp_path, shots=[WebImage("google", "frog", number, "gone", 80, "jpg") for number in range(3)])
    assert refusal.value.reason == "nothing found"


def test_servers_that_do_not_answer_are_unreachable(tmp_path):
    path = write(tmp_path, "".join(f"frog http://nowhere{number}.invalid/a.jpg\n" for number in range(3)), "list.txt")
    source = DEFAULTS | {"path": str(path), "retries": 0}
    with pytest.raises(Refusal, match="none of 3 addresses gave an image") as refusal:
        list(fetch_addresses(source, "mine", "frog", Store(tmp_path / "store")))
    assert refusal.value.reason == "unreachable"


def test_the_script_reports_a_mistake_in_one_line(tmp_path, capsys):
    source = {"kind": "urls", "path": "nowhere.csv", "per_class": 0}
    params = SimpleNamespace(source=source, name="mine", label="frog", store=tmp_path)
    output = SimpleNamespace(shard=tmp_path / "frog.tar", records=tmp_path / "frog.jsonl")
    crawl_policy = {"contact": "", "connections_per_host": 2, "max_store_bytes": 0, "min_free_bytes": 0}
    snakemake = SimpleNamespace(params=params, output=output, resources=crawl_policy, log=[])
    with pytest.raises(SystemExit):
        runpy.run_path(str(SCRIPTS / "fetch_addresses.py"), init_globals={"snakemake": snakemake})
    assert capsys.readouterr().err.startswith("ERROR: source mine: nowhere.csv cannot be read")
    assert not (tmp_path / "frog.tar").exists()
