"""A digest inside an exported ONNX file, which is copied to where its folder and the digests in it are not.

It stands in the file's first bytes, as the metadata `sha256` of all bytes behind it: ONNX is a protobuf message, whose
fields may come in any order. So a cut file has its digest still.
"""

from __future__ import annotations

import hashlib

KEY = "sha256"
# field metadata_props of ModelProto, an entry of 74 bytes: its key, and a value of 64 characters
HEAD = b"\x72\x4a" + b"\x0a\x06" + KEY.encode() + b"\x12\x40"
LENGTH = len(HEAD) + 64


def with_digest(model: bytes) -> bytes:
    """The bytes of an ONNX file, with their digest before them."""
    return HEAD + hashlib.sha256(model).hexdigest().encode() + model


def onnx_is_whole(data: bytes) -> bool:
    """Whether the bytes of a file are those that `with_digest` gave, or have no digest."""
    if not data.startswith(HEAD):
        return True
    return data[len(HEAD) : LENGTH] == hashlib.sha256(memoryview(data)[LENGTH:]).hexdigest().encode()
