"""NumPy's protocols on Tensor: np.exp(t), ndarray * t, np.sum(t, axis=0) call our ops."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from typing import Any

import numpy as np

from dgrad.core.tensor import Tensor
from dgrad.errors import UnsupportedError

__all__ = ["NUMPY_OPS"]

NUMPY_OPS: dict[Any, Callable[..., Any]] = {}  # NumPy function -> our op; filled by @op(numpy=...)
REDUCTIONS: dict[Any, Any] = {np.add: np.sum, np.maximum: np.max, np.minimum: np.min}
# Questions about an array that have no gradient: answered from .data, as for an array.
ABOUT = (np.ndim, np.shape, np.size)
LIKE = (np.zeros_like, np.ones_like, np.full_like, np.empty_like)


def _refuse(function: Any, reason: str) -> UnsupportedError:
    name = getattr(function, "__name__", str(function))
    return UnsupportedError(
        f"np.{name} on a Tensor: {reason}; use detach() or .data for a result without gradient"
    )


def _array_ufunc(self: Tensor, ufunc: Any, method: str, *inputs: Any, **kwargs: Any) -> Any:
    if method == "reduce" and ufunc in REDUCTIONS:
        kwargs = {"axis": 0, **kwargs}
        return _array_function(self, REDUCTIONS[ufunc], (), inputs, kwargs)
    op = NUMPY_OPS.get(ufunc)
    if op is None or method != "__call__":
        call = ufunc.__name__ if method == "__call__" else f"{ufunc.__name__}.{method}"
        raise _refuse(call, "dgrad has no op for it")
    if kwargs:
        raise _refuse(ufunc, f"the argument {next(iter(kwargs))!r} is not supported")
    return op(*inputs)


@functools.cache
def _parameter_names(function: Any) -> tuple[str, ...]:
    """Names of a NumPy function's parameters, in order."""
    return tuple(inspect.signature(function).parameters)


def _array_function(
    self: Tensor, function: Any, types: Any, args: tuple[Any, ...], kwargs: dict[str, Any]
) -> Any:
    if function in ABOUT:
        return function(args[0].data, *args[1:], **kwargs)
    if function in LIKE:
        return Tensor(function(args[0].data, *args[1:], **kwargs))
    op: Any = NUMPY_OPS.get(function)
    if op is None:
        raise _refuse(function, "dgrad has no op for it")
    record = op.op
    count = 1 if record.variadic else len(record.inputs)
    if len(args) > count:  # further positional arguments mean what they mean in NumPy
        names = _parameter_names(function)[count:]
        kwargs = {**dict(zip(names, args[count:], strict=False)), **kwargs}
        args = args[:count]
    for name, value in kwargs.items():
        if name in record.statics or name in record.inputs:
            continue
        if value is not None and value is not np._NoValue:
            raise _refuse(function, f"the argument {name!r} is not supported")
    known = {k: v for k, v in kwargs.items() if k in record.statics or k in record.inputs}
    return op(*args, **known)


Tensor.__array_ufunc__ = _array_ufunc  # type: ignore[attr-defined]
Tensor.__array_function__ = _array_function  # type: ignore[attr-defined]
