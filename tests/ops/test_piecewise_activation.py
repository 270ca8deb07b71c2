"""Activations made of pieces: their kinks, their errors, and the smooth ones at extreme values."""

from __future__ import annotations

import re
from typing import Any

import numpy as np
import pytest

import dgrad
from dgrad import Tensor, ops
from dgrad.errors import ParameterError, ShapeError
from tests.ops.test_kinks import gradient

KINKS = [
    (ops.relu6, [0.0, 6.0, 3.0], [0.0, 0.0, 1.0]),
    (lambda x: ops.clip(x, 0.0, 6.0), [0.0, 6.0, 3.0], [0.0, 0.0, 1.0]),
    (lambda x: ops.hardtanh(x, min_val=0.0, max_val=6.0), [0.0, 6.0, 3.0], [0.0, 0.0, 1.0]),
    (lambda x: 6 - ops.relu(6 - ops.relu(x)), [0.0, 6.0, 3.0], [0.0, 0.0, 1.0]),
    (ops.hardtanh, [-1.0, 1.0, 0.0], [0.0, 0.0, 1.0]),
    (ops.hardsigmoid, [-3.0, 3.0, 0.0], [0.0, 0.0, 1 / 6]),
    (ops.hardswish, [-3.0, 3.0, 0.0], [0.0, 1.0, 0.5]),
    (ops.softshrink, [-0.5, 0.5, 0.0, 0.7], [0.0, 0.0, 0.0, 1.0]),
    (ops.hardshrink, [-0.5, 0.5, 0.0, 0.7], [0.0, 0.0, 0.0, 1.0]),
    (lambda x: ops.threshold(x, threshold=1.0, value=7.0), [0.0, 1.0, 2.0], [0.0, 0.0, 1.0]),
    (ops.leaky_relu, [0.0], [0.01]),
    (lambda x: ops.prelu(x, np.array(0.25)), [0.0, 1.0], [0.25, 1.0]),
    (lambda x: ops.elu(x, alpha=3.0), [0.0, 1.0], [3.0, 1.0]),
    (lambda x: ops.celu(x, alpha=3.0), [0.0, 1.0], [1.0, 1.0]),
    (lambda x: ops.logit(x, eps=0.25), [0.25, 0.75, 0.5, 2.0, 0.0], [0.0, 0.0, 4.0, 0.0, 0.0]),
]


@pytest.mark.parametrize(("function", "at", "expected"), KINKS)
def test_kinks(function: Any, at: list[float], expected: list[float]) -> None:
    np.testing.assert_allclose(gradient(function, at), expected, rtol=1e-15)


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
@pytest.mark.parametrize(
    "see",
    [
        lambda x: x,
        lambda x: x.transpose(2, 0, 1),
        lambda x: x[:, :, ::-1],
        lambda x: x[:, :, 1:],
        lambda x: np.broadcast_to(x[:, :1], x.shape),
    ],
)
def test_relu_of_a_large_array_is_that_of_its_elements(see: Any, dtype: Any) -> None:
    whole = np.random.default_rng(3).normal(size=(3, 50, 1001)).astype(dtype)
    whole[0, 0, :3] = np.nan, -np.inf, -0.0
    x = see(whole)
    out = ops.relu(x)
    assert x.size > 1 << 17
    assert out.dtype == dtype
    np.testing.assert_array_equal(out, np.where(np.isnan(x) | (x > 0), x, 0))


def test_second_derivatives_at_the_kink_of_exponential_units_are_those_of_the_left() -> None:
    np.testing.assert_allclose(gradient(lambda x: ops.elu(x, alpha=3.0), [0.0], order=2), [3.0])
    np.testing.assert_allclose(gradient(lambda x: ops.celu(x, alpha=4.0), [0.0], order=2), [0.25])


def test_nan_stays_nan() -> None:
    x = np.array([np.nan])
    for name in ("hardshrink", "softshrink", "hardtanh", "relu6", "hardsigmoid", "hardswish"):
        assert np.isnan(getattr(ops, name)(x)).all(), name


LARGE = [-1e4, -60.0, 0.0, 60.0, 1e4]


@pytest.mark.parametrize(
    ("function", "first", "second"),
    [
        (ops.mish, [0, 0, 0.6, 1, 1], [0, 0, 0.64, 0, 0]),
        (ops.silu, [0, 0, 0.5, 1, 1], [0, 0, 0.5, 0, 0]),
        (ops.gelu, [0, 0, 0.5, 1, 1], [0, 0, 2 / np.sqrt(2 * np.pi), 0, 0]),
        (ops.logsigmoid, [1, 1, 0.5, 0, 0], [0, 0, -0.25, 0, 0]),
        (ops.softplus, [0, 0, 0.5, 1, 1], [0, 0, 0.25, 0, 0]),
        (ops.tanhshrink, [1, 1, 0, 1, 1], [0, 0, 0, 0, 0]),
        (ops.erf, [0, 0, 2 / np.sqrt(np.pi), 0, 0], [0, 0, 0, 0, 0]),
        (ops.erfc, [0, 0, -2 / np.sqrt(np.pi), 0, 0], [0, 0, 0, 0, 0]),
        (ops.selu, [0, 0, 1.7580993408473766, 1.0507009873554805, 1.0507009873554805], None),
        (ops.elu, [0, 0, 1, 1, 1], [0, 0, 1, 0, 0]),
        (lambda x: ops.logaddexp(x, 0.0), [0, 0, 0.5, 1, 1], [0, 0, 0.25, 0, 0]),
    ],
)
def test_P52_extremes_are_right_to_second_order(function: Any, first: Any, second: Any) -> None:
    np.testing.assert_allclose(gradient(function, LARGE), first, rtol=1e-14, atol=1e-20)
    if second is not None:
        np.testing.assert_allclose(gradient(function, LARGE, order=2), second, atol=1e-20)


