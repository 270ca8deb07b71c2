"""Static parameters of an op, as it keeps them: nothing the caller does later changes them."""

from __future__ import annotations

from types import EllipsisType, NoneType
from typing import Any

import numpy as np

from dgrad.core.tensor import Tensor
from dgrad.errors import DtypeError

__all__ = ["PLAIN", "owned"]

PLAIN = frozenset({bool, int, float, str, slice, EllipsisType, NoneType})  # cannot change


def owned(op: str, name: str, value: Any) -> Any:
    """The value of parameter `name` with arrays and lists of its own.

    Tensors without gradient become arrays, arrays of one integer and no axes that integer, which
    as an index gives a view. Raises DtypeError for a Tensor that requires grad.
    """
    if isinstance(value, Tensor):
        if value.requires_grad:
            raise DtypeError(
                f"{op}: {name} is a static parameter, without gradient: "
                f"detach() the Tensor, or pass a number or an array"
            )
        value = value.data
    if isinstance(value, np.ndarray):
        return int(value) if not value.ndim and value.dtype.kind in "iu" else value.copy()
    if type(value) in (tuple, list):
        return type(value)(each if type(each) in PLAIN else owned(op, name, each) for each in value)
    return value
