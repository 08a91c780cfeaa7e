"""The device of a training: number of threads, deterministic algorithms on a GPU if configured, bfloat16."""

import pytest
import torch

from distillery.training import hardware


@pytest.fixture
def calls(monkeypatch):
    """Calls of torch.use_deterministic_algorithms, which are recorded and have no effect."""
    found = []
    monkeypatch.setattr(torch, "use_deterministic_algorithms", found.append)
    monkeypatch.delenv("CUBLAS_WORKSPACE_CONFIG", raising=False)
    return found


def as_on_a_gpu(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda: "a stand-in")
    monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda including_emulation=True: True)


@pytest.mark.parametrize("requested", [False, True])
def test_a_gpu_is_deterministic_on_request(monkeypatch, calls, requested):
    as_on_a_gpu(monkeypatch)
    assert hardware.choose_device(deterministic=requested).type == "cuda"
    assert calls == [True] * requested


def test_a_cpu_needs_no_call_since_it_is_always_deterministic(monkeypatch, calls):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert hardware.choose_device(1, deterministic=True).type == "cpu"
    assert calls == [] and torch.get_num_threads() == 1


@pytest.mark.parametrize("expected, devices", [("1", 0), ("0", 1), ("0", 0)])
def test_a_gpu_that_is_expected_but_absent_gives_a_warning(monkeypatch, caplog, expected, devices):
    monkeypatch.setattr(hardware.log, "propagate", True)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(hardware, "count_gpus", lambda: devices)
    monkeypatch.setenv("DISTILLERY_GPUS", expected)
    assert hardware.choose_device().type == "cpu"
    assert ("a GPU is expected, but PyTorch" in caplog.text) == (expected == "1" or devices > 0)


@pytest.mark.parametrize(("emulated", "dtype"), [(True, torch.float32), (False, torch.bfloat16)])
def test_bfloat16_is_used_only_on_gpus_that_do_not_emulate_it(monkeypatch, emulated, dtype):
    as_on_a_gpu(monkeypatch)
    monkeypatch.setattr(
        torch.cuda, "is_bf16_supported", lambda including_emulation=True: including_emulation or not emulated
    )
    assert hardware.arithmetic(torch.device("cuda")) == dtype
