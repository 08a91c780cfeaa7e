"""The published recipe, faults included, so that its numbers can be explained.

Each fault is one named piece. What the study does not say is taken as mildly as possible: of the published arms'
weights 0.2 and 0.8 the teacher has the 0.8; "not frozen" means that the optimizer changes the teacher as well; batches
are shuffled within the images trained on; views are the images as they are.
"""

from __future__ import annotations

from math import ceil

import numpy as np
import torch.nn.functional as F
from torch import Tensor, nn

from distillery.distillation.losses import cross_entropy
from distillery.training.dataset import ImageDataset
from distillery.training.optimizers import SGD, Adam
from distillery.training.recipe import Recipe

EPOCHS = 7
BATCH = 32
SCRATCH_LR = 0.01
KD_LR = 1e-3
LABEL_WEIGHT, TEACHER_WEIGHT = 0.2, 0.8
TEMPERATURE = 1.0
TRAINED_SHARE = 0.8


def published_recipe(recipe: Recipe, images: int, lr: float) -> Recipe:
    """Fault: a budget in epochs, so that more images are more training. No momentum, decay, schedule or views.

    Of the study's own recipe it keeps the network alone, and how often a checkpoint is kept, which changes no result.
    """
    return Recipe(
        recipe.network,
        steps=ceil(EPOCHS * images / BATCH),
        batch=BATCH,
        lr=lr,
        optimizer="sgd",
        momentum=0.0,
        weight_decay=0.0,
        schedule="constant",
        warmup=0.0,
        crop=0,
        flip=False,
        cutout=0,
        mixup=0.0,
        ema=0.0,
        checkpoint_every=recipe.checkpoint_every,
    )


def first_of_class_order(train: ImageDataset) -> ImageDataset:
    """Fault: the first 80 % of images sorted by class; of ten classes, the last two are never seen."""
    order = np.argsort(train.labels.numpy(), kind="stable")
    return train.take(order[: max(1, int(TRAINED_SHARE * len(train)))])


def double_softmax_loss(student: Tensor, teacher: Tensor, labels: Tensor) -> Tensor:
    """Fault: both losses take probabilities for logits, and so apply softmax twice.

    The loss can hardly tell right from wrong: with C classes a certain and right student still pays
    log(1 + (C − 1) / e), 1.46 of the 2.30 nats that guessing costs with ten.

    Args:
        student, teacher: logits [B, C]. Fault: gradients flow to both.
        labels: int64 [B].
    """
    student, teacher = F.softmax(student.float(), dim=1), F.softmax(teacher.float(), dim=1)
    log_student = F.log_softmax(student / TEMPERATURE, dim=1)
    soft = F.kl_div(log_student, F.softmax(teacher / TEMPERATURE, dim=1), reduction="batchmean")
    return LABEL_WEIGHT * cross_entropy(student, labels) + TEACHER_WEIGHT * TEMPERATURE**2 * soft


def unfreeze(teacher: nn.Module) -> None:
    """Fault: the teacher in train mode, its weights to be changed and its batch norm averaging the students' views."""
    teacher.requires_grad_(True).train()


def scratch_optimizer(network: nn.Module) -> SGD:
    """Plain gradient descent: no momentum, no decay."""
    return SGD([], list(network.parameters()), momentum=0.0, weight_decay=0.0)


def kd_optimizer(network: nn.Module, teacher: nn.Module) -> Adam:
    """Fault: another optimizer than from scratch, and it changes the teacher too."""
    return Adam([*network.parameters(), *teacher.parameters()])
