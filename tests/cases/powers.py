"""Cases of dgrad/ops/powers.py."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from tests.cases.case import *

__all__ = ["CASES", "REFERENCES", "TORCH"]

CASES: dict[str, list[Case]] = {
    "cbrt": [*unary(positive, -8.0, 0.0, 1e-300, 1e300), Case(-positive(3, 4))],
    "float_power": [
        *binary(positive, normal),
        Case(normal(2, 3), 3),
        Case(2, normal(2, 3)),
        Case(np.array([0.0, 0.0, 1.0, 0.0]), np.array([0.0, 2.0, 0.0, 1.0]), order=0),
    ],
    "hypot": [
        *binary(positive),
        Case(-positive(3), -positive(3)),
        Case(np.array([0.0, 1e200, -3e-200]), np.array([0.0, 1e200, 4e-200]), order=0),
    ],
    "power": [
        *binary(positive, normal),
        Case(normal(2, 3), 3),
        Case(normal(2, 3), 0),
        Case(normal(2, 3), 1),
        Case(positive(2, 3), -2),
        Case(positive(2, 3), 0.5),
        Case(np.array([0.0, 0.0, 1.0, 0.0]), np.array([0.0, 2.0, 0.0, 1.0]), order=0),
        Case(np.array([-2.0, -0.5]), 2.0),
    ],
    "reciprocal": [*unary(positive, -1e200, -2.0, 1e-100, 1e300), Case(-positive(3, 4))],
    "sqrt": unary(positive, 0.0, 1e-300, 1e300),
    "square": unary(normal, -1e150, 0.0, 1e150),
}

REFERENCES: dict[str, Callable[..., Any]] = {}

TORCH: dict[str, Any] = {
    "cbrt": lambda torch: lambda x: torch.sign(x) * torch.pow(torch.abs(x), 1 / 3),
    "float_power": "float_power",
    "hypot": "hypot",
    "power": "pow",
    "reciprocal": "reciprocal",
    "sqrt": "sqrt",
    "square": "square",
}
