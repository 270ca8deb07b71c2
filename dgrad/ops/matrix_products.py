"""Matrix products: matmul in all ranks, and the linear layer's product with bias."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from dgrad.core.op import op
from dgrad.errors import DtypeError, ShapeError

__all__ = ["linear", "matmul"]

LONG_ROW = 512  # elements


def _matrices(rng: np.random.Generator) -> tuple[tuple[Any, ...], dict[str, Any]]:
    return (rng.normal(size=(2, 3, 4)), rng.normal(size=(4, 2))), {}


def _layer(rng: np.random.Generator) -> tuple[tuple[Any, ...], dict[str, Any]]:
    return (rng.normal(size=(2, 3)), rng.normal(size=(4, 3)), rng.normal(size=4)), {}


@op(
    broadcasts=True,
    complex=True,
    numpy=(np.matmul, np.linalg.matmul),
    operators=("__matmul__", "__rmatmul__"),
    methods=("matmul",),
    example=_matrices,
)
def matmul(x: Any, y: Any) -> Any:
    """Matrix product. x: (..., n, k) or (k,), y: (..., k, m) or (k,) -> as np.matmul.

    Leading axes broadcast; a vector operand counts as a row on the left, a column on the right.
    """
    return np.matmul(x, y)


def _matmul_x(g: Any, x_shape: tuple[int, ...], y: Any) -> Any:
    vector_x, vector_y = len(x_shape) == 1, np.ndim(y) == 1
    if vector_y:  # (..., n, k) (k,) -> (..., n): an outer product
        return g * y if vector_x else np.expand_dims(g, -1) * y
    g = np.expand_dims(g, -2) if vector_x else g
    out = np.matmul(g, np.swapaxes(y, -1, -2))
    return np.squeeze(out, -2) if vector_x else out


def _matmul_y(g: Any, x: Any, y_shape: tuple[int, ...]) -> Any:
    vector_x, vector_y = np.ndim(x) == 1, len(y_shape) == 1
    if vector_x:  # (k,) (..., k, m) -> (..., m): an outer product
        return g * x if vector_y else np.expand_dims(x, -1) * np.expand_dims(g, -2)
    g = np.expand_dims(g, -1) if vector_y else g
    out = np.matmul(np.swapaxes(x, -1, -2), g)
    return np.squeeze(out, -1) if vector_y else out


matmul.vjp(x=_matmul_x, y=_matmul_y)


@op(example=_layer)
def linear(x: Any, weight: Any, bias: Any = None) -> Any:
    """x weight^T + bias. x: (..., i), weight: (o, i), bias: (o,) or None -> (..., o).

    Raises ShapeError when they do not fit, DtypeError for lists.
    """
    try:
        fits = weight.ndim == 2 and x.shape[-1:] == weight.shape[1:]
        bias_shape = () if bias is None else bias.shape
    except AttributeError:
        kinds = ", ".join(type(value).__name__ for value in (x, weight, bias))
        raise DtypeError(
            f"linear: x, weight and bias must be arrays or Tensors, got {kinds}; "
            f"dgrad.tensor makes one of a list"
        ) from None
    if not fits:
        raise ShapeError(
            f"linear: x {x.shape} needs a weight (out, {x.shape[-1] if x.ndim else 'in'}), "
            f"got {weight.shape}"
        )
    out = _times_transposed(x, weight)
    if bias is None:
        return np.ascontiguousarray(out) if out.ndim else out
    if bias_shape != weight.shape[:1]:
        raise ShapeError(
            f"linear: weight {weight.shape} needs a bias of shape {weight.shape[:1]}, "
            f"got {bias_shape}"
        )
    in_place = out.dtype is bias.dtype and out.flags.c_contiguous
    return np.add(out, bias, out=out if in_place else None, order="C")


def _times_transposed(x: Any, weight: Any) -> Any:
    """x weight^T, as one product, its operands in the order that OpenBLAS multiplies faster.

    For few rows and long ones, weight x^T takes 6 to 13 % less time on one thread, up to 40 % on
    two, the pass that turns it round included: (64, 784) by (128, 784), 169 us for 189.
    """
    if x.ndim != 2:
        return _by_rows(x, weight.T)
    if len(x) < len(weight) and x.shape[1] >= LONG_ROW:
        return np.matmul(weight, x.T).T
    return np.matmul(x, weight.T)


def _by_rows(x: Any, y: Any) -> Any:
    """x y, x: (..., i), y: (i, o) -> (..., o).

    One product of all the rows, where np.matmul makes one of each matrix: (12, 64, 128) by
    (128, 384) takes 742 us for 1004.
    """
    if x.ndim <= 2:
        return np.matmul(x, y)
    return np.matmul(_rows(x), y).reshape(*x.shape[:-1], y.shape[-1])


def _rows(x: Any) -> Any:
    """x: (..., n) -> (rows, n)."""
    return x if x.ndim == 2 else x.reshape(math.prod(x.shape[:-1]), x.shape[-1])


linear.vjp(
    x=lambda g, weight: _by_rows(g, weight),
    weight=lambda g, x: np.matmul(_rows(g).T, _rows(x)),
    bias=lambda g: np.add.reduce(_rows(g), axis=0),
)
