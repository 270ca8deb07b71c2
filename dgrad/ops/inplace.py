"""Operations that write into a Tensor: `t += u`, `t[index] = v`, `t.add_(u)`; clone and put.

`put` is what they mean to the graph: an array with a part of it replaced.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from dgrad import registry
from dgrad.core import inplace
from dgrad.core.inplace import apart, check_writable, replace_part, write
from dgrad.core.op import op
from dgrad.core.statics import owned
from dgrad.core.tensor import Tensor
from dgrad.errors import DgradError, ShapeError
from dgrad.ops._axes import summed_to
from dgrad.ops._index_arrays import may_repeat, stayed

__all__ = ["clone", "put"]


@op(complex=True, numpy=np.copy, methods=("clone",))
def clone(x: Any) -> Any:
    """x in memory of its own, which can be written to. x: any shape -> same shape."""
    return np.array(x)


clone.vjp(x=lambda g: g)


def _example(rng: np.random.Generator) -> tuple[tuple[Any, ...], dict[str, Any]]:
    return (rng.normal(size=(3, 4)), rng.normal(size=2)), {"index": (slice(1, None), slice(0, 2))}


@op(example=_example, complex=True)
def put(x: Any, value: Any, *, index: Any) -> Any:
    """A copy of x with [index] = value. value: any shape that broadcasts to x[index].

    Where an index names a place twice, the last value stays and the earlier have no gradient.
    """
    out = np.array(x)
    out[index] = value
    return out


put.vjp(
    x=lambda g, index: put(g, 0.0, index=index),
    value=lambda g, value_shape, index: _to_value(g, value_shape, index),
)


def _to_value(g: Any, shape: tuple[int, ...], index: Any) -> Any:
    """The gradient of what was put: what comes from its places, summed where it was broadcast."""
    part = g[index]
    if may_repeat(index):
        part = part * stayed(g.shape, index).astype(g.dtype)
    fitting = shape[max(len(shape) - part.ndim, 0) :]  # NumPy lets a value have more axes of 1
    return np.reshape(summed_to(part, fitting), shape)


inplace.replacing = put


def _setitem(self: Tensor, index: Any, value: Any) -> None:
    """self[index] = value; index: any that NumPy takes, value: what broadcasts to that part."""
    index = owned("item assignment", "index", index)
    check_writable(self, "item assignment")
    try:
        replace_part(self, value, index, "item assignment")
    except DgradError:
        raise
    except (ValueError, IndexError, TypeError) as cause:
        raise ShapeError(f"item assignment on a Tensor of shape {self.shape}: {cause}") from cause


def _copy_(self: Tensor, source: Any) -> Tensor:
    """The elements of `source`, broadcast, written into self, which is returned."""
    _setitem(self, ..., source)
    return self


def _zero_(self: Tensor) -> Tensor:
    """Zeros written into self, which is returned."""
    return _copy_(self, 0)


def _writing(name: str, label: str) -> Callable[..., Any]:
    """The method that writes the op `name` of self into self, and returns self."""

    def method(self: Tensor, *args: Any, **params: Any) -> Tensor:
        check_writable(self, label)
        return write(self, registry.ops[name](*apart(self, (self, *args)), **params), label)

    method.__name__ = label
    method.__doc__ = f"{name}(self, ...), written into self, which is returned."
    return method


OPERATORS = {
    "__iadd__": ("add", "+="),
    "__isub__": ("subtract", "-="),
    "__imul__": ("multiply", "*="),
    "__itruediv__": ("divide", "/="),
    "__ifloordiv__": ("floor_divide", "//="),
    "__imod__": ("remainder", "%="),
    "__ipow__": ("power", "**="),
    "__imatmul__": ("matmul", "@="),
}
METHODS = {
    "add_": "add",
    "sub_": "subtract",
    "mul_": "multiply",
    "div_": "divide",
    "pow_": "power",
    "neg_": "negative",
    **{f"{name}_": name for name in ("abs", "exp", "log", "sin", "cos", "sqrt", "square")},
    **{f"{name}_": name for name in ("relu", "sigmoid", "tanh", "clip")},
    "clamp_": "clip",
    "masked_fill_": "masked_fill",
}
Tensor.__setitem__ = _setitem  # type: ignore[method-assign]
Tensor.copy_ = Tensor.fill_ = _copy_  # type: ignore[attr-defined]
Tensor.zero_ = _zero_  # type: ignore[attr-defined]
for method, (name, label) in OPERATORS.items():
    setattr(Tensor, method, _writing(name, label))
for method, name in METHODS.items():
    setattr(Tensor, method, _writing(name, method))
