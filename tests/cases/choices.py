"""Cases of dgrad/ops/choices.py."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from tests.cases.case import *

__all__ = ["CASES", "REFERENCES", "TORCH"]

NAN = np.array([np.nan, 1.0, np.nan, np.inf, -np.inf])

CASES: dict[str, list[Case]] = {
    "abs": unary(distinct, -800.0, -0.0, 0.0, 800.0),
    "astype": [
        *unary(normal, dtype=np.float64),
        Case(normal(2, 3).astype(np.float32), dtype=np.float64, order=0),
        Case(normal(2, 3), dtype="float32", order=0),
    ],
    "clip": [
        *unary(distinct, -800.0, -0.5, 0.7, 800.0, min=-0.5, max=0.7),
        Case(distinct(3, 4), min=0.25),
        Case(distinct(3, 4), max=0.25),
        Case(distinct(3, 4)),
    ],
    "copysign": [
        *binary(distinct, shifted(distinct, 0.2))[:-2],
        Case(2, distinct(2, 3), order=1),  # a gradient of 0, which depends on nothing
        Case(0.5, distinct(), order=1),
        Case(np.array([0.0, -2.0, 2.0]), np.array([-1.0, 0.0, -0.0]), order=0),
    ],
    "fabs": [*unary(distinct, -800.0, -0.0, 0.0, 800.0)],
    "fmax": [
        *binary(distinct, shifted(distinct, 0.2)),
        Case(WIDE, WIDE[::-1], order=0),
        Case(NAN, NAN[::-1], order=0),
    ],
    "fmin": [
        *binary(distinct, shifted(distinct, 0.2)),
        Case(WIDE, WIDE[::-1], order=0),
        Case(NAN, NAN[::-1], order=0),
    ],
    "maximum": [
        *binary(distinct, shifted(distinct, 0.2)),
        Case(WIDE, WIDE[::-1], order=0),
        Case(np.array([1.0, 2.0]), np.array([1.0, 3.0]), order=0),
        Case(NAN, NAN[::-1], order=0),
    ],
    "minimum": [
        *binary(distinct, shifted(distinct, 0.2)),
        Case(WIDE, WIDE[::-1], order=0),
        Case(np.array([1.0, 2.0]), np.array([1.0, 3.0]), order=0),
        Case(NAN, NAN[::-1], order=0),
    ],
    "nan_to_num": [
        *unary(normal, *NAN),
        Case(NAN, nan=2.0, posinf=3.0, neginf=-4.0, order=0),
        Case(normal(3, 4), nan=1.0),
    ],
    "where": [
        Case(mask(3, 4), normal(3, 4), normal(3, 4)),
        Case(mask(3, 1), normal(4), normal(3, 4)),
        Case(mask(4), normal(3, 1), 0.0),
        Case(mask(2, 3), 1.0, normal()),
        Case(mask(), normal(2), normal(3, 1)),
        Case(np.array([0, 2, 1]), normal(3), normal(3)),
        Case(mask(0, 3), normal(3), normal(1, 3)),
        Case(mask(3, 2).T, normal(3, 2).T, normal(2, 3)[::-1]),
    ],
}

REFERENCES: dict[str, Callable[..., Any]] = {
    "astype": lambda x, dtype: x.astype(dtype),
    "clip": lambda x, min=None, max=None: np.clip(x, min, max),
}

TORCH: dict[str, Any] = {
    "fabs": "abs",
    "abs": "abs",
    "clip": "clip",
    # torch.copysign's second derivative is 0 only up to rounding
    "copysign": lambda torch: lambda x, y: torch.where(y.signbit(), -abs(x), abs(x)) + 0 * y,
    "fmax": "fmax",
    "fmin": "fmin",
    "maximum": "maximum",
    "minimum": "minimum",
    "nan_to_num": "nan_to_num",
    "where": "where",
}
