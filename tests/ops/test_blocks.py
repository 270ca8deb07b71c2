"""Activations of large arrays, which are computed in blocks and by masks, in every layout."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import dgrad
from dgrad import Tensor, ops
from dgrad.ops._blocks import BYTES

PIECEWISE = ("elu", "hardshrink", "hardsigmoid", "hardswish", "hardtanh", "leaky_relu", "relu")
SMOOTH = ("logsigmoid", "mish", "sigmoid", "silu", "softplus")
NAMES = (*PIECEWISE, "relu6", "selu", "softshrink", *SMOOTH)
CALLS: dict[str, Any] = {name: getattr(ops, name) for name in NAMES} | {
    "celu 2": lambda x: ops.celu(x, alpha=2.0),
    "elu 0.3": lambda x: ops.elu(x, alpha=0.3),
    "leaky_relu 1.5": lambda x: ops.leaky_relu(x, negative_slope=1.5),
    "leaky_relu -0.5": lambda x: ops.leaky_relu(x, negative_slope=-0.5),
    "softplus 3": lambda x: ops.softplus(x, beta=3.0),
    "threshold": lambda x: ops.threshold(x, threshold=0.125, value=0.0),
    "threshold 7": lambda x: ops.threshold(x, threshold=0.125, value=7.0),
}
X = np.random.default_rng(0).normal(size=(3, 40, 70, 50), scale=3).astype(np.float32)
LAYOUTS = {
    "rows": lambda a: a,
    "channels last": lambda a: np.moveaxis(np.moveaxis(a, 1, -1).copy(), -1, 1),
    "every second": lambda a: np.repeat(a, 2, axis=2)[:, :, ::2],
    "backwards": lambda a: a[::-1].copy()[::-1],
}


def by_plain_rule(name: str, x: Any, g: Any) -> tuple[Any, Any]:
    """The result and the gradient by the rule that is not in blocks."""
    t = Tensor(x, requires_grad=True)
    out = CALLS[name](t)
    return out.data, dgrad.grad(out, t, g, create_graph=True)[0].data


@pytest.mark.parametrize("name", CALLS)
def test_blocks_and_layouts_make_no_difference(name: str) -> None:
    assert X.nbytes > 3 * BYTES
    g = X[::-1].copy()
    out, gradient = by_plain_rule(name, X.astype(np.float64), g.astype(np.float64))
    for laid in LAYOUTS.values():
        for seed in (g, LAYOUTS["channels last"](g)):
            x = dgrad.from_numpy(laid(X))
            x.requires_grad = True
            found = CALLS[name](x)
            (gx,) = dgrad.grad(found, x, seed)
            assert found.dtype == gx.dtype == np.float32
            np.testing.assert_allclose(found.data, out, rtol=1e-5, atol=1e-6)
            np.testing.assert_allclose(gx.data, gradient, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("name", CALLS)
def test_a_dense_layout_is_kept(name: str) -> None:
    x = Tensor(LAYOUTS["channels last"](X), requires_grad=True)
    x.data = LAYOUTS["channels last"](X)
    out = CALLS[name](x)
    assert out.data.strides == x.data.strides
    (g,) = dgrad.grad(out, x, LAYOUTS["channels last"](X))
    assert g.data.strides == x.data.strides


LOW = [-np.inf, -1e30, -40.0, -6.0, -3.0, -1.0, -0.5, -1e-30, -0.0]
HIGH = [0.0, 1e-30, 0.125, 0.5, 1.0, 3.0, 6.0, 100.0, 1e30, np.inf]


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64, np.longdouble])
@pytest.mark.parametrize("seed", [1.0, 0.0, np.inf])
@pytest.mark.parametrize("name", CALLS)
def test_special_values_get_the_gradient_of_the_plain_rule(
    name: str, seed: float, dtype: Any
) -> None:
    with np.errstate(all="ignore"):
        x = Tensor(np.array([*LOW, *HIGH]).astype(dtype), requires_grad=True)
        g = np.full(x.shape, seed, dtype)
        out, _ = by_plain_rule(name, x.data.astype(np.float64), g.astype(np.float64))
        _, gradient = by_plain_rule(name, x.data, g)
        found = CALLS[name](x)
        (gx,) = dgrad.grad(found, x, g)
        out = out.astype(dtype)
    tolerance: Any = {"rtol": 2e-2 if dtype == np.float16 else 1e-5, "atol": 2e-3}
    known = ~np.isnan(gradient)
    assert known.sum() > (5 if seed == np.inf else 14)
    np.testing.assert_allclose(found.data, out, **tolerance)
    np.testing.assert_allclose(gx.data[known], gradient[known], **tolerance)


@pytest.mark.parametrize("name", sorted(set(CALLS) - {"threshold", "threshold 7"}))
def test_nan_stays_nan(name: str) -> None:
    for size in (3, 3000):
        assert np.isnan(CALLS[name](np.full(size, np.nan, np.float32))).all()


@pytest.mark.parametrize("name", ["hardshrink", "hardsigmoid", "hardtanh", "relu6", "softshrink"])
def test_an_infinite_gradient_vanishes_where_the_slope_is_zero(name: str) -> None:
    at = {"hardshrink": 0.2, "softshrink": 0.2}.get(name, -4.0)
    x = Tensor(np.full(3, at), requires_grad=True)
    for create_graph in (False, True):
        (g,) = dgrad.grad(CALLS[name](x), x, np.full(3, np.inf), create_graph=create_graph)
        assert g.tolist() == [0.0, 0.0, 0.0]
