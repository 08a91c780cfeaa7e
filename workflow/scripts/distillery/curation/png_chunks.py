"""Leave out those chunks of a PNG that no pixel needs: Pillow refuses a PNG whose text or profile is large or damaged.

Browsers and libpng show such images. A chunk is ancillary if its name begins with a small letter (PNG, 5.4).
"""

from __future__ import annotations

import struct
import zlib

SIGNATURE = b"\x89PNG\r\n\x1a\n"
NEEDED = (b"tRNS", b"iCCP", b"eXIf", b"gAMA", b"sRGB")  # transparency, colors, orientation
MAX_PROFILE_BYTES = 1_000_000  # decompressed; Pillow's limit is 1 MiB
MAX_ANCILLARY_BYTES = 4_000_000  # of one chunk


def without_needless_chunks(data: bytes) -> bytes:
    """A PNG with its critical chunks and those of `NEEDED` that are intact; any other data unchanged.

    Critical chunks stay as they are, damaged or not, and so does what cannot be read as chunks.
    """
    if not data.startswith(SIGNATURE):
        return data
    kept, at = [SIGNATURE], len(SIGNATURE)
    while at + 12 <= len(data):
        length, name = struct.unpack_from(">I4s", data, at)
        end = at + 12 + length
        if not name.isalpha() or end > len(data):
            break
        critical = name[:1].isupper()
        if critical or (name in NEEDED and _is_intact(name, data[at:end])):
            kept.append(data[at:end])
        at = end
        if name == b"IEND":
            return b"".join(kept)
    return b"".join(kept) + data[at:]


def _is_intact(name: bytes, chunk: bytes) -> bool:
    """Whether the checksum of a chunk is right, and the profile in it can be read."""
    if len(chunk) > MAX_ANCILLARY_BYTES or zlib.crc32(chunk[4:-4]) != struct.unpack(">I", chunk[-4:])[0]:
        return False
    if name != b"iCCP":
        return True
    _, separator, compressed = chunk[8:-4].partition(b"\0")
    decompressor = zlib.decompressobj()
    try:
        profile = decompressor.decompress(compressed[1:], MAX_PROFILE_BYTES)
    except zlib.error:
        return False
    return bool(separator and profile) and decompressor.eof
