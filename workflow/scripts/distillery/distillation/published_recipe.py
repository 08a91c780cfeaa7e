"""The published recipe with its faults, so that the published numbers can be explained.

Each fault is one named piece. Where the study is silent, the mildest reading is taken: of the loss weights 0.2 and 0.8
the teacher has 0.8; "not frozen" means that the optimizer changes the teacher as well; batches are shuffled within the
images trained on; views are the unchanged images.
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
TRAINED_FRACTION = 0.8


def published_recipe(recipe: Recipe, images: int, lr: float) -> Recipe:
    """Fault: a budget in epochs, so that more images mean more training. No momentum, decay, schedule or augmentation.

    Of the study's own recipe it keeps only the network and the interval of checkpoints, which changes no result.

    Args:
        images: number of train images.
    """
    return Recipe(
        recipe.network,
        pretrained=recipe.pretrained,
        train="all",
        body_lr=1.0,
        steps=ceil(EPOCHS * images / BATCH),
        batch=BATCH,
        lr=lr,
        optimizer="sgd",
        momentum=0.0,
        weight_decay=0.0,
        schedule="constant",
        warmup=0.0,
        view="pad_crop",
        area=1.0,
        jitter=0.0,
        crop=0,
        flip=False,
        cutout=0,
        mixup=0.0,
        ema=0.0,
        checkpoint_every=recipe.checkpoint_every,
        image_size=recipe.image_size,
    )


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
    student, teacher = F.softmax(student.float(), dim=1), F.softmax(teacher.float(), dim=1)
    log_student = F.log_softmax(student / TEMPERATURE, dim=1)
    soft = F.kl_div(log_student, F.softmax(teacher / TEMPERATURE, dim=1), reduction="batchmean")
    return LABEL_WEIGHT * cross_entropy(student, labels) + TEACHER_WEIGHT * TEMPERATURE**2 * soft


def unfreeze(teacher: nn.Module) -> None:
    """Fault: the teacher is in train mode. Its weights change, and its batch norm averages over the student's views."""
    teacher.requires_grad_(True).train()


def scratch_optimizer(network: nn.Module) -> SGD:
    """Plain SGD without momentum and weight decay."""
    return SGD([], list(network.parameters()), momentum=0.0, weight_decay=0.0)


def kd_optimizer(network: nn.Module, teacher: nn.Module) -> Adam:
    """Fault: another optimizer than from scratch, which also trains the teacher."""
    return Adam([*network.parameters(), *teacher.parameters()])
