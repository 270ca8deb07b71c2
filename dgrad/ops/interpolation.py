"""Weighted sums of a few pixels each: the linear maps behind averages and interpolation.

They act along one axis after another, each held as a table (taps, out): the pixels that an output
sums, and their weights. `resample` applies one; its adjoint is the transposed table.
"""

from __future__ import annotations

import math
from typing import Any, Literal

import numpy as np

from dgrad.core.op import op
from dgrad.errors import ParameterError, ShapeError
from dgrad.ops._axes import laid_along, normalized_axis
from dgrad.ops._examples import normal
from dgrad.ops._floats import as_floats

__all__ = ["interpolate", "resample"]

Table = tuple[Any, Any]  # pixels (taps, out), weights (taps, out)
Mode = Literal["nearest", "nearest-exact", "linear", "bilinear", "bicubic", "area"]
CUBIC = -0.75  # Keys 1981; the slope that PyTorch takes


# -- the linear map -------------------------------------------------------------------------------


_PLACES, _WEIGHTS = np.array([[0, 2, 2], [1, 0, 3]]), np.array([[1, 2, 3], [4, 0, 5]])


@op(example=normal((3, 4), places=_PLACES, weights=_WEIGHTS))
def resample(x: Any, *, places: Any, weights: Any, axis: int = -1) -> Any:
    """out[i] = sum_t weights[t, i] x[places[t, i]] along axis. places, weights: (taps, out).

    x: any shape -> the same but for `out` along axis. A pixel of weight 0 is not read.
    """
    return _resample(as_floats(x), places, weights, axis)


def _resample(x: Any, places: Any, weights: Any, axis: int) -> Any:
    axis = normalized_axis("resample", axis, x.ndim)
    weights = np.asarray(weights, x.dtype)
    even = bool(weights.size) and bool(np.all(weights == weights[0, 0]))
    before = (slice(None),) * axis
    out: Any = None
    for place, weight in zip(np.asarray(places), weights, strict=True):
        part = x[(*before, _selector(place))]
        if not even:
            weight = laid_along(weight, x.ndim, axis)
            part = (part if weight.all() else np.where(weight, part, 0)) * weight
        if out is None:
            out = part.copy(order="K") if even else part
        else:
            np.add(out, part, out=out)
    return np.multiply(out, weights[0, 0], out=out) if even else out


def _selector(place: Any) -> Any:
    """The index array as a slice if it is one: read without copying."""
    if not len(place):
        return slice(0, 0)
    first, step = int(place[0]), int(place[1] - place[0]) if len(place) > 1 else 1
    if step > 0 and np.array_equal(place, np.arange(first, first + step * len(place), step)):
        return slice(first, int(place[-1]) + 1, step)
    return place


def _transposed(places: Any, weights: Any, length: int) -> Table:
    """The table of the adjoint: the outputs that each of `length` pixels goes into."""
    taps, outs = np.nonzero(weights)
    pixels, weights = np.asarray(places)[taps, outs], np.asarray(weights)[taps, outs]
    order = np.lexsort((outs, pixels))
    pixels, outs, weights = pixels[order] % max(length, 1), outs[order], weights[order]
    counts = np.bincount(pixels, minlength=length)
    ranks = np.arange(len(pixels)) - np.repeat(np.cumsum(counts) - counts, counts)
    most = max(counts.max(initial=0), 1)
    back, shares = np.zeros((most, length), np.intp), np.zeros((most, length), weights.dtype)
    back[ranks, pixels], shares[ranks, pixels] = outs, weights
    return back, shares


def _resample_rule(g: Any, x_shape: Any, places: Any, weights: Any, axis: int) -> Any:
    return resample(g, *_transposed(places, weights, x_shape[axis]), axis)


resample.vjp(x=_resample_rule)


def apply_tables(x: Any, tables: list[Table]) -> Any:
    """The tables applied along the last axes of the array x, in their order."""
    x = as_floats(x)
    for axis, table in enumerate(tables, start=-len(tables)):
        x = _resample(x, *table, axis)
    return x


def apply_adjoint(g: Any, x_shape: tuple[int, ...], tables: list[Table]) -> Any:
    """The gradient of what the tables were applied to, of x_shape; g: array or Tensor."""
    for axis, table in reversed(list(enumerate(tables, start=-len(tables)))):
        g = resample(g, *_transposed(*table, x_shape[axis]), axis)
    return g


# -- shares ---------------------------------------------------------------------------------------


