"""Cases of dgrad/ops/sorting.py."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from tests.cases.case import *

__all__ = ["CASES", "REFERENCES", "TORCH"]

TIES = np.array([2.0, 1.0, 2.0, 1.0, 3.0])


def ordered() -> list[Case]:
    """Cases for sorting along an axis."""
    return [
        Case(distinct(5)),
        Case(distinct(3, 4)),
        Case(distinct(3, 4), axis=0),
        Case(distinct(2, 3), axis=None),
        Case(distinct(), axis=None),
        Case(distinct(2, 3), axis=None, descending=True),
        Case(distinct(3, 4), axis=1, descending=True),
        Case(distinct(2, 1, 3), axis=1),
        Case(distinct(0, 3)),
        Case(distinct(3, 0)),
        Case(distinct(4, 3).T, axis=0),
        Case(distinct(5)[::-1]),
        Case(repeated(distinct(3), 2)),
        Case(TIES, order=0),
        Case(TIES, order=0, descending=True),
    ]


def _sort(x: Any, axis: int | None = -1, descending: bool = False) -> Any:
    return np.take_along_axis(x, _argsort(x, axis, descending), axis)


def _argsort(x: Any, axis: int | None = -1, descending: bool = False) -> Any:
    return np.argsort(-x if descending else x, axis=axis, stable=True)


def _topk(x: Any, k: int, axis: int = -1, largest: bool = True) -> Any:
    places = np.take(_argsort(x, axis, largest), range(k), axis)
    return np.take_along_axis(x, places, axis), places


def _with_index(function: Callable[..., Any], index: Callable[..., Any]) -> Callable[..., Any]:
    def reference(x: Any, axis: int, keepdims: bool = False) -> Any:
        return function(x, axis=axis, keepdims=keepdims), index(x, axis=axis, keepdims=keepdims)

    return reference


def _torch_sort(torch: Any) -> Callable[..., Any]:
    def sort(x: Any, axis: int | None = -1, descending: bool = False) -> Any:
        x, axis = (x.reshape(-1), 0) if axis is None else (x, axis)
        return torch.sort(x, dim=axis, descending=descending, stable=True).values

    return sort


def with_index() -> list[Case]:
    """Cases for an extreme along an axis."""
    return [
        Case(distinct(5), axis=0),
        Case(distinct(3, 4), axis=0),
        Case(distinct(3, 4), axis=1),
        Case(distinct(2, 3, 2), axis=-2, keepdims=True),
        Case(distinct(2, 1), axis=1),
        Case(distinct(0, 3), axis=1),
        Case(distinct(4, 3).T, axis=1),
        Case(distinct(4, 3)[::-1], axis=0, keepdims=True),
        Case(repeated(distinct(3), 2), axis=1),
        Case(np.array(1.5), axis=0),
        Case(TIES, axis=0, order=0),
    ]


CASES: dict[str, list[Case]] = {
    "argsort": [*ordered(), Case(np.array([3, 1, 1, 2]), descending=True)],
    "max_with_index": with_index(),
    "min_with_index": with_index(),
    "searchsorted": [
        Case(np.array([1.0, 2.0, 2.0, 4.0]), np.array([0.0, 2.0, 3.0, 9.0])),
        Case(np.array([1.0, 2.0, 2.0, 4.0]), np.array([0.0, 2.0, 3.0, 9.0]), side="right"),
        Case(np.array([1.0, 2.0]), np.array(1.5)),
        Case(np.array([1.0, 2.0]), 2.0),
        Case(np.zeros(0), np.array([1.0])),
        Case(np.arange(5.0), normal(0, 3)),
        Case(np.arange(5.0), normal(2, 3).T),
        Case(np.arange(10.0)[::2], positive(4)[::-1]),
        Case(np.arange(3), np.array([[1, 2], [0, 5]])),
    ],
    "sort": ordered(),
    "topk": [
        Case(distinct(5), k=2),
        Case(distinct(5), k=5),
        Case(distinct(5), k=0),
        Case(distinct(3, 4), k=2, axis=0),
        Case(distinct(3, 4), k=3, largest=False),
        Case(distinct(2, 3, 2), k=1, axis=1),
        Case(distinct(0, 3), k=2),
        Case(distinct(4, 3).T, k=2),
        Case(distinct(6)[::-1], k=3),
        Case(repeated(distinct(3), 2), k=2, axis=1),
        Case(TIES, k=3, order=0),
    ],
}

REFERENCES: dict[str, Callable[..., Any]] = {
    "argsort": _argsort,
    "max_with_index": _with_index(np.max, np.argmax),
    "min_with_index": _with_index(np.min, np.argmin),
    "sort": _sort,
    "topk": _topk,
}

TORCH: dict[str, Any] = {
    "max_with_index": lambda torch: (
        lambda x, axis, keepdims=False: tuple(torch.max(x, axis, keepdims))
    ),
    "min_with_index": lambda torch: (
        lambda x, axis, keepdims=False: tuple(torch.min(x, axis, keepdims))
    ),
    "sort": _torch_sort,
    "topk": lambda torch: (
        lambda x, k, axis=-1, largest=True: tuple(torch.topk(x, k, axis, largest))
    ),
}
