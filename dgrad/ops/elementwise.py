"""Elementwise operations with NumPy broadcasting: arithmetic, powers, exponentials, choices."""

from __future__ import annotations

from typing import Any

import numpy as np

from dgrad.core.op import op
from dgrad.core.tensor import Tensor
from dgrad.errors import DtypeError

__all__ = [
    "abs",
    "add",
    "astype",
    "clip",
    "cos",
    "divide",
    "exp",
    "expm1",
    "log",
    "log1p",
    "maximum",
    "minimum",
    "multiply",
    "negative",
    "power",
    "sin",
    "sqrt",
    "square",
    "subtract",
    "where",
]


def _positive(rng: np.random.Generator) -> tuple[tuple[Any, ...], dict[str, Any]]:
    """An example for functions of one positive number."""
    return (rng.uniform(0.5, 2.0, size=(3, 4)),), {}


def _second_positive(rng: np.random.Generator) -> tuple[tuple[Any, ...], dict[str, Any]]:
    """An example for a quotient: nothing close to division by zero."""
    return (rng.normal(size=(3, 4)), rng.uniform(0.5, 2.0, size=(3, 4))), {}


def _both_positive(rng: np.random.Generator) -> tuple[tuple[Any, ...], dict[str, Any]]:
    """An example for powers with real exponents."""
    return (rng.uniform(0.5, 2.0, size=(3, 4)), rng.normal(size=(3, 4))), {}


def _mask_first(rng: np.random.Generator) -> tuple[tuple[Any, ...], dict[str, Any]]:
    """An example with a condition before two operands."""
    return (rng.random((3, 4)) < 0.5, rng.normal(size=(3, 4)), rng.normal(size=(3, 4))), {}


@op(broadcasts=True, numpy=np.add, operators=("__add__", "__radd__"))
def add(x: Any, y: Any) -> Any:
    """x + y. x, y: shapes that broadcast -> the broadcast shape."""
    return np.add(x, y)


add.vjp(x=lambda g: g, y=lambda g: g)


@op(broadcasts=True, numpy=np.subtract, operators=("__sub__", "__rsub__"))
def subtract(x: Any, y: Any) -> Any:
    """x - y. x, y: shapes that broadcast -> the broadcast shape."""
    return np.subtract(x, y)


subtract.vjp(x=lambda g: g, y=lambda g: -g)


@op(broadcasts=True, numpy=np.multiply, operators=("__mul__", "__rmul__"))
def multiply(x: Any, y: Any) -> Any:
    """x * y. x, y: shapes that broadcast -> the broadcast shape."""
    return np.multiply(x, y)


multiply.vjp(x=lambda g, y: g * y, y=lambda g, x: g * x)


@op(
    broadcasts=True,
    numpy=np.divide,
    operators=("__truediv__", "__rtruediv__"),
    example=_second_positive,
)
def divide(x: Any, y: Any) -> Any:
    """x / y. x, y: shapes that broadcast -> the broadcast shape.

    Where the incoming gradient and y are both 0, its gradient is 0; so for every singular rule.
    """
    return np.divide(x, y)


def _guarded(g: Any, x: Any) -> Any:
    """x as a divisor of g: 1 where both are 0, so that a branch not taken gives 0, not 0/0."""
    if isinstance(x, int | float):
        return x
    return x + (np.equal(g, 0) & np.equal(x, 0))


def _divide_y(g: Any, x: Any, y: Any) -> Any:
    y = _guarded(g, y)
    return -(g / y) * (x / y)


divide.vjp(x=lambda g, y: g / _guarded(g, y), y=_divide_y)


@op(numpy=np.negative, operators=("__neg__",))
def negative(x: Any) -> Any:
    """-x. x: any shape -> same shape."""
    return np.negative(x)


negative.vjp(x=lambda g: -g)


@op(
    broadcasts=True,
    numpy=np.power,
    operators=("__pow__", "__rpow__"),
    methods=("pow",),
    example=_both_positive,
)
def power(x: Any, y: Any) -> Any:
    """x ** y. x, y: shapes that broadcast -> the broadcast shape.

    The gradient is 0 with respect to x where y = 0, and with respect to y where x = 0, y >= 0.
    """
    return x**y if isinstance(y, int | float) else np.power(x, y)  # ** knows the square


def _power_x(g: Any, x: Any, y: Any, out: Any) -> Any:
    if isinstance(y, int | float) and y >= 0 and float(y).is_integer():  # never singular
        return g * (x ** (y - 1) * y) if y else g * np.zeros_like(x)
    pole = np.isnan(out) | (np.equal(x, 0) & np.less(y, 1))
    base = np.where(np.equal(g, 0) & pole, 1.0, x)
    if isinstance(y, int | float):
        return g * (base ** (y - 1) * y)
    zero = np.equal(y, 0)
    return g * np.where(zero, 0.0, y * np.power(base, np.where(zero, 1.0, y - 1)))


def _power_y(g: Any, x: Any, y: Any, out: Any) -> Any:
    flat = np.equal(x, 0) & np.greater_equal(y, 0)  # there out is the constant 0 (or 1 at y = 0)
    unused = np.equal(g, 0) & np.less_equal(x, 0)
    base = np.where(flat | unused, 1.0, x).astype(g.dtype)
    return g * (np.where(unused, 0.0, out) * np.log(base))


power.vjp(x=_power_x, y=_power_y)


@op(numpy=np.exp, methods=("exp",))
def exp(x: Any) -> Any:
    """e ** x. x: any shape -> same shape."""
    return np.exp(x)


exp.vjp(x=lambda g, out: g * out)


