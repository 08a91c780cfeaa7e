"""Files are written completely or not at all; hashes of files and folders."""

import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from distillery.storage.files import atomic_path, atomic_write, hash_files, hash_listing

LIBRARY = Path(__file__).parents[2] / "workflow" / "scripts"


def test_a_failed_write_leaves_the_old_file_and_nothing_else(tmp_path):
    path = tmp_path / "table.csv"
    atomic_write(path, "old")
    with pytest.raises(RuntimeError), atomic_path(path) as temporary:
        temporary.write_text("half of the n")
        raise RuntimeError
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_a_durable_file_is_flushed_before_it_is_renamed(tmp_path, monkeypatch):
    done, rename = [], os.replace
    monkeypatch.setattr(os, "fsync", lambda descriptor: done.append(os.pread(descriptor, 9, 0)))
    monkeypatch.setattr(os, "replace", lambda *paths: (done.append("renamed"), rename(*paths)))
    for durable in (True, False):
        atomic_write(tmp_path / "table.csv", "new", durable)
    assert done == [b"new", "renamed", "renamed"]


def test_two_processes_of_one_number_write_beside_each_other(tmp_path, monkeypatch):
    monkeypatch.setattr(os, "getpid", lambda: 7)  # as in containers that share a disk
    with atomic_path(tmp_path / "a.csv") as first, atomic_path(tmp_path / "a.csv") as second:
        first.write_text("one")
        second.write_text("two")
    assert first != second and (tmp_path / "a.csv").read_text() == "one" and len(list(tmp_path.iterdir())) == 1


def test_a_killed_write_leaves_no_file_under_the_final_name(tmp_path):
    path = tmp_path / "weights.bin"
    program = f"""
import sys, time
sys.path.insert(0, {str(LIBRARY)!r})
from distillery.storage.files import atomic_path
with atomic_path({str(path)!r}) as temporary:
    temporary.write_bytes(b"half")
    print("writing", flush=True)
    time.sleep(60)
"""
    process = subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE)
    assert process.stdout.readline() == b"writing\n"
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    assert not path.exists()


def test_the_temporary_file_keeps_its_suffix(tmp_path):
    with atomic_path(tmp_path / "pixels.npy") as temporary:
        temporary.touch()
        assert temporary.suffix == ".npy"


def test_a_hash_changes_with_the_content_of_any_file(tmp_path):
    paths = [tmp_path / "a", tmp_path / "b"]
    for path in paths:
        path.write_text("1")
    found = [hash_files(paths), hash_files(paths[:1])]
    assert hash_files(paths) == found[0]
    for path in paths:
        path.write_text("2")
        found.append(hash_files(paths))
    assert len(set(found)) == 4


def test_the_hash_of_a_listing_is_over_names_and_sizes_at_any_depth(tmp_path):
    seen = [hash_listing([tmp_path / "cat", tmp_path / "cat.tar"])]
    for path, text in (("cat/a.jpg", "1"), ("cat/deep/b.jpg", "1"), ("cat/a.jpg", "12"), ("cat.tar", "1")):
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).write_text(text)
        seen.append(hash_listing([tmp_path / "cat", tmp_path / "cat.tar"]))
    (tmp_path / "cat/a.jpg").rename(tmp_path / "cat/c.jpg")
    seen.append(hash_listing([tmp_path / "cat", tmp_path / "cat.tar"]))
    assert len(set(seen)) == len(seen)
    (tmp_path / "cat/c.jpg").touch()
    shutil.copytree(tmp_path / "cat", tmp_path / "copy")
    (tmp_path / "cat/.DS_Store").touch()
    assert hash_listing([tmp_path / "cat"]) == hash_listing([tmp_path / "copy"])


def test_the_hash_of_a_listing_changes_with_a_tar_s_time(tmp_path):
    tar = tmp_path / "cat.tar"
    tar.write_text("1")
    before = hash_listing([tar])
    os.utime(tar, (0, 0))
    assert hash_listing([tar]) != before
