"""Weighted sums in place, as BLAS calls them: what moving averages and steps are made of."""

from __future__ import annotations

import numpy as np

__all__ = ["axpby", "axpy"]


def axpy(a: float, x: np.ndarray, y: np.ndarray, t: np.ndarray) -> None:
    """y <- a x + y. t: memory to compute in; it may be x itself, which is lost then."""
    np.add(y, np.multiply(x, a, out=t), out=y)


def axpby(a: float, x: np.ndarray, b: float, y: np.ndarray, t: np.ndarray) -> None:
    """y <- a x + b y. t: memory to compute in; it may be x itself, which is lost then."""
    np.multiply(y, b, out=y)
    np.add(y, x if a == 1 else np.multiply(x, a, out=t), out=y)
