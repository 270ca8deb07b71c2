"""Cases of dgrad/ops/piecewise_activation.py."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from tests.cases.case import *

__all__ = ["CASES", "REFERENCES", "TORCH"]

CASES: dict[str, list[Case]] = {
    "hardshrink": [*unary(distinct, *WIDE), Case(distinct(3, 4), lambd=1.0)],
    "hardsigmoid": [*unary(distinct, *WIDE), Case(distinct(4, 5))],
    "hardswish": [*unary(distinct, *WIDE), Case(distinct(4, 5))],
    "hardtanh": [*unary(distinct, *WIDE), Case(distinct(3, 4), min_val=-0.3, max_val=1.5)],
    "leaky_relu": [*unary(distinct, *WIDE), Case(distinct(3, 4), negative_slope=0.3)],
    "prelu": [
        Case(distinct(3, 4), normal(4)),
        Case(distinct(2, 3, 2), normal(3)),
        Case(distinct(2, 3, 2, 2), normal(3)),
        Case(distinct(3, 4), normal(1)),
        Case(distinct(3, 4), normal()),
        Case(distinct(5), normal(1)),
        Case(distinct(), normal()),
        Case(distinct(0, 3), normal(3)),
        Case(distinct(2, 0, 3), normal(0)),
        Case(distinct(3, 4).T, normal(6)[::-2]),
        Case(repeated(distinct(3), 2), 0.25),
        Case(WIDE, np.array(0.1), order=0),
    ],
    "relu": unary(distinct, *WIDE),
    "relu6": [*unary(distinct, *WIDE), Case(distinct(6, 6))],
    "softshrink": [*unary(distinct, *WIDE), Case(distinct(3, 4), lambd=1.0)],
    "threshold": [
        *unary(distinct, *WIDE, threshold=0.0, value=0.0),
        Case(distinct(3, 4), threshold=0.5, value=-2.0),
    ],
}


def _prelu(x: Any, weight: Any) -> Any:
    channels = np.moveaxis(x, 1, -1) if np.ndim(x) > 1 else x
    out = np.where(channels > 0, channels, channels * weight)
    return np.moveaxis(out, -1, 1) if np.ndim(x) > 1 else out


REFERENCES: dict[str, Callable[..., Any]] = {
    "hardshrink": lambda x, lambd=0.5: x * (abs(x) > lambd),
    "hardsigmoid": lambda x: np.minimum(np.maximum(x + 3, 0), 6) / 6,
    "hardswish": lambda x: x * np.minimum(np.maximum(x + 3, 0), 6) / 6,
    "hardtanh": lambda x, min_val=-1.0, max_val=1.0: np.minimum(np.maximum(x, min_val), max_val),
    "leaky_relu": lambda x, negative_slope=0.01: np.where(x > 0, x, x * negative_slope),
    "prelu": _prelu,
    "relu": lambda x: np.where(x > 0, x, 0.0),
    "relu6": lambda x: np.minimum(np.maximum(x, 0.0), 6.0),
    "softshrink": lambda x, lambd=0.5: np.sign(x) * np.maximum(abs(x) - lambd, 0),
    "threshold": lambda x, threshold, value: np.where(x > threshold, x, value),
}

NAMES = ("hardshrink", "hardswish", "hardtanh", "leaky_relu")
MORE = ("relu", "relu6", "softshrink", "threshold")

TORCH: dict[str, Any] = {name: f"nn.functional.{name}" for name in (*NAMES, *MORE)} | {
    "hardsigmoid": lambda torch: lambda x: torch.nn.functional.relu6(x + 3) / 6,  # theirs: float32
    "prelu": "nn.functional.prelu",
}