def test_P52_tails_keep_their_relative_accuracy() -> None:
    np.testing.assert_allclose(ops.logsigmoid(np.array([50.0])), -np.exp(-50.0), rtol=1e-14)
    np.testing.assert_allclose(gradient(ops.logsigmoid, [50.0]), [np.exp(-50.0)], rtol=1e-14)
    np.testing.assert_allclose(gradient(ops.mish, [-50.0]), [-49 * np.exp(-50.0)], rtol=1e-13)
    np.testing.assert_allclose(
        gradient(ops.silu, [-50.0], order=2), [-48 * np.exp(-50.0)], rtol=1e-13
    )


@pytest.mark.parametrize("at", [1e200, -1e200])
def test_nothing_overflows_where_the_slope_is_flat(at: float) -> None:
    for function in (ops.softsign, ops.erf, ops.erfc, ops.reciprocal, ops.arcsinh):
        for order in (1, 2):
            assert np.isfinite(gradient(function, [at], order=order)).all()
    np.testing.assert_allclose(gradient(ops.arcsinh, [at]), [1e-200], rtol=1e-12)


def test_P52_masked_logits_of_softmin_get_no_gradient() -> None:
    got = gradient(ops.softmin, [np.inf, 1.0, 2.0], [0.0, 1.0, 0.0])
    assert got[0] == 0.0
    assert np.isfinite(got).all()


def test_gradient_of_a_slope_by_channel() -> None:
    x = np.array([[[-1.0, 2.0], [-3.0, -4.0]], [[5.0, -6.0], [7.0, 8.0]]])  # (n, c, l)
    weight = Tensor(np.array([0.5, 0.25]), requires_grad=True)
    out = ops.prelu(x, weight)
    assert out.data[0].tolist() == [[-0.5, 2.0], [-0.75, -1.0]]
    assert dgrad.grad(out.sum(), weight)[0].tolist() == [-7.0, -7.0]


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda t: ops.prelu(t(2, 3), t(2)), "prelu: x (2, 3) needs a weight of shape (), (1,)"),
        (lambda t: ops.prelu(t(3), t(3)), "prelu: x (3,) needs a weight"),
        (lambda t: ops.prelu(t(2, 3), t(1, 3)), "got (1, 3)"),
        (lambda t: ops.glu(t(2, 3)), "glu: axis -1 must have an even length"),
        (lambda t: ops.glu(t(2), axis=1), "glu: axis 1 of an array of 1 axes"),
        (lambda t: ops.glu(t()), "glu: axis -1 of an array of 0 axes"),
        (lambda t: ops.softmin(t(2, 3), axis=2), "softmin(float64[2, 3])"),
    ],
)
def test_shape_errors(call: Any, message: str) -> None:
    with pytest.raises(ShapeError, match=re.escape(message)):
        call(lambda *shape: Tensor(np.ones(shape), requires_grad=True))


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda x: ops.celu(x, alpha=0.0), "celu: alpha must be > 0, got 0.0"),
        (lambda x: ops.hardtanh(x, min_val=1.0), "hardtanh: max_val must be > min_val = 1.0"),
        (lambda x: ops.softshrink(x, lambd=-1.0), "softshrink: lambd must be >= 0"),
        (lambda x: ops.hardshrink(x, lambd=-1.0), "hardshrink: lambd must be >= 0"),
        (lambda x: ops.logit(x, eps=0.7), r"logit: eps must be in \[0, 1/2\], or None"),
        (lambda x: ops.polygamma(x, n=-1), "polygamma: n must be an integer >= 0"),
        (lambda x: ops.polygamma(x, n=1.5), "polygamma: n must be an integer >= 0"),
    ],
)
def test_parameters_out_of_range(call: Any, message: str) -> None:
    with pytest.raises(ParameterError, match=message):
        call(np.ones(2))


def test_P35_an_infinite_gradient_does_not_turn_into_nan_where_relu_is_flat() -> None:
    """sqrt(relu(x)) at x < 0: inf arrives there, and 0 leaves, recorded or not."""
    x = Tensor(np.array([-1.0, 4.0]), requires_grad=True)
    for create_graph in (False, True):
        with np.errstate(divide="ignore"):
            (g,) = dgrad.grad(np.sqrt(ops.relu(x)).sum(), x, create_graph=create_graph)
        assert g.tolist() == [0.0, 0.25]


def test_relu_of_floats_as_wide_as_no_integer() -> None:
    t = Tensor(np.array([-1.0, 0.0, 2.0], np.longdouble), requires_grad=True)
    (g,) = dgrad.grad(ops.relu(t), t, np.array([3.0, 5.0, 7.0], np.longdouble))
    np.testing.assert_array_equal(g.data, [0.0, 0.0, 7.0])
    assert g.dtype == np.longdouble
