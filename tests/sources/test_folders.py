"""Images in a folder or a tar are imported whole, in order and with their provenance; nothing is extracted."""

import io
import json
import os
import runpy
import tarfile
from collections import Counter
from pathlib import Path
from types import SimpleNamespace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from distillery.jobs import UserError
from distillery.sources import folders
from distillery.sources.folders import import_folder
from distillery.storage.pools import image_key, read_pool, write_pool
from distillery.storage.records import ImageRecord

WEB = Path(__file__).parents[3] / "shared/data/web/web_images.tar"


def png(color: int) -> bytes:
    file = io.BytesIO()
    Image.new("RGB", (4, 4), (color, 0, 0)).save(file, "PNG")
    return file.getvalue()


def write_tar(path: Path, members: dict[str, bytes], mode: str = "w") -> Path:
    with tarfile.open(path, mode) as tar:
        for name, data in members.items():
            info = tarfile.TarInfo(name)
            info.size = len(data)
            tar.addfile(info, io.BytesIO(data))
    return path


def write_folder(root: Path, files: dict[str, bytes]) -> Path:
    for name, data in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(data)
    return root


FILES = {
    "cat/b.png": png(2),
    "cat/a.png": png(1),
    "cat/deep/c.PNG": png(3),
    "cat/notes.txt": b"not an image",
    "cat/.DS_Store": b"hidden",
    "cat/._a.png": b"hidden",
    "dog/d.png": png(4),
}
CATS = ["cat/a.png", "cat/b.png", "cat/deep/c.PNG"]


def imported(path, label="cat", **source):
    return list(import_folder({"kind": "folder", "path": str(path), "per_class": 0, **source}, "mine", label))


def in_folder(tmp_path: Path) -> Path:
    return write_folder(tmp_path / "images", FILES)


def in_one_tar(tmp_path: Path) -> Path:
    return write_tar(tmp_path / "images.tar", {f"./{name}": data for name, data in FILES.items()})


@pytest.mark.parametrize("make", [in_folder, in_one_tar])
def test_a_class_is_imported_in_order_of_names(tmp_path, make):
    entries = imported(make(tmp_path))
    assert [record.origin for record, _ in entries] == CATS
    assert [data for _, data in entries] == [FILES[name] for name in CATS]
    for rank, (record, data) in enumerate(entries):
        assert (record.source, record.label, record.kind, record.rank) == ("mine", "cat", "folder", rank)
        assert record.key == image_key(data) == record.sha256[:16]
        assert record.bytes == len(data) and not record.failure
    assert [record.origin for record, _ in imported(make(tmp_path), "dog")] == ["dog/d.png"]


@pytest.mark.parametrize("make", [in_folder, in_one_tar])
def test_the_limit_takes_the_first(tmp_path, make):
    assert [record.origin for record, _ in imported(make(tmp_path), per_class=2)] == CATS[:2]


def test_the_pool_of_another_study_keeps_its_provenance(tmp_path):
    data = png(9)
    known = ImageRecord(
        "bing",
        "cats",
        "bing",
        "http://a/1",
        rank=7,
        key=image_key(data),
        sha256="0" * 64,
        query="a cat",
        url="http://a/1",
        license="CC0",
        duplicate_queries=("dog: pets",),
    )
    (tmp_path / "pools").mkdir()
    write_pool(tmp_path / "pools/cat.tar", tmp_path / "pools/cat.jsonl", [(known, data)])
    [(record, read)] = imported(tmp_path / "pools")
    assert read == data
    assert (record.query, record.url, record.license, record.duplicate_queries) == (
        "a cat",
        "http://a/1",
        "CC0",
        ("dog: pets",),
    )
    assert (record.source, record.label, record.kind, record.rank) == ("mine", "cat", "folder", 0)
    assert record.origin == f"cat.tar/{image_key(data)}.png" and record.sha256 != known.sha256


@pytest.mark.parametrize("sidecar", [b"{", b"[1]", b"null", b"\xff", json.dumps({"caption": "a cat"}).encode()])
def test_a_record_of_another_program_is_skipped(tmp_path, sidecar):
    root = write_folder(tmp_path / "p", {"cat/a.png": png(1), "cat/a.json": sidecar})
    [(record, data)] = imported(root)
    assert (record.origin, data, record.query) == ("cat/a.png", png(1), "")


def test_a_record_with_half_a_character_makes_a_pool(tmp_path):
    sidecar = '{"source": "s", "label": "l", "kind": "bing", "origin": "o", "title": "a cat \\ud83d"}'
    entries = imported(write_folder(tmp_path / "p", {"cat/a.png": png(1), "cat/a.json": sidecar.encode()}))
    write_pool(tmp_path / "cat.tar", tmp_path / "cat.jsonl", entries)
    assert entries[0][0].title == "a cat ?"


