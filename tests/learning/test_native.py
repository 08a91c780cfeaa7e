"""The processor's kernels against torch's own operations, and how they come about."""

import math
import tempfile

import norms
import pytest
import torch
import torch.nn.functional as F
from hypothesis import given
from hypothesis import strategies as st
from norms import MOMENTUM, drawn, each_activation, each_dtype, each_kind

from distillery.learning import layers, native

compiled = pytest.mark.skipif(native.library() is None, reason="no C compiler")
# between its two sweeps back, the gradient before the activation is kept in x's numbers
TOLERANCE = norms.TOLERANCE | {torch.bfloat16: (2**-7, 4e-3)}
# a last row that is not whole, channels that fill no register, one chunk and many, one thread and two
shapes = pytest.mark.parametrize("shape", [(3, 24, 5, 7), (2, 7, 3, 3), (1, 3, 2, 5), (16, 24, 31, 31), (8, 512, 4, 4)])


def channels_last(x):
    return x.contiguous(memory_format=torch.channels_last)


@pytest.fixture
def threads():
    """Sets the number of torch's threads; puts it back."""
    before = torch.get_num_threads()
    yield torch.set_num_threads
    torch.set_num_threads(before)


# --- batch norm -------------------------------------------------------------------------------------------------------


@compiled
@each_kind
@each_activation
@each_dtype
@shapes
def test_it_is_torchs_batch_norm(shape, dtype, activation, added):
    norms.compare(native.norm_act, drawn(shape, dtype, added), activation, TOLERANCE)


