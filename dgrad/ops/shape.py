"""Operations that rearrange elements: reshape, axes, broadcasting, joining, padding."""

from __future__ import annotations

import math
import operator
from collections.abc import Sequence
from typing import Any

import numpy as np

from dgrad.core.op import Example, op
from dgrad.core.tensor import Tensor
from dgrad.errors import ShapeError

__all__ = [
    "broadcast_to",
    "concatenate",
    "expand_dims",
    "flatten",
    "pad",
    "reshape",
    "squeeze",
    "stack",
    "swapaxes",
    "transpose",
]


def _at(*shape: int, **params: Any) -> Example:
    """An example: an array of that shape, and the parameters."""
    return lambda rng: ((rng.normal(size=shape),), params)


@op(numpy=np.reshape, example=_at(3, 4, shape=(2, -1)))
def reshape(x: Any, *, shape: int | Sequence[int]) -> Any:
    """The same elements in row-major order under another shape; one length may be -1."""
    return np.reshape(x, shape)


reshape.vjp(x=lambda g, x_shape: np.reshape(g, x_shape))


@op(numpy=np.transpose, example=_at(2, 3, 4, axes=(1, 2, 0)))
def transpose(x: Any, *, axes: Sequence[int] | None = None) -> Any:
    """Axes permuted: axis i of the result is axes[i] of x; reversed when None."""
    return np.transpose(x, axes)


def _transpose_rule(g: Any, axes: Sequence[int] | None) -> Any:
    if axes is None:
        return np.transpose(g)
    ndim = len(axes)
    return np.transpose(g, tuple(int(i) for i in np.argsort([a % ndim for a in axes])))


transpose.vjp(x=_transpose_rule)


@op(numpy=np.swapaxes, methods=("swapaxes",), example=_at(2, 3, 4, axis1=0, axis2=-1))
def swapaxes(x: Any, *, axis1: int, axis2: int) -> Any:
    """Two axes exchanged."""
    return np.swapaxes(x, axis1, axis2)


swapaxes.vjp(x=lambda g, axis1, axis2: np.swapaxes(g, axis1, axis2))


@op(methods=("flatten",), example=_at(2, 3, 4, start_dim=1))
def flatten(x: Any, *, start_dim: int = 0, end_dim: int = -1) -> Any:
    """Axes start_dim to end_dim joined into one. x: (n, c, h, w), start_dim=1 -> (n, c*h*w)."""
    shape = np.shape(x)
    ndim = max(len(shape), 1)
    start, end = (operator.index(d) + (ndim if d < 0 else 0) for d in (start_dim, end_dim))
    if not 0 <= start <= end < ndim:
        raise ShapeError(f"flatten: axes {start_dim} to {end_dim} of an array of shape {shape}")
    joined = math.prod(shape[start : end + 1])
    return np.reshape(x, (*shape[:start], joined, *shape[end + 1 :]))


flatten.vjp(x=lambda g, x_shape: np.reshape(g, x_shape))


@op(numpy=np.expand_dims, methods=("expand_dims", "unsqueeze"), example=_at(3, 4, axis=1))
def expand_dims(x: Any, *, axis: int | tuple[int, ...]) -> Any:
    """New axes of length 1 at the given places of the result."""
    return np.expand_dims(x, axis)


expand_dims.vjp(x=lambda g, x_shape: np.reshape(g, x_shape))


@op(numpy=np.squeeze, methods=("squeeze",), example=_at(3, 1, 4, axis=1))
def squeeze(x: Any, *, axis: int | tuple[int, ...] | None = None) -> Any:
    """Axes of length 1 removed: those given, or all of them."""
    return np.squeeze(x, axis)


squeeze.vjp(x=lambda g, x_shape: np.reshape(g, x_shape))


@op(broadcasts=True, numpy=np.broadcast_to, example=_at(3, 1, shape=(2, 3, 4)))
def broadcast_to(x: Any, *, shape: Sequence[int]) -> Any:
    """x repeated to `shape` without copying: a read-only view."""
    return np.broadcast_to(x, shape)


broadcast_to.vjp(x=lambda g: g)  # the engine sums it back


@op(numpy=np.concatenate)
def concatenate(*xs: Any, axis: int = 0) -> Any:
    """Arrays joined along an axis they have. xs: shapes equal but for that axis."""
    return np.concatenate(xs, axis=operator.index(axis))  # axis=None would flatten


def _section(ndim: int, axis: int, start: int, stop: int) -> tuple[slice, ...]:
    """The index of start:stop along axis."""
    return (slice(None),) * (axis % ndim) + (slice(start, stop),)


def _concatenate_rule(g: Any, xs_shape: Sequence[tuple[int, ...]], axis: int) -> list[Any]:
    ends = np.cumsum([shape[axis] for shape in xs_shape]).tolist()
    starts = [0, *ends[:-1]]
    ndim = len(xs_shape[0])
    return [g[_section(ndim, axis, a, b)] for a, b in zip(starts, ends, strict=True)]


concatenate.vjp(_concatenate_rule)


@op(numpy=np.stack)
def stack(*xs: Any, axis: int = 0) -> Any:
    """Arrays of one shape joined along a new axis."""
    return np.stack(xs, axis=axis)


def _stack_rule(g: Any, xs_shape: Sequence[tuple[int, ...]], axis: int) -> list[Any]:
    ndim = len(xs_shape[0]) + 1
    before = (slice(None),) * (axis % ndim)
    return [g[(*before, i)] for i in range(len(xs_shape))]


stack.vjp(_stack_rule)


@op(numpy=np.pad, example=_at(3, 4, pad_width=((1, 0), (2, 1))))
def pad(x: Any, *, pad_width: Any, constant_values: float = 0.0) -> Any:
    """x with constants around it. pad_width: (before, after) per axis, as np.pad takes it."""
    return np.pad(x, pad_width, constant_values=constant_values)


def _pad_rule(g: Any, x_shape: tuple[int, ...], pad_width: Any) -> Any:
    widths = np.broadcast_to(pad_width, (len(x_shape), 2))
    inside = tuple(
        slice(int(before), int(before) + n) for (before, _), n in zip(widths, x_shape, strict=True)
    )
    return g[inside]


pad.vjp(x=_pad_rule)


def _lengths(lengths: tuple[Any, ...]) -> Any:
    """f(2, 3) and f((2, 3)) as one sequence."""
    return lengths[0] if len(lengths) == 1 and isinstance(lengths[0], list | tuple) else lengths


def _reshape_method(self: Tensor, *shape: Any) -> Tensor:
    """reshape(2, 3) or reshape((2, 3))."""
    return reshape(self, shape=_lengths(shape))  # type: ignore[no-any-return]


def _transpose_method(self: Tensor, *axes: Any) -> Tensor:
    """transpose(1, 0), transpose((1, 0)), or all axes reversed."""
    return transpose(self, axes=_lengths(axes) or None)  # type: ignore[no-any-return]


Tensor.reshape = _reshape_method  # type: ignore[attr-defined]
Tensor.transpose = _transpose_method  # type: ignore[attr-defined]
Tensor.T = property(transpose)  # type: ignore[attr-defined]
