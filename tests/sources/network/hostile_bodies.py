"""What the servers of test_hostile_web.py send: response bodies of many kinds, and addresses in the user's network."""

import gzip
import io
import struct
import zipfile
import zlib

import numpy as np
from PIL import Image

from distillery_demo.drawing import CLASSES, draw

MAX_BYTES = 400_000


def encoded(image, kind, **options):
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


def image(number, side=96):
    return draw(CLASSES[number % len(CLASSES)], "google", number, side)


def bad_checksum(data):
    """A PNG whose image data do not match their checksum."""
    at = data.index(b"IDAT")
    return data[: at + 8] + bytes([data[at + 8] ^ 255]) + data[at + 9 :]


def pixel_bomb():
    """A PNG of 30,000 x 30,000 gray pixels in few bytes."""
    rows = zlib.compressobj(9)
    side = 30_000
    data = b"".join(rows.compress(bytes(side + 1)) for _ in range(600)) + rows.flush()

    def chunk(name, body):
        return struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))

    head = chunk(b"IHDR", struct.pack(">IIBBBBB", side, side, 8, 0, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + head + chunk(b"IDAT", data) + chunk(b"IEND", b"")


def archive():
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as file:
        file.writestr("../../etc/passwd", "x")
    return buffer.getvalue()


def sixteen_bits():
    gray = np.asarray(image(20).convert("L"), np.uint16) * 257
    return encoded(Image.fromarray(gray), "PNG")


def turned():
    """An image stored on its side, with an EXIF tag to rotate it."""
    exif = Image.Exif()
    exif[0x0112] = 6
    return encoded(image(21).rotate(90, expand=True), "JPEG", exif=exif.tobytes(), quality=95)


def transparent():
    layered = image(22).convert("RGBA")
    layered.putalpha(Image.linear_gradient("L").resize(layered.size))
    return encoded(layered, "PNG")


def animated():
    frames = [image(n).convert("P") for n in (23, 24, 25)]
    return encoded(frames[0], "GIF", save_all=True, append_images=frames[1:])


EPS = b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 99 99\n(/etc/passwd) (r) file pop showpage\n"
SVG = b'<?xml version="1.0"?><svg xmlns="http://www.w3.org/2000/svg"><image href="file:///etc/passwd"/></svg>'
PLACEHOLDER = encoded(image(30), "JPEG")
JPEG = encoded(image(1), "JPEG", quality=95)
TO_INSIDE = {
    "loopback": "http://127.0.0.1:{port}/secret.jpg",
    "localhost": "http://localhost:{port}/secret.jpg",
    "six-loopback": "http://[::1]:{port}/secret.jpg",
    "mapped": "http://[::ffff:127.0.0.1]:{port}/secret.jpg",
    "number": "http://2130706433:{port}/secret.jpg",
    "private": "http://10.0.0.1/secret.jpg",
    "link-local": "http://169.254.1.1/secret.jpg",
    "metadata": "http://169.254.169.254/latest/meta-data/",
    "translated": "http://[64:ff9b::7f00:1]/secret.jpg",
    "six-to-four": "http://[2002:7f00:1::]/secret.jpg",
    "compatible": "http://[::7f00:1]:{port}/secret.jpg",
    "six-translated": "http://[::ffff:0:7f00:1]:{port}/secret.jpg",
    "site-local": "http://[fec0::1]:{port}/secret.jpg",
    "unspecified": "http://0.0.0.0:{port}/secret.jpg",
    "file": "file:///etc/passwd",
    "gopher": "gopher://127.0.0.1:{port}/x",
    "nothing": "",
}
# name → body and headers of a response with status 200
BODIES = {
    "good": (JPEG, {}),
    "wrong-type": (encoded(image(2), "PNG"), {"content-type": "text/html"}),
    "no-type": (encoded(image(3), "WEBP", quality=90), {"content-type": None}),
    "gzipped": (gzip.compress(encoded(image(4), "JPEG", quality=95)), {"content-encoding": "gzip"}),
    "palette": (encoded(image(26).convert("P"), "PNG"), {}),
    "gray": (encoded(image(27).convert("L"), "JPEG", quality=95), {}),
    "cmyk": (encoded(image(28).convert("CMYK"), "JPEG", quality=95), {}),
    "sixteen-bits": (sixteen_bits(), {}),
    "turned": (turned(), {}),
    "transparent": (transparent(), {}),
    "animated": (animated(), {}),
    "html": (b"<html>sign in</html>", {"content-type": "image/jpeg"}),
    "svg": (SVG, {"content-type": "image/jpeg"}),
    "eps": (EPS, {"content-type": "image/jpeg"}),
    "zip": (archive(), {"content-type": "image/jpeg"}),
    "empty": (b"", {"content-type": "image/jpeg"}),
    "half": (JPEG[: len(JPEG) // 2], {}),
    "bad-checksum": (bad_checksum(encoded(image(5), "PNG")), {}),
    "only-magic": (b"\xff\xd8\xff", {}),
    "pixel-bomb": (pixel_bomb(), {}),
    "gzip-bomb": (gzip.compress(bytes(50_000_000)), {"content-encoding": "gzip"}),
    "not-gzip": (JPEG, {"content-encoding": "gzip"}),
    "large": (bytes(MAX_BYTES + 1), {}),
    "icon": (encoded(image(6, 16), "PNG"), {}),
    "blank": (encoded(Image.new("RGB", (90, 90), "red"), "PNG"), {}),
    "noai": (encoded(image(7), "JPEG"), {"x-robots-tag": "noai"}),
    "noimageindex": (encoded(image(8), "JPEG"), {"x-robots-tag": "noarchive, noimageindex"}),
    **{f"placeholder-{n}": (PLACEHOLDER, {}) for n in range(100)},
}
