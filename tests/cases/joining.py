"""Cases of dgrad/ops/joining.py."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from tests.cases.case import *

__all__ = ["CASES", "REFERENCES", "TORCH"]


def _torch_append(torch: Any) -> Callable[..., Any]:
    def append(x: Any, values: Any, axis: int | None = None) -> Any:
        if axis is None:
            return torch.cat([x.reshape(-1), values.reshape(-1)])
        return torch.cat([x, values], axis)

    return append


def _torch_repeat(torch: Any) -> Callable[..., Any]:
    def repeat(x: Any, repeats: Any, axis: int | None = None) -> Any:
        counts = repeats if isinstance(repeats, int) else torch.tensor(np.asarray(repeats))
        return torch.repeat_interleave(x, counts, axis)

    return repeat


def _rows() -> list[Case]:
    """Cases that hstack and its kin have in common."""
    return [
        Case(normal(2, 3), normal(2, 3)),
        Case(normal(3), normal(3), normal(3)),
        Case(normal(), normal()),
        Case(normal(2, 2, 3), normal(2, 2, 3)),
        Case(normal(0, 2), normal(0, 2)),
        Case(normal(1, 1), normal(1, 1)),
        Case(normal(3, 2).T, normal(2, 3)[::-1]),
        Case(repeated(normal(3), 2), normal(2, 3)),
        Case(normal(2, 3, 1)),
    ]


CASES: dict[str, list[Case]] = {
    "append": [
        Case(normal(2, 3), normal(4)),
        Case(normal(2, 3), normal(1, 3), axis=0),
        Case(normal(2, 3), normal(2, 2), axis=-1),
        Case(normal(), normal()),
        Case(normal(0, 3), normal(2, 3), axis=0),
        Case(normal(2, 3), normal(0), axis=None),
        Case(normal(3, 2).T, normal(2, 3)[::-1], axis=1),
        Case(repeated(normal(3), 2), normal(1), axis=None),
    ],
    "column_stack": [*_rows(), Case(normal(3), normal(3, 2), normal(3, 1))],
    "concatenate": [
        Case(normal(2, 3), normal(1, 3)),
        Case(normal(2, 3), normal(2, 1), normal(2, 2), axis=1),
        Case(normal(2, 3), normal(2, 3), axis=-1),
        Case(normal(0, 3), normal(2, 3), normal(0, 3)),
        Case(normal(4)),
        Case(normal(3, 2).T, normal(2, 3)[::-1], axis=0),
        Case(repeated(normal(3), 2), normal(1, 3)),
        Case(normal(2, 1, 2), normal(2, 1, 2), axis=-2),
    ],
    "dstack": [*_rows(), Case(normal(2, 3), normal(2, 3, 2))],
    "hstack": [*_rows(), Case(normal(), normal(3)), Case(normal(2, 1), normal(2, 3))],
    "repeat": [
        Case(normal(2, 3), repeats=2),
        Case(normal(2, 3), repeats=3, axis=0),
        Case(normal(2, 3), repeats=2, axis=-1),
        Case(normal(2, 3), repeats=[2, 0, 3], axis=1),
        Case(normal(2, 3), repeats=np.array([1, 2]), axis=0),
        Case(normal(4), repeats=[1, 0, 2, 1]),
        Case(normal(2, 3), repeats=[2], axis=1),
        Case(normal(2, 3), repeats=0, axis=0),
        Case(normal(), repeats=3),
        Case(normal(1), repeats=[3]),
        Case(normal(0, 2), repeats=2, axis=1),
        Case(normal(3, 2).T, repeats=2, axis=0),
        Case(normal(4)[::-1], repeats=[0, 1, 2, 0]),
        Case(repeated(normal(2), 2), repeats=2, axis=0),
    ],
    "stack": [
        Case(normal(2, 3), normal(2, 3)),
        Case(normal(2, 3), normal(2, 3), normal(2, 3), axis=1),
        Case(normal(2, 3), normal(2, 3), axis=-1),
        Case(normal(), normal()),
        Case(normal(3)),
        Case(normal(0, 2), normal(0, 2)),
        Case(normal(3, 2).T, normal(2, 3)[::-1], axis=-2),
        Case(repeated(normal(3), 2), normal(2, 3)),
    ],
    "tile": [
        Case(normal(2, 3), reps=2),
        Case(normal(2, 3), reps=(2, 1)),
        Case(normal(2, 3), reps=(2, 1, 2)),
        Case(normal(2, 3, 2), reps=(3, 2)),
        Case(normal(), reps=3),
        Case(normal(), reps=()),
        Case(normal(2, 1), reps=(1, 3)),
        Case(normal(0, 2), reps=(2, 2)),
        Case(normal(2, 3), reps=(0, 1)),
        Case(normal(3, 2).T, reps=(2, 2)),
        Case(normal(4)[::-2], reps=2),
        Case(repeated(normal(2), 2), reps=2),
    ],
    "vstack": [*_rows(), Case(normal(3), normal(2, 3)), Case(normal(), normal(1))],
}
as_complex(
    CASES,
    "append",
    "column_stack",
    "concatenate",
    "dstack",
    "hstack",
    "repeat",
    "stack",
    "tile",
    "vstack",
)

REFERENCES: dict[str, Callable[..., Any]] = {
    "column_stack": lambda *xs: np.column_stack(xs),
    "concatenate": lambda *xs, axis=0: np.concatenate(xs, axis=axis),
    "dstack": lambda *xs: np.dstack(xs),
    "hstack": lambda *xs: np.hstack(xs),
    "stack": lambda *xs, axis=0: np.stack(xs, axis=axis),
    "vstack": lambda *xs: np.vstack(xs),
}

TORCH: dict[str, Any] = {
    "append": _torch_append,
    "column_stack": lambda torch: lambda *xs: torch.column_stack(xs),
    "concatenate": lambda torch: lambda *xs, axis=0: torch.cat(xs, axis),
    "dstack": lambda torch: lambda *xs: torch.dstack(xs),
    "hstack": lambda torch: lambda *xs: torch.hstack(xs),
    "repeat": _torch_repeat,
    "stack": lambda torch: lambda *xs, axis=0: torch.stack(xs, axis),
    "tile": lambda torch: lambda x, reps: torch.tile(x, (reps,) if isinstance(reps, int) else reps),
    "vstack": lambda torch: lambda *xs: torch.vstack(xs),
}
