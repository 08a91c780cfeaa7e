"""Start a new study: write a `config.yaml` that runs as it is, for the user to edit.

    python -m distillery.new tomatoes ripe rotten

writes `tomatoes/config.yaml` with the classes ripe and rotten (of tomatoes). Its sources need no account, and its
networks suit the machine that the command runs on. The command then prints the next one. It imports only the standard
library and PyYAML, so that it starts at once.
"""

from __future__ import annotations

import argparse
import re
import shlex
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import ceil
from pathlib import Path

import yaml

from distillery.config.choices import NAME_PATTERN, RESERVED_NAMES
from distillery.devices import count_gpus
from distillery.jobs import UserError
from distillery.storage.files import atomic_write

ROOT = Path(__file__).parents[3]  # of the repository
# Openverse allows 200 requests a day without an account, 20 images each; not all of these images can be used
REQUESTS_A_DAY, IMAGES_A_REQUEST, IMAGES_A_DAY = 200, 20, 3000
QUERIES = ("{}", "{} photo", "{} close-up", "{} outdoors", "{} indoors")
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
    path = Path(folder) / "config.yaml"
    _require_classes(classes)
    if path.exists():
        raise UserError(f"{path} exists already. Edit it, delete it, or name another folder.")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        if subject is None:
            subject = path.parent.resolve().name
        atomic_write(path, configuration(classes, " ".join(re.split(r"[\W_]+", subject)).strip(), contact.strip()))
    except (FileExistsError, NotADirectoryError):
        raise UserError(f"{folder} is a file. Name a folder for the study.") from None
    except OSError as error:
        raise UserError(f"{path} cannot be written ({error.strerror}). Name a folder that you may write to.") from None
    return path


def _require_classes(classes: Sequence[str]) -> None:
    if len(classes) < 2:
        raise UserError("A study needs at least two classes: python -m distillery.new tomatoes ripe rotten")
    seen: dict[str, str] = {}
    for name in classes:
        if not re.fullmatch(NAME_PATTERN, name) or name in RESERVED_NAMES["classes"]:
            raise UserError(
                f"class {name!r} is not a valid name. Use a-z, A-Z, 0-9, _ and -, at most 100, begin with a letter or"
                f" digit, and do not use {', '.join(RESERVED_NAMES['classes'])}. Queries and prompts can be any text."
            )
        if (other := seen.setdefault(name.lower(), name)) != name or list(classes).count(name) > 1:
            raise UserError(f"classes {other} and {name} would share their files on some disks. Rename one.")


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
    return TEMPLATE.format(**values, preset=chosen, each=each)


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


CLASS = """\
  {name}: # also the name of the class's folder, if you add images of your own
    queries: # search queries, used in this order
{queries}
    prompts: # for a diffusion source, if you add one
{prompts}"""
COMMONS = """\
  commons: {{ kind: commons, per_class: {} }} # Wikimedia Commons: free licenses, needs contact"""
NO_COMMONS = """\
  # commons: { kind: commons, per_class: 150 } # Wikimedia Commons: give your contact above first"""
ABOUT = {
    "bing": "only images from Bing",
    "openverse": "as many from Openverse",
    "commons": "as many from Wikimedia Commons",
    "both": "as many in all, half from each",
    "bing_more": "twice as many from Bing",
}
TEMPLATE = """\
# A study made by `python -m distillery.new` for {machine}. Edit it as you like: a change reruns only what
# depends on it. Every key, its unit and its default: docs/configuration.md. Counts are totals over the classes.

title: {title} # the heading of figures and of the page
# about: Why you made this study, and what a reader should not conclude from it. # your own words on the page
# authors: [Your Name] # on the page too
image_size: {preset.image_size} # pixels a side; larger images show more and train slower
seeds: 6 # trainings of each scenario and arm; six pairs can reach p = 0.03
contact: {contact} # your e-mail address or page, sent with web requests
unavailable: skip # leave out a source that refuses, with the scenarios that need it; stop would end the study

classes: # made from the names you gave: better queries improve a study more than any other edit of this file
{classes}

sources: # none of these needs an account; Bing and Openverse need no contact either
  bing: {{ kind: bing, per_class: {each.more} }} # more than the study uses, since curation drops some
  openverse: {{ kind: openverse, per_class: {each.source}, filters: {{ size: medium }} }} # free licenses, with creators
{commons}
  # Every study needs a teacher. Without labeled images, it trains on results of a search that no student may use.
  # Openverse sorts its images by size: large ones train the teacher, small ones test it, and students get medium ones.
  teacher_train: {{ kind: openverse, per_class: {each.teacher_train}, filters: {{ size: large }} }} # trains the teacher
  teacher_test: {{ kind: openverse, per_class: {each.teacher_test}, filters: {{ size: small }} }} # tests the teacher
  # mine: {{ kind: folder, path: images }} # your own images: images/{{class}}/*.jpg beside this file
  # phone: {{ kind: folder, path: phone, labels: teacher }} # without labels: phone/*.jpg; the teacher gives them

curation: # which images are kept
  min_side: {preset.image_size} # pixels; smaller images are dropped

split: # which images are for training, validation and test
  test: {test} # the final test, the same for all students
  val: {val} # to choose the learning rate
  shortfall: shrink # use fewer images where a search gives fewer; error would stop
  leakage: drop # leave out images that the teacher trained on

teacher: # the network that students are distilled from
  # Its labels are those of its queries. With labeled images, which are better:
  # data: {{ kind: folder, path: labeled/train, test_path: labeled/test }}
  data: {{ kind: sources, train_sources: [teacher_train], test_sources: [teacher_test] }} # sources no student uses
  network: {preset.teacher} # suits {machine}
  steps: {preset.teacher_steps} # optimizer steps
  batch: {preset.batch} # images a step
  lr: 0.1 # highest learning rate

student: # the small network, and how it is trained
  network: {preset.student} # the network that you will use
  steps: {preset.student_steps} # the same for every scenario
  batch: {preset.batch} # images a step
  tune: {{ lr: [0.03, 0.1, 0.3], weight_decay: [0.0005] }} # tried from scratch; the best on val is used

arms: # training methods; others: docs/arms.md
  scratch: {{ method: ce }} # from scratch, on the labels only
  kd: {{ method: kd }} # distilled from the teacher

comparisons: # questions for statistical tests
  distilling: {{ question: "Does distilling help?", arms: [scratch, kd] }} # in every scenario
  sources: {{ question: "Are Openverse's images better than Bing's?", scenarios: [bing, openverse] }} # with each arm

scenarios: # sets of train images to compare
{scenarios}
"""


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
    parser.add_argument("classes", nargs="*", metavar="class", help="two or more, such as ripe rotten")
    parser.add_argument("--of", metavar="SUBJECT", help="what the classes are kinds of; the folder's name by default")
    parser.add_argument("--contact", default="", help="your e-mail address or page; adds Wikimedia Commons")
    given = parser.parse_args(arguments)
    try:
        path = new_study(given.folder, given.classes, subject=given.of, contact=given.contact)
    except UserError as error:
        sys.exit(str(error))
    command = next_command(path.parent)
    print(f"{path}: {len(given.classes)} classes, for {preset().machine}. Read it, above all its queries. Then:")
    print(f"  {command} --dry-run\n  {command}")


if __name__ == "__main__":
    main()
