"""Weighted sums of a few pixels each: average pooling, adaptive averages, interpolation.

All are linear maps along the height and the width, held as tables (taps, out): the pixels that
each output sums, and their weights. `resample` applies one; its adjoint is the transposed table.
"""

from __future__ import annotations

import math
from typing import Any, Literal

import numpy as np

from dgrad.core.op import op
from dgrad.errors import ParameterError, ShapeError
from dgrad.ops.floats import as_floats
from dgrad.ops.pooling import (
    adaptive_sizes,
    check_image,
    example_image,
    pooling_windows,
    shares,
    wide_sizes,
)
from dgrad.ops.windows import Sizes

__all__ = [
    "adaptive_avg_pool1d",
    "adaptive_avg_pool2d",
    "avg_pool1d",
    "avg_pool2d",
    "interpolate",
    "resample",
]

Table = tuple[Any, Any]  # pixels (taps, out), weights (taps, out)
Mode = Literal["nearest", "nearest-exact", "linear", "bilinear", "bicubic", "area"]
CUBIC = -0.75  # Keys 1981; the slope that PyTorch takes


# -- the linear map -------------------------------------------------------------------------------

_EXAMPLE = {"places": np.array([[0, 2, 2], [1, 0, 3]]), "weights": np.array([[1, 2, 3], [4, 0, 5]])}


@op(example=example_image(3, 4, axis=1, **_EXAMPLE))
def resample(x: Any, *, places: Any, weights: Any, axis: int = -1) -> Any:
    """out[i] = sum_t weights[t, i] x[places[t, i]] along axis. places, weights: (taps, out).

    x: any shape -> the same but for `out` along axis. A pixel of weight 0 is not read.
    """
    return _resample(as_floats(x), places, weights, axis)


def _resample(x: Any, places: Any, weights: Any, axis: int) -> Any:
    axis %= x.ndim
    weights = np.asarray(weights, x.dtype)
    even = bool(weights.size) and bool(np.all(weights == weights[0, 0]))
    before, behind = (slice(None),) * axis, (-1,) + (1,) * (x.ndim - 1 - axis)
    out: Any = None
    for place, weight in zip(np.asarray(places), weights, strict=True):
        part = x[(*before, _selector(place))]
        if not even:
            weight = weight.reshape(behind)
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


def _apply(x: Any, tables: list[Table]) -> Any:
    """The tables applied along the last axes of the array x, in their order."""
    x = as_floats(x)
    for axis, table in enumerate(tables, start=-len(tables)):
        x = _resample(x, *table, axis)
    return x


def _apply_adjoint(g: Any, x_shape: tuple[int, ...], tables: list[Table]) -> Any:
    for axis, table in reversed(list(enumerate(tables, start=-len(tables)))):
        g = resample(g, *_transposed(*table, x_shape[axis]), axis)
    return g


# -- average pooling ------------------------------------------------------------------------------


def _averages(
    name: str,
    shape: tuple[int, ...],
    kernel_size: Any,
    stride: Any,
    padding: Any,
    ceil_mode: bool,
    count_include_pad: bool,
    divisor_override: int | None = None,
) -> list[Table]:
    windows = pooling_windows(name, shape, kernel_size, stride, padding, 1, ceil_mode)
    if divisor_override is not None and divisor_override == 0:
        raise ParameterError(name, "divisor_override", "other than 0", divisor_override)
    tables = []
    for axis, (places, inside) in enumerate(windows.pixels()):
        counts = inside.sum(axis=0)
        if count_include_pad:  # but not what lies behind the padding, in ceil_mode
            start = np.arange(windows.out[axis]) * windows.stride[axis] - windows.before[axis]
            room = windows.size[axis] + windows.before[axis] - start
            counts = np.minimum(windows.kernel[axis], room)
        if divisor_override is not None:
            counts = (1, divisor_override)[axis]
        tables.append((places, inside / counts))
    return tables


@op(example=example_image(2, 3, 5, 4, kernel_size=2, stride=1, padding=1))
def avg_pool2d(
    x: Any,
    *,
    kernel_size: Sizes,
    stride: Sizes | None = None,
    padding: Sizes = 0,
    ceil_mode: bool = False,
    count_include_pad: bool = True,
    divisor_override: int | None = None,
) -> Any:
    """The mean of each window. x: (n, c, h, w) or (c, h, w) -> (n, c, oh, ow), as max_pool2d.

    count_include_pad: zeros of the padding count; divisor_override: divides in place of the count.
    """
    check_image("avg_pool2d", x, 2)
    sizes = kernel_size, stride, padding, ceil_mode, count_include_pad, divisor_override
    return _apply(x, _averages("avg_pool2d", x.shape, *sizes))