@pytest.mark.parametrize("make", [write_folder, lambda root, files: write_tar(root.with_suffix(".tar"), files)])
def test_a_name_that_is_not_utf8_makes_a_pool(tmp_path, make):
    name = os.fsdecode(b"cat/caf\xe9")
    path = make(
        tmp_path / "p",
        {f"{name}.png": png(1), f"{name}.json": ImageRecord("s", "l", "bing", "o", query="q").to_json().encode()},
    )
    entries = imported(path)
    write_pool(tmp_path / "cat.tar", tmp_path / "cat.jsonl", entries)
    [(record, data)] = read_pool(tmp_path / "cat.tar", tmp_path / "cat.jsonl")
    assert (record.origin, record.query, data) == ("cat/caf?.png", "q", png(1))  # its sidecar is found all the same


def test_imported_entries_make_a_pool(tmp_path):
    entries = imported(in_folder(tmp_path))
    write_pool(tmp_path / "cat.tar", tmp_path / "cat.jsonl", entries)
    assert list(read_pool(tmp_path / "cat.tar", tmp_path / "cat.jsonl")) == entries


def test_a_tar_cannot_reach_outside_itself(tmp_path):
    secret = tmp_path / "secret.png"
    secret.write_bytes(png(6))
    path = write_tar(tmp_path / "evil.tar", {"cat/../../up.png": png(1), "/cat/root.png": png(2), "cat/ok.png": png(3)})
    with tarfile.open(path, "a") as tar:
        for kind, name in ((tarfile.SYMTYPE, "cat/link.png"), (tarfile.LNKTYPE, "cat/hard.png")):
            link = tarfile.TarInfo(name)
            link.type, link.linkname = kind, str(secret)
            tar.addfile(link)
    before = sorted(tmp_path.rglob("*"))
    assert png(6) not in [data for _, data in imported(path)]
    assert sorted(tmp_path.rglob("*")) == before


@pytest.mark.parametrize("mode", ["w:gz", "w:xz"])
def test_a_compressed_tar_is_refused_in_one_line(tmp_path, mode):
    path = write_tar(tmp_path / "images.tar", FILES, mode)
    with pytest.raises(UserError, match="plain .tar") as error:
        imported(path)
    assert "\n" not in str(error.value) and "source mine" in str(error.value)


@given(st.integers(0, 9000))
def test_a_truncated_tar_gives_its_whole_images_or_an_error(tmp_path_factory, keep):
    path = tmp_path_factory.mktemp("t") / "images.tar"
    whole = write_tar(path, FILES).read_bytes()
    path.write_bytes(whole[:keep])
    try:
        entries = imported(path)
    except UserError:
        return
    for record, data in entries:
        assert data == FILES[record.origin] if data is not None else record.failure == "unreadable"


@pytest.mark.parametrize("make", [in_folder, in_one_tar])
def test_an_absent_class_is_named(tmp_path, make):
    with pytest.raises(UserError, match="ship") as error:
        imported(make(tmp_path), "ship")
    assert "source mine" in str(error.value) and "\n" not in str(error.value)
    assert "leave the class out of the source's `classes`" in str(error.value)


def test_an_absent_path_and_an_empty_folder_are_named(tmp_path):
    with pytest.raises(UserError, match="there is no"):
        imported(tmp_path / "nowhere")
    (tmp_path / "cat").mkdir()
    with pytest.raises(UserError, match="no image of class cat"):
        imported(tmp_path)


def test_the_record_of_a_file_that_is_too_large_has_a_failure(tmp_path, monkeypatch):
    monkeypatch.setattr(folders, "MAX_BYTES", len(png(1)) - 1)
    assert {(record.failure, data) for record, data in imported(in_folder(tmp_path))} == {("too large", None)}


def test_the_script_writes_a_pool(tmp_path):
    out = SimpleNamespace(shard=str(tmp_path / "cat.tar"), records=str(tmp_path / "cat.jsonl"))
    source = {"kind": "folder", "path": str(in_one_tar(tmp_path)), "per_class": 0}
    params = SimpleNamespace(source=source, name="mine", label="cat")
    script = Path(__file__).parents[2] / "workflow/scripts/import_folder.py"
    runpy.run_path(
        str(script), init_globals={"snakemake": SimpleNamespace(log=[], input=None, output=out, params=params)}
    )
    assert [record.origin for record, _ in read_pool(out.shard, out.records)] == CATS


@pytest.mark.skipif(not WEB.exists(), reason="the shared web images are not here")
def test_real_web_images():
    counts = Counter(
        {label: len(imported(WEB, label)) for label in "airplane automobile bird cat dog horse ship".split()}
    )
    assert counts == dict(airplane=800, automobile=123, bird=294, cat=149, dog=410, horse=199, ship=244)
    assert all(Image.open(io.BytesIO(data)).size for _, data in imported(WEB, "cat"))
    with pytest.raises(UserError, match="frog"):
        imported(WEB, "frog")
