"""The fused batch norm against torch's own in float64: in Triton's interpreter anywhere, compiled on a GPU.

Triton is imported either to interpret or to compile, its own functions too, so that the former takes a process of its
own: one test here runs this file again.
"""

import os
import subprocess
import sys

import norms
import pytest
import torch
from norms import MOMENTUM, drawn, each_activation, each_dtype, each_kind

pytest.importorskip("triton", reason="no Triton")
fused_norm = pytest.importorskip("distillery.learning.fused_norm")

INTERPRETED = fused_norm.INTERPRETED
interpreted = pytest.mark.skipif(not INTERPRETED, reason="run by test_in_tritons_interpreter")
gpu = pytest.mark.skipif(INTERPRETED or not torch.cuda.is_available(), reason="no GPU")

# the interpreter cuts what kernels round
TOLERANCE = norms.TOLERANCE | ({torch.bfloat16: (2**-7, 1e-3)} if INTERPRETED else {})


@pytest.fixture
def small(monkeypatch):
    """A GPU of four multiprocessors and small tiles: small matrices have several chunks, and programs several tiles."""
    if INTERPRETED:
        sizes = {"MULTIPROCESSORS": 4, "SMALLEST": 256, "SUMMED": 512, "SUMMED_BACKWARD": 256, "MAPPED": 256}
        for name, value in sizes.items():
            monkeypatch.setattr(fused_norm, name, value)


def fused(given, activation):
    return norms.results(fused_norm.norm_act, given, activation)


def compare(given, activation):
    norms.compare(fused_norm.norm_act, given, activation, TOLERANCE)


def not_finite(given, activation, value):
    norms.not_finite(fused_norm.norm_act, given, activation, value)


def test_in_tritons_interpreter():
    if INTERPRETED:
        pytest.skip("this is the process")
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-k", "interpreted", __file__]
    run = subprocess.run(command, env={**os.environ, "TRITON_INTERPRET": "1"}, capture_output=True, text=True)
    assert run.returncode == 0 and " passed" in run.stdout, run.stdout + run.stderr


@interpreted
@each_kind
@each_activation
@each_dtype
@pytest.mark.parametrize("shape", [(3, 24, 5, 7), (2, 40, 9, 5), (2, 8, 4, 4)], ids=str)
def test_interpreted_it_is_torchs_batch_norm(small, shape, dtype, activation, added):
    compare(drawn(shape, dtype, added), activation)


@interpreted
def test_interpreted_a_mean_far_from_0_leaves_the_variance_right(small):
    given = drawn((3, 24, 5, 7), torch.float32, False, mean=100.0)
    running_var = fused(given, "none")[-1]
    batch_var = (running_var - (1 - MOMENTUM) * given.running_var) / MOMENTUM
    torch.testing.assert_close(batch_var.double(), given.x.double().var((0, 2, 3)), rtol=1e-4, atol=0)
    compare(given, "gelu")


@interpreted
@each_activation
@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_interpreted_what_is_not_finite_stays_so(small, activation, value):
    not_finite(drawn((3, 24, 5, 7), torch.float32, False), activation, value)


@interpreted
def test_interpreted_a_residual_and_a_gradient_in_another_layout_are_read_right(small):
    given = drawn((3, 24, 5, 7), torch.float32, True)
    want = fused(given, "gelu")
    given.residual, given.dy = given.residual.contiguous(), given.dy.contiguous()
    assert all(map(torch.equal, fused(given, "gelu"), want))


@interpreted
def test_interpreted_it_takes_what_lies_channels_last(small):
    x = torch.zeros(2, 8, 4, 4).contiguous(memory_format=torch.channels_last)
    assert fused_norm.usable(x) and fused_norm.usable(x.half()) and fused_norm.usable(x.bfloat16())
    assert not fused_norm.usable(x.double())
    assert not fused_norm.usable(x.contiguous())
    assert not fused_norm.usable(x[0])


@pytest.mark.skipif(INTERPRETED, reason="interpreted, it takes them")
def test_it_takes_nothing_on_a_processor():
    assert not fused_norm.usable(torch.zeros(2, 8, 4, 4).contiguous(memory_format=torch.channels_last))


@pytest.mark.parametrize("rows", [2, 2_000, 12_544, 131_072, 500_000])
@pytest.mark.parametrize("channels", [8, 24, 64, 256, 512])
def test_every_row_is_in_one_chunk_and_partial_sums_are_few(rows, channels):
    chunks, launch = fused_norm._launch(rows, channels, fused_norm.SUMMED, 1)
    per_chunk = launch["tiles"] * launch["BLOCK_M"]
    assert (chunks - 1) * per_chunk < rows <= chunks * per_chunk
    assert chunks * launch["grid"][1] <= fused_norm.MULTIPROCESSORS


def test_an_unknown_activation_is_refused():
    with pytest.raises(ValueError, match="tanh"):
        fused(drawn((2, 8, 4, 4), torch.float32, False), "tanh")


REALISTIC = pytest.mark.parametrize(
    "shape", [(128, 64, 32, 32), (128, 24, 31, 31), (256, 256, 7, 7), (64, 512, 4, 4)], ids=str
)


@gpu
@each_activation
@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_what_is_not_finite_stays_so(activation, value):
    not_finite(drawn((3, 24, 5, 7), torch.bfloat16, False, "cuda"), activation, value)


@gpu
@each_kind
@each_activation
@each_dtype
@REALISTIC
def test_compiled_it_is_torchs_batch_norm(shape, dtype, activation, added):
    compare(drawn(shape, dtype, added, "cuda"), activation)


@gpu
def test_compiled_a_mean_far_from_0_leaves_the_variance_right():
    compare(drawn((128, 24, 31, 31), torch.float32, False, "cuda", mean=100.0), "gelu")


@gpu
@REALISTIC
def test_two_calls_give_the_same_bits(shape):
    given = drawn(shape, torch.bfloat16, True, "cuda")
    assert all(map(torch.equal, fused(given, "gelu"), fused(given, "gelu")))


@gpu
@each_kind
@each_activation
def test_recorded_it_gives_the_same_bits(activation, added):
    given, other = (drawn((128, 24, 31, 31), torch.bfloat16, added, "cuda", mean) for mean in (0.0, 3.0))
    side = torch.cuda.Stream()
    side.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(side):
        fused(given, activation)  # compiles
    torch.cuda.current_stream().wait_stream(side)
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        recorded = fused(given, activation)
    given.x.copy_(other.x)
    graph.replay()
    assert all(map(torch.equal, recorded, fused(given, activation)))
