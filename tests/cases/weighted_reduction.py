"""Cases of dgrad/ops/weighted_reduction.py."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any

import numpy as np

from tests.cases.case import *
from tests.cases.reduction import over_axes

__all__ = ["CASES", "REFERENCES", "TORCH"]

NAN = np.nan
HOLES = np.array([[1.0, NAN, 3.0], [NAN, NAN, NAN], [0.5, -2.0, 4.0]])


def holes() -> list[Case]:
    """NaNs among the numbers, and nothing but NaNs."""
    return [
        Case(HOLES, order=0),
        Case(HOLES, axis=0, order=0),
        Case(HOLES, axis=1, keepdims=True, order=0),
        Case(np.array(NAN), order=0),
    ]


def _nanmean(x: Any, axis: Any = None, keepdims: bool = False) -> Any:
    with warnings.catch_warnings():  # "Mean of empty slice"
        warnings.simplefilter("ignore")
        return np.nanmean(x, axis=axis, keepdims=keepdims)


def _average(x: Any, weights: Any = None, axis: Any = None, keepdims: bool = False) -> Any:
    return np.average(x, axis, weights, keepdims=keepdims)


def _torch_average(torch: Any) -> Callable[..., Any]:
    def average(x: Any, weights: Any = None, axis: Any = None, keepdims: bool = False) -> Any:
        if weights is None:
            return over_axes(torch.mean)(x, axis, keepdims)
        if weights.shape != x.shape:
            weights = weights.reshape(-1, *(1,) * (x.ndim - 1 - axis % x.ndim)).expand(x.shape)
        total = over_axes(torch.sum)
        return total(x * weights, axis, keepdims) / total(weights, axis, keepdims)

    return average


CASES: dict[str, list[Case]] = {
    "average": [
        Case(normal(2, 3, 4)),
        Case(normal(2, 3, 4), axis=(0, 2), keepdims=True),
        Case(normal(2, 3), positive(2, 3)),
        Case(normal(2, 3), positive(2, 3), axis=1),
        Case(normal(2, 3), positive(3), axis=1),
        Case(normal(2, 3, 4), positive(3), axis=-2, keepdims=True),
        Case(normal(2, 3, 4), positive(2), axis=(0,), torch=False),
        Case(normal(4), positive(4), axis=0),
        Case(normal(3, 1), positive(1), axis=1),
        Case(normal(), positive()),
        Case(normal(2, 0), positive(2), axis=0),
        Case(normal(0, 3), positive(3), axis=1),
        Case(normal(3, 2).T, positive(3)[::-1], axis=1),
        Case(repeated(normal(3), 2), repeated(positive(3), 2), axis=0),
        Case(normal(2, 3), np.array([2, 0, 1]), axis=1, torch=False),
    ],
    "nanmean": [*reduction(normal), *SCALAR_REDUCTION, *holes()],
    "nansum": [*reduction(normal), *SCALAR_REDUCTION, *holes()],
}

REFERENCES: dict[str, Callable[..., Any]] = {"average": _average, "nanmean": _nanmean}

TORCH: dict[str, Any] = {
    "average": _torch_average,
    "nanmean": lambda torch: over_axes(torch.nanmean),
    "nansum": lambda torch: over_axes(torch.nansum),
}
