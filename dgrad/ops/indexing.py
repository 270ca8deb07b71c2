"""Elements by index or mask: getitem and its adjoint scatter_add, take, masks, one-hot rows."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from dgrad.core.op import op
from dgrad.core.tensor import Tensor
from dgrad.errors import DtypeError, ParameterError, ShapeError
from dgrad.ops._axes import section
from dgrad.ops._examples import normal
from dgrad.ops._index_arrays import as_indices, may_repeat

__all__ = [
    "delete",
    "getitem",
    "index_add",
    "masked_fill",
    "masked_select",
    "one_hot",
    "scatter_add",
    "take",
]


def _rows_twice(rng: np.random.Generator) -> tuple[tuple[Any, ...], dict[str, Any]]:
    """An example with a repeated row."""
    return (rng.normal(size=(3, 4)),), {"index": (np.array([0, 2, 2]), slice(1, None))}


def _rows_twice_back(rng: np.random.Generator) -> tuple[tuple[Any, ...], dict[str, Any]]:
    index = (np.array([0, 2, 2]), slice(1, None))
    return (rng.normal(size=(3, 3)),), {"index": index, "shape": (3, 4)}


@op(example=_rows_twice, complex=True, view=True)
def getitem(x: Any, *, index: Any) -> Any:
    """x[index] for any NumPy index: integers, slices, None, ..., integer or boolean arrays.

    Integers, slices, None and ... give a view, of no axes too; arrays in the index give a copy.
    """
    out = x[index]
    if isinstance(out, np.generic):  # with an ellipsis NumPy gives the place, not its value
        return x[(*index, ...)] if isinstance(index, tuple) else x[index, ...]
    return out


@op(example=_rows_twice_back, complex=True)
def scatter_add(x: Any, *, index: Any, shape: tuple[int, ...]) -> Any:
    """Zeros of `shape` with x added at [index]; repeated places add up. x: shape of out[index]."""
    out = np.zeros(shape, np.asarray(x).dtype)
    if not may_repeat(index):
        _check_part(x, shape, out[index])
        out[index] = x
        return out
    places = _places(index, shape)
    _check_part(x, shape, places)
    np.add.at(out.reshape(-1), np.ravel(places), np.ravel(x))  # 5 to 10 times faster than by rows
    return out


def _places(index: Any, shape: tuple[int, ...]) -> Any:
    """Where each element of out[index] lies in the flattened out."""
    if isinstance(index, tuple):
        return np.arange(math.prod(shape)).reshape(shape)[index]
    length = math.prod(shape[1:])
    rows = np.arange(shape[0])[index]
    return np.reshape(rows[..., None] * length + np.arange(length), (*rows.shape, *shape[1:]))


def _check_part(x: Any, shape: tuple[int, ...], part: Any) -> None:
    if np.shape(x) != np.shape(part):
        raise ShapeError(
            f"scatter_add: the index takes {np.shape(part)} out of {tuple(shape)}, "
            f"but x has shape {np.shape(x)}"
        )


getitem.vjp(x=lambda g, x_shape, index: scatter_add(g, index=index, shape=x_shape))
scatter_add.vjp(x=lambda g, index: getitem(g, index=index))
Tensor.__getitem__ = lambda self, index: getitem(self, index=index)  # type: ignore[method-assign]


@op(
    numpy=np.take,
    methods=("take",),
    complex=True,
    example=normal((3, 4), indices=np.array([2, 0, 2]), axis=1),
)
def take(x: Any, *, indices: Any, axis: int | None = None) -> Any:
    """x's entries at `indices` along axis; of all elements in row-major order when None.

    x: (..., n, ...) -> (..., *indices.shape, ...). Negative indices count from the end.
    """
    return np.take(x, as_indices(indices), axis)


def _take_rule(g: Any, x_shape: tuple[int, ...], indices: Any, axis: int | None) -> Any:
    indices = as_indices(indices)  # a tuple would index several axes
    if axis is None:
        return np.reshape(scatter_add(g, index=indices, shape=(math.prod(x_shape),)), x_shape)
    return scatter_add(g, index=section("take", len(x_shape), axis, indices), shape=x_shape)


take.vjp(x=_take_rule)


@op(numpy=np.delete, complex=True, example=normal((3, 4), obj=[1, -1], axis=1))
def delete(x: Any, *, obj: Any, axis: int | None = None) -> Any:
    """x without the entries obj (integers, a slice or a mask) along axis; flattened when None."""
    return np.delete(x, obj, axis)


def _delete_rule(g: Any, x_shape: tuple[int, ...], obj: Any, axis: int | None) -> Any:
    shape = (math.prod(x_shape),) if axis is None else x_shape
    along = 0 if axis is None else axis
    kept = np.ones(shape[along], bool)
    kept[obj] = False
    out = scatter_add(g, index=section("delete", len(shape), along, kept), shape=shape)
    return np.reshape(out, x_shape)


delete.vjp(x=_delete_rule)


def _two_rows_added(rng: np.random.Generator) -> tuple[tuple[Any, ...], dict[str, Any]]:
    arrays = rng.normal(size=(3, 4)), rng.normal(size=(2, 4))
    return arrays, {"index": np.array([1, 1]), "axis": 0}


@op(complex=True, example=_two_rows_added)
def index_add(x: Any, values: Any, *, index: Any, axis: int = 0) -> Any:
    """A copy of x with values added at `index` along axis; repeated places add up.

    x: (..., n, ...), values: (..., *index.shape, ...) -> shape of x. Raises ShapeError.
    """
    shape = np.shape(x)
    return x + scatter_add(values, index=section("index_add", len(shape), axis, index), shape=shape)


index_add.vjp(
    x=lambda g: g,
    values=lambda g, x_shape, index, axis: getitem(
        g, index=section("index_add", len(x_shape), axis, index)
    ),
)


# -- masks ----------------------------------------------------------------------------------------


def _whole_mask(mask: Any, shape: tuple[int, ...], name: str) -> Any:
    """The mask broadcast to `shape`; DtypeError unless it holds booleans."""
    mask = np.asarray(mask)
    if mask.dtype != bool:
        raise DtypeError(f"{name}: mask must be of booleans, got {mask.dtype}")
    return np.broadcast_to(mask, shape)


_CORNER = np.array([[True], [False], [True]])


@op(methods=("masked_fill",), complex=True, example=normal((3, 4), mask=_CORNER, value=2.0))
def masked_fill(x: Any, *, mask: Any, value: float) -> Any:
    """value where mask holds, x elsewhere. mask: booleans that broadcast to x's shape."""
    return np.where(_whole_mask(mask, np.shape(x), "masked_fill"), value, x)


