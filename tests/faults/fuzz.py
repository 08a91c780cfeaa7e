"""Feed randomly changed files to every reader of foreign files: each is read, or refused with the reader's own error.

    python tests/faults/fuzz.py decoder [--minutes 10] [--first 0]

A reader may raise only its own errors, each one line; it may not crash, and no input may take more than `SECONDS` of
CPU time. Input number n is the same on every machine, so a fault can be repeated by its number. Each fault is printed;
the exit status is 1 if there is one. `test_fuzz.py` runs the first inputs of every reader.
"""

from __future__ import annotations

import argparse
import atexit
import gzip
import io
import json
import logging
import multiprocessing
import plistlib
import random
import sys
import tempfile
import time
import zipfile
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from email.mime.text import MIMEText
from functools import cache
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import yaml
from PIL import Image, ImageDraw

ROOT = Path(__file__).parents[2]
SECONDS = 5.0  # of CPU time for one input
LONGEST = 100_000  # most bytes of an input; longer seeds are cut, which is a change too
# bytes and texts on which parsers often fail
MARKS = (
    *(b"\0", b"\xff", b"\xff\xfe", b"\xed\xa0\x80", b"\r", b"\n", b"\t", b" " * 99, b"9" * 99, b"-1", b"1e999", b"NaN"),
    *(b'"', b"'", b"\\", b"\\u0000", b"\\ud800", b"[" * 99, b"{" * 99, b"(" * 99, b"<" * 99, b"<a " * 99, b"&#x0;"),
    *(b"<!--", b"]]>", b"</script>", b"<![CDATA[", b"=\r\n", b"https://[::1", b"http://a:99999999/", b"\xe2\x80\xae"),
    *(b"&a *a", b"!!python/object:os.system", b"? ", b"|\n", b": ", b"- ", b"0x10", b"0o7", b"2026-13-45", b"null"),
    *(b"\xff\xd8\xff", b"\x7f\xff\xff\xff", b"%00"),
)  # fmt: skip

Read = Callable[[bytes], object]


@dataclass(frozen=True)
class Reader:
    """A reader of files, with inputs to change.

    Attributes:
        seeds: name → valid input.
        read: kind of a seed (its name before the first dot) → function that reads it.
        refusals: the errors that the functions may raise.
    """

    seeds: Mapping[str, bytes]
    read: Mapping[str, Read]
    refusals: tuple[type[Exception], ...]

    def name_of(self, number: int) -> str:
        """The seed of an input."""
        return sorted(self.seeds)[number % len(self.seeds)]

    def input_of(self, number: int) -> bytes:
        """Input number n: a seed with one to eight changes."""
        rng = random.Random(number)
        data = self.seeds[self.name_of(number)][:LONGEST]
        for _ in range(rng.choice((1, 1, 2, 3, 8))):
            data = changed(data, rng)
        return data

    def fault_of(self, number: int) -> str:
        """What is wrong with how a reader handles an input; empty if nothing is."""
        data, read = self.input_of(number), self.read[self.name_of(number).partition(".")[0]]
        started = time.process_time()
        try:
            read(data)
        except self.refusals as refusal:
            if "\n" in str(refusal).strip() or len(str(refusal)) > 2000:
                return f"refused in more than a line: {str(refusal)[:200]!r}"
        except BaseException as error:
            return f"{type(error).__name__}: {str(error)[:200]}"
        taken = time.process_time() - started
        return f"{taken:.1f} s of CPU time" if taken > SECONDS else ""


def changed(data: bytes, rng: random.Random) -> bytes:
    """The data with one change at a random place."""
    place, length = rng.randrange(len(data) + 1), rng.choice((1, 4, 30, 300))
    match rng.randrange(8):
        case 0:
            return data[:place]
        case 1:
            return data[:place] + data[place + length :]
        case 2:
            return data[:place] + rng.choice(MARKS) + data[place:]
        case 3:
            return data[:place] + rng.choice(MARKS) + data[place + length :]
        case 4:
            return data[:place] + data[place : place + length] * rng.choice((2, 20)) + data[place + length :]
        case 5:
            other = rng.randrange(len(data) + 1)
            return data[:place] + data[other : other + length] + data[place:]
        case 6:
            return data[:place] + rng.randbytes(length) + data[place + length :]
    flipped = bytearray(data)
    for _ in range(rng.choice((1, 8)) if data else 0):
        flipped[rng.randrange(len(flipped))] ^= 1 << rng.randrange(8)
    return bytes(flipped)


# --- the readers ------------------------------------------------------------------------------------------------------


