"""Measure the CPU seconds and the seconds to fetch a list of addresses, against img2dataset's downloader.

    PYTHONPATH=workflow/scripts python benchmarks/downloading.py [--images 2000] [--hosts 200] [--rounds 3]
        [--img2dataset PYTHON]

A separate process serves JPEGs of about 30 kB on loopback. Ours fetches them as a source of kind `urls` does, with
provenance, into a store and a pool. If PYTHON is the interpreter of an environment with img2dataset, its downloader
takes turns with ours: the same images, 8 threads, no resizing, a webdataset shard. Hosts are names under .test for
ours, and 127.0.0.1 to 127.0.0.{n} for img2dataset.
"""

# 2,000 JPEGs of 32 kB, 200 hosts, 8 threads, 2 cores of an EPYC under a load of about 12 (one pair): ours took 4.3 s of
# CPU and 6.3 s, img2dataset 1.47.0 took 9.5 s of CPU and 15.6 s. Both times include starting the processes.

from __future__ import annotations

import argparse
import io
import json
import multiprocessing
import resource
import statistics
import subprocess
import tempfile
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

SIDE = 256
THREADS = 8
THEIRS = """
import json, resource, sys, time
from img2dataset.main import download

if __name__ == "__main__":
    before, started = resource.getrusage(resource.RUSAGE_SELF), time.monotonic()
    children = resource.getrusage(resource.RUSAGE_CHILDREN)
    download(url_list=sys.argv[1], output_folder=sys.argv[2], processes_count=1, thread_count=THREADS,
             resize_mode="no", skip_reencode=True, output_format="webdataset", number_sample_per_shard=100000,
             enable_wandb=False, compute_hash="sha256", extract_exif=False, retries=0)
    seconds = time.monotonic() - started
    after, ended = resource.getrusage(resource.RUSAGE_SELF), resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu = sum(b.ru_utime + b.ru_stime - a.ru_utime - a.ru_stime for a, b in ((before, after), (children, ended)))
    print("\\n" + json.dumps([cpu, seconds]))
"""


class _Images(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    images: list[bytes] = []

    def do_GET(self) -> None:
        body = self.images[int(self.path.strip("/").partition(".")[0]) % len(self.images)]
        head = f"HTTP/1.1 200 OK\r\nContent-Type: image/jpeg\r\nContent-Length: {len(body)}\r\n\r\n"
        self.wfile.write(head.encode() + body)

    def log_message(self, *args: object) -> None:
        pass


class _Server(ThreadingHTTPServer):
    daemon_threads, request_queue_size = True, 512

    def handle_error(self, *args: Any) -> None:
        pass  # clients close their connections


def serve(count: int, pipe: Any) -> None:
    """Serve `count` different JPEGs on all loopback addresses; send the port and the mean size in bytes to `pipe`."""
    rng = np.random.default_rng(0)
    for _ in range(count):
        small = Image.fromarray(rng.integers(0, 256, (40, 40, 3), dtype=np.uint8))
        buffer = io.BytesIO()
        small.resize((SIDE, SIDE), Image.Resampling.BICUBIC).save(buffer, "JPEG", quality=95)
        _Images.images.append(buffer.getvalue())
    server = _Server(("0.0.0.0", 0), _Images)
    pipe.send((server.server_address[1], statistics.mean(map(len, _Images.images))))
    server.serve_forever()


def ours(port: int, images: int, hosts: int, folder: Path) -> tuple[float, float]:
    """CPU seconds and seconds of our fetching, in a separate process."""
    here, there = multiprocessing.Pipe(duplex=False)
    process = multiprocessing.Process(target=_fetch, args=(port, images, hosts, folder, there))
    process.start()
    spent = here.recv()
    process.join()
    return spent


def _fetch(port: int, images: int, hosts: int, folder: Path, pipe: Any) -> None:
    from distillery.config.defaults import source_defaults
    from distillery.sources.address_lists import fetch_addresses
    from distillery.storage.retrieved.pools import write_pool
    from distillery.storage.retrieved.store import Store

    listed = folder / "list.txt"
    listed.write_text("".join(f"frog http://h{n % hosts}.test/{n}.jpg\n" for n in range(images)))
    source = source_defaults("urls") | {"contact": "", "path": listed, "per_class": 0}
    before, started = resource.getrusage(resource.RUSAGE_SELF), time.monotonic()
    entries = fetch_addresses(source, "listed", "frog", Store(folder / "store"), port)
    assert write_pool(folder / "frog.tar", folder / "frog.jsonl", entries) == images
    seconds, after = time.monotonic() - started, resource.getrusage(resource.RUSAGE_SELF)
    pipe.send((after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime, seconds))


def theirs(python: str, port: int, images: int, hosts: int, folder: Path) -> tuple[float, float]:
    """CPU seconds and seconds of img2dataset's downloader, which the interpreter `python` runs."""
    listed, script = folder / "list.txt", folder / "download.py"
    listed.write_text("".join(f"http://127.0.0.{n % hosts + 1}:{port}/{n}.jpg\n" for n in range(images)))
    script.write_text(THEIRS.replace("THREADS", str(THREADS)))
    run = subprocess.run([python, script, listed, folder / "out"], capture_output=True, text=True, check=True)
    stats = json.loads(next((folder / "out").glob("*_stats.json")).read_text())
    assert stats["successes"] == images, stats
    return tuple(json.loads(run.stdout.strip().splitlines()[-1]))


def main() -> None:
    """Run the command line that the module's docstring describes."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--images", type=int, default=2000)
    parser.add_argument("--hosts", type=int, default=200)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--img2dataset", metavar="PYTHON", help="interpreter of an environment with img2dataset")
    options = parser.parse_args()
    here, there = multiprocessing.Pipe(duplex=False)
    server = multiprocessing.Process(target=serve, args=(options.images, there), daemon=True)
    server.start()
    port, size = here.recv()
    print(f"{options.images} JPEGs of {size / 1e3:.0f} kB on {options.hosts} hosts, {THREADS} threads")
    found: dict[str, list[tuple[float, float]]] = {}
    for _ in range(options.rounds):
        with tempfile.TemporaryDirectory() as folder:
            found.setdefault("ours", []).append(ours(port, options.images, options.hosts, Path(folder)))
        if options.img2dataset:
            with tempfile.TemporaryDirectory() as folder:
                spent = theirs(options.img2dataset, port, options.images, options.hosts, Path(folder))
                found.setdefault("img2dataset", []).append(spent)
    for name, times in found.items():
        cpu, seconds = (statistics.median(column) for column in zip(*times, strict=True))
        print(f"{name:12} {cpu:6.2f} s of CPU, {seconds:6.2f} s; {1e3 * cpu / options.images:.2f} ms an image")
    server.terminate()


if __name__ == "__main__":
    main()