masked_fill.vjp(x=lambda g, mask: np.where(mask, 0.0, g))


@op(methods=("masked_select",), complex=True, example=normal((3, 4), mask=_CORNER))
def masked_select(x: Any, *, mask: Any) -> Any:
    """The elements of x where mask holds, in row-major order: (n,).

    mask: booleans that broadcast to x's shape.
    """
    return np.asarray(x)[_whole_mask(mask, np.shape(x), "masked_select")]


def _masked_select_rule(g: Any, x_shape: tuple[int, ...], mask: Any) -> Any:
    return scatter_add(g, index=np.broadcast_to(mask, x_shape), shape=x_shape)


masked_select.vjp(x=_masked_select_rule)


@op(
    differentiable=False,
    example=lambda rng: ((rng.integers(0, 3, size=(2, 4)),), {"num_classes": 3}),
)
def one_hot(x: Any, *, num_classes: int, dtype: Any = np.int64) -> Any:
    """1 in column x[...] of each row, 0 in the others, without gradient.

    x: (...) integers from 0 to num_classes - 1 -> (..., num_classes). Raises DtypeError,
    ParameterError.
    """
    labels = np.asarray(x)
    if labels.dtype.kind not in "iu":
        raise DtypeError(f"one_hot: labels must be integers, got {labels.dtype}")
    if labels.size and not (labels.min() >= 0 and labels.max() < num_classes):
        raise ParameterError(
            "one_hot", "num_classes", f"above every label, up to {labels.max()}", num_classes
        )
    return np.equal(labels[..., None], np.arange(num_classes)).astype(dtype)
