"""Reductions over axes: sums, products, means, extremes, variance, log-sum-exp, argmax."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from dgrad.core.op import op
from dgrad.ops._axes import Axis, element_count, from_rows, kept_shape, to_rows
from dgrad.ops._exclusive_products import after, before
from dgrad.ops._floats import as_floats

# The reductions themselves: np.sum and its kin add a third to the cost of small arrays.
_add: Any = np.add.reduce
_largest: Any = np.maximum.reduce
_smallest: Any = np.minimum.reduce
_product: Any = np.multiply.reduce

__all__ = [
    "all",
    "any",
    "argmax",
    "argmin",
    "count_nonzero",
    "logsumexp",
    "max",
    "mean",
    "min",
    "prod",
    "ptp",
    "std",
    "sum",
    "var",
]


def _spread(g: Any, x_shape: tuple[int, ...], axis: Axis) -> Any:
    """g, reduced over axis, repeated to x_shape."""
    return np.broadcast_to(np.reshape(g, kept_shape(x_shape, axis)), x_shape)


@op(numpy=np.sum, methods=("sum",), complex=True)
def sum(x: Any, *, axis: Axis = None, keepdims: bool = False) -> Any:
    """Sum over axis (all axes when None). x: any shape -> shape without those axes."""
    return _add(x, axis=axis, keepdims=keepdims)


sum.vjp(x=lambda g, x_shape, axis: _spread(g, x_shape, axis))


def _average(x: Any, axis: Axis, keepdims: bool) -> Any:
    return _add(x, axis=axis, keepdims=keepdims) / (element_count(np.shape(x), axis) or math.nan)


@op(numpy=np.mean, methods=("mean",), complex=True)
def mean(x: Any, *, axis: Axis = None, keepdims: bool = False) -> Any:
    """Mean over axis (all axes when None); NaN of nothing. x: any shape -> without those axes."""
    return _average(x, axis, keepdims)


mean.vjp(x=lambda g, x_shape, axis: _spread(g / (element_count(x_shape, axis) or 1), x_shape, axis))


@op(numpy=np.prod, methods=("prod",), complex=True)
def prod(x: Any, *, axis: Axis = None, keepdims: bool = False) -> Any:
    """Product over axis (all axes when None); its gradient is right at zeros: nothing is divided.

    x: any shape -> shape without those axes.
    """
    return _product(x, axis=axis, keepdims=keepdims)


def _prod_rule(g: Any, x: Any, axis: Axis) -> Any:
    """g times the product of the other elements: of those before times of those after."""
    shape = np.shape(x)
    rows = to_rows(x, axis)  # (..., n)
    others = before(rows) * after(rows)
    return np.reshape(g, kept_shape(shape, axis)) * from_rows(others, shape, axis)


prod.vjp(x=_prod_rule)


def extreme_rule(g: Any, x: Any, out: Any, axis: Axis) -> Any:
    """g shared equally among the elements that attain the extreme (NaN attains NaN)."""
    shape = np.shape(x)
    peak = np.reshape(out, kept_shape(shape, axis))
    ties = np.equal(x, peak) | (np.not_equal(x, x) & np.not_equal(peak, peak))
    count = _add(ties.astype(g.dtype), axis=axis, keepdims=True)
    return np.where(ties, np.reshape(g, kept_shape(shape, axis)) / count, 0.0)


@op(numpy=(np.max, np.amax), methods=("max",))
def max(x: Any, *, axis: Axis = None, keepdims: bool = False) -> Any:
    """Largest element along axis (all axes when None); k ties get 1/k of the gradient each."""
    return _largest(x, axis=axis, keepdims=keepdims)


max.vjp(x=extreme_rule)


@op(numpy=(np.min, np.amin), methods=("min",))
def min(x: Any, *, axis: Axis = None, keepdims: bool = False) -> Any:
    """Smallest element along axis (all axes when None); k ties get 1/k of the gradient each."""
    return _smallest(x, axis=axis, keepdims=keepdims)


min.vjp(x=extreme_rule)


@op(numpy=np.ptp, methods=("ptp",))
def ptp(x: Any, *, axis: Axis = None, keepdims: bool = False) -> Any:
    """max - min over axis; k ties at either end get 1/k of the gradient each."""
    return _largest(x, axis=axis, keepdims=keepdims) - _smallest(x, axis=axis, keepdims=keepdims)


def _ptp_rule(g: Any, x: Any, axis: Axis) -> Any:
    high, low = np.max(x, axis=axis), np.min(x, axis=axis)
    return extreme_rule(g, x, high, axis) - extreme_rule(g, x, low, axis)


ptp.vjp(x=_ptp_rule)


@op(numpy=np.var, methods=("var",))
def var(x: Any, *, axis: Axis = None, ddof: int = 0, keepdims: bool = False) -> Any:
    """Mean squared distance from the mean over axis, divided by count - ddof (NumPy's ddof = 0).

    PyTorch's default is ddof = 1. NaN unless count > ddof. x: any shape -> without those axes.
    """
    return _variance(x, axis, ddof, keepdims)


def _variance(x: Any, axis: Axis, ddof: int, keepdims: bool) -> Any:
    centred = x - _average(x, axis, keepdims=True)
    return _add(centred * centred, axis=axis, keepdims=keepdims) / _freedom(x, axis, ddof)


def _freedom(x: Any, axis: Axis, ddof: int) -> float:
    """How many squares the variance is the mean of; NaN when there are none."""
    count = element_count(np.shape(x), axis) - ddof
    return count if count > 0 else math.nan


def _var_rule(g: Any, x: Any, axis: Axis, ddof: int) -> Any:
    centred = x - _average(x, axis, keepdims=True)
    g = np.reshape(g, kept_shape(np.shape(x), axis))
    return g * (centred * (2 / _freedom(x, axis, ddof)))


var.vjp(x=_var_rule)


@op(numpy=np.std, methods=("std",))
def std(x: Any, *, axis: Axis = None, ddof: int = 0, keepdims: bool = False) -> Any:
    """Square root of var; its gradient is 0 where all elements are equal."""
    return np.sqrt(_variance(x, axis, ddof, keepdims))


def _std_rule(g: Any, x: Any, out: Any, axis: Axis, ddof: int) -> Any:
    zero = np.equal(out, 0)
    half = np.where(zero, 0.0, g) / (np.where(zero, 1.0, out) * 2)
    return _var_rule(half, x, axis, ddof)


std.vjp(x=_std_rule)


@op(methods=("logsumexp",))
def logsumexp(x: Any, *, axis: Axis = None, keepdims: bool = False) -> Any:
    """log(sum(exp(x))) over axis, shifted by the maximum so that it cannot overflow."""
    x = as_floats(x)
    peak = _largest(x, axis=axis, keepdims=True)
    peak = np.where(np.isfinite(peak), peak, 0.0)
    with np.errstate(divide="ignore"):  # log(0) is -inf: all of x was -inf
        out = np.log(_add(np.exp(x - peak), axis=axis, keepdims=True)) + peak
    return out if keepdims else np.squeeze(out, axis)


def _logsumexp_rule(g: Any, x: Any, out: Any, axis: Axis) -> Any:
    kept = kept_shape(np.shape(x), axis)
    out = np.reshape(out, kept)
    return np.reshape(g, kept) * np.exp(x - np.where(np.isfinite(out), out, 0.0))


logsumexp.vjp(x=_logsumexp_rule)


@op(differentiable=False, numpy=np.argmax, methods=("argmax",))
def argmax(x: Any, *, axis: int | None = None, keepdims: bool = False) -> Any:
    """Index of the first largest element along axis, without gradient."""
    return np.argmax(x, axis=axis, keepdims=keepdims)


@op(differentiable=False, numpy=np.argmin, methods=("argmin",))
def argmin(x: Any, *, axis: int | None = None, keepdims: bool = False) -> Any:
    """Index of the first smallest element along axis, without gradient."""
    return np.argmin(x, axis=axis, keepdims=keepdims)


@op(differentiable=False, numpy=np.count_nonzero, methods=("count_nonzero",))
def count_nonzero(x: Any, *, axis: Axis = None, keepdims: bool = False) -> Any:
    """How many elements over axis are not 0, without gradient."""
    return np.count_nonzero(x, axis=axis, keepdims=keepdims)


@op(differentiable=False, methods=("any",))
def any(x: Any, *, axis: Axis = None, keepdims: bool = False) -> Any:
    """Whether an element over axis is not 0, without gradient."""
    return np.any(x, axis=axis, keepdims=keepdims)


@op(differentiable=False, methods=("all",))
def all(x: Any, *, axis: Axis = None, keepdims: bool = False) -> Any:
    """Whether no element over axis is 0, without gradient."""
    return np.all(x, axis=axis, keepdims=keepdims)
