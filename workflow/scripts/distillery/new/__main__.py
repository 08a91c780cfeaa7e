"""The command line of `python -m distillery.new`; see the package."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from distillery.jobs import UserError, forbidden_in_one_line
from distillery.new.next_command import next_command
from distillery.new.own_images import find_own_images, new_study_of_own_images
from distillery.new.presets import preset
from distillery.new.searched import new_study


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command; a `UserError` ends it with one line."""
    parser = argparse.ArgumentParser(
        prog="python -m distillery.new", description="Start a study of your own classes.", allow_abbrev=False
    )
    parser.add_argument("folder", help="of the study, such as tomatoes")
    parser.add_argument(
        "classes", nargs="*", metavar="class", help="two or more, such as ripe rotten; with --images all by default"
    )
    parser.add_argument(
        "--of",
        metavar="SUBJECT",
        help="what the classes are kinds of; the folder's name by default, with --images none",
    )
    parser.add_argument("--contact", help="your e-mail address or page; adds Wikimedia Commons; not with --images")
    parser.add_argument("--images", metavar="FOLDER", help="your images: a folder for each class")
    parser.add_argument("--unlabeled", metavar="FOLDER", help="with --images: more images, without labels")
    parser.add_argument(
        "--teacher-images",
        metavar="FOLDER",
        help="with --images: other images that train the teacher, in train/CLASS and test/CLASS; a CLIP by default",
    )
    given = parser.parse_intermixed_args(arguments)  # classes may follow an option
    try:
        _require_sense(given)
        with forbidden_in_one_line():
            path, what, above_all = _of_own_images(given) if given.images else _of_searches(given)
    except UserError as error:
        sys.exit(str(error))
    command = next_command(path.parent)
    print(f"{path}: {what}, for {preset().machine}. Read it, above all its {above_all}. Then:")
    print(f"  {command} --dry-run\n  {command}")


def _require_sense(given: argparse.Namespace) -> None:
    """Raise a `UserError` for options that are empty or that do not go together: none is ignored without a word."""
    for name in ("images", "unlabeled", "teacher_images", "contact"):
        if getattr(given, name) == "":
            raise UserError(f"--{name.replace('_', '-')} is empty. Give it a value, or leave it out.")
    if not given.images and (given.unlabeled or given.teacher_images):
        raise UserError("--unlabeled and --teacher-images need --images: the folder with your labeled images.")
    if given.images and given.contact:
        raise UserError("--contact is for image searches, which a study with --images does not begin with.")


def _of_own_images(given: argparse.Namespace) -> tuple[Path, str, str]:
    """Write a study of the user's images: its path, what it holds, and what to read above all."""
    images = find_own_images(
        given.images, given.classes, unlabeled=given.unlabeled or "", for_teacher=given.teacher_images or ""
    )
    path = new_study_of_own_images(given.folder, images, subject=given.of or "")
    counts = ", ".join(f"{name} {count}" for name, count in images.found.items())
    return path, f"{counts} images" + f", {images.found_unlabeled} unlabeled" * bool(images.found_unlabeled), "teacher"


def _of_searches(given: argparse.Namespace) -> tuple[Path, str, str]:
    """The same of a study of image searches."""
    path = new_study(given.folder, given.classes, subject=given.of, contact=given.contact or "")
    return path, f"{len(given.classes)} classes", "queries"


if __name__ == "__main__":
    main()
