"""A store returns the images that were put, lets damaged ones be retrieved again, and stays within its limits."""

import hashlib
import json
import subprocess
import sys
import threading
from dataclasses import replace
from pathlib import Path

import pytest
from storage_samples import JPEG, PNG, fetched

from distillery.jobs import UserError
from distillery.sources.retrieval import retrieve
from distillery.storage.records import ImageRecord
from distillery.storage.retrieved import store as store_module
from distillery.storage.retrieved.store import Store


def test_a_store_returns_what_it_was_given_but_no_damaged_entry(tmp_path):
    store = Store(tmp_path)
    assert store.get("http://a/1") is None
    store.put("http://a/1", fetched(JPEG), JPEG)
    store.put("http://a/2", ImageRecord("bing", "cat", "bing", "http://a/2", failure="404"), None)
    assert store.get("http://a/1") == (fetched(JPEG), JPEG)
    assert store.get("http://a/2")[0].failure == "404"
    next(tmp_path.rglob("*.bin")).write_bytes(JPEG[:5])
    assert store.get("http://a/1") is None


def test_a_replaced_image_is_counted_once(tmp_path):
    store = Store(tmp_path, most=3 * len(PNG))
    for data in (JPEG, PNG, PNG, PNG, JPEG, PNG):
        store.put("http://a/1", fetched(data), data)
    store.put("http://a/1", fetched(PNG, clip_scorer="clip"), PNG)
    store.put("http://a/2", fetched(PNG), PNG)
    store.put("http://a/3", fetched(PNG), PNG)
    with pytest.raises(UserError, match="would hold more"):
        store.put("http://a/4", fetched(JPEG), JPEG)
    assert store.get("http://a/1")[0].clip_scorer == "clip" and store.get("http://a/4") is None


def test_a_store_opens_while_another_job_writes_to_it(tmp_path, monkeypatch):
    Store(tmp_path).put("http://a/1", fetched(JPEG), JPEG)
    (tmp_path / "00").mkdir(exist_ok=True)
    (tmp_path / "00" / ".half.1.part.bin").write_bytes(PNG)
    found = [*tmp_path.rglob("*.bin"), tmp_path / "00" / "gone.bin"]
    monkeypatch.setattr(Path, "rglob", lambda self, pattern: iter(found))
    store = Store(tmp_path, most=len(JPEG) + len(PNG))
    store.put("http://a/2", fetched(PNG), PNG)
    with pytest.raises(UserError, match="would hold more"):
        store.put("http://a/3", fetched(PNG), PNG)


def test_an_entry_of_version_0_1_is_not_retrieved_again(tmp_path):
    store, known = Store(tmp_path), {"duplicate_queries": ("dog: pets",), "clip_scorer": "clip", "clip_score": 0.5}
    store.put("http://a/1", fetched(JPEG, url="http://a/1", retrieved="2025-01-01T00:00:00+00:00", **known), JPEG)
    (file,) = tmp_path.rglob("*.json")
    text, _, _ = file.read_text().partition("\n")  # without a digest
    for name, old in (("duplicate_queries", "also"), ("clip_scorer", "judge"), ("clip_score", "judged")):
        text = text.replace(f'"{name}":', f'"{old}":')
    file.write_text(text)
    assert {"also", "judge", "judged"} <= set(json.loads(text))
    kept, data = store.get("http://a/1")
    assert {name: getattr(kept, name) for name in known} == known and data == JPEG
    candidate = ImageRecord("bing", "cat", "bing", "http://a/1", url="http://a/1", query="a cat")
    found, data = retrieve(candidate, store, fetcher=None)  # nothing is left to fetch
    assert data == JPEG and found.retrieved == kept.retrieved
    assert replace(found, key="", sha256="", bytes=0, retrieved="") == candidate


PUTS = """
import sys
from distillery.storage.records import ImageRecord
from distillery.storage.retrieved.store import Store
import hashlib
store = Store(sys.argv[1])
for number in range(100_000):
    data = b"\\xff\\xd8\\xff" + str(number).encode() * 1000
    digest = hashlib.sha256(data).hexdigest()
    url = f"http://a.bc/{number}"
    store.put(url, ImageRecord("a", "b", "urls", url, sha256=digest, key=digest[:16]), data)
    print(number, flush=True)
"""


@pytest.mark.parametrize("after", [1, 40, 150])
def test_what_was_put_survives_a_kill(tmp_path, after):
    scripts = str(Path(__file__).parents[3] / "workflow" / "scripts")
    process = subprocess.Popen(
        [sys.executable, "-c", PUTS, tmp_path], stdout=subprocess.PIPE, text=True, env={"PYTHONPATH": scripts}
    )
    told = [int(process.stdout.readline()) for _ in range(after)]
    process.kill()
    told += [int(line) for line in process.stdout.read().split()]
    process.wait()
    store = Store(tmp_path)
    for number in told:
        record, data = store.get(f"http://a.bc/{number}")
        assert data.endswith(str(number).encode()) and record.sha256 == hashlib.sha256(data).hexdigest()
    assert len(told) >= after


@pytest.mark.parametrize("suffix", ["bin", "json"])
@pytest.mark.parametrize("damage", [b"", b"half", b"zeros"])
def test_what_a_power_failure_damaged_is_retrieved_again(tmp_path, suffix, damage):
    store, record = Store(tmp_path), fetched(JPEG)
    store.put("http://a/1", record, JPEG)
    (path,) = tmp_path.rglob(f"*.{suffix}")
    data = path.read_bytes()
    path.write_bytes({b"": b"", b"half": data[: len(data) // 2], b"zeros": bytes(len(data))}[damage])
    assert store.get("http://a/1") is None
    store.put("http://a/1", record, JPEG)
    assert store.get("http://a/1") == (record, JPEG)


def end_flushing():
    for thread in threading.enumerate():
        if thread.name == "flush":
            thread.join()


def test_files_are_flushed_to_the_disk_together(tmp_path, monkeypatch):
    flushed = []
    monkeypatch.setattr(store_module, "flush_to_disk", flushed.append)
    store = Store(tmp_path)
    for number in range(store_module.FLUSH_FILES // 2):
        assert not flushed
        store.put(f"http://a/{number}", fetched(JPEG), JPEG)
    end_flushing()
    assert set(flushed) == {path for path in tmp_path.rglob("*") if path.is_file()}
    monkeypatch.setattr(store_module, "FLUSH_SECONDS", -1.0)
    store.put("http://a/x", fetched(PNG), PNG)
    end_flushing()
    assert len(flushed) == store_module.FLUSH_FILES + 2
