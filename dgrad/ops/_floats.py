"""Integers and booleans as the floats that activations and losses compute in."""

from __future__ import annotations

from typing import Any

import numpy as np

__all__ = ["BITS", "as_floats"]

BITS = {2: np.int16, 4: np.int32, 8: np.int64}  # integers as wide as floats of so many bytes


def as_floats(x: Any) -> Any:
    """x itself if it holds floats; else x converted: nothing is computed in its own integers.

    There uint8 has no -1, and 200 + 100 is 44. Booleans and integers of 8 or 16 bits become
    float32, wider ones float64: what NumPy's np.exp makes of them, but never float16.
    """
    try:
        if x.dtype.kind == "f":
            return x
    except AttributeError:  # Python's numbers and lists
        if isinstance(x, int | float):
            return float(x)
        x = np.asarray(x)
    return x.astype(np.result_type(x.dtype, np.float32), copy=False)
