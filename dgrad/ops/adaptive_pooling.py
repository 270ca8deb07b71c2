"""Pooling to a given size: the largest, or the mean, of nearly equal shares of the image."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from dgrad.core.op import op
from dgrad.errors import ShapeError
from dgrad.ops._windows import Pair, Windows, pair
from dgrad.ops.interpolation import apply_adjoint, apply_tables, share_averages, shares
from dgrad.ops.max_pooling import (
    check_image,
    example_image,
    give_by_taps,
    give_to_first,
    largest,
    pool,
    pooling_windows,
)

__all__ = [
    "adaptive_avg_pool1d",
    "adaptive_avg_pool2d",
    "adaptive_max_pool1d",
    "adaptive_max_pool2d",
]


def _sizes(name: str, shape: tuple[int, ...], output_size: Any) -> Pair:
    """output_size as a pair; None along an axis: as long as the image."""
    values = (output_size,) * 2 if np.ndim(output_size) == 0 else tuple(output_size)
    given = tuple(n if v is None else v for v, n in zip(values, shape[-2:], strict=False))
    sizes = pair(name, "output_size", given if len(values) == 2 else output_size, 1)
    if min(shape[-2:]) < 1:
        raise ShapeError(f"{name}: the image of x {shape} has no pixels")
    return sizes


@op(example=example_image(2, 3, 5, 7, output_size=(2, 3)))
def adaptive_max_pool2d(x: Any, *, output_size: Any) -> Any:
    """The largest element of each of output_size shares of the image, which may overlap by one.

    x: (n, c, h, w) or (c, h, w) -> (n, c, *output_size); None keeps a length.
    """
    check_image("adaptive_max_pool2d", x, 2)
    return _adaptive("adaptive_max_pool2d", x, output_size)


def _adaptive(name: str, x: Any, output_size: Any) -> Any:
    oh, ow = _sizes(name, x.shape, output_size)
    windows = _equal_shares(x.shape, (oh, ow))
    if windows is not None:
        return pool(x, windows)
    down = largest(x[..., rows, :] for rows in shares(x.shape[-2], oh))
    return largest(down[..., columns] for columns in shares(x.shape[-1], ow))


def _adaptive_rule(g: Any, x: Any) -> Any:
    h, w = np.shape(x)[-2:]
    oh, ow = np.shape(g)[-2:]
    return give_to_first(g, x, shares(h, oh), shares(w, ow))


def _equal_shares(shape: tuple[int, ...], sizes: Pair) -> Windows | None:
    """The shares as windows of max pooling; None if some are longer than others."""
    (h, w), (oh, ow) = shape[-2:], sizes
    if h % oh or w % ow:
        return None
    return pooling_windows("adaptive_max_pool2d", shape, (h // oh, w // ow), None, 0, 1, False)


def _adaptive_fast(g: Any, x: Any, out: Any) -> Any:
    """By a comparison for each pixel of a share, or by a search in each share, which are fewer."""
    sizes = out.shape[-2:]
    windows = _equal_shares(x.shape, sizes)
    if windows is not None and math.prod(windows.kernel) <= math.prod(sizes):
        return give_by_taps(g, x, out, windows)
    (h, w), (oh, ow) = x.shape[-2:], sizes
    images, g = x.reshape(-1, h, w), g.reshape(-1, oh, ow)
    given, each = np.zeros((len(images), h * w), g.dtype), np.arange(len(images))
    for i, rows in enumerate(shares(h, oh).T):
        for j, columns in enumerate(shares(w, ow).T):
            top, left, width = rows[0], columns[0], columns.max() + 1 - columns[0]
            share = images[:, top : rows.max() + 1, left : left + width]
            flat = share.reshape(len(share), share.shape[1] * width)
            across, down = np.divmod(np.argmax(flat, axis=1), width)
            given[each, (top + across) * w + left + down] += g[:, i, j]
    return given.reshape(x.shape)


adaptive_max_pool2d.vjp(x=_adaptive_rule)
adaptive_max_pool2d.fast_vjp(x=_adaptive_fast)


@op(example=example_image(2, 3, 7, output_size=3))
def adaptive_max_pool1d(x: Any, *, output_size: Any) -> Any:
    """adaptive_max_pool2d along one axis. x: (n, c, l) or (c, l) -> (n, c, output_size)."""
    check_image("adaptive_max_pool1d", x, 1)
    return _adaptive("adaptive_max_pool1d", x[..., None], (*np.ravel(output_size), 1))[..., 0]


adaptive_max_pool1d.vjp(
    x=lambda g, x: np.squeeze(_adaptive_rule(np.expand_dims(g, -1), np.expand_dims(x, -1)), -1)
)
adaptive_max_pool1d.fast_vjp(
    x=lambda g, x, out: _adaptive_fast(g[..., None], x[..., None], out[..., None])[..., 0]
)


@op(example=example_image(2, 3, 5, 7, output_size=(2, 3)))
def adaptive_avg_pool2d(x: Any, *, output_size: Any) -> Any:
    """The mean of each of output_size shares of the image, which may overlap by one pixel.

    x: (n, c, h, w) or (c, h, w) -> (n, c, *output_size); None keeps a length.
    """
    check_image("adaptive_avg_pool2d", x, 2)
    sizes = _sizes("adaptive_avg_pool2d", x.shape, output_size)
    return apply_tables(x, share_averages(x.shape, sizes))


adaptive_avg_pool2d.vjp(
    x=lambda g, x_shape: apply_adjoint(g, x_shape, share_averages(x_shape, np.shape(g)[-2:]))
)


@op(example=example_image(2, 3, 7, output_size=3))
def adaptive_avg_pool1d(x: Any, *, output_size: Any) -> Any:
    """adaptive_avg_pool2d along one axis. x: (n, c, l) or (c, l) -> (n, c, output_size)."""
    check_image("adaptive_avg_pool1d", x, 1)
    out, _ = _sizes("adaptive_avg_pool1d", (*x.shape, 1), (*np.ravel(output_size), 1))
    return apply_tables(x, share_averages(x.shape, (out,)))


adaptive_avg_pool1d.vjp(
    x=lambda g, x_shape: apply_adjoint(g, x_shape, share_averages(x_shape, np.shape(g)[-1:]))
)
