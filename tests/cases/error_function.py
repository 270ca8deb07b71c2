"""Cases of dgrad/ops/error_function.py."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from tests.cases.case import *

__all__ = ["CASES", "REFERENCES", "TORCH", "normal_cdf"]


def normal_cdf(x: Any) -> Any:
    """The normal distribution function by the standard library."""
    return np.vectorize(lambda v: math.erfc(-v / math.sqrt(2)) / 2, otypes=[np.float64])(x)


def within(*shape: int) -> np.ndarray:
    """Numbers between -0.9 and 0.9."""
    return np.asarray(rng.uniform(-0.9, 0.9, size=shape))


def _erfinv(x: Any) -> Any:
    """By bisection of the standard library's erf, or of erfc where that is small."""

    def one(v: float) -> float:
        low, high = 0.0, 6.0
        for _ in range(200):
            middle = (low + high) / 2
            beyond = math.erf(middle) > v if v < 0.5 else math.erfc(middle) < 1 - v
            low, high = (low, middle) if beyond else (middle, high)
        return low

    size = np.vectorize(one, otypes=[np.float64])(np.abs(x))
    return np.copysign(np.where(np.abs(x) < 1, size, np.inf), x)


CASES: dict[str, list[Case]] = {
    "erf": unary(normal, *WIDE, -6.0, 0.49, 0.51),
    "erfc": unary(normal, *WIDE, -6.0, 6.0, 26.0),
    "erfinv": unary(within, -1.0 + 1e-15, 0.0, 1e-300, 1.0 - 1e-9),
    "normal_cdf": unary(normal, -37.0, -9.0, 0.0, 9.0, 800.0),
}

REFERENCES: dict[str, Callable[..., Any]] = {
    "erf": np.vectorize(math.erf, otypes=[np.float64]),
    "erfc": np.vectorize(math.erfc, otypes=[np.float64]),
    "erfinv": _erfinv,
    "normal_cdf": normal_cdf,
}

TORCH: dict[str, Any] = {
    "erf": "erf",
    "erfc": "erfc",
    "erfinv": "erfinv",
    "normal_cdf": "special.ndtr",
}
