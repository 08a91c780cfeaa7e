"""The exponential moving average (EMA) of weights."""

import pytest
import torch
from torch import nn

from distillery.training.ema import ModelEMA, decay_after


def network(value):
    net = nn.Sequential(nn.Linear(2, 1), nn.BatchNorm1d(1))
    with torch.no_grad():
        for tensor in net.state_dict().values():
            tensor.fill_(value)
    return net


def test_the_ema_equals_its_formula_with_a_smaller_decay_at_the_start():
    net = network(0.0)
    ema = ModelEMA(net)
    expected = 0.0
    for number, value in enumerate([1.0, 2.0, 5.0, 3.0, 4.0, 2.0, 8.0, 1.0, 0.0, 6.0]):
        net[0].weight.data.fill_(value)
        decay = decay_after(number, 0.5)
        assert decay == min(0.5, (1 + number) / (10 + number))
        ema.update(decay)
        expected = decay * expected + (1 - decay) * value
    with ema.applied():
        assert net[0].weight[0, 0].item() == pytest.approx(expected, rel=1e-6)
    assert net[0].weight[0, 0].item() == 6.0
    ema.apply()
    assert net[0].weight[0, 0].item() == pytest.approx(expected, rel=1e-6)


def test_batch_norm_statistics_are_averaged_but_not_the_count_of_batches():
    net = network(0.0)
    ema = ModelEMA(net)
    net[1].running_mean.fill_(10.0)
    net[1].num_batches_tracked.fill_(7)
    ema.update(decay_after(0, 0.9))
    ema.apply()
    assert net[1].running_mean.item() == pytest.approx(9.0)  # the first update's decay is 1 / 10
    assert net[1].num_batches_tracked.item() == 7


def test_a_restored_ema_has_the_same_values():
    net = network(1.0)
    first = ModelEMA(net)
    first.update(decay_after(0, 0.9))
    state = {"ema": [value.clone() for value in first.state()["ema"]]}
    again = ModelEMA(network(5.0))
    again.restore(state)
    assert all(torch.equal(a, b) for a, b in zip(again.ema, first.ema, strict=True))


def test_a_tensor_as_decay_gives_the_same_ema():
    net = network(3.0)
    plain, recorded = ModelEMA(net), ModelEMA(net)
    net[0].weight.data.fill_(7.0)
    plain.update(0.25)
    recorded.update(torch.tensor(0.25))
    torch.testing.assert_close(plain.ema, recorded.ema)
