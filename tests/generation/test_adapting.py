"""A LoRA is trained only on train images, resumes to the same weights, and changes images, which can be repeated."""

import hashlib
from types import SimpleNamespace

import numpy as np
import pytest
from fake_generation import CLASSES, colored

from distillery.generation import adapting
from distillery.generation.adapting import OF_SAMPLING, AdapterRecipe, adapt_unless_refused, train_adapter
from distillery.generation.denoisers import denoiser_of
from distillery.generation.diffusion import generate
from distillery.generation.image_plan import plan_image
from distillery.generation.models.diffusion_models import DiffusionSettings, load_pipeline
from distillery.generation.models.lora import Lora, apply_lora, hash_lora, with_adapter
from distillery.generation.parents import ParentImages
from distillery.generation.prompts import ImagePrompt
from distillery.generation.remake import lora_of, remake
from distillery.jobs import UserError
from distillery.storage.records import ImageRecord
from distillery.storage.retrieved.pools import image_key, write_pool
from distillery.storage.retrieved.refusals import Refusal
from distillery.storage.retrieved.refused_pools import SourceRequest

ADAPT = {"source": "web", "steps": 4, "rank": 2, "batch": 2, "lr": 0.01, "weight": 0.8}


@pytest.fixture
def images(tmp_path):
    """Pools of four images per class, of which the first and the third are train images."""
    shards, keys = {}, {}
    for n, label in enumerate(CLASSES):
        entries = []
        for number in range(4 * n, 4 * n + 4):
            data = colored(number, side=40, step=20)
            facts = {"key": image_key(data), "sha256": hashlib.sha256(data).hexdigest(), "bytes": len(data)}
            entries.append((ImageRecord("web", label, "urls", f"x{number}", **facts), data))
        shards[label] = tmp_path / f"{label}.tar"
        write_pool(shards[label], tmp_path / f"{label}.jsonl", entries)
        keys[label] = [entries[0][0].key, entries[2][0].key]
    return ParentImages("web", shards, keys)


def test_the_contents_of_a_lora_file_decide_seed_and_identity(tmp_path):
    source = {"model": "some/model", "revision": "r", "size": 32, "dtype": "auto", "components": []} | OF_SAMPLING
    files = [tmp_path / name for name in ("a.safetensors", "b.safetensors", "c.safetensors")]
    for path, data in zip(files, (b"one", b"one", b"two"), strict=True):
        path.write_bytes(data)

    def planned(lora):
        settings = DiffusionSettings.of(source | ({"lora": lora} if lora else {}))
        return plan_image(settings, "sd", "cat", ImagePrompt("a cat", 7.0), 0, 0)

    same = [planned({"path": str(path), "weight": 1.0}) for path in files[:2]]
    others = [planned(None), planned({"path": str(files[2]), "weight": 1.0})]
    others += [
        planned({"path": str(files[0]), "weight": 0.5}),
        planned({"path": "a/b", "weight": 1.0, "revision": "x"}),
    ]
    assert same[0].origin == same[1].origin and same[0].seed == same[1].seed
    assert len({record.seed for record in [same[0], *others]}) == 5
    assert (same[1].lora, same[1].lora_weight) == (str(files[1]), 1.0) and others[0].lora == ""
    assert same[0].lora_revision == hash_lora(files[0]) and others[3].lora_revision == "x"


def test_a_changed_or_lost_file_ends_in_one_line(tmp_path):
    path = tmp_path / "a.safetensors"
    record = ImageRecord("sd", "cat", "diffusion", "x", lora=str(path), lora_revision="sha256:0", lora_weight=1.0)
    with pytest.raises(UserError, match="has changed or is gone: this image was made with sha256:0"):
        lora_of(record)
    path.write_bytes(b"no safetensors")
    with pytest.raises(UserError, match="has changed or is gone"):
        lora_of(record)
    with pytest.raises(UserError, match="a.safetensors is no safetensors file"):
        apply_lora(None, Lora(str(path), "", "", 1.0))
    on_hub = ImageRecord("sd", "cat", "diffusion", "x", lora="a/b", lora_file="c.safetensors", lora_revision="r")
    assert lora_of(on_hub) == Lora("a/b", "c.safetensors", "r", -1.0)


def test_no_adapter_is_trained_for_an_inaccessible_model(tmp_path):
    output = tmp_path / "adapted.safetensors"

    def refuse():
        raise Refusal("model x is gated.", "gated")

    request = {"kind": "diffusion", "model": "x"}
    with pytest.raises(Refusal):
        adapt_unless_refused(SourceRequest.of("sd", request, tmp_path / "store"), output, refuse)
    skip = SourceRequest.of("sd", request | {"unavailable": "skip"}, tmp_path / "store")
    adapt_unless_refused(skip, output, refuse)
    assert skip.remembered() and output.exists()
    with pytest.raises(UserError, match="adapted.safetensors has no weights"):
        apply_lora(None, Lora(str(output), "", "", 1.0))
    adapt_unless_refused(skip, output, lambda: pytest.fail("asked again"))


