"""Made-up test predictions, which are correct where a test needs them to be."""

import numpy as np
import pandas as pd

from distillery.analysis import run_predictions


def predictions_of(correct, labels=None, seeds=None, classes=3, source="google"):
    """Test predictions that are correct where `correct` [S, N] is true."""
    correct = np.asarray(correct, bool)
    labels = np.arange(correct.shape[1]) % classes if labels is None else labels
    predicted = np.where(correct, labels, (labels + 1) % classes)
    logits = np.where(np.arange(classes) == predicted[..., None], 2.0, 0.0).astype(np.float32)
    seeds = np.arange(len(correct)) if seeds is None else np.array(seeds)
    sources = np.full(len(labels), source, dtype=object)
    return run_predictions.TestPredictions(
        sources, np.arange(len(labels)), labels.astype(np.int16), seeds, predicted, logits
    )


def groups_of(count, source="google"):
    places = pd.MultiIndex.from_product([[source], range(count)], names=["source", "row"])
    return pd.Series(np.arange(count), index=places)
