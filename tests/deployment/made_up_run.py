"""A made-up run of a study: weights, metrics, table and plan with the keys and columns of real ones."""

import csv
import json
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import torch

from distillery.deployment.card import CardSettings
from distillery.deployment.export import export_student
from distillery.models.architectures import NormalizedModel, build_network
from distillery.models.weights import TrainedNetwork, load_weights, save_weights

CLASSES = ("cat", "deer", "dog", "frog", "ship")
SIDE = 24
SETTINGS = CardSettings(
    "A study of animals",
    "",
    {"method": "kd", "alpha": 0.9},
    {"sd2": "diffusion", "bing": "bing"},
    [],
    {"sd2": "SD2", "bing": "Bing"},
)


def decided(name, classes, side, seed=0):
    """A random network whose predictions vary: batch norms have the statistics of noise, the head doubled weights."""
    torch.manual_seed(seed)
    network = NormalizedModel(
        build_network(name, classes), torch.tensor([0.5, 0.4, 0.3]), torch.tensor([0.2, 0.25, 0.3])
    )
    with torch.no_grad():
        for _ in range(10):
            network.train()(torch.rand(16, 3, side, side))
        network.network.head.weight.mul_(2)
    return network.eval()


def probabilities(network, images, labels):
    """A network's probabilities for images uint8 [N, S, S, 3], computed as in the study: float32 [N, K]."""
    with torch.inference_mode():
        logits = network(torch.tensor(images).permute(0, 3, 1, 2).float() / 255)
    return logits[:, list(labels)].softmax(dim=1).numpy()


def noise(count, side=SIDE, seed=0):
    return np.random.default_rng(seed).integers(0, 256, (count, side, side, 3), dtype=np.uint8)


@dataclass(frozen=True)
class Student:
    """The files of a run of scenario `web`, arm `kd`, and its export."""

    folder: Path
    labels: tuple[int, ...] = (0, 2, 3)
    untested: tuple[int, ...] = ()  # labels without test images
    correct: tuple[int, ...] = (41, 44, 50)  # correct predictions of 60 test images, one number a seed
    settings: CardSettings = field(default=SETTINGS)

    @property
    def model(self):
        return self.folder / "models" / "web.kd.onnx"

    @property
    def card(self):
        return self.folder / "models" / "web.kd.md"

    @property
    def classes(self):
        return [CLASSES[label] for label in self.labels]

    @property
    def network(self):
        return load_weights(self.folder / "model.safetensors").network.eval()

    def write(self, network="resnet8_half", side=SIDE):
        """The files of the run and its scenario."""
        built = decided(network, len(CLASSES), side)
        save_weights(self.folder / "model.safetensors", TrainedNetwork(built, network, CLASSES, side, "student", 400))
        tested = [label for label in self.labels if label not in self.untested]
        metrics = {
            "scenario": "web", "arm": "kd", "seed": 0, "network": network, "parameters": 19_876, "steps": 400,
            "batch": 64, "lr": 0.1, "weight_decay": 0.0005, "augment": "none", "n_train": 30 * len(self.labels),
            "n_train_unique": 30 * len(self.labels), "n_classes": len(self.labels), "n_test": 60,
            "accuracy": self.correct[0] / 60, "val_accuracy": None,
            "by_source": {"bing": {"accuracy": 0.775, "n": 40}, "sd2": {"accuracy": 0.5, "n": 20}},
            "per_class": {CLASSES[label]: (number + 1) / 7 for number, label in enumerate(tested)},
        }  # fmt: skip
        (self.folder / "metrics.json").write_text(json.dumps(metrics))
        with open(self.folder / "web.csv", "w", newline="") as file:
            rows = csv.writer(file)
            rows.writerow(["scenario", "arm", "seed", "n_test", "n_correct"])
            rows.writerows(["web", "kd", seed, 60, correct] for seed, correct in enumerate(self.correct))
            rows.writerows(["web", "scratch", seed, 60, 7] for seed in range(3))
        plan = [("bing", 0, label, "train", False) for label in self.labels for _ in range(20)]
        plan += [("sd2", 0, label, "train", False) for label in self.labels for _ in range(10)]
        predicted = {"label": [label for label in tested for _ in range(60 // len(tested))]}
        pq.write_table(pa.table(predicted), self.folder / "predictions.parquet")
        names = ("source", "row", "label", "split", "augmented")
        pq.write_table(pa.table(dict(zip(names, zip(*plan, strict=True), strict=True))), self.folder / "plan.parquet")
        return self

    def rewrite(self, **changed):
        """Replace some of the metrics."""
        path = self.folder / "metrics.json"
        path.write_text(json.dumps(json.loads(path.read_text()) | changed))

    def configured(self, **changed):
        """The same run under another configuration."""
        return replace(self, settings=replace(self.settings, **changed))

    def export(self):
        names = ("model.safetensors", "metrics.json", "predictions.parquet", "web.csv", "plan.parquet")
        export_student(*(self.folder / name for name in names), self.settings, self.model, self.card)
        return self
