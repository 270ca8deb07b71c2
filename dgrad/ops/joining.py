"""Arrays joined into one, and repeated: concatenate, stack and their kin, tile, repeat."""

from __future__ import annotations

import math
import operator
from collections.abc import Sequence
from typing import Any

import numpy as np

from dgrad.core.op import op
from dgrad.ops._axes import normalized_axis, section
from dgrad.ops.indexing import scatter_add

__all__ = [
    "append",
    "column_stack",
    "concatenate",
    "dstack",
    "hstack",
    "repeat",
    "stack",
    "tile",
    "vstack",
]

Shapes = Sequence[tuple[int, ...]]


@op(numpy=np.concatenate, complex=True)
def concatenate(*xs: Any, axis: int = 0) -> Any:
    """Arrays joined along an axis they have. xs: shapes equal but for that axis."""
    return np.concatenate(xs, axis=operator.index(axis))  # axis=None would flatten


def _concatenate_rule(g: Any, xs_shape: Shapes, axis: int) -> list[Any]:
    ends = np.cumsum([shape[axis] for shape in xs_shape]).tolist()
    starts = [0, *ends[:-1]]
    ndim = len(xs_shape[0])
    return [
        g[section("concatenate", ndim, axis, slice(a, b))]
        for a, b in zip(starts, ends, strict=True)
    ]


concatenate.vjp(_concatenate_rule)


@op(numpy=np.stack, complex=True)
def stack(*xs: Any, axis: int = 0) -> Any:
    """Arrays of one shape joined along a new axis."""
    return np.stack(xs, axis=axis)


def _stack_rule(g: Any, xs_shape: Shapes, axis: int) -> list[Any]:
    ndim = len(xs_shape[0]) + 1
    return [g[section("stack", ndim, axis, i)] for i in range(len(xs_shape))]


stack.vjp(_stack_rule)


def _pieces(g: Any, joined: Shapes, shapes: Shapes, axis: int) -> list[Any]:
    """The pieces of a concatenation of arrays of `shapes` that were first reshaped to `joined`."""
    parts = _concatenate_rule(g, joined, axis)
    return [np.reshape(part, shape) for part, shape in zip(parts, shapes, strict=True)]


@op(numpy=np.hstack, complex=True)
def hstack(*xs: Any) -> Any:
    """Arrays joined along axis 1; those of one axis or none along axis 0."""
    return np.hstack(xs)


def _hstack_rule(g: Any, xs_shape: Shapes) -> list[Any]:
    joined = [shape or (1,) for shape in xs_shape]
    return _pieces(g, joined, xs_shape, 0 if len(joined[0]) == 1 else 1)


hstack.vjp(_hstack_rule)


@op(numpy=np.vstack, complex=True)
def vstack(*xs: Any) -> Any:
    """Arrays joined along axis 0; those of one axis or none as rows."""
    return np.vstack(xs)


def _vstack_rule(g: Any, xs_shape: Shapes) -> list[Any]:
    joined = [shape if len(shape) > 1 else (1, *(shape or (1,))) for shape in xs_shape]
    return _pieces(g, joined, xs_shape, 0)


vstack.vjp(_vstack_rule)


@op(numpy=np.dstack, complex=True)
def dstack(*xs: Any) -> Any:
    """Arrays joined along axis 2; (n,) counts as (1, n, 1), (n, m) as (n, m, 1)."""
    return np.dstack(xs)


def _dstack_rule(g: Any, xs_shape: Shapes) -> list[Any]:
    flat = {0: (1, 1, 1), 1: (1, -1, 1)}
    joined = [
        tuple(math.prod(shape) if n == -1 else n for n in flat.get(len(shape), (*shape[:2], 1)))
        if len(shape) < 3
        else shape
        for shape in xs_shape
    ]
    return _pieces(g, joined, xs_shape, 2)


dstack.vjp(_dstack_rule)


@op(numpy=np.column_stack, complex=True)
def column_stack(*xs: Any) -> Any:
    """Arrays joined along axis 1; those of one axis or none as columns."""
    return np.column_stack(xs)


def _column_stack_rule(g: Any, xs_shape: Shapes) -> list[Any]:
    joined = [shape if len(shape) > 1 else (math.prod(shape), 1) for shape in xs_shape]
    return _pieces(g, joined, xs_shape, 1)


column_stack.vjp(_column_stack_rule)


@op(numpy=np.append, complex=True)
def append(x: Any, values: Any, *, axis: int | None = None) -> Any:
    """x followed by values along axis; both flattened when None."""
    return np.append(x, values, axis)


def _append_part(g: Any, shape: tuple[int, ...], axis: int | None, last: bool) -> Any:
    length = math.prod(shape) if axis is None else shape[axis]
    part = slice(g.shape[axis or 0] - length, None) if last else slice(length)
    return np.reshape(g[section("append", g.ndim, axis or 0, part)], shape)


append.vjp(
    x=lambda g, x_shape, axis: _append_part(g, x_shape, axis, False),
    values=lambda g, values_shape, axis: _append_part(g, values_shape, axis, True),
)


# -- repeated -------------------------------------------------------------------------------------


@op(
    numpy=np.tile,
    methods=("tile",),
    complex=True,
    example=lambda rng: ((rng.normal(size=(3, 2)),), {"reps": (2, 2)}),
)
def tile(x: Any, *, reps: int | Sequence[int]) -> Any:
    """x laid side by side, reps[i] times along axis i; the shorter of shape and reps gets 1s."""
    return np.tile(x, reps)


def _tile_rule(g: Any, x_shape: tuple[int, ...], reps: int | Sequence[int]) -> Any:
    times = np.atleast_1d(reps).tolist()
    ndim = max(len(times), len(x_shape))
    times = [1] * (ndim - len(times)) + times
    shape = (1,) * (ndim - len(x_shape)) + x_shape
    paired = [n for pair in zip(times, shape, strict=True) for n in pair]
    summed = np.sum(np.reshape(g, paired), axis=tuple(range(0, 2 * ndim, 2)))
    return np.reshape(summed, x_shape)


tile.vjp(x=_tile_rule)


@op(
    numpy=np.repeat,
    methods=("repeat",),
    complex=True,
    example=lambda rng: ((rng.normal(size=(3, 2)),), {"repeats": np.array([2, 0, 3]), "axis": 0}),
)
def repeat(x: Any, *, repeats: Any, axis: int | None = None) -> Any:
    """Each entry along axis `repeats` times in a row; of the flattened x when None.

    repeats: integer, or one for each entry. torch.Tensor.repeat is tile.
    """
    return np.repeat(x, repeats, axis)


def _repeat_rule(g: Any, x_shape: tuple[int, ...], repeats: Any, axis: int | None) -> Any:
    shape = (math.prod(x_shape),) if axis is None else x_shape
    along = normalized_axis("repeat", axis or 0, len(shape))
    repeats = np.asarray(repeats)
    if repeats.size == 1:
        split = np.reshape(g, (*shape[: along + 1], repeats.item(), *shape[along + 1 :]))
        return np.reshape(np.sum(split, axis=along + 1), x_shape)
    source = np.repeat(np.arange(shape[along]), repeats)
    out = scatter_add(g, index=section("repeat", len(shape), along, source), shape=shape)
    return np.reshape(out, x_shape)


repeat.vjp(x=_repeat_rule)
