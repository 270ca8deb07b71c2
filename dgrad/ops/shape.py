"""Elements rearranged: another shape, other axes, repeated by broadcasting, turned round."""

from __future__ import annotations

import math
import operator
from collections.abc import Sequence
from typing import Any

import numpy as np

from dgrad.core.op import op
from dgrad.core.tensor import Tensor
from dgrad.errors import ShapeError
from dgrad.ops._examples import normal

__all__ = [
    "broadcast_to",
    "expand_dims",
    "flatten",
    "flip",
    "fliplr",
    "flipud",
    "moveaxis",
    "ravel",
    "reshape",
    "roll",
    "rot90",
    "squeeze",
    "swapaxes",
    "transpose",
]


_MOVED = normal((2, 3, 4), source=(0, 1), destination=(-1, 0))


@op(numpy=np.reshape, complex=True, view=True, example=normal((3, 4), shape=(2, -1)))
def reshape(x: Any, *, shape: int | Sequence[int]) -> Any:
    """The same elements in row-major order under another shape; one length may be -1."""
    return np.reshape(x, shape)


reshape.vjp(x=lambda g, x_shape: np.reshape(g, x_shape))


@op(numpy=np.transpose, complex=True, view=True, example=normal((2, 3, 4), axes=(1, 2, 0)))
def transpose(x: Any, *, axes: Sequence[int] | None = None) -> Any:
    """Axes permuted: axis i of the result is axes[i] of x; reversed when None."""
    return np.transpose(x, axes)


def _transpose_rule(g: Any, axes: Sequence[int] | None) -> Any:
    if axes is None:
        return np.transpose(g)
    ndim = len(axes)
    return np.transpose(g, tuple(int(i) for i in np.argsort([a % ndim for a in axes])))


transpose.vjp(x=_transpose_rule)


@op(
    numpy=np.swapaxes,
    complex=True,
    view=True,
    methods=("swapaxes",),
    example=normal((2, 3, 4), axis1=0, axis2=-1),
)
def swapaxes(x: Any, *, axis1: int, axis2: int) -> Any:
    """Two axes exchanged."""
    return np.swapaxes(x, axis1, axis2)


swapaxes.vjp(x=lambda g, axis1, axis2: np.swapaxes(g, axis1, axis2))


@op(methods=("flatten",), complex=True, view=True, example=normal((2, 3, 4), start_dim=1))
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


@op(
    numpy=np.expand_dims,
    complex=True,
    view=True,
    methods=("expand_dims", "unsqueeze"),
    example=normal((3, 4), axis=1),
)
def expand_dims(x: Any, *, axis: int | tuple[int, ...]) -> Any:
    """New axes of length 1 at the given places of the result."""
    return np.expand_dims(x, axis)


expand_dims.vjp(x=lambda g, x_shape: np.reshape(g, x_shape))


@op(
    numpy=np.squeeze,
    complex=True,
    view=True,
    methods=("squeeze",),
    example=normal((3, 1, 4), axis=1),
)
def squeeze(x: Any, *, axis: int | tuple[int, ...] | None = None) -> Any:
    """Axes of length 1 removed: those given, or all of them."""
    return np.squeeze(x, axis)


squeeze.vjp(x=lambda g, x_shape: np.reshape(g, x_shape))


@op(
    broadcasts=True,
    numpy=np.broadcast_to,
    complex=True,
    view=True,
    example=normal((3, 1), shape=(2, 3, 4)),
)
def broadcast_to(x: Any, *, shape: Sequence[int]) -> Any:
    """x repeated to `shape` without copying: a read-only view."""
    return np.broadcast_to(x, shape)


broadcast_to.vjp(x=lambda g: g)  # the engine sums it back


@op(numpy=np.moveaxis, methods=("moveaxis",), complex=True, view=True, example=_MOVED)
def moveaxis(x: Any, *, source: Any, destination: Any) -> Any:
    """Axes moved to other places, the rest in their order. source, destination: int or sequence."""
    return np.moveaxis(x, source, destination)


moveaxis.vjp(x=lambda g, source, destination: np.moveaxis(g, destination, source))


@op(numpy=np.ravel, methods=("ravel",), complex=True, view=True)
def ravel(x: Any) -> Any:
    """All elements in row-major order: (size,)."""
    return np.ravel(x)


ravel.vjp(x=lambda g, x_shape: np.reshape(g, x_shape))


@op(numpy=np.flip, methods=("flip",), complex=True, view=True, example=normal((2, 3), axis=1))
def flip(x: Any, *, axis: int | tuple[int, ...] | None = None) -> Any:
    """Elements in the opposite order along axis, along all axes when None."""
    return np.flip(x, axis)


flip.vjp(x=lambda g, axis: np.flip(g, axis))


@op(numpy=np.fliplr, methods=("fliplr",), complex=True, view=True)
def fliplr(x: Any) -> Any:
    """flip along axis 1."""
    return np.fliplr(x)


fliplr.vjp(x=lambda g: np.flip(g, 1))


@op(numpy=np.flipud, methods=("flipud",), complex=True, view=True)
def flipud(x: Any) -> Any:
    """flip along axis 0."""
    return np.flipud(x)


flipud.vjp(x=lambda g: np.flip(g, 0))


@op(numpy=np.rot90, methods=("rot90",), complex=True, view=True)
def rot90(x: Any, *, k: int = 1, axes: tuple[int, int] = (0, 1)) -> Any:
    """Turned by k quarters from the first of two axes towards the second."""
    return np.rot90(x, k, axes)


rot90.vjp(x=lambda g, k, axes: np.rot90(g, k=-k, axes=axes))


@op(
    numpy=np.roll,
    methods=("roll",),
    complex=True,
    example=normal((3, 4), shift=(1, -2), axis=(0, 1)),
)
def roll(x: Any, *, shift: Any, axis: int | tuple[int, ...] | None = None) -> Any:
    """Elements moved on by shift along axis, round the end; along the flattened x when None."""
    return np.roll(x, shift, axis)


roll.vjp(x=lambda g, shift, axis: np.roll(g, np.negative(shift), axis))


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
Tensor.transpose = Tensor.permute = _transpose_method  # type: ignore[attr-defined]
Tensor.T = property(transpose)  # type: ignore[attr-defined]
