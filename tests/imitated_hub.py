"""Imitate the Hugging Face hub on this machine: some models are gated, others accessible, with sizes of files."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


@contextmanager
def serve_hub(sizes: Mapping[str, int], gated: frozenset[str]) -> Iterator[str]:
    """Respond to requests about models within a `with` block; yields the address for HF_ENDPOINT.

    Args:
        sizes: model → bytes of its denoiser's weights; other models do not exist.
        gated: models whose license nobody has accepted.
    """

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            parts = self.path.partition("?")[0].removeprefix("/api/models/").split("/")
            model = "/".join(parts[:2])
            if model in gated and parts[2:] == ["auth-check"]:
                self._send(403, {"error": "gated"}, ("X-Error-Code", "GatedRepo"))
            elif model in sizes | dict.fromkeys(gated, 0):
                files = [{"rfilename": "unet/diffusion_pytorch_model.safetensors", "size": sizes.get(model, 0)}]
                self._send(200, {"id": model, "siblings": files})
            else:
                self._send(404, {"error": "not found"}, ("X-Error-Code", "RepoNotFound"))

        def _send(self, status: int, answer: object, *headers: tuple[str, str]) -> None:
            body = json.dumps(answer).encode()
            self.send_response(status)
            for name, value in (("Content-Type", "application/json"), ("Content-Length", str(len(body))), *headers):
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *args: object) -> None:
            """Log nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        server.server_close()
