"""Exponentials and logarithms, of base e, 2 and 10, and of sums."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from dgrad.core.op import op
from dgrad.ops._examples import uniform
from dgrad.ops._guard import guarded
from dgrad.ops.activation import sigmoid

__all__ = [
    "exp",
    "exp2",
    "expm1",
    "log",
    "log1p",
    "log2",
    "log10",
    "logaddexp",
    "logaddexp2",
]

LN2, LN10 = math.log(2), math.log(10)


@op(complex=True, numpy=np.exp, methods=("exp",))
def exp(x: Any) -> Any:
    """e ** x. x: any shape -> same shape."""
    return np.exp(x)


exp.vjp(x=lambda g, out: g * out)


@op(complex=True, numpy=np.exp2, methods=("exp2",))
def exp2(x: Any) -> Any:
    """2 ** x. x: any shape -> same shape."""
    return np.exp2(x)


exp2.vjp(x=lambda g, out: g * (out * LN2))


@op(complex=True, numpy=np.expm1, methods=("expm1",))
def expm1(x: Any) -> Any:
    """e ** x - 1, exact near 0. x: any shape -> same shape."""
    return np.expm1(x)


expm1.vjp(x=lambda g, out: g * (out + 1))


@op(complex=True, numpy=np.log, methods=("log",), example=uniform((0.5, 2.0)))
def log(x: Any) -> Any:
    """Natural logarithm. x: any shape -> same shape."""
    return np.log(x)


log.vjp(x=lambda g, x: g / guarded(g, x))


@op(complex=True, numpy=np.log1p, methods=("log1p",), example=uniform((0.5, 2.0)))
def log1p(x: Any) -> Any:
    """log(1 + x), exact near 0. x: any shape -> same shape."""
    return np.log1p(x)


log1p.vjp(x=lambda g, x: g / guarded(g, x + 1))


@op(complex=True, numpy=np.log2, methods=("log2",), example=uniform((0.5, 2.0)))
def log2(x: Any) -> Any:
    """Logarithm of base 2. x: any shape -> same shape."""
    return np.log2(x)


log2.vjp(x=lambda g, x: g / (guarded(g, x) * LN2))


@op(complex=True, numpy=np.log10, methods=("log10",), example=uniform((0.5, 2.0)))
def log10(x: Any) -> Any:
    """Logarithm of base 10. x: any shape -> same shape."""
    return np.log10(x)


log10.vjp(x=lambda g, x: g / (guarded(g, x) * LN10))


def _share(g: Any, x: Any, y: Any, rate: float) -> Any:
    """g times the share of exp(rate x) in its sum with exp(rate y); 0 where both are one inf."""
    vague = np.isinf(x) & np.equal(x, y)  # their difference is NaN; logsumexp gives 0 too
    x, y = (np.where(vague, 0.0, a).astype(g.dtype) for a in (x, y))
    return np.where(vague, 0.0, g * sigmoid((x - y) * rate))


@op(broadcasts=True, numpy=np.logaddexp, methods=("logaddexp",))
def logaddexp(x: Any, y: Any) -> Any:
    """log(e**x + e**y) without overflow. x, y: shapes that broadcast -> the broadcast shape.

    Its gradient is 0 where both are -inf, as that of logsumexp.
    """
    return np.logaddexp(x, y)


logaddexp.vjp(x=lambda g, x, y: _share(g, x, y, 1.0), y=lambda g, x, y: _share(g, y, x, 1.0))


@op(broadcasts=True, numpy=np.logaddexp2, methods=("logaddexp2",))
def logaddexp2(x: Any, y: Any) -> Any:
    """log2(2**x + 2**y) without overflow. x, y: shapes that broadcast -> the broadcast shape."""
    return np.logaddexp2(x, y)


logaddexp2.vjp(x=lambda g, x, y: _share(g, x, y, LN2), y=lambda g, x, y: _share(g, y, x, LN2))
