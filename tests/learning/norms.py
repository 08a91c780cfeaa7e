"""What is asked of every batch norm of our own: torch's answer in float64."""

from types import SimpleNamespace

import pytest
import torch
import torch.nn.functional as F

each_kind = pytest.mark.parametrize("added", [False, True], ids=["alone", "residual"])
each_activation = pytest.mark.parametrize("activation", ["none", "relu", "gelu"])
each_dtype = pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16], ids=["float32", "bfloat16"])

ACTIVATED = {"none": lambda z: z, "relu": F.relu, "gelu": F.gelu}
MOMENTUM, EPS = 0.1, 1e-5
# a step of bfloat16 is at most 2^-7 of a value, and kernels round to half of it;
# float32 is left what sums and the mean lose
TOLERANCE = {torch.float32: (1e-4, 2e-5), torch.bfloat16: (2**-8, 1e-3)}


def drawn(shape, dtype, added, device="cpu", mean=0.0):
    """Arguments of norm_act and a gradient of its result."""
    chance = torch.Generator().manual_seed(0)

    def normal(*size):
        return torch.randn(size, generator=chance)

    def pictures(values):
        return values.to(device, dtype).contiguous(memory_format=torch.channels_last)

    channels = shape[1]
    return SimpleNamespace(
        x=pictures(normal(*shape) + mean),
        weight=(1 + 0.2 * normal(channels)).to(device),
        bias=(0.2 * normal(channels)).to(device),
        residual=pictures(normal(*shape)) if added else None,
        running_mean=normal(channels).to(device),
        running_var=normal(channels).exp().to(device),
        dy=pictures(normal(*shape)),
    )


def leaves(given):
    return [t.detach().requires_grad_() for t in (given.x, given.weight, given.bias, given.residual) if t is not None]


def results(norm_act, given, activation):
    """The result, the gradients of x, weight, bias and residual, and the running statistics after."""
    x, weight, bias, *residual = inputs = leaves(given)
    running = given.running_mean.clone(), given.running_var.clone()
    y = norm_act(x, weight, bias, *running, MOMENTUM, EPS, activation, *residual)
    return [y.detach(), *torch.autograd.grad(y, inputs, given.dy), *running]


def expected(given, activation):
    """What results gives, by torch in float64; relu's gradient is first made 0 where rounding decides its side."""
    exact = SimpleNamespace(**{name: None if t is None else t.double() for name, t in vars(given).items()})
    x, weight, bias, *residual = inputs = leaves(exact)
    running = exact.running_mean, exact.running_var
    z = F.batch_norm(x, *running, weight, bias, training=True, momentum=MOMENTUM, eps=EPS) + sum(residual)
    if activation == "relu":
        given.dy[z.abs() < 1e-3] = 0
    y = ACTIVATED[activation](z)
    return [y.detach(), *torch.autograd.grad(y, inputs, given.dy.double()), *running]


def compare(norm_act, given, activation, tolerance=TOLERANCE):
    rtol, atol = tolerance[given.x.dtype]
    want = expected(given, activation)
    got = results(norm_act, given, activation)
    assert got[0].dtype == got[1].dtype == given.x.dtype
    assert got[0].is_contiguous(memory_format=torch.channels_last)
    for value, right in zip(got, want, strict=True):
        if value.dim() == 4:
            torch.testing.assert_close(value.double(), right, rtol=rtol, atol=atol)
        else:
            # sums over the M rows of terms of size 1; those are never rounded to x's dtype
            rounding = 1e-5 * (given.x.numel() / given.x.shape[1]) ** 0.5
            torch.testing.assert_close(value.double(), right, rtol=1e-5, atol=rounding)


def not_finite(norm_act, given, activation, value):
    """Whether values that are no numbers go where torch's do: a training that diverged must look like one."""
    given.x[0, 3, 1, 2] = value
    exact = [t.double() for t in (given.x, given.running_mean, given.running_var, given.weight, given.bias)]
    want = ACTIVATED[activation](F.batch_norm(*exact, training=True, momentum=MOMENTUM, eps=EPS))
    got = results(norm_act, given, activation)
    torch.testing.assert_close(got[0].isnan(), want.isnan())
    assert got[0].isnan().any() and got[1].isnan().any()
    torch.testing.assert_close(got[-1].isnan(), exact[2].isnan())
