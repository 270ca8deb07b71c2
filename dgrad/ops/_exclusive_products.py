"""Products of the elements in front of each one, and behind it: all others without dividing."""

from __future__ import annotations

from typing import Any

import numpy as np

__all__ = ["after", "before"]


def before(rows: Any) -> Any:
    """The product of those in front of each element of a row. rows: (..., n), array or Tensor."""
    ones = np.ones_like(rows[..., :1])
    return np.cumprod(np.concatenate([ones, rows[..., :-1]], axis=-1), axis=-1)


def after(rows: Any) -> Any:
    """The product of those behind each element of a row. rows: (..., n), array or Tensor."""
    return np.flip(before(np.flip(rows, axis=-1)), axis=-1)
