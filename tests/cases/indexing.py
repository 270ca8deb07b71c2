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
    out = np.zeros(shape, x.dtype)
    np.add.at(out, index, x)
    return out


def _index_add(x: Any, values: Any, index: Any, axis: int = 0) -> Any:
    out = x.copy()
    places = np.asarray(index, np.intp)
    np.add.at(out, (slice(None),) * (axis % x.ndim) + (places,), values)
    return out


def _one_hot(x: Any, num_classes: int, dtype: Any = np.int64) -> Any:
    return np.eye(num_classes, dtype=dtype)[np.asarray(x)]


def _torch_take(torch: Any) -> Callable[..., Any]:
    def take(x: Any, indices: Any, axis: int | None = None) -> Any:
        places = torch.tensor(np.asarray(indices, np.int64))
        if axis is None:
            return torch.take(x, places)
        axis %= x.ndim
        out = torch.index_select(x, axis, places.reshape(-1) % x.shape[axis])
        return out.reshape(*x.shape[:axis], *places.shape, *x.shape[axis + 1 :])

    return take


CASES: dict[str, list[Case]] = {
    "delete": [
        Case(normal(2, 3), obj=1),
        Case(normal(2, 3), obj=-1, axis=1),
        Case(normal(2, 3), obj=[0, 0, -1], axis=1),
        Case(normal(4, 2), obj=slice(1, None, 2), axis=0),
        Case(normal(3, 2), obj=np.array([True, False, True]), axis=0),
        Case(normal(3), obj=[]),
        Case(normal(0, 2), obj=0, axis=1),
        Case(normal(1), obj=0),
        Case(normal(3, 2).T, obj=0, axis=1),
        Case(normal(4)[::-1], obj=[1, 2]),
        Case(repeated(normal(3), 2), obj=0, axis=1),
    ],
    "getitem": [
        *(Case(normal(3, 4, 4), index=index) for index in INDICES),
        Case(normal(3), index=[0, 0, 2]),
        Case(normal(3), index=[True, False, True]),
        Case(normal(4, 3).T, index=(np.array([0, 0]), slice(1, 3))),
        Case(normal(), index=()),
        Case(normal(), index=...),
        Case(normal(3, 4, 4), index=(1, -1, 2)),
        Case(normal(3), index=[[0, 2], [1, 1]], torch=False),
        Case(normal(3, 4), index=([0, 2], 1)),
        Case(repeated(normal(3), 2), index=(1, slice(1, None))),
        Case(normal(3, 4)[::-1, ::2], index=(slice(None), 1)),
    ],
    "index_add": [
        Case(normal(3, 4), normal(2, 4), index=[0, 2]),
        Case(normal(3, 4), normal(3, 4), index=np.array([1, 1, -1])),
        Case(normal(3, 4), normal(3, 2), index=[3, 3], axis=1),
        Case(normal(2, 3, 2), normal(2, 4, 2), index=[0, 0, 2, 1], axis=-2),
        Case(normal(5), normal(2), index=[4, 4]),
        Case(normal(5), normal(), index=3, torch=False),
        Case(normal(3, 2), normal(0, 2), index=[]),
        Case(normal(4, 3).T, normal(4, 2).T, index=[1, 1], axis=0),
        Case(normal(4)[::-1], normal(3)[::-1], index=[0, 0, 1]),
        Case(repeated(normal(3), 2), repeated(normal(3), 2), index=[1, 1]),
    ],
    "masked_fill": [
        Case(normal(3, 4), mask=mask(3, 4), value=2.0),
        Case(normal(3, 4), mask=mask(4), value=-np.inf, torch=False, order=0),
        Case(normal(3, 4), mask=mask(3, 1), value=0.0),
        Case(normal(3, 4), mask=np.array(True), value=1.0),
        Case(normal(), mask=np.array(False), value=1.0),
        Case(normal(0, 3), mask=mask(3), value=1.0),
        Case(normal(4, 3).T, mask=mask(3, 4), value=1.0),
        Case(normal(3, 4)[::-1], mask=mask(3, 4).tolist(), value=1.0),
        Case(repeated(normal(3), 2), mask=mask(2, 3), value=1.0),
    ],
    "masked_select": [
        Case(normal(3, 4), mask=mask(3, 4)),
        Case(normal(3, 4), mask=np.array([True, False, True, True])),
        Case(normal(3, 4), mask=np.array([[True], [False], [True]])),
        Case(normal(3), mask=np.zeros(3, bool)),
        Case(normal(), mask=np.array(True)),
        Case(normal(0, 3), mask=mask(3)),
        Case(normal(4, 3).T, mask=np.eye(3, 4) > 0),
        Case(normal(4)[::-1], mask=[True, False, False, True]),
        Case(repeated(normal(3), 2), mask=np.eye(2, 3) > 0),
    ],
    "one_hot": [
        Case(np.array([2, 0, 1]), num_classes=3),
        Case(np.array([[2, 0], [1, 1]]), num_classes=4),
        Case(np.array(1), num_classes=2),
        Case(np.zeros((0, 2), np.int64), num_classes=3),
        Case(np.array([0, 0], np.uint8), num_classes=1),
        Case(np.array([1, 0]), num_classes=2, dtype=np.float32),
        Case(np.array([[2, 0], [1, 1]]).T, num_classes=3),
        Case(np.array([2, 0, 1])[::-1], num_classes=3, dtype=bool),
    ],
    "scatter_add": [
        *(scattered(index) for index in INDICES),
        Case(normal(3), index=[0, 0, 2], shape=(3,)),
        Case(normal(4, 2).T, index=np.array([1, 1]), shape=(3, 4)),
        Case(normal(), index=(1, 2), shape=(2, 3)),
    ],
    "take": [
        Case(normal(3, 4), indices=[0, 11, 0, -1]),
        Case(normal(3, 4), indices=[2, 0, 2], axis=0),
        Case(normal(3, 4), indices=np.array([[0, 3], [3, -1]]), axis=1),
        Case(normal(2, 3, 2), indices=np.array([[0, 2]]), axis=-2),
        Case(normal(3, 4), indices=1, axis=1),
        Case(normal(3, 4), indices=np.array(5)),
        Case(normal(), indices=[0, 0], torch=False),
        Case(normal(3, 4), indices=[], axis=0),
        Case(normal(0, 3), indices=[1, 1], axis=1),
        Case(normal(1, 3), indices=[0, 0, 0], axis=0),
        Case(normal(4, 3).T, indices=[1, 1], axis=1),
        Case(normal(5)[::-1], indices=(0, 3)),
        Case(repeated(normal(3), 2), indices=[0, 1, 0], axis=0),
    ],
}
as_complex(
    CASES,
    "delete",
    "getitem",
    "index_add",
    "masked_fill",
    "masked_select",
    "scatter_add",
    "take",
)

