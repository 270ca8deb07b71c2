"""Gradients where a function has a kink, a pole or a tie: one rule for each, in every spelling."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import dgrad
from dgrad import Tensor, ops

NAN, INF = np.nan, np.inf


def gradient(function: Callable[[Any], Any], at: Any, seed: Any = None, order: int = 1) -> Any:
    """The derivative of sum(seed * function) at a point, of order 1 or 2."""
    x = Tensor(np.array(at, dtype=np.float64), requires_grad=True)
    out = function(x)
    g = np.ones(out.shape) if seed is None else np.array(seed, dtype=np.float64)
    (first,) = dgrad.grad(out, x, g, create_graph=order == 2)
    if order == 1 or not first.requires_grad:  # a gradient that does not depend on x
        return first.data * (order == 1)
    return dgrad.grad(first, x, np.ones(first.shape))[0].data


@pytest.mark.parametrize("order", [1, 2])
@pytest.mark.parametrize("function", [ops.relu, lambda x: x.relu(), lambda x: x.clip(min=0.0)])
def test_relu_at_zero_is_zero(function: Any, order: int) -> None:
    got = gradient(lambda x: function(x) * x, [-1.0, 0.0, 1.0], order=order)
    np.testing.assert_array_equal(got, [0.0, 0.0, 2.0])


@pytest.mark.parametrize("function", [ops.abs, np.abs, abs, lambda x: x.abs()])
def test_abs_at_zero_is_zero(function: Any) -> None:
    np.testing.assert_array_equal(gradient(function, [-2.0, 0.0, 2.0]), [-1.0, 0.0, 1.0])


@pytest.mark.parametrize("function", [ops.maximum, ops.minimum, np.maximum, np.minimum])
def test_maximum_and_minimum_share_a_tie(function: Any) -> None:
    x, y = (Tensor(np.array([1.0, 1.0]), requires_grad=True) for _ in range(2))
    for g in dgrad.grad(function(x, y), (x, y), np.array([1.0, 6.0])):
        np.testing.assert_array_equal(g.data, [0.5, 3.0])


@pytest.mark.parametrize("function", [np.max, ops.max, lambda x: x.max(), np.maximum.reduce])
def test_max_shares_among_ties(function: Any) -> None:
    np.testing.assert_allclose(gradient(function, [3.0, 1.0, 3.0, 3.0]), [1 / 3, 0, 1 / 3, 1 / 3])
    np.testing.assert_allclose(gradient(lambda x: -function(-x), [1.0, 1.0, 2.0]), [0.5, 0.5, 0])


def test_max_and_min_send_the_gradient_to_nan() -> None:
    for function in (ops.max, ops.min):
        np.testing.assert_array_equal(gradient(function, [3.0, NAN, 1.0]), [0.0, 1.0, 0.0])


@pytest.mark.parametrize("function", [ops.clip, np.clip, lambda x, a, b: x.clip(a, b)])
def test_clip_at_a_bound_is_zero(function: Any) -> None:
    at = [-2.0, -1.0, 0.0, 1.0, 2.0]
    np.testing.assert_array_equal(gradient(lambda x: function(x, -1.0, 1.0), at), [0, 0, 1, 0, 0])


@pytest.mark.parametrize("function", [ops.sqrt, np.sqrt, lambda x: x**0.5, lambda x: x.sqrt()])
def test_sqrt_at_zero_is_infinite_unless_nothing_comes_in(function: Any) -> None:
    with np.errstate(divide="ignore"):
        np.testing.assert_array_equal(gradient(function, [0.0, 0.0], [1.0, 0.0]), [INF, 0.0])


SINGULAR = [
    pytest.param(ops.sqrt, 0.0, id="sqrt"),
    pytest.param(ops.sqrt, -1.0, id="sqrt of a negative"),
    pytest.param(ops.log, 0.0, id="log"),
    pytest.param(ops.log1p, -1.0, id="log1p"),
    pytest.param(lambda x: 1 / x, 0.0, id="1 / x"),
    pytest.param(lambda x: x / x, 0.0, id="x / x"),
    pytest.param(lambda x: x**-1, 0.0, id="x ** -1"),
    pytest.param(lambda x: x**0.5, 0.0, id="x ** 0.5"),
    pytest.param(lambda x: x**1.5, -1.0, id="negative ** 1.5"),
    pytest.param(lambda x: x ** (x - 0.5), 0.0, id="x ** (x - 0.5)"),
    pytest.param(lambda x: x ** (x + 0.5), -1.0, id="negative ** x"),
    pytest.param(lambda x: np.power(x, np.array(0.5)), 0.0, id="x ** array"),
]


@pytest.mark.parametrize("order", [1, 2])
@pytest.mark.parametrize(("function", "pole"), SINGULAR)
def test_a_branch_not_taken_does_not_poison_the_gradient(
    function: Any, pole: float, order: int
) -> None:
    at = [pole, 2.0]
    chosen = np.array([False, True])
    with np.errstate(divide="ignore", invalid="ignore"):  # the forward at the pole
        whole = gradient(lambda x: np.where(chosen, function(x), 0.0), at, order=order)
        alone = gradient(function, [2.0], order=order)
    np.testing.assert_allclose(whole, [0.0, alone[0]], rtol=1e-14)


@pytest.mark.parametrize(("function", "pole"), SINGULAR)
def test_a_zero_gradient_stays_linear_at_regular_points(function: Any, pole: float) -> None:
    """The derivative of the gradient by its seed, at the seed 0, is the slope itself."""
    x = Tensor(np.array([2.0]), requires_grad=True)
    v = Tensor(np.array([0.0]), requires_grad=True)
    (g,) = dgrad.grad(function(x), x, v, create_graph=True)
    (slope,) = dgrad.grad(g, v, np.array([1.0]))
    np.testing.assert_allclose(slope.data, gradient(function, [2.0]), rtol=1e-14)


def test_zero_to_the_zero() -> None:
    x = Tensor(np.array([0.0, 0.0, 0.0]), requires_grad=True)
    y = Tensor(np.array([0.0, 1.0, 2.0]), requires_grad=True)
    gx, gy = dgrad.grad(x**y, (x, y), np.ones(3))
    np.testing.assert_array_equal(gx.data, [0.0, 1.0, 0.0])
    np.testing.assert_array_equal(gy.data, [0.0, 0.0, 0.0])
    np.testing.assert_array_equal(gradient(lambda x: x**0, [0.0]), [0.0])
    np.testing.assert_array_equal(gradient(lambda y: 0.0**y, [0.0, 2.0]), [0.0, 0.0])


@pytest.mark.parametrize("order", [1, 2])
@pytest.mark.parametrize("function", [ops.std, np.std, lambda x: x.std()])
def test_std_at_zero_spread_is_zero(function: Any, order: int) -> None:
    np.testing.assert_array_equal(gradient(function, [2.0, 2.0, 2.0], order=order), np.zeros(3))


def test_where_does_not_mix_its_branches() -> None:
    chosen = np.array([True, False])
    got = gradient(lambda x: np.where(chosen, x, 0.0), [1.0, 1.0], seed=[2.0, INF])
    np.testing.assert_array_equal(got, [2.0, 0.0])
    got = gradient(lambda x: np.where(chosen, 0.0, x), [1.0, 1.0], seed=[NAN, 3.0])
    np.testing.assert_array_equal(got, [0.0, 3.0])


@pytest.mark.parametrize("order", [1, 2])
@pytest.mark.parametrize(
    ("function", "first"),
    [
        (ops.softplus, [0.0, 0.0, 0.5, 1.0, 1.0]),
        (ops.sigmoid, [0.0, 0.0, 0.25, 0.0, 0.0]),
        (ops.tanh, [0.0, 0.0, 1.0, 0.0, 0.0]),
        (ops.silu, [0.0, 0.0, 0.5, 1.0, 1.0]),
        (ops.gelu, [0.0, 0.0, 0.5, 1.0, 1.0]),
        (lambda x: ops.gelu(x, approximate="tanh"), [0.0, 0.0, 0.5, 1.0, 1.0]),
        (lambda x: ops.bce_with_logits(x, x * 0, reduction="none"), [0.0, 0.0, 0.5, 1.0, 1.0]),
    ],
)
def test_T04_extremes_are_finite_to_second_order(
    function: Any, first: list[float], order: int
) -> None:
    got = gradient(function, [-1e4, -60.0, 0.0, 60.0, 1e4], order=order)
    assert np.isfinite(got).all()
    if order == 1:
        np.testing.assert_allclose(got, first, atol=1e-20)


def test_T04_masked_logits_get_no_gradient() -> None:
    at, seed = [-INF, 1.0, 2.0], [0.0, 1.0, 1.0]
    for function in (ops.softmax, ops.log_softmax):
        got = gradient(function, at, seed)
        assert got[0] == 0.0
        assert np.isfinite(got).all()
    np.testing.assert_array_equal(gradient(ops.logsumexp, [-INF, -INF]), [0.0, 0.0])
    logits = Tensor(np.array([at]), requires_grad=True)
    (g,) = dgrad.grad(ops.cross_entropy(logits, np.array([2])), logits)
    assert g.data[0, 0] == 0.0


def test_T04_losses_keep_small_values_exact() -> None:
    loss = ops.bce_with_logits(np.array([40.0, -40.0]), np.array([1.0, 0.0]), reduction="none")
    np.testing.assert_allclose(loss, np.exp(-40.0), rtol=1e-14)
    assert ops.cross_entropy(np.array([[1e4, -1e4]]), np.array([0])) == 0.0
    assert ops.cross_entropy(np.array([[1e4, -1e4]]), np.array([1])) == 2e4


def test_the_same_tensor_twice_counts_twice() -> None:
    np.testing.assert_allclose(gradient(lambda x: x * x, [3.0]), [6.0])
    np.testing.assert_allclose(gradient(lambda x: x - x, [3.0]), [0.0])
    np.testing.assert_allclose(gradient(lambda x: x**x, [2.0]), [4 * (np.log(2) + 1)])
    np.testing.assert_allclose(gradient(lambda x: np.stack([x, x]), [3.0]), [2.0])
