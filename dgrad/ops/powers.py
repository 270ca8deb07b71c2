"""Powers and roots: square, reciprocal, sqrt, cbrt, general powers, the hypotenuse."""

from __future__ import annotations

from typing import Any

import numpy as np

from dgrad.core.op import op
from dgrad.ops._examples import uniform
from dgrad.ops._floats import as_floats
from dgrad.ops._guard import guarded

__all__ = ["cbrt", "float_power", "hypot", "power", "reciprocal", "sqrt", "square"]


@op(
    broadcasts=True,
    complex=True,
    numpy=np.power,
    operators=("__pow__", "__rpow__"),
    methods=("pow",),
    example=uniform((0.5, 2.0), (-2.0, 2.0)),
)
def power(x: Any, y: Any) -> Any:
    """x ** y. x, y: shapes that broadcast -> the broadcast shape.

    The gradient is 0 with respect to x where y = 0, and with respect to y where x = 0, y >= 0.
    """
    return x**y if isinstance(y, int | float) else np.power(x, y)  # ** knows the square


def _power_x(g: Any, x: Any, y: Any, out: Any) -> Any:
    if isinstance(y, int | float) and y >= 0 and float(y).is_integer():  # never singular
        return g * (x ** (y - 1) * y) if y else g * np.zeros_like(x)
    pole = np.isnan(out) | (np.equal(x, 0) & np.less(y, 1))
    base = np.where(np.equal(g, 0) & pole, 1.0, x)
    if isinstance(y, int | float):
        return g * (base ** (y - 1) * y)
    zero = np.equal(y, 0)
    return g * np.where(zero, 0.0, y * np.power(base, np.where(zero, 1.0, y - 1)))


def _power_y(g: Any, x: Any, y: Any, out: Any) -> Any:
    flat = np.equal(x, 0) & np.greater_equal(y, 0)  # there out is the constant 0 (or 1 at y = 0)
    no_log = np.equal(x, 0) if g.dtype.kind == "c" else np.less_equal(x, 0)
    unused = np.equal(g, 0) & no_log
    base = np.where(flat | unused, 1.0, x).astype(g.dtype)
    return g * (np.where(unused, 0.0, out) * np.log(base))


power.vjp(x=_power_x, y=_power_y)


@op(
    broadcasts=True,
    complex=True,
    numpy=np.float_power,
    methods=("float_power",),
    example=uniform((0.5, 2.0), (-2.0, 2.0)),
)
def float_power(x: Any, y: Any) -> Any:
    """x ** y of floats: integers become floats first, so 2 ** -1 is 0.5. Shapes broadcast.

    Floats keep their dtype, where NumPy's function always gives float64.
    """
    return np.power(as_floats(x), as_floats(y))


float_power.vjp(x=_power_x, y=_power_y)


@op(complex=True, numpy=np.square, methods=("square",))
def square(x: Any) -> Any:
    """x * x. x: any shape -> same shape."""
    return np.square(x)


square.vjp(x=lambda g, x: g * (x * 2))


@op(
    complex=True,
    numpy=np.reciprocal,
    methods=("reciprocal",),
    example=uniform((0.5, 2.0)),
)
def reciprocal(x: Any) -> Any:
    """1 / x. x: any shape -> same shape."""
    return np.reciprocal(x)


def _reciprocal_rule(g: Any, x: Any) -> Any:
    x = guarded(g, x)
    return -(g / x) / x  # x * x could overflow


reciprocal.vjp(x=_reciprocal_rule)


@op(complex=True, numpy=np.sqrt, methods=("sqrt",), example=uniform((0.5, 2.0)))
def sqrt(x: Any) -> Any:
    """Square root; its gradient at 0 is inf, and 0 for g = 0. x: any shape -> same shape."""
    return np.sqrt(x)


def _sqrt_rule(g: Any, out: Any) -> Any:
    size = np.absolute(out) if out.dtype.kind == "c" else out
    regular = np.greater(size, 0) | np.not_equal(g, 0)  # not so: out is 0 or NaN, and g is 0
    return g / (np.where(regular, out, 0.5) * 2)


sqrt.vjp(x=_sqrt_rule)


@op(numpy=np.cbrt, methods=("cbrt",), example=uniform((0.5, 2.0)))
def cbrt(x: Any) -> Any:
    """Cube root, of negative numbers too; its gradient at 0 is inf. x: any shape -> same shape."""
    return np.cbrt(x)


cbrt.vjp(x=lambda g, out: g / (np.square(guarded(g, out)) * 3))


@op(broadcasts=True, numpy=np.hypot, methods=("hypot",))
def hypot(x: Any, y: Any) -> Any:
    """sqrt(x^2 + y^2) without overflow; its gradient at (0, 0) is 0. Shapes broadcast."""
    return np.hypot(x, y)


def _direction(x: Any, out: Any) -> Any:
    return x / np.where(np.equal(out, 0), np.inf, out)  # 0 to every order at the origin


hypot.vjp(x=lambda g, x, out: g * _direction(x, out), y=lambda g, y, out: g * _direction(y, out))
