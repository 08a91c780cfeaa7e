"""Start a new study: write a `config.yaml` that runs as it is, for the user to edit.

    python -m distillery.new tomatoes ripe rotten
    python -m distillery.new tomatoes --images photos

The first writes `tomatoes/config.yaml` with the classes ripe and rotten (of tomatoes); its sources need no account. The
second takes the classes and images from the folders in `photos`. The networks suit the machine that the command runs
on. The command then prints the next one. It imports only the standard library and PyYAML, so that it starts at once.
"""

from __future__ import annotations

import argparse
import os
import re
import shlex
import sys
import unicodedata
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from math import ceil
from pathlib import Path

import yaml

from distillery.config.choices import NAME_PATTERN, RESERVED_NAMES
from distillery.devices import count_gpus
from distillery.jobs import UserError
from distillery.sources.folders.class_folders import count_by_class, count_unlabeled
from distillery.storage.files import atomic_write
from distillery.study_templates import (
    ABOUT,
    CLASS,
    CLIP,
    COMMONS,
    LEAKAGE,
    NO_COMMONS,
    NO_UNLABELED,
    OWN,
    OWN_COMPARISON,
    OWN_TEACHER,
    OWN_UNLABELED,
    SEARCHED,
    TRAINED,
)

ROOT = Path(__file__).parents[3]  # of the repository
# Openverse allows 200 requests a day without an account, 20 images each; not all of these images can be used
REQUESTS_A_DAY, IMAGES_A_REQUEST, IMAGES_A_DAY = 200, 20, 3000
QUERIES = ("{}", "{} photo", "{} close-up", "{} outdoors", "{} indoors")
FEWEST = 10  # images of a class, for a study of own images
CLIP_BATCH = 32  # images a step on a machine without a GPU, where a CLIP takes most of the time
PROMPTS = ("a photo of {}", "a close-up photo of {}", "a photo of {} outdoors", "a photo of {} indoors")


@dataclass(frozen=True)
class Preset:
    """Networks, steps and image size that suit a machine.

    Attributes:
        machine: in words.
        image_size: pixels a side.
        teacher, student: networks.
        teacher_steps, student_steps: optimizer steps of one training.
        batch: images a step.
    """

    machine: str
    image_size: int
    teacher: str
    teacher_steps: int
    student: str
    student_steps: int
    batch: int


LAPTOP = Preset("a machine without a GPU", 32, "convnet_m", 1500, "convnet_s", 500, 64)
GPU = Preset("a machine with a GPU", 64, "resnet18", 2000, "resnet8x4", 2000, 128)


@dataclass(frozen=True)
class ImageCounts:
    """Numbers of images of each class.

    Attributes:
        source: to retrieve from Openverse and Wikimedia Commons, for students.
        more: to retrieve from Bing, for students; the scenario `bing_more` needs more than the others.
        teacher_train, teacher_test: to retrieve for the teacher.
        train, val, test: to use from each source of students.
    """

    source: int
    more: int
    teacher_train: int
    teacher_test: int
    train: int
    val: int
    test: int


