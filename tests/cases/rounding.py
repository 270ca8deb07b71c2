"""Cases of dgrad/ops/rounding.py."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from tests.cases.case import *

__all__ = ["CASES", "REFERENCES", "TORCH"]

HALVES = (-2.5, -1.5, -0.5, -0.0, 0.5, 1.5, 2.5, 1e300, np.inf, np.nan)
ROUNDED = [*unary(normal, *HALVES), Case(np.arange(4)), Case(1.5)]

CASES: dict[str, list[Case]] = {
    "ceil": ROUNDED,
    "floor": ROUNDED,
    "rint": ROUNDED,
    "round": [
        *ROUNDED,
        Case(normal(3, 4), decimals=2),
        Case(normal(3, 4) * 1000, decimals=-2),
    ],
    "trunc": ROUNDED,
}

REFERENCES: dict[str, Callable[..., Any]] = {
    "round": lambda x, decimals=0: np.around(x, decimals),
}

TORCH: dict[str, Any] = {}
