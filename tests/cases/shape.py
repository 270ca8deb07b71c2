"""Cases of dgrad/ops/shape.py."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from tests.cases.case import *

__all__ = ["CASES", "REFERENCES", "TORCH"]


def _flatten(x: Any, start_dim: int = 0, end_dim: int = -1) -> Any:
    start, end = start_dim % max(x.ndim, 1), end_dim % max(x.ndim, 1)
    joined = math.prod(x.shape[start : end + 1])
    return x.reshape((*x.shape[:start], joined, *x.shape[end + 1 :]))


def _torch_transpose(torch: Any) -> Callable[..., Any]:
    return lambda x, axes=None: x.permute(tuple(range(x.ndim))[::-1] if axes is None else axes)


def matrices() -> list[Case]:
    """Cases for what takes two axes and no parameters."""
    return [
        Case(normal(2, 3)),
        Case(normal(1, 3)),
        Case(normal(3, 1)),
        Case(normal(0, 3)),
        Case(normal(2, 3, 2)),
        Case(normal(3, 2).T),
        Case(normal(2, 3)[::-1]),
        Case(repeated(normal(3), 2)),
    ]


CASES: dict[str, list[Case]] = {
    "broadcast_to": [
        Case(normal(3), shape=(2, 3)),
        Case(normal(3, 1), shape=(2, 3, 4)),
        Case(np.arange(9.0).reshape(3, 3), shape=(2, 3, 3)),
        Case(normal(), shape=(2, 2)),
        Case(normal(2, 3), shape=(2, 3)),
        Case(normal(1, 3), shape=(0, 3)),
        Case(normal(3, 1).T, shape=(2, 3)),
    ],
    "expand_dims": [
        Case(normal(2, 3), axis=0),
        Case(normal(2, 3), axis=-1),
        Case(normal(2, 3), axis=(0, 2)),
        Case(normal(), axis=0),
        Case(normal(0), axis=1),
        Case(normal(3, 2).T, axis=1),
    ],
    "flatten": [
        Case(normal(2, 3, 2)),
        Case(normal(2, 3, 2), start_dim=1),
        Case(normal(2, 3, 2), start_dim=0, end_dim=-2),
        Case(normal()),
        Case(normal(0, 3), start_dim=1),
        Case(normal(2, 3, 2).T),
    ],
    "flip": [
        Case(normal(2, 3)),
        Case(normal(2, 3), axis=0),
        Case(normal(2, 3), axis=-1),
        Case(normal(2, 3, 2), axis=(0, 2)),
        Case(normal()),
        Case(normal(0, 3), axis=1),
        Case(normal(1, 1)),
        Case(normal(3, 2).T, axis=1),
        Case(normal(4)[::-1]),
        Case(repeated(normal(3), 2)),
    ],
    "fliplr": matrices(),
    "flipud": [*matrices(), Case(normal(4), torch=False)],
    "moveaxis": [
        Case(normal(2, 3, 4), source=0, destination=-1),
        Case(normal(2, 3, 4), source=-1, destination=0),
        Case(normal(2, 3, 4), source=(0, 1), destination=(2, 0)),
        Case(normal(2, 3, 4), source=[1, 2], destination=[0, 1]),
        Case(normal(2, 3, 4), source=1, destination=1),
        Case(normal(4), source=0, destination=0),
        Case(normal(0, 1, 2), source=0, destination=2),
        Case(normal(3, 2).T, source=0, destination=1),
        Case(normal(2, 3)[::-1], source=1, destination=0),
        Case(repeated(normal(3), 2), source=0, destination=1),
    ],
    "ravel": [
        *matrices(),
        Case(normal()),
        Case(normal(2, 3, 2)),
    ],
    "reshape": [
        Case(normal(2, 6), shape=(3, 4)),
        Case(normal(2, 6), shape=(2, -1, 3)),
        Case(normal(2, 6), shape=-1),
        Case(normal(1, 1), shape=()),
        Case(normal(), shape=(1, 1)),
        Case(normal(0, 3), shape=(3, 0)),
        Case(normal(3, 4).T, shape=(2, 6)),
        Case(normal(2, 6)[::-1], shape=12),
    ],
    "roll": [
        Case(normal(2, 3), shift=1),
        Case(normal(2, 3), shift=-2, axis=0),
        Case(normal(2, 3), shift=7, axis=-1),
        Case(normal(2, 3, 2), shift=(1, -1), axis=(0, 1)),
        Case(normal(2, 3), shift=1, axis=(0, 1), torch=False),
        Case(normal(2, 3), shift=(1, 1), axis=(1, 1)),
        Case(normal(), shift=2, torch=False),
        Case(normal(0, 3), shift=1, axis=1),
        Case(normal(3, 2).T, shift=1, axis=1),
        Case(normal(5)[::-1], shift=2),
        Case(repeated(normal(3), 2), shift=1),
    ],
    "rot90": [
        *(Case(normal(2, 3), k=k) for k in (0, 1, 2, 3, -1, 5)),
        Case(normal(2, 3, 4), axes=(1, 2)),
        Case(normal(2, 3, 4), axes=(2, 0), k=3),
        *matrices(),
    ],
    "squeeze": [
        Case(normal(1, 3, 1)),
        Case(normal(1, 3, 1), axis=0),
        Case(normal(1, 3, 1), axis=(0, -1)),
        Case(normal(1, 1)),
        Case(normal()),
        Case(normal(1, 0)),
        Case(normal(3, 1).T),
    ],
    "swapaxes": [
        Case(normal(2, 3, 4), axis1=0, axis2=2),
        Case(normal(2, 3), axis1=-1, axis2=-2),
        Case(normal(2, 0, 1), axis1=1, axis2=1),
        Case(normal(2, 1), axis1=0, axis2=1),
        Case(normal(3, 2).T, axis1=0, axis2=-1),
        Case(normal(4, 3)[::-2], axis1=0, axis2=1),
        Case(repeated(normal(3), 2), axis1=1, axis2=0),
    ],
    "transpose": [
        Case(normal(2, 3)),
        Case(normal(2, 3, 4), axes=(1, 2, 0)),
        Case(normal(2, 3, 4), axes=(-1, 0, 1)),
        Case(normal(2, 3, 4), axes=[0, 2, 1]),
        Case(normal(4)),
        Case(normal()),
        Case(normal(0, 2)),
        Case(normal(2, 3)[::-1]),
    ],
}
as_complex(
    CASES,
    "broadcast_to",
    "expand_dims",
    "flatten",
    "flip",
    "fliplr",
    "flipud",
    "moveaxis",
    "ravel",
    "reshape",
    "roll",
    "rot90",
    "squeeze",
    "swapaxes",
    "transpose",
)

REFERENCES: dict[str, Callable[..., Any]] = {
    "flatten": _flatten,
}

TORCH: dict[str, Any] = {
    "expand_dims": lambda torch: (
        lambda x, axis: x.reshape(np.expand_dims(np.empty(tuple(x.shape)), axis).shape)
    ),
    "broadcast_to": lambda torch: lambda x, shape: torch.broadcast_to(x, shape),
    "flatten": "flatten",
    "flip": lambda torch: (
        lambda x, axis=None: torch.flip(
            x,
            tuple(range(x.ndim)) if axis is None else axis if isinstance(axis, tuple) else (axis,),
        )
    ),
    "fliplr": "fliplr",
    "flipud": "flipud",
    "moveaxis": lambda torch: (
        lambda x, source, destination: torch.movedim(
            x, *(v if isinstance(v, int) else tuple(v) for v in (source, destination))
        )
    ),
    "ravel": "ravel",
    "reshape": lambda torch: lambda x, shape: x.reshape(shape),
    "roll": lambda torch: lambda x, shift, axis=None: torch.roll(x, shift, axis),
    "rot90": lambda torch: lambda x, k=1, axes=(0, 1): torch.rot90(x, k, axes),
    "squeeze": lambda torch: lambda x, axis=None: x.squeeze() if axis is None else x.squeeze(axis),
    "swapaxes": lambda torch: lambda x, axis1, axis2: x.swapaxes(axis1, axis2),
    "transpose": _torch_transpose,
}
