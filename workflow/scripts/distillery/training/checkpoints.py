"""Where a killed training goes on, and where a finished one is found again.

One file in a folder outside the workflow's declared outputs, which a failed job loses and one that runs again. It holds
the network, its ema, the optimizer, the step and the history so far; no generator, since the draws of a step are a
function of seed and step (`seeds.py`), and no teacher. At the end only the network and the history are left in it: a
job that runs again for what decides nothing, such as a value more in a grid whose choice stays, trains nothing.
"""

from __future__ import annotations

import hashlib
import io
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from distillery.jobs import log
from distillery.storage.files import atomic_write, hash_files
from distillery.training.ema import ModelEMA
from distillery.training.hardware import arithmetic
from distillery.training.optimizers import Optimizer
from distillery.training.recipe import Recipe
from distillery.usage import ZERO_USAGE, JobUsage


@dataclass(frozen=True)
class Checkpoint:
    """A training's place to go on from.

    Attributes:
        path: of the file.
        digest: of everything that decides the training; a file of another is not used.
        every: steps between two; 0 for none before the end.
        weights: whether a finished training's are kept; else its history alone.
    """

    path: Path
    digest: str
    every: int
    weights: bool = True

    def save(
        self,
        step: int,
        network: nn.Module,
        ema: ModelEMA | None,
        optimizer: Optimizer,
        history: list,
        loss: Tensor,
        before: JobUsage = ZERO_USAGE,
    ) -> None:
        """Keep the state after `step` steps, whole or not at all.

        Args:
            before: what the training had taken when this process went on with it.
        """
        state = {
            "step": step,
            "network": network.state_dict(),
            "ema": ema.state() if ema else {},
            "optimizer": optimizer.state(),
            "loss": loss,
        }
        self._write(state, history, before)

    def finish(self, step: int, network: nn.Module, history: list, before: JobUsage = ZERO_USAGE) -> None:
        """Keep the end of a training, if there is room: its results are written elsewhere."""
        try:
            self._write({"step": step, "network": network.state_dict() if self.weights else {}}, history, before)
        except OSError as error:
            log.info("the training's end is not kept in %s (%s)", self.path, error.strerror)

    def _write(self, state: dict[str, Any], history: list, before: JobUsage) -> None:
        told = {"history": history, "usage": list(before.plus_process())}
        buffer = io.BytesIO()  # torch's own writer hides a full disk behind an error of its own
        torch.save({"digest": self.digest, **state, **told}, buffer)
        atomic_write(self.path, buffer.getvalue())

    def load(self, device: torch.device) -> dict[str, Any] | None:
        """The state kept, or None; one that is damaged or of another training is deleted."""
        if not self.path.exists():
            return None
        try:
            state = torch.load(self.path, map_location=device, weights_only=True)
            if state["digest"] == self.digest:
                return state
            reason = "it is of another configuration, version or device"
        except (MemoryError, torch.OutOfMemoryError):  # it is whole: once there is room, the training goes on from it
            raise
        except Exception as error:  # zip, pickle and torch share no type of error
            reason = f"it is damaged: {' '.join(str(error).split())[:80]}"
        log.info("checkpoint %s is not used: %s", self.path, reason)
        self.remove()
        return None

    def remove(self) -> None:
        """Forget it."""
        self.path.unlink(missing_ok=True)


def training_fingerprint(recipe: Recipe, device: torch.device) -> dict[str, Any]:
    """What decides any training besides its data, loss and seed: settings for `digest`."""
    deciding = asdict(replace(recipe, checkpoint_every=0))  # how often the state is kept changes no result
    where = {"device": device.type, "arithmetic": str(arithmetic(device))}
    where |= {"deterministic": torch.are_deterministic_algorithms_enabled(), "torch": torch.__version__}
    return {"recipe": deciding, **where, "numpy": np.__version__, "version": version()}


@cache
def version() -> str:
    """A hash of the code that trains: a training that went on after an update would mix two losses, say."""
    library = Path(__file__).parents[1]
    return hash_files([library / room for room in ("models", "training", "distillation")])


def digest(settings: Mapping[str, Any], *arrays: Tensor) -> str:
    """16 hex digits over settings (as JSON) and the contents of tensors."""
    found = hashlib.sha256(json.dumps(settings, sort_keys=True, default=str).encode())
    for array in arrays:
        found.update(str(tuple(array.shape)).encode())
        # channels last in memory: hashed as they lie, without a copy
        found.update((array.permute(0, 2, 3, 1) if array.dim() == 4 else array).contiguous().numpy().data)
    return found.hexdigest()[:16]
