"""Where a training runs, with how many threads, and in which arithmetic."""

from __future__ import annotations

import os
from contextlib import AbstractContextManager

import torch

from distillery.jobs import log


def choose_device(threads: int = 0, deterministic: bool = False) -> torch.device:
    """The GPU if there is one, else the CPU.

    Args:
        threads: of the CPU, as the workflow grants them; 0 leaves torch's own choice.
        deterministic: on a GPU, the same bits every time, at the price of speed.
    """
    if threads:
        torch.set_num_threads(threads)
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    # not on the CPU: the call imports torch's compiler (9 s), and every operation used here is deterministic
    # there without it, for a fixed number of threads
    if deterministic and device.type == "cuda":
        os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")  # or cuBLAS refuses
        torch.use_deterministic_algorithms(True)
    name = torch.cuda.get_device_name() if device.type == "cuda" else f"CPU, {torch.get_num_threads()} threads"
    log.info("on %s, in %s", name, "bfloat16" if has_bfloat16(device) else "float32")
    return device


def has_bfloat16(device: torch.device) -> bool:
    """Whether the device multiplies bfloat16 faster than float32: GPUs since 2020, CPUs with AVX-512 BF16."""
    if device.type == "cuda":
        return torch.cuda.is_bf16_supported(including_emulation=False)  # slower than float32 on older ones (T4, V100)
    return getattr(torch.cpu, "_is_avx512_bf16_supported", lambda: False)()


def arithmetic(device: torch.device) -> torch.dtype:
    """That of convolutions and linear layers."""
    return torch.bfloat16 if has_bfloat16(device) else torch.float32


def autocast(device: torch.device) -> AbstractContextManager:
    """bfloat16 for convolutions and linear layers where the device is faster in it; float32 elsewhere."""
    return torch.autocast(device.type, dtype=torch.bfloat16, enabled=has_bfloat16(device))
