"""Axes of reductions: kept lengths, counts, and the reduced axes as one row."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

__all__ = ["Axis", "element_count", "from_rows", "kept_shape", "section", "to_rows"]

Axis = int | tuple[int, ...] | None


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


def section(ndim: int, axis: int, part: Any) -> tuple[Any, ...]:
    """The index of `part`, a slice or anything else, along axis."""
    return (slice(None),) * (axis % ndim) + (part,)


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
