"""Malicious shards and records end in one line that names the file: no link is followed, nothing endless is read."""

import io
import json
import tarfile
import tracemalloc

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from storage_samples import JPEG, PNG, fetched

from distillery.curation.decoding import can_be_decoded
from distillery.file_digests import forget_digests
from distillery.jobs import UserError
from distillery.sources.folders.importing import import_folder
from distillery.storage.retrieved.pools import image_key, read_images, read_pool, write_pool

KEY = image_key(JPEG)


def write_shard(path, members):
    """A tar of these members: name, type, further attributes."""
    with tarfile.open(path, "w", format=tarfile.PAX_FORMAT) as tar:
        for name, kind, about in members:
            member = tarfile.TarInfo(name)
            member.type = kind
            data = about.pop("data", b"")
            member.size = len(data)
            for attribute, value in about.items():
                setattr(member, attribute, value)
            tar.addfile(member, io.BytesIO(data))


def pool(tmp_path, members=None, lines=None):
    shard, records = tmp_path / "cat.tar", tmp_path / "cat.jsonl"
    write_pool(shard, records, [(fetched(JPEG), JPEG)])
    if members is not None:
        write_shard(shard, members)
    if lines is not None:
        records.write_bytes(b"".join(line + b"\n" for line in lines))
    forget_digests([shard, records])  # as for files from another machine
    return shard, records


def sparse(shard, size):
    """Make the only image of a shard a sparse file, with few bytes in the tar but `size` bytes when read."""
    pax = {"GNU.sparse.major": "1", "GNU.sparse.minor": "0", "GNU.sparse.realsize": str(size)}
    with tarfile.open(shard, "w", format=tarfile.PAX_FORMAT) as tar:
        member = tarfile.TarInfo(f"{KEY}.jpg")
        member.pax_headers = pax | {"GNU.sparse.name": f"{KEY}.jpg"}
        data = f"1\n{size - 1}\n1\n".encode().ljust(512, b"\0") + b"x".ljust(512, b"\0")
        member.size = len(data)
        tar.addfile(member, io.BytesIO(data))


def backwards(shard):
    """A tar whose only member has a negative size, so that its own header is read again as the next one."""
    member = tarfile.TarInfo(f"{KEY}.jpg")
    header = bytearray(member.tobuf(tarfile.GNU_FORMAT))
    header[124:136] = (256**12 - 512).to_bytes(12)  # in base 256, two's complement
    header[148:156] = b" " * 8
    header[148:156] = b"%06o\0 " % sum(header)
    shard.write_bytes(bytes(512) * 0 + bytes(header) + bytes(1024))


MEMBERS = {
    "link to itself": [(f"{KEY}.jpg", tarfile.SYMTYPE, {"linkname": f"{KEY}.jpg"})],
    "link in a circle": [
        (f"{KEY}.jpg", tarfile.SYMTYPE, {"linkname": "b.jpg"}),
        ("b.jpg", tarfile.SYMTYPE, {"linkname": f"{KEY}.jpg"}),
    ],
    "link out": [(f"{KEY}.jpg", tarfile.SYMTYPE, {"linkname": "/etc/passwd"})],
    "hard link": [("a.jpg", tarfile.REGTYPE, {"data": JPEG}), (f"{KEY}.jpg", tarfile.LNKTYPE, {"linkname": "a.jpg"})],
    "hard link to itself": [(f"{KEY}.jpg", tarfile.LNKTYPE, {"linkname": f"{KEY}.jpg"})],
    "folder": [(f"{KEY}.jpg", tarfile.DIRTYPE, {})],
    "device": [(f"{KEY}.jpg", tarfile.CHRTYPE, {"devmajor": 1, "devminor": 5})],
    "block device": [(f"{KEY}.jpg", tarfile.BLKTYPE, {"devmajor": 8, "devminor": 0})],
    "pipe": [(f"{KEY}.jpg", tarfile.FIFOTYPE, {})],
}


@pytest.mark.parametrize("name", MEMBERS)
def test_what_is_no_plain_file_is_not_read(tmp_path, name):
    files = pool(tmp_path, [(*member[:2], dict(member[2])) for member in MEMBERS[name]])
    with pytest.raises(UserError, match=r"cat.tar .*damaged \(.* is not a plain file\)") as error:
        list(read_pool(*files))
    assert "\n" not in str(error.value)
    with pytest.raises(UserError, match="is not a plain file"):
        read_images(files[0], [KEY])