def image_counts(classes: int) -> ImageCounts:
    """Numbers of images a class: as many as Openverse gives in a day without an account, from 60 to 1,000 in all."""
    total = max(60, min(1000, IMAGES_A_DAY // classes))
    while total > 60 and classes * sum(ceil(n / IMAGES_A_REQUEST) for n in _openverse_counts(total)) > REQUESTS_A_DAY:
        total -= 1
    source, teacher_train, teacher_test = _openverse_counts(total)
    # a quarter of a source's images is spare, since curation drops some; `bing_more` trains on twice as many as `bing`
    train, val, test = 2 * (source * 2 // 9), source // 15, source // 5
    return ImageCounts(source, source * 3 // 2, teacher_train, teacher_test, train, val, test)


def _openverse_counts(total: int) -> tuple[int, int, int]:
    """Divide Openverse's images of a class: for students, for the teacher to train on, for the teacher's test."""
    return total * 3 // 10, total * 3 // 5, total // 10


def new_study(folder: str | Path, classes: Sequence[str], *, subject: str | None = None, contact: str = "") -> Path:
    """Write the configuration of a new study.

    Args:
        folder: of the study; created if it does not exist.
        classes: names of the classes, in the order of their labels.
        subject: what the classes are kinds of, a part of queries and prompts; the folder's name by default.
        contact: e-mail address or page of the user. Wikimedia Commons requires it; without it, that source is left out.

    Returns:
        The file written.

    Raises:
        UserError: the folder is a file or has a configuration already; there are fewer than two classes; the name of a
            class is not valid, or differs from another one only in case.
    """
    _require_classes(classes)

    def text(path: Path) -> str:
        words = path.parent.resolve().name if subject is None else subject
        return configuration(classes, _words(words), contact.strip())

    return _write(Path(folder) / "config.yaml", text)


def new_study_of_own_images(
    folder: str | Path,
    images: str,
    classes: Sequence[str] = (),
    *,
    unlabeled: str = "",
    teacher_images: str = "",
    subject: str = "",
) -> tuple[Path, dict[str, int], int]:
    """Write the configuration of a new study of images that the user has. The images stay where they are.

    Args:
        folder: of the study; created if it does not exist.
        images: a folder with a folder of images for each class.
        classes: to use; by default all that `images` holds.
        unlabeled: a folder of more images, which the teacher labels; empty for none.
        teacher_images: a folder with labeled images in `train` and `test`, for the teacher alone. If empty, a CLIP is
            the teacher.
        subject: what the classes are kinds of, a part of the CLIP's prompts.

    Returns:
        The file written, the number of images of each class, and of images without labels.

    Raises:
        UserError: as in `new_study`; a folder does not exist, or lacks images.
    """
    found = count_by_class(images, "--images", classes)
    if len(found) < 2:
        raise UserError(f"--images: {images} has one class, {', '.join(found)}. A study needs at least two.")
    _require_classes(list(found))
    label = min(found, key=lambda name: found[name])
    if found[label] < FEWEST:
        raise UserError(
            f"--images: class {label} has {found[label]} images in {images}. A study needs {FEWEST} of each."
        )
    if teacher_images:
        for part in ("train", "test"):
            if not Path(teacher_images, part).is_dir():
                raise UserError(
                    f"--teacher-images: {teacher_images} has no folder {part}. It needs train and test, and in each a"
                    " folder of images for each class."
                )
            count_by_class(Path(teacher_images, part), "--teacher-images", list(found))
    more = count_unlabeled(unlabeled, "--unlabeled") if unlabeled else 0

    def text(path: Path) -> str:
        def seen_from_study(place: str | Path) -> str:
            # relative, so that a folder that holds the study and its images can be moved
            return _scalar(os.path.relpath(Path(place).resolve(), path.parent.resolve()))

        chosen, each, count = preset(), found[label], len(found)
        seen = chosen.image_size if teacher_images else 2 * chosen.image_size  # by the teacher
        if teacher_images:
            train, test = (seen_from_study(Path(teacher_images, part)) for part in ("train", "test"))
            teacher = OWN_TEACHER.format(train=train, test=test) + TRAINED.format(machine=chosen.machine, preset=chosen)
        else:
            chosen = replace(chosen, batch=min(chosen.batch, CLIP_BATCH)) if chosen is LAPTOP else chosen
            prompts = "\n".join(
                f"      {_scalar(name)}: [{_scalar(_words(f'{name} {subject}'))}] # in words" for name in found
            )
            teacher = CLIP.format(teacher_size=seen, prompts=prompts)
        sets = {"mine": {"mine": each * 3 // 5 * count}}
        if per_class := more // count // 2:  # of some classes the teacher may find few
            sets["mine_unlabeled"] = sets["mine"] | {"unlabeled": per_class * count}
        values = {
            "title": _scalar(f"{_words(path.parent.resolve().name).capitalize() or 'Images'}: {', '.join(found)}"),
            "machine": chosen.machine,
            "classes": "\n".join(f"  {_scalar(name)}: # {number} images" for name, number in found.items()),
            "images": seen_from_study(images),
            "unlabeled": OWN_UNLABELED.format(seen_from_study(unlabeled), more) if more else NO_UNLABELED,
            "test": each * 3 // 10 * count,
            "seen": seen,
            "leakage": LEAKAGE if teacher_images else "",
            "teacher": teacher.rstrip("\n"),
            "comparison": OWN_COMPARISON if len(sets) > 1 else "",
            "scenarios": "\n".join(
                f"  {name}: {{ train: {_counts(counts)} }} # {ABOUT[name]}" for name, counts in sets.items()
            ),
        }
        return OWN.format(**values, preset=chosen)

    return _write(Path(folder) / "config.yaml", text), found, more


def _write(path: Path, text: Callable[[Path], str]) -> Path:
    """Write a configuration, unless there is one."""
    if path.exists():
        raise UserError(f"{path} exists already. Edit it, delete it, or name another folder.")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        atomic_write(path, text(path))
    except (FileExistsError, NotADirectoryError):
        raise UserError(f"{path.parent} is a file. Name a folder for the study.") from None
    except OSError as error:
        raise UserError(f"{path} cannot be written ({error.strerror}). Name a folder that you may write to.") from None
    return path


def _words(name: str) -> str:
    """A name in words: without the characters between them."""
    return " ".join(re.split(r"[\W_]+", name)).strip()


def _require_classes(classes: Sequence[str]) -> None:
    if len(classes) < 2:
        raise UserError(
            "A study needs at least two classes: python -m distillery.new tomatoes ripe rotten. With your own images:"
            " --images and a folder that holds one folder for each class."
        )
    seen: dict[str, str] = {}
    for name in classes:
        if not re.fullmatch(NAME_PATTERN, name) or name in RESERVED_NAMES["classes"]:
            raise UserError(
                f"class {name!r} is not a valid name{_such_as(name)}. Use a-z, A-Z, 0-9, _ and -, at most 100, begin"
                f" with a letter or digit, and do not use {', '.join(RESERVED_NAMES['classes'])}. Queries and prompts"
                " can be any text."
            )
        if (other := seen.setdefault(name.lower(), name)) != name or list(classes).count(name) > 1:
            raise UserError(f"classes {other} and {name} would share their files on some disks. Rename one.")


def _such_as(name: str) -> str:
    """A valid name like one that is not, for a message; empty if there is none."""
    letters = unicodedata.normalize("NFKD", name).encode("ascii", "ignore").decode()
    alike = re.sub(r"[^A-Za-z0-9-]+", "_", letters).strip("_-")[:100]
    return f"; rename it, such as {alike}" if alike and alike not in RESERVED_NAMES["classes"] else ""


def preset() -> Preset:
    """The preset for this machine: `GPU` if it has one, else `LAPTOP`."""
    return GPU if count_gpus() else LAPTOP


def configuration(classes: Sequence[str], subject: str, contact: str) -> str:
    """The text of the configuration; see `new_study`."""
    chosen, each, count = preset(), image_counts(len(classes)), len(classes)
    sources = ["bing", "openverse"] + ["commons"] * bool(contact)
    train = {name: {name: each.train} for name in sources}
    train |= {"both": {"bing": each.train // 2, "openverse": each.train // 2}, "bing_more": {"bing": 2 * each.train}}
    values = {
        "title": _scalar(f"{subject.capitalize() or 'Images'}: {', '.join(classes)}"),
        "machine": chosen.machine,
        "contact": _scalar(contact),
        "classes": "\n".join(_class(name, subject) for name in classes),
        "commons": COMMONS.format(each.source) if contact else NO_COMMONS,
        "test": _counts(dict.fromkeys(sources, each.test * count)),
        "val": _counts(dict.fromkeys(sources, each.val * count)),
        "scenarios": "\n".join(
            f"  {name}: {{ train: {_counts({source: n * count for source, n in counts.items()})} }} # {ABOUT[name]}"
            for name, counts in train.items()
        ),
    }
    return SEARCHED.format(**values, preset=chosen, each=each)


def _class(name: str, subject: str) -> str:
    words = name.replace("_", " ").replace("-", " ").strip()
    phrase = f"{words} {subject}".strip()
    queries, prompts = (
        "\n".join(f"      - {_scalar(text.format(phrase))}" for text in texts) for texts in (QUERIES, PROMPTS)
    )
    return CLASS.format(name=_scalar(name), queries=queries, prompts=prompts)


def _counts(counts: Mapping[str, int]) -> str:
    return f"{{ {', '.join(f'{name}: {count}' for name, count in counts.items())} }}"


def _scalar(text: str) -> str:
    """Text as YAML, in quotes where YAML would not read it as text, such as 2024 or yes."""
    if not text:
        return '""'
    return yaml.safe_dump([text], allow_unicode=True, default_flow_style=True, width=10_000)[1:-2]


def next_command(folder: Path) -> str:
    """The shell command that runs a study from the current working directory."""
    parts = [*(["--directory", str(folder)] if folder.resolve() != Path.cwd().resolve() else []), "--cores", "all"]
    here = Path.cwd().resolve() == ROOT.resolve()
    snakemake = ROOT / ".venv" / "bin" / "snakemake"
    program = "snakemake" if not snakemake.exists() else ".venv/bin/snakemake" if here else str(snakemake)
    return shlex.join([program, *([] if here else ["--snakefile", str(ROOT / "Snakefile")]), *parts])


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
            path, found, more = new_study_of_own_images(
                given.folder,
                given.images,
                given.classes,
                unlabeled=given.unlabeled,
                teacher_images=given.teacher_images,
                subject=given.of or "",
            )
            counts = ", ".join(f"{name} {count}" for name, count in found.items())
            what = f"{counts} images" + f", {more} unlabeled" * bool(more)
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
