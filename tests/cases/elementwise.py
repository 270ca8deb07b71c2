"""Cases of dgrad/ops/elementwise.py."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from tests.cases.case import *

__all__ = ["CASES", "REFERENCES", "TORCH"]

CASES: dict[str, list[Case]] = {
    "abs": unary(distinct, -800.0, -0.0, 0.0, 800.0),
    "add": binary(normal),
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
    "cos": unary(normal, -800.0, 0.0, 800.0),
    "divide": binary(normal, positive),
    "exp": unary(normal, -800.0, 0.0, 700.0),
    "expm1": unary(normal, -800.0, -1e-20, 0.0, 1e-20, 700.0),
    "log": unary(positive, 1e-300, 1.0, 1e300),
    "log1p": unary(positive, -1 + 1e-15, 1e-20, 0.0, 1e300),
    "maximum": [
        *binary(distinct, shifted(distinct, 0.2)),
        Case(WIDE, WIDE[::-1], order=0),
        Case(np.array([1.0, 2.0]), np.array([1.0, 3.0]), order=0),
    ],
    "minimum": [
        *binary(distinct, shifted(distinct, 0.2)),
        Case(WIDE, WIDE[::-1], order=0),
        Case(np.array([1.0, 2.0]), np.array([1.0, 3.0]), order=0),
    ],
    "multiply": binary(normal),
    "negative": unary(normal, -800.0, 0.0, 800.0),
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
    "sin": unary(normal, -800.0, 0.0, 800.0),
    "sqrt": unary(positive, 0.0, 1e-300, 1e300),
    "square": unary(normal, -1e150, 0.0, 1e150),
    "subtract": binary(normal),
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
    "abs": "abs",
    "add": "add",
    "clip": "clip",
    "cos": "cos",
    "divide": "divide",
    "exp": "exp",
    "expm1": "expm1",
    "log": "log",
    "log1p": "log1p",
    "maximum": "maximum",
    "minimum": "minimum",
    "multiply": "multiply",
    "negative": "negative",
    "sin": "sin",
    "sqrt": "sqrt",
    "square": "square",
    "subtract": "subtract",
    "where": "where",
    "power": "pow",
}
