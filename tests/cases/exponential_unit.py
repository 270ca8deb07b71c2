"""Cases of dgrad/ops/exponential_unit.py."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from tests.cases.case import *

__all__ = ["CASES", "REFERENCES", "TORCH"]

CASES: dict[str, list[Case]] = {
    "celu": [*unary(distinct, *WIDE), Case(distinct(3, 4), alpha=0.25)],
    "elu": [*unary(distinct, *WIDE), Case(distinct(3, 4), alpha=0.3)],
    "selu": unary(distinct, *WIDE),
}


def _elu(x: Any, alpha: float = 1.0) -> Any:
    return np.where(x > 0, x, alpha * np.expm1(np.minimum(x, 0)))


REFERENCES: dict[str, Callable[..., Any]] = {
    "celu": lambda x, alpha=1.0: _elu(x / alpha) * alpha,
    "elu": _elu,
    "selu": lambda x: 1.0507009873554804934 * _elu(x, 1.6732632423543772848),
}

TORCH: dict[str, Any] = {name: f"nn.functional.{name}" for name in CASES}
