"""Without a network, requests to the hub fail with a message within seconds, and cached files are used."""

import threading
import time

import huggingface_hub
import pytest
from huggingface_hub import constants, errors
from imitated_hub import serve_hub

from distillery.jobs import UserError
from distillery.models.pretrained import pretrained_file
from distillery.storage import hub_access


@pytest.fixture
def no_hub(monkeypatch):
    """A hub whose host name does not resolve."""
    monkeypatch.setattr(constants, "ENDPOINT", "http://127.0.0.1:9")
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)


def test_an_answer_or_an_error_is_passed_on():
    assert hub_access.ask_hub(lambda: 3) == 3 and hub_access.ask_hub(lambda: None) is None
    with pytest.raises(errors.OfflineModeIsEnabled):
        hub_access.ask_hub(lambda: (_ for _ in ()).throw(errors.OfflineModeIsEnabled("no")))


def test_a_hub_that_keeps_silent_is_waited_for_a_moment(monkeypatch):
    monkeypatch.setattr(hub_access, "ANSWER_SECONDS", 0.05)
    silent = threading.Event()
    with pytest.raises(ConnectionError, match=r"no answer in 0\.05 s"):
        hub_access.ask_hub(silent.wait)
    silent.set()


def test_any_answer_shows_that_the_hub_is_there(monkeypatch):
    with serve_hub({}, frozenset()) as address:
        monkeypatch.setattr(constants, "ENDPOINT", address)
        assert hub_access.hub_answers()
        with hub_access.hub_or_cache("someone/model"):
            assert not constants.HF_HUB_OFFLINE


def test_without_the_hub_a_library_keeps_to_its_cache(no_hub):
    with hub_access.hub_or_cache("someone/model"):
        assert constants.HF_HUB_OFFLINE and huggingface_hub.is_offline_mode()
    assert not constants.HF_HUB_OFFLINE


def test_a_folder_needs_no_hub(no_hub, tmp_path, monkeypatch):
    monkeypatch.setattr(hub_access, "hub_answers", lambda: pytest.fail("asked"))
    with hub_access.hub_or_cache(str(tmp_path)):
        pass


def test_inaccessible_weights_are_an_error_without_retries(no_hub, monkeypatch):
    waits = []
    monkeypatch.setattr(time, "sleep", waits.append)  # between retries
    with pytest.raises(UserError, match=r"model\.safetensors of someone/model cannot be downloaded from the hub"):
        pretrained_file("timm/resnet18", "someone/model")
    assert sum(waits) < 2
