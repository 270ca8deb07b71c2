"""Cases of dgrad/ops/norms.py."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from tests.cases.case import *

__all__ = ["CASES", "REFERENCES", "TORCH"]

INF = np.inf


def uneven(*shape: int) -> np.ndarray:
    """Numbers of both signs whose sums of |x| over any axis are all different."""
    size = np.arange(1, np.prod(shape) + 1).reshape(shape) * 0.3
    return size * np.where(np.arange(size.size).reshape(shape) % 3 == 1, -1, 1)


def _norm(x: Any, ord: Any = None, axis: Any = None, keepdims: bool = False) -> Any:
    if ord is None:  # over any number of axes
        return np.linalg.vector_norm(x, axis=axis, keepdims=keepdims)
    return np.linalg.norm(x, ord, axis, keepdims)


def _torch_norm(torch: Any) -> Callable[..., Any]:
    def norm(x: Any, ord: Any = None, axis: Any = None, keepdims: bool = False) -> Any:
        if ord is None and axis is not None:
            return torch.linalg.vector_norm(x, 2, axis, keepdims)
        return torch.linalg.norm(x, ord, axis, keepdims)

    return norm


def _torch_vector_norm(torch: Any) -> Callable[..., Any]:
    def norm(x: Any, axis: Any = None, keepdims: bool = False, ord: float = 2) -> Any:
        axes = tuple(map(int, axis)) if isinstance(axis, tuple) else axis
        return torch.linalg.vector_norm(x, ord, None if axis is None else axes, keepdims)

    return norm


CASES: dict[str, list[Case]] = {
    "norm": [
        Case(distinct(3, 4)),
        Case(distinct(5)),
        Case(distinct()),
        *(Case(distinct(5), ord=p) for p in (1, 2, 3, 1.5, 0.5, -1, INF, -INF)),
        Case(distinct(5), ord=0, torch=False),
        *(Case(distinct(3, 4), ord=p, axis=1) for p in (1, 2, 4, INF)),
        *(Case(uneven(3, 4), ord=p) for p in ("fro", 1, -1, INF, -INF)),
        *(Case(uneven(2, 3, 4), ord=p, axis=(2, 0)) for p in ("fro", 1, INF)),
        Case(distinct(2, 3, 4), axis=(0, 1, 2), keepdims=True),
        Case(uneven(2, 3, 4), ord=1, axis=(-2, -1), keepdims=True),
        Case(distinct(2, 3), axis=-1, keepdims=True),
        Case(distinct(0, 3), axis=1),
        Case(distinct(4, 3).T, ord=3, axis=0),
        Case(distinct(3, 3)[::-1], ord=INF, axis=1),
        Case(repeated(distinct(3), 2), axis=1),
    ],
    "vector_norm": [
        *reduction(distinct),
        Case(distinct()),
        Case(distinct(2, 1, 3), ord=3, axis=(0, 1)),
        *(Case(distinct(2, 3, 4), ord=p, axis=(0, 2)) for p in (1, 1.5, 3, INF, -INF, -1)),
        Case(distinct(2, 3, 4), ord=0, axis=1, torch=False),
        *(Case(distinct(3, 4), ord=p) for p in (1, 2.5, INF)),
        Case(np.array([0.0, 3.0, -4.0])),
        Case(np.array([0.0, 3.0, -4.0]), ord=4),
        Case(np.array([[0.0, 0.0], [3.0, 4.0]]), axis=1, order=0, torch=False),
    ],
}

REFERENCES: dict[str, Callable[..., Any]] = {"norm": _norm, "vector_norm": np.linalg.vector_norm}

TORCH: dict[str, Any] = {"norm": _torch_norm, "vector_norm": _torch_vector_norm}
