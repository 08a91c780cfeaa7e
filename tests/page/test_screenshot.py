"""A screenshot of a page's first screen, taken with this machine's browser."""

import io

import pytest
from PIL import Image

from distillery.jobs import UserError
from distillery.page.screenshot import HEIGHT, WIDTH, take_screenshot
from distillery.sources.pages.browser import programs_of


def test_a_screenshot_has_the_size_of_a_screen(tmp_path):
    if not all(programs_of("chromium")):
        pytest.skip("no chromium with its driver on this machine; `make browser` installs them on Debian")
    (tmp_path / "page.html").write_text("<body style='background: #0072b2'>")
    take_screenshot(tmp_path / "page.html", tmp_path / "page.png")
    image = Image.open(io.BytesIO((tmp_path / "page.png").read_bytes())).convert("RGB")
    assert image.size == (WIDTH, HEIGHT) and image.getpixel((600, 400)) == (0, 114, 178)


def test_a_page_that_is_missing_is_one_line(tmp_path):
    with pytest.raises(UserError, match="does not exist. Build it first"):
        take_screenshot(tmp_path / "page.html", tmp_path / "page.png")
