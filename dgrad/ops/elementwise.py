"""Elementwise operations with NumPy broadcasting: arithmetic, powers, exponentials, choices."""

from __future__ import annotations

from typing import Any

import numpy as np

from dgrad.core.op import op

__all__ = [
    "abs",
    "add",
    "astype",
    "clip",
    "cos",
    "divide",
    "equal",
    "exp",
    "expm1",
    "greater",
    "greater_equal",
    "isfinite",
    "less",
    "less_equal",
    "log",
    "log1p",
    "maximum",
    "minimum",
    "multiply",
    "negative",
    "not_equal",
    "power",
    "sign",
    "sin",
    "sqrt",
    "square",
    "subtract",
    "where",
]


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


@op(broadcasts=True, numpy=np.divide, operators=("__truediv__", "__rtruediv__"))
def divide(x: Any, y: Any) -> Any:
    """x / y. x, y: shapes that broadcast -> the broadcast shape."""
    return np.divide(x, y)


divide.vjp(x=lambda g, y: g / y, y=lambda g, y, out: -g * out / y)


@op(numpy=np.negative, operators=("__neg__",))
def negative(x: Any) -> Any:
    """-x. x: any shape -> same shape."""
    return np.negative(x)


negative.vjp(x=lambda g: -g)


@op(broadcasts=True, numpy=np.power, operators=("__pow__", "__rpow__"))
def power(x: Any, y: Any) -> Any:
    """x ** y. x, y: shapes that broadcast -> the broadcast shape.

    The gradient is 0 with respect to x where y = 0, and with respect to y where x = 0, y >= 0.
    """
    return np.power(x, y)


def _power_x(g: Any, x: Any, y: Any) -> Any:
    if isinstance(y, int | float):
        return g * (y * x ** (y - 1)) if y else g * np.zeros_like(x)
    zero = np.equal(y, 0)
    return g * np.where(zero, 0.0, y * np.power(x, np.where(zero, 1.0, y - 1)))


def _power_y(g: Any, x: Any, y: Any, out: Any) -> Any:
    flat = np.equal(x, 0) & np.greater_equal(y, 0)  # there out is the constant 0 (or 1 at y = 0)
    return g * (out * np.log(np.where(flat, 1.0, x)))


power.vjp(x=_power_x, y=_power_y)


@op(numpy=np.exp)
def exp(x: Any) -> Any:
    """e ** x. x: any shape -> same shape."""
    return np.exp(x)


exp.vjp(x=lambda g, out: g * out)


@op(numpy=np.expm1)
def expm1(x: Any) -> Any:
    """e ** x - 1, exact near 0. x: any shape -> same shape."""
    return np.expm1(x)


expm1.vjp(x=lambda g, out: g * (out + 1))


@op(numpy=np.log)
def log(x: Any) -> Any:
    """Natural logarithm. x: any shape -> same shape."""
    return np.log(x)


log.vjp(x=lambda g, x: g / x)


@op(numpy=np.log1p)
def log1p(x: Any) -> Any:
    """log(1 + x), exact near 0. x: any shape -> same shape."""
    return np.log1p(x)


log1p.vjp(x=lambda g, x: g / (x + 1))


@op(numpy=np.sqrt)
def sqrt(x: Any) -> Any:
    """Square root; its gradient at 0 is inf. x: any shape -> same shape."""
    return np.sqrt(x)


sqrt.vjp(x=lambda g, out: g / (out * 2))


@op(numpy=np.square)
def square(x: Any) -> Any:
    """x * x. x: any shape -> same shape."""
    return np.square(x)


square.vjp(x=lambda g, x: g * (x * 2))


@op(numpy=np.sin)
def sin(x: Any) -> Any:
    """Sine, radians. x: any shape -> same shape."""
    return np.sin(x)


sin.vjp(x=lambda g, x: g * np.cos(x))


@op(numpy=np.cos)
def cos(x: Any) -> Any:
    """Cosine, radians. x: any shape -> same shape."""
    return np.cos(x)


cos.vjp(x=lambda g, x: -g * np.sin(x))


@op(numpy=np.absolute, operators=("__abs__",))
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


@op(broadcasts=True, numpy=np.where)
def where(condition: Any, x: Any, y: Any) -> Any:
    """x where condition holds, else y. Shapes broadcast; condition has no gradient."""
    return np.where(condition, x, y)


where.vjp(
    x=lambda g, condition: np.where(condition, g, 0.0),
    y=lambda g, condition: np.where(condition, 0.0, g),
)


@op(numpy=np.clip, methods=("clip",))
def clip(x: Any, *, a_min: float | None = None, a_max: float | None = None) -> Any:
    """x limited to [a_min, a_max], either may be None. x: any shape -> same shape.

    The gradient is 1 strictly inside and 0 elsewhere, the bounds included, as relu at 0.
    """
    return np.clip(x, a_min, a_max)


def _clip_x(g: Any, x: Any, a_min: Any, a_max: Any) -> Any:
    low = -np.inf if a_min is None else a_min
    high = np.inf if a_max is None else a_max
    return np.where(np.greater(x, low) & np.less(x, high), g, 0.0)


clip.vjp(x=_clip_x)


@op(methods=("astype",))
def astype(x: Any, *, dtype: Any) -> Any:
    """x converted to a float dtype; the gradient is converted back. x: any shape -> same shape."""
    return np.asarray(x).astype(dtype)


astype.vjp(x=lambda g: g)  # the engine casts a gradient to its input's dtype


def _without_gradient(ufunc: Any, text: str, operator: str | None = None) -> Any:
    """An op of a ufunc whose result has no gradient."""

    def forward(x: Any, y: Any) -> Any:
        return ufunc(x, y)

    forward.__name__ = forward.__qualname__ = ufunc.__name__
    forward.__doc__ = f"{text}, elementwise, a boolean array without gradient. Shapes broadcast."
    return op(
        differentiable=False, numpy=ufunc, operators=(operator,) if operator is not None else ()
    )(forward)


equal = _without_gradient(np.equal, "x == y", "__eq__")
not_equal = _without_gradient(np.not_equal, "x != y", "__ne__")
less = _without_gradient(np.less, "x < y", "__lt__")
less_equal = _without_gradient(np.less_equal, "x <= y", "__le__")
greater = _without_gradient(np.greater, "x > y", "__gt__")
greater_equal = _without_gradient(np.greater_equal, "x >= y", "__ge__")
logical_and = _without_gradient(np.bitwise_and, "x & y", "__and__")
logical_or = _without_gradient(np.bitwise_or, "x | y", "__or__")


@op(differentiable=False, numpy=np.sign)
def sign(x: Any) -> Any:
    """-1, 0 or 1 by the sign of x, without gradient. x: any shape -> same shape."""
    return np.sign(x)


@op(differentiable=False, numpy=np.isfinite)
def isfinite(x: Any) -> Any:
    """Whether x is neither NaN nor infinite, without gradient. x: any shape -> same shape."""
    return np.isfinite(x)
