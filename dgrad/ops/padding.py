"""Borders and windows: pad in five modes, sliding windows and their adjoint."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from dgrad.core.op import op
from dgrad.errors import ParameterError, ShapeError
from dgrad.ops._axes import normalized_axis
from dgrad.ops.indexing import scatter_add

__all__ = ["overlap_add", "pad", "sliding_window_view"]

MODES = ("constant", "edge", "reflect", "symmetric", "wrap")


def _padded(rng: np.random.Generator) -> tuple[tuple[Any, ...], dict[str, Any]]:
    return (rng.normal(size=(3, 4)),), {"pad_width": ((1, 0), (2, 1))}


@op(numpy=np.pad, complex=True, example=_padded)
def pad(x: Any, *, pad_width: Any, mode: Any = "constant", constant_values: Any = 0.0) -> Any:
    """x with a border. pad_width: (before, after) for each axis, as np.pad takes it.

    mode: "constant" (constant_values), "edge", "reflect" (without the edge), "symmetric" (with
    it), "wrap". Raises ParameterError for another.
    """
    if mode not in MODES:
        raise ParameterError("pad", "mode", f"one of {', '.join(MODES)}", mode)
    if mode == "constant":
        return np.pad(x, pad_width, constant_values=constant_values)
    return np.pad(x, pad_width, mode)


def _widths(pad_width: Any, ndim: int) -> list[tuple[int, int]]:
    """(before, after) for each axis."""
    if isinstance(pad_width, dict):
        pairs = {
            normalized_axis("pad", axis, ndim): np.broadcast_to(width, 2)
            for axis, width in pad_width.items()
        }
        pad_width = [pairs.get(axis, (0, 0)) for axis in range(ndim)]
    return [(int(before), int(after)) for before, after in np.broadcast_to(pad_width, (ndim, 2))]


def _pad_rule(g: Any, x_shape: tuple[int, ...], pad_width: Any, mode: Any) -> Any:
    """The inside of g; in the other modes each border goes to the elements it was copied from."""
    widths = _widths(pad_width, len(x_shape))
    if mode == "constant":
        return g[tuple(slice(a, a + n) for (a, _), n in zip(widths, x_shape, strict=True))]
    sources = [np.pad(np.arange(n), w, mode) for w, n in zip(widths, x_shape, strict=True)]
    return scatter_add(g, index=np.ix_(*sources), shape=x_shape)


pad.vjp(x=_pad_rule)


# -- windows --------------------------------------------------------------------------------------

Window = int | Sequence[int]


def _window(
    name: str, ndim: int, window_shape: Window, axis: Any
) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """Lengths of the window, and the axes they lie along, each once; ShapeError otherwise."""
    lengths = tuple(np.atleast_1d(window_shape).tolist())
    given = range(ndim) if axis is None else np.atleast_1d(axis).tolist()
    axes = tuple(normalized_axis(name, a, ndim) for a in given)
    if len(axes) != len(lengths) or len(set(axes)) != len(axes):
        raise ShapeError(
            f"{name}: windows of shape {lengths} need as many different axes of {ndim}, got {axis}"
        )
    return lengths, axes


def _pairs(rng: np.random.Generator) -> tuple[tuple[Any, ...], dict[str, Any]]:
    return (rng.normal(size=(4, 5)),), {"window_shape": (2, 3)}


@op(numpy=np.lib.stride_tricks.sliding_window_view, complex=True, view=True, example=_pairs)
def sliding_window_view(x: Any, *, window_shape: Window, axis: Any = None) -> Any:
    """Every window of x, as further axes at the end: a read-only view.

    x: (n, m), window_shape (h, w) -> (n - h + 1, m - w + 1, h, w). axis: the axes that
    window_shape lies along, each once; all of them when None. Raises ShapeError.
    """
    lengths, axes = _window("sliding_window_view", np.ndim(x), window_shape, axis)
    return np.lib.stride_tricks.sliding_window_view(x, lengths, axes)


def _overlapping(rng: np.random.Generator) -> tuple[tuple[Any, ...], dict[str, Any]]:
    return (rng.normal(size=(3, 3, 2)),), {"window_shape": 2, "axis": 1}


@op(complex=True, example=_overlapping)
def overlap_add(x: Any, *, window_shape: Window, axis: Any = None) -> Any:
    """The sum of all windows, each at its place: the adjoint of sliding_window_view.

    x: (n - h + 1, m - w + 1, h, w), window_shape (h, w) -> (n, m). Raises ShapeError.
    """
    x = np.asarray(x)
    extra = np.atleast_1d(window_shape).size
    lengths, axes = _window("overlap_add", x.ndim - extra, window_shape, axis)
    if x.shape[x.ndim - extra :] != lengths or math.prod(lengths) == 0:
        raise ShapeError(f"overlap_add: x {x.shape} does not end with the window {lengths}")
    shape = list(x.shape[: x.ndim - extra])
    for a, n in zip(axes, lengths, strict=True):
        shape[a] += n - 1
    out = np.zeros(shape, x.dtype)
    for place in itertools.product(*map(range, lengths)):
        section = [slice(None)] * len(shape)
        for a, start in zip(axes, place, strict=True):
            section[a] = slice(start, start + x.shape[a])
        out[tuple(section)] += x[(..., *place)]
    return out


sliding_window_view.vjp(
    x=lambda g, window_shape, axis: overlap_add(g, window_shape=window_shape, axis=axis)
)
overlap_add.vjp(
    x=lambda g, window_shape, axis: np.lib.stride_tricks.sliding_window_view(
        g, window_shape=window_shape, axis=axis
    )
)
