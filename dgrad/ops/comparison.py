"""Comparisons, logic and signs: elementwise operations whose results have no gradient."""

from __future__ import annotations

from typing import Any

import numpy as np

from dgrad.core.op import op
from dgrad.errors import DtypeError

__all__ = [
    "bitwise_and",
    "bitwise_or",
    "bitwise_xor",
    "equal",
    "greater",
    "greater_equal",
    "heaviside",
    "invert",
    "isfinite",
    "isinf",
    "isnan",
    "less",
    "less_equal",
    "logical_and",
    "logical_not",
    "logical_or",
    "logical_xor",
    "not_equal",
    "sign",
    "signbit",
]


def _without_gradient(ufunc: Any, text: str, operator: str | None = None) -> Any:
    """An op of a ufunc of one or two operands whose result has no gradient."""

    def one(x: Any) -> Any:
        return ufunc(x)

    def two(x: Any, y: Any) -> Any:
        return ufunc(x, y)

    forward: Any = one if ufunc.nin == 1 else two
    forward.__name__ = forward.__qualname__ = ufunc.__name__
    forward.__doc__ = f"{text}, elementwise, without gradient. Shapes broadcast."
    return op(
        differentiable=False,
        numpy=ufunc,
        operators=() if operator is None else (operator,),
        example=lambda rng: (tuple(rng.integers(0, 2, size=(ufunc.nin, 3, 4))), {}),
    )(forward)


equal = _without_gradient(np.equal, "x == y", "__eq__")
not_equal = _without_gradient(np.not_equal, "x != y", "__ne__")
less = _without_gradient(np.less, "x < y", "__lt__")
less_equal = _without_gradient(np.less_equal, "x <= y", "__le__")
greater = _without_gradient(np.greater, "x > y", "__gt__")
greater_equal = _without_gradient(np.greater_equal, "x >= y", "__ge__")
bitwise_and = _without_gradient(np.bitwise_and, "x & y, of booleans or integers", "__and__")
bitwise_or = _without_gradient(np.bitwise_or, "x | y, of booleans or integers", "__or__")
bitwise_xor = _without_gradient(np.bitwise_xor, "x ^ y, of booleans or integers", "__xor__")
invert = _without_gradient(np.invert, "~x, of booleans or integers", "__invert__")
logical_and = _without_gradient(np.logical_and, "Whether x and y are both not 0")
logical_or = _without_gradient(np.logical_or, "Whether x or y is not 0")
logical_xor = _without_gradient(np.logical_xor, "Whether one of x and y is 0, the other not")
logical_not = _without_gradient(np.logical_not, "Whether x is 0")
signbit = _without_gradient(np.signbit, "Whether x has the sign bit: negative, or -0.0")
heaviside = _without_gradient(np.heaviside, "0 where x < 0, 1 where x > 0, y where x is 0")
isfinite = _without_gradient(np.isfinite, "Whether x is neither NaN nor infinite")
isinf = _without_gradient(np.isinf, "Whether x is infinite")
isnan = _without_gradient(np.isnan, "Whether x is NaN")


@op(differentiable=False, numpy=np.sign, methods=("sign",))
def sign(x: Any) -> Any:
    """-1, 0 or 1 by the sign of real x, elementwise, without gradient, as all that rounds.

    Raises DtypeError for complex x, where x / abs(x) does have a gradient.
    """
    if np.iscomplexobj(x):
        raise DtypeError("sign: expected real numbers, got complex ones: write x / abs(x)")
    return np.sign(x)
