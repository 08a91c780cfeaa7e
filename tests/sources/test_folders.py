"""Images in a folder or an archive are imported unchanged, in order, with provenance, and without extracting it."""

import io
import json
import os
import runpy
import tarfile
import zipfile
from collections import Counter
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from distillery.config.targets.image_files import class_listing
from distillery.curation.decoding import can_be_decoded
from distillery.jobs import UserError
from distillery.sources.folders import importing
from distillery.sources.folders.finding import count_images
from distillery.sources.folders.importing import import_folder
from distillery.storage.records import ImageRecord
from distillery.storage.retrieved.pools import image_key, read_pool, write_pool

WEB = Path(__file__).parents[3] / "shared/data/web/web_images.tar"


def png(color: int) -> bytes:
    file = io.BytesIO()
    pixels = np.random.default_rng(color).integers(0, 256, (4, 4, 3), dtype=np.uint8)
    Image.fromarray(pixels).save(file, "PNG")
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
    settings = {"kind": "folder", "path": str(path), "per_class": 0, **source}
    return list(import_folder(settings, "mine", label, can_be_decoded))


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
    assert (record.origin, record.query, data) == ("cat/caf?.png", "q", png(1))  # its sidecar is still found


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
    monkeypatch.setattr(importing, "MAX_BYTES", len(png(1)) - 1)
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


@pytest.mark.skipif(not WEB.exists(), reason="the shared web images are missing")
def test_real_web_images():
    counts = Counter(
        {label: len(imported(WEB, label)) for label in "airplane automobile bird cat dog horse ship".split()}
    )
    assert counts == dict(airplane=800, automobile=123, bird=294, cat=149, dog=410, horse=199, ship=244)
    assert all(Image.open(io.BytesIO(data)).size for _, data in imported(WEB, "cat"))
    with pytest.raises(UserError, match="frog"):
        imported(WEB, "frog")


# --- folders as users have them ---------------------------------------------------------------------------------------


def write_zip(path: Path, members: dict[str, bytes]) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in members.items():
            archive.writestr(name, data)
    return path


def jpg(number: int) -> bytes:
    file = io.BytesIO()
    Image.open(io.BytesIO(png(number))).resize((40, 30)).save(file, "JPEG")
    return file.getvalue()


def origins(path, label="cat", **source):
    return [record.origin for record, data in imported(path, label, **source) if data]


def test_videos_and_sidecars_use_up_no_limit(tmp_path):
    """A folder from a phone, in which every photo has a video and a sidecar file."""
    for number in range(10):
        name = f"cat/IMG_{number:04}"
        write_folder(
            tmp_path, {f"{name}.JPG": jpg(number), f"{name}.MOV": b"\0\0\0\x14ftypqt  ", f"{name}.AAE": b"<plist>"}
        )
    assert origins(tmp_path, per_class=6) == [f"cat/IMG_{number:04}.JPG" for number in range(6)]
    assert len(imported(tmp_path)) == 10 and count_images(tmp_path, ["cat"]) == {"cat": 10}


def test_broken_files_and_duplicates_use_up_no_limit(tmp_path):
    files = {
        "a.jpg": jpg(1)[:200],
        "b.jpg": jpg(2),
        "c.jpg": jpg(2),
        "d.jpg": b"<html>",
        "e.jpg": jpg(3),
        "f.jpg": jpg(4),
    }
    write_folder(tmp_path, {f"cat/{name}": data for name, data in files.items()})
    entries = imported(tmp_path, per_class=2)
    assert [record.origin for record, _ in entries] == [f"cat/{letter}.jpg" for letter in "abcde"]
    assert [record.failure for record, _ in entries] == ["", "", "", "not an image", ""]


def test_photos_in_a_format_that_is_not_read_have_a_record(tmp_path):
    write_folder(tmp_path, {"cat/a.HEIC": b"\0\0\0\x18ftypheic", "cat/b.nef": b"II*\0", "cat/c.jpg": jpg(1)})
    assert [record.failure for record, _ in imported(tmp_path)] == [
        "format not read: .heic",
        "format not read: .nef",
        "",
    ]
    assert count_images(tmp_path, ["cat"]) == {"cat": 1}
    (tmp_path / "cat/c.jpg").unlink()
    with pytest.raises(UserError, match="has no image of class cat, but 2 .heic files, which are not read"):
        imported(tmp_path)


