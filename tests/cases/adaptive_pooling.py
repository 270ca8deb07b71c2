"""Cases of dgrad/ops/adaptive_pooling.py."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from tests.cases.case import *
from tests.cases.interpolation import along, share_means
from tests.cases.max_pooling import extremes, ties

__all__ = ["CASES", "REFERENCES", "TORCH"]


def shared(x: Any, output_size: Any, *, axes: int) -> Any:
    """The largest of each share."""
    sizes = [output_size] * axes if np.ndim(output_size) == 0 else list(output_size)
    windows = [
        [range(i * n // o, -(-(i + 1) * n // o)) for i in range(o)]
        for n, o in (
            (n, n if o is None else o) for n, o in zip(x.shape[-axes:], sizes, strict=True)
        )
    ]
    return extremes(x, windows)


def adapted(x: Any, output_size: Any, *, axes: int) -> Any:
    sizes = [output_size] * axes if np.ndim(output_size) == 0 else output_size
    return along(x, *map(share_means, x.shape[-axes:], sizes))


CASES: dict[str, list[Case]] = {
    "adaptive_max_pool1d": [
        Case(distinct(1, 2, 7), output_size=3),
        Case(distinct(3, 6), output_size=2),
        Case(distinct(1, 2, 5), output_size=(1,)),
        Case(distinct(1, 2, 5), output_size=None, torch=False),
        Case(distinct(2, 2, 3), output_size=5),
        Case(distinct(0, 2, 4), output_size=2),
        Case(distinct(5, 2, 2).T, output_size=2),
        Case(ties(2, 2, 7), output_size=3, order=0),
    ],
    "adaptive_max_pool2d": [
        Case(distinct(1, 2, 5, 7), output_size=(2, 3)),
        Case(distinct(2, 4, 6), output_size=2),
        Case(distinct(1, 2, 4, 3), output_size=1),
        Case(distinct(1, 2, 4, 3), output_size=(None, 2)),
        Case(distinct(1, 2, 3, 2), output_size=(4, 3)),
        Case(distinct(0, 2, 4, 4), output_size=2),
        Case(distinct(4, 3, 2, 2).T, output_size=(2, 3)),
        Case(ties(2, 2, 7, 6), output_size=3, order=0),
    ],
    "adaptive_avg_pool1d": [
        Case(normal(1, 2, 7), output_size=3),
        Case(normal(3, 6), output_size=2),
        Case(normal(1, 2, 5), output_size=(1,)),
        Case(normal(1, 2, 5), output_size=None, torch=False),
        Case(normal(2, 2, 3), output_size=5),
        Case(normal(0, 2, 4), output_size=2),
        Case(normal(5, 2, 2).T, output_size=2),
        Case(repeated(normal(2, 5), 2), output_size=2),
    ],
    "adaptive_avg_pool2d": [
        Case(normal(1, 2, 5, 7), output_size=(2, 3)),
        Case(normal(2, 4, 6), output_size=2),
        Case(normal(1, 2, 4, 3), output_size=1, order=3),
        Case(normal(1, 2, 4, 3), output_size=(None, 2)),
        Case(normal(1, 2, 3, 2), output_size=(4, 3)),
        Case(normal(0, 2, 4, 4), output_size=2),
        Case(normal(4, 3, 2, 2).T, output_size=(2, 3)),
        Case(repeated(normal(2, 4, 4), 2), output_size=3),
    ],
}

REFERENCES: dict[str, Callable[..., Any]] = {
    "adaptive_max_pool1d": lambda x, output_size: shared(x, output_size, axes=1),
    "adaptive_max_pool2d": lambda x, output_size: shared(x, output_size, axes=2),
    "adaptive_avg_pool1d": lambda x, output_size: adapted(x, output_size, axes=1),
    "adaptive_avg_pool2d": lambda x, output_size: adapted(x, output_size, axes=2),
}

TORCH: dict[str, Any] = {name: f"nn.functional.{name}" for name in REFERENCES}
