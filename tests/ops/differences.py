"""Numeric derivatives by central differences of fourth order."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

__all__ = ["jacobian"]

STEP = 1e-3  # the error is of order STEP^4, below 1e-10 for the functions tested
WEIGHTS = {-2: 1 / 12, -1: -8 / 12, 1: 8 / 12, 2: -1 / 12}


def jacobian(
    function: Callable[..., Any], args: Sequence[Any], which: int, size: int
) -> np.ndarray:
    """d function(*args) / d args[which], as (size of the result, size of the argument).

    By a complex argument x + iy: d / dx + i d / dy, as PyTorch's gradients are.
    """
    complex_ = np.asarray(args[which]).dtype.kind == "c"
    x = np.array(
        args[which], np.complex128 if complex_ else np.float64, order="C"
    )  # a private copy, every element its own
    flat = x.reshape(-1)
    columns = np.zeros((size, flat.size), x.dtype)
    for i, value in enumerate(flat.copy()):
        for direction in (1, 1j) if complex_ else (1,):
            for step, weight in WEIGHTS.items():
                flat[i] = value + direction * (step * STEP)
                result = function(*args[:which], x, *args[which + 1 :])
                columns[:, i] += np.ravel(result) * (weight / STEP * direction)
        flat[i] = value
    return columns
