"""Batch norm in training, with the addition and the activation after it, as two kernels forward and two backward.

Steps of small networks are bound by how many kernels follow each other. It is the batch norm of Ioffe and Szegedy
(2015), as torch.nn.functional.batch_norm has it. Activations lie channels last, so that memory is a matrix
[M = B * H * W, C]; all arithmetic is in float32. Nothing is added atomically: the same input gives the same bits.

Needs Triton: import it only where a GPU is used.
"""

from __future__ import annotations

import os

os.environ.setdefault("TRITON_DEFAULT_FP_FUSION", "1")  # Triton 3.9 warns where nothing is said, 3.10 changes it

import torch
import triton
import triton.language as tl
from torch import Tensor
from torch.autograd.function import once_differentiable

ACTIVATIONS = ("none", "relu", "gelu")
DTYPES = (torch.bfloat16, torch.float16, torch.float32)

INTERPRETED = os.environ.get("TRITON_INTERPRET") == "1"  # Triton decides where it meets a kernel, that is here

MULTIPROCESSORS = 132  # of an H100 or H200
WIDTH = 32  # channels a program reads at most: 64 bytes of bfloat16, two whole sectors of memory
SMALLEST = 2048  # elements of a tile: 16 for each thread of 4 warps
SUMMED, SUMMED_BACKWARD, MAPPED = 16384, 8192, 4096  # elements of the largest tile, bounded by registers
OVERSUBSCRIBED = 4  # programs per multiprocessor where no partial sums are left behind


