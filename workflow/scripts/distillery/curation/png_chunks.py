"""Remove needless chunks of a PNG, because Pillow rejects a PNG whose text or color profile is large or damaged.

Browsers and libpng show such images. A chunk is ancillary, so not needed to decode pixels, if its name begins with a
lowercase letter (PNG specification, 5.4).
"""

from __future__ import annotations

import struct
import zlib

SIGNATURE = b"\x89PNG\r\n\x1a\n"
NEEDED = (b"tRNS", b"iCCP", b"eXIf", b"gAMA", b"sRGB")  # ancillary chunks for transparency, colors and orientation
MAX_PROFILE_BYTES = 1_000_000  # decompressed; Pillow's limit is 1 MiB
MAX_ANCILLARY_BYTES = 4_000_000  # size of one chunk


def without_needless_chunks(data: bytes) -> bytes:
    """A PNG with only its critical chunks and the intact chunks of `NEEDED`; data that is no PNG is returned unchanged.

    Critical chunks stay even if they are damaged, and so do all bytes from the first place that is no valid chunk.
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
    """Whether a chunk is small enough, has the right checksum and, for iCCP, contains a profile that can be read."""
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
