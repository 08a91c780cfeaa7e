"""Prepare the real images of a study in a folder such as studies/real_gpu, as its config.yaml explains.

    python studies/real/prepare.py FOLDER [DATA]

CIFAR-10's train images become the teacher's data, its test images a folder source. CIFAR-10 is downloaded, unless
DATA contains cifar10/unpack.py, which writes it. A source `web` uses the photographs in DATA/web/web_images.tar.
They may not be published: use a .tar of your own with class/*.jpg instead.
"""

import io
import pickle
import shutil
import subprocess
import sys
import tarfile
from pathlib import Path

import numpy as np
from PIL import Image

WEB = "resources/input/web_images.tar"


def main(folder: Path, data: Path | None) -> None:
    cifar10, web = folder / "resources" / "cifar10", folder / WEB
    web.parent.mkdir(parents=True, exist_ok=True)
    fetch_cifar10(cifar10, data)
    pack_test_images(cifar10 / "cifar-10-batches-py", web.parent / "cifar10_test.tar")
    if WEB in (folder / "config.yaml").read_text() and not web.exists():
        if not data:
            sys.exit(
                f"{web} does not exist: put a .tar of photographs there, as class/*.jpg of the classes of"
                f" {folder}/config.yaml"
            )
        shutil.copyfile(data / "web" / "web_images.tar", web)
    print(f"ready: snakemake --directory {folder} --cores all")


def fetch_cifar10(folder: Path, data: Path | None) -> None:
    """Write CIFAR-10's batch files from DATA, or download them, unless they exist."""
    if (folder / "cifar-10-batches-py" / "test_batch").exists():
        return
    if data:
        subprocess.run([sys.executable, data / "cifar10" / "unpack.py", folder], check=True)
        return
    from torchvision.datasets import CIFAR10  # imported here, because it takes seconds

    CIFAR10(str(folder), download=True)


def pack_test_images(batches: Path, output: Path) -> None:
    """Write the 10,000 test images into a tar as class/number.png, numbered in CIFAR-10's order."""
    if output.exists():
        return
    # pickle is the format of CIFAR-10's files; torchvision or unpack.py has checked their MD5
    batch = pickle.loads((batches / "test_batch").read_bytes(), encoding="bytes")
    names = pickle.loads((batches / "batches.meta").read_bytes(), encoding="utf-8")["label_names"]
    pixels = np.asarray(batch[b"data"]).reshape(-1, 3, 32, 32).transpose(0, 2, 3, 1)
    partial = output.with_suffix(".part")
    with tarfile.open(partial, "w") as tar:
        for number, (image, label) in enumerate(zip(pixels, batch[b"labels"], strict=True)):
            buffer = io.BytesIO()
            Image.fromarray(image).save(buffer, "PNG")
            member = tarfile.TarInfo(f"{names[label]}/{number:05d}.png")
            member.size = buffer.tell()
            buffer.seek(0)
            tar.addfile(member, buffer)
    partial.rename(output)


if __name__ == "__main__":
    if len(sys.argv) not in (2, 3):
        sys.exit(__doc__)
    main(Path(sys.argv[1]), Path(sys.argv[2]) if len(sys.argv) == 3 else None)