def usable(x: Tensor) -> bool:
    """Whether norm_act takes these activations [B, C, H, W]."""
    if not (x.is_cuda or INTERPRETED) or x.dim() != 4 or x.dtype not in DTYPES:
        return False
    return x.is_contiguous(memory_format=torch.channels_last)


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

    Args:
        x: [B, C, H, W], for which usable holds; B * H * W > 1.
        weight, bias: float32 [C].
        running_mean, running_var: float32 [C], moved in place towards the batch's mean and unbiased variance.
        momentum: share of the batch in the running statistics.
        activation: "none", "relu" or "gelu", the exact one.
        residual: like x, or None.

    Returns:
        [B, C, H, W] in x's dtype, channels last. Gradients flow to x, weight, bias and residual.
    """
    if activation not in ACTIVATIONS:
        raise ValueError(f"activation {activation}: one of {', '.join(ACTIVATIONS)}")
    if residual is not None:
        residual = residual.contiguous(memory_format=torch.channels_last)
    return _NormAct.apply(x, weight, bias, residual, running_mean, running_var, momentum, eps, activation)


class _NormAct(torch.autograd.Function):
    """Keeps x, the channels' numbers and, where the activation's slope depends on it, the residual."""

    @staticmethod
    def forward(ctx, x, weight, bias, residual, running_mean, running_var, momentum, eps, activation):
        rows, channels = _matrix(x)
        y = torch.empty_like(x, memory_format=torch.channels_last)
        mean, rstd = torch.empty_like(weight), torch.empty_like(weight)
        chunks, launch = _launch(rows, channels, SUMMED, 1)
        partial = torch.empty(chunks, 2, channels, dtype=torch.float32, device=x.device)
        _sum_forward[launch.pop("grid")](x, partial, rows, C=channels, **launch)
        _, launch = _launch(rows, channels, MAPPED, OVERSUBSCRIBED)
        _map_forward[launch.pop("grid")](
            x,
            x if residual is None else residual,
            y,
            partial,
            weight,
            bias,
            mean,
            rstd,
            running_mean,
            running_var,
            rows,
            rows / max(rows - 1, 1),
            momentum,
            eps,
            C=channels,
            CHUNKS=chunks,
            PADDED=triton.next_power_of_2(chunks),
            ACTIVATION=activation,
            RESIDUAL=residual is not None,
            **launch,
        )
        ctx.activation, ctx.added = activation, residual is not None
        ctx.save_for_backward(x, weight, bias, None if activation == "none" else residual, mean, rstd)
        return y

    @staticmethod
    @once_differentiable
    def backward(ctx, dy):
        x, weight, bias, residual, mean, rstd = ctx.saved_tensors
        dy = dy.contiguous(memory_format=torch.channels_last)
        rows, channels = _matrix(x)
        dx = torch.empty_like(x, memory_format=torch.channels_last)
        dweight, dbias = torch.empty_like(weight), torch.empty_like(bias)
        # without an activation the residual's gradient is dy itself
        wanted = ctx.added and ctx.needs_input_grad[3]
        dresidual = dy if wanted else None
        stored = wanted and ctx.activation != "none"
        if stored:
            dresidual = torch.empty_like(residual, memory_format=torch.channels_last)
        read = (x, dy, x if residual is None else residual, weight, bias, mean, rstd)
        kind = {"C": channels, "ACTIVATION": ctx.activation, "RESIDUAL": residual is not None}
        chunks, launch = _launch(rows, channels, SUMMED_BACKWARD, 1)
        partial = torch.empty(chunks, 2, channels, dtype=torch.float32, device=x.device)
        _sum_backward[launch.pop("grid")](*read, partial, rows, **kind, **launch)
        _, launch = _launch(rows, channels, MAPPED, OVERSUBSCRIBED)
        _map_backward[launch.pop("grid")](
            *read,
            partial,
            dx,
            dresidual if stored else dx,
            dweight,
            dbias,
            rows,
            CHUNKS=chunks,
            PADDED=triton.next_power_of_2(chunks),
            STORED=stored,
            **kind,
            **launch,
        )
        return dx, dweight, dbias, dresidual, None, None, None, None, None


def _matrix(x: Tensor) -> tuple[int, int]:
    """Rows and columns of activations [B, C, H, W] as they lie in memory."""
    return x.shape[0] * x.shape[2] * x.shape[3], x.shape[1]


def _launch(rows: int, channels: int, largest: int, programs: int) -> tuple[int, dict]:
    """How a kernel is launched: the chunks of rows, and the grid, the blocks and the warps.

    A program reads one block of channels of one chunk of rows, `tiles` tiles one after the other. Partial sums are
    read again by every program of the next kernel, chunks times BLOCK_C of them: narrow blocks keep that small.

    Args:
        largest: elements of the largest tile.
        programs: per multiprocessor, at most.
    """
    block_c = min(triton.next_power_of_2(channels), WIDTH)
    blocks = triton.cdiv(channels, block_c)
    chunks = max(programs * MULTIPROCESSORS // blocks, 1)
    block_m = triton.next_power_of_2(triton.cdiv(rows, chunks))
    block_m = min(max(block_m, SMALLEST // block_c), largest // block_c)
    tiles = triton.cdiv(rows, chunks * block_m)
    chunks = triton.cdiv(rows, tiles * block_m)
    warps = min(max(block_m * block_c // 512, 4), 16)
    launch = {"grid": (chunks, blocks), "tiles": tiles, "BLOCK_M": block_m, "BLOCK_C": block_c, "num_warps": warps}
    return chunks, launch


@triton.jit
def _activated(z, ACTIVATION: tl.constexpr):
    if ACTIVATION == "relu":
        z = tl.where(z < 0.0, 0.0, z)  # a maximum would make 0 of NaN, and a training that diverged look well
    if ACTIVATION == "gelu":
        z = z * 0.5 * (1.0 + tl.erf(z * 0.7071067811865476))
    return z


@triton.jit
def _slope(z, ACTIVATION: tl.constexpr):
    """The activation's derivative at z, for activations that have another than 1."""
    if ACTIVATION == "relu":
        slope = tl.where(z <= 0.0, 0.0, 1.0)
    else:
        # Phi(z) + z phi(z), of the standard normal distribution
        slope = 0.5 * (1.0 + tl.erf(z * 0.7071067811865476)) + z * 0.3989422804014327 * tl.exp(-0.5 * z * z)
    return slope


@triton.jit
def _summed(partial, cols, C: tl.constexpr, CHUNKS: tl.constexpr, PADDED: tl.constexpr):
    """Both sums over the chunks, [BLOCK_C] each, of partial sums [CHUNKS, 2, C]."""
    chunk = tl.arange(0, PADDED)
    at = partial + chunk[:, None] * (2 * C) + cols[None, :]
    inside = (chunk[:, None] < CHUNKS) & (cols[None, :] < C)
    first = tl.load(at, mask=inside, other=0.0)
    second = tl.load(at + C, mask=inside, other=0.0)
    return tl.sum(first, axis=0), tl.sum(second, axis=0)


