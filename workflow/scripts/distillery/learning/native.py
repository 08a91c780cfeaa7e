"""Batch norm in training with what follows it, activations and max-pooling on a processor, in C (`native.c`).

A step of a small network on a processor waits for memory: half of it went to batch norm, activations and pooling, each
of which reads and writes all activations, some several times. Here batch norm, what is added to it and the activation
read them twice and write them once; and pooling keeps a byte for a place where torch keeps eight. Sums are nearer to
the exact ones than torch's, and the same for any number of threads.

The machine's C compiler makes a library of it, once, kept in the user's cache. Where there is none, `library` is None
and torch's own operations do the same more slowly.
"""

from __future__ import annotations

import ctypes
import hashlib
import os
import platform
import shlex
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from ctypes import c_double, c_int, c_int64, c_void_p
from functools import cache
from pathlib import Path

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from distillery.jobs import log

ACTIVATIONS = ("none", "relu", "gelu")  # as native.c numbers them
DTYPES = (torch.bfloat16, torch.float32)

SOURCE = Path(__file__).with_suffix(".c")
# no errno and no traps: else nothing is vectorised; NaN and infinity are kept
FLAGS = ("-O3", "-fPIC", "-fopenmp", "-fno-math-errno", "-fno-trapping-math")
# what torch checked, not "native": a cache in a home folder may serve many kinds of machines
WIDE = {
    "AVX512": ("-mfma", *(f"-mavx512{part}" for part in ("f", "bw", "dq", "vl")), "-mprefer-vector-width=512"),
    "AVX2": ("-mavx2", "-mfma"),
}

VECTOR = 16  # float32 numbers of the widest register
COLUMNS = 64  # at least as many at a time
CHUNKS = 64  # at most, which is as many threads as can help
CHUNK = 4096  # numbers, at least
ALONE = 32768  # numbers below which one thread is as quick

ARGUMENTS = {
    "norm_forward": [*[c_void_p] * 10, *[c_int64] * 4, c_double, c_double, *[c_int] * 3],
    "norm_backward": [*[c_void_p] * 12, *[c_int64] * 4, *[c_int] * 3],
    "activate": [*[c_void_p] * 5, *[c_int64] * 4, *[c_int] * 3],
    "pool_forward": [*[c_void_p] * 3, *[c_int64] * 4, *[c_int] * 2],
    "pool_backward": [*[c_void_p] * 3, *[c_int64] * 4, *[c_int] * 2],
}


# --- the library ------------------------------------------------------------------------------------------------------


@cache
def library() -> ctypes.CDLL | None:
    """The compiled functions; None where they cannot be compiled."""
    try:
        with _cache() as folder:
            found = _loaded(folder)
    except (OSError, ValueError, subprocess.SubprocessError) as error:
        said = str(error)
        if isinstance(error, subprocess.CalledProcessError):
            said = f"{error.cmd[0]} ended with {error.returncode}. {error.stderr}"
        log.info("batch norm and pooling as torch has them, more slowly: %s", " ".join(said.split())[:120])
        return None
    for name, arguments in ARGUMENTS.items():
        function = getattr(found, name)
        function.argtypes, function.restype = arguments, None
    return found


@contextmanager
def _cache() -> Iterator[Path]:
    """The folder of compiled libraries: the user's, or, where nothing can be kept, one until the library is loaded."""
    try:
        folder = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "distillery"
        folder.mkdir(parents=True, exist_ok=True)
        kept = os.access(folder, os.W_OK)
    except (OSError, RuntimeError):  # RuntimeError: no home
        kept = False
    if kept:
        yield folder
    else:
        with tempfile.TemporaryDirectory() as folder:
            yield Path(folder)


def _loaded(folder: Path) -> ctypes.CDLL:
    """The library from its file in a folder, made where that is not there or does not load.

    Raises:
        OSError: no compiler, no space, or what was compiled does not load.
        ValueError: CC cannot be read.
        subprocess.SubprocessError: it does not compile.
    """
    flags = (*FLAGS, *WIDE.get(torch.backends.cpu.get_cpu_capability(), ()))
    kind = "\0".join((*flags, sys.platform, platform.machine()))
    path = folder / f"{SOURCE.stem}-{hashlib.sha256(SOURCE.read_bytes() + kind.encode()).hexdigest()[:16]}.so"
    if path.exists():
        try:
            return ctypes.CDLL(str(path))
        except OSError:  # cut short by a machine that went down
            path.unlink(missing_ok=True)
    with tempfile.TemporaryDirectory(dir=folder) as scratch:
        made = Path(scratch) / path.name
        _compile(made, flags)
        found = ctypes.CDLL(str(made))
        with suppress(OSError):  # there by now: jobs may compile side by side; or a file system without links
            os.link(made, path)
    return found


