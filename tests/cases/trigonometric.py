"""Cases of dgrad/ops/trigonometric.py."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from tests.cases.case import *

__all__ = ["CASES", "REFERENCES", "TORCH"]


def within(*shape: int) -> np.ndarray:
    """Numbers between -0.9 and 0.9."""
    return np.asarray(rng.uniform(-0.9, 0.9, size=shape))


ROUND = np.array([-1.0, -1.0, 1.0, 1.0, 0.0, 0.0, 1e200, 3e-200])
ABOUT = np.array([-1.0, 1.0, -1.0, 1.0, 0.0, 2.0, 1e200, 4e-200])

CASES: dict[str, list[Case]] = {
    "arccos": unary(within, -1.0, 0.0, 1.0 - 1e-15),
    "arccosh": unary(shifted(positive, 1.0), 1.0 + 1e-15, 1e300),
    "arcsin": unary(within, -1.0, 0.0, 1.0 - 1e-15),
    "arcsinh": unary(normal, -1e300, -1e-300, 0.0, 800.0),
    "arctan": unary(normal, -1e150, -1e-300, 0.0, 800.0),
    "arctan2": [*binary(distinct, shifted(distinct, 0.2)), Case(ROUND, ABOUT, order=0)],
    "arctanh": unary(within, -1.0 + 1e-15, 0.0, 1e-300),
    "cos": unary(normal, -800.0, 0.0, 800.0),
    "cosh": unary(normal, -700.0, 0.0, 1e-300),
    "deg2rad": unary(normal, -720.0, 0.0, 1e300),
    "rad2deg": unary(normal, -7.0, 0.0, 1e300),
    "sin": unary(normal, -800.0, 0.0, 800.0),
    "sinc": [
        *unary(normal, -800.5, -1.0, -0.5, 0.0, 0.5, 1e-300, 3.0),
        Case(np.array([-1e-3, 1e-5, 0.1, 0.3, 0.49, 0.51])),
    ],
    "sinh": unary(normal, -700.0, 0.0, 1e-300),
    "tan": unary(within, -800.0, 0.0, 1.5707),
}

REFERENCES: dict[str, Callable[..., Any]] = {}

TORCH: dict[str, Any] = {
    name: name
    for name in ("arccos", "arccosh", "arcsin", "arcsinh", "arctan", "arctan2", "arctanh", "cos")
} | {name: name for name in ("cosh", "deg2rad", "rad2deg", "sin", "sinc", "sinh", "tan")}