def test_an_image_needs_no_suffix(tmp_path):
    write_folder(tmp_path, {"cat/0a1b": jpg(1), "cat/2c3d": b"no image", "cat/photo.jpg_large": jpg(2)})
    assert origins(tmp_path) == ["cat/0a1b", "cat/photo.jpg_large"]


def test_linked_folders_are_followed_each_once(tmp_path):
    write_folder(tmp_path, {"elsewhere/a.png": png(1), "elsewhere/deep/b.png": png(2), "set/cat/c.png": png(3)})
    (tmp_path / "set/cat/more").symlink_to(tmp_path / "elsewhere")
    (tmp_path / "set/cat/again").symlink_to(tmp_path / "elsewhere")
    (tmp_path / "elsewhere/loop").symlink_to(tmp_path / "set/cat")
    (tmp_path / "set/cat/gone").symlink_to(tmp_path / "nowhere")
    assert origins(tmp_path / "set") == ["cat/again/a.png", "cat/again/deep/b.png", "cat/c.png"]
    before = class_listing(tmp_path / "set", ["cat"])
    (tmp_path / "elsewhere/d.png").write_bytes(png(4))
    assert class_listing(tmp_path / "set", ["cat"]) != before


def test_a_link_to_the_folder_of_all_classes_brings_no_other_class(tmp_path):
    write_folder(tmp_path, {"set/cat/a.png": png(1), "set/dog/d.png": png(2), "elsewhere/e.png": png(3)})
    for place in ("set/cat/up", "elsewhere/set"):
        (tmp_path / place).symlink_to(tmp_path / "set")
    (tmp_path / "set/frog").symlink_to(tmp_path / "elsewhere")
    assert origins(tmp_path / "set") == ["cat/a.png"] and origins(tmp_path / "set", "frog") == ["frog/e.png"]


def test_a_class_folder_may_be_a_link(tmp_path):
    write_folder(tmp_path, {"elsewhere/a.png": png(1)})
    (tmp_path / "set").mkdir()
    (tmp_path / "set/cat").symlink_to(tmp_path / "elsewhere")
    assert origins(tmp_path / "set") == ["cat/a.png"]


@pytest.mark.parametrize("folder", ["@eaDir", "__MACOSX", "#recycle", ".thumbnails", "$RECYCLE.BIN", "lost+found"])
@pytest.mark.parametrize("make", [write_folder, lambda root, files: write_zip(root.with_suffix(".zip"), files)])
def test_system_folders_are_ignored(tmp_path, make, folder):
    path = make(tmp_path / "set", {f"cat/{folder}/a.jpg/SYNOPHOTO.jpg": png(1), "cat/a.jpg": png(2)})
    assert origins(path) == ["cat/a.jpg"] and count_images(path, ["cat"]) == {"cat": 1}


@pytest.mark.parametrize("around", ["", "PetImages/", "archive/data/train/"])
@pytest.mark.parametrize(
    "make", [lambda path, files: write_zip(path.with_suffix(".zip"), files), lambda path, files: write_tar(path, files)]
)
def test_an_archive_of_class_folders_as_it_was_downloaded(tmp_path, make, around):
    files = {f"{around}{name}": data for name, data in FILES.items()} | {
        "__MACOSX/cat/x.png": png(8),
        "readme.md": b"#",
    }
    path = make(tmp_path / "archive.tar", files)
    assert origins(path) == [around + name for name in CATS]
    assert count_images(path, ["cat", "dog", "ship"]) == {"cat": 3, "dog": 1, "ship": 0}
    with pytest.raises(UserError, match="has no image of class ship"):
        imported(path, "ship")


def test_class_folders_of_several_parts_need_a_choice(tmp_path):
    files = {f"set/{part}/cat/{part}.png": png(number) for number, part in enumerate(("train", "test"))}
    path = write_zip(tmp_path / "set.zip", files)
    with pytest.raises(UserError, match=r"in several folders of the archive \(set/test/, set/train/\). Name one"):
        imported(path)
    assert origins(path, inside="train") == ["set/train/cat/train.png"]
    unpacked = write_folder(tmp_path / "unpacked", files)
    assert origins(unpacked, inside="set/train") == ["cat/train.png"]
    with pytest.raises(UserError, match=r"neither a folder cat .* It has set\.$"):
        imported(unpacked)


