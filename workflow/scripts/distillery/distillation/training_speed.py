"""How fast this machine trains the study's own networks, measured in a few seconds before the first training."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from distillery.distillation.methods.registry import arm_of
from distillery.distillation.objective import objective_of, prepare_teacher
from distillery.models.architectures import build_network
from distillery.storage.files import atomic_write
from distillery.storage.work import SpeedRequest
from distillery.training.data.dataset import ImageDataset, whole_source
from distillery.training.hardware import arithmetic, autocast, choose_device
from distillery.training.loop import optimizer_of, start_network, train
from distillery.training.recipe import Recipe

STEPS = {"cpu": (1, 2), "cuda": (20, 60)}  # warm-up steps, and timed steps
# a CPU first times a step of this many images; if a full batch would take longer, its time is extrapolated from that
SMALL_BATCH, LONG_SECONDS = 16, 0.5
MATRIX = {"cpu": 1024, "cuda": 8192}  # rows of the square matrices that are multiplied


def time_training(request: SpeedRequest, threads: int) -> dict[str, Any]:
    """Time a few steps of each training on random images.

    Args:
        request: see `SpeedRequest`.
        threads: of a student's training.

    Returns:
        `device` in words; seconds per step: `scratch_step`, `kd_step` (with the outputs of every teacher whose
        network is known) and `teacher_step`; `start`, CPU seconds before the first step; `flops`, floating-point
        operations per second in products of large matrices of the training's type; `networks` of teacher and student.
    """
    start = _seconds_of_process()
    device = choose_device(threads)
    random = np.random.default_rng(0)
    side, classes = request.image_size, request.classes
    pixels = random.integers(0, 256, (256, side, side, 3), dtype=np.uint8)
    images = whole_source("random", pixels, random.integers(0, classes, len(pixels)))
    plain = {"checkpoint_every": 0, "pretrained": False}  # write no checkpoints, download no weights
    student = Recipe.of({**request.student, **plain})
    scratch = objective_of(arm_of(dict(request.scratch)), None, lambda logits: logits)
    scratch_step = _step(student, images, classes, scratch, device)
    kd_step, teacher_step = scratch_step, 0.0
    if request.teacher:
        arm, teacher = arm_of(dict(request.kd)), Recipe.of({**request.teacher, **plain})
        teaching = start_network(teacher, classes, images, 1, device).requires_grad_(False).eval()
        kd = objective_of(arm, prepare_teacher(teaching, arm, device), lambda logits: logits)
        kd_step = _step(student, images, classes, kd, device)
        teacher_step = _step(teacher, images, classes, scratch, device)
    for name, input_side in request.adopted:
        kd_step += student.batch * _seconds_of_outputs(name, input_side, classes, device)
    return {
        "device": torch.cuda.get_device_name() if device.type == "cuda" else "CPU",
        "start": round(start, 1),
        "scratch_step": scratch_step,
        "kd_step": kd_step,
        "teacher_step": teacher_step,
        "flops": _flops(device),
        "networks": [request.teacher.get("network", ""), student.network],
    }


def _seconds_of_process() -> float:
    """CPU seconds that this process has used so far, mostly for imports."""
    return sum(os.times()[:2])


def _step(recipe: Recipe, images: ImageDataset, classes: int, objective: Any, device: torch.device) -> float:
    """Seconds per training step."""
    before, timed = STEPS[device.type]
    network = start_network(recipe, classes, images, 0, device)

    def run(steps: int, batch: int) -> float:
        short = replace(recipe, batch=batch, steps=steps)
        return _timed(
            lambda: train(network, images, short, objective, optimizer_of(short, network), seed=0, classes=classes),
            device,
        )

    small = min(recipe.batch, SMALL_BATCH) if device.type == "cpu" else recipe.batch
    run(before, small)  # warm-up: the first steps are slower
    scaled = run(timed, small) / timed * recipe.batch / small
    return run(timed, recipe.batch) / timed if small < recipe.batch and scaled < LONG_SECONDS else scaled


def _seconds_of_outputs(name: str, side: int, classes: int, device: torch.device) -> float:
    """Seconds per image of a network that is not trained. Its weights do not matter."""
    network = build_network(name, classes, side).to(device).eval()
    images = torch.rand(SMALL_BATCH // 2, 3, side, side, device=device)
    with torch.inference_mode(), autocast(device):
        network(images[:1])  # warm-up
        return _timed(lambda: network(images), device) / len(images)


def _flops(device: torch.device) -> float:
    """Floating-point operations per second in products of large matrices."""
    rows = MATRIX[device.type]
    matrix = torch.ones(rows, rows, device=device, dtype=arithmetic(device))
    seconds = min(_timed(lambda: matrix @ matrix, device) for _ in range(4))
    return 2 * rows**3 / seconds


def _timed(work: Callable[[], Any], device: torch.device) -> float:
    """Seconds that a call takes. On a CPU: its CPU time per thread, which other processes do not change."""
    if device.type == "cpu":
        began = time.process_time()
        work()
        return (time.process_time() - began) / torch.get_num_threads()
    torch.cuda.synchronize()
    began = time.perf_counter()
    work()
    torch.cuda.synchronize()
    return time.perf_counter() - began


def write_training_speed(path: str | Path, speed: Mapping[str, Any]) -> None:
    """Write what `time_training` returns as JSON."""
    atomic_write(path, json.dumps(speed, indent=1) + "\n")
