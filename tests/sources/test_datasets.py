"""Data sets of the Hugging Face hub, from a folder of parquet files and from a hub on loopback."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from hub_datasets import COMMIT, Hub, image_bytes, write_parquet_images

from distillery.config.defaults import source_defaults
from distillery.curation.decoding import can_be_decoded
from distillery.jobs import UserError
from distillery.sources.datasets.importing import check_dataset, import_dataset
from distillery.storage.retrieved.pools import read_pool, write_pool
from distillery.storage.retrieved.refusals import Refusal
from distillery_demo.web import serve

SCRIPTS = Path(__file__).parents[2] / "workflow" / "scripts"
LABELS = [0, 1, 0, 2, 1, 0, 1, 1, 0, 0]  # of cat, dog, ship


def source_of(path, **changes):
    return source_defaults("huggingface") | {"kind": "huggingface", "dataset": str(path)} | changes


def imported(path, of="cat", **changes):
    return list(import_dataset(source_of(path, **changes), "mine", of, can_be_decoded))


def in_folder(folder):
    write_parquet_images(folder / "data/train-00000-of-00002.parquet", LABELS)
    write_parquet_images(folder / "data/train-00001-of-00002.parquet", LABELS[:3], first=100)
    write_parquet_images(folder / "data/test-00000-of-00001.parquet", [0, 1, 1], first=200)
    return folder


def test_the_images_of_a_class_come_in_the_data_set_s_order(tmp_path):
    entries = imported(in_folder(tmp_path))
    rows = [(0, row) for row in (0, 2, 5, 8, 9)] + [(1, 0), (1, 2)]
    assert [record.origin for record, _ in entries] == [
        f"data/train-0000{part}-of-00002.parquet:{row}" for part, row in rows
    ]
    assert [data for _, data in entries] == [image_bytes(100 * part + row) for part, row in rows]
    assert {(record.kind, record.label, record.source, record.failure) for record, _ in entries} == {
        ("huggingface", "cat", "mine", "")
    }
    assert [record.rank for record, _ in entries] == list(range(7))
    assert len(imported(tmp_path, "dog", split="test")) == 2
    write_pool(tmp_path / "cat.tar", tmp_path / "cat.jsonl", entries)
    assert list(read_pool(tmp_path / "cat.tar", tmp_path / "cat.jsonl")) == entries


def test_per_class_counts_different_images_that_can_be_decoded(tmp_path):
    data = {0: image_bytes(0)[:60], 2: None, 5: b"<html>", 9: image_bytes(8)}
    write_parquet_images(tmp_path / "train.parquet", [*LABELS, 0, 0], data=data)
    entries = imported(tmp_path, per_class=2)
    assert [record.failure for record, _ in entries] == ["", "no bytes in the data set", "not an image", "", "", ""]
    assert [record.origin[-2:] for record, _ in entries] == [":0", ":2", ":5", ":8", ":9", "10"]


def test_labels_may_be_texts_and_have_other_names(tmp_path):
    write_parquet_images(tmp_path / "train.parquet", ["tabby, tabby cat", "dog"], names=None, image="img", label="fine")
    columns = {"image": "img", "label": "fine", "names": {"cat": "tabby, tabby cat"}}
    assert len(imported(tmp_path, **columns)) == 1 and len(imported(tmp_path, "dog", **columns)) == 1
    with pytest.raises(
        UserError, match=r"no image has the label cat; labels are dog, tabby, tabby cat\. Give .* names: \{cat: …\}"
    ):
        imported(tmp_path, image="img", label="fine")


@pytest.mark.parametrize(
    "name",
    [
        "train.parquet",
        "train/0000.parquet",
        "default/train/0000.parquet",
        "default/partial-train/0000.parquet",
        "data/train-00000-of-00001-ab.parquet",
    ],
)
def test_every_form_of_a_file_s_name(tmp_path, name):
    write_parquet_images(tmp_path / name, LABELS)
    write_parquet_images(tmp_path / name.replace("train", "training"), LABELS)
    assert len(imported(tmp_path)) == 5


def test_a_single_file_is_a_data_set(tmp_path):
    assert len(imported(write_parquet_images(tmp_path / "x.parquet", LABELS))) == 5


def test_mistakes_are_one_line_each(tmp_path):
    for subset in ("small", "large"):
        write_parquet_images(tmp_path / subset / "train-0.parquet", LABELS)
    cases = [
        ({}, r"has split train in several subsets \(large, small\). Name one with `subset`"),
        ({"split": "val"}, "has no split val; its files are large/train-0.parquet, small"),
        ({"subset": "huge"}, "has no split train of subset huge"),
        (
            {"subset": "small", "image": "img"},
            "small/train-0.parquet has no column img, but image, label. Correct `image`",
        ),
        ({"subset": "small", "label": "x"}, "has no column x, but image, label. Correct `label`"),
    ]
    for changes, message in cases:
        with pytest.raises(UserError, match=message) as error:
            imported(tmp_path, **changes)
        assert "\n" not in str(error.value) and str(error.value).startswith("source mine: ")
    assert len(imported(tmp_path, subset="small")) == 5
    (tmp_path / "small/train-0.parquet").write_bytes(b"PAR1")
    with pytest.raises(UserError, match="small/train-0.parquet is damaged"):
        imported(tmp_path, subset="small")
    (tmp_path / "small/train-0.parquet").unlink()
    with pytest.raises(UserError, match="has no parquet files"):
        imported(tmp_path / "small")


def test_groups_of_rows_without_the_class_are_not_read(tmp_path, monkeypatch):
    path = write_parquet_images(tmp_path / "train.parquet", [1] * 8 + [0] * 4 + [1] * 8)
    read, iter_batches = [], pq.ParquetFile.iter_batches

    def counted(self, *args, row_groups=None, **options):
        read.extend(row_groups)
        return iter_batches(self, *args, row_groups=row_groups, **options)

    monkeypatch.setattr(pq.ParquetFile, "iter_batches", counted)
    assert len(imported(path)) == 4 and read == [2]


# --- from the hub -----------------------------------------------------------------------------------------------------

# in a separate process, because huggingface_hub reads address and cache folder from the environment when it is imported
FROM_HUB = """
import json, sys
sys.path.insert(0, {scripts!r})
from distillery.curation.decoding import can_be_decoded
from distillery.jobs import UserError
from distillery.sources.datasets.importing import import_dataset, check_dataset
source = json.loads({source!r})
try:
    print(check_dataset(source, "mine").verdict)
    entries = list(import_dataset(source, "mine", "cat", can_be_decoded))
    print(json.dumps([[r.origin, r.page, r.revision, r.license, len(data)] for r, data in entries]))