def _compile(path: Path, flags: Sequence[str]) -> None:
    """Linked without OpenMP, which torch has loaded: threads and their number are then torch's."""
    compiler = shlex.split(os.environ.get("CC", "")) or [*filter(shutil.which, ("gcc", "cc"))][:1]
    if not compiler:
        raise OSError("this machine has no C compiler")
    for arguments in ([*flags, "-c", SOURCE, "-o", "native.o"], ["-shared", "native.o", "-o", path.name]):
        command = [*compiler, *map(str, arguments)]
        subprocess.run(command, cwd=path.parent, check=True, capture_output=True, text=True, errors="replace")


def usable(x: Tensor) -> bool:
    """Whether the functions here take these activations [B, C, H, W]: channels last, in float32 or bfloat16."""
    if x.device.type != "cpu" or x.dim() != 4 or x.dtype not in DTYPES or not x.numel():
        return False
    return x.is_contiguous(memory_format=torch.channels_last) and library() is not None


# --- batch norm -------------------------------------------------------------------------------------------------------


def norm_act(
    x: Tensor,
    weight: Tensor,
    bias: Tensor,
    running_mean: Tensor,
    running_var: Tensor,
    momentum: float,
    eps: float,
    activation: str,
    residual: Tensor | None = None,
) -> Tensor:
    """activation((x - mean) / sqrt(var + eps) * weight + bias + residual), mean and var being those of the batch.

    It is the batch norm of Ioffe and Szegedy (2015), as torch.nn.functional.batch_norm has it.

    Args:
        x: [B, C, H, W], for which usable holds.
        weight, bias: float32 [C].
        running_mean, running_var: float32 [C], moved in place towards the batch's mean and unbiased variance.
        momentum: share of the batch in the running statistics.
        activation: "none", "relu" or "gelu", the exact one.
        residual: like x, or None.

    Returns:
        [B, C, H, W] in x's dtype, channels last. Gradients flow to x, weight, bias and residual.

    Raises:
        ValueError: of another shape or dtype; or one value a channel, which has no variance.
    """
    _check(x, weight, bias, running_mean, running_var)
    if x.numel() == x.shape[1]:
        raise ValueError(f"batch norm: one value a channel in {tuple(x.shape)}; more are needed")
    if residual is not None:
        residual = _laid_out(residual, x)
    return _NormAct.apply(x, weight, bias, residual, running_mean, running_var, momentum, eps, activation)


class _NormAct(torch.autograd.Function):
    """Keeps x, the channels' numbers and, where the activation's slope depends on it, the residual."""

    @staticmethod
    def forward(ctx, x, weight, bias, residual, running_mean, running_var, momentum, eps, activation):
        y, mean, rstd = torch.empty_like(x), torch.empty_like(weight), torch.empty_like(weight)
        scratch, shape = _matrix(x)
        tensors = (x, residual, y, weight, bias, mean, rstd, running_mean, running_var, scratch)
        library().norm_forward(*_addresses(*tensors), *shape, momentum, eps, *_kind(x, activation))
        ctx.activation, ctx.added = activation, residual is not None
        ctx.save_for_backward(x, weight, bias, None if activation == "none" else residual, mean, rstd)
        return y

    @staticmethod
    @once_differentiable
    def backward(ctx, dy):
        x, weight, bias, residual, mean, rstd = ctx.saved_tensors
        dy, dx = _laid_out(dy, x), torch.empty_like(x)
        dweight, dbias = torch.empty_like(weight), torch.empty_like(bias)
        # the gradient before the activation, which is the residual's; else written where dx will be
        dz = dy if ctx.activation == "none" else dx if residual is None else torch.empty_like(x)
        scratch, shape = _matrix(x)
        tensors = (x, dy, residual, dz, dx, weight, bias, mean, rstd, dweight, dbias, scratch)
        library().norm_backward(*_addresses(*tensors), *shape, *_kind(x, ctx.activation))
        return dx, dweight, dbias, dz if ctx.added else None, None, None, None, None, None


