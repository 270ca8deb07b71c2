"""What ops ask of index arrays."""

from __future__ import annotations

from typing import Any

import numpy as np

from dgrad.core.tensor import Tensor

__all__ = ["as_indices", "may_repeat", "plain"]


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
