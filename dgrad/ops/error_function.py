"""Special functions that NumPy lacks: the normal distribution function, erf and its relatives."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from dgrad.core.op import op
from dgrad.ops._blocks import dense, in_blocks
from dgrad.ops._examples import uniform
from dgrad.ops._floats import as_floats
from dgrad.ops._normal_distribution import mills, write_normal_cdf
from dgrad.ops._polynomial import polynomial

__all__ = ["erf", "erfc", "erfinv", "normal_cdf"]

# erf(z) / z in powers of z^2, constant first: exact for |z| <= 1/2.
ERF = tuple(
    2 / math.sqrt(math.pi) * (-1) ** k / (math.factorial(k) * (2 * k + 1)) for k in range(13)
)
FAR = 28.0  # exp(-FAR^2) is 0 in every dtype


@op
def normal_cdf(x: Any) -> Any:
    """Phi(x) = erfc(-x / sqrt 2) / 2, relative accuracy in both tails. x: any shape -> same."""
    x = dense(as_floats(x))
    out = np.empty_like(x)
    in_blocks(lambda part, cdf: write_normal_cdf(part, cdf, np.empty_like(part)), x, out)
    return out


normal_cdf.vjp(x=lambda g, x: g * (np.exp(x * x * -0.5) * (1 / math.sqrt(2 * math.pi))))


def _erfc_tail(z: Any) -> Any:
    """erfc(z), z >= 0."""
    bounded = np.minimum(z, FAR)
    return mills(z * math.sqrt(2)) * np.exp(-bounded * bounded) * 2


def _bell(x: Any) -> Any:
    """erf'(x) = 2 / sqrt(pi) exp(-x^2), without overflow to any order."""
    return np.exp(-np.square(np.clip(x, -FAR, FAR))) * (2 / math.sqrt(math.pi))


@op(methods=("erf",))
def erf(x: Any) -> Any:
    """2 / sqrt(pi) times the integral of exp(-t^2) from 0 to x. x: any shape -> same shape."""
    x = np.asarray(as_floats(x))
    z = np.abs(x)
    small = np.minimum(z, 0.5)
    near = small * polynomial(np.square(small), ERF)
    return np.copysign(np.where(z < 0.5, near, 1 - _erfc_tail(z)), x)


erf.vjp(x=lambda g, x: g * _bell(x))


@op(methods=("erfc",))
def erfc(x: Any) -> Any:
    """1 - erf(x), relative accuracy for large x too. x: any shape -> same shape."""
    x = np.asarray(as_floats(x))
    tail = _erfc_tail(np.abs(x))
    return np.where(x < 0, 2 - tail, tail)


erfc.vjp(x=lambda g, x: -(g * _bell(x)))


@op(methods=("erfinv",), example=uniform((-0.9, 0.9)))
def erfinv(x: Any) -> Any:
    """The inverse of erf; infinite at -1 and 1, NaN outside. x: any shape -> same shape.

    Winitzki's approximation (2008), then Halley's method on erf, or on erfc where that is small.
    """
    x = np.asarray(as_floats(x))
    size = np.abs(x).astype(np.float64)
    m = np.minimum(size, 1 - 2.0**-53)
    w = np.log1p(-m * m)
    s = 2 / (math.pi * 0.147) + w / 2
    y = np.sqrt(-w / 0.147 / (np.sqrt(s * s - w / 0.147) + s))
    for _ in range(3):
        excess = np.where(m < 0.5, erf(y) - m, (1 - m) - erfc(y))
        step = excess / _bell(y)
        y -= step / (1 + y * step)
    y = np.where(size > 1, np.nan, np.where(size == 1, np.inf, y))
    return np.copysign(y, x).astype(x.dtype)


def _erfinv_rule(g: Any, x: Any, out: Any) -> Any:
    inside = np.less(np.absolute(x), 1) | np.not_equal(g, 0)
    return g * (np.exp(np.square(np.where(inside, out, 0.0))) * (math.sqrt(math.pi) / 2))


erfinv.vjp(x=_erfinv_rule)
