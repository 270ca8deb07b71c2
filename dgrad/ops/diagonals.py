"""Triangles and diagonals: triu, tril, diagonal and its adjoint, diag, trace."""

from __future__ import annotations

from typing import Any

import numpy as np

from dgrad.core.op import op
from dgrad.errors import ShapeError
from dgrad.ops._examples import normal

__all__ = ["diag", "diagonal", "embed_diagonal", "trace", "tril", "triu"]


def _needs_matrix(name: str, x: Any) -> None:
    if np.ndim(x) < 2:
        raise ShapeError(f"{name}: needs an array of two axes or more, got {np.shape(x)}")


@op(numpy=np.triu, methods=("triu",), complex=True)
def triu(x: Any, *, k: int = 0) -> Any:
    """The upper triangle of the last two axes: 0 below diagonal k. x: (..., n, m) -> same."""
    _needs_matrix("triu", x)
    return np.triu(x, k)


triu.vjp(x=lambda g, k: np.triu(g, k))


@op(numpy=np.tril, methods=("tril",), complex=True)
def tril(x: Any, *, k: int = 0) -> Any:
    """The lower triangle of the last two axes: 0 above diagonal k. x: (..., n, m) -> same."""
    _needs_matrix("tril", x)
    return np.tril(x, k)


tril.vjp(x=lambda g, k: np.tril(g, k))


@op(
    numpy=np.diagonal,
    methods=("diagonal",),
    complex=True,
    view=True,
    example=normal((3, 4), offset=1),
)
def diagonal(x: Any, *, offset: int = 0, axis1: int = 0, axis2: int = 1) -> Any:
    """Elements x[..., i, ..., i + offset, ...] of two axes, as the last axis: a read-only view."""
    return np.diagonal(x, offset, axis1, axis2)


@op(complex=True, example=normal((2, 3), shape=(3, 2, 4), offset=1, axis1=0, axis2=2))
def embed_diagonal(
    x: Any, *, shape: tuple[int, ...], offset: int = 0, axis1: int = 0, axis2: int = 1
) -> Any:
    """Zeros of `shape` with x on the diagonal of two axes: the adjoint of diagonal.

    x: the shape of that diagonal. Raises ShapeError.
    """
    out = np.zeros(shape, np.asarray(x).dtype)
    place = np.diagonal(out, offset, axis1, axis2)
    if np.shape(x) != place.shape:
        raise ShapeError(
            f"embed_diagonal: diagonal {offset} of axes {axis1} and {axis2} of {tuple(shape)} has "
            f"shape {place.shape}, but x {np.shape(x)}"
        )
    place.flags.writeable = True  # a view of our own array
    place[...] = x
    return out


diagonal.vjp(
    x=lambda g, x_shape, offset, axis1, axis2: embed_diagonal(
        g, shape=x_shape, offset=offset, axis1=axis1, axis2=axis2
    )
)
embed_diagonal.vjp(
    x=lambda g, offset, axis1, axis2: np.diagonal(g, offset=offset, axis1=axis1, axis2=axis2)
)


@op(numpy=np.diag, methods=("diag",), complex=True, view=True)
def diag(x: Any, *, k: int = 0) -> Any:
    """Diagonal k of a matrix, a read-only view; of a vector the matrix that has it there, else 0.

    x: (n, m) -> (its length,), or (n,) -> (n + |k|, n + |k|).
    """
    return np.diag(x, k)


def _diag_rule(g: Any, x_shape: tuple[int, ...], k: int) -> Any:
    if len(x_shape) == 1:
        return np.diagonal(g, offset=k)
    return embed_diagonal(g, shape=x_shape, offset=k)


diag.vjp(x=_diag_rule)


@op(numpy=np.trace, methods=("trace",), complex=True)
def trace(x: Any, *, offset: int = 0, axis1: int = 0, axis2: int = 1) -> Any:
    """Sum of a diagonal of two axes. x: any shape of two axes or more -> the other axes."""
    return np.trace(x, offset, axis1, axis2)


def _trace_rule(g: Any, x_shape: tuple[int, ...], offset: int, axis1: int, axis2: int) -> Any:
    n, m = x_shape[axis1], x_shape[axis2]
    length = max(min(n + min(offset, 0), m - max(offset, 0)), 0)
    each = np.broadcast_to(np.expand_dims(g, -1), (*np.shape(g), length))
    return embed_diagonal(each, shape=x_shape, offset=offset, axis1=axis1, axis2=axis2)


trace.vjp(x=_trace_rule)
