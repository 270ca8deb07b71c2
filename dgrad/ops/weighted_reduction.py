"""Sums and means that leave elements out or weigh them: nansum, nanmean, average."""

from __future__ import annotations

import math
from typing import Any, cast

import numpy as np

from dgrad.core.op import op
from dgrad.core.protocols import NUMPY_OPS
from dgrad.errors import ParameterError, ShapeError, UnsupportedError
from dgrad.ops._axes import Axis, element_count, kept_shape, laid_along, normalized_axis, summed_to

__all__ = ["average", "nanmean", "nansum"]

_add: Any = np.add.reduce


@op(numpy=np.nansum, methods=("nansum",))
def nansum(x: Any, *, axis: Axis = None, keepdims: bool = False) -> Any:
    """Sum over axis of what is not NaN; NaNs get the gradient 0."""
    return _add(np.where(np.isnan(x), 0, x), axis=axis, keepdims=keepdims)


nansum.vjp(
    x=lambda g, x, axis: np.where(np.isnan(x), 0.0, np.reshape(g, kept_shape(np.shape(x), axis)))
)


@op(numpy=np.nanmean, methods=("nanmean",))
def nanmean(x: Any, *, axis: Axis = None, keepdims: bool = False) -> Any:
    """Mean over axis of what is not NaN; NaN, and no warning, where there is nothing else."""
    unknown = np.isnan(x)
    known = np.logical_not(unknown)
    count = _add(known, axis=axis, keepdims=keepdims, dtype=np.intp)
    total = _add(np.where(unknown, 0, x), axis=axis, keepdims=keepdims)
    count = np.where(count, count, math.nan)
    return total / count.astype(np.result_type(total, np.float16))


def _nanmean_rule(g: Any, x: Any, axis: Axis) -> Any:
    unknown = np.isnan(x)
    count = np.sum(np.logical_not(unknown).astype(g.dtype), axis=axis, keepdims=True)
    share = np.reshape(g, kept_shape(np.shape(x), axis)) / np.maximum(count, 1.0)
    return np.where(unknown, 0.0, share)


nanmean.vjp(x=_nanmean_rule)


def _weighted_rows(rng: np.random.Generator) -> tuple[tuple[Any, ...], dict[str, Any]]:
    return (rng.normal(size=(3, 4)), rng.uniform(0.5, 2.0, size=4)), {"axis": 1}


@op(example=_weighted_rows)
def average(x: Any, weights: Any = None, *, axis: Axis = None, keepdims: bool = False) -> Any:
    """sum(weights x) / sum(weights) over axis; without weights the mean.

    weights: x's shape, or (n,) when axis is one axis of length n. Raises ShapeError, and
    ParameterError where the weights sum to 0.
    """
    x = np.asarray(x)
    if weights is None:
        return _add(x, axis=axis, keepdims=keepdims) / (element_count(x.shape, axis) or math.nan)
    full = _against(np.asarray(weights), x.shape, axis, x.dtype)
    total = _add(np.broadcast_to(full, x.shape), axis=axis, keepdims=keepdims)
    if np.equal(total, 0).any():
        raise ParameterError("average", "weights", "such that no sum is 0", np.asarray(total))
    return _add(x * full, axis=axis, keepdims=keepdims) / total


def _against(weights: Any, x_shape: tuple[int, ...], axis: Axis, dtype: Any) -> Any:
    """The weights in a shape that broadcasts to x_shape, integers as x's floats; ShapeError."""
    if weights.dtype.kind in "biu" and dtype.kind == "f":
        weights = weights.astype(dtype)
    weights_shape = np.shape(weights)
    if weights_shape == x_shape:
        return weights
    one = axis[0] if isinstance(axis, tuple) and len(axis) == 1 else axis
    ndim = len(x_shape)
    at = None if isinstance(one, tuple | None) else normalized_axis("average", one, ndim)
    if at is None or weights_shape != x_shape[at : at + 1]:
        raise ShapeError(
            f"average: weights {weights_shape} for x {x_shape} over axis {axis}: they must have "
            f"x's shape, or be a row as long as the one axis"
        )
    return laid_along(weights, ndim, at)


def _average_x(g: Any, x_shape: tuple[int, ...], weights: Any, axis: Axis) -> Any:
    g = np.reshape(g, kept_shape(x_shape, axis))
    if weights is None:
        return np.broadcast_to(g / (element_count(x_shape, axis) or 1), x_shape)
    full = np.broadcast_to(_against(weights, x_shape, axis, g.dtype), x_shape)
    return g * (full / np.sum(full, axis=axis, keepdims=True))


def _average_weights(g: Any, x: Any, weights: Any, out: Any, axis: Axis) -> Any:
    shape, weights_shape = np.shape(x), np.shape(weights)
    kept = kept_shape(shape, axis)
    full = _against(weights, shape, axis, g.dtype)
    total = np.sum(np.broadcast_to(full, shape), axis=axis, keepdims=True)
    each = np.reshape(g, kept) * ((x - np.reshape(out, kept)) / total)
    return np.reshape(summed_to(each, np.shape(full)), weights_shape)


average.vjp(x=_average_x, weights=_average_weights)


def _numpy_average(
    a: Any, axis: Axis = None, weights: Any = None, returned: bool = False, **keepdims: bool
) -> Any:
    """np.average's order of arguments."""
    if returned:
        raise UnsupportedError("np.average on a Tensor: the argument 'returned' is not supported")
    return average(a, weights, axis=axis, **keepdims)


cast(Any, average).numpy_call = _numpy_average
NUMPY_OPS[np.average] = average