except UserError as error:
    print(getattr(error, "reason", "mistake"), error)
"""


def from_hub(hub, tmp_path, **changes):
    with serve(hub) as port:
        return ask_hub(port, tmp_path, **changes)


def ask_hub(port, tmp_path, **changes):
    settings = json.dumps(source_of("some/set", **changes))
    environment = {name: value for name, value in os.environ.items() if not name.startswith("HF_")}
    environment |= {
        "HF_ENDPOINT": f"http://127.0.0.1:{port}",
        "HF_HOME": str(tmp_path / "home"),
        "HF_HUB_DISABLE_XET": "1",
    }
    program = FROM_HUB.format(scripts=str(SCRIPTS), source=settings)
    done = subprocess.run(
        [sys.executable, "-c", program], env=environment, cwd=tmp_path, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()


def files_of(tmp_path):
    folder = in_folder(tmp_path / "made")
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*.parquet")}


def test_a_data_set_of_the_hub_is_downloaded_once(tmp_path):
    hub = Hub({"main": {"README.md": b"#"} | files_of(tmp_path)})
    verdict, entries = from_hub(hub, tmp_path, per_class=6)
    found = json.loads(entries)
    assert verdict == "ok" and len(found) == 6
    assert found[0] == [
        "data/train-00000-of-00002.parquet:0",
        "https://huggingface.co/datasets/some/set",
        COMMIT,
        "cc-by-sa-3.0",
        len(image_bytes(0)),
    ]
    downloads = [asked for asked in hub.asked if asked.startswith("GET /datasets")]
    assert len(downloads) == 2 and not any("test-0" in asked for asked in hub.asked)
    again = Hub(hub.files)
    assert from_hub(again, tmp_path, per_class=6) == [verdict, entries]
    assert not any(asked.startswith("GET /datasets") for asked in again.asked)


def test_a_data_set_in_another_form_is_read_as_the_hub_converted_it(tmp_path):
    files = {name.replace("data/train-", "default/train/"): data for name, data in files_of(tmp_path).items()}
    hub = Hub({"main": {"train.zip": b"PK"}, "refs/convert/parquet": files})
    verdict, entries = from_hub(hub, tmp_path)
    assert verdict == "ok" and json.loads(entries)[0][0].startswith("default/train/")


@pytest.mark.parametrize(
    "status, code, expected",
    [
        (
            403,
            "GatedRepo",
            "no token dataset some/set is gated. Accept its license at https://huggingface.co/datasets/some/set",
        ),
        (404, "RepoNotFound", "mistake dataset some/set is neither a folder here nor on the hub"),
        (429, "", "quota used up dataset some/set: the hub answers no more requests today"),
        (404, "RevisionNotFound", "mistake dataset some/set: the hub has no such revision"),
    ],
)
def test_the_hub_s_refusals_are_typed(tmp_path, status, code, expected):
    [line] = from_hub(Hub({}, status, code), tmp_path)
    assert line.startswith(expected)


def test_without_a_hub_the_source_is_unreachable(tmp_path):
    server = Hub({})
    port = server.server_address[1]
    server.server_close()
    [line] = ask_hub(port, tmp_path)
    assert line.startswith("unreachable dataset some/set")


def test_the_check_of_a_folder_finds_the_split(tmp_path):
    assert check_dataset(source_of(in_folder(tmp_path)), "mine").verdict == "ok"
    with pytest.raises(UserError, match="has no split val"):
        check_dataset(source_of(tmp_path, split="val"), "mine")
    assert not issubclass(UserError, Refusal)
