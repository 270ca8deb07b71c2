"""Norms of vectors and matrices; their gradient is 0 where the norm is 0."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from dgrad.core.op import op
from dgrad.errors import ParameterError
from dgrad.ops._axes import Axis, kept_shape, normalized_axis
from dgrad.ops._floats import as_floats
from dgrad.ops.reduction import extreme_rule

__all__ = ["norm", "vector_norm"]

EXTREMES = (math.inf, -math.inf)


@op(numpy=np.linalg.vector_norm)
def vector_norm(x: Any, *, axis: Any = None, keepdims: bool = False, ord: float = 2) -> Any:
    """(sum |x|^ord)^(1/ord) over axis, all axes when None; ord inf and -inf: the largest |x|, the
    smallest; ord 0: how many are not 0.

    The gradient is 0 where the norm is 0, and for an element that is 0 (ord 1 and below too).
    """
    with np.errstate(divide="ignore"):  # negative ord: 0 ** -1 is inf, and the norm 0
        return np.linalg.vector_norm(as_floats(x), axis=axis, keepdims=keepdims, ord=ord)


def _vector_rule(g: Any, x: Any, out: Any, axis: Axis, ord: float) -> Any:
    if ord in EXTREMES:
        return extreme_rule(g, np.abs(x), out, axis) * np.sign(x)
    kept = kept_shape(np.shape(x), axis)
    g, out = np.reshape(g, kept), np.reshape(out, kept)
    if ord == 0:
        return g * np.zeros_like(x)
    return np.where(np.equal(out, 0), 0.0, g) * p_norm_slope(x, out, ord)


vector_norm.vjp(x=_vector_rule)


@op(numpy=np.linalg.norm, methods=("norm",))
def norm(x: Any, *, ord: Any = None, axis: Axis = None, keepdims: bool = False) -> Any:
    """np.linalg.norm: of a vector (one axis) as vector_norm; of a matrix (two) the Frobenius norm,
    or the largest (ord 1, inf) or smallest (-1, -inf) sum of |x| over a column (±1), a row (±inf).

    ord None: the root of the sum of squares, over any axes. Raises ParameterError for other ord of
    a matrix: they need singular values.
    """
    axes = _axes(np.ndim(x), ord, axis)
    if ord is None or ord == "fro":
        return vector_norm(x, axis=axes, keepdims=keepdims)
    if len(axes) != 2:
        return vector_norm(x, axis=axes, keepdims=keepdims, ord=ord)
    return np.linalg.norm(as_floats(x), ord, axes, keepdims)


def _axes(ndim: int, ord: Any, axis: Axis) -> tuple[int, ...]:
    """The axes from 0; ParameterError if there is no norm of that order over so many."""
    axes = tuple(range(ndim)) if axis is None else axis if isinstance(axis, tuple) else (axis,)
    vector = len(axes) == 1 and isinstance(ord, int | float)
    matrix = len(axes) == 2 and (ord == "fro" or ord in (1, -1, *EXTREMES))
    if not (ord is None or vector or matrix):
        raise ParameterError(
            "norm",
            "ord",
            "None, a number for one axis, or 'fro', 1, -1, inf, -inf for two",
            ord,
        )
    return tuple(normalized_axis("norm", a, ndim) for a in axes)


def _norm_rule(g: Any, x: Any, out: Any, ord: Any, axis: Axis) -> Any:
    axes = _axes(np.ndim(x), ord, axis)
    if ord is None or ord == "fro":
        return _vector_rule(g, x, out, axes, 2)
    if len(axes) != 2:
        return _vector_rule(g, x, out, axes, ord)
    rows, columns = axes
    summed, chosen = (rows, columns) if ord in (1, -1) else (columns, rows)
    sums = np.sum(np.abs(x), axis=summed, keepdims=True)
    kept = np.reshape(out, kept_shape(np.shape(x), axes))
    return extreme_rule(np.reshape(g, np.shape(kept)), sums, kept, chosen) * np.sign(x)


norm.vjp(x=_norm_rule)


# -- of rows, inside other ops --------------------------------------------------------------------


def p_norm(v: Any, p: float, axis: int = -1) -> Any:
    """(sum |v|^p)^(1/p) along axis, which keeps the length 1. p >= 1; its gradient at 0 is 0."""
    if p == 1:
        return np.add.reduce(np.absolute(v), axis=axis, keepdims=True)
    powers = np.add.reduce(v * v if p == 2 else np.absolute(v) ** p, axis=axis, keepdims=True)
    zero = np.equal(powers, 0)
    return np.where(zero, 0.0, np.where(zero, 1.0, powers) ** (1 / p))


def p_norm_slope(v: Any, norm: Any, p: float) -> Any:
    """The gradient of p_norm: sign(v) (|v| / norm)^(p - 1). norm: what p_norm gave."""
    if p == 1:
        return np.sign(v)
    unit = v / np.where(np.equal(norm, 0), 1.0, norm)
    if p == 2:
        return unit
    zero = np.equal(unit, 0)
    return np.where(zero, 0.0, np.sign(v) * np.absolute(np.where(zero, 1.0, unit)) ** (p - 1))