REFERENCES: dict[str, Callable[..., Any]] = {
    "getitem": lambda x, index: x[index],
    "index_add": _index_add,
    "masked_fill": lambda x, mask, value: np.where(mask, value, x),
    "masked_select": lambda x, mask: x[np.broadcast_to(mask, x.shape)],
    "one_hot": _one_hot,
    "scatter_add": _scatter_add,
}


def _torch_getitem_adjoint(torch: Any, x: Any, index: Any, shape: Any) -> Any:
    places = np.arange(np.prod(shape)).reshape(shape)[index]
    flat = torch.zeros(int(np.prod(shape)), dtype=x.dtype)
    return flat.index_add(0, torch.from_numpy(places.reshape(-1)), x.reshape(-1)).reshape(shape)


TORCH: dict[str, Any] = {
    "scatter_add": lambda torch: (
        lambda x, index, shape: _torch_getitem_adjoint(torch, x, index, shape)
    ),
    "getitem": lambda torch: lambda x, index: x[index],
    "index_add": lambda torch: (
        lambda x, values, index, axis=0: torch.index_add(
            x, axis, torch.tensor(np.reshape(index, -1).astype(int)) % x.shape[axis], values
        )
    ),
    "masked_fill": lambda torch: (
        lambda x, mask, value: torch.masked_fill(x, torch.tensor(mask), value)
    ),
    "masked_select": lambda torch: lambda x, mask: torch.masked_select(x, torch.tensor(mask)),
    "take": _torch_take,
}