@pytest.mark.slow
@pytest.mark.parametrize("model", ["sd2", "sd3"])
def test_an_adapted_model_is_trained_on_train_images_alone_and_resumes(tiny, images, tmp_path, monkeypatch, model):
    source = tiny[model] | {"adapt": ADAPT}
    seen = []
    read = adapting.read_starts
    monkeypatch.setattr(adapting, "read_starts", lambda r, s: seen.extend(x.parent for x in r) or read(r, s))
    train_adapter(source, images, tmp_path / "whole.safetensors", checkpoints=tmp_path / "a", checkpoint_every=0)
    assert set(seen) == {key for keys in images.keys.values() for key in keys} and len(seen) == 4

    class Killed(Exception):
        pass

    loss, steps = adapting._loss, []

    def stop_at_third(*args):
        steps.append(1)
        if len(steps) == 3:
            raise Killed
        return loss(*args)

    monkeypatch.setattr(adapting, "_loss", stop_at_third)
    output, options = tmp_path / "resumed.safetensors", {"checkpoints": tmp_path / "b", "checkpoint_every": 1}
    with pytest.raises(Killed):
        train_adapter(source, images, output, **options)
    assert not output.exists()
    train_adapter(source, images, output, **options)
    assert len(steps) == 5  # two, the killed one, and two after resuming
    assert output.read_bytes() == (tmp_path / "whole.safetensors").read_bytes()
    assert not list((tmp_path / "b").glob("*.pt"))

    adapted = with_adapter(source | {"batch": 1}, {"adapter": output})
    assert "adapt" not in adapted and adapted["lora"] == {"path": str(output), "weight": 0.8}
    folder = tmp_path / "pool"
    folder.mkdir()
    made = {}
    for name, settings in {"plain": tiny[model], "adapted": adapted}.items():
        ((_, made[name]),) = generate(settings, "sd", {"cat": CLASSES["cat"]}, tmp_path / name, 0)
    write_pool(folder / "cat.tar", folder / "cat.jsonl", made["adapted"])
    assert {record.key for record, _ in made["plain"]}.isdisjoint(record.key for record, _ in made["adapted"])
    record = made["adapted"][0][0]
    assert (record.lora, record.lora_revision, record.lora_weight) == (str(output), hash_lora(output), 0.8)
    assert remake(folder / "cat.tar", record.key).same


@pytest.mark.slow
@pytest.mark.parametrize(("model", "part"), [("sd2", "unet"), ("sd3", "transformer")])
def test_training_lowers_the_loss_and_the_weight_scales_the_change(tiny, images, tmp_path, monkeypatch, model, part):
    import torch

    losses = []
    loss = adapting._loss
    monkeypatch.setattr(adapting, "_loss", lambda *args: losses.append(loss(*args)) or losses[-1])
    output = tmp_path / "adapted.safetensors"
    train_adapter(tiny[model] | {"adapt": ADAPT | {"steps": 60, "rank": 8}}, images, output, checkpoints=tmp_path)
    values = [float(value.detach()) for value in losses]
    assert np.mean(values[-20:]) < np.mean(values[:20])

    def weights(weight):
        lora = {"lora": {"path": str(output), "weight": weight}} if weight else {}
        pipeline = load_pipeline(DiffusionSettings.of(tiny[model] | lora))
        return {name: tensor.clone() for name, tensor in getattr(pipeline, part).state_dict().items()}

    plain, half, whole = weights(0), weights(0.5), weights(1.0)
    assert plain.keys() == whole.keys()  # fused: no more layers than before
    changed = [name for name in plain if not torch.equal(plain[name], whole[name])]
    assert changed and all("to_" in name for name in changed)
    for name in changed:
        assert torch.allclose(half[name] - plain[name], (whole[name] - plain[name]) / 2, atol=1e-5)


@pytest.mark.slow
def test_models_that_do_not_fit_end_in_one_line(tiny, images, tmp_path):
    with pytest.raises(
        UserError, match="model m is a SimpleNamespace: only Stable Diffusion 1, 2 and 3 can be adapted"
    ):
        denoiser_of(SimpleNamespace(), "m")
    output = tmp_path / "adapted.safetensors"
    train_adapter(tiny["sd2"] | {"adapt": ADAPT | {"steps": 1}}, images, output, checkpoints=tmp_path)
    with pytest.raises(UserError, match="adapted.safetensors cannot be loaded .* made for this model"):
        load_pipeline(DiffusionSettings.of(tiny["sd3"] | {"lora": {"path": str(output), "weight": 1.0}}))


@pytest.mark.slow
def test_the_flow_is_predicted_between_image_and_noise(tiny):
    import torch

    denoiser = denoiser_of(load_pipeline(DiffusionSettings.of(tiny["sd3"])), "tiny")
    clean, seen = torch.randn(6, 4, 8, 8, generator=torch.Generator().manual_seed(0)), []

    def exact(hidden_states, timestep, encoder_hidden_states, pooled_projections):
        sigma = timestep[:, None, None, None] / 1000
        seen.append((sigma, (hidden_states - (1 - sigma) * clean) / sigma))
        return SimpleNamespace(sample=(hidden_states - clean) / sigma)  # noise - clean, solved for what it is given

    denoiser.network = exact
    assert denoiser.loss(clean, [None, None], np.random.default_rng(0)).item() < 1e-8
    ((sigma, noise),) = seen
    assert 0 < sigma.min() and sigma.max() < 1 and len(sigma.unique()) == 6
    assert abs(noise.mean()) < 0.1 and abs(noise.std() - 1) < 0.1


def test_the_training_settings_are_those_of_the_source():
    assert AdapterRecipe.of({"adapt": ADAPT, "seed": 3}) == AdapterRecipe(4, 2, 2, 0.01, 3)