def photo(format: str, **settings: object) -> bytes:
    """A small drawing with details as an image file."""
    image = Image.effect_mandelbrot((96, 64), (-2, -1, 1, 1), 60).convert("RGB")
    ImageDraw.Draw(image).ellipse((20, 10, 60, 50), fill=(200, 30, 90))
    buffer = io.BytesIO()
    image.save(buffer, format, **settings)
    return buffer.getvalue()


@cache
def scratch() -> Path:
    """A folder that is removed when the process ends."""
    folder = tempfile.TemporaryDirectory(prefix="fuzz")
    atexit.register(folder.cleanup)
    return Path(folder.name)


@cache
def decoder() -> Reader:
    """The decoder of images, with every format it reads."""
    from distillery.curation.decoding import Rejected, decode, to_square

    exif = Image.Exif()
    exif[0x0112] = 6
    seeds = {f"image.{name}": photo(name) for name in ("JPEG", "PNG", "WEBP", "GIF", "BMP", "TIFF", "AVIF", "JPEG2000")}
    seeds |= {
        "image.progressive": photo("JPEG", progressive=True, exif=exif),
        "image.lossless": photo("WEBP", lossless=True),
    }
    seeds |= {
        "image.packed": photo("TIFF", compression="tiff_lzw"),
        "image.fax": photo("TIFF", compression="tiff_adobe_deflate"),
    }

    def read(data: bytes) -> np.ndarray:
        square = to_square(decode(data, min_side=8, side=32).image, 32)
        assert square.shape == (32, 32, 3) and square.dtype == np.uint8
        return square

    return Reader(seeds, {"image": read}, (Rejected,))


@cache
def config() -> Reader:
    """The loader of configurations."""
    from distillery.config.reading import load_config
    from distillery.jobs import UserError

    path = scratch() / "config.yaml"
    whole = yaml.safe_load((ROOT / "demo" / "config.yaml").read_text())
    small = {
        key: whole[key] for key in ("title", "classes", "sources", "split", "teacher", "scenarios") if key in whole
    }
    seeds = {"study.small": yaml.safe_dump(small, sort_keys=False).encode()}
    seeds |= {"study.demo": (ROOT / "demo" / "config.yaml").read_bytes(), "study.json": json.dumps(small).encode()}

    def read(data: bytes) -> object:
        path.write_bytes(data)
        return load_config(path)

    return Reader(seeds, {"study": read}, (UserError,))


