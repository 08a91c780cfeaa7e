"""Put a SHA-256 digest inside an exported ONNX file, since users copy the file without the digest beside it.

The digest is a metadata entry, `sha256`, in the file's first bytes, and covers all bytes after it. The file is still
valid ONNX: a protobuf message, whose fields may come in any order. A truncated file still has its digest.
"""

from __future__ import annotations

import hashlib

KEY = "sha256"
# field metadata_props of ModelProto, an entry of 74 bytes: the key, and a value of 64 characters
HEAD = b"\x72\x4a" + b"\x0a\x06" + KEY.encode() + b"\x12\x40"
LENGTH = len(HEAD) + 64


def with_digest(model: bytes) -> bytes:
    """The bytes of an ONNX file, with their digest put in front."""
    return HEAD + hashlib.sha256(model).hexdigest().encode() + model


def onnx_is_whole(data: bytes) -> bool:
    """Whether an ONNX file's bytes match the digest in them; True if they have none."""
    if not data.startswith(HEAD):
        return True
    return data[len(HEAD) : LENGTH] == hashlib.sha256(memoryview(data)[LENGTH:]).hexdigest().encode()
