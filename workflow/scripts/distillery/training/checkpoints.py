"""Checkpoints: a killed training resumes from its last one, and a finished training is not repeated.

A checkpoint is one file in a folder outside the workflow's declared outputs, since Snakemake deletes the outputs of a
job that failed or runs again. It holds the network, its EMA, an adapter that is trained with it, the optimizer, the
step and the history so far. It needs no state of random generators, since the draws of a step depend on seed and step
alone (`rng.py`), and no teacher, which has its own file. Of a finished training only the network and the history are
kept, until the job has written its files (`finished.py`).
"""

from __future__ import annotations

import hashlib
import io
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from distillery.file_digests import is_whole
from distillery.jobs import log
from distillery.models.pretrained import pretrained_file
from distillery.models.timm_names import PREFIX
from distillery.storage.files import atomic_write, hash_files
from distillery.storage.host.usage import ZERO_USAGE, JobUsage
from distillery.training.ema import ModelEMA
from distillery.training.finished import code_version
from distillery.training.hardware import arithmetic
from distillery.training.optimizers.optimizer import Optimizer
from distillery.training.recipe import Recipe


@dataclass(frozen=True)
class Checkpoint:
    """The checkpoint file of one training.

    Attributes:
        path: of the checkpoint.
        digest: over everything that determines the training; a file with another digest is not used.
        every: steps between two checkpoints; 0 for none before the end.
        weights: whether the weights of a finished training are kept; else only its history.
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
        adapter: nn.Module | None = None,
    ) -> None:
        """Write the state after `step` steps, atomically.

        Args:
            history: rows as plain lists.
            loss: [], the sum since the last row of the history.
            before: resources that earlier processes of this training used.
            adapter: a module that is trained with the network, if there is one.
        """
        state = {
            "step": step,
            "network": network.state_dict(),
            "ema": ema.state() if ema else {},
            "adapter": adapter.state_dict() if adapter else {},
            "optimizer": optimizer.state(),
            "loss": loss,
        }
        self._write(state, history, before)

    def finish(self, step: int, network: nn.Module, history: list, before: JobUsage = ZERO_USAGE) -> None:
        """Write the result of a finished training. A full disk raises no error: the job's outputs hold the result."""
        try:
            self._write({"step": step, "network": network.state_dict() if self.weights else {}}, history, before)
            before.end_training(self.path.parent)
        except OSError as error:
            log.info("the finished training is not kept in %s (%s)", self.path, error.strerror)

    def _write(self, state: dict[str, Any], history: list, before: JobUsage) -> None:
        progress = {"history": history, "usage": list(before.plus_training())}
        buffer = io.BytesIO()  # torch's own file writer reports a full disk as an unrelated error
        torch.save({"digest": self.digest, **state, **progress}, buffer)
        atomic_write(self.path, buffer.getvalue(), digest=True)

    def load(self, device: torch.device) -> dict[str, Any] | None:
        """The saved state, or None. A file that is damaged or of another training is deleted."""
        if not self.path.exists():
            return None
        try:
            if not is_whole(self.path):  # torch verifies no checksum
                raise ValueError("its bytes are not those that were written")
            state = torch.load(self.path, map_location=device, weights_only=True)
            if state["digest"] == self.digest:
                return state
            reason = "it is of another configuration, version or device"
        except (MemoryError, torch.OutOfMemoryError):
            raise  # the file is intact: with enough memory the training can resume from it
        except Exception as error:  # zipfile, pickle and torch have no common error type
            reason = f"it is damaged: {' '.join(str(error).split())[:80]}"
        log.info("checkpoint %s is not used: %s", self.path, reason)
        self.remove()
        return None

    def give_up(self, before: JobUsage) -> None:
        """Delete the file of a training that diverged: resuming from it would diverge again."""
        self.remove()
        before.end_training(self.path.parent)

    def remove(self) -> None:
        """Delete the file if it exists."""
        self.path.unlink(missing_ok=True)


def training_fingerprint(recipe: Recipe, device: torch.device) -> dict[str, Any]:
    """Settings for `digest`: what determines any training besides its data, loss and seed."""
    pretrained = recipe.pretrained if isinstance(recipe.pretrained, str) and recipe.pretrained else ""
    return {
        "pretrained": hash_files([pretrained_file(recipe.network, pretrained)]) if pretrained else "",
        "timm": version("timm") if recipe.network.startswith(PREFIX) else "",
        "recipe": asdict(replace(recipe, checkpoint_every=0)),  # the interval of checkpoints changes no result
        "device": device.type,
        "arithmetic": str(arithmetic(device)),
        "deterministic": torch.are_deterministic_algorithms_enabled(),
        "torch": torch.__version__,
        "numpy": np.__version__,
        "code": code_version(),
    }


def digest(settings: Mapping[str, Any], *arrays: Tensor) -> str:
    """16 hex digits over settings (as JSON) and the shapes and contents of tensors."""
    hashed = hashlib.sha256(json.dumps(settings, sort_keys=True, default=str).encode())
    for array in arrays:
        hashed.update(str(tuple(array.shape)).encode())
        # images are channels last in memory: this order needs no copy
        hashed.update((array.permute(0, 2, 3, 1) if array.dim() == 4 else array).contiguous().numpy().data)
    return hashed.hexdigest()[:16]
