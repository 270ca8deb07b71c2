"""Largest elements of windows: max pooling.

Of equal largest elements the first in a window (row by row) gets the whole gradient, as in
PyTorch; so does the first NaN of a window that has one.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from dgrad.core.op import Example, op
from dgrad.errors import DtypeError, ParameterError, ShapeError
from dgrad.ops._floats import BITS
from dgrad.ops._index_arrays import plain
from dgrad.ops._windows import Pair, Sizes, Windows, pair
from dgrad.ops.gathering import spread_along

__all__ = ["max_pool1d", "max_pool2d"]


def example_image(*shape: int, **params: Any) -> Example:
    """An example: an array without ties, and the parameters."""

    def draw(rng: np.random.Generator) -> tuple[tuple[Any, ...], dict[str, Any]]:
        size = int(np.prod(shape))
        return (rng.permutation(size).reshape(shape) * 0.3,), params

    return draw


def check_image(name: str, x: Any, axes: int) -> None:
    """Raise unless x is (batch, channels, ...) or (channels, ...), with `axes` more axes."""
    if not hasattr(x, "ndim"):
        raise DtypeError(
            f"{name}: needs an array or a Tensor, got {type(x).__name__}; "
            f"dgrad.tensor makes one of a list"
        )
    if x.ndim not in (axes + 1, axes + 2):
        layout = "height, width" if axes == 2 else "length"
        raise ShapeError(
            f"{name}: wants x (batch, channels, {layout}) or (channels, {layout}), got {x.shape}"
        )


def pooling_windows(
    name: str,
    shape: tuple[int, ...],
    kernel_size: Sizes,
    stride: Sizes | None,
    padding: Sizes,
    dilation: Sizes,
    ceil_mode: bool,
) -> Windows:
    """Windows over the last two axes of `shape`; they fit exactly: `after` may be negative.

    ceil_mode: a last window that begins inside the image and the padding before it may reach
    beyond. Raises ParameterError when a window would miss the image.
    """
    kernel = pair(name, "kernel_size", kernel_size, 1)
    steps = pair(name, "stride", kernel if stride is None else stride, 1)
    pads, spread = pair(name, "padding", padding, 0), pair(name, "dilation", dilation, 1)
    margins = []
    for n, k, s, p, d in zip(shape[-2:], kernel, steps, pads, spread, strict=True):
        span = d * (k - 1) + 1
        count = (n + 2 * p - span + (s - 1 if ceil_mode else 0)) // s + 1
        if ceil_mode and (count - 1) * s >= n + p:
            count -= 1
        margins.append((p, (count - 1) * s + span - n - p if count > 0 and n else p))
    windows = Windows.over(name, shape[-2:], kernel, steps, margins, spread)
    if max(pads) and not all(inside.any(axis=0).all() for _, inside in windows.pixels()):
        raise ParameterError(name, "padding", "so small that every window meets the image", padding)
    return windows


# -- forward --------------------------------------------------------------------------------------


def _padded(x: Any, windows: Windows) -> Any:
    """x with the least number of its dtype around it, if the windows reach there."""
    (h, w), (top, left), (bottom, right) = windows.size, windows.before, windows.after
    if max(top, left, bottom, right) <= 0:
        return x
    least = -np.inf if x.dtype.kind == "f" else np.iinfo(x.dtype).min
    height, width = top + h + max(bottom, 0), left + w + max(right, 0)
    out = _room(x, (height, width))
    out.fill(least)
    out[..., top : top + h, left : left + w] = x
    return out


def _room(x: Any, size: Pair) -> Any:
    """A new array like x with other height and width, its axes in the order of x's in memory."""
    order = sorted(range(x.ndim), key=lambda axis: -abs(x.strides[axis]))
    shape = (*x.shape[:-2], *size)
    out = np.empty([shape[axis] for axis in order], x.dtype)
    return np.transpose(out, np.argsort(order))


