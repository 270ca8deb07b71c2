"""Order: sort, argsort, topk, extremes with their indices, searchsorted."""

from __future__ import annotations

import operator
from typing import Any

import numpy as np

from dgrad.core.op import op
from dgrad.errors import DtypeError, ParameterError
from dgrad.ops._axes import kept_shape
from dgrad.ops._index_arrays import plain
from dgrad.ops.gathering import spread_along

__all__ = ["argsort", "max_with_index", "min_with_index", "searchsorted", "sort", "topk"]


def _order(x: Any, axis: int, descending: bool = False) -> Any:
    """The stable argsort of an array; descending, equal elements keep their order too."""
    if not descending:
        return np.argsort(x, axis=axis, kind="stable")
    flipped = np.argsort(np.flip(x, axis), axis=axis, kind="stable")
    return x.shape[axis] - 1 - np.flip(flipped, axis)


def _lined_up(name: str, x: Any, axis: int | None) -> tuple[Any, int]:
    """x and the axis to sort along: of all elements in a line when axis is None."""
    x = np.asarray(x)
    if x.dtype.kind == "c":
        raise DtypeError(f"{name}: complex numbers have no order, got {x.dtype}")
    return (x.reshape(-1), 0) if axis is None else (x, axis)


@op(numpy=np.sort, methods=("sort",))
def sort(
    x: Any, *, axis: int | None = -1, descending: bool = False, stable: bool | None = True
) -> Any:
    """x in ascending order along axis (flattened when None), NaNs at the end; g is put back.

    Always stable: of equal elements the first comes first, whatever `stable` says. descending
    turns the order round, NaNs first.
    """
    x, axis = _lined_up("sort", x, axis)
    if not descending:
        return np.sort(x, axis=axis, kind="stable")
    return np.take_along_axis(x, _order(x, axis, descending), axis)


def _sort_rule(g: Any, x: Any, axis: int | None, descending: bool) -> Any:
    shape = np.shape(x)
    x, axis = _lined_up("sort", plain(x), axis)
    return np.reshape(spread_along(g, x.shape, _order(x, axis, descending), axis), shape)


sort.vjp(x=_sort_rule)


@op(differentiable=False, numpy=np.argsort, methods=("argsort",))
def argsort(
    x: Any, *, axis: int | None = -1, descending: bool = False, stable: bool | None = True
) -> Any:
    """The indices that sort x along axis (flattened when None), without gradient; as sort."""
    return _order(*_lined_up("argsort", x, axis), descending)


@op(differentiable=False, numpy=np.searchsorted, example=lambda rng: ((np.arange(4.0), 1.5), {}))
def searchsorted(x: Any, v: Any, *, side: str = "left") -> Any:
    """Where in the ascending x each v belongs, without gradient.

    x: (n,), v: any shape -> integers 0 to n of that shape. side: "left" for before equal elements
    of x, "right" for after them.
    """
    return np.searchsorted(x, v, side=side)  # type: ignore[call-overload]


def _spread_values(g: Any, x_shape: tuple[int, ...], out: Any, axis: int) -> list[Any]:
    """The gradient of the values at their indices; that of the indices is nothing."""
    values, indices = g[0], plain(out[1])
    if not x_shape:
        return [np.reshape(values, ())]
    if np.ndim(indices) < len(x_shape):
        kept = kept_shape(x_shape, axis)
        values, indices = np.reshape(values, kept), np.reshape(indices, kept)
    return [spread_along(values, x_shape, indices, axis)]


@op(
    outputs=("values", "indices"),
    methods=("topk",),
    example=lambda rng: ((rng.normal(size=(3, 4)),), {"k": 2}),
)
def topk(x: Any, *, k: int, axis: int = -1, largest: bool = True) -> Any:
    """The k largest (or smallest) elements along axis, in order, and their indices.

    Of equal elements the first comes first. x: (..., n, ...) -> (..., k, ...) twice.
    Raises ParameterError unless 0 <= k <= n.
    """
    x, k = np.asarray(x), operator.index(k)
    order = _order(x, axis, largest)
    if not 0 <= k <= x.shape[axis]:
        raise ParameterError("topk", "k", f">= 0 and <= {x.shape[axis]}", k)
    indices = np.take(order, np.arange(k), axis)
    return np.take_along_axis(x, indices, axis), indices


topk.vjp(_spread_values)


def _chosen(x: Any, index: Any, axis: int, keepdims: bool) -> tuple[Any, Any]:
    """The elements at an index of kept axes, and the index."""
    x = np.asarray(x)
    values = np.take_along_axis(x, index, axis) if x.ndim else np.array(x)
    return (values, index) if keepdims else (np.squeeze(values, axis), np.squeeze(index, axis))


def _row_of_four(rng: np.random.Generator) -> tuple[tuple[Any, ...], dict[str, Any]]:
    return (rng.normal(size=(3, 4)),), {"axis": 1}


@op(outputs=("values", "indices"), example=_row_of_four)
def max_with_index(x: Any, *, axis: int, keepdims: bool = False) -> Any:
    """The largest element along axis and its index, the first of ties: it gets the gradient whole.

    max alone shares the gradient among ties. x: (..., n, ...) -> without that axis, twice.
    """
    return _chosen(x, np.argmax(x, axis, keepdims=True), axis, keepdims)


max_with_index.vjp(_spread_values)


@op(outputs=("values", "indices"), example=_row_of_four)
def min_with_index(x: Any, *, axis: int, keepdims: bool = False) -> Any:
    """The smallest element along axis and its index, the first of ties: it gets the gradient whole.

    min alone shares the gradient among ties. x: (..., n, ...) -> without that axis, twice.
    """
    return _chosen(x, np.argmin(x, axis, keepdims=True), axis, keepdims)


min_with_index.vjp(_spread_values)
