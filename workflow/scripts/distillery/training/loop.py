"""The loop that trains any network: all data on the device, batches and views decided by the seed and the step."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Iterable
from contextlib import nullcontext
from math import isfinite
from pathlib import Path
from typing import NamedTuple

import torch
from torch import Tensor, nn

from distillery.jobs import UserError, log, progress
from distillery.models.architectures import NormalizedModel, build_network
from distillery.storage.files import atomic_write
from distillery.training.augmentation import make_views, mixed_targets, reflect_pad
from distillery.training.batches import StepBlock, step_batches
from distillery.training.checkpoints import Checkpoint
from distillery.training.cuda_graphs import step_runner
from distillery.training.dataset import ImageDataset, channel_statistics
from distillery.training.ema import ModelEMA
from distillery.training.hardware import autocast
from distillery.training.muon import Muon
from distillery.training.optimizers import Optimizer, sgd
from distillery.training.recipe import Recipe, learning_rate
from distillery.training.rng import initialization
from distillery.usage import ZERO_USAGE, JobUsage

ROWS = 20  # of the history; the only times the device is waited for
VALIDATE_EVERY = 5  # rows: a validation costs as much as some steps


class Batch(NamedTuple):
    """What a step learns from.

    Attributes:
        views: float32 [B, 3, S, S] in [0, 1].
        targets: labels int64 [B], or, of mixed views, probabilities [B, C].
        time: share of the steps done, 0 to 1; on a GPU a tensor [].
    """

    views: Tensor
    targets: Tensor
    time: float | Tensor


class Diverged(UserError):
    """A training whose loss is not finite."""


Objective = Callable[[nn.Module, Batch], Tensor]  # the scalar to make small


class HistoryRow(NamedTuple):
    """One row of a training's history."""

    step: int  # steps done
    loss: float  # nats, the mean since the row before
    lr: float
    val_accuracy: float | None  # 0 to 1; None where not measured


def start_network(name: str, classes: int, train: ImageDataset, seed: int, device: torch.device) -> NormalizedModel:
    """A network with the seed's initialization, normalizing by the train images' statistics, on the device."""
    with initialization(seed):
        network = build_network(name, classes)
    return NormalizedModel(network, *channel_statistics(train.pixels)).to(device, memory_format=torch.channels_last)


def optimizer_of(recipe: Recipe, network: nn.Module) -> Optimizer:
    """The recipe's optimizer of a network's weights."""
    return {"sgd": sgd, "muon": Muon}[recipe.optimizer](network, recipe.momentum, recipe.weight_decay)


def train(
    network: nn.Module,
    images: ImageDataset,
    recipe: Recipe,
    objective: Objective,
    optimizer: Optimizer,
    *,
    seed: int,
    classes: int,
    validate: Callable[[nn.Module], float | None] = lambda network: None,
    checkpoint: Checkpoint | None = None,
    label: str = "training",
) -> list[HistoryRow]:
    """Train a network in place, from its checkpoint if there is one; one that is of a finished training is its end.

    Args:
        network: on its device, in channels-last format; every image is held there too.
        images: labels from 0 to classes − 1.
        recipe: steps, batch, learning rate and views.
        objective: the loss, computed under autocast.
        seed: of order and views.
        validate: accuracy of the network, 0 to 1.

    Raises:
        Diverged: the loss is not finite. Its checkpoint is gone: it could only lead here again.
    """
    device = next(network.parameters()).device
    ema = ModelEMA(network) if recipe.ema else None
    history, total, start, before = _resume(checkpoint, network, ema, optimizer, device)
    if start == recipe.steps:
        log.info("%s: the same training was done before, its end is in %s; nothing is trained", label, checkpoint.path)
        return history
    if start:
        log.info("%s: goes on after step %d of %d", label, start, recipe.steps)
    side = images.pixels.shape[-1]
    padded = reflect_pad(images.pixels.to(device), recipe.crop)
    labels = images.labels.to(device)
    marks = history_steps(recipe.steps)
    network.train()

    def train_step(block: StepBlock) -> None:
        rows, draws = block.views(mixed=recipe.mixup > 0)
        scalars = block.scalars()
        views = make_views(padded, rows, draws, side, recipe.cutout)
        batch = Batch(views, mixed_targets(labels[rows], draws, classes), scalars.time)
        with autocast(device):
            loss = objective(network, batch)
        loss.backward()
        optimizer.step(scalars.lr)
        if ema:
            ema.update(scalars.decay)
        total.add_(loss.detach())

    run_step = step_runner(train_step, device)
    fed = step_batches(recipe, len(images), seed, range(start, recipe.steps), device)
    for done in progress(range(start + 1, recipe.steps + 1), label=label, unit="steps"):
        run_step(next(fed))
        if done in marks:
            mean = total.item() / (done - (history[-1].step if history else 0))
            if not isfinite(mean):
                if checkpoint:
                    checkpoint.remove()
                raise Diverged(f"{label}: the loss is not finite by step {done}. Lower lr (now {recipe.lr:g}).")
            measured = (len(history) + 1) % VALIDATE_EVERY == 0 or done == recipe.steps
            with ema.applied() if ema else nullcontext():
                history.append(
                    HistoryRow(done, mean, learning_rate(recipe, done - 1), validate(network) if measured else None)
                )
            total.zero_()
        if checkpoint and checkpoint.every and done % checkpoint.every == 0 and done < recipe.steps:
            checkpoint.save(done, network, ema, optimizer, _plain(history), total, before)
    if ema:
        ema.apply()
    if checkpoint:
        checkpoint.finish(recipe.steps, network, _plain(history), before)
    return history


def _plain(history: list[HistoryRow]) -> list[list]:
    return [list(row) for row in history]  # what is read with weights_only


def _resume(
    checkpoint: Checkpoint | None,
    network: nn.Module,
    ema: ModelEMA | None,
    optimizer: Optimizer,
    device: torch.device,
) -> tuple[list[HistoryRow], Tensor, int, JobUsage]:
    """Restore a training from its checkpoint, and keep beside that what it had taken, which nobody else knows.

    Returns:
        Its history, the loss since the last row, the steps done and what they took; of a new one nothing.
    """
    state = checkpoint.load(device) if checkpoint else None
    before = JobUsage(*state["usage"]) if state else ZERO_USAGE
    if checkpoint:
        before.write(checkpoint.path.parent)
    total = torch.zeros((), device=device)
    if not state:
        return [], total, 0, before
    if state["network"]:
        network.load_state_dict(state["network"])
    if "optimizer" in state:  # not at the end
        optimizer.restore(state["optimizer"])
        if ema:
            ema.restore(state["ema"])
        total = state["loss"]
    return [HistoryRow(*row) for row in state["history"]], total, state["step"], before


def history_steps(steps: int) -> set[int]:
    """The numbers of steps done after which a row of history is written: at most ROWS, evenly, the last included."""
    return {round(steps * (row + 1) / ROWS) for row in range(ROWS)} - {0}


def write_history(path: str | Path, history: Iterable[HistoryRow]) -> None:
    """Columns step, loss, lr, val_accuracy (0 to 1, blank where not measured)."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(HistoryRow._fields)
    for row in history:
        val = "" if row.val_accuracy is None else f"{row.val_accuracy:.6f}"
        writer.writerow([row.step, f"{row.loss:.6g}", f"{row.lr:.6g}", val])
    atomic_write(path, text.getvalue())
