"""Rounding. Where it has a slope the slope is 0, so the results do not require grad.

A zero gradient would keep whole graphs for nothing and hide a mistake: `backward` on a rounded loss
says instead that it does not require grad. For a straight-through estimate write
`x + (round(x) - x).detach()`.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from dgrad.core.op import op

__all__ = ["ceil", "floor", "rint", "round", "trunc"]


@op(differentiable=False, numpy=np.floor, methods=("floor",))
def floor(x: Any) -> Any:
    """Largest integer <= x, without gradient. x: any shape -> same shape."""
    return np.floor(x)


@op(differentiable=False, numpy=np.ceil, methods=("ceil",))
def ceil(x: Any) -> Any:
    """Smallest integer >= x, without gradient. x: any shape -> same shape."""
    return np.ceil(x)


@op(differentiable=False, numpy=(np.trunc, np.fix), methods=("trunc",))
def trunc(x: Any) -> Any:
    """x without its fraction (rounded towards 0), without gradient. x: any shape -> same shape."""
    return np.trunc(x)


@op(differentiable=False, numpy=np.rint)
def rint(x: Any) -> Any:
    """Nearest integer, halves to the even one, without gradient. x: any shape -> same shape."""
    return np.rint(x)


@op(differentiable=False, numpy=(np.round, np.around), methods=("round",))
def round(x: Any, *, decimals: int = 0) -> Any:
    """Nearest multiple of 10**-decimals, halves to the even one, without gradient. Any shape."""
    return np.round(x, decimals)
