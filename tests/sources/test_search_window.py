"""A real Chromium reads an imitated Google on loopback like a person's browser. Each test opens it once."""

import logging
import os
import shutil
import subprocess
import threading

import pytest
from loopback_google import BATCH, Google

from distillery.config.defaults import source_defaults
from distillery.jobs import log
from distillery.sources.engines.google import search_url
from distillery.sources.engines.results import SourceBlocked
from distillery.sources.pages import browser, window
from distillery.sources.pages.browser import find_browser, open_browser, programs_of
from distillery.sources.pages.retrieving import retrieve_class
from distillery.sources.pages.saved import saved_results
from distillery.sources.pages.window import PageTimes, SearchWindow, WindowClosed
from distillery.sources.search import search_of
from distillery.sources.search_check import check_search
from distillery.storage.retrieved.refusals import Refusal
from distillery.storage.retrieved.store import Store
from distillery_demo.web import serve
from distillery_demo.web_index import SearchIndex, WebImage

HAS_NONE = pytest.mark.skipif(
    not all(programs_of("chromium")),
    reason="no chromium with its driver on this machine; `make browser` installs them on Debian",
)


def needs_chromium(test):
    """Marks a test that opens a Chromium."""
    return HAS_NONE(pytest.mark.slow(test))


URL = search_url("cats", 0, {"type": "photo"}, "http://www.google.test")
QUICK = PageTimes(step=0.05, patience=0, poll=0.05)
PATIENT = PageTimes(step=0.05, patience=60, poll=0.05)


@pytest.fixture
def messages(caplog, monkeypatch):
    monkeypatch.setattr(log, "propagate", True)
    caplog.set_level(logging.INFO, logger="distillery")
    return caplog


class Opened:
    """A browser's window on a server."""

    def __init__(self, driver, server, port):
        self.driver, self.server, self.port = driver, server, port

    def read(self, times=QUICK, most=10**6, url=URL):
        return list(SearchWindow(self.driver, times, "source google").results(url, most))


@pytest.fixture
def opened(tmp_path, request):
    server = Google(**getattr(request, "param", {}))
    with serve(server) as port, open_browser(True, tmp_path / "profile", port) as driver:
        yield Opened(driver, server, port)


def batches(server):
    return sum("async=1" in asked for asked in server.asked)


@needs_chromium
def test_300_results_over_scrolls(opened):
    results = opened.read()
    assert [(result.url, result.width, result.height) for result in results] == opened.server.images("cats")
    assert batches(opened.server) == 300 // BATCH - 1
    assert results[0].title and results[-1].page.startswith("http://pages.test/")


@needs_chromium
def test_it_stops_at_the_number_wanted(opened):
    assert len(opened.read(most=120)) == 120 and batches(opened.server) in (2, 3)
    opened.server.asked.clear()
    assert len(opened.read(most=20, url=URL.replace("cats", "dogs"))) == 20 and batches(opened.server) == 0


@needs_chromium
@pytest.mark.parametrize("opened", [{"consent": True}], indirect=True)
def test_a_consent_page_is_left_to_the_person(opened, monkeypatch, messages):
    sleep = window.time.sleep

    def person(seconds):
        if found := opened.driver.find_elements("id", "L2AGLb"):
            found[0].click()
        sleep(seconds)

    with pytest.raises(
        SourceBlocked, match="Google shows a consent page in the browser. Crawl with a window"
    ) as refusal:
        opened.read()
    assert refusal.value.reason == "consent page" and not opened.server.agreed.is_set()
    monkeypatch.setattr(window.time, "sleep", person)
    assert len(opened.read(PATIENT, most=60)) == 60
    assert (
        "Google shows a consent page in the browser's window. Answer it there; the crawl waits up to 1 minutes"
        in messages.text
    )


@needs_chromium
@pytest.mark.parametrize("opened", [{"captcha": 0}, {"captcha": 2}], indirect=True)
def test_a_captcha_that_a_second_client_solves(opened, monkeypatch, messages):
    """Before the first result or while scrolling: the crawl continues and gives each result once."""
    sleep = window.time.sleep

    def person(seconds):
        if opened.driver.find_elements("id", "captcha-form") and not opened.server.solved.is_set():
            threading.Timer(0.3, opened.server.solved.set).start()
        sleep(seconds)

    monkeypatch.setattr(window.time, "sleep", person)
    results = opened.read(PATIENT)
    assert [result.url for result in results] == [url for url, _, _ in opened.server.images("cats")]
    assert "Google shows a captcha in the browser's window" in messages.text


