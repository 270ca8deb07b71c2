"""Cases of dgrad/ops/matrix_products.py."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from tests.cases.case import *

__all__ = ["CASES", "REFERENCES", "TORCH"]

MATRICES = [
    ((2, 3), (3, 4)),
    ((3,), (3,)),
    ((3,), (3, 2)),
    ((2, 3), (3,)),
    ((4, 2, 3), (3,)),
    ((3,), (4, 3, 2)),
    ((4, 2, 3), (3, 2)),
    ((2, 3), (4, 3, 2)),
    ((4, 2, 3), (4, 3, 2)),
    ((4, 1, 2, 3), (5, 3, 2)),
    ((1, 2, 3), (4, 3, 1)),
    ((1, 1), (1, 1)),
    ((0, 3), (3, 2)),
    ((2, 0), (0, 3)),
    ((2, 3), (3, 0)),
    ((0, 2, 3), (3, 2)),
]


def _linear(x: Any, weight: Any, bias: Any = None) -> Any:
    return np.einsum("...i,oi->...o", x, weight) + (0 if bias is None else bias)


CASES: dict[str, list[Case]] = {
    "linear": [
        Case(normal(2, 3), normal(4, 3), normal(4)),
        Case(normal(2, 3), normal(4, 3), None),
        Case(normal(2, 3), normal(4, 3)),
        Case(normal(3), normal(4, 3), normal(4)),
        Case(normal(2, 5, 3), normal(4, 3), normal(4)),
        Case(normal(0, 3), normal(4, 3), normal(4)),
        Case(normal(2, 0), normal(4, 0), normal(4)),
        Case(normal(2, 1, 0), normal(4, 0), normal(4)),
        Case(normal(1, 1), normal(1, 1), normal(1)),
        Case(normal(2, 520), normal(3, 520), normal(3), order=1),  # long rows: weight x^T
        Case(normal(3, 2).T, normal(3, 4).T, normal(4)[::-1]),
    ],
    "matmul": [
        *(Case(normal(*a), normal(*b)) for a, b in MATRICES),
        Case(normal(3, 2).T, normal(3, 4)[::-1]),
        Case(repeated(normal(3), 2), repeated(normal(2), 3)),
        Case(complex_normal(2, 3), complex_normal(3)),
        Case(normal(2, 2, 2), complex_normal(2, 2), torch=False),  # which wants one dtype
    ],
}

REFERENCES: dict[str, Callable[..., Any]] = {
    "linear": _linear,
}

TORCH: dict[str, Any] = {
    "linear": "nn.functional.linear",
    "matmul": "matmul",
}
