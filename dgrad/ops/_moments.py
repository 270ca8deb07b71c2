"""Rows with mean 0 and variance 1, and the way back for their gradients; channels that fit."""

from __future__ import annotations

from typing import Any

import numpy as np

from dgrad.errors import ShapeError

__all__ = ["check_channels", "mean_square", "pull", "row_mean", "row_moments", "standardised"]


def row_moments(rows: Any) -> tuple[Any, Any, Any]:
    """Rows less their mean, in memory of their own, that mean, and their variance, (r, 1) each.

    rows: (r, n) array. The sums are products with vectors, which are the fastest.
    """
    n = rows.shape[1]
    mean = (rows @ np.full(n, 1 / (n or 1), rows.dtype))[:, None]
    rows = rows - mean
    return rows, mean, mean_square(rows)


def mean_square(rows: Any) -> Any:
    """The mean of the squares of each row, (r, 1). rows: (r, n) array."""
    return np.vecdot(rows, rows)[:, None] * (1 / (rows.shape[1] or 1))


def row_mean(rows: Any) -> Any:
    """The mean of each row, (r, 1), of an array or a Tensor."""
    return np.add.reduce(rows, axis=-1, keepdims=True) / (np.shape(rows)[-1] or 1)


def standardised(rows: Any, eps: float, *, centre: bool = True) -> tuple[Any, Any]:
    """Rows with mean 0 (if centre) and variance 1, and what they were multiplied by, (r, 1).

    rows: (r, n), array or Tensor.
    """
    if centre:
        rows = rows - row_mean(rows)
    factor = 1 / np.sqrt(row_mean(rows * rows) + eps)
    return rows * factor, factor


def pull(g: Any, unit: Any, factor: Any, *, centre: bool = True) -> Any:
    """The gradient of rows, from g, that of what `standardised` made of them, `unit`."""
    g = g - unit * row_mean(g * unit)
    return (g - row_mean(g) if centre else g) * factor


def check_channels(name: str, x: Any, **per_channel: Any) -> None:
    """Raise ShapeError unless x is (n, channels, ...), and each value None or (channels,)."""
    if np.ndim(x) < 2:
        raise ShapeError(f"{name}: x must be (n, channels, ...), got {np.shape(x)}")
    for label, value in per_channel.items():
        if value is not None and np.shape(value) != np.shape(x)[1:2]:
            raise ShapeError(
                f"{name}: {label} has shape {np.shape(value)}, needs {np.shape(x)[1:2]}, one "
                f"number for each channel of x {np.shape(x)}"
            )
