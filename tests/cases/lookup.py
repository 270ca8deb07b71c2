"""Cases of dgrad/ops/lookup.py."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from tests.cases.case import *

__all__ = ["CASES", "REFERENCES", "TORCH"]


def _embedding(weight: Any, indices: Any, padding_idx: Any = None) -> Any:
    out = [weight[i] for i in np.ravel(indices)]
    return np.reshape(out, (*np.shape(indices), weight.shape[1])).astype(weight.dtype)


def _scatter_rows(x: Any, indices: Any, rows: int) -> Any:
    out = np.zeros((rows, x.shape[-1]), x.dtype)
    for i, row in zip(np.ravel(indices), x.reshape(-1, x.shape[-1]), strict=True):
        out[i] += row
    return out


ROWS = [
    np.array([4, 0, 2, 4, 4]),
    np.array([[1, 0], [2, 4], [1, 1]], np.int32),
    np.array([[1, 0], [2, 4], [1, 1]], np.uint8).T,
    np.array([1, 0, 2, 4])[::-2],
    np.array(3),
    np.zeros((2, 0), int),
    np.array([[[2]]]),
    np.broadcast_to(np.array([1, 2]), (3, 2)),
]
CASES: dict[str, list[Case]] = {
    "embedding": [
        *(Case(normal(5, 3), rows) for rows in ROWS),
        Case(normal(3, 5).T[:, ::2], ROWS[0]),
        Case(repeated(normal(3), 5), ROWS[0]),
        Case(normal(5, 3), ROWS[1], padding_idx=3),
        Case(normal(5, 3), ROWS[0], padding_idx=4, order=0),
        Case(normal(5, 0), ROWS[0], order=0),
    ],
    "scatter_rows": [
        *(Case(normal(*rows.shape, 3), rows, rows=5) for rows in ROWS),
        Case(normal(3, 5).T[:, ::2], ROWS[0], rows=5),
        Case(repeated(normal(3), 5), ROWS[0], rows=7),
    ],
}

REFERENCES: dict[str, Callable[..., Any]] = {
    "embedding": _embedding,
    "scatter_rows": _scatter_rows,
}

TORCH: dict[str, Any] = {
    "embedding": lambda torch: (
        lambda weight, indices, padding_idx=None: torch.nn.functional.embedding(
            indices.long(), weight, padding_idx
        )
    ),
    "scatter_rows": lambda torch: (
        lambda x, indices, rows: torch.zeros(rows, x.shape[-1], dtype=x.dtype).index_add(
            0, indices.reshape(-1).long(), x.reshape(-1, x.shape[-1])
        )
    ),
}
