"""Run the training loops of RepDistiller and mdistiller with their own code, from checkouts that the user provides.

The checkouts provide everything in a step: data set, transformations, loader, loss, meters, optimizer. This module
passes only the networks to them, and the images, which replace those of CIFAR-100. It contains no code of theirs.
"""

from __future__ import annotations

import contextlib
import importlib
import io
import sys
import tempfile
from argparse import Namespace
from collections.abc import Callable, Iterator
from itertools import islice
from pathlib import Path

import torch
from torch import nn
from torch.utils.data import DataLoader
from training_loops import ALPHA, DECAY, MOMENTUM, RATE, TEMPERATURE, Pair, endless

PEERS = ("repdistiller", "mdistiller")


class FewSteps:
    """A loader that yields the next `steps` batches at each iteration, one epoch after another."""

    def __init__(self, loader: DataLoader):
        self.batches, self.steps = endless(loader), 0

    def __len__(self) -> int:
        return self.steps

    def __iter__(self) -> Iterator:
        return islice(self.batches, self.steps)


class WithFeatures(nn.Module):
    """A network with the interface that both projects expect: it returns logits and a list of features, here empty.

    Args:
        network: takes images and returns logits.
        logits_first: the order of mdistiller; RepDistiller expects features first.
    """

    def __init__(self, network: nn.Module, logits_first: bool):
        super().__init__()
        self.network, self.logits_first = network, logits_first

    def forward(self, x: torch.Tensor, **_: bool) -> tuple:
        logits = self.network(x)
        return (logits, []) if self.logits_first else ([], logits)


def peer_loop(name: str, checkout: str, pair: Pair, batch: int) -> Callable[[int], float]:
    """A function that runs a number of steps of a project's loop and returns their mean loss.

    Args:
        name: one of `PEERS`.
        checkout: folder of the project's code.
        pair: the networks and images.
        batch: images per step.
    """
    sys.path.insert(0, checkout)
    try:
        return {"repdistiller": _repdistiller, "mdistiller": _mdistiller}[name](pair, batch)
    except ImportError as error:
        sys.exit(
            f"{name}: the code in {checkout} cannot be imported ({error}). Check that the folder is a checkout of"
            f" {name}, and that its requirements are installed."
        )
    finally:
        sys.path.remove(checkout)


@contextlib.contextmanager
def _images_as_cifar100(pair: Pair) -> Iterator[None]:
    """Replace the images of torchvision's CIFAR100 by the pair's, whatever its folder."""
    from torchvision.datasets import CIFAR100

    def init(self, root, train=True, transform=None, target_transform=None, download=False):  # type: ignore[no-untyped-def]
        self.root, self.train, self.transform, self.target_transform = root, train, transform, target_transform
        self.data, self.targets = pair.pixels, [int(label) for label in pair.labels]

    original, CIFAR100.__init__ = CIFAR100.__init__, init
    try:
        yield
    finally:
        CIFAR100.__init__ = original


@contextlib.contextmanager
def _in_temporary_folder() -> Iterator[None]:
    """Run code in a temporary working directory, because it creates folders there, and hide what it prints."""
    with tempfile.TemporaryDirectory() as folder, contextlib.chdir(folder), contextlib.redirect_stdout(io.StringIO()):
        yield


def _repdistiller(pair: Pair, batch: int) -> Callable[[int], float]:
    loops, zoo = (importlib.import_module(name) for name in ("helper.loops", "distiller_zoo"))
    data = importlib.import_module("dataset.cifar100")
    with _images_as_cifar100(pair), _in_temporary_folder():
        loader = FewSteps(data.get_cifar100_dataloaders(batch, num_workers=pair.workers, is_instance=True)[0])
    student, teacher = (WithFeatures(network, False).to(pair.device) for network in pair.networks())
    # RepDistiller's loop computes the weighted sum of the losses; the weights are options
    options = Namespace(distill="kd", gamma=1 - ALPHA, alpha=ALPHA, beta=0, print_freq=100)
    criteria = [nn.CrossEntropyLoss(), zoo.DistillKL(TEMPERATURE), zoo.DistillKL(TEMPERATURE)]
    optimizer = torch.optim.SGD(student.parameters(), lr=RATE, momentum=MOMENTUM, weight_decay=DECAY)

    def run(steps: int) -> float:
        loader.steps = steps
        with contextlib.redirect_stdout(io.StringIO()):
            _, loss = loops.train_distill(1, loader, [student, teacher], criteria, optimizer, options)
        return loss

    return run


def _mdistiller(pair: Pair, batch: int) -> Callable[[int], float]:
    if pair.device.type == "cpu":  # its trainer moves every batch to the GPU
        torch.Tensor.cuda = lambda self, *_, **__: self  # type: ignore[method-assign]
    trainer, cfg, kd = (
        importlib.import_module(f"mdistiller.{name}") for name in ("engine.trainer", "engine.cfg", "distillers.KD")
    )
    utils, data = (
        importlib.import_module("mdistiller.engine.utils"),
        importlib.import_module("mdistiller.dataset.cifar100"),
    )
    settings = cfg.CFG.clone()
    settings.KD.TEMPERATURE, settings.KD.LOSS.CE_WEIGHT, settings.KD.LOSS.KD_WEIGHT = TEMPERATURE, 1 - ALPHA, ALPHA
    settings.SOLVER.LR, settings.SOLVER.MOMENTUM, settings.SOLVER.WEIGHT_DECAY = RATE, MOMENTUM, DECAY
    settings.LOG.WANDB = False
    with _images_as_cifar100(pair), _in_temporary_folder():
        loader = FewSteps(data.get_cifar100_dataloaders(batch, batch, pair.workers)[0])
        settings.LOG.PREFIX = str(Path.cwd())
        student, teacher = (WithFeatures(network, True).to(pair.device) for network in pair.networks())
        # as in mdistiller's tools/train.py, but for one device
        devices = [] if pair.device.type == "cpu" else [0]
        distiller = nn.DataParallel(kd.KD(student, teacher, settings), device_ids=devices)
        base_trainer = trainer.BaseTrainer("benchmark", distiller, loader, None, settings)

    def run(steps: int) -> float:
        meters = {name: utils.AverageMeter() for name in ("training_time", "data_time", "losses", "top1", "top5")}
        loader.steps = steps
        base_trainer.distiller.train()
        with trainer.tqdm(range(steps), file=io.StringIO()) as bar:  # as in its train_epoch, without validation
            for batch_of_images in loader:
                bar.set_description(utils.log_msg(base_trainer.train_iter(batch_of_images, 1, meters), "TRAIN"))
                bar.update()
        return float(meters["losses"].avg)

    return run