@op(numpy=np.expm1)
def expm1(x: Any) -> Any:
    """e ** x - 1, exact near 0. x: any shape -> same shape."""
    return np.expm1(x)


expm1.vjp(x=lambda g, out: g * (out + 1))


@op(numpy=np.log, methods=("log",), example=_positive)
def log(x: Any) -> Any:
    """Natural logarithm. x: any shape -> same shape."""
    return np.log(x)


log.vjp(x=lambda g, x: g / _guarded(g, x))


@op(numpy=np.log1p, example=_positive)
def log1p(x: Any) -> Any:
    """log(1 + x), exact near 0. x: any shape -> same shape."""
    return np.log1p(x)


log1p.vjp(x=lambda g, x: g / _guarded(g, x + 1))


@op(numpy=np.sqrt, methods=("sqrt",), example=_positive)
def sqrt(x: Any) -> Any:
    """Square root; its gradient at 0 is inf, and 0 for g = 0. x: any shape -> same shape."""
    return np.sqrt(x)


def _sqrt_rule(g: Any, out: Any) -> Any:
    regular = np.greater(out, 0) | np.not_equal(g, 0)  # not so: out is 0 or NaN, and g is 0
    return g / (np.where(regular, out, 0.5) * 2)


sqrt.vjp(x=_sqrt_rule)


@op(numpy=np.square, methods=("square",))
def square(x: Any) -> Any:
    """x * x. x: any shape -> same shape."""
    return np.square(x)


square.vjp(x=lambda g, x: g * (x * 2))


@op(numpy=np.sin, methods=("sin",))
def sin(x: Any) -> Any:
    """Sine, radians. x: any shape -> same shape."""
    return np.sin(x)


sin.vjp(x=lambda g, x: g * np.cos(x))


@op(numpy=np.cos, methods=("cos",))
def cos(x: Any) -> Any:
    """Cosine, radians. x: any shape -> same shape."""
    return np.cos(x)


cos.vjp(x=lambda g, x: -g * np.sin(x))


@op(numpy=np.absolute, operators=("__abs__",), methods=("abs",))
def abs(x: Any) -> Any:
    """|x|; its gradient at 0 is 0. x: any shape -> same shape."""
    return np.absolute(x)


abs.vjp(x=lambda g, x: g * np.sign(x))


def _winner(g: Any, wins: Any, ties: Any) -> Any:
    """g where this input wins, half of it where both tie, 0 where it loses."""
    return np.where(wins, g, np.where(ties, g * 0.5, 0.0))


@op(broadcasts=True, numpy=np.maximum)
def maximum(x: Any, y: Any) -> Any:
    """The larger of x and y; ties share the gradient equally. Shapes broadcast."""
    return np.maximum(x, y)


maximum.vjp(
    x=lambda g, x, y: _winner(g, np.greater(x, y), np.equal(x, y)),
    y=lambda g, x, y: _winner(g, np.less(x, y), np.equal(x, y)),
)


@op(broadcasts=True, numpy=np.minimum)
def minimum(x: Any, y: Any) -> Any:
    """The smaller of x and y; ties share the gradient equally. Shapes broadcast."""
    return np.minimum(x, y)


minimum.vjp(
    x=lambda g, x, y: _winner(g, np.less(x, y), np.equal(x, y)),
    y=lambda g, x, y: _winner(g, np.greater(x, y), np.equal(x, y)),
)


@op(broadcasts=True, numpy=np.where, example=_mask_first)
def where(condition: Any, x: Any, y: Any) -> Any:
    """x where condition holds, else y. Shapes broadcast; condition has no gradient."""
    return np.where(condition, x, y)


where.vjp(
    x=lambda g, condition: np.where(condition, g, 0.0),
    y=lambda g, condition: np.where(condition, 0.0, g),
)


def _clip_example(rng: np.random.Generator) -> tuple[tuple[Any, ...], dict[str, Any]]:
    return (rng.normal(size=(3, 4)),), {"min": -0.7, "max": 0.9}


@op(numpy=np.clip, methods=("clip", "clamp"), example=_clip_example)
def clip(x: Any, *, min: float | None = None, max: float | None = None) -> Any:
    """x limited to [min, max], either may be None. x: any shape -> same shape.

    The gradient is 1 strictly inside and 0 elsewhere, the bounds included, as relu at 0.
    """
    return np.clip(x, min, max)


def _clip_rule(g: Any, x: Any, min: Any, max: Any) -> Any:
    low = -np.inf if min is None else min
    high = np.inf if max is None else max
    return np.where(np.greater(x, low) & np.less(x, high), g, 0.0)


clip.vjp(x=_clip_rule)


def _astype_example(rng: np.random.Generator) -> tuple[tuple[Any, ...], dict[str, Any]]:
    return (rng.normal(size=(3, 4)),), {"dtype": np.float64}


@op(example=_astype_example)
def astype(x: Any, *, dtype: Any) -> Any:
    """x copied to a float dtype; the gradient is converted back. x: any shape -> same shape.

    Raises DtypeError for other dtypes, which carry no gradient: Tensor.astype leaves the graph.
    """
    if np.dtype(dtype).kind != "f":
        raise DtypeError(f"astype: expected a float dtype, got {np.dtype(dtype)}")
    return np.array(x, dtype=dtype)


astype.vjp(x=lambda g: g)  # the engine casts a gradient to its input's dtype


def _astype_method(self: Tensor, dtype: Any) -> Tensor:
    """Elements converted to dtype; a result that is not of floats has no gradient."""
    if np.dtype(dtype).kind == "f":
        return astype(self, dtype=dtype)  # type: ignore[no-any-return]
    return Tensor(self.data.astype(dtype))


Tensor.astype = _astype_method  # type: ignore[attr-defined]
