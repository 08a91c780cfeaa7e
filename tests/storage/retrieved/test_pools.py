"""Reading a pool returns every record in order, with bytes and provenance."""

import json
import tarfile

import pytest
from storage_samples import JPEG, PNG, fetched

from distillery.file_digests import forget_digests
from distillery.jobs import UserError
from distillery.storage.records import ImageRecord
from distillery.storage.retrieved.pools import extension, image_key, read_pool, write_pool


def test_a_pool_gives_back_every_record_in_order(tmp_path):
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
def test_a_title_may_contain_any_line_break(tmp_path, end):
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
def test_a_truncated_shard_is_an_error_that_names_it(tmp_path, keep):
    shard = tmp_path / "cat.tar"
    write_pool(shard, tmp_path / "cat.jsonl", [(fetched(JPEG), JPEG)])
    shard.write_bytes(shard.read_bytes()[:keep])
    with pytest.raises(UserError, match="cat.tar.*Delete"):
        list(read_pool(shard, tmp_path / "cat.jsonl"))


def test_changed_bytes_in_a_shard_are_an_error(tmp_path):
    shard = tmp_path / "cat.tar"
    write_pool(shard, tmp_path / "cat.jsonl", [(fetched(JPEG), JPEG)])
    shard.write_bytes(shard.read_bytes().replace(JPEG, JPEG[:-1] + b"!"))
    with pytest.raises(UserError, match=r"cat\.tar is damaged.*Delete it"):
        list(read_pool(shard, tmp_path / "cat.jsonl"))
    forget_digests([shard])  # as with files of an earlier version
    with pytest.raises(UserError, match="other bytes"):
        list(read_pool(shard, tmp_path / "cat.jsonl"))


def test_an_extension_follows_from_the_first_bytes():
    names = [extension(data) for data in (JPEG, PNG, b"GIF89a..", b"RIFF\0\0\0\0WEBPVP8 ", b"<html>")]
    assert names == ["jpg", "png", "gif", "webp", "bin"]


def test_a_pool_of_version_0_1_is_read(tmp_path):
    shard, records = tmp_path / "cat.tar", tmp_path / "cat.jsonl"
    entries = [(fetched(JPEG, duplicate_queries=("dog: pets",), clip_scorer="clip", clip_score=0.5), JPEG)]
    write_pool(shard, records, entries)
    line = json.loads(records.read_text())
    renamed = {"duplicate_queries": "also", "clip_scorer": "judge", "clip_score": "judged"}
    old = {renamed.get(name, name): value for name, value in line.items()}
    assert {"also", "judge", "judged"} <= set(old)
    records.write_text(json.dumps(old) + "\n")
    forget_digests([shard, records])
    assert list(read_pool(shard, records)) == entries