def activate_(
    x: Tensor,
    activation: str,
    residual: Tensor | None = None,
    scale: Tensor | None = None,
    shift: Tensor | None = None,
) -> Tensor:
    """activation(x * scale + shift + residual), written over x, without gradients.

    Args:
        x: [B, C, H, W], for which usable holds.
        activation: "none", "relu" or "gelu", the exact one.
        residual: like x, or None.
        scale, shift: float32 [C], or None.

    Raises:
        ValueError: of another shape or dtype.
    """
    _check(x, *(part for part in (scale, shift) if part is not None))
    if residual is not None:
        residual = _laid_out(residual, x)
    scratch, shape = _matrix(x)
    library().activate(*_addresses(x, residual, scale, shift, scratch), *shape, *_kind(x, activation))
    return x


def _check(x: Tensor, *parts: Tensor) -> None:
    """Whether there are as many numbers as C takes from an address."""
    for part in parts:
        if part.shape != x.shape[1:2] or part.dtype != torch.float32 or not part.is_contiguous() or not part.is_cpu:
            kind = f"{part.dtype} {tuple(part.shape)} on {part.device}"
            raise ValueError(f"{kind} for {x.shape[1]} channels: float32 of that shape is needed")


def _laid_out(tensor: Tensor, like: Tensor) -> Tensor:
    """In the memory's order, the shape and the dtype of another tensor."""
    if tensor.shape != like.shape:
        tensor = tensor.expand_as(like)
    return tensor.to(like.dtype).contiguous(memory_format=torch.channels_last)


def _matrix(x: Tensor) -> tuple[Tensor, tuple[int, int, int, int]]:
    """Scratch memory, and rows, channels, columns at a time and chunks, of activations [B, C, H, W]."""
    channels, rows = x.shape[1], x.numel() // x.shape[1]
    width = channels
    while width % VECTOR or width < COLUMNS:
        width += channels
    chunks = max(min(x.numel() // max(CHUNK, width), CHUNKS), 1)
    # two sums in float64, five numbers and each chunk's two sums in float32, of each column
    return torch.empty(5 * width + chunks * width, dtype=torch.float64), (rows, channels, width, chunks)


def _kind(x: Tensor, activation: str) -> tuple[int, int, int]:
    return ACTIVATIONS.index(activation), x.dtype == torch.bfloat16, _threads(x)


def _threads(x: Tensor) -> int:
    return 1 if x.numel() < ALONE else torch.get_num_threads()


def _addresses(*tensors: Tensor | None) -> list[int | None]:
    return [None if tensor is None else tensor.data_ptr() for tensor in tensors]


# --- pooling ----------------------------------------------------------------------------------------------------------


def max_pool(x: Tensor) -> Tensor:
    """The greatest of each 2 x 2 places, as torch.nn.functional.max_pool2d(x, 2) bit for bit, its gradient too.

    Args:
        x: [B, C, H, W], for which usable holds; H, W >= 2.

    Returns:
        [B, C, H // 2, W // 2] in x's dtype, channels last.

    Raises:
        ValueError: smaller pictures.
    """
    if min(x.shape[2:]) < 2:
        raise ValueError(f"pooling of 2 x 2 places: {tuple(x.shape)} has fewer")
    return _MaxPool.apply(x)


class _MaxPool(torch.autograd.Function):
    """Keeps which of the four it was, a byte each."""

    @staticmethod
    def forward(ctx, x):
        pictures, channels, height, width = x.shape
        y = _empty((pictures, channels, height // 2, width // 2), x.dtype)
        which = torch.empty(y.numel(), dtype=torch.uint8)
        shape = (pictures, height, width, channels, x.dtype == torch.bfloat16, _threads(x))
        library().pool_forward(*_addresses(x, y, which), *shape)
        ctx.save_for_backward(which)
        ctx.shape = shape
        return y

    @staticmethod
    @once_differentiable
    def backward(ctx, dy):
        (which,) = ctx.saved_tensors
        pictures, height, width, channels, *_ = ctx.shape
        dy = dy.contiguous(memory_format=torch.channels_last)
        dx = _empty((pictures, channels, height, width), dy.dtype)
        library().pool_backward(*_addresses(dy, which, dx), *ctx.shape)
        return dx


def _empty(shape: tuple[int, ...], dtype: torch.dtype) -> Tensor:
    return torch.empty(shape, dtype=dtype, memory_format=torch.channels_last)
