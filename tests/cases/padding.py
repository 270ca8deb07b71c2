"""Cases of dgrad/ops/padding.py."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from tests.cases.case import *

__all__ = ["CASES", "REFERENCES", "TORCH"]

MODES = ("edge", "reflect", "symmetric", "wrap")


def _overlap_add(x: Any, window_shape: Any, axis: Any = None) -> Any:
    """Every element of every window added to its place, one by one."""
    lengths = np.atleast_1d(window_shape)
    ndim = x.ndim - lengths.size
    axes = np.arange(ndim) if axis is None else np.atleast_1d(axis)
    shape = np.array(x.shape[:ndim])
    np.add.at(shape, axes, lengths - 1)
    out = np.zeros(shape, x.dtype)
    for place in np.ndindex(x.shape):
        to = np.array(place[:ndim], np.intp)
        np.add.at(to, axes, place[ndim:])
        out[tuple(to)] += x[place]
    return out


def _torch_pad(torch: Any) -> Callable[..., Any]:
    def pad(x: Any, pad_width: Any, mode: str = "constant", constant_values: float = 0.0) -> Any:
        pairs = np.broadcast_to(pad_width, (x.ndim, 2))
        if mode == "constant":
            return torch.nn.functional.pad(x, pairs[::-1].ravel().tolist(), value=constant_values)
        places = [np.pad(np.arange(n), pair, mode) for n, pair in zip(x.shape, pairs, strict=True)]
        return x[tuple(map(torch.from_numpy, np.ix_(*places)))]

    return pad


def _torch_windows(torch: Any) -> Callable[..., Any]:
    def windows(x: Any, window_shape: Any, axis: Any = None) -> Any:
        lengths = np.atleast_1d(window_shape).tolist()
        axes = range(x.ndim) if axis is None else np.atleast_1d(axis).tolist()
        ndim = x.ndim
        for a, n in zip(axes, lengths, strict=True):
            x = x.unfold(a % ndim, n, 1)
        return x

    return windows


CASES: dict[str, list[Case]] = {
    "overlap_add": [
        Case(normal(3, 2), window_shape=2),
        Case(normal(3, 3), window_shape=(3,), axis=0),
        Case(normal(2, 3, 2), window_shape=2, axis=1),
        Case(normal(2, 3, 2), window_shape=2, axis=0),
        Case(normal(2, 2, 2, 3), window_shape=(2, 3)),
        Case(normal(2, 2, 3, 2), window_shape=(3, 2), axis=(1, -2)),
        Case(normal(1, 1), window_shape=1),
        Case(normal(0, 3, 2), window_shape=2, axis=1),
        Case(normal(2, 4).T, window_shape=2),
        Case(normal(4, 2)[::-1], window_shape=2),
        Case(repeated(normal(2), 3), window_shape=2),
    ],
    "pad": [
        Case(normal(2, 3), pad_width=1),
        Case(normal(2, 3), pad_width=((1, 0), (2, 1)), constant_values=3.0),
        Case(normal(2, 3), pad_width=(1, 2)),
        Case(normal(3), pad_width=0),
        Case(normal(0, 2), pad_width=1),
        Case(normal(3, 2).T, pad_width=((0, 1), (1, 0))),
        *(Case(normal(3, 4), pad_width=((2, 1), (0, 3)), mode=mode) for mode in MODES),
        *(Case(normal(2), pad_width=5, mode=mode) for mode in MODES),  # round more than once
        *(Case(normal(1, 2), pad_width=1, mode=mode) for mode in MODES),
        *(Case(normal(3, 2).T[::-1], pad_width=(1, 2), mode=mode) for mode in MODES),
        Case(repeated(normal(2), 2), pad_width=1, mode="edge"),
        Case(normal(0, 2), pad_width=((0, 0), (1, 1)), mode="edge"),
        Case(normal(2, 3), pad_width={-1: (1, 2)}, torch=False),
        Case(normal(2, 3), pad_width={0: 1}, mode="reflect", torch=False),
        Case(normal(2, 2), pad_width=[[1, 0], [0, 1]], constant_values=((1.0, 2.0),), torch=False),
    ],
    "sliding_window_view": [
        Case(normal(5), window_shape=2),
        Case(normal(4), window_shape=(4,)),
        Case(normal(3, 4), window_shape=(2, 3)),
        Case(normal(3, 4), window_shape=2, axis=1),
        Case(normal(3, 4), window_shape=2, axis=0),
        Case(normal(2, 3, 4), window_shape=(2, 3), axis=(-1, 1)),
        Case(normal(1), window_shape=1),
        Case(normal(0, 3), window_shape=2, axis=1),
        Case(normal(4, 3).T, window_shape=2, axis=0),
        Case(normal(5)[::-1], window_shape=3),
        Case(repeated(normal(3), 3), window_shape=(2, 2)),
    ],
}
as_complex(CASES, "overlap_add", "pad", "sliding_window_view")

REFERENCES: dict[str, Callable[..., Any]] = {
    "overlap_add": _overlap_add,
    "pad": lambda x, pad_width, mode="constant", **values: np.pad(x, pad_width, mode, **values),
    "sliding_window_view": np.lib.stride_tricks.sliding_window_view,
}

TORCH: dict[str, Any] = {
    "pad": _torch_pad,
    "sliding_window_view": _torch_windows,
}
