"""Cases of dgrad/ops/exponential.py."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from tests.cases.case import *

__all__ = ["CASES", "REFERENCES", "TORCH"]

INFINITE = (
    np.array([-np.inf, -np.inf, 1.0, 800.0, -800.0]),
    np.array([-np.inf, 1.0, np.inf, -800.0, -800.0]),
)

CASES: dict[str, list[Case]] = {
    "exp": unary(normal, -800.0, 0.0, 700.0),
    "exp2": unary(normal, -1100.0, 0.0, 1000.0),
    "expm1": unary(normal, -800.0, -1e-20, 0.0, 1e-20, 700.0),
    "log": unary(positive, 1e-300, 1.0, 1e300),
    "log10": unary(positive, 1e-300, 1.0, 1e300),
    "log1p": unary(positive, -1 + 1e-15, 1e-20, 0.0, 1e300),
    "log2": unary(positive, 1e-300, 1.0, 1e300),
    "logaddexp": [*binary(normal), Case(*INFINITE, order=0)],
    "logaddexp2": [*binary(normal), Case(*INFINITE, order=0)],
}

REFERENCES: dict[str, Callable[..., Any]] = {}

TORCH: dict[str, Any] = {
    "exp": "exp",
    "exp2": "exp2",
    "expm1": "expm1",
    "log": "log",
    "log10": "log10",
    "log1p": "log1p",
    "log2": "log2",
    "logaddexp": "logaddexp",
    "logaddexp2": "logaddexp2",
}
