"""Cases of dgrad/ops/linear_systems.py."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from tests.cases.case import *

__all__ = ["CASES", "REFERENCES", "TORCH", "complex_regular", "regular"]


def regular(*shape: int) -> np.ndarray:
    """Matrices far from those of lower rank."""
    return normal(*shape) / 2 + 3 * np.eye(*shape[-2:])


def complex_regular(*shape: int) -> np.ndarray:
    """Complex square matrices far from singular ones."""
    return complex_normal(*shape) / 2 + 3 * np.eye(shape[-1])


def _triangle(a: Any, lower: bool, unit_diagonal: bool) -> Any:
    part = np.tril(a, -1) if lower else np.triu(a, 1)
    return part + (np.eye(a.shape[-1]) if unit_diagonal else a * np.eye(a.shape[-1]))


def _power(x: Any, n: int) -> Any:
    x = np.linalg.inv(x) if n < 0 else x
    out = np.broadcast_to(np.eye(x.shape[-1]), x.shape)
    for _ in range(abs(n)):
        out = out @ x
    return out


def _torch_triangular(torch: Any) -> Callable[..., Any]:
    def solve(a: Any, b: Any, lower: bool = False, unit_diagonal: bool = False) -> Any:
        columns = b[:, None] if b.ndim == 1 else b
        out = torch.linalg.solve_triangular(
            a, columns, upper=not lower, unitriangular=unit_diagonal
        )
        return out[..., 0] if b.ndim == 1 else out

    return solve


SQUARES = [
    Case(regular(3, 3)),
    Case(regular(1, 1)),
    Case(regular(2, 2, 2)),
    Case(regular(2, 1, 2, 2)),
    Case(regular(0, 3, 3)),
    Case(regular(3, 3).T),
    Case(regular(3, 3)[::-1]),
    Case(repeated(regular(2, 2), 2)),
    Case(np.diag([1e150, 1.0, 1e-150]), order=0),
]
SYSTEMS: list[tuple[Any, Any]] = [
    (regular(3, 3), normal(3)),
    (regular(3, 3), normal(3, 2)),
    (regular(1, 1), normal(1)),
    (regular(2, 3, 3), normal(2, 3, 2)),
    (regular(3, 3), normal(4, 3, 1)),
    (regular(4, 3, 3), normal(3, 2)),
    (regular(2, 1, 2, 2), normal(3, 2, 2)),
    (regular(0, 3, 3), normal(3, 2)),
    (regular(3, 3), normal(3, 0)),
    (regular(3, 3).T, normal(2, 3).T),
    (regular(3, 3)[::-1], normal(3)[::-1]),
    (repeated(regular(2, 2), 2), repeated(normal(2), 2).T[None]),
]
# one vector, or matrix, for all of a batch, which PyTorch takes for a batch of vectors, or refuses
BATCH = [(regular(2, 3, 3), normal(3)), (regular(2, 2, 2), normal(2, 2))]

CASES: dict[str, list[Case]] = {
    "inv": [*SQUARES, Case(complex_regular(2, 2, 2))],
    "matrix_power": [
        *(Case(regular(2, 3, 3), n=n) for n in (0, 1, 2, 3, 5, -1, -2)),
        Case(regular(1, 1), n=4),
        Case(regular(0, 2, 2), n=2),
        Case(regular(2, 2).T, n=3),
        Case(regular(2, 2)[::-1], n=-3),
        Case(repeated(regular(2, 2), 2), n=2),
        Case(np.diag([1e100, 1e-100]), n=3, order=0),
        Case(complex_regular(2, 2), n=2),
        Case(complex_regular(2, 2), n=-1),
    ],
    "pinv": [
        Case(regular(3, 3)),
        Case(regular(4, 2)),
        Case(regular(2, 4)),
        Case(regular(2, 3, 2)),
        Case(regular(1, 1)),
        Case(regular(3, 1)),
        Case(regular(0, 3)),
        Case(regular(0, 3, 2)),
        Case(regular(3, 2).T),
        Case(regular(3, 2)[::-1], rcond=1e-10, torch=False),
        Case(repeated(regular(3, 2), 2)),
        Case(np.outer([1.0, 2.0, 3.0], [1.0, -1.0]), order=0, rcond=1e-10),  # rank 1
        Case(np.zeros((2, 3)), order=0),
    ],
    "solve": [
        *(Case(a, b) for a, b in SYSTEMS),
        *(Case(a, b, torch=False) for a, b in BATCH),
        Case(np.diag([1e150, 1e-150]), np.array([1.0, 2.0]), order=0),
        Case(complex_regular(2, 2), complex_normal(2)),
        Case(regular(2, 2), complex_normal(2, 2), torch=False),  # which wants one dtype
    ],
    "solve_triangular": [
        *(Case(a, b, lower=bool(i % 2)) for i, (a, b) in enumerate(SYSTEMS[:7])),
        Case(regular(3, 3), normal(3, 2), lower=True, unit_diagonal=True),
        Case(regular(2, 3, 3), normal(3, 2), unit_diagonal=True),
        Case(regular(0, 3, 3), normal(3, 2)),
        Case(regular(3, 3).T, normal(2, 3).T, lower=True),
        Case(regular(3, 3)[:, ::-1][:, ::-1], normal(3)[::-1]),
        Case(repeated(regular(2, 2), 2), repeated(normal(2), 2).T),
        Case(np.array([[1e100, np.nan], [2.0, 1e-100]]), np.ones(2), lower=True, order=0),
        Case(complex_regular(2, 2), complex_normal(2), lower=True),
    ],
}

REFERENCES: dict[str, Callable[..., Any]] = {
    "inv": np.linalg.inv,
    "matrix_power": _power,
    "pinv": np.linalg.pinv,
    "solve": np.linalg.solve,
    "solve_triangular": lambda a, b, lower=False, unit_diagonal=False: np.linalg.solve(
        _triangle(np.where(np.isnan(a), 0, a), lower, unit_diagonal), b
    ),
}

TORCH: dict[str, Any] = {
    "inv": "linalg.inv",
    "matrix_power": "linalg.matrix_power",
    "pinv": "linalg.pinv",
    "solve": "linalg.solve",
    "solve_triangular": _torch_triangular,
}
