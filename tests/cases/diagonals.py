"""Cases of dgrad/ops/diagonals.py."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from tests.cases.case import *

__all__ = ["CASES", "REFERENCES", "TORCH"]

OFFSETS: list[dict[str, int]] = [{}, {"offset": 1}, {"offset": -2}, {"offset": 9}]


def triangle() -> list[Case]:
    """Cases for one side of a matrix."""
    return [
        Case(normal(3, 4)),
        Case(normal(4, 3), k=1),
        Case(normal(3, 3), k=-1),
        Case(normal(2, 3), k=5),
        Case(normal(2, 3), k=-5),
        Case(normal(2, 3, 2)),
        Case(normal(1, 1)),
        Case(normal(0, 3)),
        Case(normal(4, 3).T),
        Case(normal(3, 3)[::-1]),
        Case(repeated(normal(3), 3)),
    ]


def along_diagonal() -> list[Case]:
    """Cases for what is on a diagonal."""
    return [
        *(Case(normal(3, 4), **offset) for offset in OFFSETS),
        *(Case(normal(2, 3, 4), axis1=2, axis2=0, **offset) for offset in OFFSETS),
        Case(normal(2, 3, 4), axis1=-2, axis2=-1),
        Case(normal(1, 1)),
        Case(normal(0, 3)),
        Case(normal(4, 3).T),
        Case(normal(3, 3)[::-1]),
        Case(repeated(normal(3), 3)),
    ]


def embedded(*shape: int, **where: int) -> Case:
    place = np.diagonal(np.empty(shape), **where)
    return Case(normal(*place.shape), shape=shape, **where)


def _embed_diagonal(
    x: Any, shape: tuple[int, ...], offset: int = 0, axis1: int = 0, axis2: int = 1
) -> Any:
    out = np.zeros(shape, x.dtype)
    moved = np.moveaxis(out, (axis1, axis2), (-2, -1))
    for i in range(x.shape[-1]):
        moved[..., i - min(offset, 0), i + max(offset, 0)] = x[..., i]
    return out


def _torch_trace(torch: Any) -> Callable[..., Any]:
    return lambda x, **where: _torch_diagonal(torch)(x, **where).sum(-1)


def _torch_diagonal(torch: Any) -> Callable[..., Any]:
    return lambda x, offset=0, axis1=0, axis2=1: torch.diagonal(x, offset, axis1, axis2)


def _torch_embed(torch: Any) -> Callable[..., Any]:
    def embed(x: Any, shape: Any, offset: int = 0, axis1: int = 0, axis2: int = 1) -> Any:
        zeros = torch.zeros(shape, dtype=x.dtype)
        return torch.diagonal_scatter(zeros, x, offset, axis1, axis2)

    return embed


CASES: dict[str, list[Case]] = {
    "diag": [
        Case(normal(3, 4)),
        Case(normal(4, 3), k=1),
        Case(normal(3, 3), k=-2),
        Case(normal(2, 2), k=5, torch=False),
        Case(normal(3)),
        Case(normal(2), k=2),
        Case(normal(2), k=-1),
        Case(normal(1)),
        Case(normal(0)),
        Case(normal(4, 3).T),
        Case(normal(4)[::-2], k=1),
        Case(repeated(normal(3), 3)),
    ],
    "diagonal": along_diagonal(),
    "embed_diagonal": [
        embedded(3, 4),
        embedded(4, 3, offset=1),
        embedded(3, 3, offset=-2),
        embedded(2, 3, 4, offset=1, axis1=2, axis2=0),
        embedded(2, 3, 4, axis1=-2, axis2=-1),
        embedded(1, 1),
        embedded(0, 3),
        embedded(2, 2, offset=5),
        Case(normal(3, 2).T, shape=(3, 2, 4), axis1=0, axis2=2),
        Case(normal(3)[::-1], shape=(3, 3)),
        Case(repeated(normal(2), 3), shape=(2, 3, 3), axis1=0, axis2=2),
    ],
    "trace": along_diagonal(),
    "tril": triangle(),
    "triu": triangle(),
}
as_complex(CASES, "diag", "diagonal", "embed_diagonal", "trace", "tril", "triu")

REFERENCES: dict[str, Callable[..., Any]] = {"embed_diagonal": _embed_diagonal}

TORCH: dict[str, Any] = {
    "diag": lambda torch: lambda x, k=0: torch.diag(x, k),
    "diagonal": _torch_diagonal,
    "embed_diagonal": _torch_embed,
    "trace": _torch_trace,
    "tril": lambda torch: lambda x, k=0: torch.tril(x, k),
    "triu": lambda torch: lambda x, k=0: torch.triu(x, k),
}
