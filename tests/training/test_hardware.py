"""Where a training runs: threads as granted, deterministic on a GPU where asked for."""

import pytest
import torch

from distillery.training import hardware as devices


@pytest.fixture
def calls(monkeypatch):
    """What is asked of torch; nothing is changed."""
    found = []
    monkeypatch.setattr(torch, "use_deterministic_algorithms", found.append)
    monkeypatch.delenv("CUBLAS_WORKSPACE_CONFIG", raising=False)
    return found


def as_on_a_gpu(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda: "a stand-in")
    monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda including_emulation=True: True)


@pytest.mark.parametrize("asked", [False, True])
def test_a_gpu_is_deterministic_where_asked_for(monkeypatch, calls, asked):
    as_on_a_gpu(monkeypatch)
    assert devices.choose_device(deterministic=asked).type == "cuda"
    assert calls == [True] * asked


def test_a_processor_always_is_and_waits_for_no_compiler(monkeypatch, calls):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert devices.choose_device(1, deterministic=True).type == "cpu"
    assert calls == [] and torch.get_num_threads() == 1


@pytest.mark.parametrize(("emulated", "kind"), [(True, torch.float32), (False, torch.bfloat16)])
def test_bfloat16_is_for_gpus_that_have_it_not_for_those_that_emulate_it(monkeypatch, emulated, kind):
    as_on_a_gpu(monkeypatch)
    monkeypatch.setattr(
        torch.cuda, "is_bf16_supported", lambda including_emulation=True: including_emulation or not emulated
    )
    assert devices.arithmetic(torch.device("cuda")) == kind