@triton.jit
def _tile(number, cols, rows, C: tl.constexpr, BLOCK_M: tl.constexpr):
    """Where a tile's elements [BLOCK_M, BLOCK_C] lie in the matrix, and which of them are in it."""
    row = number.to(tl.int64) * BLOCK_M + tl.arange(0, BLOCK_M)
    return row[:, None] * C + cols[None, :], (row[:, None] < rows) & (cols[None, :] < C)


@triton.jit
def _sum_forward(x, partial, rows, tiles, C: tl.constexpr, BLOCK_M: tl.constexpr, BLOCK_C: tl.constexpr):
    """Partial sums [chunks, 2, C] of x - pivot and its square.

    The pivot is x's first row: sums of squares of x itself would cancel where the mean is far from 0.
    """
    chunk = tl.program_id(0)
    cols = tl.program_id(1) * BLOCK_C + tl.arange(0, BLOCK_C)
    pivot = tl.load(x + cols, mask=cols < C, other=0.0).to(tl.float32)
    total = tl.zeros([BLOCK_M, BLOCK_C], tl.float32)
    squares = tl.zeros([BLOCK_M, BLOCK_C], tl.float32)
    for tile in range(tiles):
        at, inside = _tile(chunk * tiles + tile, cols, rows, C, BLOCK_M)
        value = tl.load(x + at, mask=inside, other=0.0).to(tl.float32)
        value = tl.where(inside, value - pivot[None, :], 0.0)
        total += value
        squares += value * value
    at = partial + chunk * (2 * C) + cols
    tl.store(at, tl.sum(total, axis=0), mask=cols < C)
    tl.store(at + C, tl.sum(squares, axis=0), mask=cols < C)


@triton.jit
def _map_forward(
    x,
    residual,
    y,
    partial,
    weight,
    bias,
    mean_out,
    rstd_out,
    running_mean,
    running_var,
    rows,
    unbiased,
    momentum,
    eps,
    tiles,
    C: tl.constexpr,
    CHUNKS: tl.constexpr,
    PADDED: tl.constexpr,
    ACTIVATION: tl.constexpr,
    RESIDUAL: tl.constexpr,
    BLOCK_M: tl.constexpr,
    BLOCK_C: tl.constexpr,
):
    """y; the programs of the first chunk also write mean and rstd and move the running statistics."""
    chunk = tl.program_id(0)
    cols = tl.program_id(1) * BLOCK_C + tl.arange(0, BLOCK_C)
    kept = cols < C
    total, squares = _summed(partial, cols, C, CHUNKS, PADDED)
    shift = total / rows
    mean = tl.load(x + cols, mask=kept, other=0.0).to(tl.float32) + shift
    var = squares / rows - shift * shift
    var = tl.where(var < 0.0, 0.0, var)  # NaN stays
    rstd = 1.0 / tl.sqrt(var + eps)
    if chunk == 0:
        tl.store(mean_out + cols, mean, mask=kept)
        tl.store(rstd_out + cols, rstd, mask=kept)
        old_mean = tl.load(running_mean + cols, mask=kept, other=0.0)
        old_var = tl.load(running_var + cols, mask=kept, other=0.0)
        tl.store(running_mean + cols, old_mean + momentum * (mean - old_mean), mask=kept)
        tl.store(running_var + cols, old_var + momentum * (var * unbiased - old_var), mask=kept)
    w = tl.load(weight + cols, mask=kept, other=0.0)
    b = tl.load(bias + cols, mask=kept, other=0.0)
    for tile in range(tiles):
        at, inside = _tile(chunk * tiles + tile, cols, rows, C, BLOCK_M)
        value = tl.load(x + at, mask=inside, other=0.0).to(tl.float32)
        z = (value - mean[None, :]) * rstd[None, :] * w[None, :] + b[None, :]
        if RESIDUAL:
            z += tl.load(residual + at, mask=inside, other=0.0).to(tl.float32)
        tl.store(y + at, _activated(z, ACTIVATION).to(y.dtype.element_ty), mask=inside)