@needs_chromium
@pytest.mark.parametrize("opened", [{"captcha": 2}], indirect=True)
def test_a_captcha_that_nobody_solves_keeps_what_was_found(opened):
    found = []
    with pytest.raises(SourceBlocked, match="nobody answered it within 0.01 minutes") as refusal:
        for result in SearchWindow(opened.driver, PageTimes(0.05, 0.6, 0.05), "source google").results(URL, 10**6):
            found.append(result)
    assert refusal.value.reason == "captcha" and len(found) == 2 * BATCH


@needs_chromium
def test_a_window_closed_half_way_keeps_what_was_found(opened):
    found = []
    with pytest.raises(WindowClosed, match="window is closed or does not answer") as refusal:
        for result in SearchWindow(opened.driver, QUICK, "source google").results(URL, 10**6):
            found.append(result)
            if len(found) == 130:
                opened.driver.close()
    assert len(found) >= 130 and refusal.value.reason == "window closed" and "\n" not in str(refusal.value)


@needs_chromium
def test_what_the_browser_itself_saves_of_a_page(opened, tmp_path):
    """Saved HTML has the scripts with addresses. A page saved as one file has none; the refusal says what to do."""
    opened.driver.get(URL)
    single_file = opened.driver.execute_cdp_cmd("Page.captureSnapshot", {"format": "mhtml"})["data"]
    for name, text in (("html/cat/1.html", opened.driver.page_source), ("single/cat/1.mhtml", single_file)):
        (tmp_path / name).parent.mkdir(parents=True)
        (tmp_path / name).write_text(text)
    found = saved_results(tmp_path / "html", "google", "cat")
    assert [result.url for _, result in found] == [url for url, _, _ in opened.server.images("cats")[:BATCH]]
    assert {query for query, _ in found} == {"cats"}
    with pytest.raises(Refusal, match="has 50 result cards without an address of an image: .* save all as HAR"):
        saved_results(tmp_path / "single", "google", "cat")


@pytest.fixture(scope="module")
def screen():
    """A screen for windows: that of this machine, or a virtual one."""
    if os.getenv("DISPLAY"):
        yield os.environ["DISPLAY"]
        return
    if not shutil.which("Xvfb"):
        pytest.skip("no screen and no Xvfb on this machine; on Debian: apt-get install xvfb")
    reading, writing = os.pipe()
    command = ["Xvfb", "-displayfd", str(writing), "-screen", "0", "1280x900x24", "-nolisten", "tcp"]
    with subprocess.Popen(command, pass_fds=[writing], stderr=subprocess.DEVNULL) as server:
        os.close(writing)
        with open(reading) as number:  # the virtual screen writes its number once it is ready
            yield f":{number.readline().strip()}"
        server.terminate()


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["chromium", "firefox"])
def test_a_window_on_a_screen_in_either_browser(kind, screen, tmp_path, monkeypatch):
    """In a visible window the crawl reads 150 results over two scrolls; then the person closes the window."""
    if not all(programs := programs_of(kind)):
        pytest.skip(f"{kind} or its driver is not installed")
    monkeypatch.setenv("DISPLAY", screen)
    monkeypatch.setattr(browser, "BROWSERS", {kind: browser.BROWSERS[kind]})
    assert find_browser(headless=False) == (kind, *programs)
    with serve(server := Google(consent=True)) as port, open_browser(False, tmp_path / "profile", port) as driver:
        driver.get(URL)
        driver.find_element("id", "L2AGLb").click()
        assert server.agreed.wait(10)
        found = []
        with pytest.raises(WindowClosed) as refusal:
            for result in SearchWindow(driver, PATIENT, "source google").results(URL, 10**6):
                found.append(result)
                if len(found) == 150:
                    driver.close()
        assert driver.capabilities["browserName"] in ("chrome", "chromium", "firefox")
    assert [(result.url, result.width, result.height) for result in found] == server.images("cats")[: len(found)]
    assert len(found) >= 150 and refusal.value.reason == "window closed" and batches(server) >= 2


@needs_chromium
def test_nothing_disguises_the_program(opened):
    opened.driver.get(URL)
    assert opened.driver.execute_script("return navigator.webdriver") is True


# --- a class ----------------------------------------------------------------------------------------------------------


class WithImages(Google):
    """A search whose results are images of the imitated web."""

    def __init__(self, **changes):
        super().__init__(**changes)
        index = SearchIndex({"frog": ["frog", "toad"]}, self.count, seed=0)
        self.shots = {query: index.find("google", query) for query in ("frog", "toad")}

    def images(self, query):
        return [(shot.url, shot.side, shot.side) for shot in self.shots[query]]

    def answer(self, host, path):
        if host.startswith("images"):
            return super(Google, self).answer(host, path)
        return super().answer(host, path)


