"""Elementwise work on large arrays, a part at a time that stays in the cache."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

__all__ = ["dense", "filled", "in_blocks"]

BYTES = 2**19  # of each array: parts of 2**17 take 7 % longer, for the calls; whole ones more


def dense(x: Any) -> Any:
    """x as an array whose elements lie without gaps, in any order of its axes; as it is if so."""
    x = np.asarray(x)
    return x if np.empty_like(x).strides == x.strides else np.ascontiguousarray(x)


def in_blocks(function: Callable[..., None], x: Any, *results: Any) -> None:
    """Call function(x, *results) on flat parts of all of them, one after another.

    x: a dense array; results: arrays like it (np.empty_like), which function fills. A function of
    twenty passes over 400,000 floats takes 1.2 ms in parts, 1.8 at once.
    """
    size, step = x.size, BYTES // x.itemsize
    flat = [a.ravel(order="K") for a in (x, *results)]
    for start in range(0, size, step):
        function(*(a[start : start + step] for a in flat))


def filled(function: Callable[..., None], x: Any, *others: Any) -> Any:
    """A new array that lies in memory as x does, filled by function(x, *others, out).

    x: any array or number; others: arrays of its shape, also to be filled if they are like it
    (np.empty_like). Large arrays are given in flat parts, one after another.
    """
    out = np.empty_like(x)
    if type(x) is not np.ndarray or x.nbytes <= BYTES:
        function(x, *others, out)
    else:
        in_blocks(function, *(_laid_like(out, a) for a in (x, *others)), out)
    return out


def _laid_like(pattern: Any, x: Any) -> Any:
    """x in memory as `pattern` lies; a copy unless it does."""
    if x.strides == pattern.strides:
        return x
    laid = np.empty_like(pattern, dtype=x.dtype)
    laid[...] = x
    return laid
