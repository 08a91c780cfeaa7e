"""The license that a folder, an archive or a data set states reaches the provenance of its images."""

import json
import zipfile

import pytest
from hub_datasets import write_parquet_images

from distillery.config.defaults import source_defaults
from distillery.curation.decoding import can_be_decoded
from distillery.sources.datasets.importing import import_dataset
from distillery.sources.folders.importing import import_folder
from distillery.sources.license_notes import license_in
from distillery.storage.records import ImageRecord
from distillery.storage.retrieved.pools import image_key

PNG = b"\x89PNG\r\n\x1a\n" + bytes(30)
CARD = "---\nlicense: cc-by-4.0\ntask_categories:\n- image-classification\n---\n# Animals\nlicense: none\n"


def note_in(**files):
    return license_in({name.replace("__", "."): lambda n, text=text: text[:n] for name, text in files.items()})


@pytest.mark.parametrize(
    ("name", "text", "license"),
    [
        ("README.md", CARD, "cc-by-4.0"),
        ("README.md", CARD.replace("\n", "\r\n"), "cc-by-4.0"),
        ("README.md", "\ufeff" + CARD, "cc-by-4.0"),
        ("README.md", "---\nlicense:\n- mit\n- cc0-1.0\n---\n", "mit, cc0-1.0"),
        ("README.md", "---\nlicense: other\nlicense_name: animals-1\nlicense_link: x\n---\n", "animals-1"),
        ("README.md", "---\nlicense: [1, {a: b}]\n---\n", ""),
        ("README.md", "---\n{ - no: yaml\n---\n", ""),
        ("README.md", "# Animals\nlicense: cc-by-4.0\n", ""),
        ("dataset-metadata.json", '{"licenses": [{"name": "CC0-1.0"}, {"x": 1}, 2]}', "CC0-1.0"),
        ("dataset-metadata.json", '{"licenses": "CC0"}', ""),
        ("datapackage.json", "[" * 10_000, ""),
        ("LICENSE", "\n  ======\n# Creative Commons Zero\nmore\n", "LICENSE: Creative Commons Zero"),
        ("licence.TXT", "", "licence.TXT"),
        ("license.jpg", "no", ""),
        ("notes.txt", "license: mit", ""),
    ],
)
def test_a_note_says_which_license(name, text, license):
    assert note_in(**{name: text.encode()}) == license


def test_the_card_counts_before_a_text_and_the_nearest_to_the_top_first():
    files = {"LICENSE": b"MIT License", "a/README.md": CARD.encode()}
    assert note_in(**files) == "cc-by-4.0"
    assert note_in(**files | {"README.md": b"---\nlicense: mit\n---"}) == "mit"


def imported_folder(path, **changes):
    source = {"path": path, "per_class": 0} | changes
    return [record for record, _ in import_folder(source, "mine", "cat", can_be_decoded)]


def test_the_images_of_a_folder_have_its_license_but_for_those_from_elsewhere(tmp_path):
    cats = tmp_path / "set/train/cat"
    cats.mkdir(parents=True)
    for name in ("a", "b", "c"):
        (cats / f"{name}.png").write_bytes(PNG + name.encode())
    known = {
        "b": ImageRecord("web", "cat", "bing", "u", url="http://a.test/b"),
        "c": ImageRecord("x", "cat", "folder", "c"),
    }
    for name, record in known.items():
        (cats / f"{name}.json").write_text(record.to_json())
    (tmp_path / "set/LICENSE.md").write_text("# CC BY 4.0\n")
    licenses = [record.license for record in imported_folder(tmp_path / "set", inside="train")]
    assert licenses == ["LICENSE.md: CC BY 4.0", "", "LICENSE.md: CC BY 4.0"]
    with zipfile.ZipFile(tmp_path / "set.zip", "w") as archive:
        archive.writestr("archive/cat/a.png", PNG)
        archive.writestr("archive/dataset-metadata.json", json.dumps({"licenses": [{"name": "CC0-1.0"}]}))
    (record,) = imported_folder(tmp_path / "set.zip")
    assert record.license == "CC0-1.0" and record.key == image_key(PNG)


def test_the_images_of_a_data_set_have_the_license_of_its_card(tmp_path):
    write_parquet_images(tmp_path / "set/data/train-00000.parquet", [0])
    (tmp_path / "set/README.md").write_text(CARD)
    source = source_defaults("huggingface") | {"kind": "huggingface", "dataset": str(tmp_path / "set")}
    ((record, _),) = import_dataset(source, "mine", "cat", can_be_decoded)
    assert (record.license, record.page) == ("cc-by-4.0", "")