def test_a_zip_of_one_class(tmp_path):
    write_zip(tmp_path / "cat.zip", {"a.png": png(1), "deep/b.png": png(2)})
    assert origins(tmp_path) == ["cat.zip/a.png", "cat.zip/deep/b.png"]


def test_a_zip_cannot_reach_outside_itself_or_hold_more_than_it_says(tmp_path, monkeypatch):
    path = write_zip(
        tmp_path / "set.zip", {"../cat/up.png": png(1), "/cat/root.png": png(2), "cat/bomb.png": bytes(10**7)}
    )
    monkeypatch.setattr(importing, "MAX_BYTES", 10**6)
    before = sorted(tmp_path.rglob("*"))
    assert {record.origin: record.failure for record, _ in imported(path)} == {
        "cat/bomb.png": "too large",
        "cat/root.png": "",
    }
    assert sorted(tmp_path.rglob("*")) == before


@pytest.mark.parametrize("damage", ["cut", "flipped", "encrypted"])
def test_a_damaged_zip_gives_its_whole_images_or_one_line(tmp_path, damage):
    path = write_zip(tmp_path / "set.zip", FILES)
    data = bytearray(path.read_bytes())
    if damage == "flipped":
        data[60] ^= 255
    if damage == "encrypted":
        at = data.index(b"PK\1\2")
        data[at + 8] |= 1
    path.write_bytes(bytes(data[: len(data) // 2] if damage == "cut" else data))
    if damage == "flipped":
        assert [record.failure for record, _ in imported(path)].count("unreadable") == 1
        return
    with pytest.raises(UserError, match="truncated" if damage == "cut" else "encrypted") as error:
        imported(path)
    assert "\n" not in str(error.value)


def test_labels_that_were_corrected_by_hand_are_noticed(tmp_path):
    """Two images of equal size that swap their classes."""
    write_folder(
        tmp_path, {"cat/a.bmp": bytes(9000) + b"1" + bytes(9000), "dog/a.bmp": bytes(9000) + b"2" + bytes(9000)}
    )
    before = [class_listing(tmp_path, [label]) for label in ("cat", "dog")]
    for first, second in (("cat/a.bmp", "x"), ("dog/a.bmp", "cat/a.bmp"), ("x", "dog/a.bmp")):
        (tmp_path / first).rename(tmp_path / second)
    after = [class_listing(tmp_path, [label]) for label in ("cat", "dog")]
    assert after == before[::-1] and before[0] != before[1]


@pytest.mark.parametrize("kind", ["folder", "tar"])
def test_all_images_of_a_source_without_labels_are_imported_wherever_they_are(tmp_path, kind):
    files = {"b.png": png(1), "2024/cat/a.png": png(2), "2024/dog/c.PNG": png(3), "2024/notes.txt": b"text"}
    path = write_folder(tmp_path / "phone", files) if kind == "folder" else write_tar(tmp_path / "phone.tar", files)

    def origins(inside):
        source = {"path": str(path), "inside": inside, "per_class": 0}
        return [record.origin for record, _ in import_folder(source, "phone", "unlabeled", can_be_decoded)]

    assert origins("") == ["2024/cat/a.png", "2024/dog/c.PNG", "b.png"]
    assert [name.removeprefix("2024/") for name in origins("2024")] == ["cat/a.png", "dog/c.PNG"]
    entries = import_folder({"path": str(path), "per_class": 0}, "phone", "unlabeled", can_be_decoded)
    assert {record.label for record, _ in entries} == {"unlabeled"}


def test_a_source_without_labels_needs_images(tmp_path):
    (tmp_path / "notes.txt").write_text("none here")
    for path, message in ((tmp_path, "has no image that can be read"), (tmp_path / "nowhere", "there is no .*nowhere")):
        with pytest.raises(UserError, match=f"source phone: .*{message}"):
            list(import_folder({"path": str(path), "per_class": 0}, "phone", "unlabeled", can_be_decoded))


def test_a_zip_of_a_version_that_does_not_exist_is_one_line(tmp_path):
    """Found by tests/faults/fuzz.py, input 85689 of the parsers."""
    path = tmp_path / "own.zip"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("cat/a.png", png(1))
    data = bytearray(path.read_bytes())
    data[data.index(b"PK\x01\x02") + 6] = 84  # version needed to extract, in tenths
    path.write_bytes(data)
    with pytest.raises(UserError, match=r"own\.zip cannot be read as a \.zip \(zip file version 8\.4"):
        imported(path)
