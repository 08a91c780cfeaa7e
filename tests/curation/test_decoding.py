"""Any bytes become an upright RGB image or a reason for rejection, never another exception."""

import io
import struct

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image, ImageOps

from distillery.curation.decoding import Rejected, decode, to_square
from distillery.curation.duplicates import perceptual_hashes


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
    image = decode(encoded(PHOTO, format))
    assert (image.format, image.width, image.height, image.image.mode) == (format, 64, 48, "RGB")


@pytest.mark.parametrize("mode", ["1", "L", "P", "RGBA", "LA"])
def test_every_mode_becomes_rgb(mode):
    assert decode(encoded(PHOTO.convert(mode), "PNG")).image.mode == "RGB"


def test_cmyk_becomes_rgb():
    assert decode(encoded(PHOTO.convert("CMYK"), "JPEG")).image.mode == "RGB"


def test_16_bit_gray_is_scaled_not_clipped():
    ramp = np.linspace(0, 65535, 64 * 64).reshape(64, 64).astype(np.uint16)
    gray = np.asarray(decode(encoded(Image.fromarray(ramp), "PNG")).image)[..., 0]
    assert abs(gray.astype(int) - (ramp / 257).round()).max() <= 1


def test_alpha_is_composited_over_white():
    pixels = noise(channels=4)
    pixels[..., 3] = 0
    pixels[0, :32] = (0, 0, 0, 255)
    image = np.asarray(decode(encoded(Image.fromarray(pixels), "PNG")).image)
    assert (image[1:] == 255).all() and (image[0, :32] == 0).all()


def test_exif_orientation_is_applied():
    exif = Image.Exif()
    exif[0x0112] = 6  # rotate by 90 degrees to see it upright
    assert decode(encoded(PHOTO, "JPEG", exif=exif)).image.size == (48, 64)


@pytest.mark.parametrize("format", ["JPEG", "PNG", "WEBP"])
@pytest.mark.parametrize("orientation", range(10))
def test_every_orientation_matches_pillow(format, orientation):
    exif = Image.Exif()
    exif[0x0112] = orientation
    data = encoded(PHOTO, format, exif=exif)
    turned = ImageOps.exif_transpose(Image.open(io.BytesIO(data)))
    assert np.array_equal(decode(data).image, turned)


def exif_of(*entries: tuple[int, int, int, bytes]) -> bytes:
    """An EXIF block, little-endian, of any (tag, type, count, value) entries."""
    packed = b"".join(struct.pack("<HHI4s", *entry) for entry in entries)
    return b"Exif\0\0II*\0" + struct.pack("<IH", 8, len(entries)) + packed + bytes(4)


TURN = (0x0112, 3, 1, b"\6\0")


@pytest.mark.parametrize("format", ["JPEG", "PNG", "WEBP"])
@pytest.mark.parametrize(
    ("exif", "size"),
    [
        (exif_of((0x0100, 2, 4, b"640"), TURN), (48, 64)),  # a width that is text
        (exif_of(TURN)[:13], (64, 48)),
        (b"Exif\0\0no EXIF", (64, 48)),
    ],
)
def test_malformed_exif_does_not_reject_an_image(format, exif, size):
    assert decode(encoded(PHOTO, format, exif=exif)).image.size == size


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", "not an image"),
        (b"<html>no</html>", "not an image"),
        (b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n", "not an image"),
        (encoded(PHOTO, "TIFF"), "not an image"),
        (JPEG[: len(JPEG) // 2], "broken"),
        (PNG[: len(PNG) // 2], "broken"),
        (encoded(Image.new("RGB", (64, 64), "gray"), "PNG"), "blank"),
        (encoded(Image.new("1", (20_000, 20_000)), "PNG"), "too many pixels"),
    ],
)
def test_unusable_images_are_rejected_with_a_reason(data, reason):
    with pytest.raises(Rejected, match=f"^{reason}$"):
        decode(data)


def test_a_bad_png_checksum_is_broken():
    middle = PNG.index(b"IDAT") + 200
    with pytest.raises(Rejected, match="broken"):
        decode(PNG[:middle] + bytes([PNG[middle] ^ 255]) + PNG[middle + 1 :])


def test_small_images_are_rejected_by_their_shorter_side():
    assert decode(JPEG, min_side=48)
    with pytest.raises(Rejected, match="too small"):
        decode(JPEG, min_side=49)


@given(st.binary(max_size=200), st.sampled_from([JPEG, PNG, encoded(PHOTO, "GIF"), encoded(PHOTO, "WEBP")]), st.data())
def test_any_damage_gives_an_image_or_a_reason(junk, data, draw):
    at = draw.draw(st.integers(0, len(data)))
    try:
        assert decode(data[:at] + junk + data[at + len(junk) :]).image.mode == "RGB"
    except Rejected as reason:
        assert str(reason)


def photograph(seed: int, width: int, height: int) -> Image.Image:
    """Smooth shapes and a little noise, like a photograph."""
    rng = np.random.default_rng(seed)
    coarse = Image.fromarray(rng.integers(0, 256, (14, 18, 3), dtype=np.uint8))
    smooth = np.asarray(coarse.resize((width, height), Image.Resampling.BICUBIC), float)
    return Image.fromarray((smooth + rng.normal(0, 5, (height, width, 1))).clip(0, 255).astype(np.uint8))


@pytest.mark.parametrize("side", [16, 32, 64])
def test_a_large_jpeg_is_decoded_smaller_with_little_difference(side):
    for seed in range(4):
        data = encoded(photograph(seed, 1200, 900), "JPEG", quality=90)
        whole, reduced = decode(data), decode(data, side=side)
        assert (reduced.width, reduced.height) == (1200, 900) and min(reduced.image.size) >= 8 * side
        assert (reduced.image.size != whole.image.size) == (900 >= 16 * max(side, 32))
        drift = np.abs(to_square(whole.image, side).astype(int) - to_square(reduced.image, side))
        assert drift.mean() < 1.3
        hashes = [perceptual_hashes(image.image)[0] for image in (whole, reduced)]
        assert (hashes[0] ^ hashes[1]).bit_count() <= 2


def test_half_a_jpeg_is_broken_at_any_reduction():
    data = encoded(photograph(0, 1200, 900), "JPEG", quality=90)
    for side in (0, 16, 32, 64):
        with pytest.raises(Rejected, match="broken"):
            decode(data[: len(data) // 2], side=side)


def test_the_square_is_the_center_and_uint8():
    wide = np.zeros((40, 120, 3), dtype=np.uint8)
    wide[:, 40:80] = 255
    square = to_square(Image.fromarray(wide), 8)
    assert square.shape == (8, 8, 3) and square.dtype == np.uint8
    assert (square == 255).all()  # none of the black sides
