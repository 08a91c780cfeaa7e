"""Write the configuration of a study of images that the user has."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from distillery.config.choices import UNLABELED
from distillery.jobs import UserError
from distillery.new.presets import LAPTOP, Preset, preset
from distillery.new.templates import (
    ABOUT,
    CLIP,
    LEAKAGE,
    NO_UNLABELED,
    OWN,
    OWN_COMPARISON,
    OWN_TEACHER,
    OWN_UNLABELED,
    TRAINED,
)
from distillery.new.writing import counts_text, in_words, require_classes, scalar, write_configuration
from distillery.sources.folders.archives import SUFFIXES
from distillery.sources.folders.class_folders import count_by_class, count_unlabeled
from distillery.storage.files import overlap
from distillery.wording import plural

FEWEST = 10  # images of a class
PER_CLASS_AT_LEAST = 2  # unlabeled images for one that is trained on
CLIP_BATCH = 32  # images a step on a machine without a GPU, where a CLIP takes most of the time


@dataclass(frozen=True)
class OwnImages:
    """The user's images.

    Attributes:
        folder: with a folder of images for each class.
        found: number of images of each class of the study.
        unlabeled: a folder of more images, which the teacher labels; empty for none.
        found_unlabeled: their number.
        for_teacher: a folder with labeled images in `train` and `test`, for the teacher alone. If empty, a CLIP is the
            teacher.
    """

    folder: str
    found: Mapping[str, int]
    unlabeled: str = ""
    found_unlabeled: int = 0
    for_teacher: str = ""


def new_study_of_own_images(folder: str | Path, images: OwnImages, *, subject: str = "") -> Path:
    """Write the configuration of a new study of images that the user has. The images stay where they are.

    Args:
        folder: of the study; created if it does not exist.
        images: as `find_own_images` returns them.
        subject: what the classes are kinds of, a part of the CLIP's prompts.

    Returns:
        The file written.

    Raises:
        UserError: the folder is a file or has a configuration already.
    """
    path = Path(folder) / "config.yaml"
    return write_configuration(path, _configuration(path, images, subject))


def find_own_images(
    folder: str, classes: Sequence[str] = (), *, unlabeled: str = "", for_teacher: str = ""
) -> OwnImages:
    """Count the user's images; see `OwnImages`.

    Args:
        classes: to use; by default all that the folder holds.

    Raises:
        UserError: a folder does not exist, or lacks images; there are fewer than two classes; the name of a class is
            not valid.
    """
    if classes:
        require_classes(classes)
    found = count_by_class(folder, "--images", classes)
    if len(found) < 2:
        raise UserError(f"--images: {folder} has one class, {', '.join(found)}. A study needs at least two.")
    require_classes(list(found), (UNLABELED,) if unlabeled else ())
    rarest = min(found, key=lambda name: found[name])
    if found[rarest] < FEWEST:
        raise UserError(
            f"--images: class {rarest} has {plural(found[rarest], 'image')} in {folder}. A study needs {FEWEST}"
            " of each."
        )
    if for_teacher:
        _require_train_and_test(for_teacher, list(found))
    count = _count_unlabeled(unlabeled, folder, len(found)) if unlabeled else 0
    return OwnImages(folder, found, unlabeled, count, for_teacher)


def _count_unlabeled(unlabeled: str, labeled: str, classes: int) -> int:
    """How many images without labels there are; raises a `UserError` if no scenario could train on them."""
    place = Path(unlabeled)
    if not (place.is_dir() or (place.exists() and place.suffix in SUFFIXES)):
        what = "is neither a folder nor a .tar or .zip" if place.exists() else "does not exist"
        raise UserError(f"--unlabeled: {unlabeled} {what}. Give a folder of images.")
    if overlap(unlabeled, labeled):
        raise UserError(
            f"--unlabeled: {unlabeled} and {labeled} share images, which have labels already. Give a folder of its own."
        )
    count = count_unlabeled(unlabeled, "--unlabeled")
    if count < PER_CLASS_AT_LEAST * classes:
        raise UserError(
            f"--unlabeled: {unlabeled} has {plural(count, 'image')}, fewer than {PER_CLASS_AT_LEAST} for each of"
            f" {classes} classes. Add some, or leave the option out."
        )
    return count


def _require_train_and_test(folder: str, classes: Sequence[str]) -> None:
    for part in ("train", "test"):
        if not Path(folder, part).is_dir():
            raise UserError(
                f"--teacher-images: {folder} has no folder {part}. It needs train and test, and in each a folder of"
                " images for each class."
            )
        count_by_class(Path(folder, part), "--teacher-images", classes)


def _configuration(path: Path, images: OwnImages, subject: str) -> str:
    """The text of the configuration at a path."""
    chosen, classes = preset(), len(images.found)
    if not images.for_teacher and chosen is LAPTOP:
        chosen = replace(chosen, batch=min(chosen.batch, CLIP_BATCH))
    fewest = min(images.found.values())  # each class gives as many
    scenarios = _scenarios(images, fewest)
    seen = chosen.image_size if images.for_teacher else 2 * chosen.image_size  # by the teacher
    unlabeled = NO_UNLABELED
    if images.found_unlabeled:
        unlabeled = OWN_UNLABELED.format(_seen_from(path, images.unlabeled), images.found_unlabeled)
    values = {
        "title": scalar(f"{in_words(path.parent.resolve().name).capitalize() or 'Images'}: {', '.join(images.found)}"),
        "machine": chosen.machine,
        "classes": "\n".join(f"  {scalar(name)}: # {number} images" for name, number in images.found.items()),
        "images": _seen_from(path, images.folder),
        "unlabeled": unlabeled,
        "test": fewest * 3 // 10 * classes,
        "seen": seen,
        "leakage": LEAKAGE if images.for_teacher else "",
        "teacher": _teacher(path, images, subject, chosen, seen).rstrip("\n"),
        "comparison": OWN_COMPARISON if len(scenarios) > 1 else "",
        "scenarios": "\n".join(
            f"  {name}: {{ train: {counts_text(counts)} }} # {ABOUT[name]}" for name, counts in scenarios.items()
        ),
    }
    return OWN.format(**values, preset=chosen)


def _scenarios(images: OwnImages, fewest: int) -> dict[str, dict[str, int]]:
    """Scenario → source → number of train images."""
    classes = len(images.found)
    scenarios = {"mine": {"mine": fewest * 3 // 5 * classes}}
    # of some classes the teacher may find few
    if per_class := images.found_unlabeled // classes // PER_CLASS_AT_LEAST:
        scenarios["mine_unlabeled"] = scenarios["mine"] | {"unlabeled": per_class * classes}
    return scenarios


def _teacher(path: Path, images: OwnImages, subject: str, chosen: Preset, side: int) -> str:
    if images.for_teacher:
        train, test = (_seen_from(path, Path(images.for_teacher, part)) for part in ("train", "test"))
        return OWN_TEACHER.format(train=train, test=test) + TRAINED.format(machine=chosen.machine, preset=chosen)
    prompts = "\n".join(
        f"      {scalar(name)}: [{scalar(in_words(f'{name} {subject}'))}] # in words" for name in images.found
    )
    return CLIP.format(teacher_size=side, prompts=prompts)


def _seen_from(path: Path, place: str | Path) -> str:
    """A place relative to the configuration's folder, so that a folder of study and images can be moved."""
    return scalar(os.path.relpath(Path(place).resolve(), path.parent.resolve()))
