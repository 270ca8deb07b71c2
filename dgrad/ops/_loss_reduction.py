"""What every loss does around its formula: equal shapes, and the sum or mean of the elements."""

from __future__ import annotations

import math
from typing import Any, Literal

import numpy as np

from dgrad.errors import ParameterError, ShapeError

__all__ = ["Reduction", "check_same", "element_weight", "labels_like", "reduce", "share"]

Reduction = Literal["mean", "sum", "none"]


def reduce(name: str, losses: Any, reduction: Reduction, count: float | None = None) -> Any:
    """The losses as they are for "none", their sum, or the sum over count (by default their own).

    Raises ParameterError for another reduction. The mean of nothing is NaN.
    """
    if reduction == "none":
        return losses
    total = np.add.reduce(losses, axis=None)
    if reduction == "mean":
        return total / ((np.size(losses) if count is None else count) or math.nan)
    if reduction == "sum":
        return total
    raise ParameterError(name, "reduction", "mean, sum or none", reduction)


def share(g: Any, count: float, reduction: Reduction) -> Any:
    """The gradient of each element's loss, from that of what `reduce` made of them."""
    return g / (count or 1) if reduction == "mean" else g


def check_same(name: str, x: Any, target: Any, label: str = "target") -> None:
    """Raise ShapeError unless both shapes are equal: a loss broadcasts nothing."""
    if np.shape(x) != np.shape(target):
        raise ShapeError(
            f"{name}: input has shape {np.shape(x)}, {label} {np.shape(target)}; "
            f"they must be equal, reshape one of them"
        )


def labels_like(target: Any, x: Any) -> Any:
    """target as it is if it holds floats; labels of another kind in the dtype of x, floats."""
    floats = hasattr(target, "dtype") and target.dtype.kind == "f"
    return target if floats else np.asarray(target, x.dtype)


def element_weight(name: str, weight: Any, x: Any, label: str = "weight") -> Any:
    """weight in the dtype of x; ShapeError unless it broadcasts to the shape of x and no further.

    x: the input of the loss, floats.
    """
    weight, shape = np.asarray(weight, np.asarray(x).dtype), np.shape(x)
    fits = weight.ndim <= len(shape) and all(
        n in (1, m) for n, m in zip(weight.shape[::-1], shape[::-1], strict=False)
    )
    if not fits:
        raise ShapeError(
            f"{name}: {label} has shape {weight.shape}, which does not broadcast to the "
            f"input's {shape}"
        )
    return weight
