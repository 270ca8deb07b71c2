"""Cases of dgrad/ops/average_pooling.py."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from tests.cases.case import *
from tests.cases.interpolation import along

__all__ = ["CASES", "REFERENCES", "TORCH"]


def window_means(
    n: int, k: int, s: int, p: int, ceil_mode: bool, include: bool, plain: bool
) -> Any:
    """The matrix of average pooling along an axis; plain: of sums."""
    rows = []
    start = -p
    while start + k <= n + p or (ceil_mode and start < n and start + k - s < n + p):
        row = np.array([float(start <= j < start + k) for j in range(n)])
        counted = min(start + k, n + p) - start if include else row.sum()
        rows.append(row / (1 if plain else counted))
        start += s
    return np.array(rows)


def averaged(
    x: Any,
    kernel_size: Any,
    stride: Any = None,
    padding: Any = 0,
    ceil_mode: bool = False,
    count_include_pad: bool = True,
    divisor_override: int | None = None,
    *,
    axes: int,
) -> Any:
    sizes = [kernel_size, kernel_size if stride is None else stride, padding]
    spread = [[v] * axes if np.ndim(v) == 0 else list(v) for v in sizes]
    modes = ceil_mode, count_include_pad, divisor_override is not None
    matrices = [
        window_means(n, k, s, p, *modes)
        for n, k, s, p in zip(x.shape[-axes:], *spread, strict=True)
    ]
    return along(x, *matrices) / (divisor_override or 1)


CASES: dict[str, list[Case]] = {
    "avg_pool1d": [
        Case(normal(1, 2, 7), kernel_size=2),
        Case(normal(3, 7), kernel_size=3, stride=2, padding=1),
        Case(normal(1, 2, 8), kernel_size=(2,), stride=(3,), ceil_mode=True, padding=(1,)),
        Case(normal(2, 2, 7), kernel_size=3, padding=1, stride=2, count_include_pad=False),
        Case(normal(2, 2, 5), kernel_size=1),
        Case(normal(0, 2, 5), kernel_size=2),
        Case(normal(5, 2, 2).T, kernel_size=2, stride=1),
        Case(repeated(normal(2, 5), 2), kernel_size=3),
    ],
    "avg_pool2d": [
        Case(normal(2, 2, 4, 4), kernel_size=2, order=3),
        Case(normal(2, 5, 5), kernel_size=3, stride=2, padding=1),
        Case(normal(1, 2, 6, 5), kernel_size=(3, 2), stride=(1, 2), padding=(1, 0)),
        Case(normal(1, 2, 5, 6), kernel_size=3, stride=2, padding=1, ceil_mode=True),
        Case(normal(1, 1, 5, 5), kernel_size=2, stride=3, padding=1, ceil_mode=True),
        Case(normal(1, 2, 6, 6), kernel_size=3, stride=2, padding=1, count_include_pad=False),
        Case(
            normal(1, 2, 6, 6),
            kernel_size=3,
            stride=2,
            padding=1,
            ceil_mode=True,
            count_include_pad=False,
        ),
        Case(normal(1, 2, 4, 4), kernel_size=2, divisor_override=3, padding=1),
        Case(normal(0, 2, 4, 4), kernel_size=2),
        Case(normal(4, 3, 2, 2).T, kernel_size=2),
        Case(normal(1, 2, 8, 8)[:, :, ::-2, ::2], kernel_size=2, stride=1),
    ],
}

REFERENCES: dict[str, Callable[..., Any]] = {
    "avg_pool1d": lambda x, **sizes: averaged(x, **sizes, axes=1),
    "avg_pool2d": lambda x, **sizes: averaged(x, **sizes, axes=2),
}


TORCH: dict[str, Any] = {name: f"nn.functional.{name}" for name in REFERENCES}
