"""Cases of dgrad/ops/comparison.py."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from tests.cases.case import *

__all__ = ["CASES", "REFERENCES", "TORCH"]

COMPARISONS = [
    *binary(normal),
    Case(np.array([1.0, 2.0, np.nan]), np.array([1.0, 3.0, np.nan])),
    Case(np.arange(3), np.array([0, 2, 1])),
]
INTEGERS = Case(np.arange(6), np.array([3]))

CASES: dict[str, list[Case]] = {
    "bitwise_and": [*LOGIC, INTEGERS],
    "bitwise_or": [*LOGIC, INTEGERS],
    "bitwise_xor": [*LOGIC, INTEGERS],
    "equal": COMPARISONS,
    "greater": COMPARISONS,
    "greater_equal": COMPARISONS,
    "heaviside": [*binary(normal), Case(np.array([-1.0, -0.0, 0.0, np.nan]), 0.5)],
    "invert": [*unary(mask), Case(np.arange(4))],
    "isfinite": unary(normal, -np.inf, 0.0, np.inf, np.nan),
    "isinf": unary(normal, -np.inf, 0.0, np.inf, np.nan),
    "isnan": unary(normal, -np.inf, 0.0, np.inf, np.nan),
    "less": COMPARISONS,
    "less_equal": COMPARISONS,
    "logical_and": [*LOGIC, INTEGERS, Case(normal(3), np.array([0.0, 1.0, np.nan]))],
    "logical_not": [*unary(mask), Case(np.arange(4)), Case(np.array([0.0, 2.0, np.nan]))],
    "logical_or": [*LOGIC, INTEGERS, Case(normal(3), np.array([0.0, 1.0, np.nan]))],
    "logical_xor": [*LOGIC, INTEGERS, Case(normal(3), np.array([0.0, 1.0, np.nan]))],
    "not_equal": COMPARISONS,
    "sign": [*unary(distinct, -0.0, 0.0, np.inf, np.nan), Case(np.arange(-2, 2))],
    "signbit": unary(distinct, -np.inf, -0.0, 0.0, np.nan),
}

REFERENCES: dict[str, Callable[..., Any]] = {}

TORCH: dict[str, Any] = {}
