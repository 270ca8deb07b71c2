"""gelu, exact and by tanh: its value and its slope come from the same passes over the cache."""

from __future__ import annotations

from typing import Any, Literal

import numpy as np

from dgrad.core.op import op
from dgrad.errors import ParameterError
from dgrad.ops._blocks import dense, in_blocks
from dgrad.ops._floats import as_floats
from dgrad.ops._normal_distribution import write_normal_cdf
from dgrad.ops.error_function import normal_cdf

__all__ = ["gelu"]

SQRT_2_OVER_PI = 0.7978845608028654
CUBIC = 0.044715


@op(keeps=("slope",))
def gelu(x: Any, *, approximate: Literal["none", "tanh"] = "none") -> Any:
    """x * Phi(x), Phi the normal distribution function (Hendrycks & Gimpel 2016).

    approximate="tanh": x/2 (1 + tanh(sqrt(2/pi) (x + 0.044715 x^3))). x: any shape -> same shape.
    """
    if approximate not in ("none", "tanh"):
        raise ParameterError("gelu", "approximate", "none or tanh", approximate)
    x = dense(as_floats(x))
    out, slope = np.empty_like(x), np.empty_like(x)
    in_blocks(_exact if approximate == "none" else _by_tanh, x, out, slope)
    return out, slope


def _exact(x: Any, out: Any, slope: Any) -> None:
    """x Phi(x) into out, its derivative Phi(x) + x exp(-x^2 / 2) / sqrt(2 pi) into slope."""
    write_normal_cdf(x, out, slope)
    slope *= x
    slope *= SQRT_2_OVER_PI / 2
    slope += out
    out *= x


def _by_tanh(x: Any, out: Any, slope: Any) -> None:
    """The same of the form with tanh."""
    square = x * x
    np.multiply(square, CUBIC * SQRT_2_OVER_PI, out=slope)
    slope += SQRT_2_OVER_PI
    slope *= x
    gate = np.tanh(slope, out=slope)
    gate += 1
    gate *= 0.5
    np.multiply(x, gate, out=out)
    square *= 6 * CUBIC * SQRT_2_OVER_PI
    square += 2 * SQRT_2_OVER_PI
    square *= out
    square *= 1 - gate
    slope += square


def _gelu_rule(g: Any, x: Any, approximate: str) -> Any:
    square = x * x
    if approximate == "tanh":
        gate = (np.tanh((square * CUBIC + 1) * x * SQRT_2_OVER_PI) + 1) * 0.5
        inner = (square * (3 * CUBIC) + 1) * (2 * SQRT_2_OVER_PI)
        return g * (gate + x * (gate * (1 - gate) * inner))
    return g * (normal_cdf(x) + x * np.exp(square * -0.5) * (SQRT_2_OVER_PI / 2))


gelu.vjp(x=_gelu_rule)
gelu.fast_vjp(x=lambda g, slope: g * slope)  # a tenth of the time
