"""The Python code in docs/deploying.md runs as it is."""

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from PIL import Image

from distillery.deployment import classify

DOCS = Path(__file__).parents[2] / "docs" / "deploying.md"


def test_the_python_of_the_docs_predicts_what_the_command_predicts(exported, tmp_path):
    (block,) = re.findall(r"```python\n(.*?)```", DOCS.read_text(), re.S)
    shutil.copyfile(exported.model, tmp_path / "small_web.kd.onnx")
    exif = Image.Exif()
    exif[0x0112] = 8
    Image.radial_gradient("L").convert("RGB").resize((90, 61)).crop((10, 0, 90, 40)).save(
        tmp_path / "image.jpg", exif=exif
    )
    done = subprocess.run([sys.executable, "-c", block], cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    (prediction,) = classify.classify(classify.load_model(exported.model), [tmp_path / "image.jpg"])
    best = prediction.probabilities.argmax()
    name, probability = done.stdout.split()
    assert name == exported.classes[best] and float(probability) == pytest.approx(
        prediction.probabilities[best], abs=1e-5
    )
