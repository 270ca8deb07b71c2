"""Cases of dgrad/ops/max_pooling.py."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import Any

import numpy as np

from tests.cases.case import *

__all__ = ["CASES", "REFERENCES", "TORCH"]


def pooled(
    x: Any,
    kernel_size: Any,
    stride: Any = None,
    padding: Any = 0,
    dilation: Any = 1,
    ceil_mode: bool = False,
    *,
    axes: int,
) -> Any:
    """Window by window, the largest of the pixels that lie inside."""

    def spread(value: Any) -> list[Any]:
        return [value] * axes if np.ndim(value) == 0 else list(value)

    windows = []
    for n, k, s, p, d in zip(
        x.shape[-axes:],
        spread(kernel_size),
        spread(kernel_size if stride is None else stride),
        spread(padding),
        spread(dilation),
        strict=True,
    ):
        last = n + p - 1 if ceil_mode else n + 2 * p - d * (k - 1) - 1
        starts = [i - p for i in range(0, last + 1, s)]
        if ceil_mode:  # the first window that reaches the end is the last one
            reach = [i + d * (k - 1) >= n + p - 1 for i in starts]
            starts = starts[: reach.index(True) + 1] if True in reach else starts
        windows.append([[i + d * j for j in range(k) if 0 <= i + d * j < n] for i in starts])
    return extremes(x, windows)


def extremes(x: Any, windows: list[Any]) -> Any:
    axes = len(windows)
    out = np.zeros((*x.shape[:-axes], *map(len, windows)), x.dtype)
    for place in itertools.product(*(range(len(w)) for w in windows)):
        pixels = np.ix_(*(list(w[i]) for w, i in zip(windows, place, strict=True)))
        out[(..., *place)] = x[(..., *pixels)].max(axis=tuple(range(-axes, 0)))
    return out


def ties(*shape: int) -> np.ndarray:
    """Whole numbers from 0 to 2: every window has equal ones."""
    return rng.integers(0, 3, size=shape).astype(float)


INFINITE = np.array([[[[-np.inf, -np.inf, 1.0], [-np.inf, -np.inf, np.inf], [0.0, 1.0, 2.0]]]])

CASES: dict[str, list[Case]] = {
    "max_pool1d": [
        Case(distinct(1, 2, 7), kernel_size=2),
        Case(distinct(3, 7), kernel_size=3, stride=2, padding=1),
        Case(distinct(1, 2, 8), kernel_size=(2,), stride=(3,), ceil_mode=True),
        Case(distinct(2, 2, 7), kernel_size=2, stride=1, dilation=3, padding=(2,), torch=False),
        Case(distinct(2, 2, 5), kernel_size=1),
        Case(distinct(0, 2, 5), kernel_size=2),
        Case(distinct(5, 2, 2).T, kernel_size=2, stride=1),
        Case(repeated(distinct(2, 5), 2), kernel_size=3),
        Case(ties(2, 3, 9), kernel_size=3, stride=2, order=0),
    ],
    "max_pool2d": [
        Case(distinct(2, 2, 4, 6), kernel_size=2),
        Case(distinct(1, 2, 5, 5), kernel_size=2),  # the last row and column are left out
        Case(distinct(2, 5, 5), kernel_size=3, stride=2, padding=1),
        Case(distinct(1, 2, 6, 5), kernel_size=(3, 2), stride=(1, 2), padding=(1, 0)),
        Case(distinct(1, 2, 6, 5), kernel_size=2, dilation=(3, 2), padding=1, stride=1),
        Case(distinct(1, 2, 5, 6), kernel_size=2, ceil_mode=True),
        Case(distinct(1, 1, 5, 5), kernel_size=2, stride=3, padding=1, ceil_mode=True),
        Case(distinct(1, 2, 3, 3), kernel_size=1),
        Case(distinct(1, 2, 3, 3), kernel_size=1, stride=2),
        Case(distinct(0, 2, 4, 4), kernel_size=2),
        Case(distinct(4, 3, 2, 2).T, kernel_size=2),
        Case(np.moveaxis(distinct(4, 4, 2, 1), (0, 1), (2, 3)), kernel_size=3, stride=1),
        Case(distinct(1, 1, 8, 8)[:, :, ::-2, ::2], kernel_size=2),
        Case(repeated(distinct(2, 4, 4), 2), kernel_size=2),
        Case(ties(2, 3, 6, 6), kernel_size=3, stride=2, padding=1, order=0),
        Case(ties(2, 3, 6, 6), kernel_size=2, order=0),
        Case(np.zeros((1, 1, 4, 4)), kernel_size=2, stride=1, order=0),
        Case(INFINITE, kernel_size=2, stride=1, padding=1, order=0),
    ],
}

REFERENCES: dict[str, Callable[..., Any]] = {
    "max_pool1d": lambda x, **sizes: pooled(x, **sizes, axes=1),
    "max_pool2d": lambda x, **sizes: pooled(x, **sizes, axes=2),
}

TORCH: dict[str, Any] = {name: f"nn.functional.{name}" for name in REFERENCES}
