"""Cases of dgrad/ops/interpolation.py."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import numpy as np

from tests.cases.case import *

__all__ = ["CASES", "REFERENCES", "TORCH"]


def along(x: Any, *matrices: Any) -> Any:
    """Each matrix (out, n) applied along its axis, the last of them along the last axis."""
    for axis, matrix in enumerate(matrices, start=-len(matrices)):
        x = np.moveaxis(np.tensordot(matrix, x, (1, axis)), 0, axis)
    return x


def share_means(n: int, out: int | None) -> Any:
    out = n if out is None else out
    matrix = np.zeros((out, n))
    for i, row in enumerate(matrix):
        row[i * n // out : -(-(i + 1) * n // out)] = 1
    return matrix / matrix.sum(axis=1, keepdims=True)


def hat(x: float) -> float:
    return max(0.0, 1 - abs(x))


def keys(x: float) -> float:
    """Keys' cubic, a = -3/4."""
    x, a = abs(x), -0.75
    if x <= 1:
        return (a + 2) * x**3 - (a + 3) * x**2 + 1
    return a * x**3 - 5 * a * x**2 + 8 * a * x - 4 * a if x < 2 else 0.0


def resized(n: int, out: int, scale: float, mode: str, corners: bool) -> Any:
    """The matrix of one axis: where each output's centre falls, and a kernel around it."""
    if mode == "area":
        return share_means(n, out)
    matrix = np.zeros((out, n))
    for i, row in enumerate(matrix):
        if mode.startswith("nearest"):
            row[min(int((i + (0.5 if "exact" in mode else 0)) * scale), n - 1)] = 1
            continue
        centre = i * (n - 1) / max(out - 1, 1) if corners else (i + 0.5) * scale - 0.5
        kernel = keys if mode == "bicubic" else hat
        if mode != "bicubic":
            centre = max(centre, 0)
        for j in range(-4, n + 4):
            row[min(max(j, 0), n - 1)] += kernel(centre - j)
    return matrix


def interpolated(
    x: Any,
    size: Any = None,
    scale_factor: Any = None,
    mode: str = "nearest",
    align_corners: bool = False,
) -> Any:
    axes = x.ndim - 2
    given = size if scale_factor is None else scale_factor
    given = [given] * axes if np.ndim(given) == 0 else given
    matrices = []
    for n, v in zip(x.shape[2:], given, strict=True):
        out, scale = (v, n / v) if scale_factor is None else (int(n * v), 1 / v)
        scale = 1.0 if out == n and mode not in ("bicubic", "nearest-exact") else scale
        matrices.append(resized(n, out, scale, mode, align_corners))
    return along(x, *matrices)


def summed(x: Any, places: Any, weights: Any, axis: int = -1) -> Any:
    parts = [np.take(x, p, axis) for p in places]
    shape = (-1,) + (1,) * (x.ndim - 1 - axis % x.ndim)
    return functools.reduce(
        np.add, (part * w.reshape(shape) for part, w in zip(parts, weights, strict=True))
    )


PLACES, WEIGHTS = np.array([[0, 2, 2], [1, 0, 3]]), np.array([[1.0, 2.0, 3.0], [4.0, 0.0, 5.0]])
PAIRS_OF_FOUR = np.array([[0, 2], [1, 3]])
HALVES = np.full((2, 2), 0.5)

CASES: dict[str, list[Case]] = {
    "interpolate": [
        Case(normal(1, 2, 3, 4), scale_factor=2),
        Case(normal(1, 2, 3, 4), size=(4, 3)),
        Case(normal(1, 2, 5, 4), size=(3, 7), mode="nearest-exact"),
        Case(normal(1, 2, 3, 4), scale_factor=2, mode="bilinear", order=3),
        Case(normal(1, 2, 3, 4), scale_factor=(1.5, 2.3), mode="bilinear"),
        Case(normal(1, 2, 3, 4), scale_factor=(1.3, 2.5)),  # three pixels stay three
        Case(normal(1, 2, 3, 4), scale_factor=(1.3, 0.6), mode="bilinear"),
        Case(normal(1, 2, 3, 4), scale_factor=1.2, mode="nearest-exact"),
        Case(normal(1, 2, 3, 4), scale_factor=(1.3, 2), mode="nearest-exact"),
        Case(normal(1, 2, 3, 4), size=(5, 2), mode="bilinear", align_corners=True),
        Case(normal(1, 2, 3, 4), size=1, mode="bilinear", align_corners=True),
        Case(normal(1, 1, 4, 3), size=(7, 5), mode="bicubic"),
        Case(normal(1, 1, 4, 3), size=(2, 5), mode="bicubic", align_corners=True),
        Case(normal(1, 2, 4, 5), size=3, mode="area"),
        Case(normal(2, 2, 5), size=8, mode="linear"),
        Case(normal(2, 2, 5), scale_factor=3),
        Case(normal(0, 2, 3, 3), scale_factor=2),
        Case(normal(3, 2, 2, 1).T, scale_factor=2, mode="bilinear"),
    ],
    "resample": [
        Case(normal(3, 4), places=PLACES, weights=WEIGHTS),
        Case(normal(4, 3), places=PLACES, weights=WEIGHTS, axis=0, order=3),
        Case(normal(2, 4, 3), places=PLACES, weights=WEIGHTS, axis=-2),
        Case(normal(4), places=PAIRS_OF_FOUR, weights=HALVES),
        Case(normal(2, 5), places=PAIRS_OF_FOUR, weights=HALVES),  # one pixel not read
        Case(normal(0, 4), places=PAIRS_OF_FOUR, weights=HALVES),
        Case(normal(4, 3).T, places=PAIRS_OF_FOUR[:1], weights=HALVES[:1]),
        Case(normal(3, 8)[:, ::-2], places=PLACES, weights=WEIGHTS),
        Case(repeated(normal(4), 2), places=PLACES, weights=WEIGHTS),
    ],
}

REFERENCES: dict[str, Callable[..., Any]] = {
    "interpolate": interpolated,
    "resample": summed,
}


def _interpolate(torch: Any) -> Callable[..., Any]:
    def interpolate(
        x: Any, align_corners: bool = False, mode: str = "nearest", **sizes: Any
    ) -> Any:
        corners = align_corners if "linear" in mode or "cubic" in mode else None
        return torch.nn.functional.interpolate(x, mode=mode, align_corners=corners, **sizes)

    return interpolate


TORCH: dict[str, Any] = {"interpolate": _interpolate}
