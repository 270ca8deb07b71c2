"""Scans along an axis: running sums, products, extremes, log-sum-exp; differences; recurrence."""

from __future__ import annotations

from typing import Any

import numpy as np

from dgrad.core.op import op
from dgrad.errors import ShapeError
from dgrad.ops._axes import laid_along, normalized_axis
from dgrad.ops._floats import as_floats
from dgrad.ops._index_arrays import plain
from dgrad.ops.gathering import spread_along

__all__ = [
    "cummax",
    "cummin",
    "cumprod",
    "cumsum",
    "diff",
    "linear_recurrence",
    "logcumsumexp",
]


def _first(shape: tuple[int, ...], axis: int, place: int = 0) -> Any:
    """True at `place` along axis, False elsewhere; broadcasts against shape."""
    mask = np.zeros(shape[axis], bool)
    mask[place : None if place < 0 else place + 1] = True
    return laid_along(mask, len(shape), axis)


@op(numpy=np.cumsum, methods=("cumsum",), complex=True)
def cumsum(x: Any, *, axis: int | None = None) -> Any:
    """out[k] = x[0] + ... + x[k] along axis; over all elements in row-major order when None."""
    return np.cumsum(x, axis)


def _cumsum_rule(g: Any, x_shape: tuple[int, ...], axis: int | None) -> Any:
    along = 0 if axis is None else axis
    return np.reshape(np.flip(np.cumsum(np.flip(g, along), axis=along), along), x_shape)


cumsum.vjp(x=_cumsum_rule)


def _decaying(rng: np.random.Generator) -> tuple[tuple[Any, ...], dict[str, Any]]:
    return (rng.uniform(0.5, 1.0, size=(3, 4)), rng.normal(size=(3, 4))), {"axis": 1}


@op(complex=True, example=_decaying)
def linear_recurrence(a: Any, b: Any, *, axis: int = -1, reverse: bool = False) -> Any:
    """out[k] = a[k] out[k-1] + b[k] along axis, out[0] = b[0]; from the end when reverse.

    a, b: one shape -> the same shape; a[0] is not used. Raises ShapeError.
    """
    if np.shape(a) != np.shape(b):
        raise ShapeError(f"linear_recurrence: a {np.shape(a)} and b {np.shape(b)} must be alike")
    axis = normalized_axis("linear_recurrence", axis, np.ndim(b))
    factors = np.moveaxis(np.asarray(a), axis, 0)  # (n, ...)
    out = np.array(np.moveaxis(b, axis, 0), np.result_type(a, b))
    for k in range(1, len(out)):
        if reverse:
            out[-1 - k] += factors[-1 - k] * out[-k]
        else:
            out[k] += factors[k] * out[k - 1]
    return np.moveaxis(out, 0, axis)


def _recurrence_b(g: Any, a: Any, axis: int, reverse: bool) -> Any:
    """The recurrence run backwards: h[k] = g[k] + a[k+1] h[k+1]."""
    factors = np.roll(a, 1 if reverse else -1, axis)
    return linear_recurrence(factors, g, axis=axis, reverse=not reverse)


def _recurrence_a(g: Any, a: Any, out: Any, axis: int, reverse: bool) -> Any:
    """h[k] out[k-1]; nothing for the a that is not used."""
    h = _recurrence_b(g, a, axis, reverse)
    unused = _first(np.shape(out), axis, -1 if reverse else 0)
    return h * np.where(unused, 0.0, np.roll(out, -1 if reverse else 1, axis))


linear_recurrence.vjp(a=_recurrence_a, b=_recurrence_b)


@op(numpy=np.cumprod, methods=("cumprod",), complex=True)
def cumprod(x: Any, *, axis: int | None = None) -> Any:
    """out[k] = x[0] ... x[k] along axis; over all elements in row-major order when None.

    Its gradient is right at zeros: nothing is divided.
    """
    return np.cumprod(x, axis)


def _cumprod_rule(g: Any, x: Any, out: Any, axis: int | None) -> Any:
    """x[0] ... x[j-1] (g[j] + x[j+1] (g[j+1] + x[j+2] (...)))."""
    shape = np.shape(x)
    if axis is None:
        x, axis = np.reshape(x, np.shape(out)), 0
    before = np.where(_first(np.shape(out), axis), 1.0, np.roll(out, 1, axis))
    return np.reshape(before * _recurrence_b(g, x, axis, False), shape)


cumprod.vjp(x=_cumprod_rule)


@op(methods=("logcumsumexp",))
def logcumsumexp(x: Any, *, axis: int = -1) -> Any:
    """out[k] = log(exp(x[0]) + ... + exp(x[k])) along axis; nothing overflows."""
    x = np.asarray(as_floats(x))
    return np.logaddexp.accumulate(x, normalized_axis("logcumsumexp", axis, x.ndim))


def _logcumsumexp_rule(g: Any, x: Any, out: Any, axis: int) -> Any:
    """exp(x[j] - out[j]) h[j] with h[j] = g[j] + exp(out[j] - out[j+1]) h[j+1]: no exponent > 0."""
    shape = np.shape(out)
    finite = np.isfinite(out)
    level = np.where(finite, out, 0.0)
    fall = np.roll(level, 1, axis) - level  # at j + 1: out[j] - out[j+1]
    linked = finite & np.roll(finite, 1, axis) & np.logical_not(_first(shape, axis))
    factors = np.exp(np.where(linked, fall, -np.inf))
    return np.exp(x - level) * _recurrence_b(g, factors, axis, False)


logcumsumexp.vjp(x=_logcumsumexp_rule)


def _reached(g: Any, x: Any, out: Any, axis: int) -> Any:
    """Each g to the element that its result was: of equal ones the latest, as in PyTorch."""
    shape = np.shape(x)
    attains = np.equal(x, out) | np.isnan(x)
    steps = laid_along(np.arange(shape[axis]), len(shape), axis)
    latest = np.maximum.accumulate(np.where(plain(attains), steps, 0), axis)
    return spread_along(g, shape, latest, axis)


@op(methods=("cummax",))
def cummax(x: Any, *, axis: int = -1) -> Any:
    """out[k] = max(x[0], ..., x[k]) along axis; of equal elements the latest gets the gradient."""
    x = np.asarray(x)
    return np.maximum.accumulate(x, normalized_axis("cummax", axis, x.ndim))


cummax.vjp(x=_reached)


@op(methods=("cummin",))
def cummin(x: Any, *, axis: int = -1) -> Any:
    """out[k] = min(x[0], ..., x[k]) along axis; of equal elements the latest gets the gradient."""
    x = np.asarray(x)
    return np.minimum.accumulate(x, normalized_axis("cummin", axis, x.ndim))


cummin.vjp(x=_reached)


@op(numpy=np.diff, methods=("diff",), complex=True)
def diff(x: Any, *, n: int = 1, axis: int = -1) -> Any:
    """x[k+1] - x[k] along axis, n times over: each time one element less."""
    return np.diff(x, n, axis) if n else np.array(x)


def _diff_rule(g: Any, x_shape: tuple[int, ...], n: int, axis: int) -> Any:
    axis = normalized_axis("diff", axis, len(x_shape))
    none_left = x_shape[axis] <= n  # and g is empty
    ends = (x_shape[axis], 0) if none_left else (n, n)
    widened = np.pad(g, tuple(ends if i == axis else (0, 0) for i in range(len(x_shape))))
    return widened if none_left else np.diff(widened, n=n, axis=axis) * (-1) ** n


diff.vjp(x=_diff_rule)
