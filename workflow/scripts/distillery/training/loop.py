"""The training loop of every network. Batches and views depend on seed and step alone.

All images stay on the device if they fit. Otherwise each batch is copied there one step ahead, with the same results.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import nullcontext
from math import isfinite
from typing import NamedTuple

import torch
from torch import Tensor, nn

from distillery.jobs import UserError, log, progress
from distillery.models.architectures import NormalizedModel, build_network
from distillery.models.pretrained import load_pretrained
from distillery.models.reduction import Reduction
from distillery.models.timm_networks import TimmNetwork
from distillery.storage.host.usage import ZERO_USAGE, JobUsage
from distillery.training.checkpoints import Checkpoint
from distillery.training.cuda_graphs import step_runner
from distillery.training.data.augmentation import make_views, mixed_targets, reflect_pad
from distillery.training.data.batches import StepBlock, step_batches
from distillery.training.data.dataset import ImageDataset, channel_statistics
from distillery.training.data.prefetch import fits_device, prefetch_batches
from distillery.training.ema import ModelEMA
from distillery.training.hardware import autocast
from distillery.training.optimizers.muon import Muon
from distillery.training.optimizers.optimizer import Optimizer, ScaledRates
from distillery.training.optimizers.sgd import sgd
from distillery.training.recipe import Recipe, learning_rate
from distillery.training.rng import initialization
from distillery.training.run_files import HistoryRow

ROWS = 20  # of the history; the loop waits for the device only when it writes one
VALIDATE_EVERY = 5  # rows of the history, because a validation costs as much as several steps


class Batch(NamedTuple):
    """Input of the loss of one step.

    Attributes:
        views: float32 [B, 3, S, S] in [0, 1].
        targets: labels int64 [B], or with mixup probabilities float32 [B, C].
        time: fraction of the steps done, 0 to 1; on a GPU a tensor [].
    """

    views: Tensor
    targets: Tensor
    time: float | Tensor


class Diverged(UserError):
    """The loss of a training is not finite."""


Objective = Callable[[NormalizedModel, Batch], Tensor]  # the loss, a scalar


def start_network(
    recipe: Recipe, classes: int, train: ImageDataset, seed: int, device: torch.device
) -> NormalizedModel:
    """The recipe's network on the device, initialized from the seed, then with pretrained weights if it has them.

    It normalizes with the train images' channel statistics; networks of timm use those that they were trained with.

    Raises:
        UserError: there is no such network, or its pretrained weights cannot be loaded.
    """
    with initialization(seed):
        network = build_network(recipe.network, classes, recipe.image_size or train.pixels.shape[-1])
    own = network.statistics if isinstance(network, TimmNetwork) else channel_statistics(train.pixels)
    side = train.pixels.shape[-1]
    reduction = Reduction(side, recipe.image_size) if recipe.image_size not in (0, side) else None
    model = NormalizedModel(network, *own, reduction)
    load_pretrained(model, recipe.network, recipe.pretrained)
    if recipe.train == "head":
        model.head_only = True
        model.requires_grad_(False)
        model.network.head.requires_grad_(True)
    return model.to(device).to(memory_format=torch.channels_last)


def optimizer_of(recipe: Recipe, network: nn.Module) -> Optimizer:
    """The recipe's optimizer for the network's weights."""
    if recipe.optimizer == "muon":
        return Muon(network, recipe.momentum, recipe.weight_decay)
    if recipe.train == "all" and recipe.body_lr == 1:
        return sgd(network, recipe.momentum, recipe.weight_decay)
    head = sgd(head_of(network), recipe.momentum, recipe.weight_decay)
    if recipe.train == "head":
        return head
    body = sgd(network, recipe.momentum, recipe.weight_decay, without=set(map(id, head.weights)))
    return ScaledRates([(head, 1.0), (body, recipe.body_lr)])


def head_of(network: nn.Module) -> nn.Module:
    """All that trains at the full learning rate: each network's last layer, and an adapter as a whole.

    Args:
        network: a network, or a ModuleList of networks and adapters.
    """
    parts = list(network) if isinstance(network, nn.ModuleList) else [network]
    return nn.ModuleList([part.network.head if isinstance(part, NormalizedModel) else part for part in parts])


def train(
    network: NormalizedModel,
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
    adapter: nn.Module | None = None,
    recordable: bool = True,
) -> list[HistoryRow]:
    """Train a network in place, resuming from its checkpoint if there is one.

    If the checkpoint is of a finished training, the network gets its weights and nothing is trained.

    Args:
        network: on its device, in channels-last format. The images are copied to this device, all at once if they fit.
        images: labels from 0 to classes − 1.
        recipe: steps, batch, learning rate and views.
        objective: the loss, computed under autocast.
        optimizer: of the network and of all else that is trained with it.
        seed: of order and views.
        classes: number of classes.
        validate: returns the network's accuracy, 0 to 1, or None.
        label: of the progress bar and messages.
        adapter: a module that the same optimizer trains; checkpoints hold it until the end.
        recordable: whether a GPU may record the step as a CUDA graph. No part of the objective may run on the CPU then.

    Raises:
        Diverged: the loss is not finite. The checkpoint is deleted.
    """
    device = next(network.parameters()).device
    ema = ModelEMA(network) if recipe.ema else None
    history, total, start, before = _resume(checkpoint, network, ema, optimizer, device, adapter)
    if checkpoint and start == recipe.steps:
        log.info(
            "%s: the same training was done before, its result is in %s; nothing is trained", label, checkpoint.path
        )
        return history
    if start:
        log.info("%s: resumes after step %d of %d", label, start, recipe.steps)
    row_steps = history_steps(recipe.steps)
    network.train()
    steps = range(start, recipe.steps)
    ahead = None if fits_device(images, device) else prefetch_batches(images.pixels, recipe.batch, seed, steps, device)
    train_step = _training_step(network, images, recipe, objective, optimizer, ema, total, classes, ahead)
    # a CUDA graph would read the same images at every step
    run_step = step_runner(train_step, device) if recordable and not ahead else train_step
    batches = step_batches(recipe, len(images), seed, steps, device)
    for done in progress(range(start + 1, recipe.steps + 1), label=label, unit="steps"):
        run_step(next(batches))
        if done in row_steps:
            loss = total.item() / (done - (history[-1].step if history else 0))
            if not isfinite(loss):
                if checkpoint:
                    checkpoint.give_up(before)
                raise Diverged(f"{label}: the loss is not finite by step {done}. Lower lr (now {recipe.lr:g}).")
            measured = (len(history) + 1) % VALIDATE_EVERY == 0 or done == recipe.steps
            with ema.applied() if ema else nullcontext():
                accuracy = validate(network) if measured else None
            history.append(HistoryRow(done, loss, learning_rate(recipe, done - 1), accuracy))
            total.zero_()
        if checkpoint and checkpoint.every and done % checkpoint.every == 0 and done < recipe.steps:
            checkpoint.save(done, network, ema, optimizer, _plain(history), total, before, adapter)
    if ema:
        ema.apply()
    if checkpoint:
        checkpoint.finish(recipe.steps, network, _plain(history), before)
    return history


def _training_step(
    network: NormalizedModel,
    images: ImageDataset,
    recipe: Recipe,
    objective: Objective,
    optimizer: Optimizer,
    ema: ModelEMA | None,
    total: Tensor,
    classes: int,
    ahead: Iterator[Tensor] | None,
) -> Callable[[StepBlock], None]:
    """A function that does one step: views, loss, gradients and updates. It adds the loss to `total`, a tensor [].

    Args:
        ahead: the images of each step from `prefetch_batches`; None if all stay on the device.
    """
    device, side = total.device, images.pixels.shape[-1]
    border = 0 if recipe.view == "resized_crop" else recipe.crop
    resident = images.pixels[:0] if ahead else reflect_pad(images.pixels.to(device), border)
    labels, places = images.labels.to(device), torch.arange(recipe.batch, device=device)

    def train_step(block: StepBlock) -> None:
        rows, draws = block.views(mixed=recipe.mixup > 0)
        scalars = block.scalars()
        padded, there = (reflect_pad(next(ahead), border), places) if ahead else (resident, rows)
        views = make_views(padded, there, draws, side, recipe)
        batch = Batch(views, mixed_targets(labels[rows], draws, classes), scalars.time)
        with autocast(device):
            loss = objective(network, batch)
        loss.backward()
        optimizer.step(scalars.lr)
        if ema:
            ema.update(scalars.decay)
        total.add_(loss.detach())

    return train_step


def _plain(history: list[HistoryRow]) -> list[list]:
    return [list(row) for row in history]  # torch.load with weights_only reads no named tuples


def _resume(
    checkpoint: Checkpoint | None,
    network: nn.Module,
    ema: ModelEMA | None,
    optimizer: Optimizer,
    device: torch.device,
    adapter: nn.Module | None,
) -> tuple[list[HistoryRow], Tensor, int, JobUsage]:
    """Restore a training from its checkpoint, and write the resources it has used so far beside the checkpoint.

    Returns:
        The history, the sum of losses since its last row, the steps done and the resources used before. For a new
        training: an empty history and zeros.
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
    if "optimizer" in state:  # a finished training has none
        optimizer.restore(state["optimizer"])
        if ema:
            ema.restore(state["ema"])
        if adapter:
            adapter.load_state_dict(state["adapter"])
        total = state["loss"]
    return [HistoryRow(*row) for row in state["history"]], total, state["step"], before


def history_steps(steps: int) -> set[int]:
    """The steps after which a row of history is written: at most ROWS, evenly spaced, the last step included."""
    return {round(steps * (row + 1) / ROWS) for row in range(ROWS)} - {0}
