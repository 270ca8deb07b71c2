"""Cases of dgrad/ops/tensor_products.py."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from tests.cases.case import *

__all__ = ["CASES", "REFERENCES", "TORCH"]

CONTRACTIONS: list[tuple[tuple[int, ...], tuple[int, ...], Any]] = [
    ((2, 3), (3, 4), 1),
    ((2, 3, 4), (3, 4, 5), 2),
    ((2,), (3,), 0),
    ((2, 3), (2, 3), 2),
    ((2, 3, 4), (4, 3, 5), ([1, 2], [1, 0])),
    ((3, 2, 4), (2, 5, 3), ([0, 1], [-1, 0])),
    ((4, 3, 2), (2, 4), ([-1, 0], [0, 1])),
    ((3, 2), (4, 3), ([0], [1])),
    ((2, 1, 3), (3, 1), ([2, 1], [0, 1])),
    ((0, 3), (3, 2), 1),
    ((2, 0), (0, 3), 1),
    ((2, 3), (3, 0), ([1], [0])),
    ((), (2, 3), 0),
]
FACTORS = [
    ((3,), (3,)),
    ((2, 3), (3,)),
    ((), ()),
    ((), (2, 3)),
    ((2, 3), ()),
    ((1, 3), (3,)),
    ((0, 3), (3,)),
    ((0,), (0,)),
]


def _dot(x: Any, y: Any) -> Any:
    if not (np.ndim(x) and np.ndim(y)):
        return np.multiply(x, y)
    return np.tensordot(x, y, axes=([-1], [max(np.ndim(y) - 2, 0)]))


def _inner(x: Any, y: Any) -> Any:
    if not (np.ndim(x) and np.ndim(y)):
        return np.multiply(x, y)
    return np.tensordot(x, y, axes=([-1], [-1]))


def _torch_dot(torch: Any) -> Callable[..., Any]:
    def dot(x: Any, y: Any) -> Any:
        if not (x.ndim and y.ndim):
            return x * y
        return torch.tensordot(x, y, ([x.ndim - 1], [max(y.ndim - 2, 0)]))

    return dot


def _torch_cross(torch: Any) -> Callable[..., Any]:
    def cross(x: Any, y: Any, axisa: int = -1, axisb: int = -1, axisc: int = -1, axis: Any = None):
        if axis is not None:
            axisa = axisb = axisc = axis
        both = torch.broadcast_tensors(x.movedim(axisa, -1), y.movedim(axisb, -1))
        return torch.linalg.cross(*both).movedim(-1, axisc)

    return cross


CASES: dict[str, list[Case]] = {
    "cross": [
        Case(normal(3), normal(3)),
        Case(normal(2, 3), normal(2, 3)),
        Case(normal(2, 3), normal(3)),
        Case(normal(3), normal(2, 3)),
        Case(normal(4, 1, 3), normal(2, 3)),
        Case(normal(3, 2), normal(3, 2), axis=0),
        Case(normal(3, 2), normal(4, 2, 3), axisa=0, axisc=1),
        Case(normal(4, 3, 2), normal(3), axisa=1, axisb=0, axisc=0),
        Case(normal(3, 1), normal(5, 3, 2), axisa=-2, axisb=1),
        Case(normal(0, 3), normal(1, 3)),
        Case(normal(3, 2).T, normal(2, 3)[::-1]),
        Case(repeated(normal(3), 2), normal(3), order=1),
        Case(np.array([1e150, 0.0, 1e-150]), np.array([1e150, 1.0, 0.0]), order=0),
        Case(complex_normal(2, 3), normal(3), torch=False),  # which wants one dtype
    ],
    "dot": [
        *(Case(normal(*a), normal(*b)) for a, b in FACTORS),
        Case(normal(2, 3), normal(3, 4)),
        Case(normal(3), normal(4, 3, 2)),
        Case(normal(2, 3), normal(4, 3, 2)),
        Case(normal(2, 0), normal(0, 2)),
        Case(normal(3, 2).T, normal(3, 2)[::-1]),
        Case(repeated(normal(3), 2), repeated(normal(2), 3)),
        Case(normal(2, 3), 1.5, order=0),  # of float32 and a Python float np.dot makes float64
        Case(WIDE, WIDE, order=0),
        Case(complex_normal(2, 3), complex_normal(3)),
        Case(normal(2), complex_normal()),
    ],
    "inner": [
        *(Case(normal(*a), normal(*b)) for a, b in FACTORS),
        Case(normal(2, 3), normal(4, 3)),
        Case(normal(3), normal(4, 2, 3)),
        Case(normal(2, 1, 3), normal(4, 3)),
        Case(normal(2, 0), normal(3, 0)),
        Case(normal(3, 2).T, normal(2, 3)[::-1]),
        Case(repeated(normal(3), 2), normal(3)),
        Case(WIDE, WIDE, order=0),
        Case(complex_normal(2, 3), normal(2, 3), torch=False),  # which wants one dtype
    ],
    "kron": [
        Case(normal(2, 3), normal(3, 2)),
        Case(normal(2), normal(3)),
        Case(normal(2), normal(2, 3)),
        Case(normal(2, 2, 2), normal(3)),
        Case(normal(), normal()),
        Case(normal(), normal(2, 3)),
        Case(normal(1, 3), normal(2, 1)),
        Case(normal(0, 2), normal(2, 2)),
        Case(normal(3, 2).T, normal(2, 2)[::-1]),
        Case(repeated(normal(2), 2), normal(2)),
        Case(complex_normal(2), complex_normal(2, 1)),
    ],
    "multi_dot": [
        Case(normal(2, 3), normal(3, 4)),
        Case(normal(2, 3), normal(3, 4), normal(4, 1)),
        Case(normal(2, 3), normal(3, 5), normal(5, 2), normal(2, 3)),
        Case(normal(3), normal(3, 4), normal(4)),
        Case(normal(3), normal(3)),
        Case(normal(3), normal(3, 2), normal(2, 2)),
        Case(normal(2, 3), normal(3)),
        Case(normal(1, 1), normal(1, 1), normal(1, 1)),
        Case(normal(0, 3), normal(3, 2), normal(2, 2)),
        Case(normal(3, 2).T, normal(3, 3)[::-1], repeated(normal(2), 3)),
        Case(complex_normal(2, 2), complex_normal(2, 3), complex_normal(3)),
    ],
    "outer": [
        *(Case(normal(*a), normal(*b)) for a, b in FACTORS),
        Case(normal(3, 2).T, normal(4)[::-1]),
        Case(repeated(normal(3), 2), normal(2)),
        Case(WIDE, WIDE, order=0),
        Case(normal(2), complex_normal(2)),
    ],
    "tensordot": [
        *(Case(normal(*a), normal(*b), axes=axes) for a, b, axes in CONTRACTIONS),
        Case(normal(2, 3), normal(3, 4), axes=(-1, 0), torch=False),  # which wants lists
        Case(normal(3, 2).T, normal(3, 2)[::-1], axes=1),
        Case(repeated(normal(3), 2), normal(3, 2), axes=1),
        Case(complex_normal(2, 3), complex_normal(3, 2), axes=1),
    ],
    "vdot": [
        Case(normal(3), normal(3)),
        Case(normal(2, 3), normal(2, 3)),
        Case(normal(2, 3), normal(6)),
        Case(normal(), normal()),
        Case(normal(1, 1), normal(1)),
        Case(normal(0), normal(0, 2)),
        Case(normal(3, 2).T, normal(2, 3)[::-1]),
        Case(repeated(normal(3), 2), normal(2, 3)),
        Case(WIDE, WIDE, order=0),
        Case(complex_normal(3), complex_normal(3)),
        Case(complex_normal(3), normal(3), torch=False),  # which wants one dtype
    ],
    "vecdot": [
        Case(normal(3), normal(3)),
        Case(normal(2, 3), normal(2, 3)),
        Case(normal(2, 3), normal(4, 1, 3)),
        Case(normal(2, 3), normal(3)),
        Case(normal(1, 3), normal(2, 3)),
        Case(normal(3, 2), normal(3, 2), axis=0),
        Case(normal(4, 3, 2), normal(3, 1), axis=-2),
        Case(normal(0, 3), normal(3)),
        Case(normal(2, 0), normal(0)),
        Case(normal(3, 2).T, normal(2, 3)[::-1]),
        Case(repeated(normal(3), 2), normal(2, 3)),
        Case(complex_normal(2, 3), complex_normal(3)),
        Case(normal(2, 3), complex_normal(3), torch=False),  # which wants one dtype
    ],
}

REFERENCES: dict[str, Callable[..., Any]] = {
    "dot": _dot,
    "inner": _inner,
    "multi_dot": lambda x, *rest: _dot(x, rest[0]) if len(rest) == 1 else _chained(x, *rest),
    "vdot": lambda x, y: np.sum(np.conj(np.ravel(x)) * np.ravel(y)),
    "vecdot": lambda x, y, axis=-1: np.sum(np.conj(x) * y, axis=axis),
}


def _chained(*xs: Any) -> Any:
    out = xs[-1]
    for x in xs[-2::-1]:
        out = x @ out
    return out


TORCH: dict[str, Any] = {
    "cross": _torch_cross,
    "dot": _torch_dot,
    "inner": "inner",
    "kron": "kron",
    "multi_dot": lambda torch: lambda *xs: torch.linalg.multi_dot(xs),
    "outer": lambda torch: lambda x, y: torch.outer(x.reshape(-1), y.reshape(-1)),
    "tensordot": lambda torch: lambda x, y, axes=2: torch.tensordot(x, y, axes),
    "vdot": lambda torch: lambda x, y: torch.vdot(x.reshape(-1), y.reshape(-1)),
    "vecdot": lambda torch: lambda x, y, axis=-1: torch.linalg.vecdot(x, y, dim=axis),
}
