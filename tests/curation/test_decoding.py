"""Any bytes become an upright RGB image or are rejected with a reason; nothing else is raised."""

import io
import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from image_pairs import near_pairs_of
from PIL import Image, ImageCms, ImageOps

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


@pytest.mark.parametrize("format", ["JPEG", "PNG", "WEBP", "GIF", "BMP", "TIFF", "AVIF", "JPEG2000"])
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
        (encoded(PHOTO, "PPM"), "not an image"),
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


DAMAGED = [JPEG, PNG, *(encoded(PHOTO, format) for format in ("GIF", "WEBP", "TIFF", "AVIF", "JPEG2000"))]


@given(st.binary(max_size=200), st.sampled_from(DAMAGED), st.data())
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
        assert len(near_pairs_of([whole.image, reduced.image])) == 1


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


# --- PNGs whose other chunks are large or damaged ---------------------------------------------------------------------


def with_chunk(name: bytes, content: bytes, checksum: int | None = None) -> bytes:
    """The PNG with one more chunk after its header."""
    crc = zlib.crc32(name + content) if checksum is None else checksum
    chunk = struct.pack(">I", len(content)) + name + content + struct.pack(">I", crc)
    return PNG[:33] + chunk + PNG[33:]


TEXT = np.random.default_rng(1).bytes(1_200_000)


@pytest.mark.parametrize(
    "data",
    [
        with_chunk(b"tEXt", b"Comment\0hello", checksum=7),
        with_chunk(b"zTXt", b"Comment\0\0" + zlib.compress(bytes(1_200_000))),
        with_chunk(b"iTXt", b"XML:com.adobe.xmp\0\0\0\0\0" + b"x" * 1_200_000),
        with_chunk(b"iCCP", b"profile\0\0" + zlib.compress(TEXT)),
        with_chunk(b"iCCP", b"profile\0\0no profile"),
        with_chunk(b"iCCP", b"profile\0\0" + zlib.compress(b"no profile")),
        with_chunk(b"gAMA", b"\0", checksum=7),
        with_chunk(b"teST", TEXT + TEXT),
    ],
    ids=["checksum of text", "zTXt", "iTXt", "iCCP", "no iCCP", "no profile", "checksum of gamma", "private"],
)
def test_other_chunks_of_a_png_do_not_reject_it(data):
    assert np.array_equal(np.asarray(decode(data).image), noise())


CASES = Path(__file__).parents[3] / "shared/cases"


@pytest.mark.skipif(not CASES.exists(), reason="the inputs in ../shared/cases are missing")
@pytest.mark.parametrize("name", ["bad_crc_in_text", "metadata_ztxt_1.2MB", "metadata_xmp_1.2MB"])
def test_the_shared_cases_show_the_good_image(name):
    good, found = (np.asarray(decode((CASES / f"{each}.png").read_bytes()).image) for each in ("good", name))
    assert np.array_equal(good, found)


def test_a_png_without_an_end_is_broken_or_whole():
    for data in (PNG[:-12], PNG[:-6]):
        assert np.array_equal(np.asarray(decode(data).image), noise())
    with pytest.raises(Rejected, match="broken"):
        decode(PNG[:200])


def test_transparency_and_orientation_of_a_png_are_kept():
    palette = Image.fromarray(noise()).quantize(8)
    data = encoded(palette, "PNG", transparency=0)
    assert (np.asarray(decode(data).image)[np.asarray(palette) == 0] == 255).all()


# --- color profiles ---------------------------------------------------------------------------------------------------

# The four numbers of each color: D50 chromaticities of Adobe RGB (1998), from its specification
ADOBE = {
    b"rXYZ": (0.60974, 0.31111, 0.01947),
    b"gXYZ": (0.20528, 0.62567, 0.06087),
    b"bXYZ": (0.14919, 0.06322, 0.74457),
}


def adobe_rgb() -> bytes:
    """A profile of Adobe RGB (1998): sRGB's with other primaries and a gamma of 563/256."""
    s15 = lambda values: b"".join(struct.pack(">i", round(value * 65536)) for value in values)  # noqa: E731
    tags = {
        b"desc": b"desc\0\0\0\0" + struct.pack(">I", 12) + b"Adobe RGB!!\0" + bytes(78),
        b"wtpt": b"XYZ \0\0\0\0" + s15((0.9642, 1, 0.8249)),
        **{name: b"XYZ \0\0\0\0" + s15(values) for name, values in ADOBE.items()},
        **{name: b"curv\0\0\0\0\0\0\0\1" + struct.pack(">H", 563) + b"\0\0" for name in (b"rTRC", b"gTRC", b"bTRC")},
    }
    table, body, at = b"", b"", 128 + 4 + 12 * len(tags)
    for name, content in tags.items():
        content += bytes(-len(content) % 4)
        table += name + struct.pack(">II", at + len(body), len(content))
        body += content
    head = struct.pack(">I4sI4s4s4s", at + len(body), b"lcms", 0x02100000, b"mntr", b"RGB ", b"XYZ ") + bytes(12)
    head += b"acsp" + bytes(28) + s15((0.9642, 1, 0.8249)) + bytes(48)
    return head + struct.pack(">I", len(tags)) + table + body


@pytest.mark.parametrize("format", ["JPEG", "PNG", "WEBP", "TIFF"])
def test_wide_gamut_colors_become_srgb(format):
    """sRGB's pure red is (219, 0, 0) in Adobe RGB, and its gray stays gray."""
    pixels = noise()
    pixels[:24], pixels[24:] = (219, 0, 0), (128, 128, 128)
    options = {"quality": 100, "subsampling": 0} if format == "JPEG" else {"lossless": True} if format == "WEBP" else {}
    data = encoded(Image.fromarray(pixels), format, icc_profile=adobe_rgb(), **options)
    found = np.asarray(decode(data).image)
    assert np.abs(found[10, 10].astype(int) - (255, 0, 0)).max() <= 3
    assert np.abs(found[40, 10].astype(int) - 128).max() <= 2
    plain = np.asarray(decode(encoded(Image.fromarray(pixels), format, **options)).image)
    assert np.abs(plain[10, 10].astype(int) - (219, 0, 0)).max() <= 3


def test_srgb_s_own_profile_and_unusable_ones_change_nothing():
    srgb = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    gray = encoded(PHOTO.convert("L"), "PNG", icc_profile=adobe_rgb())  # a profile of another color space
    assert np.array_equal(np.asarray(decode(gray).image)[..., 0], np.asarray(PHOTO.convert("L")))
    for profile in (srgb, b"no profile", adobe_rgb()[:200]):
        assert np.array_equal(np.asarray(decode(encoded(PHOTO, "PNG", icc_profile=profile)).image), noise())


def test_alpha_survives_a_profile():
    pixels = noise(channels=4)
    pixels[..., 3] = 255
    pixels[:, :32, 3] = 0
    found = np.asarray(decode(encoded(Image.fromarray(pixels), "PNG", icc_profile=adobe_rgb())).image)
    assert (found[:, :32] == 255).all() and not (found[:, 32:] == 255).all()


@pytest.mark.parametrize("scale", [1, 255])
def test_a_tiff_of_numbers_with_a_fraction(scale):
    gray = noise(channels=1)[..., 0]
    data = encoded(Image.fromarray((gray / 255 * scale).astype(np.float32)), "TIFF")
    assert np.array_equal(np.asarray(decode(data).image)[..., 0], gray)
