"""Find the image files of a class: in its folder, in its tar or zip, or in an archive of class folders."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from distillery.jobs import UserError, log
from distillery.sources.folders.archives import SUFFIXES, Member, read_archive
from distillery.sources.folders.names import is_image_by_name, is_unread, may_be_image, suffix_of
from distillery.storage.files import files_below, visible_entries
from distillery.storage.retrieved.pools import MAGIC_BYTES, extension
from distillery.storage.texts import clean_text
from distillery.storage.urls import MAX_URL

MOST_NAMES = 10  # that a message lists


@dataclass(frozen=True)
class Found:
    """An image file of a class."""

    origin: str  # path within the folder or archive
    size: int  # bytes
    read: Callable[[], bytes]
    read_record: Callable[[], bytes] | None  # reads the {key}.json beside it, as in WebDataset; None if there is none


def find_images(path: str | Path, label: str, where: str, otherwise: str = "", inside: str = "") -> list[Found]:
    """The image files of one class below `path`, sorted by name.

    Files count as images by their suffix, or by their first bytes if the suffix is unknown. Links to folders are
    followed, and each folder is read once. Hidden files, system folders, videos and sidecar files are left out.

    Args:
        path: a folder of `{class}/…`, of `{class}.tar` or of `{class}.zip`; or a tar or zip that holds class folders,
            at its top or in one folder around them.
        label: the class.
        where: how an error names the place in the configuration.
        otherwise: what an error advises besides adding images of the class.
        inside: the folder below `path` that holds the class folders; if empty, it is searched for in an archive.

    Raises:
        UserError: `path` does not exist, an archive cannot be read, or the class has no folder, several folders, or no
            image.
    """
    found = _images(*_files_of(Path(path), label, where, otherwise, inside))
    if all(is_unread(file.origin) for file in found):
        instead = instead_of_images(path, label, inside)
        raise UserError(f"{where}: {path} has no image of class {label}{instead}. Add some{otherwise}.")
    return found


def instead_of_images(path: str | Path, label: str, inside: str = "") -> str:
    """What a folder or archive has instead of images of a class, for a message.

    Such as `, but 2 .heic files, which are not read`, or for an archive without a folder of the class
    `, but folders Cat, Dog`. Empty for a folder without any image.
    """
    path = Path(path)
    files, _ = _files_of(path, label, "", "", inside)
    if unread := [name for name in _names_of_images(files) if is_unread(name)]:
        return f", but {len(unread)} {suffix_of(unread[0])} files, which are not read"
    return _instead_of_class(read_archive(path, "")) if path.is_file() and not files else ""


def _instead_of_class(names: Iterable[str]) -> str:
    """What an archive has instead of a class's folder, for a message."""
    paths = [PurePosixPath(name) for name in sorted(names)]
    images = [path for path in paths if may_be_image(str(path))]
    for what, found in (
        ("folders", sorted({path.parent.name for path in images} - {""})),
        ("images in no folder:", [path.name for path in images]),
        ("archives inside, which must be unpacked:", [path.name for path in paths if path.suffix in SUFFIXES]),
    ):
        if found:
            return f", but {what} {', '.join(found)[:200]}"
    return ", but no image at all"


def listing_of(folder: Path) -> str:
    """A sentence that lists what is in a folder, for a message; begins with a space."""
    there = [entry.name for entry in visible_entries(folder)]
    more = f" and {len(there) - MOST_NAMES} more" if len(there) > MOST_NAMES else ""
    return f" It has {', '.join(there[:MOST_NAMES])}{more}." if there else " It is empty."


def find_unlabeled(path: str | Path, where: str, inside: str = "") -> list[Found]:
    """All image files at and below `path`, sorted by name, in folders of any name; else as `find_images`.

    Args:
        path: a folder, a tar or a zip.
        where: how an error names the place in the configuration.
        inside: the folder below `path` to use; empty for all of `path`.

    Raises:
        UserError: `path` does not exist, an archive cannot be read, or there is no image.
    """
    place, start = Path(path), f"{inside.strip('/')}/" if inside else ""
    if place.is_dir():
        files = {name: _on_disk(file) for name, file in files_below(place / inside).items()}
    elif place.exists():
        files = {name: file for name, file in read_archive(place, where).items() if name.startswith(start)}
    else:
        raise UserError(f"{where}: there is no {place}. Give `path` a folder of images, or a .tar or .zip.")
    found = _images(files, "")
    if all(is_unread(file.origin) for file in found):
        raise UserError(f"{where}: {place / inside} has no image that can be read. Add some.")
    return found


