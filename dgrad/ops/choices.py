"""Elementwise choices: absolute value, larger and smaller, where, clip, signs, dtypes."""

from __future__ import annotations

from typing import Any

import numpy as np

from dgrad.core.op import op
from dgrad.core.tensor import Tensor
from dgrad.errors import DtypeError
from dgrad.ops._examples import uniform

__all__ = [
    "abs",
    "astype",
    "clip",
    "copysign",
    "fabs",
    "fmax",
    "fmin",
    "maximum",
    "minimum",
    "nan_to_num",
    "where",
]


def _mask_first(rng: np.random.Generator) -> tuple[tuple[Any, ...], dict[str, Any]]:
    """An example with a condition before two operands."""
    return (rng.random((3, 4)) < 0.5, rng.normal(size=(3, 4)), rng.normal(size=(3, 4))), {}


@op(complex=True, numpy=np.absolute, operators=("__abs__",), methods=("abs",))
def abs(x: Any) -> Any:
    """|x|, also of complex x; its gradient at 0 is 0. x: any shape -> same shape, real."""
    return np.absolute(x)


def _abs_rule(g: Any, x: Any) -> Any:
    if x.dtype.kind != "c":
        return g * np.sign(x)
    size = np.absolute(x)
    return g * (np.conjugate(x) / np.where(np.equal(size, 0), np.inf, size))


abs.vjp(x=_abs_rule)


@op(numpy=np.fabs)
def fabs(x: Any) -> Any:
    """|x| of real numbers, as floats; its gradient at 0 is 0. x: any shape -> same shape."""
    return np.fabs(x)


fabs.vjp(x=lambda g, x: g * np.sign(x))


def _larger(x: Any, y: Any) -> Any:
    """Where maximum takes x alone: NaN is larger than any number."""
    return np.greater(x, y) | np.isnan(x)


def _smaller(x: Any, y: Any) -> Any:
    """Where minimum takes x alone: NaN is smaller than any number."""
    return np.less(x, y) | np.isnan(x)


def _divided(g: Any, x: Any, y: Any, wins: Any) -> Any:
    """Half of g where x and y tie, two NaNs included; elsewhere g where x wins, else 0."""
    ties = np.equal(x, y) | (np.isnan(x) & np.isnan(y))
    return np.where(ties, g * 0.5, np.where(wins, g, 0.0))


@op(broadcasts=True, numpy=np.maximum, methods=("maximum",))
def maximum(x: Any, y: Any) -> Any:
    """The larger of x and y; ties share the gradient equally. Shapes broadcast.

    A NaN is passed on, and gets the gradient.
    """
    return np.maximum(x, y)


maximum.vjp(
    x=lambda g, x, y: _divided(g, x, y, _larger(x, y)),
    y=lambda g, x, y: _divided(g, y, x, _larger(y, x)),
)


@op(broadcasts=True, numpy=np.minimum, methods=("minimum",))
def minimum(x: Any, y: Any) -> Any:
    """The smaller of x and y; ties share the gradient equally. Shapes broadcast.

    A NaN is passed on, and gets the gradient.
    """
    return np.minimum(x, y)


minimum.vjp(
    x=lambda g, x, y: _divided(g, x, y, _smaller(x, y)),
    y=lambda g, x, y: _divided(g, y, x, _smaller(y, x)),
)


@op(broadcasts=True, numpy=np.fmax, methods=("fmax",))
def fmax(x: Any, y: Any) -> Any:
    """maximum that ignores NaN: the other number is taken, and gets the gradient."""
    return np.fmax(x, y)


fmax.vjp(
    x=lambda g, x, y: _divided(g, x, y, np.greater(x, y) | np.isnan(y)),
    y=lambda g, x, y: _divided(g, y, x, np.greater(y, x) | np.isnan(x)),
)


@op(broadcasts=True, numpy=np.fmin, methods=("fmin",))
def fmin(x: Any, y: Any) -> Any:
    """minimum that ignores NaN: the other number is taken, and gets the gradient."""
    return np.fmin(x, y)


fmin.vjp(
    x=lambda g, x, y: _divided(g, x, y, np.less(x, y) | np.isnan(y)),
    y=lambda g, x, y: _divided(g, y, x, np.less(y, x) | np.isnan(x)),
)


@op(broadcasts=True, complex=True, numpy=np.where, example=_mask_first)
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


@op(broadcasts=True, numpy=np.copysign, methods=("copysign",))
def copysign(x: Any, y: Any) -> Any:
    """|x| with the sign of y, that of -0.0 included. Shapes broadcast.

    As for abs the gradient is 0 at x = 0; that of y is 0 everywhere.
    """
    return np.copysign(x, y)


copysign.vjp(
    x=lambda g, x, y: np.where(np.signbit(y), -g, g) * np.sign(x),
    y=lambda g: np.zeros_like(g),
)


@op(numpy=np.nan_to_num, methods=("nan_to_num",), example=uniform((-2.0, 2.0)))
def nan_to_num(
    x: Any, *, nan: float = 0.0, posinf: float | None = None, neginf: float | None = None
) -> Any:
    """NaN and infinities replaced, by 0 and the dtype's largest numbers if nothing is given.

    The gradient is 0 where something was replaced. x: any shape -> same shape.
    """
    return np.nan_to_num(x, nan=nan, posinf=posinf, neginf=neginf)


nan_to_num.vjp(x=lambda g, x: np.where(np.isfinite(x), g, 0.0))


def _astype_example(rng: np.random.Generator) -> tuple[tuple[Any, ...], dict[str, Any]]:
    return (rng.normal(size=(3, 4)),), {"dtype": np.float64}


@op(complex=True, example=_astype_example)
def astype(x: Any, *, dtype: Any) -> Any:
    """x copied to a float or complex dtype; the gradient is converted back. x: any shape -> same.

    Raises DtypeError for other dtypes, which carry no gradient (Tensor.astype leaves the graph),
    and for complex numbers as floats: say real(x) or abs(x).
    """
    wanted = np.dtype(dtype)
    if wanted.kind not in "fc":
        raise DtypeError(f"astype: expected a float dtype or a complex one, got {wanted}")
    if wanted.kind == "f" and np.iscomplexobj(x):
        raise DtypeError(f"astype: complex numbers as {wanted} lose a part: say real(x) or abs(x)")
    return np.array(x, dtype=wanted)


astype.vjp(x=lambda g: g)  # the engine casts a gradient to its input's dtype


def _astype_method(self: Tensor, dtype: Any) -> Tensor:
    """Elements converted to dtype; a result that is not of floats has no gradient."""
    if np.dtype(dtype).kind in "fc":
        return astype(self, dtype=dtype)  # type: ignore[no-any-return]
    return Tensor(self.data.astype(dtype))


Tensor.astype = _astype_method  # type: ignore[attr-defined]