def shares(length: int, out: int) -> Any:
    """The pixels of each of `out` nearly equal shares of a line: (longest share, out).

    Share i goes from floor(i length / out) to ceil((i + 1) length / out); a shorter one repeats
    its first pixel.
    """
    starts = np.arange(out) * length // out
    ends = -(-(np.arange(out) + 1) * length // out)
    places = starts + np.arange((ends - starts).max())[:, None]
    return np.where(places < ends, places, starts)


def share_averages(shape: tuple[int, ...], sizes: tuple[int, ...]) -> list[Table]:
    """Tables for the last axes of `shape`: the means of so many nearly equal shares of each."""
    tables = []
    for n, out in zip(shape[-len(sizes) :], sizes, strict=True):
        places = shares(n, out)
        counted = np.vstack([np.ones((1, out), bool), places[1:] != places[0]])
        tables.append((places, counted / counted.sum(axis=0)))
    return tables


# -- interpolation --------------------------------------------------------------------------------


def _interpolation(n: int, out: int, scale: float, mode: Mode, align_corners: bool) -> Table:
    """The table along an axis of n pixels. scale: input pixels for each output pixel.

    An axis that keeps its length is copied, whatever the scale, but by bicubic and nearest-exact:
    as PyTorch does.
    """
    if n == out and mode not in ("bicubic", "nearest-exact"):
        scale = 1.0
    centre = np.arange(out) + 0.5
    if mode == "nearest":
        return np.minimum(np.floor(np.arange(out) * scale), n - 1).astype(int)[None], _ones(out)
    if mode == "nearest-exact":
        return np.minimum(np.floor(centre * scale), n - 1).astype(int)[None], _ones(out)
    if align_corners:
        where = np.arange(out) * ((n - 1) / (out - 1) if out > 1 else 0.0)
    else:
        where = centre * scale - 0.5
    if mode == "bicubic":
        low = np.floor(where)
        t = where - low
        weights = np.stack([_far(t + 1), _near(t), _near(1 - t), _far(2 - t)])
        return np.clip(low.astype(int) + np.arange(-1, 3)[:, None], 0, n - 1), weights
    where = np.maximum(where, 0)
    low = np.minimum(np.floor(where).astype(int), n - 1)
    t = where - low
    return np.stack([low, np.minimum(low + 1, n - 1)]), np.stack([1 - t, t])


def _ones(out: int) -> Any:
    """The weights of a table that copies pixels."""
    return np.ones((1, out))


def _near(t: Any) -> Any:
    """Keys' cubic kernel at a distance t of 0 to 1."""
    return ((CUBIC + 2) * t - (CUBIC + 3)) * t * t + 1


def _far(t: Any) -> Any:
    """Keys' cubic kernel at a distance t of 1 to 2."""
    return ((t - 5) * t + 8) * t * CUBIC - 4 * CUBIC


def _interpolations(
    shape: tuple[int, ...], size: Any, scale_factor: Any, mode: Mode, align_corners: bool
) -> list[Table]:
    axes = len(shape) - 2
    modes = ("nearest", "nearest-exact", "area", *(("linear",), ("bilinear", "bicubic"))[axes - 1])
    if mode not in modes:
        raise ParameterError("interpolate", "mode", f"one of {', '.join(modes)}", mode)
    if (size is None) == (scale_factor is None):
        raise ParameterError("interpolate", "size", "given, or else scale_factor", size)
    given = size if scale_factor is None else scale_factor
    given = (given,) * axes if np.ndim(given) == 0 else tuple(given)
    lengths = shape[2:]
    if len(given) != axes:
        raise ShapeError(f"interpolate: x {shape} has {axes} axes to resize, got {given}")
    outs = given if scale_factor is None else map(math.floor, np.multiply(lengths, given).tolist())
    outs = tuple(outs)
    if min(outs) < 1 or min(lengths) < 1:
        raise ShapeError(f"interpolate: x {shape} cannot become an image of {outs} pixels")
    if mode == "area":
        return share_averages(shape, outs)
    return [
        _interpolation(n, out, n / out if scale_factor is None else 1 / s, mode, align_corners)
        for n, out, s in zip(lengths, outs, given, strict=True)
    ]


@op(example=normal((2, 3, 4, 3), scale_factor=2, mode="bilinear"))
def interpolate(
    x: Any,
    *,
    size: Any = None,
    scale_factor: Any = None,
    mode: Mode = "nearest",
    align_corners: bool = False,
) -> Any:
    """x resized to `size`, or by scale_factor. x: (n, c, l) or (n, c, h, w) -> (n, c, *size).

    mode: nearest, nearest-exact, area; linear for lines; bilinear, bicubic for images.
    align_corners: the centres of the corner pixels stay in place, not the corners themselves.
    """
    if np.ndim(x) not in (3, 4):
        raise ShapeError(f"interpolate: wants x (n, c, l) or (n, c, h, w), got {np.shape(x)}")
    return apply_tables(x, _interpolations(np.shape(x), size, scale_factor, mode, align_corners))


interpolate.vjp(
    x=lambda g, x_shape, size, scale_factor, mode, align_corners: apply_adjoint(
        g, x_shape, _interpolations(x_shape, size, scale_factor, mode, align_corners)
    )
)
