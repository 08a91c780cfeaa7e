"""Networks, steps and image sizes that suit a machine."""

from __future__ import annotations

from dataclasses import dataclass

from distillery.devices import count_gpus


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


def preset() -> Preset:
    """The preset for this machine: `GPU` if it has one, else `LAPTOP`."""
    return GPU if count_gpus() else LAPTOP
