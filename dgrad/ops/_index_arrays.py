"""What ops ask of index arrays."""

from __future__ import annotations

from typing import Any

import numpy as np

from dgrad.core.tensor import Tensor

__all__ = ["all_within", "as_indices", "may_repeat", "plain", "stayed"]

UNSIGNED = {1: np.uint8, 2: np.uint16, 4: np.uint32, 8: np.uint64}


def plain(value: Any) -> Any:
    """The array of a Tensor that carries no gradient; anything else as it is."""
    return value.data if isinstance(value, Tensor) else value


def as_indices(value: Any) -> Any:
    """value (array, Tensor, number, nested lists or tuples) as an array; an empty list of indices
    is of integers.
    """
    array = np.asarray(plain(value))
    return array if array.size or array.dtype.kind in "biu" else array.astype(np.intp)


def may_repeat(index: Any) -> bool:
    """Whether an index can name one place twice: only arrays of integers can."""
    parts = index if isinstance(index, tuple) else (index,)
    arrays = [np.asarray(part) for part in parts if isinstance(part, list | np.ndarray)]
    return any(array.dtype.kind in "iu" for array in arrays)


def stayed(shape: tuple[int, ...], index: Any) -> np.ndarray:
    """For each element written to [index] of an array, whether no later one took its place."""
    last = np.zeros(shape, np.intp)
    numbers = np.arange(last[index].size).reshape(last[index].shape)
    last[index] = numbers
    return np.asarray(last[index] == numbers)


def all_within(indices: Any, length: int) -> bool:
    """Whether every one of some indices, an array of integers, is from 0 to length - 1."""
    # Read as unsigned a negative index is huge, so that one reduction checks both ends.
    unsigned = indices.view(UNSIGNED[indices.itemsize])
    return bool(np.maximum.reduce(unsigned, axis=None) < length)
