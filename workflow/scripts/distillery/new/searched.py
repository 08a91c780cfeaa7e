"""Write the configuration of a study whose images are searched for."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import ceil
from pathlib import Path

from distillery.new.presets import preset
from distillery.new.templates import ABOUT, CLASS, COMMONS, NO_COMMONS, SEARCHED
from distillery.new.writing import counts_text, in_words, require_classes, scalar, write_configuration

# Openverse allows 200 requests a day without an account, 20 images each; not all of these images can be used
REQUESTS_A_DAY, IMAGES_A_REQUEST, IMAGES_A_DAY = 200, 20, 3000
QUERIES = ("{}", "{} photo", "{} close-up", "{} outdoors", "{} indoors")
PROMPTS = ("a photo of {}", "a close-up photo of {}", "a photo of {} outdoors", "a photo of {} indoors")


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
    require_classes(classes)
    path = Path(folder) / "config.yaml"
    words = in_words(path.parent.resolve().name if subject is None else subject)
    return write_configuration(path, configuration(classes, words, contact.strip()))


def configuration(classes: Sequence[str], subject: str, contact: str) -> str:
    """The text of the configuration; see `new_study`."""
    chosen, each, count = preset(), image_counts(len(classes)), len(classes)
    sources = ["bing", "openverse"] + ["commons"] * bool(contact)
    train = {name: {name: each.train} for name in sources}
    train |= {"both": {"bing": each.train // 2, "openverse": each.train // 2}, "bing_more": {"bing": 2 * each.train}}
    values = {
        "title": scalar(f"{subject.capitalize() or 'Images'}: {', '.join(classes)}"),
        "machine": chosen.machine,
        "contact": scalar(contact),
        "classes": "\n".join(_class(name, subject) for name in classes),
        "commons": COMMONS.format(each.source) if contact else NO_COMMONS,
        "test": counts_text(dict.fromkeys(sources, each.test * count)),
        "val": counts_text(dict.fromkeys(sources, each.val * count)),
        "scenarios": "\n".join(
            f"  {name}: {{ train: {counts_text({source: n * count for source, n in counts.items()})} }} # {ABOUT[name]}"
            for name, counts in train.items()
        ),
    }
    return SEARCHED.format(**values, preset=chosen, each=each)


def _class(name: str, subject: str) -> str:
    words = name.replace("_", " ").replace("-", " ").strip()
    phrase = f"{words} {subject}".strip()
    queries, prompts = (
        "\n".join(f"      - {scalar(text.format(phrase))}" for text in texts) for texts in (QUERIES, PROMPTS)
    )
    return CLASS.format(name=scalar(name), queries=queries, prompts=prompts)
