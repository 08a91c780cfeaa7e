"""A student for smaller images than its teacher's reduces the views in training, in tests and in its exported file."""

import json
from dataclasses import replace

import numpy as np
import onnxruntime
import pytest
import torch
from PIL import Image
from tiny_study import CLASSES, RECIPE, SIDE, draw

from distillery.deployment.export import Deployed, largest_difference, sample_images, to_onnx
from distillery.models.reduction import Reduction, lanczos_matrix
from distillery.models.weights import load_weights, save_weights


@pytest.mark.parametrize(("larger", "smaller"), [(224, 96), (64, 32), (48, 32), (33, 16)])
def test_it_reduces_as_pillows_lanczos_filter(larger, smaller):
    pixels = np.random.default_rng(0).integers(80, 176, (larger, larger, 3), np.uint8)
    expected = np.asarray(Image.fromarray(pixels).resize((smaller, smaller), Image.Resampling.LANCZOS))
    found = Reduction(larger, smaller)(torch.from_numpy(pixels).permute(2, 0, 1)[None] / 255)
    levels = (found[0] * 255).permute(1, 2, 0).numpy()
    assert np.abs(levels - expected).max() < 1.6  # Pillow rounds and clips to 0 to 255 after each of its two passes


def test_flat_images_stay_as_they_are():
    np.testing.assert_allclose(lanczos_matrix(100, 37).sum(axis=1), 1, atol=1e-6)
    flat = torch.full((2, 3, 40, 40), 0.37)
    torch.testing.assert_close(Reduction(40, 16)(flat), flat[:, :, :16, :16])


def test_the_result_is_the_same_under_autocast():
    x = torch.rand(2, 3, 40, 40)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert torch.equal(Reduction(40, 16)(x), Reduction(40, 16)(x.contiguous()))
        assert Reduction(40, 16)(x).dtype == torch.float32


@pytest.mark.parametrize("method", ["ce", "kd"])
def test_every_arm_trains_on_the_reduced_views_and_is_tested_on_reduced_images(study, tmp_path, method):
    recipe = replace(RECIPE, image_size=12, steps=3)  # images have 16 pixels, as for the teacher
    run = study.train(method, recipe)
    path = tmp_path / "model.safetensors"
    save_weights(path, run.trained)
    back = load_weights(path, CLASSES)
    assert back.image_size == SIDE and back.network.reduction.matrix.shape == (12, SIDE)
    x = torch.rand(2, 3, SIDE, SIDE)
    own = back.network.eval()
    reduced = Reduction(SIDE, 12)(x)
    torch.testing.assert_close(own(x), own.network((reduced - own.mean) / own.std))
    images = torch.from_numpy(draw(np.arange(3), 7)).permute(0, 3, 1, 2)
    logits = own(images.float() / 255)
    data = to_onnx(Deployed(own, range(3)).eval(), SIDE, {"classes": json.dumps(CLASSES), "image_size": str(SIDE)})
    assert largest_difference(data, Deployed(own, range(3)).eval(), sample_images(SIDE)) < 1e-5
    session = onnxruntime.InferenceSession(data)
    (found,) = session.run(None, {"images": images.permute(0, 2, 3, 1).contiguous().numpy()})
    np.testing.assert_allclose(found, torch.softmax(logits, dim=1).detach().numpy(), atol=1e-5)


def test_a_network_of_the_images_size_reduces_nothing(study):
    same, plain = (study.train("ce", replace(RECIPE, image_size=size, steps=3)) for size in (SIDE, 0))
    assert same.trained.network.reduction is None and (same.logits == plain.logits).all()
