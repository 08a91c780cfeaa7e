"""Measure peak memory of distilling with 8,000 images of 224 pixels in batches of 64, in memory or read from a file.

    python benchmarks/memory.py                                       MobileNetV3-small from EfficientNet-Lite0, of timm
    python benchmarks/memory.py --images 2000 --side 96 --steps 2     smaller

Each measurement is a separate process that gathers the images of a plan, as a job does, and takes some steps of `kd`
with random weights, which need as much memory as trained ones; it prints how long they took. `anonymous` is memory that
the system cannot reclaim. `with files` includes pages of the image file, which the system keeps only while memory is
free. On a GPU, `device` is the peak of its tensors; images in a file are copied to the GPU one batch ahead.

Measured on two cores of an AMD EPYC with AVX-512 BF16, PyTorch 2.15, 3 steps, GB (one run each, n = 1):

    images      anonymous   with files
    in memory   2.74        4.33
    in a file   1.54        4.31

Memory on a GPU has not been measured.
"""

import argparse
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

SOURCE, LABELS = "web", 7


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--images", type=int, default=8000)
    parser.add_argument("--side", type=int, default=224)
    parser.add_argument("--batch", type=int, default=64)
    parser.add_argument("--steps", type=int, default=3)
    parser.add_argument("--teacher", default="timm/tf_efficientnet_lite0")
    parser.add_argument("--student", default="timm/mobilenetv3_small_100")
    parser.add_argument("--folder", type=Path, help="for the file of images; by default a temporary folder")
    parser.add_argument("--way", choices=("memory", "file"), help=argparse.SUPPRESS)
    return parser.parse_args()


def write_study(folder: Path, arguments: argparse.Namespace) -> None:
    """Write random images, a plan with all of them, and a teacher with random weights."""
    import numpy as np

    from distillery.models.architectures import NormalizedModel, build_network
    from distillery.models.weights import TrainedNetwork, save_weights
    from distillery.splits.scenario_plan import PLAN_SCHEMA
    from distillery.storage.parquet import write_parquet
    from distillery.training.rng import initialization

    shape = (arguments.images, arguments.side, arguments.side, 3)
    pixels = np.lib.format.open_memmap(folder / "web.npy", mode="w+", dtype=np.uint8, shape=shape)
    rng = np.random.default_rng(0)
    for start in range(0, len(pixels), 256):
        part = pixels[start : start + 256]
        part[:] = rng.integers(0, 256, part.shape, dtype=np.uint8)
    rows = np.arange(arguments.images)
    plan = {"source": np.full(len(rows), SOURCE, object), "row": rows, "label": rows % LABELS}
    plan |= {"split": np.full(len(rows), "train", object), "augmented": np.zeros(len(rows), bool)}
    write_parquet(folder / "plan.parquet", plan, PLAN_SCHEMA)
    with initialization(0):
        network = build_network(arguments.teacher, LABELS, arguments.side)
    teacher = NormalizedModel(network, *network.statistics)
    names = tuple(f"class{label}" for label in range(LABELS))
    trained = TrainedNetwork(teacher, arguments.teacher, names, arguments.side, "teacher", 0)
    save_weights(folder / "teacher.safetensors", trained)


class PeakMemory(threading.Thread):
    """Peak memory of this process in bytes, anonymous and in total, sampled every few milliseconds."""

    def __init__(self) -> None:
        super().__init__(daemon=True)
        self.anonymous = self.whole = 0

    def run(self) -> None:
        while True:
            lines = dict(line.split(":", 1) for line in Path("/proc/self/status").read_text().splitlines())
            anonymous, whole = (1024 * int(lines[name].split()[0]) for name in ("RssAnon", "VmRSS"))
            self.anonymous, self.whole = max(self.anonymous, anonymous), max(self.whole, whole)
            time.sleep(0.005)


def measure(folder: Path, arguments: argparse.Namespace) -> None:
    import torch

    from distillery.config.defaults import arm_defaults, recipe_defaults
    from distillery.distillation.methods.registry import arm_of
    from distillery.distillation.scenario_data import ScenarioData
    from distillery.distillation.student import fit_student
    from distillery.splits import planned_images
    from distillery.training.hardware import choose_device
    from distillery.training.recipe import Recipe

    planned_images.free_memory = lambda: 1 << 62 if arguments.way == "memory" else 0
    peak = PeakMemory()
    peak.start()
    changes = {"network": arguments.student, "steps": arguments.steps, "batch": arguments.batch, "lr": 0.01}
    recipe = Recipe.of(recipe_defaults() | changes | {"view": "resized_crop", "checkpoint_every": 0})
    names = [f"class{label}" for label in range(LABELS)]
    planned = planned_images.read_planned_images(folder / "plan.parquet", [folder / "web.npy"], [SOURCE], names)
    data = ScenarioData.of(planned, names, "none", 0)
    device = choose_device()
    teacher, checkpoints = folder / "teacher.safetensors", tempfile.mkdtemp(dir=folder)
    begin = time.perf_counter()
    fit_student(data, arm_of(arm_defaults("kd")), recipe, teacher, 0, checkpoints, device, arguments.way)
    gigabytes = {"anonymous": peak.anonymous, "with files": peak.whole}
    if device.type == "cuda":
        gigabytes["device"] = torch.cuda.max_memory_allocated()
    seconds = time.perf_counter() - begin
    print(
        f"images in {arguments.way}: {', '.join(f'{name} {size / 1e9:.2f} GB' for name, size in gigabytes.items())};"
        f" {arguments.steps} steps in {seconds:.1f} s, their start included"
    )


def main() -> None:
    arguments = parse_arguments()
    if arguments.way:
        measure(arguments.folder, arguments)
        return
    with tempfile.TemporaryDirectory(dir=arguments.folder) as folder:
        write_study(Path(folder), arguments)
        for way in ("memory", "file"):
            subprocess.run([sys.executable, __file__, *sys.argv[1:], "--folder", folder, "--way", way], check=True)


if __name__ == "__main__":
    main()
