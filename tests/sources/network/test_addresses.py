"""Lists of addresses: their formats, mistakes in them, and what is fetched from them."""

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
from distillery.sources.address_lists import count_addresses, fetch_addresses, read_addresses
from distillery.sources.search import LATE
from distillery.storage.retrieved.refusals import Refusal
from distillery.storage.retrieved.store import Store
from distillery.storage.urls import is_http_url, quote_url
from distillery_demo.web import Server, serve
from distillery_demo.web_index import SearchIndex, WebImage

DEFAULTS = source_defaults("urls") | {"contact": ""}
SCRIPTS = Path(__file__).parents[3] / "workflow" / "scripts"
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
        ("list.csv", "class,image_url\nfrog,http://a.bc/d\n", "no column url, but class, image_url; its first line"),
        ("list.txt", "http://a.bc/d\n", "but of http://a.bc/d (a line is a class, a space and a URL)"),
        ("list.csv", "PK\3\4", "list.csv is a workbook or an archive. Export it as .csv (UTF-8)"),
        ("list.csv", "class,url\nfrog,http://a.bc/d\nfrog,a.bc/e\n", "line 3: 'a.bc/e' is not an http address"),
        ("list.csv", "class,url\nfrog\n", "line 2: '' is not an http address"),
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
from distillery.storage.retrieved.pools import write_pool
from distillery.storage.retrieved.store import Store
from distillery.sources.address_lists import count_addresses, fetch_addresses
source = {defaults!r} | {{"path": {folder!r} + "/list.txt", "per_class": {wanted}}}
with job(Space(log=[])):
    entries = fetch_addresses(source, "mine", "frog", Store({folder!r} + "/store"), {port})
    print(write_pool({folder!r} + "/frog.tar", {folder!r} + "/frog.jsonl", entries))
"""


@pytest.fixture
def silent():
    """A server that never replies to paths that contain `silent`."""
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
        # if a shell runs the tests in the background, they ignore Ctrl-C, and child processes inherit that
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


def test_a_late_address_is_left_out_once_enough_others_have_arrived(tmp_path, silent):
    late = "http://h0.test/silent0.jpg"
    good = [shot.url for shot in SHOTS if shot.form == "plain"]
    path = write(tmp_path, "".join(f"frog {url}\n" for url in [good[0], late, *good[1:]]), "list.txt")
    source = DEFAULTS | {"path": path, "per_class": 20, "timeout_seconds": 50, "retries": 0}
    entries = list(fetch_addresses(source, "mine", "frog", Store(tmp_path / "store"), silent.server_address[1]))
    assert not silent.end.is_set() and len({record.sha256 for record, data in entries if data}) == 20
    assert [(record.url, record.failure) for record, data in entries if not data] == [(late, LATE)]
    assert [record.rank for record, _ in entries] == list(range(len(entries)))


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


# --- lists as users have them -----------------------------------------------------------------------------------------

COMMA = "http://i.test/it/u=1798831392,1750834138&fm=15.jpg"


@pytest.mark.parametrize(
    "text", [f"class,url\ncat,{COMMA}\n", f'url,class\n"{COMMA}",cat\n', f"class;url\ncat;{COMMA}\n"]
)
def test_an_address_with_a_comma_is_read_whole(tmp_path, text):
    assert [record.url for record in read_addresses(write(tmp_path, text), "mine", "cat")] == [COMMA]


@pytest.mark.parametrize(
    "text",
    [
        f"url,class\n{COMMA},cat\n",
        f"class,url,title\ncat,{COMMA},A cat\n",
        f"class,url,title\ncat,{COMMA}\n",
        f"class,url,page\ncat,{COMMA}\n",
        "class,url,page\ncat,http://i.test/1,2.jpg\n",
        "class,url\n\ncat,http://i.test/1.jpg\ncat,ftp://i.test/1,2.jpg\n",
    ],
)
def test_an_address_that_would_be_cut_is_named(tmp_path, text):
    path = write(tmp_path, text)
    with pytest.raises(UserError, match=rf"line {2 if text.count(chr(10)) == 2 else 4}: .*(comma|columns)"):
        read_addresses(path, "mine", "cat")


def test_a_title_with_a_comma_is_named_only_to_its_class(tmp_path):
    text = (
        "class,url,title\ncat,http://a.bc/1,A cat, asleep\ndog,http://a.bc/2,A dog\ndog,nowhere,x\nfrog,http://a.bc/3\n"
    )
    path = write(tmp_path, text)
    with pytest.raises(UserError, match="line 2: 4 values for 3 columns; put an address or text"):
        read_addresses(path, "mine", "cat")
    with pytest.raises(UserError, match="line 4: 'nowhere' is not an http address"):
        read_addresses(path, "mine", "dog")
    assert [record.url for record in read_addresses(path, "mine", "frog")] == ["http://a.bc/3"]


def test_all_slips_of_a_class_are_counted(tmp_path):
    with pytest.raises(UserError, match=r"line 2: '' is not an http address \(and 2 more such lines\)\."):
        read_addresses(write(tmp_path, "class,url\ncat\ncat,a\ncat,b\n"), "mine", "cat")


def test_a_quote_that_is_not_closed_takes_no_lines_with_it(tmp_path):
    text = 'class,url,title\ncat,http://a.bc/1,"A cat\ndog,http://a.bc/2,A dog\n'
    with pytest.raises(UserError, match="line 2: a quote is opened and not closed"):
        read_addresses(write(tmp_path, text), "mine", "dog")
    title = 'class,url,title\ncat,http://a.bc/1,"A cat\nasleep"\ndog,nowhere,A dog\n'
    assert read_addresses(write(tmp_path, title), "mine", "cat")[0].title == "A cat asleep"
    with pytest.raises(UserError, match="line 4: 'nowhere'"):
        read_addresses(tmp_path / "list.csv", "mine", "dog")


@pytest.mark.parametrize(
    "name, text", [("l.csv", "class,url\ncat,{}\n"), ("l.txt", "cat\t{}\n"), ("l.txt", "cat {}\n")]
)
def test_spaces_in_an_address_are_quoted(tmp_path, name, text):
    path = write(tmp_path, text.format("http://a.bc/my cat.jpg?of=a dog"), name)
    assert [record.url for record in read_addresses(path, "mine", "cat")] == ["http://a.bc/my%20cat.jpg?of=a%20dog"]


def test_quoting_changes_only_what_no_address_has():
    assert quote_url(" http://a.bc/é,1%20?b=[c]|d^e`{f}#g h\n") == "http://a.bc/é,1%20?b=[c]|d^e`{f}#g%20h"
    assert quote_url('https://a.bc/"<b>"') == "https://a.bc/%22%3Cb%3E%22"
    assert quote_url("http://a b.c/d") == "http://a b.c/d" and quote_url("my cat") == "my cat"


def test_a_list_as_a_spreadsheet_writes_unicode_text(tmp_path):
    (tmp_path / "list.csv").write_bytes("Class\tURL\r\nfrog\thttp://a.bc/Kröte.jpg\r\n".encode("utf-16"))
    assert [record.url for record in read_addresses(tmp_path / "list.csv", "mine", "frog")] == ["http://a.bc/Kröte.jpg"]
    assert count_addresses(tmp_path / "list.csv", "x") == {"frog": 1}
