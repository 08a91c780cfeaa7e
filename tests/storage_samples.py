"""The bytes of two small images, and the record of a fetched image."""

import hashlib

from distillery.storage.records import ImageRecord

JPEG = b"\xff\xd8\xff\xe0 one"
PNG = b"\x89PNG\r\n\x1a\n two"


def fetched(data: bytes, **known) -> ImageRecord:
    """The record of an image with these bytes."""
    digest = hashlib.sha256(data).hexdigest()
    return ImageRecord("bing", "cat", "bing", "http://a/1", key=digest[:16], sha256=digest, bytes=len(data), **known)
