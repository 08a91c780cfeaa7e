"""The device that a training uses, its CPU threads, and its floating-point type."""

from __future__ import annotations

import os
from contextlib import AbstractContextManager

import torch

from distillery.devices import EXPECTED_GPUS, count_gpus
from distillery.jobs import log
from distillery.wording import plural


def choose_device(threads: int = 0, deterministic: bool = False) -> torch.device:
    """The GPU if there is one, else the CPU.

    Args:
        threads: CPU threads that the workflow granted; 0 keeps torch's default.
        deterministic: on a GPU, give the same bits every time, at the cost of speed.
    """
    if threads:
        torch.set_num_threads(threads)
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    if device.type == "cpu" and (count_gpus() or os.environ.get(EXPECTED_GPUS, "0") != "0"):
        log.warning(
            "a GPU is expected, but PyTorch %s: the CPU computes instead. See `nvidia-smi`; without a GPU, leave out"
            " --resources gpu",
            "finds none" if torch.version.cuda else "was installed without CUDA",
        )
    # not on the CPU: the call imports torch's compiler (9 s), and every operation used here is already deterministic
    # on a CPU with a fixed number of threads
    if deterministic and device.type == "cuda":
        os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")  # cuBLAS requires it
        torch.use_deterministic_algorithms(True)
    cpu = f"CPU, {plural(torch.get_num_threads(), 'thread')}"
    name = torch.cuda.get_device_name() if device.type == "cuda" else cpu
    log.info("computing on %s in %s", name, "bfloat16" if has_bfloat16(device) else "float32")
    return device


def has_bfloat16(device: torch.device) -> bool:
    """Whether bfloat16 is faster than float32 on the device: on GPUs since 2020 and CPUs with AVX-512 BF16."""
    if device.type == "cuda":
        return torch.cuda.is_bf16_supported(including_emulation=False)  # emulation is slower than float32 (T4, V100)
    return getattr(torch.cpu, "_is_avx512_bf16_supported", lambda: False)()


def arithmetic(device: torch.device) -> torch.dtype:
    """The floating-point type of convolutions and linear layers."""
    return torch.bfloat16 if has_bfloat16(device) else torch.float32


def autocast(device: torch.device) -> AbstractContextManager:
    """A context that computes convolutions and linear layers in bfloat16 where it is faster, all else in float32."""
    return torch.autocast(device.type, dtype=torch.bfloat16, enabled=has_bfloat16(device))
