"""Randomness: dropout, whose mask is a pure function of the key it is given."""

from __future__ import annotations

from typing import Any

import numpy as np

from dgrad.core.op import op
from dgrad.core.stream import Key, generator
from dgrad.errors import ParameterError
from dgrad.ops._floats import as_floats
from dgrad.randomness import Purpose

__all__ = ["dropout"]


def _mask(shape: tuple[int, ...], p: float, key: Key, dtype: Any) -> np.ndarray:
    """1 / (1 - p) where an element is kept, 0 where it is dropped."""
    if not 0 <= p <= 1:
        raise ParameterError("dropout", "p", ">= 0 and <= 1", p)
    kept = generator(key).random(shape, dtype=np.float32) >= p
    return np.multiply(kept, 1 / (1 - p) if p < 1 else 0.0, dtype=dtype)


def _example(rng: np.random.Generator) -> tuple[tuple[Any, ...], dict[str, Any]]:
    return (rng.normal(size=(3, 4)),), {"p": 0.5, "key": (0, Purpose.STEP, 0, 0)}


@op(keeps=("mask",), example=_example)
def dropout(x: Any, *, p: float, key: Key) -> Any:
    """x / (1 - p) with each element 0 with probability p (Srivastava et al. 2014).

    key: from `dgrad.core.stream`; the same key drops the same elements. x: any shape -> same shape.
    """
    x = np.asarray(as_floats(x))
    mask = _mask(x.shape, p, key, x.dtype)
    if not x.flags.c_contiguous:  # the mask lies like x, so that the result does
        drawn, mask = mask, np.empty_like(x)
        mask[...] = drawn
    return x * mask, mask


dropout.vjp(x=lambda g, x_shape, p, key: g * _mask(x_shape, p, key, g.dtype))
dropout.fast_vjp(x=lambda g, mask: g * mask)
