"""Batch norm's running statistics: what changes them, what uses them, and what does not."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import dgrad
from dgrad import nn
from dgrad.errors import ShapeError


def rows(seed: int = 0, count: int = 6) -> np.ndarray:
    return np.random.default_rng(seed).normal(2.0, 3.0, (count, 2)).astype(np.float32)


def running(layer: nn.BatchNorm) -> list[Any]:
    state = layer.state_dict()
    return [state[f"running_{name}"].tolist() for name in ("mean", "var")]


def test_D11_training_on_one_row_is_an_error_and_evaluation_is_not() -> None:
    layer = nn.BatchNorm(2)
    with pytest.raises(ShapeError, match=r"one value per channel.*two rows or more") as caught:
        layer(rows(count=1))
    assert caught.value.fault == "D11"
    assert layer.num_batches_tracked == 0
    assert layer.eval()(rows(count=1)).shape == (1, 2)
    assert nn.BatchNorm(2)(np.ones((1, 2, 2), np.float32)).shape == (1, 2, 2)


def test_momentum_null_is_the_average_of_all_batches() -> None:
    layer = nn.BatchNorm(2, momentum=None)
    batches = [rows(seed) for seed in range(3)]
    for batch in batches:
        layer(batch)
    mean, var = running(layer)
    np.testing.assert_allclose(mean, np.mean([b.mean(0) for b in batches], 0), rtol=1e-5)
    np.testing.assert_allclose(var, np.mean([b.var(0, ddof=1) for b in batches], 0), rtol=1e-5)
    assert layer.num_batches_tracked == 3


def test_a_checkpoint_counts_a_batch_once() -> None:
    plain, kept = nn.BatchNorm(2), nn.BatchNorm(2)
    x = dgrad.Tensor(rows(), requires_grad=True)
    plain(x).sum().backward()
    dgrad.checkpoint(kept, x).sum().backward()
    assert kept.num_batches_tracked == 1
    assert running(kept) == running(plain)


def test_the_walk_back_does_not_see_what_a_later_batch_changed() -> None:
    layer = nn.BatchNorm(2)
    layer(rows())
    x = dgrad.Tensor(rows(1), requires_grad=True)
    factor = 1 / np.sqrt(layer.running_var + layer.eps)
    out = layer.eval()(x)
    layer.train()(rows(2))
    out.backward(np.ones(out.shape, np.float32))
    np.testing.assert_allclose(x.grad.data, np.broadcast_to(factor, x.shape), rtol=1e-6)


def test_statistics_are_no_part_of_the_graph() -> None:
    layer = nn.BatchNorm(2)
    layer(dgrad.Tensor(rows(), requires_grad=True))
    assert type(layer.running_mean) is np.ndarray
    with dgrad.no_grad():
        layer(dgrad.Tensor(rows()))
    assert layer.num_batches_tracked == 2


def test_the_names_of_pytorch_check_the_axes_when_they_infer() -> None:
    assert nn.BatchNorm1d.infer((3, 5)) == nn.BatchNorm2d.infer((3, 5, 5)) == {"num_features": 3}
    for cls, shape in ((nn.BatchNorm1d, (3, 5, 5)), (nn.BatchNorm2d, (3,))):
        with pytest.raises(ShapeError, match="batch_norm: needs"):
            cls.infer(shape)
    assert repr(nn.BatchNorm2d(3, affine=False)) == "BatchNorm2d(num_features=3, affine=False)"


def test_a_layer_that_has_trained_takes_a_state_back_and_keeps_its_dtypes() -> None:
    layer = nn.BatchNorm(2)
    before = layer.state_dict()
    layer(rows().astype(np.float64))  # the statistics stay what a checkpoint holds
    assert {k: v.dtype for k, v in layer.state_dict().items()} == {
        k: v.dtype for k, v in before.items()
    }
    assert running(layer) != [before["running_mean"].tolist(), before["running_var"].tolist()]
    layer.load_state_dict(before)
    assert running(layer) == [before["running_mean"].tolist(), before["running_var"].tolist()]
    assert layer.num_batches_tracked == 0
