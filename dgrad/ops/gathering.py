"""Elements at other indices in every row: take_along_axis, gather, put_along_axis."""

from __future__ import annotations

from typing import Any

import numpy as np

from dgrad.core.op import op
from dgrad.errors import DtypeError, ShapeError
from dgrad.ops._axes import laid_along, normalized_axis
from dgrad.ops._index_arrays import plain, stayed
from dgrad.ops.indexing import getitem, scatter_add

__all__ = ["gather", "put_along_axis", "take_along_axis"]


def along(shape: tuple[int, ...], indices: Any, axis: int) -> tuple[Any, ...]:
    """The index that takes `indices` along axis, and 0, 1, ... along each other axis of shape."""
    grid: list[Any] = [laid_along(np.arange(n), len(shape), i) for i, n in enumerate(shape)]
    grid[axis] = indices
    return tuple(grid)


def _checked(name: str, ndim: int, indices: Any, axis: int) -> int:
    """The axis from 0; ShapeError unless op `name` can take indices along it from `ndim` axes."""
    if np.ndim(indices) != ndim:
        raise ShapeError(
            f"{name}: indices of shape {np.shape(indices)} for an array of {ndim} axes: they must "
            f"have as many"
        )
    return normalized_axis(name, axis, ndim)


def spread_along(g: Any, shape: tuple[int, ...], indices: Any, axis: int) -> Any:
    """Zeros of shape with g added at indices along axis: the adjoint of taking them."""
    return scatter_add(g, index=along(shape, plain(indices), axis), shape=shape)


def _largest_first(rng: np.random.Generator) -> tuple[tuple[Any, ...], dict[str, Any]]:
    x = rng.normal(size=(3, 4))
    return (x,), {"indices": np.argsort(-x, axis=1)[:, :2], "axis": 1}


@op(numpy=np.take_along_axis, complex=True, example=_largest_first)
def take_along_axis(x: Any, *, indices: Any, axis: int = -1) -> Any:
    """out[i, j] = x[i, indices[i, j]] (for axis 1): each row's own entries.

    indices: integers, x's shape but for axis (lengths 1 broadcast) -> shape of indices.
    """
    x = np.asarray(x)
    return x[along(x.shape, indices, _checked("take_along_axis", x.ndim, indices, axis))]


take_along_axis.vjp(
    x=lambda g, x_shape, indices, axis: spread_along(g, x_shape, indices, axis),
)


def _pair_of_rows(rng: np.random.Generator) -> tuple[tuple[Any, ...], dict[str, Any]]:
    return (rng.normal(size=(3, 4)),), {"dim": 1, "index": np.array([[0, 3, 3], [2, 1, 2]])}


@op(methods=("gather",), complex=True, example=_pair_of_rows)
def gather(x: Any, *, dim: int, index: Any) -> Any:
    """out[i, j] = x[i, index[i, j]] for dim 1, for every place of index, as in PyTorch.

    index: integers, as many axes as x, nowhere longer than x but along dim -> shape of index.
    """
    shape, wanted = np.shape(x), np.shape(index)
    axis = _checked("gather", len(shape), index, dim)
    for i, (n, m) in enumerate(zip(wanted, shape, strict=True)):
        if n > m and i != axis:
            raise ShapeError(f"gather: index {wanted} is longer than x {shape} along axis {i}")
    return np.asarray(x)[along(wanted, index, axis)]


def _gather_rule(g: Any, x_shape: tuple[int, ...], dim: int, index: Any) -> Any:
    return scatter_add(g, index=along(np.shape(index), index, dim), shape=x_shape)


gather.vjp(x=_gather_rule)


def _two_of_each(rng: np.random.Generator) -> tuple[tuple[Any, ...], dict[str, Any]]:
    indices = np.array([[0, 3], [2, 1], [3, 0]])
    return (rng.normal(size=(3, 4)), rng.normal(size=(3, 2))), {"indices": indices, "axis": 1}


@op(complex=True, example=_two_of_each)
def put_along_axis(x: Any, values: Any, *, indices: Any, axis: int = -1) -> Any:
    """A copy of x with out[i, indices[i, j]] = values[i, j] (for axis 1).

    Of several values for one place the last one stays, and the others get no gradient.
    indices: integers, x's shape but for axis; values: shape of indices. Raises ShapeError.
    """
    out = np.array(x)
    index = along(out.shape, indices, _checked("put_along_axis", out.ndim, indices, axis))
    if np.shape(values) != np.shape(out[index]):
        raise ShapeError(
            f"put_along_axis: values {np.shape(values)} for {np.shape(out[index])} places"
        )
    if np.asarray(values).dtype.kind == "c" and out.dtype.kind != "c":
        raise DtypeError("put_along_axis: complex values do not fit into a real x")
    out[index] = values
    return out


def _put_x(g: Any, x_shape: tuple[int, ...], indices: Any, axis: int) -> Any:
    hit = np.zeros(x_shape, bool)
    hit[along(x_shape, indices, axis)] = True
    return np.where(hit, 0.0, g)


def _put_values(g: Any, x_shape: tuple[int, ...], indices: Any, axis: int) -> Any:
    index = along(x_shape, indices, axis)
    return np.where(stayed(x_shape, index), getitem(g, index=index), 0.0)


put_along_axis.vjp(x=_put_x, values=_put_values)
