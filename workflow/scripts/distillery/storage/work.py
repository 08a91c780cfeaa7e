"""What a study has to do, and what to time for its forecast.

Objects, because Snakemake does not compare such parameters: after an edit nothing is timed or shown again.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Training:
    """Students that train alike.

    Attributes:
        scenario: what they train on.
        sources: whose images it has.
        count: number of trainings.
        steps: of each, of the student's batch.
        teacher: whether a step computes the teacher's outputs.
    """

    scenario: str
    sources: Sequence[str]
    count: int
    steps: float
    teacher: bool


@dataclass(frozen=True)
class Work:
    """What a study has to do.

    Attributes:
        searches: source → (kind, number of images to retrieve).
        generated: source → (model, number of images, denoising steps, pixels of an image).
        trainings: of students, trials included.
        teacher_steps: of the teacher's training.
        networks: of the teacher, empty if the study trains none, and of the students.
        contact: what sites are told about the user.
        gpus: of the machine or cluster that runs the study; 0 for none.
        without_gpu: whether the networks are those for a machine without a GPU.
    """

    searches: Mapping[str, tuple[str, int]]
    generated: Mapping[str, tuple[str, int, int, int]]
    trainings: Sequence[Training]
    teacher_steps: int
    networks: tuple[str, str]
    contact: str
    gpus: int
    without_gpu: bool


@dataclass(frozen=True)
class SpeedRequest:
    """What to time before the first training.

    Attributes:
        teacher, student: their recipes, by key; that of the teacher is empty if the study trains none.
        image_size: pixels a side.
        classes: number of them.
        scratch, kd: the arms, with their settings.
    """

    teacher: Mapping[str, Any]
    student: Mapping[str, Any]
    image_size: int
    classes: int
    scratch: Mapping[str, Any]
    kd: Mapping[str, Any]
