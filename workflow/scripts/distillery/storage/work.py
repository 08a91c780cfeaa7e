"""The amount of work in a study, and what to time for the forecast of its duration.

Rules get these as objects, because Snakemake does not compare objects: an edit of the configuration does not rerun
the timing or the forecast.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Training:
    """Student trainings of equal length.

    Attributes:
        scenario: which images they train on.
        sources: of these images.
        count: number of trainings.
        steps: length of each, in optimizer steps with the student's batch.
        teacher: whether a step computes the teacher's outputs.
    """

    scenario: str
    sources: Sequence[str]
    count: int
    steps: float
    teacher: bool


@dataclass(frozen=True)
class Work:
    """The amount of work in a study.

    Attributes:
        searches: source → (kind, number of images to retrieve).
        generated: source → (model, number of images, denoising steps, pixels of an image).
        trainings: of students, trials included.
        teacher_steps: of the teacher's training.
        networks: of the teacher, empty if the study trains none, and of the students.
        contact: the user's contact, sent with requests to sites.
        imitated: whether a server on this machine imitates the searches, as in the demonstration.
        gpus: number of GPUs of the machine or cluster that runs the study.
        without_gpu: whether the study trains the networks for a machine without a GPU.
    """

    searches: Mapping[str, tuple[str, int]]
    generated: Mapping[str, tuple[str, int, int, int]]
    trainings: Sequence[Training]
    teacher_steps: int
    networks: tuple[str, str]
    contact: str
    imitated: bool
    gpus: int
    without_gpu: bool


@dataclass(frozen=True)
class SpeedRequest:
    """What to time before the first training.

    Attributes:
        teacher, student: their recipes, by key; that of the teacher is empty if the study trains none.
        image_size: pixels a side.
        classes: number of them.
        scratch, kd: settings of the two arms to time.
        adopted: networks of teachers that the study does not train, each with the side of its input in pixels.
    """

    teacher: Mapping[str, Any]
    student: Mapping[str, Any]
    image_size: int
    classes: int
    scratch: Mapping[str, Any]
    kd: Mapping[str, Any]
    adopted: Sequence[tuple[str, int]] = ()
