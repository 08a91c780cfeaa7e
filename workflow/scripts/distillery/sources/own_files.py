"""Check the user's own folders and lists: that they exist, are not used twice, and hold enough images.

This is separate from `reading.check_config`, because a cluster's pod reads the configuration but has not these files.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from distillery.config.checks.teacher_data_checks import TEACHER_PLACES
from distillery.config.queries.derived_sources import folders_of_unlabeled
from distillery.config.queries.retrieval_queries import images_requested
from distillery.config.queries.source_queries import Study, classes_of
from distillery.config.queries.training_queries import adopted_members
from distillery.config.reading import config_error
from distillery.jobs import forbidden_in_one_line, one_line
from distillery.sources.address_lists import count_addresses, none_of
from distillery.sources.folders.finding import class_place, count_images, instead_of_images, listing_of
from distillery.sources.folders.names import is_image_by_name
from distillery.sources.pages.saved import other_files, saved_files
from distillery.storage.files import files_below, overlap, visible_entries

WEIGHTS, PICKLED = (".safetensors", ".onnx"), (".pth", ".pt", ".ckpt")


@dataclass(frozen=True)
class OwnPath:
    """A folder, tar or list that the configuration names.

    Attributes:
        key: of the configuration.
        path: the folder, tar or list.
        labels: classes of which a folder must have images.
        remedy: what to do if it lacks one of them.
        inside: the folder below `path` that holds the class folders; empty for `path` itself.
    """

    key: str
    path: Path
    labels: Iterable[str]
    remedy: str
    inside: str = ""


@forbidden_in_one_line()
def check_own_files(study: Study) -> list[str]:
    """Check the user's own folders and lists that a valid configuration names.

    Returns:
        Warnings, a line each: classes with fewer images than requested, if counts may shrink.

    Raises:
        UserError: a path does not exist, is a folder without one of the classes, is both the teacher's and a source's,
            has too few images of a class, or may not be read; a teacher's file does not exist. The message names the
            key, or the place that may not be read.
    """
    _require_teacher_files(study)
    paths = list(_own_paths(study))
    for own in paths:
        _require_path(own)
    _require_unknown_to_teacher(study, paths)
    _require_distinct(paths)
    for _, folder in folders_of_unlabeled(study):
        files_below(folder)  # every folder in it may be read
    warnings = [*_without_saved_pages(study), *_without_addresses(study)]
    for own in paths:
        # without labels it is a list of URLs, or a folder of unlabeled images
        found = count_images(own.path, own.labels, own.inside) if own.labels else {}
        if empty := [label for label, count in found.items() if count == 0]:
            instead = instead_of_images(own.path, empty[0], own.inside)
            raise config_error(f"{own.key}: {own.path} has no image of class {', '.join(empty)}{instead}; {own.remedy}")
        if own.key.startswith("sources."):
            warnings += _shortfalls(study, own, {label: n for label, n in found.items() if n is not None})
    return warnings


def _require_teacher_files(study: Study) -> None:
    """Check that the files of teachers that the study does not train exist; an id on the hub is not checked."""
    for name, member in adopted_members(study).items():
        settings = member[member["kind"]]
        for key in ("model", "labels"):
            path = settings.get(key, "")
            is_file = key == "labels" or path.endswith((*WEIGHTS, *PICKLED)) or path.count("/") > 1
            where = f"{name}.{member['kind']}.{key}"
            if path and is_file:
                _require_exists(where, Path(path))
            if path.endswith(PICKLED):
                raise config_error(
                    f"{where}: {path} may run code when it is loaded, so it is not read; docs/teachers.md says how to"
                    " convert it"
                )


def _own_paths(study: Study) -> Iterator[OwnPath]:
    for name, source in study["sources"].items():
        if source["kind"] in ("folder", "urls"):
            has_classes = source["kind"] == "folder" and not source.get("labels")
            labels = classes_of(study, name) if has_classes else ()
            remedy = f"add it, or name under sources.{name}.classes only those that are there"
            yield OwnPath(f"sources.{name}.path", Path(source["path"]), labels, remedy, source.get("inside", ""))
    data, remedy = study["teacher"]["data"], "add it: the teacher is trained on all classes"
    for key, inside in TEACHER_PLACES if data["kind"] == "folder" else ():
        yield OwnPath(f"teacher.data.{key}", Path(data[key]), list(study["classes"]), remedy, data[inside])


def _without_saved_pages(study: Study) -> Iterator[str]:
    """A warning for each source that lacks saved pages of some classes; raises a `UserError` if it has none at all."""
    for name, source in study["sources"].items():
        if not (saved := source.get("saved")):
            continue
        missing = [label for label in classes_of(study, name) if not saved_files(saved, label)]
        others = other_files(saved, missing[0]) if missing else ""
        what = f"sources.{name}.saved: {saved} has no saved page of class {', '.join(missing)}{others}"
        if len(missing) == len(classes_of(study, name)):
            raise config_error(f"{what}. Save pages of results as {saved}/{missing[0]}/1.html or .har")
        if missing:
            yield one_line(what)


def _without_addresses(study: Study) -> Iterator[str]:
    """Warnings of lists with too few addresses, as of folders; raises a `UserError` if a class has none at all."""
    for name, source in study["sources"].items():
        if source["kind"] != "urls":
            continue
        own = OwnPath(f"sources.{name}.path", Path(source["path"]), classes_of(study, name), "")
        found = count_addresses(own.path, f"config: {own.key}")
        if missing := [label for label in own.labels if not found[label]]:
            raise config_error(
                f"{own.key}: {none_of(own.path, missing, found)}, or name under sources.{name}.classes only those that"
                " are there"
            )
        yield from _shortfalls(study, own, {label: found[label] for label in own.labels})


def _require_exists(key: str, path: Path) -> None:
    if not path.exists():
        raise config_error(f"{key}: {path} does not exist (paths are relative to the study's folder)")


def _require_path(own: OwnPath) -> None:
    _require_exists(own.key, own.path)
    missing = [label for label in own.labels if class_place(own.path, label, own.inside) is None]
    if missing:
        folder = own.path / own.inside
        unsorted = own.key.startswith("sources.") and folder.is_dir() and any(map(is_image_by_name, os.listdir(folder)))
        if inner := _folder_inside(folder, own.labels):
            raise config_error(f"{own.key}: the class folders are one level below, in {inner}; give that path")
        remedy = own.remedy + "; for images without labels give the source labels: teacher" * unsorted
        raise config_error(
            f"{own.key}: {folder} has neither a folder nor a .tar or .zip of class {', '.join(missing)}; {remedy}"
            f"{'.' + listing_of(folder).rstrip('.') if folder.is_dir() else ''}"
        )


def _folder_inside(folder: Path, labels: Iterable[str]) -> Path | None:
    """The only folder in a folder, if it has all classes: a wrapper, as archives often have."""
    inside = [entry for entry in visible_entries(folder) if entry.is_dir()] if folder.is_dir() else []
    return inside[0] if len(inside) == 1 and all(class_place(inside[0], label) for label in labels) else None


def _require_distinct(paths: Iterable[OwnPath]) -> None:
    """Check that no folder or archive of a class is both the teacher's and a source's, not even by a link."""
    sources: dict[Path, tuple[OwnPath, Path]] = {}
    for own in paths:
        of_classes = (class_place(own.path, label, own.inside) for label in own.labels)
        for place in filter(None, [own.path, *of_classes]):
            # the teacher and a source may use one archive, if they use different folders in it
            resolved = place.resolve() / own.inside if place.is_file() and place == own.path else place.resolve()
            if own.key.startswith("sources."):
                sources.setdefault(resolved, (own, place))
            elif resolved in sources:
                other, other_place = sources[resolved]
                raise config_error(
                    f"{own.key}: {place} is {other_place} of {other.key}; students would be tested on images that their"
                    " teacher knows. Give the teacher other images"
                )


def _require_unknown_to_teacher(study: Study, paths: Iterable[OwnPath]) -> None:
    """Check that no folder of unlabeled images contains one of the teacher's, or is inside one."""
    teachers = [own for own in paths if not own.key.startswith("sources.")]
    for name, folder in folders_of_unlabeled(study):
        for own in teachers:
            if overlap(folder, own.path):
                raise config_error(
                    f"sources.{name}.path: {folder} overlaps with {own.path} of {own.key}; the teacher would label"
                    " images that it was trained or tested on. Give the source a folder of its own"
                )


def _shortfalls(study: Study, own: OwnPath, found: dict[str, int]) -> Iterator[str]:
    """A warning if counts must shrink because there are too few images; a `UserError` if they may not or cannot."""
    source = own.key.split(".")[1]
    requested = images_requested(study, source)
    label = min(found, key=lambda name: found[name], default=None)
    if label is None or found[label] >= sum(requested.values()):
        return
    parts = " + ".join(f"{count} {part}" for part, count in requested.items() if count)
    what = (
        f"{own.key}: {own.path} has {found[label]} images of class {label}, fewer than the {sum(requested.values())}"
        f" requested of each class ({parts})"
    )
    fewest = sum(1 for count in requested.values() if count)
    if study["split"]["shortfall"] == "error":
        raise config_error(f"{what}. Add images, lower the counts, or set split.shortfall: shrink")
    if found[label] < fewest:
        raise config_error(f"{what}. Even shrunk, these need {fewest}; add images or lower the counts")
    yield one_line(f"{what}. They will shrink, in every class of the source, to what class {label} has")
