"""Divisors that are safe where no gradient comes in: the one place of that rule."""

from __future__ import annotations

from typing import Any

import numpy as np

__all__ = ["guarded"]


def guarded(g: Any, x: Any) -> Any:
    """x as a divisor of g: 1 where both are 0, so that a branch not taken gives 0, not 0/0."""
    if isinstance(x, int | float):
        return x
    return x + (np.equal(g, 0) & np.equal(x, 0))
