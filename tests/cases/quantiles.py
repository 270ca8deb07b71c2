"""Cases of dgrad/ops/quantiles.py."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from tests.cases.case import *

__all__ = ["CASES", "REFERENCES", "TORCH"]


def over_rows(**params: Any) -> list[Case]:
    """Cases for a quantile over axes."""
    return [
        Case(distinct(5), **params),
        Case(distinct(4), **params),
        Case(distinct(), **params),
        Case(distinct(3, 4), **params),
        Case(distinct(3, 4), axis=0, **params),
        Case(distinct(2, 3, 4), axis=(0, -1), keepdims=True, **params),
        Case(distinct(2, 3), axis=1, keepdims=True, **params),
        Case(distinct(2, 1), axis=1, **params),
        Case(distinct(0, 3), axis=1, torch=False, **params),
        Case(distinct(4, 3).T, axis=1, **params),
        Case(distinct(5)[::-1], **params),
        Case(repeated(distinct(3), 2), axis=1, **params),
        Case(np.array([2.0, 1.0, 2.0, 1.0]), order=0, **params),
        Case(np.array([[1.0, np.nan, 2.0], [3.0, 1.0, 2.0]]), axis=1, order=0, **params),
        Case(np.array([-800.0, 0.0, 800.0]), order=0, **params),
    ]


def _torch_quantile(torch: Any, scale: float = 1.0) -> Callable[..., Any]:
    def quantile(x: Any, q: Any = 0.5, axis: Any = None, keepdims: bool = False) -> Any:
        share = torch.tensor(np.asarray(q, np.float64) / scale)
        if isinstance(axis, tuple):  # PyTorch takes one axis
            stay = [i for i in range(x.ndim) if i not in {a % x.ndim for a in axis}]
            kept = [n if i in stay else 1 for i, n in enumerate(x.shape)]
            rows = torch.movedim(x, stay, list(range(len(stay)))).flatten(len(stay))
            out = torch.quantile(rows, share, -1)
            return out.reshape(*share.shape, *kept) if keepdims else out
        return torch.quantile(x, share, axis, keepdims)

    return quantile


CASES: dict[str, list[Case]] = {
    "median": over_rows(),
    "percentile": [
        *over_rows(q=30),
        Case(distinct(2, 3), q=[0, 25.0, 100], axis=1),
        Case(distinct(2, 3), q=50.0),
    ],
    "quantile": [
        *over_rows(q=0.3),
        *(Case(distinct(4), q=q) for q in (0, 0.5, 1)),
        Case(distinct(2, 3), q=[0.1, 0.9], axis=0),
        Case(distinct(2, 3), q=np.array([0.5]), axis=(0, 1), keepdims=True),
        Case(distinct(5), q=np.array([[0.1, 0.9], [0.5, 1.0]]), torch=False),
        Case(distinct(5), q=np.zeros(0), torch=False),
    ],
}

REFERENCES: dict[str, Callable[..., Any]] = {}

TORCH: dict[str, Any] = {
    "median": _torch_quantile,
    "percentile": lambda torch: _torch_quantile(torch, 100.0),
    "quantile": _torch_quantile,
}
