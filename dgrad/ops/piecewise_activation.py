"""Activation functions made of pieces, elementwise: relu and its relatives, and shrinkage.

At a kink the gradient is that of the side written without "or equal" below: relu's rule, 0 at the
bounds of everything that clips. Of integers and booleans they are floats (see as_floats); only
relu, relu6, hardtanh and threshold keep the dtype.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from dgrad.core.op import op
from dgrad.errors import ParameterError, ShapeError
from dgrad.ops._axes import laid_along
from dgrad.ops._blocks import filled
from dgrad.ops._floats import as_floats
from dgrad.ops._selection import chosen, kept_where, write_either

__all__ = [
    "hardshrink",
    "hardsigmoid",
    "hardswish",
    "hardtanh",
    "leaky_relu",
    "prelu",
    "relu",
    "relu6",
    "softshrink",
    "threshold",
]


MANY = 2048  # elements


@op(methods=("relu",))
def relu(x: Any) -> Any:
    """max(x, 0); its gradient at 0 is 0. x: any shape -> same shape."""
    if type(x) is np.ndarray and x.size >= MANY and x.dtype.kind == "f":
        out = np.empty_like(x)
        out.fill(0)  # NumPy compares two arrays three times as fast as an array and a number
        return np.maximum(x, out, out=out)
    return np.maximum(x, 0)


relu.vjp(x=lambda g, out: np.where(np.greater(out, 0), g, 0.0))


relu.fast_vjp(x=lambda g, out: kept_where(np.greater(out, 0), g))  # 2.2 to 3 times as fast


@op
def leaky_relu(x: Any, *, negative_slope: float = 0.01) -> Any:
    """x where x > 0, else negative_slope * x (Maas et al. 2013). x: any shape -> same shape."""
    x = as_floats(x)
    out = np.empty_like(x)
    np.multiply(x, negative_slope, out=out)
    larger = np.maximum if negative_slope <= 1 else np.minimum  # of the two: x where x > 0
    return larger(x, out, out=out)


leaky_relu.vjp(
    x=lambda g, x, negative_slope: np.where(np.greater(x, 0), g, g * negative_slope),
)


def _leaky_relu_fast(g: Any, x: Any, negative_slope: float) -> Any:
    def write(x: Any, g: Any, out: Any) -> None:
        write_either(np.greater(x, 0), 1.0, negative_slope, out)
        out *= g

    return filled(write, x, g)


leaky_relu.fast_vjp(x=_leaky_relu_fast)


def _channels(weight: Any, x_shape: tuple[int, ...]) -> Any:
    """weight, () or (1,) or (c,), laid along axis 1 of x."""
    shape = np.shape(weight)
    if isinstance(weight, int | float):
        return weight
    if shape in ((), (1,)):
        return np.reshape(weight, ())
    if len(x_shape) > 1 and shape == x_shape[1:2]:
        return laid_along(weight, len(x_shape), 1)
    raise ShapeError(
        f"prelu: x {x_shape} needs a weight of shape (), (1,) or, by channel, "
        f"{x_shape[1:2] or '(c,) beside an x of two axes or more'}, got {shape}"
    )


@op(example=lambda rng: ((rng.normal(size=(3, 4)), rng.normal(size=4)), {}))
def prelu(x: Any, weight: Any) -> Any:
    """x where x > 0, else weight * x, the slope learned (He et al. 2015).

    x: any shape, (n, c, ...) if weight is (c,); weight: (), (1,) or (c,) -> x's shape.
    Raises ShapeError if weight fits no axis of channels.
    """
    x = as_floats(x)
    return chosen(np.greater(x, 0), x, x * _channels(as_floats(weight), np.shape(x)))


def _prelu_x(g: Any, x: Any, weight: Any) -> Any:
    return np.where(np.greater(x, 0), g, g * _channels(weight, x.shape))


def _prelu_weight(g: Any, x: Any, weight_shape: tuple[int, ...]) -> Any:
    return _sum_to(weight_shape, np.where(np.greater(x, 0), 0.0, g * x))


def _sum_to(weight_shape: tuple[int, ...], shares: Any) -> Any:
    if weight_shape in ((), (1,)):
        return np.reshape(np.sum(shares), weight_shape)
    return np.sum(shares, axis=(0, *range(2, len(shares.shape))))  # (n, c, ...) -> (c,)


def _prelu_x_fast(g: Any, x: Any, weight: Any) -> Any:
    return chosen(np.greater(x, 0), g, g * _channels(weight, x.shape))


def _prelu_weight_fast(g: Any, x: Any, weight_shape: tuple[int, ...]) -> Any:
    return _sum_to(weight_shape, kept_where(np.logical_not(np.greater(x, 0)), g * x))


prelu.vjp(x=_prelu_x, weight=_prelu_weight)
prelu.fast_vjp(x=_prelu_x_fast, weight=_prelu_weight_fast)


@op
def hardtanh(x: Any, *, min_val: float = -1.0, max_val: float = 1.0) -> Any:
    """x limited to [min_val, max_val]; the gradient at the bounds is 0, as for clip. Any shape.

    Raises ParameterError unless min_val < max_val.
    """
    if not min_val < max_val:
        raise ParameterError("hardtanh", "max_val", f"> min_val = {min_val}", max_val)
    return np.clip(x, min_val, max_val)


def _hardtanh_rule(g: Any, out: Any, min_val: float, max_val: float) -> Any:
    return np.where(np.greater(out, min_val) & np.less(out, max_val), g, 0.0)


hardtanh.vjp(x=_hardtanh_rule)


def _hardtanh_fast(g: Any, out: Any, min_val: float, max_val: float) -> Any:
    return kept_where(np.greater(out, min_val) & np.less(out, max_val), g)


hardtanh.fast_vjp(x=_hardtanh_fast)


@op
def relu6(x: Any) -> Any:
    """x limited to [0, 6]; its gradient at 0 and at 6 is 0, as for clip. Any shape."""
    return np.clip(x, 0, 6)


relu6.vjp(x=lambda g, out: _hardtanh_rule(g, out, 0, 6))
relu6.fast_vjp(x=lambda g, out: _hardtanh_fast(g, out, 0, 6))


def _write_ramp(x: Any, out: Any) -> None:
    """x / 6 + 1/2 limited to [0, 1]."""
    np.multiply(x, 1 / 6, out=out)
    out += 0.5
    np.clip(out, 0, 1, out=out)


def _on_ramp(x: Any) -> Any:
    return np.greater(x, -3) & np.less(x, 3)


@op
def hardsigmoid(x: Any) -> Any:
    """x / 6 + 1/2 limited to [0, 1]; its gradient at -3 and 3 is 0. x: any shape -> same shape."""
    return filled(_write_ramp, as_floats(x))


def _hardsigmoid_fast(g: Any, x: Any) -> Any:
    out = kept_where(_on_ramp(x), g)
    out *= 1 / 6
    return out


hardsigmoid.vjp(x=lambda g, x: np.where(_on_ramp(x), g * (1 / 6), 0.0))
hardsigmoid.fast_vjp(x=_hardsigmoid_fast)


@op
def hardswish(x: Any) -> Any:
    """x hardsigmoid(x) (Howard et al. 2019); its gradient is 0 at -3 and 1 at 3. Any shape."""

    def write(x: Any, out: Any) -> None:
        _write_ramp(x, out)
        out *= x

    return filled(write, as_floats(x))


def _hardswish_rule(g: Any, x: Any) -> Any:
    inside = np.where(_on_ramp(x), x, 0.0) * (1 / 3) + 0.5
    return g * np.where(_on_ramp(x), inside, np.greater(x, 0))


def _write_hardswish_gradient(x: Any, g: Any, out: Any) -> None:
    """x/3 + 1/2 as c + 1/2, c = x/3 limited to [-1, 1], less 1/2 sign(c) at both limits."""
    np.divide(x, 3, out=out)
    np.clip(out, -1, 1, out=out)
    limit = np.trunc(out, out=np.empty_like(out))
    limit -= 1
    limit *= 0.5
    out -= limit
    out *= g


hardswish.vjp(x=_hardswish_rule)
hardswish.fast_vjp(x=lambda g, x: filled(_write_hardswish_gradient, x, g))


def _check_width(op_name: str, lambd: float) -> None:
    if not lambd >= 0:
        raise ParameterError(op_name, "lambd", ">= 0", lambd)


@op
def softshrink(x: Any, *, lambd: float = 0.5) -> Any:
    """x moved by lambd towards 0, and 0 within [-lambd, lambd], gradient 0 there. Any shape.

    Raises ParameterError unless lambd >= 0.
    """
    _check_width("softshrink", lambd)
    x = as_floats(x)
    out = np.empty_like(x)
    np.clip(x, -lambd, lambd, out=out)
    return np.subtract(x, out, out=out)


softshrink.vjp(x=lambda g, out: np.where(np.equal(out, 0), 0.0, g))
softshrink.fast_vjp(x=lambda g, out: kept_where(np.not_equal(out, 0), g))


@op
def hardshrink(x: Any, *, lambd: float = 0.5) -> Any:
    """x, but 0 within [-lambd, lambd], where its gradient is 0. x: any shape -> same shape.

    Raises ParameterError unless lambd >= 0.
    """
    _check_width("hardshrink", lambd)
    x = as_floats(x)
    flat = np.less_equal(x, lambd)
    flat &= np.greater_equal(x, -lambd)
    return kept_where(np.logical_not(flat), x)  # NaN is kept


hardshrink.vjp(x=lambda g, out: np.where(np.equal(out, 0), 0.0, g))
hardshrink.fast_vjp(x=lambda g, out: kept_where(np.not_equal(out, 0), g))


def _threshold_example(rng: np.random.Generator) -> tuple[tuple[Any, ...], dict[str, Any]]:
    return (rng.normal(size=(3, 4)),), {"threshold": 0.3, "value": -2.0}


@op(example=_threshold_example)
def threshold(x: Any, *, threshold: float, value: float) -> Any:
    """x where x > threshold, else value, where its gradient is 0. x: any shape -> same shape."""
    if value == 0 and type(x) is np.ndarray and x.dtype.kind == "f":
        return kept_where(np.greater(x, threshold), x)
    return np.where(np.greater(x, threshold), x, value)


threshold.vjp(x=lambda g, x, threshold: np.where(np.greater(x, threshold), g, 0.0))
threshold.fast_vjp(x=lambda g, x, threshold: kept_where(np.greater(x, threshold), g))
