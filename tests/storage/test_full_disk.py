"""A full disk, simulated by a tmpfs of 1.2 MB in a separate mount namespace."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

LIBRARY = Path(__file__).parents[2] / "workflow" / "scripts"

PREPARE = """
import sys, numpy as np
from pathlib import Path
from types import SimpleNamespace
sys.path.insert(0, {library!r})
from distillery.jobs import job
disk = Path({disk!r})
def run(action):
    try:
        with job(SimpleNamespace(log=[str(disk / "log.txt")])):
            action()
        return 0
    except SystemExit as stop:
        return stop.code
"""

STORE = """
from hashlib import sha256
from distillery.storage.retrieved.pools import write_pool
from distillery.storage.records import ImageRecord
from distillery.storage.retrieved.store import Store
images = [np.random.default_rng(i).bytes(40_000) for i in range(12)]
digests = [sha256(image).hexdigest() for image in images]
records = [
    ImageRecord("s", "cat", "urls", origin=str(i), key=digest[:16], sha256=digest, bytes=40_000)
    for i, digest in enumerate(digests)
]
store = Store(disk / "store")
def fill():
    for record, image in zip(records, images):
        if not store.get(record.origin):
            store.put(record.origin, record, image)
status = run(fill)
kept = [store.get(record.origin) for record in records]
whole = [entry for entry in kept if entry]
assert status == 1 and 0 < len(whole) < 12, (status, len(whole))
assert all(entry[1] == images[int(entry[0].origin)] for entry in whole)
assert not list(disk.rglob("*.part*"))
status = run(lambda: write_pool(disk / "cat.tar", disk / "cat.jsonl", whole))
assert status == 1 and not (disk / "cat.tar").exists() and not (disk / "cat.jsonl").exists(), status
(disk / "ballast").unlink()
assert run(fill) == 0 and all(store.get(record.origin) for record in records)
print("went on")
"""

WRITERS = """
import torch
from distillery.storage.arrays import write_array
from distillery.storage.files import atomic_path, atomic_write
from distillery.training.checkpoints import Checkpoint
from distillery.models.architectures import build_network
from distillery.training.optimizers.sgd import sgd
from distillery.storage.parquet import write_parquet
import pyarrow as pa


def write_pixels(path):
    with atomic_path(path) as temporary:
        write_array(temporary, np.zeros((200, 32, 32, 3), np.uint8))


network = build_network("resnet8", 10)
checkpoint = Checkpoint(disk / "checkpoint.pt", "d", 1)
schema = pa.schema([("x", pa.float32())])
columns = {"x": np.random.default_rng(0).random(150_000).astype(np.float32)}
actions = {
    "checkpoint.pt": lambda: checkpoint.save(1, network, None, sgd(network, 0.9, 0.0), [], torch.zeros(())),
    "text": lambda: atomic_write(disk / "text", "x" * 600_000),
    "a.parquet": lambda: write_parquet(disk / "a.parquet", columns, schema),
    "c.npy": lambda: write_pixels(disk / "c.npy"),
}
for name, action in actions.items():
    assert run(action) == 1, name
    assert not (disk / name).exists() and not list(disk.rglob("*.part*")), name
assert run(lambda: checkpoint.finish(1, network, [])) == 0  # its results may still fit
assert not checkpoint.path.exists() and not list(disk.rglob("*.part*"))
(disk / "ballast").unlink()
for name, action in actions.items():
    assert run(action) == 0 and (disk / name).exists(), name
    (disk / name).unlink()
print("went on")
"""


@pytest.mark.parametrize("what", [STORE, WRITERS], ids=["store and pool", "checkpoint and tables"])
def test_a_full_disk_is_reported_in_one_line_and_the_next_run_continues(tmp_path, what):
    if not shutil.which("unshare") or subprocess.run(["unshare", "-Urm", "true"]).returncode:
        pytest.skip("this machine does not let a test mount a small disk (unshare -Urm)")
    disk = tmp_path / "disk"
    disk.mkdir()
    script = tmp_path / "script.py"
    script.write_text(PREPARE.format(library=str(LIBRARY), disk=str(disk)) + what)
    commands = (
        f"mount -t tmpfs -o size=1200k tmpfs {disk} && head -c 900000 /dev/zero > {disk}/ballast"
        f" && exec {sys.executable} {script}"
    )
    done = subprocess.run(["unshare", "-Urm", "sh", "-c", commands], capture_output=True, text=True)
    assert done.returncode == 0 and done.stdout == "went on\n", done.stderr
    lines = done.stderr.splitlines()
    assert lines and all(line.startswith("ERROR: the disk is full") for line in lines), done.stderr
