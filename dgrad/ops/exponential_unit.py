"""Exponential linear units: x above 0, an exponential less a constant below.

At 0 the gradient is the limit from below. Of integers and booleans they are floats (see as_floats).
"""

from __future__ import annotations

from typing import Any

import numpy as np

from dgrad.core.op import op
from dgrad.errors import ParameterError
from dgrad.ops._blocks import filled
from dgrad.ops._exponentials import write_exp
from dgrad.ops._floats import as_floats
from dgrad.ops._selection import write_either

__all__ = ["celu", "elu", "selu"]


def _unit(x: Any, alpha: float, rate: float, scale: float) -> Any:
    """scale * (x where x > 0, else alpha (exp(rate x) - 1))."""

    def write(x: Any, out: Any) -> None:
        low = np.zeros_like(out)
        np.maximum(x, low, out=out)
        np.minimum(x, low, out=low)
        if rate != 1:
            low *= rate
        np.expm1(low, out=low)
        if alpha * scale != 1:
            low *= alpha * scale
        if scale != 1:
            out *= scale
        out += low

    return filled(write, as_floats(x))


def _slope(g: Any, x: Any, alpha: float, rate: float, scale: float) -> Any:
    above = np.greater(x, 0)
    low = np.exp(np.where(above, 0.0, x) * rate) * (alpha * rate * scale)
    return np.where(above, g * scale, g * low)


def _slope_fast(g: Any, x: Any, alpha: float, rate: float, scale: float) -> Any:
    """The same; exp(min(x, 0)) is 1 where x > 0."""
    limit = alpha * rate * scale  # of the slope where x -> 0 from below

    def write(x: Any, g: Any, out: Any) -> None:
        out.fill(0)
        np.minimum(x, out, out=out)
        write_exp(out, rate, out)
        if limit != 1 or scale != 1:
            slope = np.empty_like(out)
            write_either(np.greater(x, 0), scale, limit, slope)
            out *= slope
        out *= g

    return filled(write, x, g)


@op
def elu(x: Any, *, alpha: float = 1.0) -> Any:
    """x where x > 0, else alpha (exp(x) - 1) (Clevert et al. 2015). x: any shape -> same shape."""
    return _unit(x, alpha, 1.0, 1.0)


elu.vjp(x=lambda g, x, alpha: _slope(g, x, alpha, 1.0, 1.0))
elu.fast_vjp(x=lambda g, x, alpha: _slope_fast(g, x, alpha, 1.0, 1.0))

SELU_ALPHA, SELU_SCALE = 1.6732632423543772, 1.0507009873554805


@op
def selu(x: Any) -> Any:
    """1.0507 (x where x > 0, else 1.6733 (exp(x) - 1)) (Klambauer et al. 2017). Any shape."""
    return _unit(x, SELU_ALPHA, 1.0, SELU_SCALE)


selu.vjp(x=lambda g, x: _slope(g, x, SELU_ALPHA, 1.0, SELU_SCALE))
selu.fast_vjp(x=lambda g, x: _slope_fast(g, x, SELU_ALPHA, 1.0, SELU_SCALE))


@op
def celu(x: Any, *, alpha: float = 1.0) -> Any:
    """x where x > 0, else alpha (exp(x / alpha) - 1) (Barron 2017). x: any shape -> same shape.

    Raises ParameterError unless alpha > 0.
    """
    if not alpha > 0:
        raise ParameterError("celu", "alpha", "> 0", alpha)
    return _unit(x, alpha, 1 / alpha, 1.0)


celu.vjp(x=lambda g, x, alpha: _slope(g, x, alpha, 1 / alpha, 1.0))
celu.fast_vjp(x=lambda g, x, alpha: _slope_fast(g, x, alpha, 1 / alpha, 1.0))
