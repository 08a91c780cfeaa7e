"""What a pool is given, it gives back: every record, in order, with its bytes and its provenance."""

import hashlib
import tarfile
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from distillery.jobs import UserError
from distillery.storage.pools import ImageRecord, Store, extension, image_key, read_pool, write_pool

JPEG = b"\xff\xd8\xff\xe0 one"
PNG = b"\x89PNG\r\n\x1a\n two"


def fetched(data: bytes, **known) -> ImageRecord:
    digest = hashlib.sha256(data).hexdigest()
    return ImageRecord("bing", "cat", "bing", "http://a/1", key=digest[:16], sha256=digest, bytes=len(data), **known)


texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=40)


@given(texts, texts, st.integers(-1, 2**62), st.lists(texts, max_size=3))
def test_an_offer_survives_its_json(query, prompt, seed, also):
    record = ImageRecord(
        "sd2", "cat", "diffusion", "x", query=query, prompt=prompt, seed=seed, duplicate_queries=tuple(also)
    )
    line = record.to_json()
    assert "\n" not in line
    assert ImageRecord.from_json(line) == record


def test_unknown_provenance_is_refused_rather_than_lost():
    with pytest.raises(UserError, match="color"):
        ImageRecord.from_json('{"source": "s", "label": "l", "kind": "k", "origin": "o", "color": "red"}')
    for name, value in (("seed", '"abc"'), ("title", "5"), ("guidance", '"7"'), ("label", "null")):
        record = {"source": '"s"', "label": '"l"', "kind": '"k"', "origin": '"o"', name: value}
        with pytest.raises(TypeError, match=f"provenance: {name} is"):
            ImageRecord.from_json("{" + ", ".join(f'"{key}": {text}' for key, text in record.items()) + "}")


def test_a_pool_gives_back_every_offer_in_order(tmp_path):
    failed = ImageRecord("bing", "cat", "bing", "http://a/2", rank=1, failure="404")
    entries = [
        (fetched(JPEG, rank=0), JPEG),
        (failed, None),
        (fetched(PNG, rank=2), PNG),
        (fetched(JPEG, rank=3), JPEG),
    ]
    count = write_pool(tmp_path / "cat.tar", tmp_path / "cat.jsonl", entries)
    assert count == 2  # the same bytes twice are stored once
    assert list(read_pool(tmp_path / "cat.tar", tmp_path / "cat.jsonl")) == entries


@pytest.mark.parametrize("end", ["\u2028", "\u2029", "\x85", "\x0b", "\r\n"])
def test_a_title_may_hold_any_end_of_a_line(tmp_path, end):
    entries = [(fetched(JPEG, title=f"a cat{end}asleep"), JPEG)]
    write_pool(tmp_path / "cat.tar", tmp_path / "cat.jsonl", entries)
    assert list(read_pool(tmp_path / "cat.tar", tmp_path / "cat.jsonl")) == entries


def test_a_shard_is_webdataset_and_the_same_bytes_for_the_same_images(tmp_path):
    for name in ("a", "b"):
        write_pool(tmp_path / f"{name}.tar", tmp_path / f"{name}.jsonl", [(fetched(JPEG), JPEG)])
    key = image_key(JPEG)
    assert tarfile.open(tmp_path / "a.tar").getnames() == [f"{key}.jpg", f"{key}.json"]
    assert (tmp_path / "a.tar").read_bytes() == (tmp_path / "b.tar").read_bytes()


@pytest.mark.parametrize("keep", [0, 100, 700])
def test_a_truncated_shard_is_named(tmp_path, keep):
    shard = tmp_path / "cat.tar"
    write_pool(shard, tmp_path / "cat.jsonl", [(fetched(JPEG), JPEG)])
    shard.write_bytes(shard.read_bytes()[:keep])
    with pytest.raises(UserError, match="cat.tar.*Delete"):
        list(read_pool(shard, tmp_path / "cat.jsonl"))


def test_changed_bytes_in_a_shard_are_noticed(tmp_path):
    shard = tmp_path / "cat.tar"
    write_pool(shard, tmp_path / "cat.jsonl", [(fetched(JPEG), JPEG)])
    shard.write_bytes(shard.read_bytes().replace(JPEG, JPEG[:-1] + b"!"))
    with pytest.raises(UserError, match="other bytes"):
        list(read_pool(shard, tmp_path / "cat.jsonl"))


def test_a_store_returns_what_it_was_given_and_retrieves_damage_again(tmp_path):
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


def test_extensions_come_from_the_bytes():
    names = [extension(data) for data in (JPEG, PNG, b"GIF89a..", b"RIFF\0\0\0\0WEBPVP8 ", b"<html>")]
    assert names == ["jpg", "png", "gif", "webp", "bin"]
