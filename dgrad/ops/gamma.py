"""The logarithm of the gamma function and its derivatives, the polygamma functions."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from dgrad.core.op import op
from dgrad.errors import ParameterError
from dgrad.ops._examples import uniform
from dgrad.ops._floats import as_floats
from dgrad.ops._polynomial import polynomial

__all__ = ["digamma", "lgamma", "polygamma"]

# Bernoulli numbers B_2, B_4, ...
BERNOULLI = (1 / 6, -1 / 30, 1 / 42, -1 / 30, 5 / 66, -691 / 2730, 7 / 6, -3617 / 510, 43867 / 798)
# lgamma(2 + z) / z in powers of z: 1 - Euler's constant, then (-1)^k (zeta(k) - 1) / k, k >= 2,
# computed with 40 digits; exact for |z| <= 1/2.
ABOUT_TWO = (
    0.42278433509846713,
    0.3224670334241132,
    -0.0673523010531981,
    0.020580808427784546,
    -0.007385551028673986,
    0.0028905103307415234,
    -0.001192753911703261,
    0.0005096695247430425,
    -0.00022315475845357939,
    9.945751278180853e-05,
    -4.492623673813314e-05,
    2.050721277567069e-05,
    -9.439488275268397e-06,
    4.374866789907488e-06,
    -2.039215753801366e-06,
    9.55141213040742e-07,
    -4.492469198764566e-07,
    2.1207184805554665e-07,
    -1.0043224823968099e-07,
    4.7698101693639804e-08,
    -2.2711094608943164e-08,
    1.0838659214896955e-08,
    -5.183475041970047e-09,
    2.4836745438024785e-09,
    -1.1921401405860912e-09,
    5.731367241678862e-10,
)
STIRLING = 10.0  # from here on the asymptotic series is exact


@op(methods=("lgamma",), example=uniform((0.5, 4.0)))
def lgamma(x: Any) -> Any:
    """log |Gamma(x)|, infinite at 0, -1, -2, ... x: any shape -> same shape.

    Relative accuracy for x > 0, near its zeros 1 and 2 too.
    """
    x = np.asarray(as_floats(x))
    wide = x.astype(np.float64)
    left = wide <= 0
    out = _log_gamma(np.where(left, 1 - wide, wide))
    with np.errstate(divide="ignore", invalid="ignore"):  # the poles; -inf has no fraction
        reflected = np.log(math.pi / np.abs(np.sin(_fraction(wide) * math.pi))) - out
    reflected = np.where(np.isneginf(wide), np.inf, reflected)
    return np.where(left, reflected, out).astype(x.dtype)


def _fraction(x: Any) -> Any:
    """x less the nearest integer: sin and cot of pi x keep their accuracy for large x."""
    return x - np.rint(x)


def _log_gamma(x: Any) -> Any:
    """lgamma for x > 0: shifted to [1.5, 2.5], and Stirling's series for large x."""
    low = np.minimum(x, STIRLING)
    up = low < 1.5
    factor = np.where(up, np.where(low < 0.5, low * (low + 1), low), 1.0)
    y = low
    for _ in range(int(STIRLING)):
        over = y > 2.5
        y = np.where(over, y - 1, y)
        factor = np.where(over, factor * y, factor)
    z = np.where(low < 0.5, low, np.where(up, low - 1, y - 2))  # exact near the zeros 1 and 2
    shift = np.log(factor)
    near = polynomial(z, ABOUT_TWO) * z + np.where(up, -shift, shift)
    high = np.maximum(x, STIRLING)
    inverse = 1 / high
    terms = tuple(b / ((2 * k + 2) * (2 * k + 1)) for k, b in enumerate(BERNOULLI))
    far = (high - 0.5) * (np.log(high) - 1) + (math.log(2 * math.pi) - 1) / 2
    return np.where(x < STIRLING, near, far + polynomial(np.square(inverse), terms) * inverse)


