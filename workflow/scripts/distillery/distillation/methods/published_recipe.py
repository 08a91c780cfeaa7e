"""The published recipe with its faults, to explain the published numbers.

Each fault has a name (`FAULTS`), and an arm may have any of them alone. Where the publication leaves a detail open, the
most favorable reading is used: the loss weights 0.2 and 0.8 are those of labels and teacher; "not frozen" means that
the optimizer also changes the teacher; batches are shuffled within the images trained on; views are the unchanged
images.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace
from math import ceil

import numpy as np
import torch.nn.functional as F
from torch import Tensor, nn

from distillery.distillation.methods.losses import cross_entropy
from distillery.training.data.dataset import ImageDataset
from distillery.training.optimizers.adam import Adam
from distillery.training.optimizers.optimizer import Optimizer
from distillery.training.optimizers.sgd import SGD
from distillery.training.recipe import Recipe

# faults of training from scratch, and of distillation
SCRATCH_FAULTS = ("optimizer", "budget", "no_augmentation")
FAULTS = ("double_softmax", "trained_teacher", "class_ordered", *SCRATCH_FAULTS)

EPOCHS = 7
BATCH = 32
SCRATCH_LR = 0.01
KD_LR = 1e-3
LABEL_WEIGHT, TEACHER_WEIGHT = 0.2, 0.8
TEMPERATURE = 1.0
TRAINED_FRACTION = 0.8


def faulty_recipe(recipe: Recipe, faults: Collection[str], images: int, uses_teacher: bool) -> Recipe:
    """The study's recipe, changed by those of `faults` that concern the recipe.

    Args:
        images: number of train images.
        uses_teacher: the published learning rates of distillation and of training from scratch differ.
    """
    if "budget" in faults:
        recipe = _in_epochs(recipe, images)
    if "optimizer" in faults:
        recipe = _at_constant_rate(recipe, KD_LR if uses_teacher else SCRATCH_LR)
    return _with_unchanged_views(recipe) if "no_augmentation" in faults else recipe


def _in_epochs(recipe: Recipe, images: int) -> Recipe:
    """Fault: a budget in epochs, so that more images mean more training."""
    return replace(recipe, steps=ceil(EPOCHS * images / BATCH), batch=BATCH)


def _at_constant_rate(recipe: Recipe, lr: float) -> Recipe:
    """Fault: no momentum, weight decay, schedule, warm-up or EMA of the weights."""
    return replace(
        recipe,
        train="all",
        body_lr=1.0,
        lr=lr,
        optimizer="sgd",
        momentum=0.0,
        weight_decay=0.0,
        schedule="constant",
        warmup=0.0,
        ema=0.0,
    )


def _with_unchanged_views(recipe: Recipe) -> Recipe:
    """Fault: no augmentation."""
    return replace(recipe, view="pad_crop", area=1.0, jitter=0.0, crop=0, flip=False, cutout=0, mixup=0.0)


def first_of_class_order(train: ImageDataset) -> ImageDataset:
    """Fault: train on the first 80 % of the images sorted by class. Of ten classes the last two are never seen."""
    order = np.argsort(train.labels.numpy(), kind="stable")
    return train.take(order[: max(1, int(TRAINED_FRACTION * len(train)))])


def double_softmax_loss(student: Tensor, teacher: Tensor, labels: Tensor) -> Tensor:
    """Fault: both losses treat probabilities as logits, and so apply softmax twice.

    Correct and wrong predictions hardly differ in loss: with C classes, a certain and correct student still has a loss
    of log(1 + (C − 1) / e). With ten classes this is 1.46 nats, and guessing has 2.30.

    Args:
        student, teacher: logits [B, C]. Fault: gradients flow to both.
        labels: int64 [B].
    """
    student, teacher = first_softmax(student), first_softmax(teacher)
    log_student = F.log_softmax(student / TEMPERATURE, dim=1)
    soft = F.kl_div(log_student, F.softmax(teacher / TEMPERATURE, dim=1), reduction="batchmean")
    return LABEL_WEIGHT * cross_entropy(student, labels) + TEACHER_WEIGHT * TEMPERATURE**2 * soft


def first_softmax(logits: Tensor) -> Tensor:
    """Fault: a softmax before that of the loss: logits [B, C] → probabilities, float32 [B, C]."""
    return F.softmax(logits.float(), dim=1)


def unfreeze(teacher: nn.Module) -> None:
    """Fault: the teacher is in train mode. Its weights change, and its batch norm averages over the student's views."""
    teacher.requires_grad_(True).train()


def optimizer_without_momentum(network: nn.Module, teacher: nn.Module | None, trains_teacher: bool) -> Optimizer:
    """Fault: SGD without momentum from scratch, but Adam at another learning rate with a teacher.

    Args:
        trains_teacher: whether Adam also changes the teacher, which is another fault.
    """
    if not teacher:
        return SGD([], list(network.parameters()), momentum=0.0, weight_decay=0.0)
    return Adam([*network.parameters(), *(teacher.parameters() if trains_teacher else ())])
