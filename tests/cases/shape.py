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


def _torch_pad(torch: Any) -> Callable[..., Any]:
    def pad(x: Any, pad_width: Any, constant_values: float = 0.0) -> Any:
        widths = np.broadcast_to(pad_width, (x.ndim, 2))[::-1].ravel().tolist()
        return torch.nn.functional.pad(x, widths, value=constant_values)

    return pad


def _torch_transpose(torch: Any) -> Callable[..., Any]:
    return lambda x, axes=None: x.permute(tuple(range(x.ndim))[::-1] if axes is None else axes)


CASES: dict[str, list[Case]] = {
    "broadcast_to": [
        Case(normal(3), shape=(2, 3)),
        Case(normal(3, 1), shape=(2, 3, 4)),
        Case(normal(), shape=(2, 2)),
        Case(normal(2, 3), shape=(2, 3)),
        Case(normal(1, 3), shape=(0, 3)),
        Case(normal(3, 1).T, shape=(2, 3)),
    ],
    "concatenate": [
        Case(normal(2, 3), normal(1, 3)),
        Case(normal(2, 3), normal(2, 1), normal(2, 2), axis=1),
        Case(normal(2, 3), normal(2, 3), axis=-1),
        Case(normal(0, 3), normal(2, 3), normal(0, 3)),
        Case(normal(4)),
        Case(normal(3, 2).T, normal(2, 3)[::-1], axis=0),
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
    "pad": [
        Case(normal(2, 3), pad_width=1),
        Case(normal(2, 3), pad_width=((1, 0), (2, 1)), constant_values=3.0),
        Case(normal(2, 3), pad_width=(1, 2)),
        Case(normal(3), pad_width=0),
        Case(normal(0, 2), pad_width=1),
        Case(normal(3, 2).T, pad_width=((0, 1), (1, 0))),
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
    "squeeze": [
        Case(normal(1, 3, 1)),
        Case(normal(1, 3, 1), axis=0),
        Case(normal(1, 3, 1), axis=(0, -1)),
        Case(normal(1, 1)),
        Case(normal()),
        Case(normal(1, 0)),
        Case(normal(3, 1).T),
    ],
    "stack": [
        Case(normal(2, 3), normal(2, 3)),
        Case(normal(2, 3), normal(2, 3), normal(2, 3), axis=1),
        Case(normal(2, 3), normal(2, 3), axis=-1),
        Case(normal(), normal()),
        Case(normal(3)),
        Case(normal(0, 2), normal(0, 2)),
        Case(normal(3, 2).T, normal(2, 3)[::-1], axis=-2),
    ],
    "swapaxes": [
        Case(normal(2, 3, 4), axis1=0, axis2=2),
        Case(normal(2, 3), axis1=-1, axis2=-2),
        Case(normal(2, 0, 1), axis1=1, axis2=1),
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

REFERENCES: dict[str, Callable[..., Any]] = {
    "concatenate": lambda *xs, axis=0: np.concatenate(xs, axis=axis),
    "flatten": _flatten,
    "pad": lambda x, pad_width, constant_values=0.0: np.pad(
        x, pad_width, constant_values=constant_values
    ),
    "stack": lambda *xs, axis=0: np.stack(xs, axis=axis),
}

TORCH: dict[str, Any] = {
    "broadcast_to": lambda torch: lambda x, shape: torch.broadcast_to(x, shape),
    "concatenate": lambda torch: lambda *xs, axis=0: torch.cat(xs, axis),
    "flatten": "flatten",
    "pad": _torch_pad,
    "reshape": lambda torch: lambda x, shape: x.reshape(shape),
    "squeeze": lambda torch: lambda x, axis=None: x.squeeze() if axis is None else x.squeeze(axis),
    "stack": lambda torch: lambda *xs, axis=0: torch.stack(xs, axis),
    "swapaxes": lambda torch: lambda x, axis1, axis2: x.swapaxes(axis1, axis2),
    "transpose": _torch_transpose,
}
