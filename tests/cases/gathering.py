"""Cases of dgrad/ops/gathering.py."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from tests.cases.case import *

__all__ = ["CASES", "REFERENCES", "TORCH"]

COLUMNS = np.array([[0, 3, 3], [2, 1, 2], [-1, -4, 0]])
ROWS = np.array([[2, 0, 1, 1], [0, 0, 2, -1]])
APART = np.array([[0, 3], [2, 1], [1, 0]])


def _gather(x: Any, dim: int, index: Any) -> Any:
    out = np.empty(index.shape, x.dtype)
    for place in np.ndindex(index.shape):
        source = list(place)
        source[dim] = index[place]
        out[place] = x[tuple(source)]
    return out


def _put_along_axis(x: Any, values: Any, indices: Any, axis: int = -1) -> Any:
    out = x.copy()
    np.put_along_axis(out, indices, values, axis)
    return out


def _torch_take(torch: Any) -> Callable[..., Any]:
    def take(x: Any, indices: Any, axis: int = -1) -> Any:
        index = torch.from_numpy(np.asarray(indices) % x.shape[axis])
        return torch.take_along_dim(x, index, axis)

    return take


def _torch_gather(torch: Any) -> Callable[..., Any]:
    return lambda x, dim, index: torch.gather(x, dim, torch.tensor(index % x.shape[dim]))


def _torch_put(torch: Any) -> Callable[..., Any]:
    def put(x: Any, values: Any, indices: Any, axis: int = -1) -> Any:
        return torch.scatter(x, axis, torch.tensor(indices % x.shape[axis]), values)

    return put


CASES: dict[str, list[Case]] = {
    "gather": [
        Case(normal(3, 4), dim=1, index=COLUMNS),
        Case(normal(3, 4), dim=-1, index=COLUMNS[:2]),
        Case(normal(3, 4), dim=0, index=ROWS),
        Case(normal(3, 4), dim=0, index=ROWS[:, :2]),
        Case(normal(2, 3, 2), dim=1, index=np.array([[[2, 0], [2, 1], [0, 0], [1, 1]]])),
        Case(normal(4), dim=0, index=np.array([3, 3, 0])),
        Case(normal(3, 4), dim=1, index=np.zeros((3, 0), np.intp)),
        Case(normal(1, 1), dim=0, index=np.array([[0], [0]])),
        Case(normal(4, 3).T, dim=1, index=COLUMNS),
        Case(normal(3, 4)[::-1], dim=1, index=COLUMNS),
        Case(repeated(normal(4), 3), dim=1, index=COLUMNS),
    ],
    "put_along_axis": [
        Case(normal(3, 4), normal(3, 2), indices=APART, axis=1),
        Case(normal(3, 4), normal(3, 2), indices=APART),
        Case(normal(3, 4), normal(2, 4), indices=np.array([[2, 0, 1, 1], [0, 1, 2, -1]]), axis=0),
        Case(normal(5), normal(2), indices=np.array([4, 0])),
        Case(normal(2, 1, 3), normal(2, 1, 1), indices=np.array([[[2]], [[0]]]), axis=2),
        Case(normal(3, 4), normal(3, 0), indices=np.zeros((3, 0), np.intp)),
        Case(normal(4, 3).T, normal(2, 3).T, indices=APART),
        Case(normal(3, 4)[::-1], normal(3, 2)[::-1], indices=APART),
        Case(repeated(normal(4), 3), repeated(normal(2), 3), indices=APART),
        Case(normal(3, 4), normal(3, 3), indices=COLUMNS, torch=False),  # the last one stays
        Case(normal(3, 4), normal(3, 2), indices=APART[:1], axis=1, torch=False),
    ],
    "take_along_axis": [
        Case(normal(3, 4), indices=COLUMNS, axis=1),
        Case(normal(3, 4), indices=COLUMNS),
        Case(normal(3, 4), indices=ROWS, axis=0),
        Case(normal(3, 4), indices=ROWS[:, :1], axis=0),  # a length of 1 broadcasts
        Case(normal(1, 4), indices=COLUMNS, axis=1),
        Case(normal(2, 3, 2), indices=np.array([[[2, 0]], [[1, 1]]]), axis=1),
        Case(normal(4), indices=np.array([3, 3, 0])),
        Case(normal(3, 4), indices=np.zeros((3, 0), np.intp), axis=1),
        Case(normal(4, 3).T, indices=COLUMNS, axis=1),
        Case(normal(3, 4)[::-1], indices=COLUMNS, axis=1),
        Case(repeated(normal(4), 3), indices=COLUMNS, axis=1),
    ],
}
as_complex(CASES, "gather", "put_along_axis", "take_along_axis")

REFERENCES: dict[str, Callable[..., Any]] = {
    "gather": _gather,
    "put_along_axis": _put_along_axis,
}

TORCH: dict[str, Any] = {
    "gather": _torch_gather,
    "put_along_axis": _torch_put,
    "take_along_axis": _torch_take,
}
