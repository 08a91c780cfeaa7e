"""Data sets in the form of the Hugging Face hub, and an imitated hub on this machine, for tests."""

import hashlib
import io
import json
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from PIL import Image

COMMIT = "0123456789abcdef0123456789abcdef01234567"


def image_bytes(seed: int) -> bytes:
    file = io.BytesIO()
    Image.fromarray(np.random.default_rng(seed).integers(0, 256, (12, 16, 3), dtype=np.uint8)).save(file, "PNG")
    return file.getvalue()


def write_parquet_images(path, labels, first=0, names=("cat", "dog", "ship"), image="image", label="label", data=None):
    """Write a parquet file as `datasets` does: images as structs, labels as numbers with names in the metadata.

    Row groups have four rows; the image of row i has the seed `first` + i.
    """
    values = [{"bytes": image_bytes(first + row), "path": f"{row}.png"} for row in range(len(labels))]
    for row, content in (data or {}).items():
        values[row] = {"bytes": content, "path": None}
    struct = pa.struct([("bytes", pa.binary()), ("path", pa.string())])
    table = pa.table({image: pa.array(values, struct), label: pa.array(labels)})
    if names:
        features = {image: {"_type": "Image"}, label: {"names": list(names), "_type": "ClassLabel"}}
        table = table.replace_schema_metadata({"huggingface": json.dumps({"info": {"features": features}})})
    Path(path).parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(table, path, row_group_size=4)
    return Path(path)


class Hub(ThreadingHTTPServer):
    """Responds to requests about one data set as the hub does.

    Args:
        files: revision → name → bytes.
        status: if not 200, the status and X-Error-Code of all responses about the data set.
    """

    daemon_threads = True
    block_on_close = False

    def __init__(self, files, status=200, code=""):
        super().__init__(("127.0.0.1", 0), _HubHandler)
        self.files, self.status, self.code, self.asked = files, status, code, []


class _HubHandler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_HEAD(self):
        self.do_GET()

    def do_GET(self):
        self.server.asked.append(f"{self.command} {self.path}")
        path = self.path.partition("?")[0]
        if self.server.status != 200:
            return self.give(b"{}", self.server.status, {"X-Error-Code": self.server.code, "X-Error-Message": "no"})
        if path.startswith("/api/datasets/some/set"):
            rest = path.removeprefix("/api/datasets/some/set")
            if rest == "/auth-check":
                return self.give(b"")
            revision = rest.removeprefix("/revision/").replace("%2F", "/") or "main"
            if revision not in self.server.files:
                return self.give(b"{}", 404, {"X-Error-Code": "RevisionNotFound"})
            siblings = [{"rfilename": name} for name in self.server.files[revision]]
            about = {
                "id": "some/set",
                "sha": COMMIT,
                "siblings": siblings,
                "private": False,
                "gated": False,
                "tags": ["size_categories:1K", "license:cc-by-sa-3.0"],
            }
            return self.give(json.dumps(about).encode())
        for files in self.server.files.values():
            for name, data in files.items():
                if path == f"/datasets/some/set/resolve/{COMMIT}/{name}":
                    etag = f'"{hashlib.sha256(data).hexdigest()}"'
                    return self.give(data, headers={"ETag": etag, "X-Repo-Commit": COMMIT})
        return self.give(b"{}", 404, {"X-Error-Code": "RepoNotFound"})

    def give(self, body, status=200, headers=None):
        self.send_response(status)
        for name, value in {
            "Content-Length": str(len(body)),
            "Content-Type": "application/json",
            **(headers or {}),
        }.items():
            self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def log_message(self, *args):
        pass