@compiled
@given(
    shape=st.tuples(*(st.integers(1, n) for n in (5, 70, 9, 9))).filter(lambda s: s[0] * s[2] * s[3] > 1),
    activation=st.sampled_from(native.ACTIVATIONS),
    added=st.booleans(),
)
def test_it_is_torchs_for_any_shape(shape, activation, added):
    # of two or three values a variance may be next to nothing, and the gradient anything
    arguments = drawn(shape, torch.float32, added)
    channels = torch.linspace(-3, 3, arguments.x.numel() // shape[1]).reshape(shape[0], 1, *shape[2:])
    arguments.x = channels_last(0.1 * arguments.x + channels)
    norms.compare(native.norm_act, arguments, activation)


@compiled
def test_a_mean_far_from_0_leaves_the_variance_right():
    arguments = drawn((3, 24, 5, 7), torch.float32, False, mean=100.0)
    running_var = norms.results(native.norm_act, arguments, "none")[-1]
    batch_var = (running_var - (1 - MOMENTUM) * arguments.running_var) / MOMENTUM
    torch.testing.assert_close(batch_var.double(), arguments.x.double().var((0, 2, 3)), rtol=1e-4, atol=0)


@compiled
@each_activation
@each_dtype
@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_what_is_not_finite_stays_so(dtype, activation, value):
    norms.not_finite(native.norm_act, drawn((3, 24, 5, 7), dtype, False), activation, value)


@compiled
@each_activation
def test_any_number_of_threads_gives_the_same_bits(threads, activation):
    arguments, found = drawn((16, 24, 31, 31), torch.bfloat16, True), []
    for number in (1, 2, 3):
        threads(number)
        found.append(norms.results(native.norm_act, arguments, activation))
    assert all(map(torch.equal, found[0], found[1])) and all(map(torch.equal, found[0], found[2]))


@compiled
def test_a_residual_and_a_gradient_in_another_layout_are_read_right():
    arguments = drawn((3, 24, 5, 7), torch.float32, True)
    want = norms.results(native.norm_act, arguments, "gelu")
    arguments.residual, arguments.dy = arguments.residual.contiguous(), arguments.dy.contiguous()
    assert all(map(torch.equal, norms.results(native.norm_act, arguments, "gelu"), want))


@compiled
def test_what_it_was_given_is_left_alone():
    arguments = drawn((3, 24, 5, 7), torch.float32, True)
    before = [part.clone() for part in (arguments.x, arguments.residual, arguments.dy)]
    for activation in native.ACTIVATIONS:
        norms.results(native.norm_act, arguments, activation)
    assert all(map(torch.equal, (arguments.x, arguments.residual, arguments.dy), before))


@compiled
def test_it_takes_what_lies_channels_last_in_numbers_it_knows():
    x = channels_last(torch.zeros(2, 8, 4, 4))
    assert native.usable(x) and native.usable(x.bfloat16())
    assert not native.usable(x.double()) and not native.usable(x.half())
    assert not native.usable(x.contiguous()) and not native.usable(x[0]) and not native.usable(x[:0])
    assert not native.usable(x.to("meta"))


@compiled
@pytest.mark.parametrize("part", ["weight", "bias", "running_mean", "running_var"])
def test_what_does_not_fit_is_refused(part):
    for wrong in (torch.ones(23), torch.ones(24).double()):
        arguments = drawn((3, 24, 5, 7), torch.float32, False)
        setattr(arguments, part, wrong)
        with pytest.raises(ValueError, match="24 channels"):
            norms.results(native.norm_act, arguments, "gelu")


@compiled
def test_one_value_a_channel_is_refused():
    with pytest.raises(ValueError, match="one value a channel"):
        norms.results(native.norm_act, drawn((1, 24, 1, 1), torch.float32, False), "none")


@compiled
def test_a_residual_may_be_the_same_in_all_places():
    arguments = drawn((3, 24, 5, 7), torch.float32, True)
    arguments.residual = arguments.residual[:, :, :1, :1]
    found = norms.results(native.norm_act, arguments, "gelu")
    arguments.residual = channels_last(arguments.residual.expand(-1, -1, 5, 7))
    want = norms.results(native.norm_act, arguments, "gelu")
    assert torch.equal(found[0], want[0])
    torch.testing.assert_close(found[4], want[4].sum((2, 3), keepdim=True))


# --- activations ------------------------------------------------------------------------------------------------------


@compiled
@each_kind
@each_activation
@each_dtype
@pytest.mark.parametrize("scaled", [False, True])
def test_activations_are_written_over_their_input(dtype, activation, added, scaled):
    arguments = drawn((3, 24, 5, 7), dtype, added)
    scale, shift = (arguments.weight, arguments.bias) if scaled else (None, None)
    z = arguments.x.double()
    z = z * scale.double()[:, None, None] + shift.double()[:, None, None] if scaled else z
    z = z if arguments.residual is None else z + arguments.residual.double()
    found = native.activate_(arguments.x, activation, arguments.residual, scale, shift)
    assert found is arguments.x
    rtol, atol = norms.TOLERANCE[dtype]
    torch.testing.assert_close(found.double(), norms.ACTIVATED[activation](z), rtol=rtol, atol=atol)


@compiled
def test_gelu_and_its_slope_are_those_of_the_normal_distribution():
    z = torch.linspace(-12, 12, 100_001).reshape(1, 1, -1, 1).double()
    below = (1 + torch.special.erf(z / math.sqrt(2))) / 2
    density = torch.exp(-z * z / 2) / math.sqrt(2 * math.pi)
    found = native.activate_(z.float(), "gelu").double()
    assert ((found - z * below).abs() <= 2e-7 * z.abs().clamp(min=1)).all()
    # through a batch norm that changes nothing, and a gradient that is left as it is: sums of 0 over both halves
    x = torch.cat([z, -z], dim=2).float()
    weight, bias = x.std(correction=0).reshape(1), torch.zeros(1)
    dy = torch.cat([torch.ones_like(z), torch.zeros_like(z)], dim=2).float()
    x.requires_grad_()
    y = native.norm_act(x, weight, bias, torch.zeros(1), torch.ones(1), 0.1, 0.0, "gelu")
    dx = torch.autograd.grad(y, x, dy)[0].double()
    dz = dy.double() * torch.cat([below + z * density] * 2, dim=2)
    xhat = x.detach().double() / weight.double()
    want = dz - dz.mean() - xhat * (dz * xhat).mean()
    assert (dx - want).abs().max() < 2e-6


@compiled
@each_activation
def test_activations_of_numbers_far_out(activation):
    x = torch.tensor([-100.0, 0.0, 100.0, math.inf, math.nan]).reshape(1, 1, -1, 1)
    want = norms.ACTIVATED[activation](x[:, :, :3].clone())
    found = native.activate_(x, activation)
    torch.testing.assert_close(found[:, :, :3], want)
    assert found[0, 0, 3, 0] == math.inf and found[0, 0, 4, 0].isnan()


# --- pooling ----------------------------------------------------------------------------------------------------------


@compiled
@each_dtype
@pytest.mark.parametrize("shape", [(2, 24, 5, 7), (3, 32, 31, 31), (1, 7, 2, 2), (2, 128, 3, 2), (4, 64, 15, 14)])
def test_pooling_is_torchs_bit_for_bit_its_gradient_too(shape, dtype):
    chance = torch.Generator().manual_seed(0)
    x = torch.randint(-3, 4, shape, generator=chance).to(dtype)  # so few values that many places are as great
    x.flatten()[::97] = math.nan
    x = channels_last(x).requires_grad_()
    found, want = native.max_pool(x), F.max_pool2d(x, 2)
    assert torch.equal(found.nan_to_num(9), want.nan_to_num(9)) and found.dtype == dtype
    assert found.is_contiguous(memory_format=torch.channels_last)
    dy = torch.randn(found.shape, generator=chance).to(dtype)
    assert torch.equal(torch.autograd.grad(found, x, dy)[0], torch.autograd.grad(want, x, dy)[0])


@compiled
def test_pooling_keeps_what_is_unpacked_until_it_is_read():
    x = channels_last(torch.randn(4, 32, 8, 8)).requires_grad_()
    with torch.autograd.graph.saved_tensors_hooks(lambda kept: kept.clone(), lambda kept: kept.clone()):
        found = native.max_pool(x)
    dy = torch.randn(found.shape)
    assert torch.equal(torch.autograd.grad(found, x, dy)[0], torch.autograd.grad(F.max_pool2d(x, 2), x, dy)[0])


@compiled
def test_pooling_of_a_line_is_refused():
    with pytest.raises(ValueError, match="has fewer"):
        native.max_pool(channels_last(torch.zeros(2, 8, 1, 4)))


# --- the library ------------------------------------------------------------------------------------------------------


@pytest.fixture
def cache(tmp_path, monkeypatch):
    """The folder of compiled libraries, not there yet."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return tmp_path / "cache" / "distillery"


def found():
    """The library as a new process finds it."""
    return native.library.__wrapped__()


@compiled
def test_it_is_compiled_once_and_kept(cache):
    assert found().norm_forward
    (library,) = cache.iterdir()
    made = library.stat().st_mtime_ns
    assert found().norm_forward
    assert [path.stat().st_mtime_ns for path in cache.iterdir()] == [made]


@compiled
def test_what_does_not_load_is_made_anew(cache):
    found()
    (library,) = cache.iterdir()
    library.unlink()  # this process has it mapped
    library.write_bytes(b"")
    assert found().norm_forward and library.stat().st_size


@pytest.mark.parametrize(
    ("compiler", "reason"),
    [("/there/is/none", "No such file"), ("false", "false ended with 1."), ("true", "native"), ("gcc '", "quotation")],
)
def test_without_a_compiler_it_says_so_and_leaves_nothing(cache, monkeypatch, caplog, compiler, reason):
    monkeypatch.setenv("CC", compiler)
    with caplog.at_level("INFO"):
        assert found() is None
    (said,) = caplog.messages
    assert said.startswith("batch norm and pooling as torch has them, more slowly") and reason in said
    assert not list(cache.iterdir())


@compiled
def test_without_it_torch_computes_the_same(monkeypatch):
    arguments = drawn((3, 24, 6, 8), torch.float32, True)
    norm, pool = layers.BatchNorm2d(24, "gelu").train(), layers.MaxPool2d().train()
    own = pool(norm(arguments.x, arguments.residual))
    monkeypatch.setattr(native, "library", lambda: None)
    torch.testing.assert_close(pool(norm(arguments.x, arguments.residual)), own, rtol=1e-5, atol=1e-5)


@compiled
def test_where_nothing_can_be_kept_it_is_compiled_for_the_process(cache, tmp_path, monkeypatch):
    cache.parent.write_text("a file where the folder should be")
    scratch = tmp_path / "tmp"
    scratch.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(scratch))
    assert found().norm_forward
    assert not list(scratch.iterdir())
