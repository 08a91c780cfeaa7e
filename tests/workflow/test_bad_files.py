"""Missing images, damaged files and foreign files end in one line and are not used."""

import io
import os
import re

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch

from distillery.file_digests import forget_digests

from .conftest import rows

pytestmark = pytest.mark.slow


def test_too_few_images_end_in_one_line_and_the_other_scenarios_go_on(copied):
    copied.config["scenarios"]["more"] = {"train": {"bing": 36}}  # of 14 candidates a class some are dropped
    copied.config["seeds"] = 1
    copied.configure(copied.config)
    done = copied.snakemake("results/scenarios/more.csv")
    assert done.returncode != 0
    message = r"scenario more: class \w+ has \d+ train images in source bing, 12 requested of each class"
    assert re.search(message, done.stderr)
    # the user's own folder is counted before any job
    copied.config["scenarios"]["more"] = {"train": {"mine": 10}}
    copied.configure(copied.config)
    done = copied.snakemake("results/scenarios/more.csv")
    assert done.returncode != 0
    message = "sources.mine.path: images has 4 images of class frog, fewer than the 6 requested of each class"
    assert message in done.stderr + done.stdout
    copied.config["split"]["shortfall"] = "shrink"
    copied.configure(copied.config)
    copied.run("results/scenarios/more.csv")
    assert {row["n_train"] for row in rows(copied.folder / "results" / "scenarios" / "more.csv")} == {"6"}


class Trap:
    """An object that creates a folder when it is unpickled."""

    def __init__(self, folder):
        self.folder = folder

    def __reduce__(self):
        return os.mkdir, (str(self.folder),)


def spoil(path, data):
    """Replace the contents of a file but not its modification time, so that no job reruns because of it."""
    times = path.stat()
    path.write_bytes(data)
    os.utime(path, ns=(times.st_atime_ns, times.st_mtime_ns))


def saved(save):
    """The bytes that a function writes to a file."""
    buffer = io.BytesIO()
    save(buffer)
    return buffer.getvalue()


def test_damaged_and_foreign_files_are_named_and_not_used(copied, tmp_path):
    results, trap = copied.folder / "results", np.array([Trap(tmp_path / "sprung")], dtype=object)
    weights, npy = results / "teacher" / "model.safetensors", results / "curated" / "sd2.npy"
    plan, runs = results / "plans" / "color.parquet", results / "runs"
    spoil(weights, weights.read_bytes()[:1500])
    spoil(npy, saved(lambda file: np.save(file, trap)))
    forget_digests([npy])  # as of an earlier version: it is not unpickled either
    spoil(plan, saved(lambda file: pq.write_table(pa.table({"else": [1]}), file)))
    needs = {weights: runs / "web" / "kd" / "seed0", npy: runs / "sd2" / "scratch" / "seed0"}
    needs[plan] = runs / "color" / "scratch" / "seed0"
    other = [runs / "web" / "scratch" / f"seed{seed}" for seed in (0, 1)]  # with checkpoints of other trainings
    for seed, state in enumerate((trap, {"digest": "of another configuration", "step": 3})):
        folder = results / "checkpoints" / "train_student" / f"web.scratch.seed{seed}"
        torch.save(state, folder / "checkpoint.pt")
        forget_digests([folder / "checkpoint.pt"])  # as of an earlier version
        kept = folder / "finished" / "weights"
        kept.write_bytes(kept.read_bytes()[:1500])
    before = [(run / "model.safetensors").read_bytes() for run in other]
    wanted = [run / "training.json" for run in (*needs.values(), *other)]
    for path in wanted:
        path.unlink()

    done = copied.snakemake(*[str(path.relative_to(copied.folder)) for path in wanted])
    assert done.returncode != 0 and "Traceback" not in done.stderr
    for path, run in needs.items():
        (line,) = {line for line in done.stderr.splitlines() if line.startswith("ERROR: ") and path.name in line}
        assert "elete" in line and str(path.relative_to(copied.folder)) in line
        assert not (run / "training.json").exists()
    assert [(run / "model.safetensors").read_bytes() for run in other] == before
    log = (results / "logs" / "train_student" / "web.scratch.log").read_text()
    assert log.count("is not used: it is damaged (weights has another content)") == 2
    assert log.count("is not used: it is damaged") == 2 + 1
    assert log.count("is not used: it is of another configuration") == 1
    assert not (tmp_path / "sprung").exists()


def test_a_truncated_shard_is_named(copied):
    shard = copied.folder / "resources" / "pools" / "mine" / "frog.tar"
    spoil(shard, shard.read_bytes()[:1500])
    (copied.folder / "results" / "curated" / "mine.npy").unlink()
    done = copied.snakemake("results/curated/mine.npy")
    assert done.returncode != 0 and "Traceback" not in done.stderr
    assert "ERROR: resources/pools/mine/frog.tar is damaged: " in done.stderr
    forget_digests([shard])
    done = copied.snakemake("results/curated/mine.npy")
    assert done.returncode != 0 and "Traceback" not in done.stderr
    assert "ERROR: pool resources/pools/mine/frog.tar or resources/pools/mine/frog.jsonl is damaged" in done.stderr
    assert not (copied.folder / "results" / "curated" / "mine.npy").exists()
