"""Special functions that NumPy lacks: the normal distribution function."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from dgrad.core.op import op
from dgrad.ops.floats import as_floats

__all__ = ["normal_cdf"]

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


@op
def normal_cdf(x: Any) -> Any:
    """Phi(x) = erfc(-x / sqrt 2) / 2, relative accuracy in both tails. x: any shape -> same."""
    x = np.asarray(as_floats(x))
    z = np.abs(x) * math.sqrt(0.5)
    t = 1 - 7.5 / (z + 3.75)  # z = inf maps to 1
    tail = _polynomial(t, DOUBLE if x.itemsize > 4 else SINGLE)
    tail *= np.exp(np.square(x) * -0.5) / (z * 4 + 2)
    return np.where(x > 0, 1 - tail, tail)


normal_cdf.vjp(x=lambda g, x: g * (np.exp(x * x * -0.5) * (1 / math.sqrt(2 * math.pi))))


def _polynomial(t: Any, coefficients: tuple[float, ...]) -> Any:
    """Sum of c_k t^k by Horner's rule, in place."""
    out = t * coefficients[-1]
    for c in coefficients[-2:0:-1]:
        out += c
        out *= t
    out += coefficients[0]
    return out
