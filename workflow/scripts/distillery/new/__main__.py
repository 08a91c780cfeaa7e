"""The command line of `python -m distillery.new`; see the package."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence

from distillery.jobs import UserError
from distillery.new.next_command import next_command
from distillery.new.own_images import find_own_images, new_study_of_own_images
from distillery.new.presets import preset
from distillery.new.searched import new_study


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command; a `UserError` ends it with one line."""
    parser = argparse.ArgumentParser(prog="python -m distillery.new", description="Start a study of your own classes.")
    parser.add_argument("folder", help="of the study, such as tomatoes")
    parser.add_argument(
        "classes", nargs="*", metavar="class", help="two or more, such as ripe rotten; with --images all by default"
    )
    parser.add_argument(
        "--of",
        metavar="SUBJECT",
        help="what the classes are kinds of; the folder's name by default, with --images none",
    )
    parser.add_argument("--contact", default="", help="your e-mail address or page; adds Wikimedia Commons")
    parser.add_argument("--images", default="", metavar="FOLDER", help="your images: a folder for each class")
    parser.add_argument("--unlabeled", default="", metavar="FOLDER", help="with --images: more images, without labels")
    parser.add_argument(
        "--teacher-images",
        default="",
        metavar="FOLDER",
        help="with --images: other images that train the teacher, in train/CLASS and test/CLASS; a CLIP by default",
    )
    given = parser.parse_intermixed_args(arguments)  # classes may follow an option
    try:
        if given.images:
            images = find_own_images(
                given.images, given.classes, unlabeled=given.unlabeled, for_teacher=given.teacher_images
            )
            path = new_study_of_own_images(given.folder, images, subject=given.of or "")
            counts = ", ".join(f"{name} {count}" for name, count in images.found.items())
            what = f"{counts} images" + f", {images.found_unlabeled} unlabeled" * bool(images.found_unlabeled)
            above_all = "teacher"
        elif given.unlabeled or given.teacher_images:
            raise UserError("--unlabeled and --teacher-images need --images: the folder with your labeled images.")
        else:
            path = new_study(given.folder, given.classes, subject=given.of, contact=given.contact)
            what, above_all = f"{len(given.classes)} classes", "queries"
    except UserError as error:
        sys.exit(str(error))
    command = next_command(path.parent)
    print(f"{path}: {what}, for {preset().machine}. Read it, above all its {above_all}. Then:")
    print(f"  {command} --dry-run\n  {command}")


if __name__ == "__main__":
    main()
