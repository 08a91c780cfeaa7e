"""The check of a diffusion model tests access at the hub; whether it needs a GPU is checked when it is loaded."""

from types import SimpleNamespace

import huggingface_hub
import pytest
from huggingface_hub import HfApi, errors

from distillery.generation.models import hub, model_check
from distillery.jobs import UserError
from distillery.storage.retrieved.refusals import Refusal

SOURCE = {"kind": "diffusion", "model": "someone/model", "revision": "abc", "unavailable": "skip"}


@pytest.fixture
def fake_hub(monkeypatch):
    """A hub whose responses a test can change, and which records the requests."""
    found = SimpleNamespace(asked=[], refusal=None, size=hub.GPU_BYTES + 1)

    def model_info(self, model, revision=None, files_metadata=False, timeout=None):
        found.asked.append((model, revision))
        return SimpleNamespace(siblings=[SimpleNamespace(rfilename="unet/model.safetensors", size=found.size)])

    def auth_check(self, model):
        if found.refusal:
            raise found.refusal

    def not_cached(*args, **kwargs):
        raise errors.LocalEntryNotFoundError("no")

    monkeypatch.setattr(HfApi, "model_info", model_info)
    monkeypatch.setattr(HfApi, "auth_check", auth_check)
    monkeypatch.setattr(huggingface_hub, "snapshot_download", not_cached)
    monkeypatch.setattr(huggingface_hub, "get_token", lambda: None)
    return found


def answer(kind, status):
    return kind("no", response=SimpleNamespace(headers={}, request=None, status_code=status))


def test_the_hub_is_asked_for_access_to_a_model(fake_hub):
    assert model_check.check_model(SOURCE, "sd").verdict == "ok" and fake_hub.asked == [("someone/model", "abc")]


@pytest.mark.parametrize(
    "error, reason",
    [
        (answer(errors.GatedRepoError, 403), "no token"),
        (errors.OfflineModeIsEnabled("no"), "unreachable"),
        (OSError("Name or service not known"), "unreachable"),
        (answer(errors.HfHubHTTPError, 503), "unreachable"),
    ],
)
def test_an_inaccessible_model_is_refused(fake_hub, error, reason):
    fake_hub.refusal = error
    with pytest.raises(Refusal, match="^model someone/model at abc") as refusal:
        model_check.check_model(SOURCE, "sd")
    assert refusal.value.reason == reason


def test_a_model_that_does_not_exist_is_a_mistake(fake_hub):
    fake_hub.refusal = answer(errors.RepositoryNotFoundError, 404)
    with pytest.raises(UserError, match="neither a folder here nor on the hub") as mistake:
        model_check.check_model(SOURCE, "sd")
    assert not isinstance(mistake.value, Refusal)


def test_a_model_that_needs_a_gpu_is_refused_when_it_is_loaded_not_by_the_check(fake_hub):
    # on a cluster the check runs on a login node, which has no GPU
    assert model_check.check_model(SOURCE, "sd").verdict == "ok"
    with pytest.raises(Refusal) as refusal:
        hub.require_gpu("someone/model", "abc")
    assert refusal.value.reason == "no GPU"
    fake_hub.size = 10_000
    hub.require_gpu("someone/model", "abc")


def test_a_folder_or_a_cached_model_needs_no_hub(fake_hub, monkeypatch, tmp_path):
    assert model_check.check_model(SOURCE | {"model": str(tmp_path)}, "sd").verdict == "ok"
    monkeypatch.setattr(huggingface_hub, "snapshot_download", lambda *args, **kwargs: str(tmp_path))
    assert model_check.check_model(SOURCE, "sd").verdict == "ok" and fake_hub.asked == []


@pytest.mark.parametrize(
    "revision, told",
    [
        (
            "",
            "someone/model is not pinned but the newest commit of its main branch, which may change. Write revision: ",
        ),
        ("fp16", "someone/model is not pinned but the branch or tag fp16, which may change. Write revision: "),
    ],
)
def test_a_branch_is_reported_as_unpinned_with_the_commit_to_write(
    fake_hub, monkeypatch, caplog, tmp_path, revision, told
):
    monkeypatch.setattr(HfApi, "model_info", lambda self, *args, **more: SimpleNamespace(siblings=[], sha="5" * 40))
    model_check.check_model(SOURCE | {"revision": revision}, "sd")
    assert told + "5" * 40 in caplog.text
    caplog.clear()
    snapshot = tmp_path / ("6" * 40)  # a model in the hub's cache
    snapshot.mkdir()
    monkeypatch.setattr(huggingface_hub, "snapshot_download", lambda *args, **more: str(snapshot))
    model_check.check_model(SOURCE | {"revision": revision}, "sd")
    assert told + "6" * 40 in caplog.text


def test_a_commit_and_a_folder_are_pinned(fake_hub, caplog, tmp_path):
    model_check.check_model(SOURCE | {"revision": "0" * 40}, "sd")
    model_check.check_model(SOURCE | {"revision": "", "model": str(tmp_path)}, "sd")
    assert "not pinned" not in caplog.text