def largest(views: Iterator[Any]) -> Any:
    """The elementwise maximum; an array of its own if there is more than one view."""
    out = next(views)
    for i, view in enumerate(views):
        out = np.maximum(out, view, out=out if i else None)
    return out


def pool(x: Any, windows: Windows) -> Any:
    x = _padded(x, windows)
    taps = [place for _, _, place in windows.taps(0, windows.out[0])]
    down = largest(x[..., rows, :] for rows, _ in taps[:: windows.kernel[1]])
    out = largest(down[..., columns] for _, columns in taps[: windows.kernel[1]])
    return out.copy(order="K") if windows.kernel == (1, 1) else out


# -- backward -------------------------------------------------------------------------------------


def _first_places(x: Any, rows: Any, columns: Any) -> Any:
    """Where the first largest element of each window lies in its flattened image.

    rows: (kh, oh), columns: (kw, ow): the pixels of each window. x: (..., h, w) -> (..., oh, ow).
    """
    best: Any = None
    places: Any = None
    for across in rows:
        for down in columns:
            met = x[..., across[:, None], down]
            here = across[:, None] * x.shape[-1] + down
            if best is None:
                best, places = met.copy(), np.broadcast_to(here, met.shape).copy()
                continue
            better = np.greater(met, best) | (np.isnan(met) & ~np.isnan(best))
            np.copyto(best, met, where=better)
            np.copyto(places, here, where=better)
    return places


def give_to_first(g: Any, x: Any, rows: Any, columns: Any) -> Any:
    """g added, at the first largest element of each window, to zeros of x's shape."""
    shape = np.shape(x)
    lead, size = shape[:-2], shape[-2] * shape[-1]
    places = _first_places(plain(x), rows, columns)
    flat = (*lead, places.shape[-2] * places.shape[-1])
    spread = spread_along(np.reshape(g, flat), (*lead, size), places.reshape(flat), -1)
    return np.reshape(spread, shape)


def give_by_taps(g: Any, x: Any, out: Any, windows: Windows) -> Any:
    """The same by a comparison for each kernel element, 20 times faster than by places."""
    (h, w), (top, left) = windows.size, windows.before
    (rows, inside_rows), (columns, inside_columns) = windows.pixels()
    if np.isnan(out).any():  # equal to nothing
        return give_to_first(g, x, rows, columns)
    if g.strides != out.strides:  # loops over two orders of memory take three times this copy
        g, given = np.empty_like(out, g.dtype), g
        g[...] = given
    padded = _padded(x, windows)
    given = _room(padded, padded.shape[-2:])
    if windows.tiled != padded.shape[-2:]:  # else every pixel is written below
        given.fill(0)
    *others, (_, _, last) = windows.taps(0, windows.out[0])
    free: Any = None  # windows whose largest element has not been met
    for i, j, place in others:
        here = np.equal(padded[(..., *place)], out)
        if padded is not x:  # -inf in the padding is not the -inf of the image
            here &= inside_rows[i][:, None] & inside_columns[j]
        if free is None:
            free = ~here
        else:
            here &= free
            free ^= here
        _add_where(given[(..., *place)], g, here, windows)
    _add_where(given[(..., *last)], g, np.ones_like(out, bool) if free is None else free, windows)
    return given[..., top : top + h, left : left + w]


def _add_where(part: Any, g: Any, chosen: Any, windows: Windows) -> None:
    """part += g where chosen; part = that, 0 elsewhere, if no pixel lies in two windows.

    Bits times 0 or 1 are exact, for inf too; an add with a mask takes 10 times as long.
    """
    integer = BITS.get(g.dtype.itemsize)
    if integer is None:
        given = np.where(chosen, g, 0)
    else:
        mask = chosen.view(np.int8).astype(integer)
        if not windows.overlap:
            np.multiply(g.view(integer), mask, out=part.view(integer))
            return
        given = np.multiply(g.view(integer), mask, out=mask).view(g.dtype)
    if windows.overlap:
        given += part
    part[...] = given


