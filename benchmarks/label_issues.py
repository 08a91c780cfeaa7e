"""Measure precision and recall of the search for wrong labels (`curation/label_issues.py`), on labels by people.

    pip install cleanlab==2.9.0    # to compare with; a study does not need it
    python benchmarks/label_issues.py FOLDER

FOLDER contains cifar-10-batches-py and CIFAR-10N's cifar10n_human_labels.npz. No classifier has trained on the labels
that it audits: three networks are each trained on two thirds of the 50,000 images, with the noisy labels, and predict
the last third.

One run with seed 0, networks of 150 thousand weights and 2,000 steps. At least 99.98 % of our results equal those of
cleanlab's filter "both":

    labels          wrong   estimated       accuracy   ours: precision, recall   only confident learning
    aggre_label      9.0 %     10.7 %         83.4 %           60.1 %   52.5 %           55.2 %   45.9 %
    random_label1   17.2 %     18.9 %         81.7 %           75.5 %   65.8 %           71.6 %   55.0 %
    worse_label     40.2 %     41.2 %         75.4 %           87.0 %   70.6 %           82.4 %   65.0 %
"""

import argparse
import time
from pathlib import Path

import numpy as np
import torch

from distillery.cifar10 import CIFAR10
from distillery.config.defaults import recipe_defaults
from distillery.curation.label_issues import find_label_issues, label_error_rates
from distillery.curation.teacher_data.cifar10_images import load_cifar10
from distillery.distillation.methods.label_methods import CrossEntropy
from distillery.distillation.objective import objective_of
from distillery.training.data.dataset import gather
from distillery.training.hardware import choose_device
from distillery.training.loop import optimizer_of, start_network, train
from distillery.training.prediction import predict
from distillery.training.recipe import Recipe

FOLDS = 3


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--labels", nargs="+", default=["aggre_label", "random_label1", "worse_label"])
    parser.add_argument("--steps", type=int, default=2000)
    parser.add_argument("--threads", type=int, default=0)
    options = parser.parse_args()
    pixels = load_cifar10(str(options.folder), list(CIFAR10), 32, (0, 0), 0)[0].pixels
    human = np.load(options.folder / "cifar10n_human_labels.npz")
    truth = human["clean_label"].astype(np.int64)
    device = choose_device(options.threads)
    for name in options.labels:
        labels = human[name].astype(np.int64)
        started = time.perf_counter()
        probabilities = out_of_fold(pixels, labels, options.steps, device)
        wrong = labels != truth
        accuracy = (probabilities.argmax(axis=1) == truth).mean()
        print(
            f"{name}: {100 * wrong.mean():.1f} % wrong; the networks' accuracy is {100 * accuracy:.1f} %"
            f" ({time.perf_counter() - started:.0f} s)"
        )
        found = find_label_issues(probabilities, labels)
        error_rate, _ = label_error_rates([str(x) for x in labels], [str(x) if x >= 0 else "" for x in found.confident])
        report("ours", found.is_label_issue, wrong, f"; estimates {100 * error_rate:.1f} % wrong")
        for way, is_label_issue in cleanlab(labels, probabilities).items():
            report(
                way,
                is_label_issue,
                wrong,
                f"; the same as ours for {100 * (is_label_issue == found.is_label_issue).mean():.2f} %",
            )


def out_of_fold(pixels: np.ndarray, labels: np.ndarray, steps: int, device: torch.device) -> np.ndarray:
    """Probabilities [N, 10], of each image by a network that did not train on its fold."""
    fold = np.random.default_rng(0).permutation(len(labels)) % FOLDS
    probabilities = np.empty((len(labels), 10), np.float32)
    changes = {"network": "convnet_s", "steps": steps, "batch": 128, "lr": 0.2, "crop": 4, "checkpoint_every": 0}
    recipe = Recipe.of(recipe_defaults() | changes)
    objective = objective_of(CrossEntropy(), None, lambda logits: logits)
    for tested in range(FOLDS):
        rows = np.flatnonzero(fold != tested)
        images = gather({"x": pixels}, np.full(len(rows), "x", object), rows, labels[rows])
        network = start_network(recipe.network, 10, images, tested, device)
        optimizer = optimizer_of(recipe, network)
        train(network, images, recipe, objective, optimizer, seed=tested, classes=10)
        others = np.flatnonzero(fold == tested)
        held_out = gather({"x": pixels}, np.full(len(others), "x", object), others, labels[others])
        probabilities[others] = torch.softmax(predict(network, held_out.pixels), dim=1).numpy()
    return probabilities


def report(way: str, is_label_issue: np.ndarray, wrong: np.ndarray, more: str) -> None:
    hits = (is_label_issue & wrong).sum()
    precision, recall = hits / max(1, is_label_issue.sum()), hits / wrong.sum()
    found = f"{is_label_issue.sum():,} label issues, precision {100 * precision:.1f} %, recall {100 * recall:.1f} %"
    print(f"  {way}: {found}{more}")


def cleanlab(labels: np.ndarray, probabilities: np.ndarray) -> dict[str, np.ndarray]:
    try:
        from cleanlab.filter import find_label_issues
    except ImportError:
        print("  cleanlab is not installed: left out")
        return {}
    ways = ("confident_learning", "prune_by_noise_rate", "both")
    return {f"cleanlab, {way}": find_label_issues(labels, probabilities, filter_by=way, n_jobs=1) for way in ways}


if __name__ == "__main__":
    main()
