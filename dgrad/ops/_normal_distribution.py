"""The normal distribution function of arrays, and Mills' ratio behind it."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from dgrad.ops._polynomial import polynomial

__all__ = ["mills", "write_normal_cdf"]

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
# Coefficients of M(u) = exp(u^2 / 2) Phi(-u) as a polynomial in 1 / (u + SHIFT), constant first, by
# Lawson's iteration: Phi is right to 4e-8 at first, to 1e-6 of itself where it is small, u <= 7.
SINGLE = (
    0.0001607787074,
    0.392312636,
    0.9633939407,
    0.2951475863,
    7.550829253,
    -21.97178799,
    23.65356129,
    -9.58800374,
)
SHIFT = 2.125


def mills(u: Any) -> Any:
    """exp(u^2 / 2) Phi(-u), u >= 0, u = inf included: Mills' ratio over sqrt(2 pi)."""
    if u.itemsize > 4:
        z = u * math.sqrt(0.5)
        return polynomial(1 - 7.5 / (z + 3.75), DOUBLE) / (z * 4 + 2)
    u = u + SHIFT
    return polynomial(np.reciprocal(u, out=u if u.ndim else None), SINGLE)


def write_normal_cdf(x: Any, cdf: Any, bell: Any) -> None:
    """Phi(x) into cdf, exp(-x^2 / 2) into bell; all of one shape and dtype."""
    np.multiply(x, -0.5 / math.log(2), out=bell)
    bell *= x
    np.exp2(bell, out=bell)  # with AVX-512 half the time of exp
    tail = mills(np.abs(x, out=cdf))
    tail *= bell
    np.greater(x, 0, out=cdf)
    cdf -= tail
    np.abs(cdf, out=cdf)