def class_place(path: Path, label: str, inside: str = "") -> Path | None:
    """The path that holds the images of a class: its folder, its archive, or an archive of all classes; else None."""
    if path.is_file():
        return path
    folder = path / inside
    places = [folder / label, *(folder / f"{label}{suffix}" for suffix in SUFFIXES)]
    return next((place for place in places if place.is_dir() or (place.is_file() and place != places[0])), None)


def count_images(path: str | Path, labels: Iterable[str], inside: str = "") -> dict[str, int | None]:
    """How many images of each class `find_images` would find; None for an archive that cannot be read.

    Args:
        path: an existing folder or archive.
        labels: the classes.
        inside: as for `find_images`.
    """
    path, labels = Path(path), list(labels)
    counts: dict[str, int | None] = dict.fromkeys(labels)
    try:
        whole = read_archive(path, "") if path.is_file() else None  # read once, not for each class
        for label in labels:
            files = (
                _of_class(whole, label, inside, "") if whole is not None else _files_of(path, label, "", "", inside)[0]
            )
            counts[label] = sum(not is_unread(name) for name in _names_of_images(files))
    except UserError:  # a damaged archive; importing it reports that
        pass
    return counts


def _files_of(path: Path, label: str, where: str, otherwise: str, inside: str) -> tuple[Mapping[str, Member], str]:
    """The files of a class by their names, and the prefix that makes an origin of a name."""
    place = class_place(path, label, inside)
    if place is None:
        raise UserError(_nothing_there(path / inside, label, where, otherwise))
    if place == path:
        return _of_class(read_archive(path, where), label, inside, where), ""
    if place.is_dir():
        return {name: _on_disk(file) for name, file in files_below(place).items()}, f"{label}/"
    return read_archive(place, where), f"{place.name}/"


def _on_disk(file: Path) -> Member:
    def read(count: int) -> bytes:
        with open(file, "rb") as opened:
            return opened.read(count)

    return Member(file.stat().st_size, read)


def _of_class(files: Mapping[str, Member], label: str, inside: str, where: str) -> dict[str, Member]:
    """The files in a class's folder in an archive, by their full names."""
    roots = {root for name in files if may_be_image(name) and (root := _root(name, label)) is not None}
    if inside:
        end = f"/{inside.strip('/')}/"
        roots = {root for root in roots if f"/{root}".endswith(end)}
    nearest = sorted(root for root in roots if root.count("/") == min(each.count("/") for each in roots))
    if len(nearest) > 1:
        raise UserError(
            f"{where}: class {label} is in several folders of the archive ({', '.join(nearest)[:200]}). Name one"
            " with the key `inside`."
        )
    return {name: file for name, file in files.items() if nearest and name.startswith(f"{nearest[0]}{label}/")}


def _root(name: str, label: str) -> str | None:
    """The path before a class's folder in a name, with its slash; None if the file is in no such folder."""
    folders = PurePosixPath(name).parts[:-1]
    return "".join(f"{part}/" for part in folders[: folders.index(label)]) if label in folders else None


def _images(files: Mapping[str, Member], prefix: str) -> list[Found]:
    names = _names_of_images(files)
    if left := len(files) - len(names):
        log.info("%d files are left out: hidden files, videos, sidecar files or files of an unknown kind", left)
    return [
        Found(
            clean_text(prefix + name, MAX_URL),
            files[name].size,
            _all_of(files[name]),
            _all_of(record) if (record := files.get(_record_name(name))) else None,
        )
        for name in names
    ]


def _names_of_images(files: Mapping[str, Member]) -> list[str]:
    return sorted(name for name in files if may_be_image(name) and (is_image_by_name(name) or _begins(files[name])))


def _begins(member: Member) -> bool:
    """Whether a file begins like an image."""
    try:
        return extension(member.read(MAGIC_BYTES)) != "bin"
    except OSError:
        return False


def _all_of(member: Member) -> Callable[[], bytes]:
    return lambda: member.read(-1)


def _record_name(name: str) -> str:
    return str(PurePosixPath(name).with_suffix(".json"))


def _nothing_there(folder: Path, label: str, where: str, otherwise: str) -> str:
    if not folder.is_dir():
        return f"{where}: there is no {folder}. Give `path` a folder of class folders, or a .tar or .zip."
    kinds = f"a folder {label} nor a file {label}.tar or {label}.zip"
    return f"{where}: {folder} has neither {kinds}. Add one{otherwise}.{listing_of(folder)}"
