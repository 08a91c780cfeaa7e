"""Reply to requests for images: with the image itself, or with the fault that its address names."""

from __future__ import annotations

import io
from collections.abc import Callable
from dataclasses import dataclass, replace

from PIL import Image

from distillery_demo.drawing import draw
from distillery_demo.web_index import FORMATS, WebImage


@dataclass(frozen=True)
class Reply:
    """An HTTP reply."""

    body: bytes = b""
    content_type: str = "text/html; charset=utf-8"
    status: int = 200
    headers: tuple[tuple[str, str], ...] = ()


def image_reply(target: WebImage, image: Image.Image, quality: int = 90) -> Reply:
    """A reply with an image, in the file format of the target's address."""
    buffer = io.BytesIO()
    image.save(buffer, FORMATS[target.kind], quality=quality)
    return Reply(buffer.getvalue(), f"image/{FORMATS[target.kind].lower()}")


def plain(target: WebImage) -> Reply:
    """The image without a fault."""
    return image_reply(target, draw(target.label, target.style, target.number, target.side))


def copy(target: WebImage) -> Reply:
    """The same image, smaller and recompressed."""
    side = target.side * 3 // 4
    image = draw(target.label, target.style, target.number, target.side)
    return image_reply(target, image.resize((side, side)), quality=75)


def half(target: WebImage) -> Reply:
    """The first half of the file, with a header as if it were whole."""
    whole = plain(target)
    return Reply(whole.body[: len(whole.body) // 2], whole.content_type)


def note(target: WebImage) -> Reply:
    """A web page with the content type of an image."""
    return Reply(b"<html><body>Please sign in to see this image.</body></html>", "image/jpeg")


def gone(target: WebImage) -> Reply:
    """The status "not found"."""
    return Reply(b"not here", "text/plain", 404)


def moved(target: WebImage) -> Reply:
    """A redirect to the image, on the same host."""
    return Reply(status=302, headers=(("Location", replace(target, form="plain").path),))


def tiny(target: WebImage) -> Reply:
    """An icon of 16 pixels a side."""
    return image_reply(target, draw(target.label, target.style, target.number, 16))


def blank(target: WebImage) -> Reply:
    """An image of one color, like a placeholder."""
    return image_reply(target, Image.new("RGB", (target.side, target.side), (target.number % 256, 190, 190)))


def reserved(target: WebImage) -> Reply:
    """The image with a header that forbids training on it."""
    image = plain(target)
    return Reply(image.body, image.content_type, headers=(("X-Robots-Tag", "noai, noimageai"),))


# reason of a refusal → the reply that a search sends instead of results
REFUSALS: dict[str, Reply] = {
    "captcha": Reply(b"<html><form id='captcha-form'>Are you a person?</form></html>"),
    "consent page": Reply(b"<html><form action='https://consent.google.test/save'>Before you go on</form></html>"),
    "quota used up": Reply(b'{"detail": "Request was throttled."}', "application/json", 429),
    "unreachable": Reply(b"gone home", "text/plain", 503),
}

# the form in an image's address → its reply
REPLIES: dict[str, Callable[[WebImage], Reply]] = {
    "plain": plain,
    "twin": plain,
    "busy": plain,  # the server handles the first request
    "copy": copy,
    "half": half,
    "note": note,
    "gone": gone,
    "moved": moved,
    "tiny": tiny,
    "blank": blank,
    "reserved": reserved,
}
