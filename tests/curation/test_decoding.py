"""Whatever the web serves becomes an upright RGB picture or a stated reason, never another exception."""

import io

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from distillery.curation.decoding import Rejected, decode, to_square


def noise(width=64, height=48, channels=3) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (height, width, channels), dtype=np.uint8)


def encoded(image: Image.Image, format: str, **options) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, format, **options)
    return buffer.getvalue()


PHOTO = Image.fromarray(noise())
JPEG = encoded(PHOTO, "JPEG")
PNG = encoded(PHOTO, "PNG")


@pytest.mark.parametrize("format", ["JPEG", "PNG", "WEBP", "GIF", "BMP"])
def test_every_allowed_format_is_decoded(format):
    picture = decode(encoded(PHOTO, format))
    assert (picture.format, picture.width, picture.height, picture.image.mode) == (format, 64, 48, "RGB")


@pytest.mark.parametrize("mode", ["1", "L", "P", "RGBA", "LA"])
def test_every_mode_becomes_rgb(mode):
    assert decode(encoded(PHOTO.convert(mode), "PNG")).image.mode == "RGB"


def test_cmyk_becomes_rgb():
    assert decode(encoded(PHOTO.convert("CMYK"), "JPEG")).image.mode == "RGB"


def test_sixteen_bits_are_scaled_not_clipped():
    ramp = np.linspace(0, 65535, 64 * 64).reshape(64, 64).astype(np.uint16)
    grey = np.asarray(decode(encoded(Image.fromarray(ramp), "PNG")).image)[..., 0]
    assert abs(grey.astype(int) - (ramp / 257).round()).max() <= 1


def test_alpha_is_laid_over_white():
    pixels = noise(channels=4)
    pixels[..., 3] = 0
    pixels[0, :32] = (0, 0, 0, 255)
    picture = np.asarray(decode(encoded(Image.fromarray(pixels), "PNG")).image)
    assert (picture[1:] == 255).all() and (picture[0, :32] == 0).all()


def test_exif_orientation_is_applied():
    exif = Image.Exif()
    exif[0x0112] = 6  # rotate by 90 degrees to see it upright
    assert decode(encoded(PHOTO, "JPEG", exif=exif)).image.size == (48, 64)


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", "not a picture"),
        (b"<html>no</html>", "not a picture"),
        (b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n", "not a picture"),
        (encoded(PHOTO, "TIFF"), "not a picture"),
        (JPEG[: len(JPEG) // 2], "broken"),
        (PNG[: len(PNG) // 2], "broken"),
        (encoded(Image.new("RGB", (64, 64), "grey"), "PNG"), "blank"),
        (encoded(Image.new("1", (20_000, 20_000)), "PNG"), "too many pixels"),
    ],
)
def test_what_cannot_be_used_has_its_reason(data, reason):
    with pytest.raises(Rejected, match=f"^{reason}$"):
        decode(data)


def test_a_bad_png_checksum_is_broken():
    middle = PNG.index(b"IDAT") + 200
    with pytest.raises(Rejected, match="broken"):
        decode(PNG[:middle] + bytes([PNG[middle] ^ 255]) + PNG[middle + 1 :])


def test_small_pictures_are_rejected_by_their_shorter_side():
    assert decode(JPEG, min_side=48)
    with pytest.raises(Rejected, match="too small"):
        decode(JPEG, min_side=49)


@given(st.binary(max_size=200), st.sampled_from([JPEG, PNG, encoded(PHOTO, "GIF"), encoded(PHOTO, "WEBP")]), st.data())
def test_any_damage_gives_a_picture_or_a_reason(junk, data, draw):
    at = draw.draw(st.integers(0, len(data)))
    try:
        assert decode(data[:at] + junk + data[at + len(junk) :]).image.mode == "RGB"
    except Rejected as reason:
        assert str(reason)


def test_the_square_is_the_centre_and_uint8():
    wide = np.zeros((40, 120, 3), dtype=np.uint8)
    wide[:, 40:80] = 255
    square = to_square(Image.fromarray(wide), 8)
    assert square.shape == (8, 8, 3) and square.dtype == np.uint8
    assert (square == 255).all()  # nothing of the black sides
