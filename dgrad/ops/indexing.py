"""Reading elements by index and its adjoint: getitem and scatter_add."""

from __future__ import annotations

import functools
import math
from typing import Any, cast

import numpy as np

from dgrad.core.op import OpFunction, op
from dgrad.core.tensor import Tensor
from dgrad.errors import ShapeError

__all__ = ["getitem", "scatter_add"]


def _rows_twice(rng: np.random.Generator) -> tuple[tuple[Any, ...], dict[str, Any]]:
    """An example with a repeated row."""
    return (rng.normal(size=(3, 4)),), {"index": (np.array([0, 2, 2]), slice(1, None))}


def _rows_twice_back(rng: np.random.Generator) -> tuple[tuple[Any, ...], dict[str, Any]]:
    index = (np.array([0, 2, 2]), slice(1, None))
    return (rng.normal(size=(3, 3)),), {"index": index, "shape": (3, 4)}


@op(example=_rows_twice)
def getitem(x: Any, *, index: Any) -> Any:
    """x[index] for any NumPy index: integers, slices, None, ..., integer or boolean arrays."""
    return x[index]


@op(example=_rows_twice_back)
def scatter_add(x: Any, *, index: Any, shape: tuple[int, ...]) -> Any:
    """Zeros of `shape` with x added at [index]; repeated places add up. x: shape of out[index]."""
    out = np.zeros(shape, np.asarray(x).dtype)
    if not _repeats(index):
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


# By these names no index is copied: theirs nobody else can change.
_read, _write = getitem, scatter_add
_read.vjp(x=lambda g, x_shape, index: _write(g, index=index, shape=x_shape))
_write.vjp(x=lambda g, index: _read(g, index=index))


def _repeats(index: Any) -> bool:
    """Whether an index can name one place twice: only arrays of integers can."""
    parts = index if isinstance(index, tuple) else (index,)
    arrays = [np.asarray(part) for part in parts if isinstance(part, list | np.ndarray)]
    return any(array.dtype.kind in "iu" for array in arrays)


def _frozen(index: Any) -> Any:
    """The index with arrays of its own: the caller may change his before backward runs."""
    if isinstance(index, tuple):
        return tuple(_frozen(part) for part in index)
    if isinstance(index, Tensor):
        return index.data.copy()
    if isinstance(index, list):
        return np.array(index, dtype=None if index else np.intp)
    return index.copy() if isinstance(index, np.ndarray) else index


def _freezing(call: OpFunction) -> OpFunction:
    """The op, keeping an index of its own."""

    @functools.wraps(call)
    def frozen(x: Any, index: Any, *further: Any, **params: Any) -> Any:
        return call(x, _frozen(index), *further, **params)

    return cast(OpFunction, frozen)


getitem, scatter_add = _freezing(_read), _freezing(_write)
Tensor.__getitem__ = lambda self, index: _read(self, index=_frozen(index))  # type: ignore[method-assign]
