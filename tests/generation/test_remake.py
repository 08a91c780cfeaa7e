"""Any single generated image can be generated again from its provenance in the pool."""

import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from distillery.config.defaults import source_defaults
from distillery.generation.remake import find_image, main, remake, settings_of
from distillery.jobs import UserError
from distillery.storage.records import ImageRecord
from distillery.storage.retrieved.pools import image_key, write_pool

# Largest difference between JPEGs of one image, generated in batches of 1 and of 4, at quality 100: 0 or 1 level was
# measured. At quality 90 that one level sometimes changed a coefficient by its step, 8 levels.
MAX_DIFFERENCE = 4


def pool(folder, record, data=b"\xff\xd8\xff image"):
    import hashlib
    from dataclasses import replace

    record = replace(record, key=image_key(data), sha256=hashlib.sha256(data).hexdigest(), bytes=len(data))
    write_pool(folder / "cat.tar", folder / "cat.jsonl", [(record, data)])
    return folder / "cat.tar", record.key


def test_an_image_that_cannot_be_generated_again_ends_in_one_line(tmp_path, capsys):
    shard, key = pool(tmp_path, ImageRecord("bing", "cat", "bing", "http://x"))
    with pytest.raises(UserError, match="was not generated but comes from bing"):
        find_image(shard, key)
    with pytest.raises(UserError, match="has no image 0000"):
        find_image(shard, "0000")
    with pytest.raises(SystemExit, match="does not exist"):
        main([str(tmp_path / "dog.tar"), key])
    assert capsys.readouterr().out == ""


def test_settings_come_from_the_provenance_and_a_changed_model_is_an_error(tmp_path):
    made = {"steps": 3, "guidance": 2.5, "size": 32, "scheduler": "DDIMScheduler", "dtype": "bfloat16", "quality": 80}
    record = ImageRecord(
        "sd", "cat", "diffusion", "x", model="some/model", revision="abc", components=("a", "b"), **made
    )
    settings = settings_of(ImageRecord.from_json(record.to_json()))
    assert (settings.model, settings.revision, settings.components) == ("some/model", "abc", ("a", "b"))
    assert {name: getattr(settings, name) for name in made if name != "guidance"} | {"guidance": 2.5} == made
    (tmp_path / "weights").write_bytes(b"others")
    local = ImageRecord("sd", "cat", "diffusion", "x", model=str(tmp_path), revision="sha256:0123456789abcdef", **made)
    with pytest.raises(UserError, match="has changed: this image was made with sha256:0123456789abcdef"):
        settings_of(local)


@pytest.mark.slow
def test_an_image_made_alone_equals_the_one_of_its_batch_but_for_rounding(tmp_path, capsys):
    import torch

    from distillery.generation.diffusion import generate
    from distillery_demo.pipelines import build_stable_diffusion_2

    torch.set_num_threads(1)
    build_stable_diffusion_2(tmp_path / "model", seed=0)
    changes = {"model": str(tmp_path / "model"), "per_class": 6, "size": 32, "steps": 3}
    source = source_defaults("diffusion") | changes
    compose = {"media": ["a photo of", ""], "settings": ["at sea"], "viewpoints": [], "lights": ["at night", ""]}
    source |= {"prompt_style": "composed", "compose": compose, "guidance": [1.5, 4], "quality": 100}
    differences = {}
    for batch in (1, 4):
        folder = tmp_path / str(batch)
        ((_, entries),) = generate(source | {"batch": batch}, "sd", {"cat": {}}, folder / "store", seed=0)
        write_pool(folder / "cat.tar", folder / "cat.jsonl", entries)
        differences[batch] = [remake(folder / "cat.tar", record.key) for record, _ in entries]
    assert all(found.same and found.most == 0 for found in differences[1])
    assert max(found.most for found in differences[4]) <= MAX_DIFFERENCE
    key = entries[2][0].key
    main([str(folder / "cat.tar"), key, "--output", str(tmp_path / "again.jpg")])
    assert capsys.readouterr().out == f"{key}: {differences[4][2]}\n"
    again, before = (np.asarray(Image.open(file), int) for file in (tmp_path / "again.jpg", io.BytesIO(entries[2][1])))
    assert np.abs(again - before).max() == differences[4][2].most


def test_the_docs_name_the_command():
    text = (Path(__file__).parents[2] / "docs" / "pipeline.md").read_text()
    assert "python -m distillery.generation.remake resources/pools/" in text
