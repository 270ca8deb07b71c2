"""Sums of products of two arrays, and of a chain of matrices: dot, inner, tensordot, kron, ..."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from dgrad.core.op import op
from dgrad.errors import ShapeError
from dgrad.ops._examples import normal

__all__ = ["cross", "dot", "inner", "kron", "multi_dot", "outer", "tensordot", "vdot", "vecdot"]

Axes = int | tuple[Any, Any]

_vecdot: Any = np.linalg.vecdot  # its stub knows no axis


def _conjugate(x: Any) -> Any:
    return np.conjugate(x) if x.dtype.kind == "c" else x


@op(complex=True, numpy=(np.tensordot, np.linalg.tensordot), example=normal((2, 3, 4), (3, 4, 2)))
def tensordot(x: Any, y: Any, *, axes: Axes = 2) -> Any:
    """Sum of products over pairs of axes; the result has x's other axes, then y's.

    axes: how many, the last of x with the first of y; or (axes of x, axes of y), pair by pair.
    """
    return np.tensordot(x, y, axes)


def _pairs(axes: Axes, x_ndim: int, y_ndim: int) -> tuple[list[int], list[int]]:
    """The axes of x and of y that are summed over, pair by pair, counted from 0."""
    if isinstance(axes, int | np.integer):
        return list(range(x_ndim - int(axes), x_ndim)), list(range(int(axes)))
    pair_x, pair_y = (np.atleast_1d(part).tolist() for part in axes)
    return [int(a) % x_ndim for a in pair_x], [int(a) % y_ndim for a in pair_y]


def _free(ndim: int, summed: Sequence[int]) -> list[int]:
    return [a for a in range(ndim) if a not in summed]


def _placed(x: Any, places: list[int]) -> Any:
    """x with its axis i moved to places[i]."""
    if places == sorted(places):
        return x
    return np.transpose(x, tuple(int(i) for i in np.argsort(places)))


def _left(g: Any, y: Any, x_ndim: int, pairs: tuple[list[int], list[int]]) -> Any:
    """The gradient of x in a contraction with y over `pairs`: one of g with y, closed."""
    pair_x, pair_y = pairs
    free_x, free_y = _free(x_ndim, pair_x), _free(np.ndim(y), pair_y)
    out = tensordot(g, y, axes=(list(range(len(free_x), np.ndim(g))), free_y))
    met = [pair_x[pair_y.index(a)] for a in sorted(pair_y)]  # where y's remaining axes belong
    return _placed(out, free_x + met)


def _right(g: Any, x: Any, y_ndim: int, pairs: tuple[list[int], list[int]]) -> Any:
    """The gradient of y in a contraction with x over `pairs`."""
    pair_x, pair_y = pairs
    free_x, free_y = _free(np.ndim(x), pair_x), _free(y_ndim, pair_y)
    out = tensordot(x, g, axes=(free_x, list(range(len(free_x)))))
    met = [pair_y[pair_x.index(a)] for a in sorted(pair_x)]
    return _placed(out, met + free_y)


tensordot.vjp(
    x=lambda g, x_shape, y, axes: _left(g, y, len(x_shape), _pairs(axes, len(x_shape), np.ndim(y))),
    y=lambda g, x, y_shape, axes: _right(
        g, x, len(y_shape), _pairs(axes, np.ndim(x), len(y_shape))
    ),
)


def _scaled(g: Any, other: Any, shape: tuple[int, ...]) -> Any:
    """The gradient of one factor of a product in which the other, or it, is a single number."""
    return g * other if shape else np.sum(g * other)


@op(complex=True, numpy=np.dot, methods=("dot",), example=normal((2, 3), (4, 3, 2)))
def dot(x: Any, y: Any) -> Any:
    """Sum over the last axis of x and the last but one of y (a vector's only one), as np.dot.

    x: (..., k), y: (..., k, m) or (k,) -> x's other axes, then y's. A number multiplies.
    """
    return np.dot(x, y)


def _dot_pairs(x_ndim: int, y_ndim: int) -> tuple[list[int], list[int]]:
    return [x_ndim - 1], [max(y_ndim - 2, 0)]


def _dot_x(g: Any, x_shape: tuple[int, ...], y: Any) -> Any:
    x_ndim, y_ndim = len(x_shape), np.ndim(y)
    if not (x_ndim and y_ndim):
        return _scaled(g, y, x_shape)
    return _left(g, y, x_ndim, _dot_pairs(x_ndim, y_ndim))


def _dot_y(g: Any, x: Any, y_shape: tuple[int, ...]) -> Any:
    x_ndim, y_ndim = np.ndim(x), len(y_shape)
    if not (x_ndim and y_ndim):
        return _scaled(g, x, y_shape)
    return _right(g, x, y_ndim, _dot_pairs(x_ndim, y_ndim))


dot.vjp(x=_dot_x, y=_dot_y)


@op(complex=True, numpy=np.inner, example=normal((2, 3), (4, 3)))
def inner(x: Any, y: Any) -> Any:
    """Sum over the last axes. x: (..., k), y: (..., k) -> x's other axes, then y's.

    A number multiplies. Nothing is conjugated.
    """
    return np.inner(x, y)


def _inner_x(g: Any, x_shape: tuple[int, ...], y: Any) -> Any:
    x_ndim, y_ndim = len(x_shape), np.ndim(y)
    if not (x_ndim and y_ndim):
        return _scaled(g, y, x_shape)
    return _left(g, y, x_ndim, ([x_ndim - 1], [y_ndim - 1]))


def _inner_y(g: Any, x: Any, y_shape: tuple[int, ...]) -> Any:
    x_ndim, y_ndim = np.ndim(x), len(y_shape)
    if not (x_ndim and y_ndim):
        return _scaled(g, x, y_shape)
    return _right(g, x, y_ndim, ([x_ndim - 1], [y_ndim - 1]))


inner.vjp(x=_inner_x, y=_inner_y)


@op(complex=True, numpy=(np.outer, np.linalg.outer), example=normal((3,), (4,)))
def outer(x: Any, y: Any) -> Any:
    """x_i y_j of the flattened arrays. x: n elements, y: m elements -> (n, m)."""
    return np.outer(x, y)


outer.vjp(
    x=lambda g, x_shape, y: np.reshape(np.matmul(g, np.reshape(y, -1)), x_shape),
    y=lambda g, x, y_shape: np.reshape(np.matmul(np.reshape(x, -1), g), y_shape),
)


@op(complex=True, numpy=np.vdot, example=normal((3, 2), (3, 2)))
def vdot(x: Any, y: Any) -> Any:
    """Sum of conj(x) y over all elements. x, y: as many elements -> a single number."""
    return np.vdot(x, y)


vdot.vjp(
    x=lambda g, x_shape, y: np.reshape(_conjugate(g * y), x_shape),
    y=lambda g, x, y_shape: np.reshape(g * _conjugate(x), y_shape),
)


@op(
    broadcasts=True,
    complex=True,
    numpy=(np.vecdot, np.linalg.vecdot),
    example=normal((2, 3), (4, 1, 3)),
)
def vecdot(x: Any, y: Any, *, axis: int = -1) -> Any:
    """Sum of conj(x) y over axis; the other axes broadcast.

    Raises ShapeError when axis is counted from the front in arrays of different ranks.
    """
    if axis >= 0 and np.ndim(x) != np.ndim(y):
        raise ShapeError(
            f"vecdot: axis {axis} is not the same one in {np.shape(x)} and {np.shape(y)}; "
            f"count it from the end, as -1"
        )
    return _vecdot(x, y, axis=axis)


def _back(g: Any, axis: int, other: Any) -> Any:
    """g with the summed axis put back, so that it broadcasts against the operands."""
    return np.expand_dims(g, axis if axis < 0 else axis - np.ndim(other))


vecdot.vjp(
    x=lambda g, y, axis: _conjugate(_back(g, axis, y) * y),
    y=lambda g, x, axis: _back(g, axis, x) * _conjugate(x),
)


@op(complex=True, numpy=np.kron, example=normal((2, 3), (3, 2)))
def kron(x: Any, y: Any) -> Any:
    """Kronecker product: blocks x_ij y. x: (a, b), y: (c, d) -> (a c, b d); any rank likewise."""
    return np.kron(x, y)


def _blocks(g: Any, x_shape: tuple[int, ...], y_shape: tuple[int, ...]) -> tuple[Any, ...]:
    """g as (x_0, y_0, x_1, y_1, ...), and both shapes with leading ones to the same rank."""
    ndim = max(len(x_shape), len(y_shape))
    x_long = (1,) * (ndim - len(x_shape)) + tuple(x_shape)
    y_long = (1,) * (ndim - len(y_shape)) + tuple(y_shape)
    mixed = [n for pair in zip(x_long, y_long, strict=True) for n in pair]
    return np.reshape(g, mixed), x_long, y_long


def _kron_x(g: Any, x_shape: tuple[int, ...], y: Any) -> Any:
    g, x_long, y_long = _blocks(g, x_shape, np.shape(y))
    ndim = len(x_long)
    pairs = (list(range(1, 2 * ndim, 2)), list(range(ndim)))
    return np.reshape(tensordot(g, np.reshape(y, y_long), axes=pairs), x_shape)


def _kron_y(g: Any, x: Any, y_shape: tuple[int, ...]) -> Any:
    g, x_long, _ = _blocks(g, np.shape(x), y_shape)
    ndim = len(x_long)
    pairs = (list(range(ndim)), list(range(0, 2 * ndim, 2)))
    return np.reshape(tensordot(np.reshape(x, x_long), g, axes=pairs), y_shape)


kron.vjp(x=_kron_x, y=_kron_y)


@op(
    broadcasts=True,
    complex=True,
    numpy=(np.cross, np.linalg.cross),
    example=normal((2, 3), (3,)),
)
def cross(
    x: Any, y: Any, *, axisa: int = -1, axisb: int = -1, axisc: int = -1, axis: int | None = None
) -> Any:
    """Vector product in three dimensions. x, y: 3 numbers along an axis; the others broadcast.

    axisa, axisb, axisc: that axis in x, y and the result; axis: all three at once.
    Raises ShapeError for vectors of another length.
    """
    if axis is not None:
        axisa = axisb = axisc = axis
    for name, operand, along in (("x", x, axisa), ("y", y, axisb)):
        shape = np.shape(operand)
        if -len(shape) <= along < len(shape) and shape[along] != 3:
            raise ShapeError(f"cross: expected 3 numbers along axis {along} of {name}, got {shape}")
    return np.cross(x, y, axisa=axisa, axisb=axisb, axisc=axisc)


def _from_end(axis: int, ndim: int) -> int:
    """The same axis counted from the end: it stays right when broadcasting adds axes in front."""
    return axis if axis < 0 else axis - ndim


def _cross_x(
    g: Any, x_shape: tuple[int, ...], y: Any, axisa: int, axisb: int, axisc: int, axis: int | None
) -> Any:
    if axis is not None:
        axisa = axisb = axisc = axis
    end = _from_end(axisa, len(x_shape))
    return cross(y, g, axisa=axisb, axisb=axisc, axisc=end)  # <g, x * y> = <x, y * g>


def _cross_y(
    g: Any, x: Any, y_shape: tuple[int, ...], axisa: int, axisb: int, axisc: int, axis: int | None
) -> Any:
    if axis is not None:
        axisa = axisb = axisc = axis
    end = _from_end(axisb, len(y_shape))
    return cross(g, x, axisa=axisc, axisb=axisa, axisc=end)


cross.vjp(x=_cross_x, y=_cross_y)


@op(complex=True, numpy=np.linalg.multi_dot, example=normal((2, 3), (3, 4), (4, 2)))
def multi_dot(*xs: Any) -> Any:
    """Product of a chain of matrices, in the order that takes the fewest multiplications.

    xs: (a, b), (b, c), ..., (y, z) -> (a, z); the first may be a row (b,), the last a column (y,).
    """
    return np.linalg.multi_dot(xs)


def _multi_dot_rule(g: Any, xs: tuple[Any, ...], needs: tuple[bool, ...]) -> list[Any]:
    """Of each matrix: the transposes of those before it, g, of those after, all in reverse."""
    shapes = [np.shape(x) for x in xs]
    rows = [np.reshape(x, (1, -1)) if np.ndim(x) == 1 else np.transpose(x) for x in xs]
    if len(shapes[0]) == 1:  # a row, so its transpose is a column
        rows[0] = np.reshape(xs[0], (-1, 1))
    g = np.reshape(g, (rows[0].shape[1], rows[-1].shape[0]))
    return [
        np.reshape(multi_dot(*rows[:i][::-1], g, *rows[:i:-1]), shapes[i]) if needed else None
        for i, needed in enumerate(needs)
    ]


multi_dot.vjp(_multi_dot_rule)
