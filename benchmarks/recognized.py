"""Measure which fraction of a study's generated images its teachers recognize as the class they were generated for.

    snakemake --directory studies/drawn_generated --cores all
    python benchmarks/recognized.py studies/drawn_generated

Prints a row for each diffusion source and teacher, with a 95 % interval (Wilson 1927), and the fraction of each class.
An image is recognized if the teacher gives its class the highest probability. A teacher that chose the images (`keep`)
recognizes nearly all of them by construction, so the fraction that another teacher recognizes (`teacher.seeds: 2`) says
more.
"""

import argparse
from pathlib import Path

import numpy as np
from scipy.stats import binomtest

from distillery.config.queries.derived_sources import labels_of_pools
from distillery.config.queries.source_queries import sources_of_kind
from distillery.config.reading import load_config
from distillery.generation.scoring.teacher_scorer import TeacherScorer
from distillery.storage.retrieved.pools import read_pool


def main() -> None:
    """The command line; see the module's docstring."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("study", type=Path, help="folder of a study that has run")
    folder = parser.parse_args().study
    study = load_config(folder / "config.yaml")
    classes = list(study["classes"])
    weights = [folder / "results" / "teacher" / "model.safetensors"]
    weights += [folder / f"results/teacher/seed{n}/model.safetensors" for n in range(1, study["teacher"]["seeds"])]
    teachers = {f"teacher {n}": TeacherScorer(path, classes) for n, path in enumerate(weights)}
    print(f"{'source':12} {'teacher':10} recognized               " + " ".join(f"{name[:8]:>8}" for name in classes))
    for source in sources_of_kind(study, "diffusion"):
        images, labels = read_images(folder, source, labels_of_pools(study, source), classes)
        for name, teacher in teachers.items():
            correct = teacher.probabilities(images).argmax(axis=1) == labels
            low, high = binomtest(int(correct.sum()), len(correct)).proportion_ci(method="wilson")
            by_class = " ".join(f"{100 * correct[labels == n].mean():7.0f}%" for n in range(len(classes)))
            share = f"{correct.sum():4} of {len(correct):4}, {100 * correct.mean():3.0f} %"
            share += f" ({100 * low:.0f}–{100 * high:.0f})"
            print(f"{source:12} {name:10} {share:24} {by_class}")


def read_images(folder: Path, source: str, pools: list[str], classes: list[str]) -> tuple[list[bytes], np.ndarray]:
    """The images of a source's pools, and the number of each one's class, int [N]."""
    pool = folder / "resources" / "pools" / source
    entries = [entry for name in pools for entry in read_pool(pool / f"{name}.tar", pool / f"{name}.jsonl")]
    found = [(data, classes.index(record.label)) for record, data in entries if data is not None]
    return [data for data, _ in found], np.array([label for _, label in found])


if __name__ == "__main__":
    main()