def _avg_pool2d_rule(
    g: Any,
    x_shape: Any,
    kernel_size: Any,
    stride: Any,
    padding: Any,
    ceil_mode: Any,
    count_include_pad: Any,
    divisor_override: Any,
) -> Any:
    sizes = kernel_size, stride, padding, ceil_mode, count_include_pad, divisor_override
    return _apply_adjoint(g, x_shape, _averages("avg_pool2d", x_shape, *sizes))


avg_pool2d.vjp(x=_avg_pool2d_rule)


@op(example=example_image(2, 3, 7, kernel_size=2, stride=1, padding=1))
def avg_pool1d(
    x: Any,
    *,
    kernel_size: Sizes,
    stride: Sizes | None = None,
    padding: Sizes = 0,
    ceil_mode: bool = False,
    count_include_pad: bool = True,
) -> Any:
    """avg_pool2d along one axis. x: (n, c, l) or (c, l) -> (n, c, ol)."""
    check_image("avg_pool1d", x, 1)
    return _apply(
        x, _line_averages(x.shape, kernel_size, stride, padding, ceil_mode, count_include_pad)
    )


def _line_averages(
    shape: tuple[int, ...], kernel_size: Any, stride: Any, padding: Any, *modes: bool
) -> list[Table]:
    kernel, steps, pads, _ = wide_sizes(kernel_size, stride, padding, 1)
    return _averages("avg_pool1d", (*shape, 1), kernel, steps, pads, *modes)[:1]


avg_pool1d.vjp(
    x=lambda g, x_shape, kernel_size, stride, padding, ceil_mode, count_include_pad: _apply_adjoint(
        g,
        x_shape,
        _line_averages(x_shape, kernel_size, stride, padding, ceil_mode, count_include_pad),
    )
)


# -- adaptive averages ----------------------------------------------------------------------------


def _share_averages(shape: tuple[int, ...], sizes: tuple[int, ...]) -> list[Table]:
    """For the last axes of `shape`: the means of so many nearly equal shares of each."""
    tables = []
    for n, out in zip(shape[-len(sizes) :], sizes, strict=True):
        places = shares(n, out)
        counted = np.vstack([np.ones((1, out), bool), places[1:] != places[0]])
        tables.append((places, counted / counted.sum(axis=0)))
    return tables


@op(example=example_image(2, 3, 5, 7, output_size=(2, 3)))
def adaptive_avg_pool2d(x: Any, *, output_size: Any) -> Any:
    """The mean of each of output_size shares of the image, which may overlap by one pixel.

    x: (n, c, h, w) or (c, h, w) -> (n, c, *output_size); None keeps a length.
    """
    check_image("adaptive_avg_pool2d", x, 2)
    sizes = adaptive_sizes("adaptive_avg_pool2d", x.shape, output_size)
    return _apply(x, _share_averages(x.shape, sizes))


adaptive_avg_pool2d.vjp(
    x=lambda g, x_shape: _apply_adjoint(g, x_shape, _share_averages(x_shape, np.shape(g)[-2:]))
)


@op(example=example_image(2, 3, 7, output_size=3))
def adaptive_avg_pool1d(x: Any, *, output_size: Any) -> Any:
    """adaptive_avg_pool2d along one axis. x: (n, c, l) or (c, l) -> (n, c, output_size)."""
    check_image("adaptive_avg_pool1d", x, 1)
    out, _ = adaptive_sizes("adaptive_avg_pool1d", (*x.shape, 1), (*np.ravel(output_size), 1))
    return _apply(x, _share_averages(x.shape, (out,)))


adaptive_avg_pool1d.vjp(
    x=lambda g, x_shape: _apply_adjoint(g, x_shape, _share_averages(x_shape, np.shape(g)[-1:]))
)


# -- interpolation --------------------------------------------------------------------------------


def _interpolation(n: int, out: int, scale: float, mode: Mode, align_corners: bool) -> Table:
    """The table along an axis of n pixels. scale: input pixels for each output pixel."""
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
        return _share_averages(shape, outs)
    return [
        _interpolation(n, out, n / out if scale_factor is None else 1 / s, mode, align_corners)
        for n, out, s in zip(lengths, outs, given, strict=True)
    ]


@op(example=example_image(2, 3, 4, 3, scale_factor=2, mode="bilinear"))
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
    return _apply(x, _interpolations(np.shape(x), size, scale_factor, mode, align_corners))


interpolate.vjp(
    x=lambda g, x_shape, size, scale_factor, mode, align_corners: _apply_adjoint(
        g, x_shape, _interpolations(x_shape, size, scale_factor, mode, align_corners)
    )
)
