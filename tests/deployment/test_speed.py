"""The speed and memory of an ONNX file."""

from pathlib import Path

import pytest

from distillery.deployment.speed import _peak_mb


def test_peak_memory_is_in_millions_of_bytes(monkeypatch):
    monkeypatch.setattr(Path, "read_text", lambda path, encoding: "VmPeak:\t  9 kB\nVmHWM:\t  2000 kB\n")
    assert _peak_mb() == pytest.approx(2.048)  # the system's kB are 1024 bytes
