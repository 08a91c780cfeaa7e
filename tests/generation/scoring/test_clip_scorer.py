"""The CLIP score is a probability over the classes, recorded once for each image."""

import io

import numpy as np
import pytest
from PIL import Image
from tiny_clip import save_tiny_clip

from distillery.generation.scoring.clip_scorer import ClipScorer
from distillery.jobs import UserError
from distillery.storage.records import ImageRecord
from distillery.storage.retrieved.pools import image_key
from distillery.storage.retrieved.store import Store

pytestmark = pytest.mark.slow  # transformers takes seconds to import


@pytest.fixture(scope="module")
def clip(tmp_path_factory):
    """A CLIP model of two layers with random weights."""
    from transformers import CLIPImageProcessor, CLIPProcessor

    folder = tmp_path_factory.mktemp("clip")
    tokenizer = save_tiny_clip(folder, layers=2)
    sizes = {"size": {"shortest_edge": 32}, "crop_size": {"height": 32, "width": 32}}
    CLIPProcessor(CLIPImageProcessor(**sizes), tokenizer).save_pretrained(folder)
    return str(folder)


def entries(count, label="dog"):
    found = []
    for number in range(count):
        buffer = io.BytesIO()
        pixels = np.random.default_rng(number).integers(0, 256, (40, 48, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(buffer, "PNG")
        key = image_key(buffer.getvalue())
        record = ImageRecord("sd", label, "diffusion", f"origin {number}", rank=number, key=key, sha256="x")
        found.append((record, buffer.getvalue()))
    return [*found, (ImageRecord("sd", label, "diffusion", "black", failure="black"), None)]


def test_the_score_is_the_probability_of_the_formula(clip, tmp_path):
    import torch
    from transformers import CLIPModel, CLIPProcessor

    scored = ClipScorer(clip, ["cat", "dog", "ape"]).score(entries(3), Store(tmp_path))
    network, processor = CLIPModel.from_pretrained(clip).eval(), CLIPProcessor.from_pretrained(clip)
    words = ["a photo of a cat", "a photo of a dog", "a photo of an ape"]
    for record, data in scored[:3]:
        inputs = processor(text=words, images=Image.open(io.BytesIO(data)), return_tensors="pt", padding=True)
        with torch.inference_mode():
            text = network.text_projection(network.text_model(inputs["input_ids"]).pooler_output)
            image = network.visual_projection(network.vision_model(inputs["pixel_values"]).pooler_output)
        cosine = torch.nn.functional.cosine_similarity(image, text)
        expected = torch.softmax(network.logit_scale.exp() * cosine, 0)[1].item()
        assert record.clip_score == pytest.approx(expected, abs=1e-4)
        assert record.clip_scorer == f"{clip}: cat, dog, ape"
    assert scored[3] == entries(0)[0]  # a failure stays as it is


def test_an_image_is_scored_again_only_for_other_classes(clip, tmp_path, monkeypatch):
    scorer, store = ClipScorer(clip, ["cat", "dog"]), Store(tmp_path)
    first = scorer.score(entries(2), store)
    scored = []
    monkeypatch.setattr(scorer, "probabilities", lambda images: scored.extend(images) or np.array([[0.1, 0.9]] * 2))
    assert scorer.score(first, store) == first and not scored
    more = scorer.score([*first, *entries(4)[2:4]], store)
    assert len(scored) == 2 and [record.clip_score for record, _ in more[3:]] == [0.9, 0.9]
    other = ClipScorer(clip, ["cat", "dog", "eel"])
    assert other.score(first, store)[0][0].clip_scorer != first[0][0].clip_scorer


def test_a_folder_without_a_clip_model_ends_in_one_line(tmp_path):
    with pytest.raises(UserError, match="clip_scorer .* cannot be loaded as a CLIP model") as raised:
        ClipScorer(str(tmp_path), ["cat"]).score(entries(1, "cat"), Store(tmp_path / "store"))
    assert "\n" not in str(raised.value)
