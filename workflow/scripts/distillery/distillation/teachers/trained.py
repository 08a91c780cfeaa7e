"""Train a teacher on its own images."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from distillery.distillation.methods.losses import cross_entropy
from distillery.models.weights import TrainedNetwork, save_weights
from distillery.training.checkpoints import Checkpoint, digest, training_fingerprint
from distillery.training.data.dataset import load_teacher_data
from distillery.training.hardware import choose_device
from distillery.training.loop import optimizer_of, start_network, train
from distillery.training.recipe import Recipe
from distillery.training.run_files import HistoryRow, write_history


@dataclass(frozen=True)
class Teacher:
    """A trained teacher and the history of its training."""

    trained: TrainedNetwork
    history: list[HistoryRow]

    def save(self, weights: str | Path, history: str | Path) -> None:
        """Write the weights and the history."""
        write_history(history, self.history)
        save_weights(weights, self.trained)


def train_teacher(
    data: str | Path,
    recipe: Recipe,
    *,
    seed: int,
    classes: Sequence[str],
    checkpoints: str | Path,
    threads: int = 0,
    deterministic: bool = False,
) -> Teacher:
    """Train a teacher on its own images with cross-entropy on the labels.

    Label smoothing is not used, because students learn less from a teacher trained with it (Müller et al. 2019).

    Args:
        data: `.npz` written by `curation.teacher_data`.
        checkpoints: folder of the checkpoint, from which a killed training resumes.
    """
    images, _ = load_teacher_data(data, classes)
    device = choose_device(threads, deterministic)
    network = start_network(recipe, len(classes), images, seed, device)
    settings = {"seed": seed, "classes": list(classes), **training_fingerprint(recipe, device)}
    checkpoint = Checkpoint(
        Path(checkpoints) / "checkpoint.pt",
        digest(settings, images.pixels, images.labels),
        recipe.checkpoint_every,
    )
    history = train(
        network,
        images,
        recipe,
        lambda network, batch: cross_entropy(network(batch.views), batch.targets),
        optimizer_of(recipe, network),
        seed=seed,
        classes=len(classes),
        checkpoint=checkpoint,
        label="teacher",
    )
    side = images.pixels.shape[-1]
    trained = TrainedNetwork(network, recipe.network, tuple(classes), side, "teacher", recipe.steps)
    return Teacher(trained, history)
