"""A headless browser, if the machine has one."""

import pytest

from distillery.sources.pages.browser import programs_of


def open_browser(width: int = 1200, height: int = 900, dark: bool = False):
    """Chromium driven by Selenium, with a window size in pixels, in light or dark mode."""
    program, driver = programs_of("chromium")
    if not (program and driver):
        pytest.skip("no chromium with its driver on this machine; `make browser` installs them on Debian")
    from selenium import webdriver

    options = webdriver.ChromeOptions()
    options.binary_location = program
    for argument in ("--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage"):
        options.add_argument(argument)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    browser = webdriver.Chrome(options=options, service=webdriver.ChromeService(driver))
    size = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 500}
    browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
    scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": [scheme]})
    return browser
