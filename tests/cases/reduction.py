"""Cases of dgrad/ops/reduction.py."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from tests.cases.case import *

__all__ = ["CASES", "REFERENCES", "TORCH", "over_axes"]


def _logsumexp(x: Any, axis: Any = None, keepdims: bool = False) -> Any:
    with np.errstate(divide="ignore"):
        return np.log(np.sum(np.exp(x), axis=axis, keepdims=keepdims))


def over_axes(function: Callable[..., Any]) -> Callable[..., Any]:
    """A PyTorch reduction in NumPy's spelling."""

    def call(x: Any, axis: Any = None, keepdims: bool = False) -> Any:
        axes = tuple(range(x.ndim)) if axis is None else axis
        axes = tuple(map(int, axes)) if isinstance(axes, tuple) else (int(axes),)
        return function(x, dim=axes, keepdim=keepdims)

    return call


def spread(function: Callable[..., Any]) -> Callable[..., Any]:
    """PyTorch's var or std in NumPy's spelling."""

    def call(x: Any, axis: Any = None, ddof: int = 0, keepdims: bool = False) -> Any:
        return over_axes(
            lambda x, dim, keepdim: function(x, dim, correction=ddof, keepdim=keepdim)
        )(x, axis, keepdims)

    return call


CASES: dict[str, list[Case]] = {
    "argmax": [*positions(), Case(np.array([1.0, 3.0, 3.0]))],
    "argmin": [*positions(), Case(np.array([1.0, 0.5, 0.5]))],
    "logsumexp": [
        *reduction(normal),
        Case(normal()),
        Case(WIDE, order=0),
        Case(np.array([[-np.inf, -np.inf], [-np.inf, 1.0]]), axis=1, order=0),
        Case(np.array([[np.inf, 1.0], [np.nan, 1.0]]), axis=1, order=0),
    ],
    "max": [*reduction(distinct), *SCALAR_REDUCTION, Case(np.array([1.0, 3.0, 3.0]), order=0)],
    "mean": [
        *reduction(normal),
        Case(normal()),
        Case(normal(0, 3), axis=0, reference=lambda x, axis: np.full(3, np.nan)),
        Case(normal(0), reference=lambda x: np.float64(np.nan)),
    ],
    "min": [*reduction(distinct), *SCALAR_REDUCTION, Case(np.array([1.0, 0.5, 0.5]), order=0)],
    "std": [*reduction(distinct), Case(normal(3, 4), axis=1, ddof=1), Case(normal(), order=0)],
    "sum": [
        *reduction(normal),
        *SCALAR_REDUCTION,
        Case(normal(0, 3), axis=0),
        Case(normal(0), keepdims=True),
    ],
    "var": [
        *reduction(normal),
        Case(normal()),
        Case(normal(3, 4), axis=1, ddof=1),
        Case(normal(3, 4), axis=(), ddof=-1),
        Case(normal(2, 1), axis=1, ddof=1, order=0, reference=lambda x, **_: np.full(2, np.nan)),
        Case(normal(0, 2), axis=0, order=0, reference=lambda x, **_: np.full(2, np.nan)),
    ],
}

REFERENCES: dict[str, Callable[..., Any]] = {
    "logsumexp": extended(_logsumexp),
}

TORCH: dict[str, Any] = {
    "logsumexp": lambda torch: over_axes(torch.logsumexp),
    "max": lambda torch: over_axes(torch.amax),
    "mean": lambda torch: over_axes(torch.mean),
    "min": lambda torch: over_axes(torch.amin),
    "std": lambda torch: spread(torch.std),
    "sum": lambda torch: over_axes(torch.sum),
    "var": lambda torch: spread(torch.var),
}
