"""Cases of dgrad/ops/random.py."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from dgrad.core.stream import generator
from dgrad.randomness import Purpose
from tests.cases.case import *

__all__ = ["CASES", "REFERENCES", "TORCH"]


def _dropout(x: Any, p: float, key: Any) -> Any:
    kept = generator(key).random(np.shape(x), dtype=np.float32) >= p
    return np.where(kept, x / (1 - p or 1), 0.0)


CASES: dict[str, list[Case]] = {
    "dropout": [
        *(Case(normal(3, 4), p=p, key=(1, Purpose.STEP, 2, 3)) for p in (0.0, 0.3, 1.0)),
        *unary(normal, p=0.5, key=(0, Purpose.STEP, 0, 0)),
    ],
}

REFERENCES: dict[str, Callable[..., Any]] = {
    "dropout": _dropout,
}

TORCH: dict[str, Any] = {}
