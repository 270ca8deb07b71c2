"""Cases of dgrad/ops/arithmetic.py."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from tests.cases.case import *

__all__ = ["CASES", "REFERENCES", "TORCH"]


def small(*shape: int) -> np.ndarray:
    """Numbers whose quotient by one of `positive` is far from a whole number."""
    return np.asarray(rng.uniform(0.1, 0.4, size=shape) * rng.choice([-1, 1], size=shape))


SIGNS = (np.array([5.3, -5.3, 5.3, -5.3, 0.0, 7e20]), np.array([2.0, 2.0, -2.0, -2.0, 3.0, 1.5]))
QUOTIENTS = [
    *binary(distinct, positive),
    Case(np.arange(-4, 4), 3),
    Case(*SIGNS),
]

CASES: dict[str, list[Case]] = {
    "add": binary(normal),
    "divide": binary(normal, positive),
    "floor_divide": QUOTIENTS,
    "fmod": [
        *binary(small, positive),
        Case(SIGNS[0][:4], SIGNS[1][:4]),
        Case(*SIGNS, order=0),
    ],
    "ldexp": [
        *(
            Case(normal(*a), rng.integers(-3, 4, size=b))
            for a, b in [*PAIRS, ((2, 3), (2, 3)), ((5,), (5,))]
        ),
        Case(normal(3, 2).T, np.arange(6).reshape(3, 2).T),
        Case(normal(2, 3), 4),
        Case(np.array([1e300, -1.0, 0.0]), np.array([20, -1074, 3]), order=0),
    ],
    "multiply": binary(normal),
    "negative": unary(normal, -800.0, 0.0, 800.0),
    "positive": unary(normal, -800.0, -0.0, 800.0),
    "remainder": [
        *binary(small, positive),
        Case(SIGNS[0][:4], SIGNS[1][:4]),
        Case(*SIGNS, order=0),
    ],
    "subtract": binary(normal),
}

REFERENCES: dict[str, Callable[..., Any]] = {}

TORCH: dict[str, Any] = {
    "add": "add",
    "divide": "divide",
    "fmod": "fmod",
    # given integers PyTorch rounds their powers
    "ldexp": lambda torch: lambda x, e: torch.ldexp(x, torch.as_tensor(e, dtype=x.dtype)),
    "multiply": "multiply",
    "negative": "negative",
    "positive": "positive",
    "remainder": "remainder",
    "subtract": "subtract",
}