@cache
def parsers() -> Reader:
    """Pages of searches, saved pages, lists of addresses, records, pools, archives and tables."""
    from distillery.curation.decoding import can_be_decoded
    from distillery.file_digests import forget_digests
    from distillery.jobs import UserError
    from distillery.sources.address_lists import read_addresses
    from distillery.sources.engines import ENGINES
    from distillery.sources.folders.importing import import_folder
    from distillery.sources.network.headers import forbidden_use, retry_after
    from distillery.sources.pages.saved import saved_results
    from distillery.storage.parquet import read_rows, write_parquet
    from distillery.storage.records import ImageRecord
    from distillery.storage.retrieved.pools import image_key, read_pool, write_pool
    from distillery_demo.web_index import SearchIndex
    from distillery_demo.web_pages import SEARCHES

    folder = scratch()
    jpeg, query = photo("JPEG"), "frog"
    seeds: dict[str, bytes] = {}
    read: dict[str, Read] = {}

    def file_of(name: str, use: Callable[[Path], object]) -> Read:
        """A function that writes bytes to a file of this name and passes the file to `use`."""

        def write(data: bytes) -> object:
            path = folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(data)
            forget_digests([path])
            return use(path)

        return write

    for search, imitated in SEARCHES.items():
        results = SearchIndex({query: [query]}, 6, seed=3).find(search, query)
        seeds[f"{search}.page"] = imitated.page(results, query).encode()
        read[search] = ENGINES[search].parse
    page = seeds["google.page"].decode()
    entry = {
        "request": {"url": "https://www.google.com/search?q=frog"},
        "response": {"content": {"text": page, "mimeType": "text/html"}},
    }
    main = {"WebResourceData": page.encode(), "WebResourceMIMEType": "text/html"}
    message = MIMEText(page, "html", "utf-8")
    message["Content-Location"] = "https://www.google.com/search?q=frog"
    seeds |= {
        "html.saved": page.encode(),
        "har.saved": json.dumps({"log": {"entries": [entry]}}).encode(),
        "mhtml.saved": message.as_bytes(),
        "webarchive.saved": plistlib.dumps({"WebMainResource": main}, fmt=plistlib.FMT_BINARY),
        "gz.saved": gzip.compress(page.encode()),
    }
    for suffix in ("html", "har", "mhtml", "webarchive", "gz"):
        name = "1.html.gz" if suffix == "gz" else f"1.{suffix}"
        read[suffix] = file_of(f"{suffix}/frog/{name}", lambda path: saved_results(path.parents[1], "saved", "frog"))
    seeds["csv.addresses"] = b'class,url,title\nfrog,http://a.test/1.jpg,"a, b"\nfrog,http://a.test/2.jpg,c\n'
    seeds["txt.addresses"] = b"# mine\nfrog http://a.test/1 2.jpg\ncat http://a.test/3.jpg\n"
    for suffix in ("csv", "txt"):
        read[suffix] = file_of(f"list.{suffix}", lambda path: read_addresses(path, "urls", "frog"))
    seeds |= {
        "retry.header": b"Wed, 21 Oct 2026 07:28:00 GMT",
        "robots.header": b"otherbot: noindex, max-snippet: 3, noai",
    }
    read["retry"] = lambda data: retry_after({"retry-after": data.decode("latin-1")})
    read["robots"] = lambda data: forbidden_use(data.decode("latin-1"))

    record = ImageRecord(
        "bing", "frog", "bing", "http://a/1", key=image_key(jpeg), sha256=sha256(jpeg).hexdigest(), title="a frog"
    )
    shard, lines = folder / "frog.tar", folder / "frog.jsonl"
    write_pool(shard, lines, [(record, jpeg), (replace(record, failure="HTTP 404"), None)])
    seeds |= {"shard.pool": shard.read_bytes(), "lines.pool": lines.read_bytes()}
    whole = {shard: shard.read_bytes(), lines: lines.read_bytes()}

    def pool(data: bytes, changed: Path) -> object:
        for path, content in (whole | {changed: data}).items():
            path.write_bytes(content)
        forget_digests(whole)
        return list(read_pool(shard, lines))

    read |= {"shard": lambda data: pool(data, shard), "lines": lambda data: pool(data, lines)}
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("frog/1.jpg", jpeg)
        archive.writestr("frog/1.json", '{"title": "a frog"}')
    seeds |= {"zip.own": packed.getvalue(), "tar.own": shard.read_bytes()}
    for suffix in ("zip", "tar"):
        own = {"zip": "own.zip", "tar": "own/frog.tar"}[suffix]
        read[suffix] = file_of(
            own,
            lambda path: list(
                import_folder(
                    {"path": path if path.suffix == ".zip" else path.parent, "per_class": 0},
                    "own",
                    "frog",
                    can_be_decoded,
                )
            ),
        )
    schema = pa.schema([("name", pa.string()), ("row", pa.int32()), ("logits", pa.list_(pa.float32(), 2))])
    write_parquet(
        folder / "table.parquet",
        {"name": ["a", "b"] * 9, "row": range(18), "logits": np.ones((18, 2), np.float32)},
        schema,
    )
    seeds["parquet.table"] = (folder / "table.parquet").read_bytes()
    read["parquet"] = file_of("table.parquet", lambda path: read_rows(path, schema.names))
    return Reader(seeds, read, (UserError,))


READERS: dict[str, Callable[[], Reader]] = {"config": config, "decoder": decoder, "parsers": parsers}


# --- the campaign -----------------------------------------------------------------------------------------------------


def faults(reader: Reader, numbers: range) -> Iterator[tuple[int, str]]:
    """The numbers of inputs that a reader does not handle as it should, with what is wrong."""
    for number in numbers:
        if fault := reader.fault_of(number):
            yield number, f"{reader.name_of(number)}: {fault}"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("reader", choices=sorted(READERS))
    parser.add_argument("--minutes", type=float, default=10)
    parser.add_argument("--first", type=int, default=0)
    given = parser.parse_args()
    end, context = time.monotonic() + 60 * given.minutes, multiprocessing.get_context("fork")
    at, found = context.Value("q", given.first), context.Value("q", 0)
    while time.monotonic() < end:
        # in a separate process, because a decoder in C may crash
        child = context.Process(target=work, args=(given.reader, at, found, end))
        child.start()
        child.join()
        if child.exitcode == 0:
            break
        found.value += 1
        print(f"{at.value}: ended with status {child.exitcode}", flush=True)
        at.value += 1
    print(f"{given.reader}: {at.value - given.first:,} inputs, {found.value} of them read as they should not be")
    return found.value > 0


def work(name: str, at: Any, found: Any, end: float) -> None:
    """Read one input after another until the time is over."""
    logging.disable()
    reader = READERS[name]()
    while time.monotonic() < end:
        for number, fault in faults(reader, range(at.value, at.value + 1)):
            print(f"{number}: {fault}", flush=True)
            found.value += 1
        at.value += 1


if __name__ == "__main__":
    sys.path.insert(0, str(ROOT / "workflow" / "scripts"))
    sys.exit(main())
