"""Quantiles: median, quantile, percentile, with the gradient at the elements they lie between."""

from __future__ import annotations

from typing import Any

import numpy as np

from dgrad.core.op import op
from dgrad.errors import ParameterError
from dgrad.ops._axes import Axis, from_rows, kept_shape, normalized_axes, to_rows
from dgrad.ops._floats import as_floats
from dgrad.ops._index_arrays import plain
from dgrad.ops.gathering import spread_along

__all__ = ["median", "percentile", "quantile"]


def _neighbours(length: int, q: Any, dtype: Any) -> tuple[Any, Any, Any]:
    """(lower place, upper place, how far between them) of each q in `length` sorted elements."""
    position = np.asarray(q, np.float64).reshape(-1) * (length - 1)
    lower = np.floor(position).astype(np.intp)
    upper = np.ceil(position).astype(np.intp)
    return lower, upper, (position - lower).astype(dtype)


def _between(name: str, x: Any, q: Any, axis: Axis, keepdims: bool) -> Any:
    """The quantiles of the reduced axes, q's axes first; NaN where there is a NaN."""
    q = np.asarray(q)
    if not ((q >= 0) & (q <= 1)).all():
        raise ParameterError(name, "q", "between 0 and 1 (percentile: 100)", q.tolist())
    x = np.asarray(as_floats(x))
    axis = normalized_axes(name, axis, x.ndim)
    rows = np.sort(to_rows(x, axis), axis=-1)  # (..., n), NaNs last
    if not rows.shape[-1]:
        raise ParameterError(name, "x", "of at least one element along axis", x.shape)
    lower, upper, part = _neighbours(rows.shape[-1], q, x.dtype)
    low, high = rows[..., lower], rows[..., upper]
    with np.errstate(invalid="ignore"):  # infinity times 0, where nothing lies between
        out = np.where(part == 0, low, low * (1 - part) + high * part)
    out = np.where(np.isnan(rows[..., -1:]), np.nan, out)
    shape = kept_shape(x.shape, axis) if keepdims else out.shape[:-1]
    return np.moveaxis(out, -1, 0).reshape(q.shape + shape)


def _between_rule(g: Any, x: Any, q: Any, axis: Axis) -> Any:
    """Each g to the two elements around its quantile, by their weights."""
    shape = np.shape(x)
    order = np.argsort(to_rows(plain(x), axis), axis=-1, kind="stable")
    lower, upper, part = _neighbours(order.shape[-1], q, g.dtype)
    g = np.moveaxis(np.reshape(g, (part.size, *order.shape[:-1])), 0, -1)  # (..., quantiles)
    below = spread_along(g * (1 - part), order.shape, order[..., lower], -1)
    above = spread_along(g * part, order.shape, order[..., upper], -1)
    return from_rows(below + above, shape, axis)


@op(numpy=np.median, methods=("median",))
def median(x: Any, *, axis: Axis = None, keepdims: bool = False) -> Any:
    """The middle element over axis (all axes when None), or the mean of the middle two.

    NaN where there is a NaN. PyTorch's median of an even count is the lower of the two.
    """
    return _between("median", x, 0.5, axis, keepdims)


median.vjp(x=lambda g, x, axis: _between_rule(g, x, 0.5, axis))


@op(
    numpy=np.quantile,
    methods=("quantile",),
    example=lambda rng: ((rng.normal(size=(3, 4)),), {"q": 0.3}),
)
def quantile(x: Any, *, q: Any, axis: Axis = None, keepdims: bool = False) -> Any:
    """The value below which a share q of the elements over axis lies, between neighbours linear.

    q: number or array in [0, 1]; its axes come first in the result. NaN where there is a NaN.
    Raises ParameterError for q outside and for no elements.
    """
    return _between("quantile", x, q, axis, keepdims)


quantile.vjp(x=_between_rule)


@op(
    numpy=np.percentile,
    methods=("percentile",),
    example=lambda rng: ((rng.normal(size=(3, 4)),), {"q": 30}),
)
def percentile(x: Any, *, q: Any, axis: Axis = None, keepdims: bool = False) -> Any:
    """quantile of q / 100: q in [0, 100]."""
    return _between("percentile", x, np.asarray(q) / 100, axis, keepdims)


percentile.vjp(x=lambda g, x, q, axis: _between_rule(g, x, np.asarray(q) / 100, axis))
