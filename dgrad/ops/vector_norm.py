"""The p-norm and its gradient, of arrays or Tensors, without a pole at the zero vector."""

from __future__ import annotations

from typing import Any

import numpy as np

__all__ = ["p_norm", "p_norm_slope"]


def p_norm(v: Any, p: float, axis: int = -1) -> Any:
    """(sum |v|^p)^(1/p) along axis, which keeps the length 1. p >= 1; its gradient at 0 is 0."""
    if p == 1:
        return np.add.reduce(np.absolute(v), axis=axis, keepdims=True)
    powers = np.add.reduce(v * v if p == 2 else np.absolute(v) ** p, axis=axis, keepdims=True)
    zero = np.equal(powers, 0)
    return np.where(zero, 0.0, np.where(zero, 1.0, powers) ** (1 / p))


def p_norm_slope(v: Any, norm: Any, p: float) -> Any:
    """The gradient of p_norm: sign(v) (|v| / norm)^(p - 1). norm: what p_norm gave."""
    if p == 1:
        return np.sign(v)
    unit = v / np.where(np.equal(norm, 0), 1.0, norm)
    if p == 2:
        return unit
    zero = np.equal(unit, 0)
    return np.where(zero, 0.0, np.sign(v) * np.absolute(np.where(zero, 1.0, unit)) ** (p - 1))