def retrieved(server, tmp_path, whole=False, **changes):
    source = source_defaults("google") | {
        "kind": "google",
        "per_class": 20,
        "contact": "",
        "browser": True,
        "headless": True,
    }
    source |= {"retries": 0, "timeout_seconds": 5} | changes
    with serve(server) as port:
        search = search_of(source, "google", "frog", ["frog", "toad"], imitated=True)
        return list(retrieve_class(source, search, Store(tmp_path / "resources/store/google"), port, whole))


@needs_chromium
def test_a_class_of_the_browser_is_a_pool_as_a_crawl_makes_it(tmp_path):
    server = WithImages(count=60)
    entries = retrieved(server, tmp_path, per_class=12)
    assert len({record.sha256 for record, data in entries if data}) == 12
    assert [record.rank for record, _ in entries] == list(range(len(entries)))
    assert {record.query for record, _ in entries[:2]} == {"frog", "toad"}  # queries take turns
    assert entries[0][0].url == server.shots["frog"][0].url and entries[0][0].kind == "google"
    assert WebImage.at(entries[0][0].url.partition(".test")[2].partition("?")[0]).side == entries[0][0].declared_width
    assert (tmp_path / "resources/browser/google").is_dir()


@needs_chromium
def test_a_headless_browser_at_a_captcha_is_a_refusal(tmp_path):
    with pytest.raises(Refusal, match="^source google, class frog: Google shows a captcha") as refusal:
        retrieved(WithImages(count=60, captcha=0), tmp_path)
    assert refusal.value.reason == "captcha"


@needs_chromium
def test_a_block_half_way_uses_what_was_found_unless_the_class_must_be_whole(tmp_path):
    changes = {"per_class": 100, "max_per_query": 100}
    entries = retrieved(WithImages(count=60, captcha=1), tmp_path, **changes)
    assert len(entries) == len({record.url for record, _ in entries}) <= BATCH
    with pytest.raises(Refusal) as refusal:
        retrieved(WithImages(count=60, captcha=1), tmp_path, whole=True, **changes)
    assert refusal.value.reason == "captcha"


# --- without a browser ------------------------------------------------------------------------------------------------


def test_a_machine_without_a_browser_or_a_screen(monkeypatch, tmp_path):
    monkeypatch.setattr(browser.shutil, "which", lambda program: None)
    monkeypatch.setattr(browser, "ON_A_MAC", {"chromium": "/nowhere", "firefox": "/nowhere"})
    with pytest.raises(Refusal, match="neither Chromium, Chrome nor Firefox is installed. Install one") as refusal:
        find_browser(headless=True)
    assert refusal.value.reason == "no browser"
    monkeypatch.setattr(browser.sys, "platform", "linux")
    for name in ("DISPLAY", "WAYLAND_DISPLAY"):
        monkeypatch.delenv(name, raising=False)
    source = source_defaults("google") | {"kind": "google", "contact": "", "browser": True}
    with pytest.raises(Refusal, match="there is no screen for a browser's window"):
        check_search(source, "google", "frog", tmp_path / "store")


@needs_chromium
def test_the_check_opens_no_search(tmp_path):
    server = Google()
    source = source_defaults("google") | {"kind": "google", "contact": "", "browser": True, "headless": True}
    with serve(server) as port:
        found = check_search(source, "google", "frog", tmp_path / "store", port)
    assert (found.verdict, found.reason) == ("unknown", "not asked") and not server.asked


def test_a_browser_that_does_not_start_is_one_line(monkeypatch, tmp_path):
    pytest.importorskip("selenium")
    for driver, advice in (("/bin/false", "Close its other windows"), (None, "Install its driver, chromedriver")):
        monkeypatch.setenv("SE_OFFLINE", "true")  # Selenium downloads no driver
        monkeypatch.setenv("SE_CACHE_PATH", str(tmp_path / "drivers"))
        monkeypatch.setenv("PATH", "")
        monkeypatch.setattr(browser, "find_browser", lambda headless, driver=driver: ("chromium", "/bin/false", driver))
        with pytest.raises(Refusal, match="/bin/false does not start") as refusal, open_browser(True, tmp_path / "p"):
            pass
        assert "\n" not in str(refusal.value) and refusal.value.reason == "no browser"
        assert advice in str(refusal.value)
