"""Lay out real pictures for the study of a folder, this one if none is named; see its config.yaml.

    python tests/real/prepare.py DATA [FOLDER]     # DATA holds cifar10/unpack.py and web/web_images.tar

CIFAR-10's train pictures become the teacher's data, its test pictures and the web photographs two folder sources.
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


def main(data: Path, folder: Path) -> None:
    cifar10, inputs = folder / "resources" / "cifar10", folder / "resources" / "input"
    if not (cifar10 / "cifar-10-batches-py" / "test_batch").exists():
        subprocess.run([sys.executable, data / "cifar10" / "unpack.py", cifar10], check=True)
    inputs.mkdir(parents=True, exist_ok=True)
    pack_test_pictures(cifar10 / "cifar-10-batches-py", inputs / "cifar10_test.tar")
    shutil.copyfile(data / "web" / "web_images.tar", inputs / "web_images.tar")
    print(f"ready: snakemake --directory {folder} --cores all results/summary.png")


def pack_test_pictures(batches: Path, output: Path) -> None:
    """The 10,000 test pictures as class/number.png, in the official order."""
    if output.exists():
        return
    # the official archive's own format; unpack.py has checked its MD5
    batch = pickle.loads((batches / "test_batch").read_bytes(), encoding="bytes")
    names = pickle.loads((batches / "batches.meta").read_bytes(), encoding="utf-8")["label_names"]
    pixels = np.asarray(batch[b"data"]).reshape(-1, 3, 32, 32).transpose(0, 2, 3, 1)
    partial = output.with_suffix(".part")
    with tarfile.open(partial, "w") as tar:
        for number, (picture, label) in enumerate(zip(pixels, batch[b"labels"], strict=True)):
            buffer = io.BytesIO()
            Image.fromarray(picture).save(buffer, "PNG")
            member = tarfile.TarInfo(f"{names[label]}/{number:05d}.png")
            member.size = buffer.tell()
            buffer.seek(0)
            tar.addfile(member, buffer)
    partial.rename(output)


if __name__ == "__main__":
    if len(sys.argv) not in (2, 3):
        sys.exit(__doc__)
    main(Path(sys.argv[1]), Path(sys.argv[2]) if len(sys.argv) == 3 else Path(__file__).parent)
