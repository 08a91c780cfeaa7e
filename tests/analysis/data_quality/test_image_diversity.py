"""Mean distances of image pairs equal sums over all pairs, and their intervals cover; the table and its figure."""

import itertools
import runpy
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
import torch
from PIL import Image

from distillery.analysis.data_quality import image_diversity as diversity
from distillery.analysis.data_quality.diversity_table import interval, tabulate_diversity
from distillery.figures.diversity import plot_diversity
from distillery.jobs import UserError
from distillery.models.architectures import NormalizedModel, build_network
from distillery.models.weights import TrainedNetwork, save_weights

SCRIPTS = Path(__file__).parents[3] / "workflow" / "scripts"


def directions(count, width=5, seed=0):
    features = np.random.default_rng(seed).normal(size=(count, width)) + 1
    return features / np.linalg.norm(features, axis=1, keepdims=True)


@pytest.mark.parametrize("count", [2, 3, 40])
def test_the_distance_is_the_mean_over_all_pairs(count):
    features = directions(count)
    pairs = [1 - a @ b for a, b in itertools.combinations(features, 2)]
    assert diversity.mean_distance(features)[0] == pytest.approx(np.mean(pairs))


def test_equal_images_have_distance_0_and_one_image_has_none():
    distance, error = diversity.mean_distance(np.repeat(directions(1), 9, axis=0))
    assert (distance, error) == pytest.approx((0, 0), abs=1e-12)
    assert all(np.isnan(diversity.mean_distance(directions(1))))


def test_intervals_cover_the_true_distance_95_times_of_100():
    truth = diversity.mean_distance(directions(3000, seed=99))[0]
    hits = 0
    for seed in range(400):
        features = directions(40, seed=seed)
        low, high = interval(*diversity.mean_distance(features), len(features))
        hits += low <= truth <= high
    assert 0.91 < hits / 400 < 0.985  # 0.95, standard deviation 0.011


@pytest.mark.parametrize("name", ["resnet8", "convnet_s"])
def test_features_are_the_input_of_the_last_layer(name):
    network = build_network(name, 3)
    whole = NormalizedModel(network, torch.tensor([0.5] * 3), torch.tensor([0.25] * 3)).eval()
    pixels = torch.from_numpy(np.random.default_rng(0).integers(0, 256, (6, 3, 16, 16), dtype=np.uint8))
    features = diversity.embed(whole, pixels)
    assert np.allclose(np.linalg.norm(features, axis=1), 1)
    with torch.inference_mode():
        logits = whole(pixels.float() / 255) - network.head.bias
    turned = torch.from_numpy(features).float() @ network.head.weight.detach().T
    cosine = torch.nn.functional.cosine_similarity(turned, logits)  # equal up to each feature's length
    assert cosine.min() > 0.99


def run(name, inputs, outputs, params):
    job = {"input": SimpleNamespace(**inputs), "output": outputs, "params": SimpleNamespace(**params)}
    if isinstance(outputs, dict):
        job["output"] = SimpleNamespace(**outputs)
    snakemake = SimpleNamespace(log=[], threads=1, **job)
    runpy.run_path(str(SCRIPTS / f"{name}.py"), init_globals={"snakemake": snakemake})


def test_from_images_to_the_figure(tmp_path, write_curated):
    tables = [write_curated("google", kept=12, size=16), write_curated("sd2", kept=6, size=16)]
    pixels = np.load(tables[1].with_suffix(".npy"))
    pixels[:] = pixels[:1]  # a model that generates the same image every time
    np.save(tables[1].with_suffix(".npy"), pixels)
    network = NormalizedModel(build_network("resnet8", 2), torch.tensor([0.5] * 3), torch.tensor([0.25] * 3))
    save_weights(tmp_path / "teacher.safetensors", TrainedNetwork(network, "resnet8", ("cat", "dog"), 16, "teacher", 1))
    inputs = {"pixels": [path.with_suffix(".npy") for path in tables], "tables": tables}
    measured, table, *figures = (tmp_path / f"diversity.{kind}" for kind in ("parquet", "csv", "png", "svg"))
    kinds = {"kinds": {"google": "google", "sd2": "diffusion"}}
    run("measure_diversity", inputs | {"weights": tmp_path / "teacher.safetensors"}, {"measured": measured}, kinds)
    words = {
        "figures": {"diversity": ["diversity"]},
        "headings": {"diversity": "A study"},
        "label": "Made up",
        "untrained": ["sd2"],
        "titles": {"sd2": "SD2"},
    }
    refusals = tmp_path / "refusals.json"
    refusals.write_text("{}")
    tabulate_diversity(measured, table, label="Made up")
    run("plot", {"tables": [table], "refusals": refusals}, figures, words)
    found = pd.read_csv(table)
    assert list(found["class"]) == ["cat", "dog"] * 2 and list(found["generated"]) == [0, 0, 1, 1]
    assert list(found["images"]) == [12, 12, 6, 6] and set(found["note"]) == {"Made up"}
    assert (found["distance"][:2] > 0.001).all() and (found["distance"][2:] == 0).all()
    assert (found["low"] <= found["distance"]).all() and (found["distance"] <= found["high"]).all()
    first = [figure.read_bytes() for figure in figures]
    run("plot", {"tables": [table], "refusals": refusals}, figures, words)
    assert [figure.read_bytes() for figure in figures] == first and Image.open(figures[0]).size > (800, 300)


def test_empty_tables_and_other_image_sizes_end_in_one_line(tmp_path, write_curated):
    pd.DataFrame({"source": [], "class": []}).to_parquet(tmp_path / "empty.parquet")
    with pytest.raises(UserError, match="has no rows"):
        tabulate_diversity(tmp_path / "empty.parquet", tmp_path / "x.csv")
    pd.DataFrame({"source": [], "class": []}).to_csv(tmp_path / "empty.csv")
    with pytest.raises(UserError, match="has no rows"):
        plot_diversity(tmp_path / "empty.csv", tmp_path / "x.png", "A study")
    network = NormalizedModel(build_network("resnet8", 2), torch.tensor([0.5] * 3), torch.tensor([0.25] * 3))
    save_weights(tmp_path / "teacher.safetensors", TrainedNetwork(network, "resnet8", ("cat", "dog"), 32, "teacher", 1))
    table = write_curated("google", size=16)
    with pytest.raises(UserError, match="another size than the teacher's"):
        diversity.measure_diversity(
            *([table.with_suffix(".npy")], [table], tmp_path / "teacher.safetensors", tmp_path / "x.parquet"),
            kinds={"google": "google"},
        )
