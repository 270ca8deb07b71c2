"""Trigonometric and hyperbolic functions and their inverses, in radians."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from dgrad.core.op import op
from dgrad.ops._examples import uniform
from dgrad.ops._guard import guarded

__all__ = [
    "arccos",
    "arccosh",
    "arcsin",
    "arcsinh",
    "arctan",
    "arctan2",
    "arctanh",
    "cos",
    "cosh",
    "deg2rad",
    "rad2deg",
    "sin",
    "sinc",
    "sinh",
    "tan",
]


@op(complex=True, numpy=np.sin, methods=("sin",))
def sin(x: Any) -> Any:
    """Sine, radians. x: any shape -> same shape."""
    return np.sin(x)


sin.vjp(x=lambda g, x: g * np.cos(x))


@op(complex=True, numpy=np.cos, methods=("cos",))
def cos(x: Any) -> Any:
    """Cosine, radians. x: any shape -> same shape."""
    return np.cos(x)


cos.vjp(x=lambda g, x: -g * np.sin(x))


@op(complex=True, numpy=np.tan, methods=("tan",), example=uniform((-1.0, 1.0)))
def tan(x: Any) -> Any:
    """Tangent, radians. x: any shape -> same shape."""
    return np.tan(x)


tan.vjp(x=lambda g, out: g * (out * out + 1))


def _cosine(g: Any, x: Any) -> Any:
    """sqrt(1 - x^2), exact near its zeros; 1 there and outside [-1, 1] where g is 0."""
    outside = np.equal(x * x, 1) if x.dtype.kind == "c" else ~np.less(np.absolute(x), 1)
    x = np.where(np.equal(g, 0) & outside, 0.0, x)
    return np.sqrt((1 - x) * (1 + x))


@op(complex=True, numpy=np.arcsin, methods=("arcsin",), example=uniform((-0.9, 0.9)))
def arcsin(x: Any) -> Any:
    """The angle in [-pi/2, pi/2] whose sine is x; NaN outside [-1, 1]. x: any shape -> same."""
    return np.arcsin(x)


arcsin.vjp(x=lambda g, x: g / _cosine(g, x))


@op(complex=True, numpy=np.arccos, methods=("arccos",), example=uniform((-0.9, 0.9)))
def arccos(x: Any) -> Any:
    """The angle in [0, pi] whose cosine is x; NaN outside [-1, 1]. x: any shape -> same shape."""
    return np.arccos(x)


arccos.vjp(x=lambda g, x: -g / _cosine(g, x))


@op(complex=True, numpy=np.arctan, methods=("arctan",))
def arctan(x: Any) -> Any:
    """The angle in (-pi/2, pi/2) whose tangent is x. x: any shape -> same shape."""
    return np.arctan(x)


arctan.vjp(x=lambda g, x: g / guarded(g, x * x + 1))


@op(broadcasts=True, numpy=np.arctan2, methods=("arctan2",))
def arctan2(y: Any, x: Any) -> Any:
    """The angle of the point (x, y), in [-pi, pi]; its gradient at (0, 0) is 0. Shapes broadcast.

    PyTorch's rule at the origin.
    """
    return np.arctan2(y, x)


def _turn(g: Any, across: Any, x: Any, y: Any) -> Any:
    """g across / (x^2 + y^2), without overflow, and 0 at the origin."""
    r = np.hypot(x, y)
    r = np.where(np.equal(r, 0), np.inf, r)
    return g * (across / r) / r


arctan2.vjp(y=lambda g, y, x: _turn(g, x, x, y), x=lambda g, y, x: -_turn(g, y, x, y))


@op(complex=True, numpy=np.sinh, methods=("sinh",))
def sinh(x: Any) -> Any:
    """Hyperbolic sine. x: any shape -> same shape."""
    return np.sinh(x)


sinh.vjp(x=lambda g, x: g * np.cosh(x))


@op(complex=True, numpy=np.cosh, methods=("cosh",))
def cosh(x: Any) -> Any:
    """Hyperbolic cosine. x: any shape -> same shape."""
    return np.cosh(x)


cosh.vjp(x=lambda g, x: g * np.sinh(x))


@op(complex=True, numpy=np.arcsinh, methods=("arcsinh",))
def arcsinh(x: Any) -> Any:
    """Inverse of sinh. x: any shape -> same shape."""
    return np.arcsinh(x)


def _arcsinh_rule(g: Any, out: Any) -> Any:
    return g / guarded(g, np.cosh(out))  # sqrt(x^2 + 1), whose square could overflow


arcsinh.vjp(x=_arcsinh_rule)


@op(complex=True, numpy=np.arccosh, methods=("arccosh",), example=uniform((1.5, 3.0)))
def arccosh(x: Any) -> Any:
    """Inverse of cosh, not negative; NaN below 1. x: any shape -> same shape."""
    return np.arccosh(x)


def _arccosh_rule(g: Any, out: Any) -> Any:
    singular = np.equal(out, 0) | np.isnan(out)
    return g / np.sinh(np.where(np.equal(g, 0) & singular, 1.0, out))  # sqrt(x^2 - 1)


arccosh.vjp(x=_arccosh_rule)


@op(complex=True, numpy=np.arctanh, methods=("arctanh",), example=uniform((-0.9, 0.9)))
def arctanh(x: Any) -> Any:
    """Inverse of tanh; infinite at -1 and 1, NaN outside. x: any shape -> same shape."""
    return np.arctanh(x)


arctanh.vjp(x=lambda g, x: g / guarded(g, (1 - x) * (1 + x)))


@op(complex=True, numpy=np.sinc, methods=("sinc",))
def sinc(x: Any) -> Any:
    """sin(pi x) / (pi x), 1 at 0. x: any shape -> same shape."""
    return np.sinc(x)


# sinc'(x) / x in powers of x^2, constant first: exact to third order and more for |x| < 1/2.
SINC_SLOPE = tuple(
    (-1) ** k * 2 * k * math.pi ** (2 * k) / math.factorial(2 * k + 1) for k in range(1, 15)
)


def _sinc_rule(g: Any, x: Any, out: Any) -> Any:
    near = np.less(np.absolute(x), 0.5)  # there cos(pi x) - sinc(x) would cancel
    small, large = np.where(near, x, 0.0), np.where(near, 1.0, x)
    u = small * small
    series = u * SINC_SLOPE[-1]
    for c in SINC_SLOPE[-2:0:-1]:
        series = (series + c) * u
    series = (series + SINC_SLOPE[0]) * small
    return g * np.where(near, series, (np.cos(large * math.pi) - out) / large)


sinc.vjp(x=_sinc_rule)


@op(numpy=(np.deg2rad, np.radians), methods=("deg2rad",))
def deg2rad(x: Any) -> Any:
    """Degrees as radians: x pi / 180. x: any shape -> same shape."""
    return np.deg2rad(x)


deg2rad.vjp(x=lambda g: g * (math.pi / 180))


@op(numpy=(np.rad2deg, np.degrees), methods=("rad2deg",))
def rad2deg(x: Any) -> Any:
    """Radians as degrees: x 180 / pi. x: any shape -> same shape."""
    return np.rad2deg(x)


rad2deg.vjp(x=lambda g: g * (180 / math.pi))
