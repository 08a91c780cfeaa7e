"""Refusals by the hub become typed refusals or mistakes; large models need a GPU."""

from types import SimpleNamespace

import huggingface_hub
import pytest
from huggingface_hub import errors

from distillery.generation.models import hub
from distillery.jobs import UserError
from distillery.storage.retrieved.refusals import Refusal


def hub_answer(kind, status=403):
    return kind("refused\nfor reasons", response=SimpleNamespace(headers={}, request=None, status_code=status))


@pytest.mark.parametrize(
    "token, error, reason",
    [
        ("hf_x", hub_answer(errors.GatedRepoError), "gated"),
        (None, hub_answer(errors.GatedRepoError), "no token"),
        ("hf_x", hub_answer(errors.HfHubHTTPError, 429), "quota used up"),
        (None, errors.LocalEntryNotFoundError("no"), "unreachable"),
        (None, errors.OfflineModeIsEnabled("no"), "unreachable"),
    ],
)
def test_an_inaccessible_model_is_a_refusal(monkeypatch, token, error, reason):
    monkeypatch.setattr(huggingface_hub, "get_token", lambda: token)
    outer = OSError("not a model identifier")
    outer.__cause__ = error  # as diffusers wraps it
    refusal = hub.hub_error("someone/model", "abc", outer)
    assert isinstance(refusal, Refusal) and refusal.reason == reason
    assert str(refusal).startswith("model someone/model at abc ") or reason == "quota used up"


@pytest.mark.parametrize("kind", [errors.RepositoryNotFoundError, errors.RevisionNotFoundError])
def test_a_wrong_model_name_is_a_mistake_not_a_refusal(kind):
    found = hub.hub_error("someone/model", "", hub_answer(kind, 404))
    assert isinstance(found, UserError) and not isinstance(found, Refusal)
    assert hub.hub_error("someone/model", "", ValueError("no pipeline")) is None


def model(folder, name, size):
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    with open(path, "wb") as file:
        file.truncate(size)  # a sparse file needs no disk space
    return str(folder)


def test_a_large_denoiser_needs_a_gpu(tmp_path):
    large = model(tmp_path / "large", "unet/diffusion_pytorch_model.safetensors", hub.GPU_BYTES + 1)
    with pytest.raises(Refusal, match="needs a GPU: its denoiser has 1.0 GB") as refusal:
        hub.require_gpu(large, "")
    assert refusal.value.reason == "no GPU"
    model(tmp_path / "small", "unet/diffusion_pytorch_model.safetensors", hub.GPU_BYTES)
    hub.require_gpu(model(tmp_path / "small", "text_encoder/model.safetensors", 2 * hub.GPU_BYTES), "")


def test_the_size_of_a_model_on_the_hub_is_what_the_hub_says(monkeypatch):
    def model_info(self, repo, **settings):
        files = {"unet/model.safetensors": 2 * hub.GPU_BYTES, "unet/config.json": None}
        return SimpleNamespace(siblings=[SimpleNamespace(rfilename=name, size=size) for name, size in files.items()])

    monkeypatch.setattr(huggingface_hub.HfApi, "model_info", model_info)
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", True)
    with pytest.raises(Refusal, match="model nobody/nothing at abc needs a GPU"):
        hub.require_gpu("nobody/nothing", "abc")

    def offline(self, repo, **settings):
        raise errors.OfflineModeIsEnabled("no")

    monkeypatch.setattr(huggingface_hub.HfApi, "model_info", offline)
    hub.require_gpu("nobody/nothing", "abc")  # its size is unknown
