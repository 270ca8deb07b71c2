"""Index arrays that an op owns: what the caller does to his after the call changes nothing."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any, cast

import numpy as np

from dgrad.core.op import OpFunction
from dgrad.core.protocols import NUMPY_OPS
from dgrad.core.tensor import Tensor

__all__ = ["as_indices", "frozen", "may_repeat", "owned_array", "owning", "plain"]


def plain(value: Any) -> Any:
    """The array of a Tensor that carries no gradient; anything else as it is."""
    return value.data if isinstance(value, Tensor) else value


def as_indices(value: Any) -> Any:
    """value (array, Tensor, number, nested lists or tuples) as an array; an empty list of indices
    is of integers.
    """
    array = np.asarray(plain(value))
    return array if array.size or array.dtype.kind in "biu" else array.astype(np.intp)


def owned_array(value: Any) -> Any:
    """A copy of value as an array, see as_indices."""
    return np.array(as_indices(value))


def frozen(index: Any) -> Any:
    """An index of x[index] with arrays of its own; 0-d arrays of integers become integers."""
    if isinstance(index, tuple):
        return tuple(frozen(part) for part in index)
    if isinstance(index, Tensor):
        index = index.data
    elif isinstance(index, list):
        return np.array(index, dtype=None if index else np.intp)
    if isinstance(index, np.ndarray):
        return index.copy() if index.ndim or index.dtype.kind == "b" else int(index)
    return index


def owning(
    name: str, copied: Callable[[Any], Any] = owned_array
) -> Callable[[OpFunction], OpFunction]:
    """Decorator of an op: its static parameter `name` is copied at each call, by any spelling."""

    def decorate(call: OpFunction) -> OpFunction:
        record = call.op
        place = len(record.inputs) + list(record.statics).index(name)

        @functools.wraps(call)
        def owner(*args: Any, **params: Any) -> Any:
            if name in params:
                params[name] = copied(params[name])
            elif len(args) > place:
                args = (*args[:place], copied(args[place]), *args[place + 1 :])
            return call(*args, **params)

        for function in [f for f, meaning in NUMPY_OPS.items() if meaning is call]:
            NUMPY_OPS[function] = owner
        for method in [m for m, value in vars(Tensor).items() if value is call]:
            setattr(Tensor, method, owner)
        return cast(OpFunction, owner)

    return decorate


def may_repeat(index: Any) -> bool:
    """Whether an index can name one place twice: only arrays of integers can."""
    parts = index if isinstance(index, tuple) else (index,)
    arrays = [np.asarray(part) for part in parts if isinstance(part, list | np.ndarray)]
    return any(array.dtype.kind in "iu" for array in arrays)
