"""Cases of dgrad/ops/indexing.py."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from tests.cases.case import *

__all__ = ["CASES", "REFERENCES", "TORCH"]

INDICES: list[Any] = [
    1,
    -1,
    (1, 2),
    slice(1, None),
    slice(None, None, -2),
    (slice(0, 2), 1),
    (..., 0),
    (None, 1, ..., None),
    (),
    ...,
    slice(2, 2),
    np.array([2, 0, 2, 2]),
    np.array([[0, 1], [1, -1]]),
    np.array(1),
    np.array([], dtype=np.intp),
    (np.array([0, 2]), np.array([1, 1])),
    (np.array([0, 0]), slice(None), np.array([3, 3])),  # a slice between: its axis goes last
    (slice(None), np.array([2, 2, 0])),
    (np.array([[1], [0]]), np.array([2, 2]), slice(1, 3)),
    (0, slice(None), np.array([1, 1])),
    np.array([True, False, True]),
    np.arange(12).reshape(3, 4) % 3 == 0,
    (np.array([True, True, False]), np.array([1, 1])),
    np.zeros(3, bool),
]


def scattered(index: Any) -> Case:
    shape = (3, 4, 4)
    return Case(normal(*np.empty(shape)[index].shape), index=index, shape=shape)


def _scatter_add(x: Any, index: Any, shape: tuple[int, ...]) -> Any:
    out = np.zeros(shape)
    np.add.at(out, index, x)
    return out


CASES: dict[str, list[Case]] = {
    "getitem": [
        *(Case(normal(3, 4, 4), index=index) for index in INDICES),
        Case(normal(3), index=[0, 0, 2]),
        Case(normal(3), index=[True, False, True]),
        Case(normal(4, 3).T, index=(np.array([0, 0]), slice(1, 3))),
        Case(normal(), index=()),
    ],
    "scatter_add": [
        *(scattered(index) for index in INDICES),
        Case(normal(3), index=[0, 0, 2], shape=(3,)),
        Case(normal(4, 2).T, index=np.array([1, 1]), shape=(3, 4)),
    ],
}

REFERENCES: dict[str, Callable[..., Any]] = {
    "getitem": lambda x, index: x[index],
    "scatter_add": _scatter_add,
}

TORCH: dict[str, Any] = {
    "getitem": lambda torch: lambda x, index: x[index],
}
