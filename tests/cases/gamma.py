"""Cases of dgrad/ops/gamma.py."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from tests.cases.case import *

__all__ = ["CASES", "REFERENCES", "TORCH"]


def _slope(x: float, n: int) -> float:
    """The nth derivative of digamma by Euler and Maclaurin, from 40 terms on."""
    sign = (-1) ** (n + 1)
    far = x + 40
    series = (1 / 12, -1 / 720, 1 / 30240, -1 / 1209600)
    if n == 0:
        rest = math.log(far) - 1 / (2 * far)
        rest -= sum(
            b * math.factorial(2 * k + 1) / far ** (2 * k + 2) for k, b in enumerate(series)
        )
        return rest - math.fsum(1 / (x + k) for k in range(40))
    total = math.fsum((x + k) ** -(n + 1.0) for k in range(40)) * math.factorial(n)
    total += math.factorial(n - 1) / far**n + math.factorial(n) / (2 * far ** (n + 1))
    total += sum(
        b * math.factorial(2 * k + n + 1) / far ** (2 * k + n + 2) for k, b in enumerate(series)
    )
    return sign * total


def _each(function: Callable[..., float]) -> Callable[..., Any]:
    return lambda x, **params: np.vectorize(lambda v: function(float(v), **params), [np.float64])(x)


CASES: dict[str, list[Case]] = {
    "digamma": [
        *unary(positive, 1e-10, 0.1, 3.0, 25.0, 1e5),
        Case(np.array([-0.5, -1.7, -3.2])),
    ],
    "lgamma": [
        *unary(positive, 1e-300, 1.0 + 1e-12, 2.0 - 1e-12, 9.5, 50.0, 1e300),
        Case(np.array([-0.5, -1.7, -3.2])),
    ],
    "polygamma": [
        *unary(positive, 1e-10, 0.1, 3.0, 25.0, 1e5, n=1),
        *(Case(positive(2, 3), n=n) for n in (0, 2, 3)),
        Case(np.array([-0.5, -1.7, -3.2]), n=1),
    ],
}

REFERENCES: dict[str, Callable[..., Any]] = {
    "digamma": _each(lambda x: _slope(x, 0)),
    "lgamma": _each(math.lgamma),
    "polygamma": _each(_slope),
}

TORCH: dict[str, Any] = {
    "digamma": "digamma",
    "lgamma": "lgamma",
    "polygamma": lambda torch: lambda x, n: torch.polygamma(n, x),
}
