"""Exponentials of arrays, written where they are wanted."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

__all__ = ["write_exp"]


def write_exp(x: Any, rate: float, out: Any) -> None:
    """exp(rate * x) into out, of x's shape and dtype; x may be out.

    Of float32 by exp2, with AVX-512 half the time of exp; right to 2^-22 (|rate x| + 1) of itself.
    """
    if out.itemsize == 4:
        np.multiply(x, rate / math.log(2), out=out)
        np.exp2(out, out=out)
        return
    np.multiply(x, rate, out=out)
    np.exp(out, out=out)
