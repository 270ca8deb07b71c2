"""Special functions that NumPy lacks: the normal distribution function, erf and its relatives."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from dgrad.core.op import op
from dgrad.ops._examples import uniform
from dgrad.ops._floats import as_floats
from dgrad.ops._polynomial import polynomial

__all__ = ["erf", "erfc", "erfinv", "normal_cdf"]

# Coefficients of (1 + 2z) exp(z^2) erfc(z) as a polynomial in t = (z - 3.75) / (z + 3.75), z >= 0,
# constant first: the mapping of Shepherd & Laframboise 1981. They come from the Chebyshev series,
# computed with 40 digits and cut where it reaches the dtype's resolution.
DOUBLE = (
    1.2375126308378275,
    -0.14024059858554527,
    0.003585415485479032,
    0.08227673848999507,
    -0.10880393014244463,
    0.09230432116428125,
    -0.05869339857664933,
    0.02836227737211114,
    -0.009746579683265262,
    0.0017556261651970652,
    0.000293714378044958,
    -0.00029015535246077655,
    5.164652974177416e-05,
    2.2387565714911816e-05,
    -1.1438048033346894e-05,
    -9.79262570730352e-07,
    1.7419821586224816e-06,
    -5.084465378687302e-08,
    -2.4857126248016745e-07,
    1.879082322370048e-08,
    3.197926671666804e-08,
    -1.9551358868985616e-09,
    -2.623107347133476e-09,
)
SINGLE = (
    1.237512619,
    -0.1402406583,
    0.003586270394,
    0.08227841998,
    -0.1088142701,
    0.09229076959,
    -0.05864685874,
    0.02840925236,
    -0.00984449486,
    0.001675912218,
    0.000396307613,
    -0.0002241167467,
)
# erf(z) / z in powers of z^2, constant first: exact for |z| <= 1/2.
ERF = tuple(
    2 / math.sqrt(math.pi) * (-1) ** k / (math.factorial(k) * (2 * k + 1)) for k in range(13)
)
FAR = 28.0  # exp(-FAR^2) is 0 in every dtype


def _scaled_erfc(z: Any) -> Any:
    """(1 + 2z) exp(z^2) erfc(z), z >= 0, z = inf included."""
    return polynomial(1 - 7.5 / (z + 3.75), DOUBLE if z.itemsize > 4 else SINGLE)


@op
def normal_cdf(x: Any) -> Any:
    """Phi(x) = erfc(-x / sqrt 2) / 2, relative accuracy in both tails. x: any shape -> same."""
    x = np.asarray(as_floats(x))
    z = np.abs(x) * math.sqrt(0.5)
    tail = _scaled_erfc(z)
    tail *= np.exp(np.square(x) * -0.5) / (z * 4 + 2)
    return np.where(x > 0, 1 - tail, tail)


normal_cdf.vjp(x=lambda g, x: g * (np.exp(x * x * -0.5) * (1 / math.sqrt(2 * math.pi))))


def _erfc_tail(z: Any) -> Any:
    """erfc(z), z >= 0."""
    bounded = np.minimum(z, FAR)
    return _scaled_erfc(z) * np.exp(-bounded * bounded) / (z * 2 + 1)


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
