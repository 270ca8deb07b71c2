"""Arithmetic with NumPy broadcasting: sums, products, quotients and their remainders."""

from __future__ import annotations

from typing import Any

import numpy as np

from dgrad.core.op import op
from dgrad.ops._examples import uniform
from dgrad.ops._guard import guarded

__all__ = [
    "add",
    "divide",
    "floor_divide",
    "fmod",
    "ldexp",
    "multiply",
    "negative",
    "positive",
    "remainder",
    "subtract",
]


@op(broadcasts=True, complex=True, numpy=np.add, operators=("__add__", "__radd__"))
def add(x: Any, y: Any) -> Any:
    """x + y. x, y: shapes that broadcast -> the broadcast shape."""
    return np.add(x, y)


add.vjp(x=lambda g: g, y=lambda g: g)


@op(broadcasts=True, complex=True, numpy=np.subtract, operators=("__sub__", "__rsub__"))
def subtract(x: Any, y: Any) -> Any:
    """x - y. x, y: shapes that broadcast -> the broadcast shape."""
    return np.subtract(x, y)


subtract.vjp(x=lambda g: g, y=lambda g: -g)


@op(broadcasts=True, complex=True, numpy=np.multiply, operators=("__mul__", "__rmul__"))
def multiply(x: Any, y: Any) -> Any:
    """x * y. x, y: shapes that broadcast -> the broadcast shape."""
    return np.multiply(x, y)


multiply.vjp(x=lambda g, y: g * y, y=lambda g, x: g * x)


@op(
    broadcasts=True,
    complex=True,
    numpy=np.divide,
    operators=("__truediv__", "__rtruediv__"),
    example=uniform((-2.0, 2.0), (0.5, 2.0)),
)
def divide(x: Any, y: Any) -> Any:
    """x / y. x, y: shapes that broadcast -> the broadcast shape.

    Where the incoming gradient and y are both 0, its gradient is 0; so for every singular rule.
    """
    return np.divide(x, y)


def _divide_y(g: Any, x: Any, y: Any) -> Any:
    y = guarded(g, y)
    return -(g / y) * (x / y)


divide.vjp(x=lambda g, y: g / guarded(g, y), y=_divide_y)


@op(complex=True, numpy=np.negative, operators=("__neg__",))
def negative(x: Any) -> Any:
    """-x. x: any shape -> same shape."""
    return np.negative(x)


negative.vjp(x=lambda g: -g)


@op(complex=True, numpy=np.positive, operators=("__pos__",))
def positive(x: Any) -> Any:
    """+x, a copy. x: any shape -> same shape."""
    return np.positive(x)


positive.vjp(x=lambda g: g)


@op(
    differentiable=False,
    numpy=np.floor_divide,
    operators=("__floordiv__", "__rfloordiv__"),
    methods=("floor_divide",),
    example=uniform((-2.0, 2.0), (0.5, 2.0)),
)
def floor_divide(x: Any, y: Any) -> Any:
    """floor(x / y), without gradient, as everything that rounds. Shapes broadcast."""
    return np.floor_divide(x, y)


@op(
    broadcasts=True,
    numpy=np.remainder,
    operators=("__mod__", "__rmod__"),
    methods=("remainder",),
    example=uniform((2.2, 2.4), (0.85, 1.0)),  # the quotient stays between 2 and 3
)
def remainder(x: Any, y: Any) -> Any:
    """x - y floor(x / y): the remainder with the sign of y, as Python's %. Shapes broadcast.

    At its jumps the gradient is that of the piece that the value lies on.
    """
    return np.remainder(x, y)


remainder.vjp(x=lambda g: g, y=lambda g, x, y: -g * np.floor_divide(x, guarded(g, y)))


@op(
    broadcasts=True,
    numpy=np.fmod,
    methods=("fmod",),
    example=uniform((2.2, 2.4), (0.85, 1.0)),  # the quotient stays between 2 and 3
)
def fmod(x: Any, y: Any) -> Any:
    """x - y trunc(x / y): the remainder with the sign of x, as C's fmod. Shapes broadcast."""
    return np.fmod(x, y)


def _fmod_y(g: Any, x: Any, y: Any, out: Any) -> Any:
    rest = np.where(np.equal(y, 0), x, out)  # NaN at y = 0
    return -g * np.rint((x - rest) / guarded(g, y))


fmod.vjp(x=lambda g: g, y=_fmod_y)


@op(
    broadcasts=True,
    numpy=np.ldexp,
    methods=("ldexp",),
    example=lambda rng: ((rng.normal(size=(3, 4)), rng.integers(-3, 4, size=(3, 4))), {}),
)
def ldexp(x: Any, exponent: Any) -> Any:
    """x 2**exponent, exact; exponent: integers, without gradient. Shapes broadcast."""
    return np.ldexp(x, exponent)


ldexp.vjp(x=lambda g, exponent: np.ldexp(g, exponent))
