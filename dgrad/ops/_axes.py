"""Axes: checked, kept at length 1, counted, joined to one row, summed back to a shape."""

from __future__ import annotations

import math
import operator
from typing import Any

import numpy as np

from dgrad.errors import ShapeError

__all__ = [
    "Axis",
    "element_count",
    "from_rows",
    "kept_shape",
    "laid_along",
    "normalized_axes",
    "normalized_axis",
    "section",
    "summed_to",
    "to_rows",
]

Axis = int | tuple[int, ...] | None


def normalized_axis(name: str, axis: int, ndim: int) -> int:
    """The axis as a number from 0; ShapeError that names the op if there is no such axis."""
    axis = operator.index(axis)
    if not -ndim <= axis < ndim:
        raise ShapeError(f"{name}: axis {axis} of an array of {ndim} axes")
    return axis % ndim


def normalized_axes(name: str, axis: Axis, ndim: int) -> tuple[int, ...]:
    """The axes to reduce, all when None, as numbers from 0; ShapeError if one is not there."""
    if axis is None:
        return tuple(range(ndim))
    given = axis if isinstance(axis, tuple) else (axis,)
    if not ndim and given in ((0,), (-1,)):  # NumPy lets a 0-d array be reduced over axis 0
        return ()
    return tuple(normalized_axis(name, a, ndim) for a in given)


def _reduced(ndim: int, axis: Axis) -> tuple[int, ...]:
    """The axes that `axis` names, each as a number from 0."""
    if axis is None:
        return tuple(range(ndim))
    return tuple(a % ndim for a in (axis if isinstance(axis, tuple) else (axis,)))


def kept_shape(shape: tuple[int, ...], axis: Axis) -> tuple[int, ...]:
    """`shape` with the reduced axes at length 1, so that the result broadcasts against it."""
    if axis is None:
        return (1,) * len(shape)
    axes = set(_reduced(len(shape) or 1, axis))  # NumPy lets a 0-d array be reduced over axis 0
    return tuple(1 if i in axes else n for i, n in enumerate(shape))


def element_count(shape: tuple[int, ...], axis: Axis) -> int:
    """How many elements go into one result."""
    if axis is None:
        return math.prod(shape)
    return math.prod(n for n, kept in zip(shape, kept_shape(shape, axis), strict=True) if kept == 1)


def section(name: str, ndim: int, axis: int, part: Any) -> tuple[Any, ...]:
    """The index of `part`, a slice or anything else, along axis; ShapeError if there is none."""
    return (slice(None),) * normalized_axis(name, axis, ndim) + (part,)


def laid_along(row: Any, ndim: int, axis: int) -> Any:
    """row, (n,), in a shape that broadcasts along axis, one that is there, of `ndim`."""
    return np.reshape(row, (-1,) + (1,) * (-axis - 1 if axis < 0 else ndim - axis - 1))


def summed_to(g: Any, shape: tuple[int, ...]) -> Any:
    """g summed over the axes that an array of `shape` was repeated along: back to that shape."""
    lead = np.ndim(g) - len(shape)
    wide = (i + lead for i, n in enumerate(shape) if n == 1 != np.shape(g)[i + lead])
    axes = (*range(lead), *wide)
    return np.reshape(np.add.reduce(g, axis=axes) if axes else g, shape)


def _order(ndim: int, axis: Axis) -> tuple[int, ...]:
    """The axes that stay, then the reduced ones."""
    if not ndim:
        return ()
    axes = _reduced(ndim, axis)
    return (*(i for i in range(ndim) if i not in axes), *axes)


def to_rows(x: Any, axis: Axis) -> Any:
    """x with its reduced axes moved to the end and joined: (axes that stay, elements of one)."""
    shape = np.shape(x)
    order = _order(len(shape), axis)
    stay = len(order) - len(_reduced(len(shape), axis)) if shape else 0
    lengths = tuple(shape[i] for i in order)
    return np.reshape(np.transpose(x, order), (*lengths[:stay], math.prod(lengths[stay:])))


def from_rows(rows: Any, shape: tuple[int, ...], axis: Axis) -> Any:
    """The array of `shape` whose to_rows is `rows`."""
    order = _order(len(shape), axis)
    inverse = tuple(int(i) for i in np.argsort(order)) if order else ()
    return np.transpose(np.reshape(rows, tuple(shape[i] for i in order)), inverse)