@op(example=example_image(2, 3, 5, 4, kernel_size=2, stride=1))
def max_pool2d(
    x: Any,
    *,
    kernel_size: Sizes,
    stride: Sizes | None = None,
    padding: Sizes = 0,
    dilation: Sizes = 1,
    ceil_mode: bool = False,
) -> Any:
    """The largest element of each window. x: (n, c, h, w) or (c, h, w) -> (n, c, oh, ow).

    oh = (h + 2 padding - dilation (kernel_size - 1) - 1) / stride + 1, rounded down, or up in
    ceil_mode. stride: kernel_size if None. What is padded is below every number. Raises
    ShapeError when no window fits, ParameterError when one would meet nothing but padding.
    """
    check_image("max_pool2d", x, 2)
    return pool(
        x, pooling_windows("max_pool2d", x.shape, kernel_size, stride, padding, dilation, ceil_mode)
    )


def _max_pool_rule(
    g: Any, x: Any, kernel_size: Any, stride: Any, padding: Any, dilation: Any, ceil_mode: Any
) -> Any:
    sizes = kernel_size, stride, padding, dilation, ceil_mode
    (rows, _), (columns, _) = pooling_windows("max_pool2d", np.shape(x), *sizes).pixels()
    return give_to_first(g, x, rows, columns)


def _max_pool_fast(
    g: Any,
    x: Any,
    out: Any,
    kernel_size: Any,
    stride: Any,
    padding: Any,
    dilation: Any,
    ceil_mode: Any,
) -> Any:
    sizes = kernel_size, stride, padding, dilation, ceil_mode
    return give_by_taps(g, x, out, pooling_windows("max_pool2d", x.shape, *sizes))


max_pool2d.vjp(x=_max_pool_rule)
max_pool2d.fast_vjp(x=_max_pool_fast)


def wide_sizes(kernel_size: Any, stride: Any, padding: Any, dilation: Any) -> tuple[Any, ...]:
    """Sizes along a line as those of an image one pixel wide."""
    step = None if stride is None else (*np.ravel(stride), 1)
    return (*np.ravel(kernel_size), 1), step, (*np.ravel(padding), 0), (*np.ravel(dilation), 1)


@op(example=example_image(2, 3, 7, kernel_size=2, stride=1))
def max_pool1d(
    x: Any,
    *,
    kernel_size: Sizes,
    stride: Sizes | None = None,
    padding: Sizes = 0,
    dilation: Sizes = 1,
    ceil_mode: bool = False,
) -> Any:
    """max_pool2d along one axis. x: (n, c, l) or (c, l) -> (n, c, ol)."""
    check_image("max_pool1d", x, 1)
    kernel, steps, pads, spread = wide_sizes(kernel_size, stride, padding, dilation)
    x = x[..., None]
    return pool(x, pooling_windows("max_pool1d", x.shape, kernel, steps, pads, spread, ceil_mode))[
        ..., 0
    ]


def _max_pool1d_rule(
    g: Any, x: Any, kernel_size: Any, stride: Any, padding: Any, dilation: Any, ceil_mode: Any
) -> Any:
    sizes = *wide_sizes(kernel_size, stride, padding, dilation), ceil_mode
    g, x = np.expand_dims(g, -1), np.expand_dims(x, -1)
    return np.squeeze(_max_pool_rule(g, x, *sizes), -1)


def _max_pool1d_fast(
    g: Any,
    x: Any,
    out: Any,
    kernel_size: Any,
    stride: Any,
    padding: Any,
    dilation: Any,
    ceil_mode: Any,
) -> Any:
    sizes = *wide_sizes(kernel_size, stride, padding, dilation), ceil_mode
    return _max_pool_fast(g[..., None], x[..., None], out[..., None], *sizes)[..., 0]


max_pool1d.vjp(x=_max_pool1d_rule)
max_pool1d.fast_vjp(x=_max_pool1d_fast)
