"""Scans at zeros, ties and extremes; what they refuse."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import dgrad
from dgrad import Tensor, ops
from dgrad.errors import ShapeError

INF, NAN = np.inf, np.nan


def slope(function: Any, at: Any, seed: Any, order: int = 1) -> Any:
    x = Tensor(np.array(at, np.float64), requires_grad=True)
    (first,) = dgrad.grad(function(x), x, np.array(seed, np.float64), create_graph=order == 2)
    return first.data if order == 1 else dgrad.grad(first, x, np.ones(first.shape))[0].data


@pytest.mark.parametrize("function", [ops.cumprod, np.cumprod, lambda x: x.cumprod(axis=0)])
def test_P33_cumprod_is_right_at_zeros(function: Any) -> None:
    at, seed = [2.0, 0.0, 3.0, 0.0, 5.0], [1.0, 10.0, 100.0, 1000.0, 10000.0]
    np.testing.assert_array_equal(slope(function, at, seed), [1, 20 + 600, 0, 0, 0])
    # d2 out[k] / dx[i] dx[j] is the product of the others up to k: summed over all j
    expected = [10 + 300, 10 + 300 + 200 + 6000 + 300000, 200, 6000 + 300000, 0]
    np.testing.assert_array_equal(slope(function, at, seed, order=2), expected)


@pytest.mark.parametrize("function", [ops.cumsum, np.cumsum, lambda x: x.cumsum(axis=0)])
def test_P33_cumsum_sums_what_comes_after(function: Any) -> None:
    np.testing.assert_array_equal(slope(function, [5.0, 6.0, 7.0], [1, 10, 100]), [111, 110, 100])


@pytest.mark.parametrize("order", [1, 2])
def test_logcumsumexp_is_finite_at_extremes_to_second_order(order: int) -> None:
    for at in ([-1e4, 0.0, 1e4], [1e4, 0.0, -1e4], [-INF, -INF, 1.0], [700.0] * 3):
        found = slope(ops.logcumsumexp, at, [1.0, 1.0, 1.0], order)
        assert np.isfinite(found).all()


def test_logcumsumexp_does_not_chain_over_the_infinite() -> None:
    """The steps between an infinite sum and a finite one, 800 away, would overflow."""
    found = slope(ops.logcumsumexp, [-INF, -800.0, -800.0], [1.0, 1.0, 1.0])
    np.testing.assert_allclose(found, [0.0, 1.5, 0.5], rtol=1e-12)
    assert slope(ops.logcumsumexp, [800.0, INF], [1.0, 1.0])[0] == 1.0


def test_logcumsumexp_shares_each_gradient_by_the_softmax_so_far() -> None:
    at, seed = np.array([0.3, -1.0, 2.0]), np.array([1.0, 2.0, 3.0])
    expected = np.zeros(3)
    for k in range(3):
        weights = np.exp(at[: k + 1])
        expected[: k + 1] += seed[k] * weights / weights.sum()
    np.testing.assert_allclose(slope(ops.logcumsumexp, at, seed), expected, rtol=1e-14)
    np.testing.assert_array_equal(slope(ops.logcumsumexp, [-INF, 0.0], [0.0, 1.0]), [0.0, 1.0])


def test_of_equal_elements_the_latest_extreme_gets_the_gradient() -> None:
    at, seed = [1.0, 3.0, 3.0, 2.0, 3.0], [1.0, 2.0, 4.0, 8.0, 16.0]
    np.testing.assert_array_equal(slope(ops.cummax, at, seed), [1, 2, 4 + 8, 0, 16])
    np.testing.assert_array_equal(slope(lambda x: -ops.cummin(-x), at, seed), [1, 2, 12, 0, 16])


def test_cummax_sends_the_gradient_to_nan() -> None:
    np.testing.assert_array_equal(slope(ops.cummax, [1.0, NAN, 5.0], [1.0, 2.0, 4.0]), [1, 6, 0])


def test_the_recurrence_does_not_use_the_factor_of_its_start() -> None:
    b = np.array([1.0, 2.0, 3.0])
    for reverse, unused in ((False, 0), (True, -1)):
        factors = np.array([2.0, 2.0, 2.0])
        factors[unused] = NAN
        a = Tensor(factors, requires_grad=True)
        out = ops.linear_recurrence(a, b, reverse=reverse)
        assert np.isfinite(out.data).all()
        (g,) = dgrad.grad(out, a, np.ones(3))
        assert g.data[unused] == 0.0
        assert np.isfinite(g.data).all()


def test_the_recurrence_runs_along_one_axis() -> None:
    b = np.arange(6.0).reshape(2, 3)
    half = np.full((2, 3), 0.5)
    np.testing.assert_array_equal(
        ops.linear_recurrence(half, b, axis=1), [[0, 1, 2.5], [3, 5.5, 7.75]]
    )
    np.testing.assert_array_equal(
        ops.linear_recurrence(half, b, axis=0, reverse=True), [[1.5, 3, 4.5], [3, 4, 5]]
    )


def test_what_scans_refuse() -> None:
    x = Tensor(np.ones((2, 3)), requires_grad=True)
    for function in (ops.cumsum, ops.cumprod, ops.cummax, ops.cummin, ops.logcumsumexp, ops.diff):
        with pytest.raises(ShapeError, match=function.op.name):
            function(x, axis=2)
    for function in (ops.cummax, ops.cummin, ops.logcumsumexp):
        with pytest.raises(ShapeError, match=r"axis -1 of an array of 0 axes"):
            function(Tensor(1.0))
    with pytest.raises(ShapeError, match=r"linear_recurrence: a \(3,\) and b \(2, 3\)"):
        ops.linear_recurrence(np.ones(3), x)
    with pytest.raises(ShapeError, match="diff"):
        ops.diff(x, n=-1)


def test_diff_of_no_order_is_a_copy() -> None:
    x = np.ones(3)
    assert not np.shares_memory(ops.diff(x, n=0), x)
