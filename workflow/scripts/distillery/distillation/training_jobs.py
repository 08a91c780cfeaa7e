"""Jobs that train several students in one process: the seeds of an arm, or the trials of a grid.

They share the images and the time to start. Trainings that finished before are restored first, from the files kept
beside the checkpoints (`training/finished.py`). Only the rest is trained, and torch is imported only then: a job with
nothing to train takes no longer than a start of Python. Sharing a process changes no result, since a training depends
on its own seed, images and settings alone.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from distillery.distillation.hyperparameter_search import Setting
from distillery.jobs import UserError, log
from distillery.models.timm_names import PREFIX
from distillery.splits.planned_images import PlannedImages
from distillery.storage.files import hash_files
from distillery.training.finished import FinishedTraining, code_version
from distillery.training.recipe import Recipe
from distillery.training.run_files import RunName

if TYPE_CHECKING:
    from distillery.distillation.scenario_data import ScenarioData


@dataclass(frozen=True)
class TrainingJob:
    """What the trainings of a job have in common.

    Attributes:
        images: the scenario's, from `read_planned_images`.
        classes: names of the study's classes.
        augment: how the plan's copies are augmented: none, color or rotation.
        augment_seed: the scenario's seed for its copies.
        arm: the method and its settings, as configured.
        recipe: all other settings.
        teacher: weights file; empty if the method uses none.
        checkpoints: folder of the checkpoints and the finished trainings of all jobs of the rule.
        threads: CPU threads.
        deterministic: whether a GPU gives the same bits every time.
        copies: fields of `CopySettings` that differ from the defaults.
    """

    images: Mapping[str, PlannedImages]
    classes: Sequence[str]
    augment: str
    augment_seed: int
    arm: Mapping[str, Any]
    recipe: Recipe
    teacher: str
    checkpoints: str
    threads: int
    deterministic: bool
    copies: Mapping[str, Any] = field(default_factory=dict)

    def key(self, recipe: Recipe, seed: int) -> str:
        """16 hex digits over everything that decides a training's files.

        The kind of device is left out, so that a finished training stays valid on a machine with another one.
        """
        settings = {
            "arm": dict(self.arm),
            "recipe": asdict(replace(recipe, checkpoint_every=0)),  # the interval of checkpoints changes no result
            "seed": seed,
            "classes": list(self.classes),
            "augment": (self.augment, self.augment_seed),
            "teacher": hash_files([self.teacher]) if self.teacher else "",
            "deterministic": self.deterministic,
            "pretrained": _hash_of_pretrained(recipe),
            "timm": version("timm") if recipe.network.startswith(PREFIX) else "",
            "torch": version("torch"),
            "numpy": np.__version__,
            "code": code_version(),
        }
        settings |= {"copies": dict(self.copies)} if self.copies else {}
        hashed = hashlib.sha256(json.dumps(settings, sort_keys=True, default=str).encode())
        for images in self.images.values():
            _add_images(hashed, images)
        return hashed.hexdigest()[:16]


@dataclass(frozen=True)
class Request:
    """One training of a job.

    Attributes:
        name: of its folder below the job's `checkpoints`.
        label: in messages.
        recipe: with the training's own learning rate and weight decay.
        seed: of initialization, order and views.
        files: the files to write, by name.
    """

    name: str
    label: str
    recipe: Recipe
    seed: int
    files: Mapping[str, str]


def by_plan_and_teacher(
    plans: Sequence[str], teachers: Sequence[str], outputs: Sequence[Sequence[str]]
) -> Iterator[tuple[str, str, list[list[str]]]]:
    """Group the runs of a job by plan and teacher.

    Seed n uses plan n modulo the number of plans, and teacher n modulo the number of teachers.

    Args:
        plans: plan files of one scenario, one for each of its draws; at least one.
        teachers: weights files; empty if the arm uses no teacher.
        outputs: for each kind of file, the paths of all runs.

    Yields:
        Plan, teacher (empty without one), and for each kind of file the paths of the group's runs.
    """
    groups: dict[tuple[str, str], list[list[str]]] = {}
    for files in zip(*outputs, strict=True):
        seed = RunName.of(files[0]).seed
        key = plans[seed % len(plans)], teachers[seed % len(teachers)] if teachers else ""
        group = groups.setdefault(key, [[] for _ in outputs])
        for paths, file in zip(group, files, strict=True):
            paths.append(file)
    for (plan, teacher), group in groups.items():
        yield plan, teacher, group


def train_students(
    job: TrainingJob, weights: Sequence[str], histories: Sequence[str], trainings: Sequence[str]
) -> None:
    """Train the students of some runs of a scenario and arm.

    Args:
        weights, histories, trainings: the files to write, one of each for each run.

    Raises:
        UserError: see `train_student`. The other runs of the job are trained nevertheless.
    """
    requests = []
    for files in zip(weights, histories, trainings, strict=True):
        run = RunName.of(files[0])
        name = f"{run.scenario}.{run.arm}.seed{run.seed}"
        named = dict(zip(("weights", "history", "training"), files, strict=True))
        requests.append(Request(name, str(run), job.recipe, run.seed, named))

    def train_one(data: ScenarioData, request: Request, checkpoints: Path) -> None:
        from distillery.distillation.methods.registry import arm_of
        from distillery.distillation.student import train_student

        student = train_student(
            data,
            job.teacher,
            run=RunName.of(request.files["weights"]),
            arm=arm_of(job.arm),
            recipe=request.recipe,
            augment=job.augment,
            checkpoints=checkpoints,
            threads=job.threads,
            deterministic=job.deterministic,
        )
        student.save(**request.files)

    _train_unfinished(job, requests, train_one)


def run_trials(job: TrainingJob, trials: Sequence[str]) -> None:
    """Train with some settings of a grid, and measure each on the validation images.

    Args:
        trials: the files to write, `…/{scenario}[.{arm}]/lr{lr}_decay{weight_decay}_seed{seed}.json`.

    Raises:
        UserError: see `run_trial`.
    """
    requests = []
    for path in map(Path, trials):
        setting, tuned = Setting.of(path), path.parent.name
        recipe = replace(job.recipe, lr=setting.lr, weight_decay=setting.weight_decay)
        label = f"{tuned.replace('.', ', ')}, lr {setting.lr:g}, weight decay {setting.weight_decay:g}"
        requests.append(Request(f"{tuned}.{path.stem}", label, recipe, setting.seed, {"trial": str(path)}))

    def train_one(data: ScenarioData, request: Request, checkpoints: Path) -> None:
        from distillery.distillation.hyperparameter_search import run_trial, write_trial
        from distillery.distillation.methods.registry import arm_of

        trial = run_trial(
            data,
            job.teacher,
            arm=arm_of(job.arm),
            recipe=request.recipe,
            seed=request.seed,
            label=request.label,
            checkpoints=checkpoints,
            threads=job.threads,
            deterministic=job.deterministic,
        )
        write_trial(request.files["trial"], trial)

    _train_unfinished(job, requests, train_one)


def _train_unfinished(
    job: TrainingJob, requests: Sequence[Request], train_one: Callable[[ScenarioData, Request, Path], None]
) -> None:
    """Restore the files of finished trainings, and train the rest one after the other.

    Raises:
        UserError: the first of those that trainings raised; the others are logged.
    """
    waiting = []
    for request in requests:
        finished = FinishedTraining(Path(job.checkpoints) / request.name, job.key(request.recipe, request.seed))
        if finished.put_back(request.files):
            log.info("%s: the same training was done before; nothing is trained", request.label)
        else:
            waiting.append((request, finished))
    if not waiting:
        return
    # here, since a job with nothing to train needs no torch
    from distillery.distillation.scenario_data import ScenarioData
    from distillery.training.data.augmentation import CopySettings

    data = ScenarioData.of(job.images, job.classes, job.augment, job.augment_seed, CopySettings(**job.copies))
    errors: list[UserError] = []
    for request, finished in waiting:
        try:
            train_one(data, request, finished.folder)
        except UserError as error:
            if errors:
                log.error("%s", error)
            errors.append(error)
            continue
        finished.keep(request.files)
        (finished.folder / "checkpoint.pt").unlink(missing_ok=True)
    if errors:
        raise errors[0]


def _hash_of_pretrained(recipe: Recipe) -> str:
    """A hash of the weights file that a training starts from; empty if the recipe names none."""
    if not recipe.pretrained or recipe.pretrained is True:
        return ""
    from distillery.models.pretrained import pretrained_file  # here, since it imports torch

    return hash_files([pretrained_file(recipe.network, recipe.pretrained)])


def _add_images(hashed: Any, images: PlannedImages) -> None:
    """Add images to a hash: pixels, labels, and source and row of augmented copies, which determine their change."""
    for array in (images.pixels, images.labels, images.augmented):
        hashed.update(f"{array.dtype} {array.shape}".encode())
        hashed.update(np.ascontiguousarray(array).data)
    if images.known:
        hashed.update(repr(images.known).encode())
    places = zip(images.sources[images.augmented], images.rows[images.augmented].tolist(), strict=True)
    hashed.update(repr(list(places)).encode())
