"""Cases of dgrad/ops/gelu.py."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from tests.cases.case import *
from tests.cases.error_function import normal_cdf

__all__ = ["CASES", "REFERENCES", "TORCH"]


def _gelu(x: Any, approximate: str = "none") -> Any:
    if approximate == "tanh":
        return 0.5 * x * (1 + np.tanh(math.sqrt(2 / math.pi) * (x + 0.044715 * x**3)))
    return x * normal_cdf(x)


CASES: dict[str, list[Case]] = {
    "gelu": [
        *unary(normal, -800.0, -9.0, 0.0, 9.0, 800.0),
        *unary(normal, -800.0, -9.0, 0.0, 9.0, 800.0, approximate="tanh"),
    ],
}

REFERENCES: dict[str, Callable[..., Any]] = {"gelu": _gelu}

TORCH: dict[str, Any] = {"gelu": "nn.functional.gelu"}
