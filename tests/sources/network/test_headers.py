"""Headers that request a pause, or forbid training on an image."""

import time
from email.utils import formatdate

import pytest
from hypothesis import given
from hypothesis import strategies as st

from distillery.sources.network.headers import FORBIDDEN_USES, forbidden_use, retry_after


def test_retry_after_is_seconds_or_a_date():
    assert retry_after({"retry-after": "7"}) == 7
    assert 50 < retry_after({"retry-after": formatdate(time.time() + 60, usegmt=True)}) <= 60
    assert retry_after({"retry-after": formatdate(time.time() - 60, usegmt=True)}) == 0
    sent, until = (formatdate(time.time() + days * 86400, usegmt=True) for days in (9, 9.001))
    assert 85 < retry_after({"retry-after": until, "date": sent}) < 88  # by the server's clock, nine days ahead
    assert retry_after({}) is None and retry_after({"retry-after": "soon"}) is None
    assert retry_after({"retry-after": "Mon, 01 Jan 99999999999999999999 00:00:00 GMT"}) is None


@pytest.mark.parametrize(
    "header, use",
    [
        ("noai", "noai"),
        ("NoImageAI, nofollow", "noimageai"),
        ("nofollow, noindex", "noindex"),
        ("none", "none"),
        ("distillery: noai", "noai"),
        ("*: noimageindex", "noimageindex"),
        ("otherbot: noai", ""),
        ("otherbot: noai, distillery: none", "none"),
        ("max-image-preview: large", ""),
        ("", ""),
    ],
)
def test_x_robots_tag_forbids_use(header, use):
    assert forbidden_use(header) == use


@given(st.text())
def test_any_header_can_be_read(text):
    assert forbidden_use(text) in ("", *FORBIDDEN_USES)
    assert retry_after({"retry-after": text}) is None or retry_after({"retry-after": text}) >= 0
