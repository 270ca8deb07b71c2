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


ZEROS = np.array([[0.5, 0.0, 2.0], [1.5, -1.0, 3.0], [0.0, 2.0, 0.0]])


def truths() -> list[Case]:
    """Cases for questions about what is 0."""
    return [
        Case(mask(2, 3, 4)),
        Case(mask(2, 3, 4), axis=0),
        Case(mask(2, 3, 4), axis=(0, -1), keepdims=True),
        Case(np.array([[0.0, 2.0], [0.0, 0.0]]), axis=1),
        Case(np.array([3, 0, 1])),
        Case(mask()),
        Case(mask(0, 3), axis=0),
        Case(mask(3, 1), axis=1),
        Case(mask(4, 3).T, axis=1),
        Case(mask(5)[::-1]),
        Case(repeated(mask(3), 2), axis=0),
    ]


def _torch_prod(torch: Any) -> Callable[..., Any]:
    def prod(x: Any, axis: Any = None, keepdims: bool = False) -> Any:
        axes = axis if isinstance(axis, tuple) else range(x.ndim) if axis is None else (axis,)
        for a in sorted((int(a) % max(x.ndim, 1) for a in axes), reverse=True):
            x = torch.prod(x, a, keepdim=keepdims)
        return x

    return prod


def _torch_ptp(torch: Any) -> Callable[..., Any]:
    high, low = over_axes(torch.amax), over_axes(torch.amin)
    return lambda x, axis=None, keepdims=False: high(x, axis, keepdims) - low(x, axis, keepdims)


CASES: dict[str, list[Case]] = {
    "all": truths(),
    "any": truths(),
    "argmax": [
        *positions(),
        Case(np.array([1.0, 3.0, 3.0])),
        Case(distinct(5)[::-1]),
        Case(repeated(distinct(3), 2), axis=1),
    ],
    "argmin": [
        *positions(),
        Case(np.array([1.0, 0.5, 0.5])),
        Case(distinct(5)[::-1]),
        Case(repeated(distinct(3), 2), axis=1),
    ],
    "count_nonzero": [*truths(), Case(np.array([[0.0, 2.0], [np.nan, 0.0]]), axis=1)],
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
    "prod": [
        *reduction(positive),
        *SCALAR_REDUCTION,
        *(Case(ZEROS, axis=axis) for axis in (None, 0, 1, (1, 0))),
        Case(np.zeros(3)),
        Case(normal(0, 3), axis=0),
    ],
    "ptp": [
        *reduction(distinct),
        Case(normal()),
        Case(np.array([1.0, 3.0, 3.0, 1.0, 2.0]), order=0),
    ],
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
as_complex(CASES, "mean", "prod", "sum")

REFERENCES: dict[str, Callable[..., Any]] = {
    "logsumexp": extended(_logsumexp),
}

TORCH: dict[str, Any] = {
    "logsumexp": lambda torch: over_axes(torch.logsumexp),
    "max": lambda torch: over_axes(torch.amax),
    "mean": lambda torch: over_axes(torch.mean),
    "min": lambda torch: over_axes(torch.amin),
    "prod": _torch_prod,
    "ptp": _torch_ptp,
    "std": lambda torch: spread(torch.std),
    "sum": lambda torch: over_axes(torch.sum),
    "var": lambda torch: spread(torch.var),
}