def test_a_file_larger_than_memory_is_not_read(tmp_path):
    shard, records = pool(tmp_path)
    sparse(shard, 10**13)
    tracemalloc.start()
    with pytest.raises(UserError, match="is not a plain file"):
        list(read_pool(shard, records))
    _, most = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert most < 10_000_000


def test_a_tar_that_leads_backwards_ends(tmp_path):
    shard, records = pool(tmp_path)
    backwards(shard)
    with pytest.raises(UserError, match="cat.tar.*damaged"):
        list(read_pool(shard, records))
    (tmp_path / "own").mkdir()
    backwards(tmp_path / "own" / "frog.tar")
    with pytest.raises(UserError, match="cannot be read as a plain .tar"):
        list(import_folder({"path": tmp_path / "own", "per_class": 0}, "own", "frog", can_be_decoded))


GOOD = fetched(JPEG).to_json().encode()
LINES = {
    "no object": b"[]",
    "a number": b"7",
    "nothing": b"",
    "nested": b"[" * 100_000,
    "nested in a field": b'{"title": ' + b"[" * 100_000,
    "a giant number": b"9" * 10_000,
    "a giant seed": GOOD[:-1] + b', "seed": ' + b"9" * 4000 + b"}",
    "a large rank": GOOD[:-1] + b', "rank": 99999999999}',
    "a number that is none": GOOD[:-1] + b', "clip_score": NaN}',
    "an endless score": GOOD[:-1] + b', "clip_score": 1e999}',
    "a truth": GOOD[:-1] + b', "rank": true}',
    "other texts": GOOD[:-1] + b', "components": [[1]]}',
    "a text for a list": GOOD[:-1] + b', "components": "abc"}',
    "an unknown field": GOOD[:-1] + b', "' + b"x" * 100_000 + b'": 1}',
    "no key": b'{"source": "bing", "label": "cat", "kind": "bing", "origin": "x"}',
    "no text": b"\xff\xfe",
}


@pytest.mark.parametrize("name", LINES)
def test_a_line_that_is_no_record_is_one_line(tmp_path, name):
    with pytest.raises(UserError, match="cat.jsonl is damaged") as error:
        list(read_pool(*pool(tmp_path, lines=[GOOD, LINES[name]])))
    assert "\n" not in str(error.value) and len(str(error.value)) < 600


@settings(max_examples=200)
@given(st.integers(0, 10_000), st.binary(min_size=1, max_size=20), st.booleans())
def test_any_damage_is_one_line_or_harmless(tmp_path_factory, at, change, truncate):
    folder = tmp_path_factory.mktemp("pool", numbered=True)
    shard, records = folder / "cat.tar", folder / "cat.jsonl"
    entries = [(fetched(JPEG), JPEG), (fetched(PNG, rank=1), PNG)]
    write_pool(shard, records, entries)
    for path in (shard, records):
        data = path.read_bytes()
        place = at % len(data)
        path.write_bytes(data[:place] if truncate else data[:place] + change + data[place + len(change) :])
        try:
            found = list(read_pool(shard, records))
        except UserError as error:
            assert "\n" not in str(error) and "cat" in str(error)
        else:
            for record, image in found:
                assert image is None or image_key(image) == record.sha256[:16]
        path.write_bytes(data)


def photo():
    buffer = io.BytesIO()
    Image.linear_gradient("L").save(buffer, "PNG")
    return buffer.getvalue()


PHOTO = photo()


def test_deep_json_beside_an_image_is_no_provenance(tmp_path):
    (tmp_path / "frog").mkdir()
    (tmp_path / "frog" / "a.jpg").write_bytes(PHOTO)
    (tmp_path / "frog" / "a.json").write_bytes(b"[" * 100_000)
    ((record, data),) = import_folder({"path": tmp_path, "per_class": 0}, "own", "frog", can_be_decoded)
    assert data == PHOTO and not record.title and json.loads(record.to_json())["origin"] == "frog/a.jpg"
