"""Find the classes of a folder of images: one folder, tar or zip for each class."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from distillery.jobs import UserError
from distillery.sources.folders.archives import SUFFIXES
from distillery.sources.folders.finding import count_images, find_unlabeled, instead_of_images, listing_of
from distillery.sources.folders.names import is_image_by_name, is_unread
from distillery.storage.files import visible_entries


def count_by_class(folder: str | Path, where: str, classes: Sequence[str] = ()) -> dict[str, int]:
    """How many images of each class a folder holds.

    Args:
        folder: with a folder, a `.tar` or a `.zip` for each class.
        where: how an error names the folder's place, such as an option of a command.
        classes: to count; by default all that the folder holds, by name.

    Raises:
        UserError: there is no such folder, it holds no class or folders of other folders, an archive cannot be read,
            or a class has no image.
    """
    place = Path(folder)
    if not place.is_dir():
        what = "is a file" if place.exists() else "does not exist"
        raise UserError(f"{where}: {folder} {what}. Give a folder that holds one folder of images for each class.")
    found = _classes_in(place)
    if not found:
        unsorted = any(map(is_image_by_name, (entry.name for entry in place.iterdir())))
        sort = " It holds images, but no folders: sort them into one folder for each class." if unsorted else ""
        raise UserError(f"{where}: {folder} has no class.{sort or listing_of(place)}")
    if inner := _one_level_too_high(place, found):
        raise UserError(
            f"{where}: the folders in {folder} ({', '.join(found)}) hold folders instead of images. Give the one that"
            f" holds the classes, such as {inner}."
        )
    if missing := [name for name in classes if name not in found]:
        raise UserError(f"{where}: {folder} has no folder of class {', '.join(missing)}.{listing_of(place)}")
    counts = count_images(place, classes or found)
    for name, count in counts.items():
        if count is None:
            raise UserError(
                f"{where}: the archive of class {name} in {folder} cannot be read. Unpack it into a folder."
            )
        if not count:
            instead = instead_of_images(place, name)
            raise UserError(f"{where}: class {name} has no image in {folder}{instead}. Add some, or remove the folder.")
    return {name: count for name, count in counts.items() if count}


def count_unlabeled(folder: str | Path, where: str) -> int:
    """How many images a folder or archive holds, in folders of any name; raises a `UserError` if there is none."""
    return sum(not is_unread(image.origin) for image in find_unlabeled(folder, where))


def _classes_in(folder: Path) -> list[str]:
    """The names of the folders and archives in a folder, without suffix, sorted."""
    entries = visible_entries(folder)
    archives = {entry.stem for entry in entries if entry.is_file() and entry.suffix in SUFFIXES}
    return sorted({entry.name for entry in entries if entry.is_dir()} | archives)


def _one_level_too_high(folder: Path, found: Sequence[str]) -> Path | None:
    """The first folder in a folder, if all that is in it are folders of folders: a wrapper, or train and test."""
    inside = [entry for name in found if (folder / name).is_dir() for entry in visible_entries(folder / name)]
    if not inside or any(entry.is_file() for entry in inside):
        return None
    names = [entry.name for entry in inside]
    # folders of other names in each class are parts of it, such as one for each day
    return folder / found[0] if len(found) == 1 or len(set(names)) < len(names) else None
