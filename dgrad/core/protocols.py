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
# What a ufunc's method is called as a function of its own.
METHODS: dict[tuple[Any, str], Any] = {
    (np.add, "reduce"): np.sum,
    (np.multiply, "reduce"): np.prod,
    (np.maximum, "reduce"): np.max,
    (np.minimum, "reduce"): np.min,
    (np.add, "accumulate"): np.cumsum,
    (np.multiply, "accumulate"): np.cumprod,
}
# Questions about arrays whose answers have no gradient, being truths, places, counts or text:
# asked of .data, answered as for arrays.
ABOUT = frozenset(
    {
        *(np.all, np.allclose, np.any, np.array_equal, np.array_equiv, np.isclose, np.isin),
        *(np.argwhere, np.bincount, np.digitize, np.flatnonzero, np.lexsort, np.nonzero),
        *(np.array2string, np.array_repr, np.array_str, np.can_cast, np.common_type),
        *(np.iscomplexobj, np.isrealobj, np.isreal, np.iscomplex, np.min_scalar_type),
        *(np.may_share_memory, np.ndim, np.result_type, np.shape, np.shares_memory, np.size),
    }
)
LIKE = frozenset({np.zeros_like, np.ones_like, np.full_like, np.empty_like})
RENAMED = {"a_min": "min", "a_max": "max"}  # np.clip knows its bounds by two names each


def _refuse(function: Any, reason: str) -> UnsupportedError:
    name = getattr(function, "__name__", str(function))
    return UnsupportedError(
        f"np.{name} on a Tensor: {reason}; use .data for a result without gradient"
    )


def _array_ufunc(self: Tensor, ufunc: Any, method: str, *inputs: Any, **kwargs: Any) -> Any:
    if (ufunc, method) in METHODS:
        kwargs = {"axis": 0, **kwargs}
        return _array_function(self, METHODS[ufunc, method], (), inputs, kwargs)
    op = NUMPY_OPS.get(ufunc)
    if method == "outer" and op is not None and len(inputs) == 2:
        x, y = inputs
        inputs, method = (np.reshape(x, np.shape(x) + (1,) * np.ndim(y)), y), "__call__"
    if op is None or method != "__call__":
        call = ufunc.__name__ if method == "__call__" else f"{ufunc.__name__}.{method}"
        raise _refuse(call, "dgrad has no op for it")
    if kwargs:
        raise _refuse(ufunc, f"the argument {next(iter(kwargs))!r} is not supported")
    return op(*inputs)


@functools.cache
def _defaults(function: Any) -> dict[str, Any]:
    """The parameters of a NumPy function, in order, with their default values."""
    return {name: p.default for name, p in inspect.signature(function).parameters.items()}


def _plain(value: Any) -> Any:
    return value.data if isinstance(value, Tensor) else value


def _array_function(
    self: Tensor, function: Any, types: Any, args: tuple[Any, ...], kwargs: dict[str, Any]
) -> Any:
    places = function is np.where and len(args) == 1  # np.nonzero by another name
    if function in ABOUT or function in LIKE or places:
        filling = kwargs.get("fill_value", args[1] if len(args) > 1 else None)
        if function is np.full_like and isinstance(filling, Tensor) and filling.requires_grad:
            raise _refuse(function, "what it is filled with would lose its gradient")
        plain = {name: _plain(value) for name, value in kwargs.items()}
        result = function(*map(_plain, args), **plain)
        return Tensor(result) if function in LIKE else result
    op: Any = NUMPY_OPS.get(function)
    if op is None:
        raise _refuse(function, "dgrad has no op for it")
    if hasattr(op, "numpy_call"):  # it maps NumPy's arguments by itself: einsum's string is first
        return op.numpy_call(*args, **kwargs)
    record = op.op
    if record.variadic and args and isinstance(args[0], Tensor):
        args = (tuple(args[0]), *args[1:])  # NumPy joins the rows of a single array
    count = 1 if record.variadic else len(record.inputs)
    named = iter(list(_defaults(function))[len(args) : count])
    kwargs = dict(kwargs)
    while len(args) < count and (name := next(named, None)) in kwargs:
        args = (*args, kwargs.pop(name))
    if len(args) < count:
        raise _refuse(function, f"it takes {count} arrays, in order, got {len(args)}")
    defaults = _defaults(function)
    further = dict(zip(list(defaults)[count:], args[count:], strict=False))
    params = {}
    for name, value in {**further, **kwargs}.items():
        default = defaults.get(name)
        if value is default or (type(value) is type(default) and value == default):
            continue
        static = RENAMED.get(name, name)
        if static not in record.statics:
            raise _refuse(function, f"the argument {name!r} is not supported")
        params[static] = value
    for name, default in defaults.items():  # a word that means something else to the op
        static = RENAMED.get(name, name)
        if isinstance(default, str) and record.statics.get(static, default) != default:
            params.setdefault(static, default)
    return op(*args[:count], **params)


Tensor.__array_ufunc__ = _array_ufunc  # type: ignore[attr-defined]
Tensor.__array_function__ = _array_function  # type: ignore[attr-defined]
