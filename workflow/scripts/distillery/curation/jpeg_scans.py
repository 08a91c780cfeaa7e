"""Reject JPEG files with too many scans: each scan is a pass over all pixels, so a small file can take hours to decode.

Encoders write one scan, or about ten for a progressive JPEG. An empty scan needs only about a hundred bytes.
"""

from __future__ import annotations

import re

MAX_SCANS = 100
START = b"\xff\xd8\xff"
START_OF_SCAN = b"\xff\xda"
# the marker that ends the data of a scan; not a restart marker, an escaped byte 255 of the data, or a fill byte
MARKER = re.compile(rb"\xff[^\x00\xd0-\xd7\xff]")
ALONE = frozenset(b"\x01\xd0\xd1\xd2\xd3\xd4\xd5\xd6\xd7\xd8")  # markers without a segment after them
END = 0xD9


def has_too_many_scans(data: bytes) -> bool:
    """Whether this is a JPEG with more than `MAX_SCANS` scans."""
    if not data.startswith(START) or data.count(START_OF_SCAN) <= MAX_SCANS:
        return False
    return _count_scans(data) > MAX_SCANS  # the marker's bytes may also occur in an embedded thumbnail or profile


def _count_scans(data: bytes) -> int:
    """The number of scans of a JPEG. It reads the segments from marker to marker up to the end of the image."""
    scans, at = 0, 2
    while marker := MARKER.search(data, at):
        kind, at = data[marker.start() + 1], marker.end()
        if kind == END:
            break
        scans += kind == START_OF_SCAN[1]
        if kind not in ALONE:
            at += int.from_bytes(data[at : at + 2])  # the segment's length, including these two bytes
    return scans
