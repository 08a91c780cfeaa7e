"""Saves the page's first screen as a PNG, for README.

python -m distillery.page.screenshot results/report.html page.png
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from distillery.jobs import UserError
from distillery.sources.pages.browser import programs_of
from distillery.storage.files import atomic_write

WIDTH, HEIGHT = 1280, 800  # pixels


def take_screenshot(page: str | Path, output: str | Path) -> None:
    """Save the first screen of a page as a PNG of 1280 x 800 pixels, in light colors.

    Args:
        page: `report.html`.
        output: the `.png` to write.

    Raises:
        UserError: the page does not exist, or this machine has no Chromium with its driver.
    """
    if not Path(page).is_file():
        raise UserError(f"{page} does not exist. Build it first: snakemake --cores all results/report.html")
    program, driver = programs_of("chromium")
    if not (program and driver):
        raise UserError("There is no Chromium with its driver on this machine. On Debian: make browser")
    from selenium import webdriver

    options = webdriver.ChromeOptions()
    options.binary_location = program
    for argument in ("--headless=new", "--no-sandbox", "--disable-gpu", "--hide-scrollbars"):
        options.add_argument(argument)
    browser = webdriver.Chrome(options=options, service=webdriver.ChromeService(driver))
    try:
        size = {"width": WIDTH, "height": HEIGHT, "deviceScaleFactor": 1, "mobile": False}
        browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
        scheme = {"name": "prefers-color-scheme", "value": "light"}
        browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": [scheme]})
        browser.get(Path(page).resolve().as_uri())
        atomic_write(output, browser.get_screenshot_as_png())
    finally:
        browser.quit()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("page", help="the page, report.html")
    parser.add_argument("output", help="the .png to write")
    options = parser.parse_args()
    try:
        take_screenshot(options.page, options.output)
    except UserError as error:
        sys.exit(str(error))
    except TypeError:
        sys.exit("usage: python -m distillery.page.screenshot results/report.html page.png")
