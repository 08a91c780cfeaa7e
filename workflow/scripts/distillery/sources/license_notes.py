"""Find the license that a folder, archive or data set states for all its images, in a file with a usual name.

The result is a hint for the user to check: `cc-by-4.0`, or the name of a license file and its first line.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path, PurePosixPath
from typing import Any

import yaml

from distillery.jobs import one_line
from distillery.sources.folders.archives import read_archive

NOTE_BYTES = 100_000  # read from the start of a file
NOTE_LENGTH = 200  # characters of the result
CARDS = ("readme.md", "dataset_card.md")
METADATA = ("dataset-metadata.json", "datapackage.json")  # from Kaggle and from Frictionless Data
TEXTS = ("license", "licence", "copying")
TEXT_SUFFIXES = ("", ".txt", ".md", ".rst")
Readers = Mapping[str, Callable[[int], bytes]]  # name of a file → function that reads its first n bytes


def license_of(path: str | Path, inside: str = "") -> str:
    """The license that a user's folder or archive states; empty if it states none.

    Args:
        path: of a folder, or of a `.zip` or `.tar` that holds everything.
        inside: the folder below it that holds the class folders. Files in the folders above that one count too.
    """
    path = Path(path)
    if path.is_file():
        try:
            return license_in({name: member.read for name, member in read_archive(path, "").items()})
        except Exception:  # a damaged archive; importing it reports that
            return ""
    places = [
        path.joinpath(*PurePosixPath(inside).parts[:depth]) for depth in range(len(PurePosixPath(inside).parts) + 1)
    ]
    files = {
        f"{place.relative_to(path).as_posix()}/{file.name}": _reader(file)
        for place in places
        if place.is_dir()
        for file in place.iterdir()
        if file.is_file()
    }
    return license_in(files)


def is_note(name: str) -> bool:
    """Whether a file, by its name, may state a license."""
    file = PurePosixPath(name.lower())
    return file.name in CARDS + METADATA or (file.stem in TEXTS and file.suffix in TEXT_SUFFIXES)


def license_in(files: Readers) -> str:
    """The license that files state: in a data set's card or metadata, else in a license text; the topmost counts."""
    notes = sorted(filter(is_note, files), key=lambda name: (name.count("/"), name))
    for name in notes:
        file = PurePosixPath(name.lower()).name
        read = _license_in_card if file in CARDS else _license_in_metadata if file in METADATA else None
        if read and (found := read(_text(files[name]))):
            return one_line(found, NOTE_LENGTH)
    for name in notes:
        if PurePosixPath(name.lower()).stem in TEXTS:
            return one_line(f"{PurePosixPath(name).name}: {_first_line(_text(files[name]))}", NOTE_LENGTH).rstrip(": ")
    return ""


def _license_in_card(text: str) -> str:
    """The license in the YAML header of a card, in the format of the Hugging Face hub."""
    if not text.startswith("---"):
        return ""
    try:
        values = yaml.safe_load(text.removeprefix("---").partition("\n---")[0])
    except (yaml.YAMLError, ValueError, RecursionError):
        return ""
    if not isinstance(values, dict):
        return ""
    # a custom license is called other; its name is in another key
    found = values.get("license_name") if values.get("license") == "other" else None
    return _joined(found or values.get("license"))


def _license_in_metadata(text: str) -> str:
    try:
        values = json.loads(text)
    except (ValueError, RecursionError):
        return ""
    licenses = values.get("licenses") if isinstance(values, dict) else None
    return _joined(
        [each.get("name") or each.get("title") for each in licenses or () if isinstance(each, dict)]
        if isinstance(licenses, list)
        else None
    )


def _joined(value: Any) -> str:
    values = value if isinstance(value, list) else [value]
    return ", ".join(each for each in values if isinstance(each, str) and each)


def _first_line(text: str) -> str:
    return next(filter(None, (line.strip(" #=*-\t") for line in text.splitlines())), "")


def _text(read: Callable[[int], bytes]) -> str:
    try:
        return read(NOTE_BYTES).decode("utf-8-sig", "replace").replace("\r\n", "\n")
    except OSError:
        return ""


def _reader(file: Path) -> Callable[[int], bytes]:
    def read(count: int) -> bytes:
        with open(file, "rb") as opened:
            return opened.read(count)

    return read