@triton.jit
def _channels(weight, bias, mean, rstd, cols, kept):
    """What is known of a block of channels, [BLOCK_C] each."""
    w, b = tl.load(weight + cols, mask=kept, other=0.0), tl.load(bias + cols, mask=kept, other=0.0)
    return w, b, tl.load(mean + cols, mask=kept, other=0.0), tl.load(rstd + cols, mask=kept, other=0.0)


@triton.jit
def _gradients(x, dy, residual, at, inside, w, b, mean, rstd, ACTIVATION: tl.constexpr, RESIDUAL: tl.constexpr):
    """The normalised x and the gradient before the activation, of a tile; both are computed anew, not kept."""
    value = tl.load(x + at, mask=inside, other=0.0).to(tl.float32)
    dz = tl.load(dy + at, mask=inside, other=0.0).to(tl.float32)
    xhat = (value - mean[None, :]) * rstd[None, :]
    if ACTIVATION != "none":
        z = xhat * w[None, :] + b[None, :]
        if RESIDUAL:
            z += tl.load(residual + at, mask=inside, other=0.0).to(tl.float32)
        dz = dz * _slope(z, ACTIVATION)
    return xhat, dz


@triton.jit
def _sum_backward(
    x,
    dy,
    residual,
    weight,
    bias,
    mean_in,
    rstd_in,
    partial,
    rows,
    tiles,
    C: tl.constexpr,
    ACTIVATION: tl.constexpr,
    RESIDUAL: tl.constexpr,
    BLOCK_M: tl.constexpr,
    BLOCK_C: tl.constexpr,
):
    """Partial sums [chunks, 2, C] of dz and dz * xhat, which are the gradients of bias and weight."""
    chunk = tl.program_id(0)
    cols = tl.program_id(1) * BLOCK_C + tl.arange(0, BLOCK_C)
    kept = cols < C
    w, b, mean, rstd = _channels(weight, bias, mean_in, rstd_in, cols, kept)
    total = tl.zeros([BLOCK_M, BLOCK_C], tl.float32)
    product = tl.zeros([BLOCK_M, BLOCK_C], tl.float32)
    for tile in range(tiles):
        at, inside = _tile(chunk * tiles + tile, cols, rows, C, BLOCK_M)
        # dy is read as 0 outside the matrix, so that nothing is added there
        xhat, dz = _gradients(x, dy, residual, at, inside, w, b, mean, rstd, ACTIVATION, RESIDUAL)
        total += dz
        product += dz * xhat
    at_sum = partial + chunk * (2 * C) + cols
    tl.store(at_sum, tl.sum(total, axis=0), mask=kept)
    tl.store(at_sum + C, tl.sum(product, axis=0), mask=kept)


@triton.jit
def _map_backward(
    x,
    dy,
    residual,
    weight,
    bias,
    mean_in,
    rstd_in,
    partial,
    dx,
    dresidual,
    dweight,
    dbias,
    rows,
    tiles,
    C: tl.constexpr,
    CHUNKS: tl.constexpr,
    PADDED: tl.constexpr,
    ACTIVATION: tl.constexpr,
    RESIDUAL: tl.constexpr,
    STORED: tl.constexpr,
    BLOCK_M: tl.constexpr,
    BLOCK_C: tl.constexpr,
):
    """dx and, where asked, dresidual; the programs of the first chunk also write dweight and dbias."""
    chunk = tl.program_id(0)
    cols = tl.program_id(1) * BLOCK_C + tl.arange(0, BLOCK_C)
    kept = cols < C
    total, product = _summed(partial, cols, C, CHUNKS, PADDED)
    if chunk == 0:
        tl.store(dbias + cols, total, mask=kept)
        tl.store(dweight + cols, product, mask=kept)
    w, b, mean, rstd = _channels(weight, bias, mean_in, rstd_in, cols, kept)
    scale = w * rstd
    offset, steepness = total / rows, product / rows
    for tile in range(tiles):
        at, inside = _tile(chunk * tiles + tile, cols, rows, C, BLOCK_M)
        xhat, dz = _gradients(x, dy, residual, at, inside, w, b, mean, rstd, ACTIVATION, RESIDUAL)
        if STORED:
            tl.store(dresidual + at, dz.to(dresidual.dtype.element_ty), mask=inside)
        dvalue = scale[None, :] * (dz - offset[None, :] - xhat * steepness[None, :])
        tl.store(dx + at, dvalue.to(dx.dtype.element_ty), mask=inside)
