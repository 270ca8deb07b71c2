"""Averages of the weights: PyTorch's AveragedModel, and its statistics of batch norm."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

from dgrad.core import stream
from dgrad.core.tensor import Tensor
from dgrad.errors import CheckpointError
from dgrad.nn import BatchNorm, Linear, Module, Sequential
from dgrad.optim import Adam
from dgrad.train.averaging import EMA, SMALL, SWA, WeightAverage

INPUTS = np.random.default_rng(0).normal(size=(24, 3)) * [1, 2, 3] + 1


def network(*, norm: bool = False, wide: int = 4) -> Sequential:
    with stream.at(3):
        norms = [BatchNorm(wide)] if norm else []
        return Sequential(Linear(3, wide), *norms, Linear(wide, 1)).double()


def rows() -> Iterator[np.ndarray]:
    for start in range(0, 24, 8):
        yield INPUTS[start : start + 8]


def train(net: Module, average: WeightAverage, first: int, last: int) -> list[np.ndarray]:
    """Steps first..last of a run; the weights after each."""
    rng = np.random.default_rng(first)
    seen = []
    for step in range(first, last + 1):
        for p in net.parameters():
            p.data += rng.normal(size=p.shape)
        average.update(step)
        seen.append(flat(net))
    return seen


def flat(net: Module) -> np.ndarray:
    return np.concatenate([p.data.ravel() for p in net.parameters()])


def averaged(net: Module, average: WeightAverage) -> np.ndarray:
    with average.applied(rows):
        return flat(net)


@pytest.mark.parametrize("wide", [4, SMALL], ids=["small", "large"])
def test_ema_is_pytorchs(wide: int) -> None:
    torch = pytest.importorskip("torch", reason="PyTorch is the oracle")
    net = network(wide=wide)
    average = EMA(net, 0.9)
    theirs = torch.nn.Linear(1, 1, dtype=torch.float64)
    p = theirs.weight = torch.nn.Parameter(torch.zeros(flat(net).size, dtype=torch.float64))
    make = torch.optim.swa_utils.get_ema_multi_avg_fn(0.9)
    oracle = torch.optim.swa_utils.AveragedModel(theirs, multi_avg_fn=make)
    for weights in train(net, average, 1, 20):
        p.data = torch.tensor(weights)
        oracle.update_parameters(theirs)
    expected = oracle.module.weight.numpy(force=True)
    np.testing.assert_allclose(averaged(net, average), expected, rtol=1e-12, atol=1e-13)


def test_swa_is_the_mean_of_what_it_is_to_take() -> None:
    net = network()
    average = SWA(net, start=5, every=3)
    seen = train(net, average, 1, 4)
    np.testing.assert_array_equal(averaged(net, average), seen[-1])  # none yet
    seen += train(net, average, 5, 15)
    np.testing.assert_allclose(
        averaged(net, average), np.mean([seen[s - 1] for s in (5, 8, 11, 14)], axis=0), rtol=1e-12
    )
    assert average.count == 4


def test_afterwards_the_model_and_its_optimizer_have_their_own_weights() -> None:
    net = network()
    optimizer = Adam(net.parameters(), lr=0.1)
    average = EMA(net, 0.5)
    for step in range(1, 4):
        net(Tensor(INPUTS)).sum().backward()
        optimizer.step()
        average.update(step)
    arrays, values = [p.data for p in net.parameters()], flat(net)

    def fails() -> None:
        with average.applied(rows):
            assert not np.array_equal(flat(net), values)
            raise RuntimeError("within")

    with pytest.raises(RuntimeError, match="within"):
        fails()
    assert all(p.data is array for p, array in zip(net.parameters(), arrays, strict=True))
    np.testing.assert_array_equal(flat(net), values)
    before = averaged(net, average)
    net(Tensor(INPUTS)).sum().backward()
    optimizer.step()
    np.testing.assert_array_equal(averaged(net, average), before)  # no memory is shared


def test_swa_measures_the_statistics_of_batch_norm_anew() -> None:
    torch = pytest.importorskip("torch", reason="PyTorch is the oracle")
    net = network(norm=True)
    average = SWA(net, start=1, every=1)
    train(net, average, 1, 3)
    norm: Any = net[1]
    before = norm.running_mean.copy()
    theirs = torch.nn.Sequential(
        torch.nn.Linear(3, 4), torch.nn.BatchNorm1d(4), torch.nn.Linear(4, 1)
    ).double()
    with average.applied(rows):
        for mine, their in zip(net.parameters(), theirs.parameters(), strict=True):
            their.data = torch.tensor(mine.data)
        torch.optim.swa_utils.update_bn([torch.tensor(x) for x in rows()], theirs)
        np.testing.assert_allclose(norm.running_mean, theirs[1].running_mean.numpy(), rtol=1e-12)
        np.testing.assert_allclose(norm.running_var, theirs[1].running_var.numpy(), rtol=1e-12)
        within = norm.running_var.copy()
    np.testing.assert_array_equal(norm.running_mean, before)
    assert (norm.momentum, norm.training, int(norm.num_batches_tracked)) == (0.1, True, 0)

    def never() -> Iterator[np.ndarray]:
        raise AssertionError("measured already")

    with average.applied(never):  # as long as the average is the same
        np.testing.assert_array_equal(norm.running_var, within)
    average.update(4)
    with pytest.raises(AssertionError), average.applied(never):
        pass
    np.testing.assert_array_equal(norm.running_mean, before)


def test_ema_uses_the_models_own_statistics() -> None:
    net = network(norm=True)
    average = EMA(net, 0.9)
    train(net, average, 1, 3)
    norm: Any = net[1]
    with average.applied(rows):
        assert not norm.running_mean.any()
    assert not any("running" in name for name in average.tensors())


@pytest.mark.parametrize("make", [lambda net: EMA(net, 0.9), lambda net: SWA(net, 2, 2)])
def test_an_average_goes_on_from_its_tensors(make: Any) -> None:
    net = network(norm=True)
    whole = make(net)
    train(net, whole, 1, 6)
    kept, count = whole.tensors(), whole.count
    with whole.applied(rows):
        pass
    assert ("1.running_mean" in whole.tensors()) == isinstance(whole, SWA)  # once measured
    second = make(net)
    second.load(kept, count)
    state = net.state_dict()
    train(net, whole, 7, 12)
    net.load_state_dict(state)
    train(net, second, 7, 12)
    np.testing.assert_array_equal(averaged(net, second), averaged(net, whole))


def test_K15_an_average_that_does_not_fit_is_refused() -> None:
    net = network()
    average = EMA(net, 0.9)
    train(net, average, 1, 2)
    kept = average.tensors()
    for wrong in ({}, {**kept, "0.bias": np.zeros(3)}):
        with pytest.raises(CheckpointError, match="the averaged weights, ema, do not fit") as e:
            EMA(net, 0.9).load(wrong, 2)
        assert e.value.fault == "K15"
    fresh = EMA(net, 0.9)
    fresh.load({}, 0)
    assert (fresh.count, fresh.tensors()) == (0, {})
