"""Open a real browser on this machine in its own window, without disguising that a program opens it."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from distillery.jobs import log, one_line
from distillery.storage.retrieved.refusals import Refusal

# the names of each browser's program, and of its driver; if there is no driver, Selenium downloads one
BROWSERS = {
    "chromium": (("chromium", "chromium-browser", "google-chrome", "google-chrome-stable"), "chromedriver"),
    "firefox": (("firefox", "firefox-esr"), "geckodriver"),
}
ON_A_MAC = {
    "chromium": "/Applications/Google Chrome.app/Contents/MacOS/Google Chrome",
    "firefox": "/Applications/Firefox.app/Contents/MacOS/firefox",
}
TEST_PROXY = (
    "data:text/javascript,function FindProxyForURL(url, host)"
    '{ return host.endsWith(".test") ? "PROXY 127.0.0.1:%d" : "DIRECT"; }'
)


def find_browser(headless: bool) -> tuple[str, str, str | None]:
    """Find an installed browser.

    Returns:
        Its kind (chromium or firefox), the path of its program, and the path of its driver or None.

    Raises:
        Refusal: there is no browser, or no screen for its window.
    """
    if not headless and sys.platform == "linux" and not (os.getenv("DISPLAY") or os.getenv("WAYLAND_DISPLAY")):
        raise Refusal(
            "there is no screen for a browser's window (DISPLAY is not set). Run the crawl on a desktop, save the pages"
            " yourself (`saved`), or set `headless`.",
            "no browser",
        )
    for kind in BROWSERS:
        program, driver = programs_of(kind)
        if program:
            return kind, program, driver
    raise Refusal(
        "neither Chromium, Chrome nor Firefox is installed. Install one, such as with `apt-get install chromium"
        " chromium-driver`, or save the pages yourself (`saved`).",
        "no browser",
    )


def programs_of(kind: str) -> tuple[str | None, str | None]:
    """The paths of a browser's program and of its driver; None for each that is not installed.

    Args:
        kind: chromium or firefox.
    """
    names, driver = BROWSERS[kind]
    on_a_mac = ON_A_MAC[kind] if Path(ON_A_MAC[kind]).exists() else None
    return next(filter(None, map(shutil.which, names)), on_a_mac), shutil.which(driver)


@contextmanager
def open_browser(headless: bool, profile: Path, loopback: int | None = None) -> Iterator[Any]:
    """Open a browser, and close it at the end.

    Args:
        headless: without a window.
        profile: folder of the browser's own files, such as cookies.
        loopback: see `connect`; the browser then loads names under .test from that port.

    Yields:
        Selenium's driver.

    Raises:
        Refusal: there is no browser, or it does not start.
    """
    kind, program, driver_program = find_browser(headless)
    from selenium.common.exceptions import WebDriverException

    profile.mkdir(parents=True, exist_ok=True)
    open_it = _open_chromium if kind == "chromium" else _open_firefox
    try:
        driver = open_it(program, driver_program, headless, profile, loopback)
    except (WebDriverException, OSError) as error:
        close = "Close its other windows" if driver_program else f"Install its driver, {BROWSERS[kind][1]}"
        raise Refusal(
            f"{program} does not start ({one_line(error, 200)}). {close}, or save the pages yourself (`saved`).",
            "no browser",
        ) from error
    log.info("opened %s %s", program, driver.capabilities.get("browserVersion", ""))
    try:
        yield driver
    finally:
        try:
            driver.quit()
        except Exception as error:  # its window was closed, so there is nothing left to quit
            log.info("the browser had ended before: %s", one_line(error, 120))


def _open_chromium(program: str, driver: str | None, headless: bool, profile: Path, loopback: int | None) -> Any:
    from selenium import webdriver

    options = webdriver.ChromeOptions()
    options.binary_location = program
    arguments = [f"--user-data-dir={profile}", "--no-first-run", "--lang=en"]
    arguments += ["--headless=new", "--window-size=1280,900"] if headless else []
    # Chromium refuses to run as root, as in a container, with its sandbox
    arguments += ["--no-sandbox", "--disable-dev-shm-usage"] if hasattr(os, "geteuid") and os.geteuid() == 0 else []
    if loopback is not None:
        arguments.append(f"--host-resolver-rules=MAP *.test 127.0.0.1:{loopback}")
    for argument in arguments:
        options.add_argument(argument)
    return webdriver.Chrome(options=options, service=webdriver.ChromeService(driver))


def _open_firefox(program: str, driver: str | None, headless: bool, profile: Path, loopback: int | None) -> Any:
    from selenium import webdriver

    options = webdriver.FirefoxOptions()
    options.binary_location = program
    for argument in ("-profile", str(profile), *["-headless"] * headless):
        options.add_argument(argument)
    if loopback is not None:  # Firefox has no rules for resolving names, but a script can choose a proxy for each
        options.set_preference("network.proxy.type", 2)
        options.set_preference("network.proxy.autoconfig_url", TEST_PROXY % loopback)
    return webdriver.Firefox(options=options, service=webdriver.FirefoxService(driver))
