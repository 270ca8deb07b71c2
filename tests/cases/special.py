"""Cases of dgrad/ops/special.py."""

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


CASES: dict[str, list[Case]] = {
    "normal_cdf": unary(normal, -37.0, -9.0, 0.0, 9.0, 800.0),
}

REFERENCES: dict[str, Callable[..., Any]] = {
    "normal_cdf": normal_cdf,
}

TORCH: dict[str, Any] = {
    "normal_cdf": "special.ndtr",
}
