"""Measure the accuracy that students of 32 pixels lose when quantized to 8-bit integers, on CIFAR-10's test images.

    python benchmarks/int8.py resources/cifar10                                  the networks below, 500 steps each
    python benchmarks/int8.py resources/cifar10 --steps 50 --networks resnet8    one of them, fewer steps

The folder contains torchvision's CIFAR-10. Each network is trained from scratch on 10,000 of its train images in
batches of 64, exported, and calibrated with 256 of these images, as by the rules. The difference is the accuracy of
int8 minus that of float32 on the same test images, in percentage points, with a 95 % interval over images. Agreement
is the fraction of test images for which both predict the same class.

On two busy cores of an AMD EPYC with AVX-512 BF16, one training each (n = 10,000 test images):

    network                      float32   int8      difference               agreement   float32    int8
    resnet8                      54.14 %   53.75 %   -0.39 (-0.67 to -0.11)   97.06 %     318 kB     90 kB
    convnet_s                    64.38 %   64.49 %   +0.11 (-0.19 to +0.41)   96.48 %     598 kB     162 kB
    timm/mobilenetv3_small_100   22.59 %   22.33 %   -0.26 (-0.75 to +0.23)   82.84 %     6,128 kB   1,719 kB

The last network learns little in 500 steps: it is designed for images of 224 pixels, and reduces 32 pixels to one. With
the smallest and largest value of all images as range, it lost 1.82 points and agreed on 57.86 % of the images; the
others were as now (-0.31 and +0.21 points).
"""

import argparse
import json
import tempfile
from pathlib import Path

import numpy as np
import onnxruntime
import torch

from distillery.analysis.statistics import estimate
from distillery.cifar10 import CIFAR10
from distillery.config.defaults import defaults_of
from distillery.config.models.recipes import StudentConfig
from distillery.curation.teacher_data.cifar10_images import load_cifar10
from distillery.deployment.export import Deployed, to_onnx
from distillery.deployment.quantization import quantize_student
from distillery.distillation.methods.losses import cross_entropy
from distillery.training.data.dataset import whole_source
from distillery.training.hardware import choose_device
from distillery.training.loop import optimizer_of, start_network, train
from distillery.training.recipe import Recipe

NETWORKS = ("resnet8", "convnet_s", "timm/mobilenetv3_small_100")
SIDE, BATCH = 32, 500
THREADS = 1  # no time is measured; on a busy machine, more threads would wait for each other


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path, help="that contains torchvision's CIFAR-10")
    parser.add_argument("--networks", nargs="+", default=NETWORKS)
    parser.add_argument("--steps", type=int, default=500)
    parser.add_argument("--images", type=int, default=10_000, help="number of images to train on")
    return parser.parse_args()


def predict(model: Path, images: np.ndarray) -> np.ndarray:
    session = onnxruntime.InferenceSession(str(model), providers=["CPUExecutionProvider"])
    parts = [images[start : start + BATCH] for start in range(0, len(images), BATCH)]
    return np.concatenate([session.run(None, {"images": part})[0].argmax(axis=1) for part in parts])


def compare(name: str, options: argparse.Namespace, folder: Path) -> str:
    """Train, export and quantize a network, and return its line of the table."""
    images, tested = load_cifar10(options.folder, CIFAR10, SIDE, (options.images, 0), 0)
    settings = defaults_of(StudentConfig) | {"network": name, "steps": options.steps, "batch": 64, "view": "pad_crop"}
    recipe = Recipe.of({key: settings[key] for key in Recipe.__dataclass_fields__ if key in settings})
    data = whole_source("cifar10", images.pixels, images.labels)
    network = start_network(recipe, len(CIFAR10), data, 0, choose_device(THREADS))
    train(
        network,
        data,
        recipe,
        lambda network, batch: cross_entropy(network(batch.views), batch.targets),
        optimizer_of(recipe, network),
        seed=0,
        classes=len(CIFAR10),
        label=name,
    )
    model, int8 = folder / "float32.onnx", folder / "int8.onnx"
    deployed = Deployed(network.cpu().eval(), range(len(CIFAR10))).eval()
    model.write_bytes(to_onnx(deployed, SIDE, {"classes": json.dumps(CIFAR10), "image_size": str(SIDE)}))
    quantize_student(model, images.pixels, int8)
    found = [predict(path, tested.pixels) for path in (model, int8)]
    correct = [(predicted == tested.labels).astype(float) for predicted in found]
    cost = estimate(100 * (correct[1] - correct[0]))
    sizes = [path.stat().st_size / 1e3 for path in (model, int8)]
    return (
        f"{name:28}{100 * correct[0].mean():6.2f} %  {100 * correct[1].mean():6.2f} %  {cost.mean:+.2f}"
        f" ({cost.low:+.2f} to {cost.high:+.2f})  {100 * (found[0] == found[1]).mean():6.2f} %"
        f"  {sizes[0]:8,.0f} kB  {sizes[1]:8,.0f} kB"
    )


def main() -> None:
    options = parse_arguments()
    print(f"{'network':28}float32   int8      difference             agreement  float32      int8      n = 10,000")
    for name in options.networks:
        with tempfile.TemporaryDirectory() as folder:
            print(compare(name, options, Path(folder)), flush=True)


if __name__ == "__main__":
    torch.manual_seed(0)
    main()