@op(methods=("digamma",), example=uniform((0.5, 4.0)))
def digamma(x: Any) -> Any:
    """The derivative of lgamma: Gamma'(x) / Gamma(x). x: any shape -> same shape.

    -inf at 0, NaN at -1, -2, ...: there the sides differ.
    """
    return _polygamma(x, 0)


@op(example=lambda rng: ((rng.uniform(0.5, 4.0, size=(3, 4)),), {"n": 2}))
def polygamma(x: Any, *, n: int) -> Any:
    """The nth derivative of digamma, n >= 0. x: any shape -> same shape.

    At 0, -1, -2, ... inf for odd n, NaN for even n. Raises ParameterError for other n.
    """
    if isinstance(n, bool) or not isinstance(n, int | np.integer) or n < 0:
        raise ParameterError("polygamma", "n", "an integer >= 0", n)
    return _polygamma(x, int(n))


def _away(g: Any, x: Any) -> Any:
    """x, and 1 where x is a pole and no gradient comes in."""
    pole = np.less_equal(x, 0) & np.equal(x, np.floor(x))
    return np.where(np.equal(g, 0) & pole, 1.0, x)


lgamma.vjp(x=lambda g, x: g * digamma(_away(g, x)))
digamma.vjp(x=lambda g, x: g * polygamma(_away(g, x), n=1))
polygamma.vjp(x=lambda g, x, n: g * polygamma(_away(g, x), n=n + 1))


def _polygamma(x: Any, n: int) -> Any:
    """The nth derivative of digamma, in float64 and then x's dtype."""
    x = np.asarray(as_floats(x))
    wide = x.astype(np.float64)
    left = wide <= 0
    out = _polygamma_right(np.where(left, 1 - wide, wide), n)
    reflected = (-1) ** n * out - _cotangent_derivative(np.where(left, wide, 0.5), n)
    return np.where(left, reflected, out).astype(x.dtype)


def _polygamma_right(x: Any, n: int) -> Any:
    """For x > 0: the recurrence up to where the asymptotic series is exact."""
    steps = int(STIRLING) + n
    low = x < steps
    shifted = np.where(low, x, 1.0)
    lead = (-1) ** (n + 1) * math.factorial(n)
    total = np.zeros_like(x)
    for k in range(steps):
        total += 1 / (shifted + k) ** (n + 1)
    return np.where(low, total * lead, 0.0) + _asymptotic(np.where(low, x + steps, x), n)


def _asymptotic(x: Any, n: int) -> Any:
    """The nth derivative of log x - 1/(2x) - sum of B_2k / (2k x^2k), k >= 1."""
    inverse = 1 / x
    sign = (-1) ** (n + 1)
    terms = tuple(
        b * math.factorial(2 * k + 1 + n) / math.factorial(2 * k + 2)
        for k, b in enumerate(BERNOULLI)
    )
    rest = math.factorial(n) / 2 * inverse + polynomial(np.square(inverse), terms) * np.square(
        inverse
    )
    if n == 0:
        return np.log(x) - rest
    return sign * (math.factorial(n - 1) + rest) * inverse**n


def _cotangent_derivative(x: Any, n: int) -> Any:
    """The nth derivative of pi cot(pi x), a polynomial in c = cot(pi x): c' = -pi (1 + c^2)."""
    r = _fraction(np.where(np.isfinite(x), x, np.nan))
    with np.errstate(divide="ignore"):
        c = 1 / np.tan(r * math.pi)
    terms = np.array([0.0, 1.0])
    for _ in range(n):
        terms = -np.polynomial.polynomial.polymul(
            np.polynomial.polynomial.polyder(terms), [1.0, 0.0, 1.0]
        )
    out = polynomial(c, tuple(terms)) * math.pi ** (n + 1)
    if n % 2:
        return out
    return np.where(np.equal(r, 0) & (np.not_equal(x, 0) | (n > 0)), np.nan, out)
